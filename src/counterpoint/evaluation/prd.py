"""Precision and recall of generated rows: is what is made real, and is all that is real made?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import derived_seed

if TYPE_CHECKING:
    import numpy as np

ANGLES = 1001


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """A curve of precision over recall, both from 0 to 1.

    Attributes:
        precision: (1001,) from 1 to 0 where recall goes from 0 to 1.
        recall: (1001,).
        f8: largest F with beta 8: recall, mostly.
        f1_8: largest F with beta 1/8: precision, mostly.
        official: mean of all precisions and recalls, the one number that the released MoPoE code reports.

    Example:
        >>> found = precision_recall([[0.0]] * 30, [[0.0]] * 30, clusters=1, runs=1)
        >>> round(found.f8, 3), round(found.f1_8, 3)
        (1.0, 1.0)
    """

    precision: np.ndarray
    recall: np.ndarray
    f8: float
    f1_8: float
    official: float


def precision_recall(
    real: Any, made: Any, *, clusters: int = 20, runs: int = 10, seed: int = 0
) -> PrecisionRecall:
    """Precision and recall of distributions, from histograms over clusters of both sets together.

        precision(l) = sum_c min(l P_c, Q_c),   recall(l) = precision(l) / l,   l = tan(angle)

    with P the shares of the clusters in the real set, Q in the generated one, averaged over runs of k-means.
    If one set is larger, a random part of it is taken: clusters then belong to both alike.

    Args:
        real: (N, F) features of real rows.
        made: (N', F) features of generated rows.
        clusters: of k-means.
        runs: of k-means, each from another start.
        seed: decides the starts and the part.

    Raises:
        InputError: for NaN, other widths, fewer rows than clusters.

    Source: Sajjadi et al. 2018 (PRD); 20 clusters, 1001 angles, 10 runs as there and in Sutter et al. 2021.

    Example:
        >>> real = [[0.0], [10.0]] * 30
        >>> found = precision_recall(real, [[0.0]] * 60, clusters=2, runs=1)
        >>> round(found.f1_8, 2), round(found.f8, 2)  # all that is made is real, half of what is real is made
        (0.98, 0.5)
    """
    import numpy as np

    a = checks.finite("real", checks.numbers("real", real))
    b = checks.finite("made", checks.numbers("made", made))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"real is {a.shape} and made {b.shape}; give (N, F) and (N', F).")
    few = min(len(a), len(b))
    if few < whole("clusters", clusters):
        raise InputError(
            f"clusters is {clusters} and the smaller set has {few} rows; take at most that many."
        )
    draw = np.random.default_rng(derived_seed(seed, "precision and recall"))
    a, b = (x if len(x) == few else x[np.sort(draw.permutation(len(x))[:few])] for x in (a, b))
    slope = np.tan(np.linspace(1e-6, np.pi / 2 - 1e-6, ANGLES))
    curves = []
    for run in range(whole("runs", runs)):
        p, q = _shares(a, b, clusters, derived_seed(seed, "k-means", str(run)))
        precision = np.minimum(p * slope[:, None], q).sum(1)
        curves.append((precision, precision / slope))
    precision, recall = np.clip(np.mean(curves, axis=0), 0.0, 1.0)
    return PrecisionRecall(
        precision[::-1],
        recall[::-1],
        _f(precision, recall, 8.0),
        _f(precision, recall, 1 / 8),
        float(np.mean([precision, recall])),
    )


def _shares(a: np.ndarray, b: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of the clusters in both sets."""
    import numpy as np
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    both = np.concatenate([a, b])
    clusters = min(clusters, len(np.unique(both, axis=0)))
    # A batch of all rows up to 4,096, as small ones are no faster here and one thread, so the seed decides.
    size: Any = {"n_init": 10, "batch_size": min(len(both), 4096)}
    model = MiniBatchKMeans(clusters, random_state=seed, **size)
    with threadpool_limits(1):
        found = model.fit_predict(both)
    counts = [np.bincount(part, minlength=clusters) for part in (found[: len(a)], found[len(a) :])]
    return counts[0] / len(a), counts[1] / len(b)


def _f(precision: np.ndarray, recall: np.ndarray, beta: float) -> float:
    """Return the largest F over the curve."""
    import numpy as np

    below = beta**2 * precision + recall
    f = (1 + beta**2) * precision * recall / np.where(below > 0, below, 1.0)
    return float(f.max())
