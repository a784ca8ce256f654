"""Cluster scores: the definitions by loops, groups that stand apart and groups that do not."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation.clusters import cluster_scores


def blobs(gap, rows=40, seed=0):
    generator = np.random.default_rng(seed)
    centres = gap * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    groups = np.repeat(["x", "y", "z"], rows)
    return np.repeat(centres, rows, 0) + generator.normal(size=(3 * rows, 2)), groups


def silhouette(points, groups):
    """By its definition."""
    found = []
    for n in range(len(points)):
        distance = np.sqrt(((points - points[n]) ** 2).sum(1))
        own = groups == groups[n]
        if own.sum() == 1:
            found.append(0.0)
            continue
        a = distance[own].sum() / (own.sum() - 1)
        b = min(distance[groups == g].mean() for g in set(groups) - {groups[n]})
        found.append((b - a) / max(a, b))
    return sum(found) / len(found)


def test_groups_that_stand_apart_are_found():
    points, groups = blobs(20.0)
    found = cluster_scores(points, groups)
    assert found.ari == found.nmi == pytest.approx(1)
    assert found.silhouette == pytest.approx(silhouette(points, groups))
    assert found.silhouette > 0.8
    assert (found.groups, found.n_rows, found.n_silhouette) == (3, 120, 120)


def test_groups_that_are_mixed_are_not():
    points, groups = blobs(0.0, rows=400)
    found = cluster_scores(points, groups)
    assert abs(found.ari) < 0.02
    assert found.nmi < 0.02
    assert abs(found.silhouette) < 0.02


def test_the_names_of_the_groups_do_not_matter_and_the_seed_decides():
    points, groups = blobs(2.0)
    found = cluster_scores(points, groups, seed=4)
    _, codes = np.unique(groups, return_inverse=True)
    renamed = cluster_scores(points, 7 - codes, seed=4)  # the same sums, in the order of the names
    assert asdict(renamed) == pytest.approx(asdict(found), rel=1e-12)
    assert cluster_scores(points, groups, seed=4) == found


def test_the_silhouette_of_many_rows_is_that_of_a_subset():
    points, groups = blobs(3.0, rows=300)
    found = cluster_scores(points, groups, rows=600)
    assert found.n_silhouette == 600
    assert found.n_rows == 900
    full = cluster_scores(points, groups)
    assert full.n_silhouette == 900
    assert found.silhouette == pytest.approx(full.silhouette, abs=0.05)
    assert found.ari == full.ari


def test_a_collapsed_embedding_scores_nothing_and_warns_nobody():
    found = cluster_scores(np.zeros((20, 2)), np.repeat([0, 1], 10))
    assert (found.silhouette, found.ari, found.nmi) == (0, 0, 0)


def test_rows_that_are_groups_of_their_own_have_no_silhouette():
    assert math.isnan(cluster_scores([[0.0], [1.0], [5.0]], [0, 1, 2]).silhouette)


@pytest.mark.parametrize(
    ("points", "groups", "rows", "said"),
    [
        ([[0.0], [1.0]], [0, 1], 9, "at least 3 rows"),
        ([0.0, 1.0, 2.0], [0, 1, 1], 9, r"\(N, D\)"),
        ([[0.0], [1.0], [math.nan]], [0, 1, 1], 9, "NaN or infinite"),
        ([[0.0], [1.0], [2.0]], [0, 1], 9, "rows differ"),
        ([[0.0], [1.0], [2.0]], [1, 1, 1], 9, "one class only"),
        ([[0.0], [1.0], [2.0]], [0, 1, 1], 2, "rows is 2"),
        ([[0.0], [1.0], [2.0]], [0, 1, 1], 0, "rows is 0"),
    ],
)
def test_each_bad_input_has_its_error(points, groups, rows, said):
    with pytest.raises(InputError, match=said):
        cluster_scores(points, groups, rows=rows)
