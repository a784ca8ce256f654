"""A stack of logistic regressions against scikit-learn, one by one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from counterpoint.errors import InputError
from counterpoint.evaluation.batched import fit_stack


def stack(seed=0, count=3, rows=200, width=5, kinds=4, apart=0.6):
    g = np.random.default_rng(seed)
    y = np.arange(rows) % kinds
    centre = apart * g.standard_normal((count, kinds, width))
    turn = np.eye(width) + 0.9 * g.standard_normal((width, width))
    return (centre[:, y] + g.standard_normal((count, rows, width))) @ turn * [1, 10, 100, 1, 0.01][
        :width
    ] + 3, y


def alone(x, y, weight=None):
    scaler = StandardScaler().fit(x, sample_weight=weight)
    model = LogisticRegression(tol=1e-9, max_iter=10_000).fit(scaler.transform(x), y, sample_weight=weight)
    return scaler, model


@pytest.mark.parametrize("kinds", [2, 3, 7])
def test_coefficients_are_those_of_scikit_learn(kinds):
    x, y = stack(kinds=kinds)
    made = fit_stack(x, y, tol=1e-8)
    assert made.converged.all()
    for p, one in enumerate(x):
        scaler, model = alone(one, y)
        assert made.coef[p].shape == model.coef_.shape
        assert np.abs(made.coef[p] - model.coef_).max() < 1e-4
        assert np.abs(made.intercept[p] - model.intercept_).max() < 1e-4
        np.testing.assert_allclose(made.center[p], scaler.mean_)
        np.testing.assert_allclose(made.scale[p], scaler.scale_)
        assert np.abs(made.probabilities(x)[p] - model.predict_proba(scaler.transform(one))).max() < 1e-5


def test_labels_of_each_and_weights_are_those_of_scikit_learn_too():
    x, y = stack()
    g = np.random.default_rng(1)
    each = np.stack([g.permutation(y) for _ in x])
    weight = g.uniform(0, 3, x.shape[:2])
    weight[:, 3] = 0
    made = fit_stack(x, each, weight, tol=1e-8)
    for p, one in enumerate(x):
        _, model = alone(one, each[p], weight[p])
        assert np.abs(made.coef[p] - model.coef_).max() < 1e-4


def test_rows_that_do_not_count_may_hold_anything():
    x, y = stack()
    here = np.random.default_rng(2).random(x.shape[:2]) < 0.7
    holes = np.where(here[:, :, None], x, np.nan)
    made = fit_stack(holes, y, here, tol=1e-8)
    for p in range(len(x)):
        part = fit_stack(x[p : p + 1, here[p]], y[here[p]], tol=1e-8)
        np.testing.assert_allclose(made.coef[p], part.coef[0], atol=1e-6)


def test_a_regression_does_not_feel_the_others_of_its_stack(monkeypatch):
    x, y = stack(count=5)
    x[3] = np.sign(x[3]) * 1e3  # another scale, another number of iterations
    whole = fit_stack(x, y)
    np.testing.assert_allclose(fit_stack(x[1:2], y).coef[0], whole.coef[1], atol=1e-9)
    monkeypatch.setitem(fit_stack.__globals__, "_AT_ONCE", 1)
    np.testing.assert_allclose(fit_stack(x, y).coef, whole.coef, atol=1e-9)


def test_constant_equal_and_separable_columns_are_fine():
    g = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    one = y + 0.01 * g.standard_normal(90)
    x = np.stack([one, one, np.full(90, 0.1), np.full(90, 1e6), 1e-9 * g.standard_normal(90)], 1)
    made = fit_stack([x], y, tol=1e-8)
    _, model = alone(x, y)
    assert made.converged.all()
    assert np.abs(made.coef[0] - model.coef_).max() < 1e-4
    assert made.scale[0, 2] == made.scale[0, 3] == 1
    assert (made.probabilities([x])[0].argmax(1) == y).all()


def test_more_features_than_rows_are_fine():
    g = np.random.default_rng(0)
    x, y = g.standard_normal((1, 12, 40)), np.repeat([0, 1, 2], 4)
    made = fit_stack(x, y, tol=1e-8)
    assert np.abs(made.coef[0] - alone(x[0], y)[1].coef_).max() < 1e-4


def test_too_few_iterations_are_told():
    x, y = stack()
    assert not fit_stack(x, y, max_iter=1).converged.any()


X, Y = np.arange(12.0).reshape(1, 6, 2), [0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fit_stack(X[0], Y), "regressions x rows x features"),
        (lambda: fit_stack(np.where(X > 3, X, np.nan), Y), "NaN"),
        (lambda: fit_stack(X, Y[:5]), r"one label per row, \(6,\)"),
        (lambda: fit_stack(X, [1] * 6), "one class only"),
        (lambda: fit_stack(np.stack([X[0], X[0]]), [Y, [1] * 6]), "regression 1 lacks"),
        (lambda: fit_stack(X, Y, np.ones(6)), "weight has shape"),
        (lambda: fit_stack(X, Y, -np.ones((1, 6))), "negative"),
        (lambda: fit_stack(X, Y, np.zeros((1, 6))), "0 in all rows"),
        (lambda: fit_stack(X, Y, tol=0), "tol is 0"),
        (lambda: fit_stack(X, Y, max_iter=0), "max_iter is 0"),
        (lambda: fit_stack(X, Y).probabilities(X[:, :, :1]), "give 1 x rows x 2"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
