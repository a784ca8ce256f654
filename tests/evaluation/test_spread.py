"""Spread over seeds and bootstrap intervals."""

import math
import statistics

import numpy as np
import pytest
from scipy.stats import bootstrap

from counterpoint.errors import InputError
from counterpoint.evaluation import bootstrap_interval, mean_and_spread


def test_the_standard_library_gives_the_same_numbers():
    values = [0.3, 0.5, 0.9, 0.1]
    mean, sd, n = mean_and_spread(iter(values))
    assert mean == pytest.approx(statistics.mean(values))
    assert sd == pytest.approx(statistics.stdev(values))
    assert n == 4


def test_what_was_not_measured_is_left_out_and_counted():
    nan = float("nan")
    assert mean_and_spread([1.0, nan, 3.0])[::2] == (2.0, 2)
    mean, sd, n = mean_and_spread([nan, nan])
    assert math.isnan(mean)
    assert math.isnan(sd)
    assert n == 0
    assert math.isnan(mean_and_spread([0.5]).sd)


def test_the_interval_is_that_of_the_normal_approximation_on_many_rows():
    values = np.random.default_rng(0).normal(3, 2, 2000)
    low, high = bootstrap_interval(values, seed=1)
    half = 1.96 * values.std(ddof=1) / math.sqrt(2000)
    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)
    narrow = bootstrap_interval(values, seed=1, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_the_seed_decides_and_the_global_generator_is_untouched():
    values = np.random.default_rng(0).random(30)
    before = np.random.get_state()[1].copy()
    first = bootstrap_interval(values, seed=3)
    assert np.array_equal(before, np.random.get_state()[1])
    assert first == bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


@pytest.mark.parametrize("kinds", [2, 30, 200])
def test_the_interval_is_scipys(kinds):
    values = np.random.default_rng(0).integers(0, kinds, 400) / kinds
    made = bootstrap_interval(values, seed=1)
    draw = np.random.default_rng(2)
    theirs = bootstrap((values,), np.mean, method="percentile", random_state=draw).confidence_interval
    assert made == pytest.approx((theirs.low, theirs.high), abs=0.04 * (theirs.high - theirs.low))


def test_many_rows_that_differ_take_fewer_resamples_and_the_same_interval():
    values = np.random.default_rng(0).random(10_000)
    assert bootstrap_interval(values) == bootstrap_interval(values, resamples=1_000)
    most = bootstrap_interval(values, resamples=3_000)
    assert bootstrap_interval(values) == pytest.approx(most, abs=0.1 * (most[1] - most[0]))


def test_values_that_are_all_the_same_have_an_interval_of_no_width():
    assert bootstrap_interval([1, 1, 1, 1]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bootstrap_interval([1.0]), "at least two rows"),
        (lambda: bootstrap_interval([1.0, float("nan")]), "NaN"),
        (lambda: bootstrap_interval([1.0, 2.0], level=95), "level is 95"),
        (lambda: bootstrap_interval([1.0, 2.0], resamples=0), "resamples is 0"),
        (lambda: mean_and_spread([1.0, float("inf")]), "infinite"),
        (lambda: mean_and_spread(["a"]), "real numbers"),
        (lambda: mean_and_spread([[1.0, 2.0]]), "one number per seed"),
        (lambda: mean_and_spread([]), "shape"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
