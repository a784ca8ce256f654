"""What every measure must do, on every kind of model; and what single ones must find."""

import json

import numpy as np
import pytest

import counterpoint as cp
from counterpoint.evaluate import evaluate
from counterpoint.measures.asked import Asked, subsets
from counterpoint.measures.listed import MEASURES
from counterpoint.protocol import hold_out, task
from test_comparison import labelled
from test_estimator import small

METHODS = ("mmvm", "poe", "mopoe", "independent", "ae")


@pytest.fixture(scope="module")
def on():
    return task(*hold_out(labelled(120), 40, "kind"))


@pytest.fixture(scope="module")
def fitted(on):
    return {m: small(m, epochs=40, learning_rate=1e-2, patience=None).fit(on.train) for m in METHODS}


@pytest.fixture(scope="module")
def found(on, fitted):
    return {m: evaluate(fitted[m], on, measures="all", show=True) for m in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_every_measure_answers_every_method(method, found, on):
    e = found[method]
    assert set(e.sections) == set(MEASURES)
    json.dumps(e.to_dict())
    for name, section in e.sections.items():
        assert section.summary or section.detail.get("why_not"), name
        for key, rows in section.rows.items():
            assert rows.shape == (len(on.test),), key
        for key, value in section.summary.items():
            assert isinstance(value, float), key
            assert np.isfinite(value), key
    for key, (low, high) in e.interval.items():
        assert low <= high
        assert low - 1e-9 <= e.summary[key] <= high + 1e-9, key


@pytest.mark.parametrize("method", METHODS)
def test_an_evaluation_is_the_same_twice(method, fitted, on, found):
    again = evaluate(fitted[method], on, measures="all")
    assert json.dumps(again.to_dict()) == json.dumps(found[method].to_dict())  # text: NaN equals itself


def test_nulls_know_nothing(found):
    nulls = found["mmvm"].nulls
    wanted = {"chance", "raw features", "linear (PLS)", "labels shuffled", "pairing shuffled"}
    assert set(nulls) == wanted
    for name in ("labels shuffled", "chance"):
        assert nulls[name]["accuracy"] < 0.6, name
    assert nulls["raw features"]["accuracy"] > 0.9
    assert nulls["linear (PLS)"]["accuracy"] > 0.8
    assert nulls["pairing shuffled"]["coherence"] < 0.6
    assert nulls["chance"]["coherence"] == pytest.approx(1 / 3, abs=0.1)


def test_measures_find_what_is_there(found):
    mmvm, independent = found["mmvm"].summary, found["independent"].summary
    assert mmvm["coherence"] > independent["coherence"]
    assert mmvm["agreement"] > 0.6
    assert 0.5 < mmvm["variance_explained"] <= 1
    assert mmvm["imputation_r2"] > independent["imputation_r2"]
    assert mmvm["consistency"] > 0.2
    assert found["poe"].summary["log_likelihood"] < 0
    assert "depends on the data" in found["mmvm"].sections["log_likelihood"].detail["why_not"]
    assert "no density" in found["ae"].sections["collapse"].detail["why_not"]


def test_what_is_shown_fits_the_task(found, on):
    shown = found["mmvm"].exhibits
    rows = shown["row"].numpy()
    assert rows.max() < len(on.test)
    assert shown["pca/0"].shape == (len(rows), 2)
    there = on.test.present()["b"][rows]
    assert np.array_equal(np.isfinite(shown["pca/1"].numpy()).all(1), there)
    k = len(shown["shown"])
    assert shown["real/0"].shape == (k, 5)
    assert shown["made/0/1"].shape == (k, 4)
    assert np.array_equal(np.asarray(on.classes)[shown["label"].numpy()], on.test_y[rows])


def test_a_measure_can_be_asked_alone(fitted, on):
    e = evaluate(fitted["poe"], on, measures="collapse")
    assert set(e.sections) == {"collapse"}
    assert "accuracy" not in e.summary
    with pytest.raises(cp.InputError, match=r"measure is 'colapse'.*Did you mean 'collapse'"):
        evaluate(fitted["poe"], on, measures=["colapse"])


def test_costly_measures_say_how_many_rows_they_took(fitted, on):
    asked = Asked(fitted["mmvm"], on, most=10)
    assert len(asked.some) == 10
    assert MEASURES["variance"](asked).detail["rows"] == 10
    cells = MEASURES["reconstruction"](asked).detail["subsets"]
    assert max(cell["rows"] for cell in cells) <= 10


def test_subsets_do_not_explode():
    names = [f"m{i}" for i in range(12)]
    found = subsets(names)
    assert len(found) == 12 + 12 + 1
    assert all(len(set(given)) == len(given) for given in found)


def test_a_single_modality_is_evaluated():
    data = labelled(90).select(["a"])
    train, held = hold_out(data, 30, "kind")
    e = evaluate(small(epochs=3).fit(train), task(train, held), measures="all", show=True)
    assert np.isfinite(e.summary["accuracy"])
    assert e.sections["agreement"].detail["why_not"]
    assert np.isnan(e.summary["coherence"])
    json.dumps(e.to_dict())


def test_a_modality_that_no_training_row_has_beside_another_gets_no_pair():
    """Rows have one modality each: nothing can be paired, everything else is told."""
    data = labelled(120)
    one = np.arange(120) % 2 == 0
    apart = data.without("b", one).without("a", ~one)
    train, held = hold_out(apart, 40, "kind")
    e = evaluate(small("independent", epochs=3).fit(train), task(train, held), measures="all", show=True)
    assert e.sections["agreement"].detail["why_not"]
    assert np.isfinite(e.summary["accuracy"])


def test_pictures_may_be_compared_by_inception(monkeypatch):
    """Pictures go to it clamped and brought to 0 to 1, tables do not; the network has its own tests."""
    from counterpoint.measures import generation

    seen = []

    class Net:
        def features(self, images):
            seen.append((images.shape, images.min(), images.max()))
            return images.reshape(len(images), -1)[:, :7] * 3

    monkeypatch.setattr(generation, "inception", lambda path: Net() if path == "w" else None)
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    pictures = np.eye(3)[y] @ rng.random((3, 64)) + 0.1 * rng.normal(size=(120, 64))
    table = np.eye(3)[y] @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(120, 4))
    parts = {
        "picture": (255 * np.clip(pictures, 0, 1)).astype(np.uint8).reshape(120, 1, 8, 8),
        "table": table,
    }
    train, held = hold_out(cp.read(parts, labels={"kind": y}), 48, "kind")
    model, on = small(epochs=2).fit(train), task(train, held)
    found = evaluate(model, on, measures="generation", inception="w").sections["generation"].detail
    assert len(seen) == 3  # the real ones, and what both modalities make
    assert all(shape == (48, 1, 8, 8) and 0 <= low <= high <= 1 for shape, low, high in seen)
    assert found["features"]["picture"] == "Inception, 2048 features"
    assert "standardised" in found["features"]["table"]
    plain = evaluate(model, on, measures="generation").sections["generation"].detail
    assert plain["features"]["picture"] == "last hidden layer of the conv oracle, 128 features"
    assert plain["fid"][0][0] != found["fid"][0][0]
    assert plain["fid"][1][1] == found["fid"][1][1]


def test_probes_of_every_set(on, fitted, found):
    """Of a joint posterior: all sets, the full one as the probe of the joint latent has it."""
    cells = {tuple(c["given"]): c for c in found["poe"].sections["probe_subsets"].detail["cells"]}
    assert set(cells) == set(subsets(on.train.names))
    assert cells[on.train.names]["accuracy"] == found["poe"].sections["probe"].detail["joint"]["accuracy"]
    assert cells[on.train.names]["accuracy"] > 0.8
    mean = np.mean([c["accuracy"] for c in cells.values()])
    assert found["poe"].summary["accuracy_subsets"] == pytest.approx(mean)
    first = on.train.names[0]
    alone = found["mmvm"].sections["probe_subsets"].detail["cells"][0]
    assert alone["given"] == [first]
    assert alone["accuracy"] == found["mmvm"].sections["probe"].detail["modalities"][first]["accuracy"]


def test_probes_of_sets_that_a_model_reads(on):
    """A conditional model of fixed observed modalities is asked of these alone."""
    first = on.train.names[0]
    m = small("vcca", epochs=2, options={"observed": [first]}).fit(on.train)
    section = evaluate(m, on, measures="probe_subsets").sections["probe_subsets"]
    assert [c["given"] for c in section.detail["cells"]] == [[first]]
