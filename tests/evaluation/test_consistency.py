"""Consistency against numpy's least squares."""

import math

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation.consistency import consistency


def some(seed=0, rows=80):
    generator = np.random.default_rng(seed)
    a = generator.normal(size=(rows, 3))
    mix = np.array([[1.0, 2.0], [0.0, -1.0], [0.5, 0.5]])
    return {
        "a": a,
        "b": a @ mix + 0.5 * generator.normal(size=(rows, 2)) + 4,
        "c": generator.normal(size=(rows, 2)),
    }


def test_it_is_least_squares_on_the_rows_that_have_both():
    train, test = some(0), some(1, 50)
    generator = np.random.default_rng(2)
    here, there = ({n: generator.random(rows) < 0.7 for n in "abc"} for rows in (80, 50))
    for values, present in ((train, here), (test, there)):
        for n in "abc":
            values[n][~present[n]] = np.nan
    found = consistency(train, test, train_present=here, test_present=there)
    for i, s in enumerate("abc"):
        for j, t in enumerate("abc"):
            scored = there[s] & there[t]
            assert found.rows[i, j] == scored.sum()
            if s == t:
                assert math.isnan(found.matrix[i, j])
                continue
            both = here[s] & here[t]
            x = np.column_stack([train[s][both], np.ones(both.sum())])
            w = np.linalg.lstsq(x, train[t][both], rcond=None)[0]
            y = test[t][scored]
            error = (y - np.column_stack([test[s][scored], np.ones(len(y))]) @ w) ** 2
            assert found.matrix[i, j] == pytest.approx(1 - error.sum() / ((y - y.mean(0)) ** 2).sum())
    off = [found.matrix[i, j] for i in range(3) for j in range(3) if i != j]
    assert found.mean == pytest.approx(np.mean(off))


def test_an_affine_change_is_no_inconsistency_and_noise_is():
    train, test = some(0), some(1)
    found = consistency(train, test)
    turned = consistency(
        {**train, "a": 3 * train["a"][:, ::-1] - 5}, {**test, "a": 3 * test["a"][:, ::-1] - 5}
    )
    assert turned.matrix[0] == pytest.approx(found.matrix[0], nan_ok=True)
    assert turned.matrix[:, 1] == pytest.approx(found.matrix[:, 1], nan_ok=True)
    assert found.matrix[0, 1] > 0.8
    assert abs(found.matrix[0, 2]) < 0.2
    exact = consistency({"a": train["a"], "b": train["a"] * 2}, {"a": test["a"], "b": test["a"] * 2})
    assert exact.mean == pytest.approx(1)


def test_a_dimension_that_does_not_vary_does_not_count():
    train, test = some(0), some(1)
    before = consistency(train, test).matrix[0, 1]
    for values in (train, test):
        values["b"] = np.column_stack([values["b"], np.full(80, 7.0)])
    assert consistency(train, test).matrix[0, 1] == pytest.approx(before)


def test_what_cannot_be_measured_is_nan():
    train, test = some(0), some(1)
    never = {"c": np.zeros(80, bool)}
    found = consistency(train, test, test_present=never)
    assert np.isnan(found.matrix[2]).all()
    assert np.isnan(found.matrix[:, 2]).all()
    assert found.rows[2].tolist() == [0, 0, 0]
    assert not math.isnan(found.mean)
    assert math.isnan(consistency({"a": train["a"]}, {"a": test["a"]}).mean)
    flat = {**test, "b": np.ones((80, 2))}
    assert math.isnan(consistency(train, flat).matrix[0, 1])


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ({"a": [[1.0], [2.0]]}, {"b": [[1.0], [2.0]]}, "wanted are a"),
        ({"a": [[1.0], [2.0]]}, {"a": [[1.0, 3.0]]}, "same latent"),
        ({"a": [[1.0], [math.nan]]}, {"a": [[1.0]]}, "where present"),
        ({"a": [[1.0]], "b": [[1.0], [2.0]]}, {"a": [[1.0]], "b": [[1.0]]}, "rows differ"),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}, r"\(N, D\)"),
        ({"a": [["x"]]}, {"a": [[1.0]]}, "type <U1"),
    ],
)
def test_each_bad_input_has_its_error(train, test, said):
    with pytest.raises(InputError, match=said):
        consistency(train, test)


def test_presence_must_be_of_known_modalities_and_bools():
    a = {"a": [[1.0], [2.0]]}
    with pytest.raises(InputError, match="wanted are a"):
        consistency(a, a, train_present={"b": [True, True]})
    with pytest.raises(InputError, match="one bool per row"):
        consistency(a, a, test_present={"a": [1, 0]})
