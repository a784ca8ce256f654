"""Where the shifts by category start: at the differences that the training rows show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from counterpoint.batch import Batch, real
from counterpoint.modality import Modality
from counterpoint.model import MultimodalVAE

ROWS, VALUES = 4096, 2**22  # of a part, at most


@torch.no_grad()
def start_shifts(models: Sequence[MultimodalVAE], rows: Iterable[Batch]) -> None:
    """Let the shifts of encoders start where categories have the same mean, in what the encoders read.

        A = mean_c B - B,    B = argmin sum_n |e(x_n) - e_mean - (c_n - c_mean) B|^2,  the smallest such

    by covariate, so that the average row is not shifted. Single values that were not observed count as the
    mean of their category. From 0, Adam would take A there at a learning rate a step.

    Args:
        models: Models of the same modalities; shifts that require no gradient stay.
        rows: All training rows with covariates, in parts.

    Example:
        >>> from torch import nn
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import poe
        >>> from counterpoint.model import Modality
        >>> part = Modality(nn.Linear(1, 4), nn.Linear(4, 1), Normal((1,)), known=torch.eye(2))
        >>> model = MultimodalVAE({"a": part}, poe(), latent_dim=2)
        >>> mask = {"a": torch.ones(3, dtype=torch.bool)}
        >>> x = {"a": torch.tensor([[0.0], [2.0], [7.0]])}
        >>> start_shifts([model], [Batch(x, mask, torch.eye(2)[[0, 0, 1]])])
        >>> model["a"].shift.detach().round(decimals=3).ravel().tolist()
        [2.0, -4.0]
    """
    first = models[0]
    found: list[Any] = [(0.0, 0.0, 0.0)] * len(first.names)
    for part in rows:
        for m, (name, modality) in enumerate(zip(first.names, first.modalities, strict=True)):
            found[m] = tuple(a + b for a, b in zip(found[m], _sums(modality, part, name), strict=True))
    for m, (outer, total, count) in enumerate(found):
        start = _start(outer, total, count)
        for model in models:
            shift = model.modalities[m].shift
            if shift.requires_grad:
                shift.copy_(start.view(shift.shape))


def _sums(modality: Modality, rows: Batch, name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the sums of c c^T (C, C), of c e(x)^T and of c where it was observed, (C, values) each."""
    mask = rows.mask[name]
    given = modality.likelihood.encode(real(rows.x[name], torch.float32), mask).flatten(1).double()
    assert modality.known is not None
    assert rows.covariates is not None
    told = rows.covariates.double() @ modality.known.to(rows.covariates.device, torch.float64)
    seen = mask.reshape(len(mask), -1).to(torch.float64)
    there = told * seen.amax(1, keepdim=True)
    wide = seen.repeat_interleave(given.shape[1] // seen.shape[1], 1)
    return there.T @ there, told.T @ torch.where(wide > 0, given, 0.0), told.T @ wide


def _start(outer: torch.Tensor, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Return A (C, values) from these sums."""
    rows = outer.diagonal()  # that have the modality, of every category
    if not rows.any():  # an old modality of a model that another one joins
        return torch.zeros_like(total)
    told = outer.sum() / rows.sum()  # covariates: every row has a category of each
    n = rows.sum() / told
    mean = total.sum(0) / count.sum(0).clamp_min(1)
    total = torch.where(count > 0, total / count.clamp_min(1), mean) * rows[:, None]
    share = rows / n
    each = total.sum(0) / (told * n)
    inner = outer - n * torch.outer(share, share)
    found = torch.linalg.pinv(inner, rtol=1e-9, hermitian=True) @ (total - n * torch.outer(share, each))
    return torch.where(rows[:, None] > 0, share @ found / told - found, 0.0)


def parts(
    x: Mapping[str, torch.Tensor], mask: Mapping[str, torch.Tensor], covariates: torch.Tensor
) -> Iterator[Batch]:
    """Cut training rows into parts that take little memory.

    Example:
        >>> x, mask = {"a": torch.zeros(5, 1)}, {"a": torch.ones(5, dtype=torch.bool)}
        >>> [part.rows for part in parts(x, mask, torch.eye(2)[[0, 1, 0, 1, 1]])]
        [5]
    """
    widest = max(v[0].numel() for v in x.values())
    size, rows = max(1, min(ROWS, VALUES // widest)), Batch(x, mask, covariates)
    for start in range(0, len(covariates), size):
        yield rows.at(slice(start, start + size))
