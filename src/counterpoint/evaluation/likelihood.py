"""Importance-sampled log-likelihood: log p(x) from draws of any proposal, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpoint.errors import InputError, whole

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImportanceEstimate:
    """Estimated log-likelihood of every row.

    Attributes:
        log_p: (N,) nats, float64; -inf where no draw had any density.
        effective: (N,) effective sample size, up to `draws`; 0 where `log_p` is -inf. The standard error of
            `log_p` is about sqrt(1/effective - 1/draws) nats; where it is below about 10, the estimate hangs
            on single draws and is too low.
        draws: K.

    Example:
        >>> import torch
        >>> one = torch.zeros(1, dtype=torch.float64)
        >>> ImportanceEstimate(one, one + 50.0, draws=50).draws
        50
    """

    log_p: Tensor
    effective: Tensor
    draws: int


def importance_log_likelihood(
    draw: Callable[[int, int], tuple[Tensor, Tensor]],
    log_joint: Callable[[Tensor], Tensor],
    draws: int,
    *,
    chunk: int = 1,
) -> ImportanceEstimate:
    """Estimate log p(x) of every row by importance sampling.

        log p(x) ~= log 1/K sum_k w_k,   w_k = p(x, z_k) / q(z_k),   z_k ~ q
        effective sample size = (sum_k w_k)^2 / sum_k w_k^2

    In expectation a lower bound that grows with K to log p(x). Rows are never mixed: every tensor has the
    rows last (before D) and only the axis of the draws is summed over, as a running log-sum-exp in float64,
    so `chunk` changes memory and nothing else.

    Args:
        draw: (k0, k) to draws number k0 to k0 + k - 1 as z (k, N, D) and log q(z) in nats, (k, N). The
            number lets it stratify over the experts of a mixture.
        log_joint: z (k, N, D) to log p(x, z) in nats, (k, N); -inf is allowed.
        draws: K, at least 1.
        chunk: draws taken at once.

    Raises:
        InputError: if `draws` or `chunk` is below 1, the two densities do not come as (k, N), or a weight is
            NaN or infinitely large.

    Source: Burda et al. 2016 (IWAE), eq. 8; effective sample size: Kong 1992.

    Example:
        >>> import torch
        >>> x = torch.tensor([0.3, -1.2], dtype=torch.float64)  # x | z ~ N(z, 1), z ~ N(0, 1)
        >>> noise = torch.randn((20, 2, 1), generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        >>> normal = torch.distributions.Normal
        >>> q = normal(x / 2, 0.5**0.5)  # the exact posterior: every draw has the same weight
        >>> def draw(first, count):
        ...     z = q.loc[:, None] + q.scale[:, None] * noise[first : first + count]
        ...     return z, q.log_prob(z[..., 0])
        >>> def log_joint(z):
        ...     return normal(0.0, 1.0).log_prob(z[..., 0]) + normal(z[..., 0], 1.0).log_prob(x)
        >>> found = importance_log_likelihood(draw, log_joint, 20)
        >>> torch.allclose(found.log_p, normal(0.0, 2**0.5).log_prob(x)), found.effective.round().tolist()
        (True, [20.0, 20.0])
    """
    import torch

    whole("draws", draws)
    whole("chunk", chunk)
    total = square = None
    for first in range(0, draws, chunk):
        count = min(chunk, draws - first)
        z, log_q = draw(first, count)
        log_w = _log_weight(log_joint(z), log_q, count)
        once, twice = torch.logsumexp(log_w, 0), torch.logsumexp(2 * log_w, 0)
        total = once if total is None else torch.logaddexp(total, once)
        square = twice if square is None else torch.logaddexp(square, twice)
    assert total is not None
    assert square is not None
    some = total > -math.inf
    effective = torch.where(some, torch.exp(torch.where(some, 2 * total - square, 0.0)), 0.0)
    return ImportanceEstimate(total - math.log(draws), effective, draws)


def _log_weight(log_p: Tensor, log_q: Tensor, count: int) -> Tensor:
    """Return log p - log q in float64, (k, N); a shape that would broadcast would mix rows."""
    if log_p.dim() != 2 or log_p.shape != log_q.shape or len(log_p) != count:
        raise InputError(
            f"log_joint gave shape {tuple(log_p.shape)} and log q has {tuple(log_q.shape)}; "
            f"both must be (draws, rows), here ({count}, N)."
        )
    log_w = log_p.double() - log_q.double()
    bad = log_w.isnan() | log_w.isposinf()
    if bad.any():
        row = int(bad.any(0).nonzero()[0])
        raise InputError(
            f"the importance weights of {int(bad.any(0).sum())} rows are NaN or infinite (first row {row}); "
            "both densities must be finite wherever the proposal draws."
        )
    return log_w
