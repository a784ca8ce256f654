"""Choosing rows and modalities of data that were read, by hand and by scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score, train_test_split

from counterpoint.data import MultimodalData, read
from counterpoint.errors import InputError

NAN = float("nan")


def example():
    source = {"a": [[1.0, NAN], [3.0, 4.0], [NAN, NAN]], "b": np.arange(12).reshape(3, 2, 2)}
    return read(source, mask={"b": np.array([True, False, True])}, labels={"y": ["u", "v", "w"]})


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ([2, 0], [2, 0]),
        (np.array([1]), [1]),
        (slice(1, None), [1, 2]),
        (np.array([True, False, True]), [0, 2]),
        ((np.array([0, 2]), Ellipsis), [0, 2]),
        (1, [1]),
        (np.int64(-1), [2]),
        ([], []),
    ],
)
def test_rows_are_chosen_as_scikit_learn_does(index, rows):
    data = example()
    chosen = data[index]
    assert isinstance(chosen, MultimodalData)
    assert chosen.x["b"].tolist() == data.x["b"][rows].tolist()
    assert chosen.mask["a"].tolist() == data.mask["a"][rows].tolist()
    assert chosen.labels["y"].tolist() == data.labels["y"][rows].tolist()
    assert len(chosen) == len(rows)


def test_rows_keep_their_names_and_iteration_ends():
    data = read({"a": pd.Series([1.0, 2.0], index=["p", "q"])})
    assert data[[1]].rows == ("q",)
    assert [row.rows for row in data] == [("p",), ("q",)]


@pytest.mark.parametrize("index", ["a", [0.5], [[0]], (0, 1), [True], [9], None, [-4]])
def test_bad_rows(index):
    with pytest.raises(InputError):
        example()[index]


def test_select_without_and_with_mask_leave_the_original_alone():
    data = example()
    assert data.select(["b", "a"]).names == ("b", "a")
    hidden = data.without("a", [0])
    assert hidden.mask["a"].tolist() == [[False, False], [True, True], [False, False]]
    assert hidden.x["a"].tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]
    assert data.x["a"].tolist()[0] == [1.0, 0.0]
    some = np.ones((3, 2, 2), dtype=bool)
    some[0, 0, 0] = False
    assert data.with_mask({"b": some}).mask["b"].sum() == 7  # row 1 stays hidden
    assert data.patterns() == {("a", "b"): 1, ("a",): 1, ("b",): 1}
    for call in (
        lambda: data.without("c"),
        lambda: data.select(["c"]),
        lambda: data.with_mask({"a": [True]}),
    ):
        with pytest.raises(InputError):
            call()


def test_parts_that_do_not_fit_are_refused():
    x, mask = np.ones((2, 1)), np.ones(2, dtype=bool)
    wrong = [
        ({}, {}, {}),
        ({"a": x}, {"b": mask}, {}),
        ({"a": x}, {"a": mask.astype(int)}, {}),
        ({"a": x[:, 0]}, {"a": mask}, {}),
        ({"a": x, "b": x[:1]}, {"a": mask, "b": mask[:1]}, {}),
    ]
    for parts in wrong:
        with pytest.raises(InputError):
            MultimodalData(*parts)
    with pytest.raises(InputError, match="Label"):
        MultimodalData({"a": x}, {"a": mask}, {}, labels={"y": np.ones(3)})


class Mean(BaseEstimator):
    """Scores how near the training mean is; enough for a search."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, data, y=None):
        assert isinstance(data, MultimodalData)
        self.mean_ = data.x["a"].mean() + self.shift
        return self

    def score(self, data, y=None):
        return -abs(data.x["a"].mean() - self.mean_)


def test_scikit_learn_splits_and_searches():
    data = read({"a": np.random.default_rng(0).normal(size=(30, 2)), "b": np.ones((30, 1))})
    y = np.arange(30) % 2
    assert [len(data[test]) for _, test in KFold(3).split(data)] == [10, 10, 10]
    assert [len(data[test]) for _, test in StratifiedKFold(3).split(data, y)] == [10, 10, 10]
    search = GridSearchCV(Mean(), {"shift": [0.0, 5.0]}, cv=3).fit(data, y)
    assert search.best_params_ == {"shift": 0.0}
    assert len(cross_val_score(Mean(), data, cv=5)) == 5
    train, test, y_train, _ = train_test_split(data, y, test_size=0.2, random_state=0)
    assert (len(train), len(test), len(y_train)) == (24, 6, 24)
