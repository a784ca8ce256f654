"""A label as the target of a model: known in training alone, told from whatever a row has."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

import counterpoint as cp
import toy
from counterpoint.batch import Batch
from counterpoint.data import read
from counterpoint.evaluate import evaluate
from counterpoint.methods import METHODS, method
from counterpoint.protocol import task
from counterpoint.targets import classes_of, with_target
from counterpoint.tuning import tune
from test_estimator import small

ROWS = 120


def labelled(seed: int = 0, kind: str = "int") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two tables that both show one of three classes; a tenth of the rows lacks each, not the same."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, ROWS)
    centre = rng.normal(size=(3, 2)) * 4
    z = centre[classes]
    x = {"a": z @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(ROWS, 4))}
    x["b"] = z @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(ROWS, 3))
    x["a"][:12], x["b"][12:24] = np.nan, np.nan
    names = {"int": np.array([7, 3, 11]), "str": np.array(["lean", "fat", "odd"])}[kind]
    return x, names[classes]


def quick(name: str = "cmmd", **given) -> cp.Counterpoint:
    return small(name, target="diet", epochs=60, learning_rate=1e-2, patience=None, validation=0.0, **given)


@pytest.fixture(scope="module")
def fitted() -> cp.Counterpoint:
    x, y = labelled()
    return quick(options={"observed": ["a"]}).fit(x, y)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("ae", "dcca", "dccae", "mvcl")])
def test_every_method_predicts(name):
    x, y = labelled()
    m = quick(name).fit(x, y)
    p = m.predict_proba(x)
    assert p.shape == (ROWS, 3)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    assert m.classes_.tolist() == [3, 7, 11]
    assert m.predict(x).dtype.kind == "i"
    assert set(m.predict(x)) <= {3, 7, 11}
    assert m.modalities_ == ("a", "b")
    assert list(m.translate(x, "a", "b").shape) == [ROWS, 3]


@pytest.mark.parametrize("name", ["cmmd", "mmvm", "mopoe"])
def test_it_learns(name):
    x, y = labelled()
    m = quick(name).fit(x, y)
    assert (m.predict(x) == y).mean() > 0.9
    rows = slice(24, None)
    assert (m.predict(x, given=["b"])[rows] == y[rows]).mean() > 0.85


@pytest.mark.parametrize(
    ("label", "classes", "codes"),
    [
        (np.array([7, -1, 11, 99, 3]), [3, 7, 11], [1, None, 2, None, 0]),
        (np.array([7.0, np.nan, 7.0, 99.0, 7.0]), [3, 7, 11], [1, None, 1, None, 1]),
        (np.array(["odd", None, "fat", "new", "odd"], dtype=object), ["fat", "odd"], [1, None, 0, None, 1]),
    ],
)
def test_rows_get_the_codes_of_a_models_classes(label, classes, codes):
    """Whatever classes they have themselves; one that the model does not know is as if there were none."""
    made = with_target(read({"a": np.ones((5, 2))}, labels={"diet": label}), "diet", classes=classes)
    seen = made.mask["diet"]
    assert [int(x) if there else None for x, there in zip(made.x["diet"][:, 0], seen, strict=True)] == codes
    assert not made.x["diet"][~seen].any()
    assert made.categories["diet"] == tuple(map(str, classes))


def test_labels_are_found_where_they_are():
    x, y = labelled(kind="str")
    by_y = quick().fit(x, y)
    by_label = quick().fit(read(x, labels={"diet": y}))
    by_modality = quick().fit({**x, "diet": y})
    whole = quick().fit({**x, "diet": labelled()[1]})
    assert whole.classes_.tolist() == [3, 7, 11]
    assert whole.classes_.dtype.kind == "i"
    assert by_y.classes_.tolist() == ["fat", "lean", "odd"]
    for other in (by_label, by_modality):
        assert other.classes_.tolist() == ["fat", "lean", "odd"]
        np.testing.assert_array_equal(other.predict_proba(x), by_y.predict_proba(x))


def test_rows_without_a_label_are_learned_from_and_the_rest_decides():
    x, y = labelled()
    for unknown, values in ((-1, y.copy()), (np.nan, y.astype(float)), (None, y.astype(object))):
        values[::2] = unknown
        m = quick().fit(x, values)
        assert m.classes_.tolist() == [3, 7, 11]
        assert m.data_summary_["present"]["diet"] == ROWS // 2
        assert (m.predict(x) == y).mean() > 0.8


def test_several_labels():
    x, y = labelled()
    several = np.stack([y == 3, y > 3, y == 11], 1).astype(float)
    several[:10, 1] = np.nan
    m = quick().fit(x, several)
    p = m.predict_proba(x)
    assert p.shape == (ROWS, 3)
    assert (m.predict(x)[24:] == several[24:]).mean() > 0.9


# The law: at prediction neither the label nor what is not observed is read.


def test_hidden_is_as_if_left_out_and_never_read(fitted):
    x, y = labelled()
    wanted = fitted.predict_proba({"a": x["a"]})
    variants = [
        x,
        {"a": x["a"], "b": np.full_like(x["b"], np.nan)},
        {"a": x["a"], "b": 1e6 * np.ones_like(x["b"])},
        read(x, labels={"diet": y}),
        {**x, "diet": y[::-1].copy()},
    ]
    for given in variants:
        np.testing.assert_array_equal(fitted.predict_proba(given), wanted)
        np.testing.assert_array_equal(fitted.embed(given), fitted.embed({"a": x["a"]}))
        if not isinstance(given, dict) or "b" in given:
            there = fitted.translate(given, ["a"], "b")
            np.testing.assert_array_equal(there, fitted.translate({"a": x["a"]}, "a", "b"))
    alone = fitted.predict_proba({"b": x["b"]})
    assert (alone == alone[0]).all(), "b is not observed by this model: the prior answers"


@pytest.mark.parametrize("observed", [None, ("a",)])
def test_the_conditional_prior_has_no_gradient_from_what_it_must_not_read(observed):
    kinds = {**toy.KINDS["tables"], "y": ("categorical", (1,), False)}
    model = toy.model(method("cmmd", {"observed": observed}), kinds, target="y")
    batch = toy.batch(kinds, 6, missing=False)
    x = {k: v.clone().requires_grad_() if v.is_floating_point() else v for k, v in batch.x.items()}
    posterior = model.posterior(Batch(x, batch.mask))
    posterior.experts.loc.sum().backward()
    for name in x:
        if not x[name].is_floating_point():
            continue
        moved = x[name].grad is not None and bool(x[name].grad.abs().sum() > 0)
        assert moved == (observed is None or name in observed), name
    other = {**batch.x, "y": (batch.x["y"] + 1) % toy.CLASSES}
    again = model.posterior(Batch(other, batch.mask))
    assert torch.equal(again.experts.loc, posterior.experts.loc)


def test_classes_reach_the_loss_with_their_weight():
    kinds = {**toy.KINDS["tables"], "y": ("categorical", (1,), False)}
    model = toy.model(method("cmmd", {"observed": ("a",)}), kinds, target="y")
    batch, noise = toy.batch(kinds, 6), toy.noise(model, 6)
    hyper = model.method.at(0)
    one, two = (model.loss(batch, noise, {**hyper, "classifier_weight": w}) for w in (1.0, 3.0))
    nll = one.terms["distortion/y"]
    torch.testing.assert_close(two.total - one.total, 2 * model["y"].weight * nll)
    p = model.encode(batch, batch.present).shared[-1]
    logits = model["y"].decode(p.loc)
    wanted = -torch.log_softmax(logits, -1)[torch.arange(6), 0, batch.x["y"][:, 0].long()]
    torch.testing.assert_close(nll, torch.where(batch.mask["y"].reshape(6, -1).any(1), wanted, 0.0))


def test_it_is_saved_and_loaded(fitted, tmp_path):
    x, _ = labelled()
    fitted.save(tmp_path / "run")
    again = cp.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(x), fitted.predict(x))
    assert again.target == "diet"
    assert again.classes_.tolist() == fitted.classes_.tolist()


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda x, y: quick().fit(x), "target is 'diet', and the data's labels are: none"),
        (lambda x, y: quick().fit(x, y[:5]), "y has shape"),
        (lambda x, y: quick().fit(x, np.zeros(ROWS, int)), "has 1 classes; it needs at least two"),
        (lambda x, y: quick().fit(x, np.full((ROWS, 2), 3)), "each must hold 0, 1 or NaN"),
        (lambda x, y: quick().fit({"diet": x["a"]}, y), "nothing beside the target"),
        (lambda x, y: quick(options={"observed": ["c"]}).fit(x, y), "observed is 'c'; allowed are a, b"),
        (
            lambda x, y: quick(options={"observed": ["diet"]}).fit(x, y),
            "observed is 'diet'; allowed are a, b",
        ),
        (lambda x, y: quick(options={"observed": "a"}).fit(x, y), "give a list of different modalities"),
        (lambda x, y: quick(options={"kl_weight": 2}).fit(x, y), "give mmd_weight too"),
        (lambda x, y: small().fit(x).predict(x), "was given no target"),
    ],
)
def test_what_cannot_be_is_refused(ask, says):
    with pytest.raises(cp.InputError, match=says) as caught:
        ask(*labelled())
    assert "\n" not in str(caught.value)


def test_codes_are_those_of_sorted_classes():
    x, y = labelled(kind="str")
    data = with_target(read(x, labels={"diet": y}), "diet")
    assert np.array(data.categories["diet"])[data.x["diet"][:, 0]].tolist() == y.tolist()
    assert classes_of(np.array([True, False])) == [False, True]
    assert classes_of(pd.Series([2.5, np.nan, 1.5]).to_numpy()) == [1.5, 2.5]


# The measure


def test_predictions_are_measured_given_every_set(fitted):
    x, y = labelled(1)
    train, test = (read(labelled(s)[0], labels={"diet": labelled(s)[1]}) for s in (0, 1))
    on = task(train, test, "diet")
    found = evaluate(fitted, on, measures="prediction").sections["prediction"]
    right = fitted.predict(x) == y
    assert found.summary["target_accuracy"] == pytest.approx(right.mean())
    assert np.array_equal(found.rows["target_accuracy"], right)
    by = {tuple(cell["given"]): cell for cell in found.detail["cells"]}
    assert set(by) == {("a",), ("b",), ("a", "b")}
    there = np.isfinite(x["a"]).all(1)
    assert by["a",]["rows"] == there.sum()
    assert by["a",]["accuracy"] == pytest.approx((fitted.predict(x, given=["a"]) == y)[there].mean())
    most = np.bincount(labelled(0)[1]).argmax()
    assert found.nulls["chance"]["target_accuracy"] == pytest.approx((y == most).mean())
    plain = small().fit(train)
    assert evaluate(plain, on, measures="prediction").summary == {}


@pytest.mark.parametrize("name", ["mmvm", "mopoe", "cmmd"])
def test_every_measure_is_of_the_modalities_and_the_target_is_none(name):
    train, test = (read(labelled(s)[0], labels={"diet": labelled(s)[1]}) for s in (0, 1))
    found = evaluate(quick(name).fit(train), task(train, test, "diet"), measures="all")
    for section in ("probe", "reconstruction"):
        assert set(found.sections[section].detail["modalities"]) == {"a", "b"}
    assert found.sections["coherence"].detail["names"] == ["a", "b"]
    assert all(np.isfinite(v) for v in found.summary.values()), found.summary


def test_predictions_of_several_labels_are_measured():
    x, y = labelled()
    several = np.stack([y == 3, y > 3, y == 11], 1).astype(float)
    m = quick().fit(x, several)
    data = read(x, labels={"diet": several})
    found = evaluate(m, task(data, data, "diet"), measures="prediction").sections["prediction"]
    assert found.summary["target_accuracy"] == pytest.approx((m.predict(x) == several).mean())
    wanted = average_precision_score(several, m.predict_proba(x), average="macro")
    assert found.summary["target_precision"] == pytest.approx(wanted)


def test_tuning_looks_for_predictions(tmp_path):
    x, y = labelled()
    data = read(x, labels={"diet": y})
    fixed = {"epochs": 3, "hidden": (8,), "latent_dim": 2, "target": "diet"}
    space = {"options.kl_weight": [0.3, 0.9]}
    how = {"method": "cmmd", "label": "diet", "goal": "prediction", "trials": 2}
    found = tune(data, space, out=tmp_path / "t", **how, **fixed)
    assert set(found.best_params) <= {"options.kl_weight"}
    assert 0 < found.test["target_accuracy"] <= 1
    with pytest.raises(cp.InputError, match="goal is 'prediction', and no target is given"):
        tune(data, space, out=tmp_path / "u", **how)
