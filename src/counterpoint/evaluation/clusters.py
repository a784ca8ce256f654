"""Clusters: do known groups stand apart in an embedding, does k-means find them again?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import derived_seed, fit, stratified


@dataclass(frozen=True)
class ClusterScores:
    """How an embedding and known groups go together.

    Attributes:
        silhouette: mean silhouette of the known groups, -1 to 1; 0 is no separation. NaN where every row is
            a group of its own.
        ari: adjusted Rand index of k-means against the groups; 1 is the same partition, 0 is chance.
        nmi: normalised mutual information of the two, 0 to 1; not corrected for chance.
        groups: number of groups, and of clusters.
        n_rows: rows clustered.
        n_silhouette: rows of the silhouette.

    Example:
        >>> ClusterScores(0.4, 0.8, 0.7, groups=10, n_rows=500, n_silhouette=500).groups
        10
    """

    silhouette: float
    ari: float
    nmi: float
    groups: int
    n_rows: int
    n_silhouette: int


def cluster_scores(points: Any, groups: Any, *, rows: int = 5_000, seed: int = 0) -> ClusterScores:
    """Silhouette of known groups, and k-means with as many clusters against them.

        silhouette = mean_n (b_n - a_n) / max(a_n, b_n)

    with a_n the mean distance to the rest of the own group and b_n that to the nearest other group. Distances
    are Euclidean in the latent as it is: its scales are part of what the model learned.

    With labels as groups high is good. With the modality as group, the rows of all modalities stacked, low is
    good: the modalities are mixed.

    Args:
        points: (N, D) embedding, at least 3 rows.
        groups: (N,) whole numbers or text, at least two different.
        rows: rows of the silhouette at most, which costs N^2: a stratified random subset.
        seed: of k-means (the best of 10 starts) and of the subset.

    Raises:
        InputError: for NaN, unequal rows, one group only, `rows` below the number of groups plus one.

    Source: Rousseeuw 1987; Hubert & Arabie 1985 (ARI); Luecken et al. 2022 (scIB) for their use with labels
    and batches.

    Example:
        >>> found = cluster_scores([[0.0], [0.1], [5.0], [5.1]], ["a", "a", "b", "b"])
        >>> round(found.silhouette, 2), found.ari, round(found.nmi, 6)
        (0.98, 1.0, 1.0)
    """
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
    from threadpoolctl import threadpool_limits

    points = checks.finite("points", checks.numbers("points", points))
    if points.ndim != 2 or len(points) < 3:
        raise InputError(f"points has shape {points.shape}; give (N, D) with at least 3 rows.")
    groups = checks.labels("groups", groups)
    checks.same_rows(points=points, groups=groups)
    count = len(checks.classes("groups", groups))
    if whole("rows", rows) <= count:
        raise InputError(f"rows is {rows}, and there are {count} groups; the silhouette needs more rows.")
    start = derived_seed(seed, "k-means")
    model = KMeans(count, n_init=10, random_state=start)  # pyright: ignore[reportArgumentType]
    some = stratified(groups, rows, derived_seed(seed, "silhouette"))
    # One thread: sums then have one order, so the seed decides.
    with threadpool_limits(1):
        # Fewer different points than clusters: k-means says so, and the scores show it.
        fit(model, points, groups)
        apart = silhouette_score(points[some], groups[some]) if count < len(some) else float("nan")
    return ClusterScores(
        silhouette=float(apart),
        ari=float(adjusted_rand_score(groups, model.labels_)),
        nmi=float(normalized_mutual_info_score(groups, model.labels_)),
        groups=count,
        n_rows=len(points),
        n_silhouette=int(np.size(some)),
    )
