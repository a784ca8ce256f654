"""The classifier of the observed modalities alone, against scikit-learn's own network."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from counterpoint.baselines import BASELINES
from counterpoint.baselines.classifier import Classifier
from counterpoint.errors import InputError
from counterpoint.evaluation.fitting import derived_seed

FAST = {"hidden": (8,), "learning_rate": 0.01, "epochs": 60}


def planted(rows: int = 300, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three classes that `a` tells in units of its own, `b` in part, `c` not at all."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    a = 100 + 20 * np.eye(3)[y] + 4 * rng.standard_normal((rows, 3))
    b = (y > 0)[:, None] + 0.3 * rng.standard_normal((rows, 2))
    return {"a": a, "b": b, "c": rng.standard_normal((rows, 2))}, y


def network(x: np.ndarray, y: np.ndarray, seed: int = 0, **options) -> MLPClassifier:
    """scikit-learn's, told everything that a plain network with Adam is."""
    said = {
        "hidden_layer_sizes": (50, 50),
        "activation": "tanh",
        "solver": "adam",
        "alpha": 0.0,
        "batch_size": 200,
        "learning_rate_init": 1e-4,
        "max_iter": 200,
        "tol": 0.0,
        "n_iter_no_change": 10**6,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        made = MLPClassifier(**said | options, random_state=derived_seed(seed, "classifier"))
        return made.fit(x, y)


def test_it_equals_scikit_learns_on_standardised_columns():
    data, y = planted()
    x = np.concatenate([data["a"], data["b"]], 1).astype(np.float32).astype(float)
    shift, scale = x.mean(0), x.std(0)
    model = Classifier(["a", "b"], seed=3).fit(data, y)
    wanted = network((x - shift) / scale, y, seed=3)
    assert model.network.n_iter_ == 200  # it never stops early
    held = planted(seed=1)[0]
    other = (np.concatenate([held["a"], held["b"]], 1) - shift) / scale
    # The preparation works in float32, and 300 steps amplify what it rounds.
    np.testing.assert_allclose(model.predict_proba(held), wanted.predict_proba(other), atol=1e-4)
    assert (
        np.abs(
            Classifier(["a", "b"], seed=4).fit(data, y).predict_proba(held) - wanted.predict_proba(other)
        ).max()
        > 1e-3
    )


def test_every_option_reaches_the_network():
    data, y = planted(60)
    options = {"activation": "relu", "epochs": 7, "learning_rate": 0.02, "batch_size": 16, "penalty": 0.3}
    model = Classifier(["c"], hidden=(6, 5, 4), **options).fit(data, y)
    x = data["c"].astype(np.float32).astype(float)
    said = {"hidden_layer_sizes": (6, 5, 4), "activation": "relu", "max_iter": 7, "alpha": 0.3}
    wanted = network((x - x.mean(0)) / x.std(0), y, **said, learning_rate_init=0.02, batch_size=16)
    for one, other in zip(model.network.coefs_, wanted.coefs_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_it_learns_what_is_there_and_nothing_where_nothing_is():
    (data, y), (held, wanted) = planted(), planted(seed=1)
    good = Classifier(["a"], **FAST).fit(data, y)
    assert (good.predict(held) == wanted).mean() > 0.95
    part = Classifier(["b"], **FAST).fit(data, y)
    assert 0.55 < (part.predict(held) == wanted).mean() < 0.8
    both = Classifier(**FAST).fit(data, y)
    assert (both.predict(held) == wanted).mean() > 0.95
    control = Classifier(["a"], **FAST).fit(data, np.random.default_rng(0).permutation(y))
    assert (control.predict(held) == wanted).mean() < 0.6
    nothing = Classifier(["c"], **FAST).fit(data, y)
    assert (nothing.predict(held) == wanted).mean() < 0.45


def test_it_trains_for_all_its_epochs():
    data, y = planted()
    model = Classifier(["a"], hidden=(8,), learning_rate=0.1, epochs=80).fit(data, y)
    losses = np.array(model.network.loss_curve_)
    assert len(losses) == 80
    assert np.abs(np.diff(losses[40:])).max() < 1e-4  # where scikit-learn would have stopped by itself


def test_only_the_observed_modalities_are_read():
    data, y = planted()
    model = Classifier(["b"], **FAST).fit(data, y)
    assert model.dimensions == {"b": 2}
    other = Classifier(["b"], **FAST).fit({**data, "a": data["a"][::-1]}, y)
    wanted = model.predict_proba(data)
    np.testing.assert_array_equal(other.predict_proba({"b": data["b"]}), wanted)
    np.testing.assert_array_equal(model.predict_proba({"a": data["c"], "b": data["b"]}), wanted)
    np.testing.assert_allclose(wanted.sum(1), 1)


@pytest.mark.parametrize("missing", [None, np.nan, -1, "none in text"])
def test_rows_without_a_label_or_an_observed_modality_are_left_out_and_counted(missing):
    data, y = planted(80)
    without = np.arange(80) % 4 == 0
    data["b"][5], data["b"][9, 1] = np.nan, np.nan
    data["a"][20:40] = np.nan  # not observed: such rows are used
    if missing == "none in text":
        labels = np.array([None if w else f"kind {k}" for k, w in zip(y, without, strict=True)], object)
    elif missing is None:
        labels = np.where(without, None, y)
    else:
        labels = np.where(without, missing, y)
    model = Classifier(["b", "c"], **FAST).fit(data, labels)
    assert (model.rows_used, model.rows_left_out) == (58, 22)
    kept = ~without & (np.arange(80) != 5) & (np.arange(80) != 9)
    same = Classifier(["b", "c"], **FAST).fit({k: v[kept] for k, v in data.items()}, y[kept])
    np.testing.assert_array_equal(model.predict_proba(data), same.predict_proba(data))
    text = missing == "none in text"
    assert model.classes_.tolist() == (["kind 0", "kind 1", "kind 2"] if text else [0, 1, 2])


def test_rows_that_lack_an_observed_modality_get_nan_and_none():
    data, y = planted(60)
    model = Classifier(["a", "b"], **FAST).fit(data, y)
    whole = model.predict(data)
    assert whole.dtype == y.dtype
    data["a"][3, 1], data["b"][7] = np.nan, np.nan
    data["c"][9] = np.nan
    p, found = model.predict_proba(data), model.predict(data)
    assert np.flatnonzero(np.isnan(p).all(1)).tolist() == [3, 7]
    assert np.isfinite(np.delete(p, [3, 7], 0)).all()
    assert [i for i, k in enumerate(found) if k is None] == [3, 7]
    assert np.delete(found, [3, 7]).tolist() == np.delete(whole, [3, 7]).tolist()
    data["a"][:] = np.nan
    assert np.isnan(model.predict_proba(data)).all()
    assert all(k is None for k in model.predict(data))


def test_several_labels_have_a_sigmoid_each():
    data, y = planted()
    several = np.stack([y == 0, y > 0, y == 2], 1).astype(float)
    several[4, 1] = np.nan
    model = Classifier(["a"], **FAST).fit(data, several)
    assert (model.rows_used, model.rows_left_out) == (299, 1)
    held, wanted = planted(seed=1)
    p, found = model.predict_proba(held), model.predict(held)
    assert p.shape == (300, 3)
    np.testing.assert_array_equal(found, p > 0.5)
    assert (found == np.stack([wanted == 0, wanted > 0, wanted == 2], 1)).mean() > 0.95
    assert model.classes_.tolist() == [0, 1, 2]
    keep = np.arange(300) != 4
    x = data["a"][keep].astype(np.float32).astype(float)
    same = network(
        (x - x.mean(0)) / x.std(0),
        several[keep].astype(int),
        hidden_layer_sizes=(8,),
        learning_rate_init=0.01,
        max_iter=60,
    )
    other = (held["a"] - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(p, same.predict_proba(other), atol=1e-3)
    held["a"][0] = np.nan
    assert model.predict(held)[0].tolist() == [None] * 3


def test_the_seed_decides_everything_and_no_global_state_is_touched():
    data, y = planted(60)
    np.random.seed(5)
    wanted = np.random.RandomState(5).random()
    first = Classifier(**FAST).fit(data, y).predict_proba(data)
    assert np.random.random() == wanted
    np.testing.assert_array_equal(Classifier(**FAST).fit(data, y).predict_proba(data), first)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": ()}, "hidden is"),
        ({"hidden": 50}, "hidden is 50"),
        ({"hidden": (50, 0)}, "hidden is 0"),
        ({"activation": "tan"}, "Did you mean 'tanh'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"penalty": -0.1}, "penalty is -0.1"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"observed": []}, "observed"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(InputError, match=said):
        Classifier(**options)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "y is None"),
        (np.zeros(29), "shape .29,"),
        (np.zeros((30, 2, 2)), "shape"),
        (np.zeros(30), "one class only"),
        (np.linspace(0, 1, 30), "fractions"),
        (np.full(30, np.nan), "0 of 30 training rows have a label and 'a'"),
        (np.arange(60).reshape(30, 2), "2 columns"),
        (np.array([["a", "b"]] * 30), "2 columns"),
    ],
)
def test_bad_labels(y, said):
    data = {"a": np.random.default_rng(0).standard_normal((30, 2))}
    with pytest.raises(InputError, match=said):
        Classifier(["a"]).fit(data, y)


def test_bad_data_and_questions():
    data, y = planted(30)
    with pytest.raises(InputError, match="not fitted"):
        Classifier().predict(data)
    with pytest.raises(InputError, match="observed is 'd'"):
        Classifier(["d"]).fit(data, y)
    model = Classifier(["a", "b"], **FAST).fit(data, y)
    with pytest.raises(InputError, match="lack 'b'"):
        model.predict({"a": data["a"]})
    with pytest.raises(InputError, match="features"):
        model.predict({**data, "b": data["a"]})


def test_it_is_listed():
    assert BASELINES["classifier"] is Classifier
