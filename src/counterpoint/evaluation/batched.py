"""Many logistic regressions at once: the optimum of scikit-learn's objective, for a whole stack of features.

The stack is solved by L-BFGS in float64, preconditioned by the curvature of the features (all classes share
one matrix, computed anew a few times), so that correlated features cost hardly more than independent ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, number, whole
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MOST_FEATURES = 256  # beyond it the D x D curvature costs more than it saves: benchmarks/probes.py
_AT_ONCE = (
    120_000  # probabilities (rows x classes x regressions) in one pass: 1 MB, which a core's cache holds
)
_REFRESHED = (0, 10, 30, 90, 270, 810)  # iterations at which the curvature is computed anew
_MEMORY = 6  # pairs of steps and gradients


@dataclass(frozen=True, eq=False)
class LogisticStack:
    """P fitted regressions of the same size.

    Attributes:
        classes: (C,) the labels they can answer, sorted.
        coef: (P, C, D) of the standardised features; (P, 1, D) for two classes, as scikit-learn has it.
        intercept: (P, C) or (P, 1).
        center: (P, D) means of the training rows.
        scale: (P, D) their standard deviations; 1 where a feature is constant.
        converged: (P,) whether the optimum was reached to the tolerance.

    Example:
        >>> stack = fit_stack([[[-2.0], [-1.0], [1.0], [2.0]]], ["a", "a", "b", "b"])
        >>> stack.coef.shape, stack.probabilities([[[-3.0], [3.0]]]).argmax(-1).tolist()
        ((1, 1, 1), [[0, 1]])
    """

    classes: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    converged: np.ndarray

    def probabilities(self, x: Any) -> np.ndarray:
        """Return the probability of every class, (P, N', C), for features (P, N', D).

        Raises:
            InputError: if there are not P regressions' features, or their width differs.
        """
        import numpy as np

        x = checks.finite("x", checks.numbers("x", x))
        if x.ndim != 3 or (len(x), x.shape[2]) != self.center.shape:
            raise InputError(
                f"x has shape {x.shape}; give {self.center.shape[0]} x rows x {self.center.shape[1]}."
            )
        z = (x - self.center[:, None]) / self.scale[:, None]
        logits = z @ self.coef.transpose(0, 2, 1) + self.intercept[:, None]
        if logits.shape[2] == 1:
            logits = np.concatenate([-logits / 2, logits / 2], axis=2)
        odds = np.exp(logits - logits.max(2, keepdims=True))
        return odds / odds.sum(2, keepdims=True)


def fit_stack(
    x: Any, y: Any, weight: Any = None, *, tol: float = 1e-5, max_iter: int = 2_000
) -> LogisticStack:
    """Fit one logistic regression per layer of a stack, each as if it were alone.

        min_{W,b}  sum_n w_n ( log sum_c exp(a_nc) - a_{n,y_n} ) + 1/2 |W|^2,   a_nc = W_c . s(x_n) + b_c

    s standardises by the (weighted) training rows; the intercept b is not penalised; two classes have one
    vector W, with a_n1 - a_n0 = W . s(x_n) + b. That is `LogisticRegression(C=1)` after `StandardScaler`, and
    stops as it does: when no derivative of the objective over sum(w) is above `tol`. At scikit-learn's own
    1e-4 coefficients of separable classes are still 0.1 from the optimum, and 2 rows in 1,000 are answered
    otherwise; hence 1e-5 here.

    Args:
        x: (P, N, D) features; rows of weight 0 may hold anything, NaN too.
        y: (N,) labels of all, or (P, N); the same classes in every regression.
        weight: (P, N) at least 0, or bool for present rows; None weighs every row with 1.
        tol: largest derivative, in nats per row, at which it stops.
        max_iter: iterations, at most.

    Raises:
        InputError: for NaN in a row that counts, other shapes, one class only, different sets of classes.

    Source: Nocedal & Wright 2006, algorithm 7.4 (L-BFGS); the objective is scikit-learn's.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import LogisticRegression
        >>> x = np.random.default_rng(0).standard_normal((2, 60, 3))
        >>> y = (x[0, :, 0] > 0) + 0
        >>> s = (x[1] - x[1].mean(0)) / x[1].std(0)
        >>> alone = LogisticRegression(tol=1e-8).fit(s, y)
        >>> bool(np.abs(fit_stack(x, y, tol=1e-8).coef[1] - alone.coef_).max() < 1e-4)
        True
    """
    import numpy as np
    import torch

    features, codes, w, classes = _checked(x, y, weight)
    number("tol", tol, open_=True)
    whole("max_iter", max_iter)
    count, rows, _ = features.shape
    total = w.sum(1)
    size = max(1, _AT_ONCE // (rows * len(classes)))
    found, done, moments = [], [], []
    for at in range(0, count, size):
        now = slice(at, at + size)
        center, scale = _moments(features[now], w[now] / total[now, None])
        z = torch.from_numpy((features[now] - center[:, None]) / scale[:, None])
        moments.append((center, scale))
        hot = torch.from_numpy(codes[now]).unsqueeze(1) == torch.arange(len(classes)).unsqueeze(1)
        share = torch.from_numpy(w[now] / total[now, None])
        # Two opposite vectors W/2, -W/2 have half the square of W: twice the penalty makes up for it.
        penalty = torch.from_numpy((2.0 if len(classes) == 2 else 1.0) / total[now])
        with torch.no_grad():
            made, fine = _solve(z, hot, share, penalty, tol, max_iter)
        found.append(made.numpy())
        done.append(fine.numpy())
    both = np.concatenate(found)
    if len(classes) == 2:
        both = both[:, 1:] - both[:, :1]
    center, scale = map(np.concatenate, zip(*moments, strict=True))
    return LogisticStack(classes, both[..., :-1], both[..., -1], center, scale, np.concatenate(done))


def _checked(x: Any, y: Any, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return features (P, N, D), 0 in rows of no weight; class codes (P, N), weights (P, N), classes."""
    import numpy as np

    features = checks.numbers("x", x)
    if features.ndim != 3:
        raise InputError(f"x has shape {features.shape}; give regressions x rows x features.")
    shape = features.shape[:2]
    w = np.ones(shape) if weight is None else checks.finite("weight", checks.numbers("weight", weight))
    if w.shape != shape:
        raise InputError(f"weight has shape {w.shape}; give one number per regression and row, {shape}.")
    if (w < 0).any() or not (w > 0).any(1).all():
        raise InputError(
            "weight is negative somewhere, or 0 in all rows of a regression; weights are at least 0."
        )
    given = np.asarray(y)
    truth = checks.labels("y", given.reshape(-1))
    if given.shape not in (shape, shape[1:]):
        raise InputError(f"y has shape {given.shape}; give one label per row, {shape[1:]} or {shape}.")
    truth = np.broadcast_to(truth.reshape(given.shape), shape)
    counts = w > 0
    if not counts.all():
        features = np.where(counts[:, :, None], features, 0.0)
    checks.finite("x", features)
    classes = checks.classes("y", truth[counts])
    codes = np.minimum(np.searchsorted(classes, truth), len(classes) - 1)
    for layer, (code, used) in enumerate(zip(codes, counts, strict=True)):
        if len(np.unique(code[used])) < len(classes):
            raise InputError(
                f"regression {layer} lacks some of the {len(classes)} classes; fit it by itself: "
                "a stack has the same classes throughout."
            )
    return features, codes, w, classes


def _moments(x: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted means and standard deviations, (P, D) each; 1 for what is constant but for rounding."""
    import numpy as np

    center = (share[:, None] @ x)[:, 0]
    variance = (share[:, None] @ (x - center[:, None]) ** 2)[:, 0]
    rows, eps = x.shape[1], np.finfo(np.float64).eps
    constant = variance <= rows * eps * variance + (rows * center * eps) ** 2
    return center, np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))


def _solve(
    x: Tensor, hot: Tensor, share: Tensor, penalty: Tensor, tol: float, most: int
) -> tuple[Tensor, Tensor]:
    """L-BFGS over a stack; x (P, N, D), hot (P, C, N), share (P, N) summing to 1, penalty (P,).

    Logits are kept along with the weights, so that a shorter step costs no product. A regression that is done
    takes steps of length 0. Returns weights with the intercept last, (P, C, D + 1), and which are converged.
    """
    import torch

    count, rows, width = x.shape
    a = torch.cat([x, x.new_ones(count, rows, 1)], 2)  # (P, N, F)
    across, weighed = a.transpose(1, 2).contiguous(), a * share.unsqueeze(-1)
    ridge = penalty[:, None].repeat(1, width + 1)
    ridge[:, -1] = 0  # (P, F)
    seen = hot.to(x.dtype) @ weighed  # (P, C, F)
    logits = x.new_zeros(hot.shape)
    w = x.new_zeros(seen.shape)

    def value(w: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        top = logits.amax(1, keepdim=True)
        odds = (logits - top).exp_()
        total = odds.sum(1, keepdim=True)
        normaliser = ((total.log() + top).squeeze(1) * share).sum(1)
        return normaliser - _dot(w, seen) + 0.5 * _dot(w, w * ridge[:, None]), odds.div_(total)

    def slope_at(w: Tensor, chances: Tensor) -> Tensor:
        return chances @ weighed - seen + w * ridge[:, None]

    f, chances = value(w, logits)
    g = slope_at(w, chances)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    inverse = torch.empty(0)
    stalled = torch.zeros(count, dtype=torch.bool)
    for step in range(most):
        done = (g.abs().amax((1, 2)) <= tol) | stalled
        if bool(done.all()):
            break
        if step in _REFRESHED:
            inverse = _inverse_curvature(across, weighed, chances, ridge)
        d = _direction(g, pairs, lambda q, b=inverse: q @ b)
        move, slope = d @ across, _dot(g, d)
        t = torch.where(done | (slope >= 0), 0.0, 1.0).to(x.dtype)
        for _ in range(40):
            ahead, there = w + _wide(t) * d, logits + _wide(t) * move
            f_new, chances = value(ahead, there)
            bad = f_new > f + 1e-4 * t * slope + 4e-16 * f.abs()
            if not bool(bad.any()):
                break
            t = torch.where(bad, t * 0.4, t)
        stalled = stalled | (t == 0) | (t < 1e-12)
        g_new = slope_at(ahead, chances)
        s, change = ahead - w, g_new - g
        pairs = [*pairs[1 - _MEMORY :], (s, change, _dot(s, change))]
        w, logits, f, g = ahead, there, f_new, g_new
    return w, g.abs().amax((1, 2)) <= tol


def _inverse_curvature(across: Tensor, weighed: Tensor, chances: Tensor, ridge: Tensor) -> Tensor:
    """Inverse of the Hessian's diagonal blocks, averaged over classes; exact at W = 0. Result (P, F, F)."""
    import torch

    kinds = chances.shape[1]
    doubt = (chances * (1 - chances)).mean(1) * kinds / (kinds - 1)
    blocks = (across * doubt.unsqueeze(1)) @ weighed
    blocks.diagonal(dim1=1, dim2=2).add_(ridge + 1e-9)  # the intercept has no ridge
    return torch.cholesky_inverse(torch.linalg.cholesky(blocks))


def _direction(
    g: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], precondition: Callable[[Tensor], Tensor]
) -> Tensor:
    """The two loops of L-BFGS; a pair without positive curvature is passed over."""
    q, kept = g, []
    for s, change, curvature in reversed(pairs):
        a = (_dot(s, q) / curvature).where(curvature > 0, curvature.new_zeros(()))
        q = q - _wide(a) * change
        kept.append(a)
    d = precondition(q)
    if pairs:
        _, change, curvature = pairs[-1]
        ratio = curvature / _dot(change, precondition(change))
        d = d * _wide(ratio.where((curvature > 0) & (ratio > 0), curvature.new_ones(())))
    for (s, change, curvature), a in zip(pairs, reversed(kept), strict=True):
        b = (_dot(change, d) / curvature).where(curvature > 0, curvature.new_zeros(()))
        d = d + s * _wide(a - b)
    return -d


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2))


def _wide(t: Tensor) -> Tensor:
    return t[:, None, None]
