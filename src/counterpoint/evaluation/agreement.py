"""Agreement: do the modalities of a row tell the same, and which of them is to be suspected if not?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np

FLOOR = 1e-3  # nats; below it two posteriors are the same for every purpose


@dataclass(frozen=True, eq=False)
class Disagreement:
    """How far apart the posteriors of a row's modalities are.

    Attributes:
        nats: (N,) mean over the row's pairs; NaN where fewer than two modalities are present.
        score: (N,) mean over the pairs of the worst modality, each pair in units of what is typical of it;
            NaN where there is no such pair.
        worst: (N,) which modality that is: the one to suspect. -1 where there is no score.
        matrix: (M, M) mean nats of every pair over the rows that have both; 0 on the diagonal.

    Example:
        >>> import numpy as np
        >>> one = np.array([0.5])
        >>> Disagreement(nats=one, score=one, worst=np.array([0]), matrix=np.zeros((2, 2))).worst.tolist()
        [0]
    """

    nats: np.ndarray
    score: np.ndarray
    worst: np.ndarray
    matrix: np.ndarray


def pair_divergences(loc: Any, scale: Any, present: Any) -> np.ndarray:
    """Symmetric KL between the posteriors of every pair of a row's modalities, (M, M, N) in nats.

        J(a, b) = 1/2 [ KL(q_a || q_b) + KL(q_b || q_a) ]

    for normals with the means and standard deviations given. It weighs a distance by what the posteriors are
    sure of: distances of the means alone are worse at finding re-paired rows (docs/conventions.md).

    Args:
        loc: (M, N, D) posterior means; absent entries may hold anything, NaN too.
        scale: (M, N, D) standard deviations, above 0 where present.
        present: bool (M, N).

    Returns:
        (M, M, N), symmetric, 0 on the diagonal; NaN where one of the two is absent.

    Raises:
        InputError: for NaN where present, other shapes, a scale that is not above 0.

    Source: Jeffreys 1946; Kullback & Leibler 1951.

    Example:
        >>> import numpy as np
        >>> loc = np.array([[[0.0], [0.0]], [[1.0], [0.0]]])
        >>> pair_divergences(loc, np.ones((2, 2, 1)), np.ones((2, 2), bool))[0, 1].tolist()
        [0.5, 0.0]
    """
    import numpy as np

    loc, scale = checks.numbers("loc", loc), checks.numbers("scale", scale)
    here = np.asarray(present)
    if loc.ndim != 3 or scale.shape != loc.shape:
        raise InputError(f"loc is {loc.shape} and scale {scale.shape}; give (M, N, D) for both.")
    if here.dtype != bool or here.shape != loc.shape[:2]:
        raise InputError(f"present is {here.dtype} of shape {here.shape}; give bools, {loc.shape[:2]}.")
    keep = here[..., None]
    loc = checks.finite("loc (where present)", np.where(keep, loc, 0.0))
    scale = checks.finite("scale (where present)", np.where(keep, scale, 1.0))
    if (scale <= 0).any():
        raise InputError("scale has values that are not above 0; it is a standard deviation.")
    found = np.zeros((len(loc), *here.shape))
    for a in range(len(loc)):
        for b in range(a):
            u, v = scale[a] ** 2, scale[b] ** 2
            distance = (loc[a] - loc[b]) ** 2 * (1 / u + 1 / v)
            found[a, b] = found[b, a] = (((u - v) ** 2 / (u * v) + distance) / 4).sum(-1)
    return np.where(here[:, None] & here[None], found, np.nan)


def typical(divergences: Any) -> np.ndarray:
    """Median divergence of every pair of modalities over training rows, (M, M) in nats, at least 0.001.

    What `disagreement` measures by: some pairs are always far apart, because one of the two tells little.

    Args:
        divergences: (M, M, N) from `pair_divergences` of training rows.

    Returns:
        (M, M); NaN for a pair that no training row has: it is not scored.

    Raises:
        InputError: for another shape, or if no row has two modalities.

    Example:
        >>> import numpy as np
        >>> d = np.zeros((2, 2, 3))
        >>> d[0, 1] = d[1, 0] = [1.0, 2.0, 9.0]
        >>> typical(d)[0, 1].item()
        2.0
    """
    import numpy as np

    pairs, count = pairs_of(divergences)
    found = np.full((count, count), np.nan)
    for a, b in np.argwhere(~np.isnan(pairs).all(-1)):
        found[a, b] = max(np.nanmedian(pairs[a, b]), FLOOR)
    return found


def disagreement(divergences: Any, typical: Any) -> Disagreement:
    """Disagreement of every row's modalities, in nats and in units of what is typical.

        nats_n  = mean_{a<b} J_n(a, b)
        score_n = max_a mean_{b != a} J_n(a, b) / typical(a, b)

    over the modalities that the row has. If one modality belongs to another row, all of its pairs are far
    apart and the others are not: the maximum finds it, and `worst` names it. (With two modalities both are
    equally suspect.)

    Args:
        divergences: (M, M, N) from `pair_divergences`.
        typical: (M, M) from `typical` of the training rows, never of the rows that are scored.

    Raises:
        InputError: for other shapes, no row with two modalities, a typical divergence that is not above 0.

    Example:
        >>> import numpy as np
        >>> loc = np.array([[[0.0]], [[0.1]], [[3.0]]])  # three modalities, one row
        >>> d = pair_divergences(loc, np.ones((3, 1, 1)), np.ones((3, 1), bool))
        >>> found = disagreement(d, np.ones((3, 3)))
        >>> found.worst.tolist(), found.score.round(4).tolist(), found.nats.round(4).tolist()
        ([2], [4.3525], [2.9033])
    """
    import numpy as np

    pairs, count = pairs_of(divergences)
    unit = checks.numbers("typical", typical)
    if unit.shape != (count, count):
        raise InputError(f"typical has shape {unit.shape}; give one value per pair, {(count, count)}.")
    off = ~np.eye(count, dtype=bool)
    if (unit[off] <= 0).any() or np.isinf(unit[off]).any():
        raise InputError("typical has values that are not above 0 or infinite; take them from `typical`.")
    each = _mean(pairs / np.where(off, unit, 1.0)[..., None], 1)  # (M, N)
    some = ~np.isnan(each).all(0)
    ranked = np.where(np.isnan(each), -np.inf, each)
    matrix = np.where(off, _mean(pairs, 2), 0.0)
    return Disagreement(
        nats=_mean(pairs.reshape(count**2, -1), 0),
        score=np.where(some, ranked.max(0), np.nan),
        worst=np.where(some, ranked.argmax(0), -1),
        matrix=matrix,
    )


def pairs_of(divergences: Any) -> tuple[np.ndarray, int]:
    """Return divergences (M, M, N) with NaN on the diagonal, and M.

    Raises:
        InputError: for another shape, or if no row has two modalities.

    Example:
        >>> import numpy as np
        >>> pairs_of(np.ones((2, 2, 1)))[0].tolist()
        [[[nan], [1.0]], [[1.0], [nan]]]
    """
    import numpy as np

    pairs = checks.numbers("divergences", divergences)
    if pairs.ndim != 3 or pairs.shape[0] != pairs.shape[1]:
        raise InputError(f"divergences has shape {pairs.shape}; give (M, M, N), see `pair_divergences`.")
    count = len(pairs)
    pairs = np.where(np.eye(count, dtype=bool)[..., None], np.nan, pairs)
    if np.isnan(pairs).all():
        raise InputError("no row has two modalities; there is no pair to compare.")
    return pairs, count


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is not NaN along an axis; NaN where there is nothing."""
    import numpy as np

    held = ~np.isnan(values)
    count = held.sum(axis)
    total = np.where(held, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
