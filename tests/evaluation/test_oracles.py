"""Oracles as classifiers: features, probabilities, several labels, and what is kept of them in files."""

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation import coherence, subset_coherence, train_oracles
from counterpoint.evaluation.oracles import Oracle

KINDS = ("linear", "mlp", "conv")


def world(seed, rows=300):
    """Three tables of three classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    centre = 4 * np.random.default_rng(9).standard_normal((3, 3, 6))
    return {name: centre[i][y] + rng.standard_normal((rows, 6)) for i, name in enumerate("abc")}, y


def pictures(seed, rows=240):
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    base = np.random.default_rng(9).random((3, 1, 8, 8))
    return base[y] + 0.1 * rng.normal(size=(rows, 1, 8, 8)), y


@pytest.fixture(scope="module")
def trained() -> dict[str, Oracle]:
    (x, y), (held, truth) = pictures(0), pictures(1)
    flat = {"linear": x.reshape(240, -1), "mlp": x.reshape(240, -1), "conv": x}
    there = {"linear": held.reshape(240, -1), "mlp": held.reshape(240, -1), "conv": held}
    return {k: train_oracles({k: flat[k]}, y, {k: there[k]}, truth, kind=k)[k] for k in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layer_makes_the_answers_of_the_features(kind, trained):
    oracle = trained[kind]
    x = pictures(2)[0].reshape(240, *oracle.event)
    logits = oracle.features(x) @ oracle.weights["out.weight"].T + oracle.weights["out.bias"]
    assert np.array_equal(oracle.classes[logits.argmax(1)], oracle.predict(x))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(oracle.proba(x), odds / odds.sum(1, keepdims=True), atol=1e-6)
    assert str(oracle.features(x).shape[1]) in oracle.read
    assert oracle.accuracy > 0.95


def test_scikit_learn_gives_the_same_answers():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    from counterpoint.evaluation.fitting import derived_seed

    (x, y), (held, _) = world(0), world(1)
    scale = StandardScaler().fit(x["a"])
    z, new = scale.transform(x["a"]), scale.transform(held["a"])
    for kind, model in (
        ("linear", LogisticRegression(max_iter=10_000)),
        (
            "mlp",
            MLPClassifier((64,), alpha=1e-2, tol=1e-3, max_iter=2_000, random_state=derived_seed(0, "a")),
        ),
    ):
        oracle = train_oracles({"a": x["a"]}, y, {"a": held["a"]}, y, kind=kind)["a"]
        np.testing.assert_allclose(oracle.proba(held["a"]), model.fit(z, y).predict_proba(new), atol=1e-6)


def test_two_classes_have_two_probabilities():
    x, y = [[-2.0], [-1.0], [1.0], [2.0]], ["no", "no", "yes", "yes"]
    for kind in ("linear", "mlp"):
        oracle = train_oracles({"a": x}, y, {"a": x}, y, kind=kind)["a"]
        assert oracle.proba(x).shape == (4, 2)
        np.testing.assert_allclose(oracle.proba(x).sum(1), 1)
        assert oracle.predict(x).tolist() == y


# Several labels a row


def tagged(seed, rows=300):
    rng = np.random.default_rng(seed)
    y = (rng.random((rows, 3)) < [0.5, 0.3, 0.2]).astype(int)
    table = y @ np.random.default_rng(5).normal(size=(3, 8)) * 3 + 0.3 * rng.normal(size=(rows, 8))
    image = 0.2 * rng.normal(size=(rows, 1, 8, 8))
    for k in range(3):
        image[:, 0, 2 * k : 2 * k + 2] += y[:, k, None, None]
    return {"table": table, "image": image}, y


@pytest.fixture(scope="module")
def taggers():
    (x, y), (held, truth) = tagged(0), tagged(1)
    return train_oracles(x, y, held, truth)


def test_several_labels_are_answered_each_by_itself(taggers):
    held, truth = tagged(1)
    for name, oracle in taggers.items():
        assert oracle.several
        assert oracle.proba(held[name]).shape == truth.shape
        assert np.array_equal(oracle.predict(held[name]), oracle.proba(held[name]) > 0.5)
        assert oracle.accuracy == np.mean(oracle.predict(held[name]) == truth) > 0.95


def test_coherence_of_several_labels_is_average_precision(taggers):
    from sklearn.metrics import average_precision_score

    held, truth = tagged(1)
    noise, _ = tagged(2)
    table = coherence(lambda s, t: held[t] if s == t else noise[t], taggers, truth, ["table", "image"])
    found = taggers["image"].proba(noise["image"])
    naive = np.mean([average_precision_score(truth[:, k], found[:, k]) for k in range(3)])
    assert table.matrix[0, 1] == pytest.approx(naive)
    assert table.matrix[0, 0] > 0.95 > 0.6 > table.matrix[0, 1]


def test_a_label_that_never_varies_is_answered_as_it_is():
    (x, y), _ = tagged(0), None
    y = y.copy()
    y[:, 1] = 1
    oracle = train_oracles({"table": x["table"]}, y, {"table": x["table"]}, y, kind="linear")["table"]
    assert (oracle.proba(x["table"])[:, 1] > 0.999).all()


def test_labels_of_other_axes_are_refused(taggers):
    held, truth = tagged(1)
    with pytest.raises(InputError, match="labels has other axes"):
        coherence(lambda s, t: held[t], taggers, truth[:, 0], ["table"])
    with pytest.raises(InputError, match="two axes and holds 2"):
        train_oracles(held, truth * 2, held, truth)


# Subsets


def test_subsets_count_the_rows_that_have_all_of_them():
    (x, y), (held, truth) = world(0), world(1)
    judges = train_oracles(x, y, held, truth)
    present = {"a": np.arange(300) % 2 == 0, "b": np.arange(300) % 3 == 0}
    asked = []

    def translate(given, target):
        asked.append((given, target))
        return held[target] if "a" in given else np.roll(held[target], 1, 0)

    cells = subset_coherence(translate, judges, truth, "abc", [("a",), ("b", "c"), ("a", "b")], present)
    assert [(c.given, c.target) for c in cells] == asked
    found = {(c.given, c.target): c for c in cells}
    assert found[("a",), "b"].rows == 150
    assert found[("b", "c"), "a"].rows == 100
    assert found[("a", "b"), "c"].rows == 50
    right = judges["c"].predict(held["c"]) == truth
    assert found[("a",), "c"].accuracy == np.mean(right[present["a"]])
    assert found[("b", "c"), "a"].accuracy < 0.6
    with pytest.raises(InputError, match="a subset is"):
        subset_coherence(translate, judges, truth, "abc", [()], present)


# Kept in files


@pytest.mark.parametrize("kind", KINDS)
def test_an_oracle_is_found_again_and_answers_the_same(kind, tmp_path, monkeypatch):
    from counterpoint.evaluation import oracle_nets

    (x, y), (held, truth) = pictures(0, 90), pictures(1, 90)
    if kind != "conv":
        x, held = x.reshape(90, -1), held.reshape(90, -1)
    ask = {
        "train_x": {"a": x},
        "train_y": y,
        "test_x": {"a": held},
        "test_y": truth,
        "cache": tmp_path / "kept",
    }
    first = train_oracles(**ask, kind=kind)["a"]
    train = oracle_nets.train
    monkeypatch.setattr(oracle_nets, "train", lambda *a: pytest.fail("trained again"))
    again = train_oracles(**ask, kind=kind)["a"]
    assert np.array_equal(first.proba(held), again.proba(held))
    assert (first.kind, first.accuracy, first.converged) == (again.kind, again.accuracy, again.converged)
    monkeypatch.setattr(oracle_nets, "train", train)
    changed = x.copy()
    changed[3] += 1.0
    other = train_oracles(**{**ask, "train_x": {"a": changed}}, kind=kind)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert other["a"].n_train == 90
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    mended = train_oracles(**ask, kind=kind)["a"]
    assert np.array_equal(first.proba(held), mended.proba(held))


def test_nothing_global_is_drawn_from():
    import torch

    (x, y), _ = pictures(0, 60), None
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    state = np.random.get_state()[1].copy()
    oracle = train_oracles({"a": x}, y, {"a": x}, y)["a"]
    oracle.predict(x)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(state, np.random.get_state()[1])


# Channels last


def coloured(seed, rows=120):
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    base = np.random.default_rng(9).integers(0, 256, (3, 9, 8, 3))
    return np.clip(base[y] + rng.normal(0, 20, (rows, 9, 8, 3)), 0, 255).astype(np.uint8), y


def test_channels_last_are_judged_by_the_same_network(tmp_path):
    (x, y), (held, truth) = coloured(0), coloured(1)
    first, held_first = x.transpose(0, 3, 1, 2), held.transpose(0, 3, 1, 2)
    one = train_oracles({"a": x}, y, {"a": held}, truth, cache=tmp_path)["a"]
    other = train_oracles({"a": first}, y, {"a": held_first}, truth, cache=tmp_path)["a"]
    assert (one.kind, one.event, other.event) == ("conv", (9, 8, 3), (3, 9, 8))
    assert one.accuracy == other.accuracy == 1.0
    assert {k: v.shape for k, v in one.weights.items()} == {k: v.shape for k, v in other.weights.items()}
    np.testing.assert_allclose(one.features(held), other.features(held_first), rtol=0.02, atol=0.02)
    assert one.read == other.read
    again = train_oracles({"a": x}, y, {"a": held}, truth, cache=tmp_path)["a"]
    assert np.array_equal(again.proba(held), one.proba(held))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_hidden_layer_that_was_kept_for_channels_last_is_not_taken(tmp_path):
    """Before they were pictures, `auto` kept a hidden layer for them under the key of all but the layout."""
    from hashlib import sha256
    from json import dumps

    from counterpoint.evaluation import oracle_nets

    (x, y), event = coloured(0, 30), (9, 8, 3)
    flat = x.reshape(30, -1).astype(float)
    told = [oracle_nets.FORMAT, event, "auto", 7, [30], y.tolist()]
    old = sha256(dumps(told).encode() + flat.tobytes()).hexdigest()
    assert oracle_nets.key_of(flat, y, event, "auto", 7) != old
    told[1] = (3, 9, 8)
    assert (
        oracle_nets.key_of(flat, y, (3, 9, 8), "auto", 7)
        == sha256(dumps(told).encode() + flat.tobytes()).hexdigest()
    )


def test_small_or_deep_pictures_are_no_images():
    (x, y), _ = coloured(0, 30), None
    for rows in (x[:, :7], np.concatenate([x, x], 3)):
        with pytest.raises(InputError, match=r"or \(H, W, C\) with C at most 4"):
            train_oracles({"a": rows}, y, {"a": rows}, y, kind="conv")
