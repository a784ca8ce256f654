"""Distances between generated and real rows in a space of features: Frechet (FID) and kernel (KID)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import derived_seed

if TYPE_CHECKING:
    from torch import nn


def frechet(real: Any, made: Any) -> float:
    """Frechet distance between normals with the moments of two sets of features.

        FID = |m_r - m_g|^2 + tr( S_r + S_g - 2 (S_r S_g)^{1/2} )

    0 for a set and itself. It is biased: fewer rows make it larger, so it compares methods on the same rows
    and the same features, and nothing else.

    Args:
        real: (N, F) features of real rows, N of at least 2.
        made: (N', F) features of generated rows, N' of at least 2.

    Raises:
        InputError: for NaN, other widths, fewer than two rows.

    Source: Heusel et al. 2017, through torchmetrics.

    Example:
        >>> round(frechet([[0.0], [2.0]], [[3.0], [5.0]]), 6)
        9.0
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    return max(_update(FrechetInceptionDistance, real, made, {}), 0.0)


def kernel(
    real: Any, made: Any, *, subsets: int = 50, size: int | None = None, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance: squared MMD with a cubic kernel, mean and standard deviation over random subsets.

        KID = mean over subsets of MMD^2_u,   k(x, y) = (x . y / F + 1)^3

    Unbiased: about 0 for two sets of one distribution, where it may be slightly negative.

    Args:
        real: (N, F) features of real rows.
        made: (N', F) features of generated rows.
        subsets: how many.
        size: rows of each; all but a tenth of the smaller set, at most 1,000, unless given.
        seed: decides the subsets.

    Raises:
        InputError: for NaN, other widths, fewer than three rows, a size above the number of rows.

    Source: Binkowski et al. 2018, through torchmetrics.

    Example:
        >>> same = [[float(i % 7), float(i % 3)] for i in range(60)]
        >>> shifted = [[a + 5.0, b] for a, b in same]
        >>> kernel(same, same)[0] < 0.1 < kernel(same, shifted)[0]
        True
    """
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    few = min(len(real), len(made))
    if few < 3:
        raise InputError(f"the smaller set has {few} rows; a kernel distance over subsets needs at least 3.")
    size = min(1_000, max(2, few - max(1, few // 10))) if size is None else whole("size", size, 2)
    if size >= few:
        raise InputError(f"size is {size} and the smaller set has {few} rows; take fewer than that.")
    options = {"subsets": whole("subsets", subsets, 2), "subset_size": size}
    with torch.random.fork_rng(devices=[]):  # torchmetrics draws its subsets from torch's global generator
        torch.manual_seed(derived_seed(seed, "kernel distance"))
        mean, sd = _update(KernelInceptionDistance, real, made, options)
    return mean, sd


def _update(metric: Any, real: Any, made: Any, options: dict[str, int]) -> Any:
    """Return what a metric of torchmetrics makes of two sets of features."""
    import warnings

    import torch

    features = {
        name: checks.finite(name, checks.numbers(name, v)) for name, v in (("real", real), ("made", made))
    }
    shapes = {name: array.shape for name, array in features.items()}
    if any(array.ndim != 2 or len(array) < 2 for array in features.values()) or (
        shapes["real"][1:] != shapes["made"][1:]
    ):
        raise InputError(
            f"real is {shapes['real']} and made {shapes['made']}; give (N, F) and (N', F), two rows at least."
        )
    with warnings.catch_warnings():  # that it keeps the features is what it is asked for
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        found = metric(feature=_as_it_is(shapes["real"][1]), **options).set_dtype(torch.float64)
    for name, array in features.items():
        found.update(torch.from_numpy(array), real=name == "real")
    result = found.compute()
    return tuple(float(r) for r in result) if isinstance(result, tuple) else float(result)


def _as_it_is(width: int) -> nn.Module:
    """Return the extractor of a metric whose rows are features already."""
    from torch import nn

    identity = nn.Identity()
    identity.num_features = width  # type: ignore[assignment]  # torchmetrics would try it on a picture else
    return identity
