"""Variance explained: by the whole latent, and by every dimension of it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks
from counterpoint.evaluation.imputation import imputation_r2

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class VarianceExplained:
    """R2 of decoded values against the column means of the scored rows.

    Attributes:
        total: with every row's own latent; at most 1, 0 is the column mean.
        latent: (D,) with only dimension d varying. The D values do not add up to `total`: a network is not
            additive.
        at_mean: with no dimension varying, near 0. A dimension that the decoder ignores has this value.
        n_rows: rows scored.

    Example:
        >>> import numpy as np
        >>> VarianceExplained(0.7, np.array([0.4, 0.2]), at_mean=-0.01, n_rows=500).total
        0.7
    """

    total: float
    latent: np.ndarray
    at_mean: float
    n_rows: int


def variance_explained(
    truth: Any, decode: Callable[[np.ndarray], Any], z: Any, mask: Any = None
) -> VarianceExplained:
    """Variance of one modality that its decoding explains, in all and by dimension of the latent.

        R2(y) = 1 - sum_{n,j} (x_nj - y_nj)^2 / sum_{n,j} (x_nj - mean_j)^2
        total = R2(decode(z)),   latent_d = R2(decode(z^d)),   z^d = z in dimension d, its mean elsewhere

    over the observed values; means are over the rows that are scored. Columns count by their variance in the
    units given: standardise them to count the same.

    Args:
        truth: (N, *event) observed values.
        decode: latents (N', D) to the decoder's mean (N', *event), in the units of `truth`, row by row.
        z: (N, D) posterior means; what stands in rows without an observed value is not looked at.
        mask: bool, rows (N,) or values (N, *event) that were observed; None for all.

    Raises:
        InputError: for other shapes, NaN in an observed value or its latent, columns that do not vary.

    Source: Argelaguet et al. 2018 (MOFA), variance explained per factor and view; here for any decoder.

    Example:
        >>> import numpy as np
        >>> z = np.array([[1.0, 5.0], [-1.0, 5.0], [1.0, -5.0], [-1.0, -5.0]])
        >>> found = variance_explained(3 * z[:, :1], lambda z: 3 * z[:, :1], z)
        >>> found.total, found.latent.tolist(), found.at_mean
        (1.0, [1.0, 0.0], 0.0)
    """
    import numpy as np

    truth, z = checks.numbers("truth", truth), checks.numbers("z", z)
    checks.same_rows(truth=truth, z=z)
    if z.ndim != 2:
        raise InputError(f"z has shape {z.shape}; give one latent per row, (N, D).")
    seen = np.ones(truth.shape, bool) if mask is None else np.asarray(mask)
    if seen.dtype != bool or seen.shape not in (truth.shape, truth.shape[:1]):
        raise InputError(
            f"mask is {seen.dtype} of shape {seen.shape}; give bools, {truth.shape[:1]} or {truth.shape}."
        )
    seen = np.broadcast_to(seen.reshape(seen.shape + (1,) * (truth.ndim - seen.ndim)), truth.shape)
    rows = seen.reshape(len(seen), -1).any(1)
    if not rows.any():
        raise InputError("mask selects no value; there is nothing to explain.")
    truth, seen, z = truth[rows], seen[rows], checks.finite("z", z[rows])
    truth = checks.finite("truth", np.where(seen, truth, 0.0))
    mean = truth.sum(0) / np.maximum(seen.sum(0), 1)

    def r2(latent: np.ndarray) -> float:
        found = checks.numbers("decode(z)", decode(latent))
        if found.shape != truth.shape:
            raise InputError(f"decode(z) has shape {found.shape} and truth {truth.shape}; give one for each.")
        return imputation_r2(truth, found, mean, where=seen).r2

    centre = np.tile(z.mean(0), (len(z), 1))
    single = []
    for d in range(z.shape[1]):
        moved = centre.copy()
        moved[:, d] = z[:, d]
        single.append(r2(moved))
    return VarianceExplained(r2(z), np.array(single), r2(centre), len(z))
