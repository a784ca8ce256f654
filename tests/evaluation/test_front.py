"""Fronts against every pair of points, areas against a grid, and what must hold of both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluation.front import box, curve, hypervolume, pareto

coordinate = st.integers(-2, 12).map(lambda v: v / 10)
clouds = st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=12).map(np.array)


def better(a, b, minimise):
    """Whether a is at least as good as b in both and better in one."""
    turned = [(x, y) if less else (-x, -y) for x, y, less in zip(a, b, minimise, strict=True)]
    return all(x <= y for x, y in turned) and any(x < y for x, y in turned)


@given(clouds, st.tuples(st.booleans(), st.booleans()))
def test_the_front_is_what_no_other_point_beats(points, minimise):
    naive = [not any(better(other, one, minimise) for other in points) for one in points]
    assert pareto(points, minimise).tolist() == naive


def grid(points, worst, best, cells=200):
    """Share of cell centres that some point is at least as good as."""
    worst, best = np.asarray(worst), np.asarray(best)
    centre = (np.arange(cells) + 0.5) / cells
    a, b = np.meshgrid(worst[0] + centre * (best[0] - worst[0]), worst[1] + centre * (best[1] - worst[1]))
    sign = np.sign(best - worst)
    covered = np.zeros(a.shape, bool)
    for p in np.asarray(points):
        covered |= (sign[0] * p[0] >= sign[0] * a) & (sign[1] * p[1] >= sign[1] * b)
    return covered.mean()


@given(clouds, st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_area_is_that_of_a_grid(points, first, second):
    worst, best = np.array([first, second], float), 1 - np.array([first, second], float)
    assert hypervolume(points, worst, best) == pytest.approx(grid(points, worst, best), abs=1e-9)


@given(clouds, st.tuples(coordinate, coordinate))
def test_a_point_never_lowers_it_and_what_is_beaten_does_not_matter(points, extra):
    corners = [1.0, 0.0], [0.0, 1.0]
    area = hypervolume(points, *corners)
    assert 0 <= area <= 1
    assert hypervolume([*points, extra], *corners) >= area - 1e-12
    assert hypervolume(points[pareto(points)], *corners) == pytest.approx(area, abs=1e-12)
    assert hypervolume(points[::-1], *corners) == pytest.approx(area, abs=1e-12)


def test_corners_and_units():
    assert hypervolume([[0.0, 1.0]], [1, 0], [0, 1]) == 1
    assert hypervolume([[-5.0, 7.0]], [1, 0], [0, 1]) == 1
    assert hypervolume([[1.0, 1.0], [0.0, 0.0], [2.0, 3.0]], [1, 0], [0, 1]) == 0
    assert hypervolume([[0.25, 0.5]], [1, 0], [0, 1]) == 0.375
    assert hypervolume([[925.0, 0.55]], [1000, 0.1], [700, 1.0]) == pytest.approx(0.25 * 0.5)


def test_the_box_is_that_of_all_runs_and_the_worst_run_covers_nothing():
    runs = np.array([[900.0, 0.9], [700.0, 0.3], [800.0, 0.6]])
    worst, best = box(runs, chance=0.1, ceiling=0.95)
    assert worst.tolist() == [900, 0.1]
    assert best.tolist() == [700, 0.95]
    assert hypervolume(runs[:1], worst, best) == 0
    assert hypervolume(runs[1:], worst, best) > hypervolume(runs[1:2], worst, best) > 0


def test_a_curve_is_grouped_by_beta_and_counts_what_was_measured():
    nan = float("nan")
    made = curve([4, 1, 4, 1, 2], [[1, 0.1], [2, 0.2], [3, nan], [4, 0.4], [5, nan]])
    assert made.beta.tolist() == [1, 2, 4]
    assert made.mean[:, 0].tolist() == [3, 5, 2]
    assert made.n.tolist() == [[2, 2], [1, 0], [2, 1]]
    assert made.mean[0, 1] == pytest.approx(0.3)
    assert made.sd[0].tolist() == pytest.approx([2**0.5, 0.02**0.5])
    assert np.isnan([made.mean[1, 1], made.sd[1, 0], made.sd[2, 1]]).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pareto([[1.0, float("nan")]]), "NaN"),
        (lambda: pareto([1.0, 2.0]), r"\(P, 2\)"),
        (lambda: pareto([[1.0, 2.0]], (True,)), "two bools"),
        (lambda: hypervolume([[1.0, 2.0]], [0, 0], [0, 1]), "differing in both"),
        (lambda: hypervolume([[1.0, 2.0]], [0, 0, 0], [1, 1, 1]), "differing in both"),
        (lambda: hypervolume([[1.0, float("inf")]], [0, 0], [1, 1]), "infinite"),
        (lambda: box([[1.0, 0.5]], 0.1), "two that differ"),
        (lambda: box([[1.0, 0.5], [2.0, 0.5]], 0.5, 0.4), "above chance"),
        (lambda: curve([1.0], [[1.0, 2.0], [3.0, 4.0]]), "rows differ"),
        (lambda: curve([[1.0]], [[1.0, 2.0]]), "one number per run"),
        (lambda: curve([float("nan")], [[1.0, 2.0]]), "NaN"),
        (lambda: curve([1.0], [[1.0, float("inf")]]), "infinite"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
