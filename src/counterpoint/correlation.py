"""Canonical correlation of two sets of outputs, and how a value of a whole batch becomes a loss per row."""

import torch

from counterpoint.shapes import Bool, Float, Tensor

_PRECISION = torch.float64  # inside: a covariance squares how far directions differ, and is then inverted


def canonical_correlation(
    a: Float[Tensor, "B D"],
    b: Float[Tensor, "B C"],
    both: Bool[Tensor, "B"],
    regularisation: float,
    squared: bool = False,
) -> Float[Tensor, ""]:
    """Return the sum of the canonical correlations of two sets of outputs, or that of their squares.

        S_aa = 1/(n-1) sum_i (a_i - mean a)(a_i - mean a)' + r I,    S_bb alike,    S_ab without r
        T = S_aa^-1/2 S_ab S_bb^-1/2
        ||T||_* = sum_k s_k    or    ||T||_F^2 = sum_k s_k^2,    s_k the singular values of T

    over the n rows that have both. S^-1/2 is an inverse root whichever root it is: all differ by a rotation,
    which the s_k do not see. So it is the inverse of the Cholesky factor, whose gradient needs no gaps
    between eigenvalues as that of a symmetric root does. The gradient of ||T||_* is U V', without the
    division by s_k^2 - s_l^2 that the vectors' own gradients have: it is finite, and the same for every
    choice of vectors, where correlations are equal. At s_k = 0 it is a subgradient.

    Args:
        a: (B, D), any values where `both` does not hold.
        b: (B, C), the same.
        both: (B,), the rows that count. With fewer than two of them the result is 0, and so is its gradient.
        regularisation: r, in squared units of the outputs, at least 0; at 0 the covariances must have an
            inverse.
        squared: Sum the squares. The sum is at most min(D, C), and reaches it wherever n <= min(D, C) and r
            is small: so few rows say nothing.

    Returns:
        The sum, no number of nats. NaN where the outputs are not finite, or a covariance has no Cholesky
        factor; nothing is raised, since others of a stack may be sound.

    Source: Andrew et al. 2013 (DCCA), section 3: its covariances, its 1/(n-1) and its r.

    Example:
        >>> a = torch.tensor([[1.0], [2.0], [4.0]])
        >>> every = torch.ones(3, dtype=torch.bool)
        >>> round(canonical_correlation(a, 3.0 - 2.0 * a, every, 0.0).item(), 6)
        1.0
        >>> canonical_correlation(a, a, torch.tensor([True, False, False]), 0.0).item()
        0.0
    """
    count = both.sum()
    enough = count > 1
    x, y = _centred(a, both), _centred(b, both)
    over = (count - 1).clamp_min(1)
    root_a, fine_a = _root(x.mT @ x / over, enough, regularisation)
    root_b, fine_b = _root(y.mT @ y / over, enough, regularisation)
    s_ab = torch.where(enough, x.mT @ y / over, 0.0)
    half = torch.linalg.solve_triangular(root_a, s_ab, upper=False)
    t = torch.linalg.solve_triangular(root_b, half.mT, upper=False)  # (C, D), the transpose of T
    sound = fine_a & fine_b & t.isfinite().all()
    t = torch.where(sound, t, 0.0)  # a decomposition of what is not finite raises
    total = t.square().sum() if squared else torch.linalg.svdvals(t).sum()
    total = torch.where(enough, total, 0.0)
    return torch.where(sound, total, torch.nan).to(a.dtype)


def _centred(f: Float[Tensor, "B D"], both: Bool[Tensor, "B"]) -> Float[Tensor, "B D"]:
    """Return outputs without their mean over the rows that count, zero in the others."""
    kept = both.unsqueeze(-1)
    f = torch.where(kept, f.to(_PRECISION), 0.0)
    return torch.where(kept, f - f.sum(0) / both.sum().clamp_min(1), 0.0)


def _root(s: Float[Tensor, "D D"], enough: Tensor, regularisation: float) -> tuple[Tensor, Tensor]:
    """Return the Cholesky factor of S + r I, and whether there is one; I where there are too few rows."""
    eye = torch.eye(s.shape[-1], dtype=s.dtype, device=s.device)
    root, failed = torch.linalg.cholesky_ex(torch.where(enough, s + regularisation * eye, eye))
    return root, failed == 0


def over_rows(value: Float[Tensor, "#B"], rows: Bool[Tensor, "B"]) -> Float[Tensor, "B"]:
    """Return a loss per row whose mean over the batch is the mean of `value` over some of its rows.

        L_i = B/n value_i    in the n rows, 0 in the others

    A trainer averages losses over all rows of a batch. So what was said of the rows that have a pair is not
    thinned out by rows that have none.

    Args:
        value: (B,), or (1,) for one value of them all.
        rows: (B,), the rows that it is about. With none the loss is 0.

    Example:
        >>> over_rows(torch.tensor([3.0]), torch.tensor([True, False, False])).tolist()
        [9.0, 0.0, 0.0]
    """
    return torch.where(rows, value * (rows.shape[0] / rows.sum().clamp_min(1)), 0.0)
