"""Precision and recall of distributions on known mixtures."""

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation.prd import precision_recall

CENTRES = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])


def mixture(seed, which, rows=400):
    rng = np.random.default_rng(seed)
    return CENTRES[np.array(which)[np.arange(rows) % len(which)]] + rng.normal(size=(rows, 2))


def found(real, made, **kind):
    return precision_recall(real, made, clusters=4, runs=3, **kind)


def test_the_same_rows_are_all_right():
    x = mixture(0, [0, 1, 2, 3])
    both = found(x, x)
    assert both.f8 == pytest.approx(1, abs=1e-3)
    assert both.f1_8 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("which", "precision", "recall"), [([0, 1], 1.0, 0.5), ([0], 1.0, 0.25)])
def test_what_is_left_out_costs_recall(which, precision, recall):
    curve = found(mixture(0, [0, 1, 2, 3]), mixture(1, which))
    assert curve.precision.max() == pytest.approx(precision, abs=0.01)
    assert curve.recall.max() == pytest.approx(recall, abs=0.01)
    assert curve.f1_8 > 0.95
    assert curve.f8 < recall + 0.05


def test_what_is_invented_costs_precision():
    curve = found(mixture(0, [0, 1]), mixture(1, [0, 1, 2, 3]))
    assert curve.precision.max() == pytest.approx(0.5, abs=0.01)
    assert curve.recall.max() == pytest.approx(1.0, abs=0.01)


def test_disjoint_sets_share_nothing():
    curve = found(mixture(0, [0, 1]), mixture(1, [2, 3]))
    assert max(curve.f8, curve.f1_8, curve.official) < 0.01


def test_the_official_number_is_the_mean_of_the_curve():
    curve = found(mixture(0, [0, 1, 2, 3]), mixture(1, [0, 1]))
    assert curve.official == pytest.approx(np.mean([curve.precision, curve.recall]))
    assert (np.diff(curve.recall) >= -1e-9).all()
    assert (np.diff(curve.precision) <= 1e-9).all()


def test_unequal_sets_and_the_seed():
    a, b = mixture(0, [0, 1, 2, 3]), mixture(1, [0, 1, 2, 3], rows=120)
    first = found(a, b, seed=1)
    assert first.f8 > 0.9
    assert np.array_equal(first.precision, found(a, b, seed=1).precision)


def test_bad_sets_are_refused():
    x = mixture(0, [0])
    with pytest.raises(InputError, match="take at most that many"):
        precision_recall(x, x[:10])
    with pytest.raises(InputError, match="give"):
        precision_recall(x, x[:, :1])
    with pytest.raises(InputError, match="NaN"):
        precision_recall(x, x * np.nan)
