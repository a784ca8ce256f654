"""Two goals at once, such as rate and distortion: the front, what it covers, and the curve over beta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, number
from counterpoint.evaluation import checks
from counterpoint.evaluation.spread import mean_and_spread

if TYPE_CHECKING:
    import numpy as np


def pareto(points: Any, minimise: Sequence[bool] = (True, False)) -> np.ndarray:
    """Return which points are on the front: no other is at least as good in both and better in one.

    Equal points are on it together.

    Args:
        points: (P, 2) finite.
        minimise: for each of the two whether less is better; distortion and quality unless said.

    Raises:
        InputError: for another shape, or a point that is not finite: leave out what was not measured.

    Source: Deb 2001, chapter 2 (non-dominated points).

    Example:
        >>> pareto([[1.0, 0.5], [2.0, 0.9], [2.0, 0.7]]).tolist()
        [True, True, False]
    """
    import numpy as np

    cost = _points(points) * np.where(_directions(minimise), 1.0, -1.0)
    order = np.lexsort((cost[:, 1], cost[:, 0]))
    front = np.zeros(len(cost), dtype=bool)
    best, last = np.inf, None
    for row in order:
        now = cost[row, 0], cost[row, 1]
        front[row] = now[1] < best or now == last
        if now[1] < best:
            best, last = now[1], now
    return front


def box(points: Any, chance: float, ceiling: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (worst, best) of the box that `hypervolume` is measured in, for all compared runs.

    Axis 0 is distortion, from the largest to the smallest of *all* runs that are compared; axis 1 is quality
    (accuracy of a probe, coherence), from chance to its ceiling (1, or the oracle's or the raw features').
    So the number ranks methods within one comparison, and means nothing beside one of another: a new run
    with a larger distortion widens the box and raises all others, and the run of the largest distortion
    covers nothing whatever its quality.

    Args:
        points: (P, 2) distortion and quality of every compared run, all methods, betas and seeds.
        chance: quality of knowing nothing.
        ceiling: quality of the best that can be.

    Raises:
        InputError: if all distortions are equal, or the ceiling is not above chance.

    Source: ours; the reference point is the nadir of Zitzler & Thiele 1999's measure.

    Example:
        >>> worst, best = box([[900.0, 0.8], [700.0, 0.5]], chance=0.1)
        >>> worst.tolist(), best.tolist()
        ([900.0, 0.1], [700.0, 1.0])
    """
    import numpy as np

    every = _points(points)
    low, high = number("chance", chance, -float("inf")), number("ceiling", ceiling, -float("inf"))
    if high <= low:
        raise InputError(f"ceiling is {high:g} and chance {low:g}; the ceiling must be above chance.")
    least, most = every[:, 0].min(), every[:, 0].max()
    if least == most:
        raise InputError(f"all {len(every)} distortions are {most:g}; a box needs two that differ.")
    return np.array([most, low]), np.array([least, high])


def hypervolume(points: Any, worst: Any, best: Any) -> float:
    """Return the share of the box from `worst` to `best` that some point is at least as good as.

        H = | union_p [0, u_p1] x [0, u_p2] |,   u_p = clip((p - worst) / (best - worst), 0, 1)

    Between 0 and 1. A point that is worse than `worst` in one goal covers nothing; one better than `best`
    counts as `best`. More points never lower it, and dominated ones do not matter: give each method as many.

    Args:
        points: (P, 2) of one method, all its betas (and seeds, or their means).
        worst: (2,) corner of the box, see `box`.
        best: (2,) the opposite corner; whether less or more is better follows from the two.

    Raises:
        InputError: for another shape, points that are not finite, corners that share a coordinate.

    Source: Zitzler & Thiele 1999 (size of the space covered).

    Example:
        >>> round(hypervolume([[800.0, 0.7], [750.0, 0.4]], worst=[900.0, 0.0], best=[700.0, 1.0]), 3)
        0.45
    """
    import numpy as np

    every = _points(points)
    corner, top = (checks.finite(w, checks.numbers(w, v)) for w, v in (("worst", worst), ("best", best)))
    if corner.shape != (2,) or top.shape != (2,) or (corner == top).any():
        raise InputError(
            f"worst is {corner.tolist()} and best {top.tolist()}; give two numbers each, differing in both."
        )
    share = np.clip((every - corner) / (top - corner), 0.0, 1.0)
    share = share[np.lexsort((-share[:, 1], -share[:, 0]))]
    height = np.maximum.accumulate(share[:, 1])
    width = share[:, 0] - np.append(share[1:, 0], 0.0)
    return float(min((width * height).sum(), 1.0))


@dataclass(frozen=True, eq=False)
class Curve:
    """A method over beta, a row per beta, ascending; columns are the two goals.

    Attributes:
        beta: (B,).
        mean: (B, 2) over seeds; NaN where nothing was measured.
        sd: (B, 2) of the sample; NaN below two values.
        n: (B, 2) values counted.

    Example:
        >>> curve([1.0, 1.0], [[10.0, 0.5], [12.0, 0.7]]).n.tolist()
        [[2, 2]]
    """

    beta: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    n: np.ndarray


def curve(beta: Any, points: Any) -> Curve:
    """Group the runs of one method by beta, with mean and standard deviation over seeds.

    Args:
        beta: (P,) of every run.
        points: (P, 2) its two goals; NaN is left out of that goal, and `n` says so.

    Raises:
        InputError: for other shapes, a beta that is not finite, an infinite value.

    Source: Alemi et al. 2018 (the rate-distortion plane over beta); spread as in `mean_and_spread`.

    Example:
        >>> made = curve([2.0, 0.5, 2.0], [[10.0, 0.6], [8.0, 0.5], [12.0, 0.8]])
        >>> made.beta.tolist(), made.mean[:, 0].tolist(), made.n[:, 0].tolist()
        ([0.5, 2.0], [8.0, 11.0], [1, 2])
    """
    import numpy as np

    b = checks.finite("beta", checks.numbers("beta", beta))
    values = _points(points, finite=False)
    if b.ndim != 1:
        raise InputError(f"beta has shape {b.shape}; give one number per run.")
    checks.same_rows(beta=b, points=values)
    found = np.unique(b)
    cells = [[mean_and_spread(values[b == one, goal]) for goal in (0, 1)] for one in found]
    mean, sd, n = (np.array([[getattr(c, key) for c in row] for row in cells]) for key in ("mean", "sd", "n"))
    return Curve(found, mean, sd, n)


def _points(points: Any, finite: bool = True) -> np.ndarray:
    array = checks.numbers("points", points)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"points has shape {array.shape}; give two numbers per run, (P, 2).")
    return checks.finite("points", array) if finite else array


def _directions(minimise: Sequence[bool]) -> list[bool]:
    chosen = list(minimise)
    if len(chosen) != 2 or not all(isinstance(one, bool) for one in chosen):
        raise InputError(f"minimise is {minimise!r}; give two bools, True where less is better.")
    return chosen
