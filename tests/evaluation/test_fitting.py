"""Seeds, stratified subsets and fits."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluation.fitting import derived_seed, fit, stratified, subset


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.integers(4, 60), st.integers(0, 99))
def test_no_class_of_a_stratified_subset_is_over_its_share_by_more_than_a_row(y, size, seed):
    y = np.array(y)
    rows = stratified(y, size, seed)
    size = min(size, len(y))
    assert len(rows) == len(set(rows.tolist())) == size
    for c in np.unique(y):
        count = np.sum(y[rows] == c)
        assert count >= 1
        # ceil(t n_c) rows of each class for a common t: over by one row at most, under by what others take
        assert count - size * np.mean(y == c) <= 1 + 1e-9
        assert count - size * np.mean(y == c) >= -len(np.unique(y))


def test_a_stratified_subset_is_random_and_decided_by_its_seed():
    y = np.repeat(["a", "b"], 50)
    assert np.array_equal(stratified(y, 10, 1), stratified(y, 10, 1))
    assert not np.array_equal(stratified(y, 10, 1), stratified(y, 10, 2))
    assert np.array_equal(stratified(y, 100, 1), np.arange(100))


def test_a_subset_smaller_than_the_classes_is_refused():
    with pytest.raises(InputError, match="3 classes"):
        stratified(np.array([0, 1, 2, 2]), 2, 0)


def test_a_subset_of_rows_with_several_labels_is_random_and_decided_by_its_seed():
    y = np.zeros((50, 3))
    assert len(set(subset(y, 20, 1).tolist())) == 20
    assert np.array_equal(subset(y, 20, 1), subset(y, 20, 1))
    assert not np.array_equal(subset(y, 20, 1), subset(y, 20, 2))
    assert np.array_equal(subset(y, 99, 1), np.arange(50))
    one = np.repeat([0, 1], 25)
    assert np.array_equal(subset(one, 9, 3), stratified(one, 9, 3))
    with pytest.raises(InputError, match="size is 0"):
        subset(y, 0, 1)


def test_seeds_belong_to_their_words():
    assert derived_seed(1, "a") != derived_seed(2, "a") != derived_seed(2, "b")
    assert 0 <= derived_seed(0, "a") < 2**32
    with pytest.raises(InputError, match="seed"):
        derived_seed(-1)


def test_other_warnings_of_a_fit_go_their_way():
    class Loud:
        def fit(self, x, y):
            warnings.warn("something else", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="something else"):
        assert fit(Loud(), [[0.0]], [0])


def test_ctrl_c_while_a_perceptron_is_fitted_ends_the_fit(monkeypatch):
    from sklearn.neural_network import MLPClassifier

    step, calls = MLPClassifier._backprop, iter(range(10**6))

    def interrupted(*given):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(MLPClassifier, "_backprop", interrupted)
    x = np.random.default_rng(0).normal(size=(60, 4))
    with pytest.raises(KeyboardInterrupt):
        fit(MLPClassifier((8,), random_state=0), x, np.arange(60) % 3)
