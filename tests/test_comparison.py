"""Evaluation of one model, and the comparison of several on the same rows."""

import json
import math

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint import protocol, runs
from counterpoint.evaluate import evaluate, features, label_of, task
from counterpoint.evaluation.tables import Row
from counterpoint.manifest import as_json
from counterpoint.protocol import hold_out
from counterpoint.training.population import Population
from test_estimator import SMALL, small


def labelled(rows: int = 60, seed: int = 0) -> cp.MultimodalData:
    """Three classes that both modalities show; six rows lack one of them."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    a = 2 * np.eye(3)[y] @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(rows, 5))
    b = 2 * np.eye(3)[y] @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(rows, 4))
    b[:6] = np.nan
    return cp.read({"a": a, "b": b}, labels={"kind": y})


@pytest.fixture(scope="module")
def split() -> tuple[cp.MultimodalData, cp.MultimodalData]:
    return hold_out(labelled(), 18, "kind")


@pytest.fixture(scope="module")
def on(split):
    return task(*split)


@pytest.fixture(scope="module")
def trained(split) -> cp.Counterpoint:
    return small(epochs=60, learning_rate=1e-2, patience=None).fit(split[0])


# The split


@pytest.mark.parametrize("test", [18, 18.0, 0.3])
def test_rows_are_held_out_by_class(test):
    train, held = hold_out(labelled(), test, "kind")
    assert (len(train), len(held)) == (42, 18)
    assert np.bincount(held.labels["kind"]).tolist() == [6, 6, 6]
    rows = np.concatenate([train.x["a"], held.x["a"]])
    assert np.array_equal(np.sort(rows, 0), np.sort(labelled().x["a"], 0))


def test_the_split_follows_its_seed():
    data = labelled()
    one, two, other = (hold_out(data, 18, "kind", s)[1].x["a"] for s in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_only_label_need_not_be_named():
    assert label_of(labelled(), None) == "kind"
    assert label_of(labelled(), "kind") == "kind"


def test_probes_on_raw_features_are_kept(split, tmp_path, monkeypatch):
    first = task(*split, cache=tmp_path)
    files = sorted(tmp_path.glob("probe-*.json"))
    assert len(files) == 2
    probes = []
    real = protocol.probe_modalities
    monkeypatch.setattr(protocol, "probe_modalities", lambda *a, **k: probes.append(1) or real(*a, **k))
    again = task(*split, cache=tmp_path)
    assert not probes
    assert again.raw == first.raw == task(*split).raw
    for name, result in first.raw.items():
        assert np.array_equal(again.raw[name].hits, result.hits)
    files[0].write_text("{")
    assert task(*split, cache=tmp_path).raw == first.raw
    assert len(probes) == 3  # two without a folder, one for the damaged file
    task(split[0], split[1], seed=1, cache=tmp_path)
    assert len(list(tmp_path.glob("probe-*.json"))) == 4


# One model


def test_an_evaluation_has_all_it_promises(on, trained):
    found = evaluate(trained, on, seconds=1.5)
    sections = {name: section.detail for name, section in found.sections.items()}
    assert set(sections["probe"]["modalities"]) == set(sections["probe"]["raw"]) == {"a", "b"}
    wanted = {
        "accuracy",
        "accuracy_joint",
        "auroc",
        "average_precision",
        "raw",
        "chance",
        "coherence",
        "coherence_full",
        "coherence_subsets",
        "reconstruction",
        "self_reconstruction",
        "rate",
        "seconds",
    }
    assert set(found.summary) == wanted
    assert all(math.isfinite(v) for v in found.summary.values())
    assert found.summary["raw"] > 0.9
    assert found.summary["accuracy"] > found.summary["chance"] + 0.2
    assert found.summary["chance"] == pytest.approx(1 / 3, abs=0.1)
    assert np.shape(sections["coherence"]["matrix"]) == (2, 2)
    terms = sections["reconstruction"]["modalities"]
    for name, numbers in trained.score_terms(on.test).items():  # the same numbers
        assert {k: terms[name][k] for k in numbers} == pytest.approx(numbers, rel=1e-5)
    assert found.summary["reconstruction"] == pytest.approx(sum(terms[k]["given_all"] for k in "ab"))
    assert found.summary["rate"] == pytest.approx(sum(terms[k]["rate"] for k in "ab"))
    json.dumps(found.to_dict())


def test_an_evaluation_repeats_itself(on, trained):
    one, two, other = (evaluate(trained, on, seed=s).to_dict() for s in (0, 0, 1))
    assert as_json(one) == as_json(two)
    assert one["sections"]["reconstruction"] != other["sections"]["reconstruction"]


def test_test_rows_are_not_trained_on(split, on, trained):
    train, held = split
    nonsense = cp.read({k: v * 50 for k, v in held.x.items()}, labels={"kind": held.labels["kind"]})
    other = task(train, nonsense)
    assert {k: p.n_train for k, p in other.raw.items()} == {k: p.n_train for k, p in on.raw.items()}
    assert (
        evaluate(trained, other).summary["reconstruction"]
        > 10 * evaluate(trained, on).summary["reconstruction"]
    )


def test_probes_skip_rows_that_lack_the_modality(on):
    there = on.train.present()["b"].sum()
    assert on.raw["b"].n_train == there < len(on.train)
    assert on.raw["a"].n_train == len(on.train)


def test_features_are_the_data_with_holes_filled(split):
    train, _ = split
    prepared = small(epochs=1).fit(train).preparation_
    found = features(prepared, train)
    there = train.present()["b"]
    np.testing.assert_allclose(found["b"][there], train.x["b"][there], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found["b"][~there], np.broadcast_to(prepared["b"].shift, found["b"][~there].shape)
    )


def test_text_labels_and_categories():
    data = labelled()
    names = np.array(["low", "mid", "top"])
    words = names[np.roll(data.labels["kind"], 1)].astype(object)
    words[3] = None
    given = cp.read({"a": data.x["a"], "word": words[:, None]}, labels={"kind": names[data.labels["kind"]]})
    train, held = hold_out(given, 18, "kind")
    on = task(train, held)
    assert features(small(epochs=1).fit(train).preparation_, train)["word"].shape == (42, 1, 3)
    found = evaluate(small(epochs=2).fit(train), on)
    assert math.isfinite(found.summary["coherence"])


# Several


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    told: list[tuple[str, int]] = []
    found = cp.compare(
        labelled(),
        ["mmvm", "poe"],
        test=18,
        seeds=2,
        out=folder,
        each=lambda name, seed, _: told.append((name, seed)),
        **SMALL,
    )
    return found, folder, told


def test_the_table_has_a_row_a_method_and_the_two_ends(compared):
    found, _, told = compared
    cells = found.cells()
    control = "mmvm, pairing shuffled"
    nulls = ["chance", "raw features", "linear (PLS)", "labels shuffled", "pairing shuffled"]
    assert [row[0] for row in cells[1:]] == ["mmvm", "poe", control, *nulls]
    assert told == [("mmvm", 0), ("mmvm", 1), ("poe", 0), ("poe", 1), (control, 0), (control, 1)]
    assert all(isinstance(row, Row) for row in found.rows)
    lines = found.to_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "±" in lines[2]
    assert len(lines) == 2 + 8
    raw = [found.evaluations[m][s].sections["probe"].detail["raw"] for m, s in (("mmvm", 0), ("poe", 1))]
    assert raw[0] == raw[1]  # the same rows for all


def test_the_table_shows_the_mean_over_seeds(compared):
    found, _, _ = compared
    both = [e.summary["accuracy"] for e in found.evaluations["poe"]]
    row = next(r for r in found.rows if r.name == "poe")
    assert row.cells["accuracy"].mean == pytest.approx(np.mean(both))
    assert row.cells["accuracy"].n == 2


def test_every_run_is_kept_with_its_scores(compared):
    found, folder, _ = compared
    for name in ("mmvm", "poe"):
        for seed in (0, 1):
            run = folder / f"{name}-{seed}"
            runs.verify(run)
            scores = json.loads((run / "scores.json").read_text())
            known = found.evaluations[name][seed].summary
            assert scores["summary"] == {k: v for k, v in known.items() if k != "seconds"}
    assert (folder / "comparison.md").read_text().rstrip() == found.to_markdown().rstrip()
    assert set(json.loads((folder / "comparison.json").read_text())["methods"]) == {"mmvm", "poe"}


def test_finished_runs_are_not_fitted_again(compared, monkeypatch):
    found, folder, _ = compared

    def refuse(self):
        raise AssertionError("trained again")

    monkeypatch.setattr(Population, "_train_epoch", refuse)
    again = cp.compare(labelled(), ["mmvm", "poe"], test=18, seeds=2, out=folder, **SMALL)
    assert as_json(again.to_dict()) == as_json(found.to_dict())  # text: NaN equals itself


def test_other_data_or_options_are_fitted_again(compared, tmp_path):
    params = {"test": 18, "seeds": 1, "out": tmp_path, **SMALL}
    cp.compare(labelled(), "mmvm", **params)
    first = (tmp_path / "mmvm-0" / "model.safetensors").read_bytes()
    cp.compare(labelled(seed=1), "mmvm", **params)
    second = (tmp_path / "mmvm-0" / "model.safetensors").read_bytes()
    cp.compare(labelled(seed=1), "mmvm", **{**params, "beta": 2.0})
    assert len({first, second, (tmp_path / "mmvm-0" / "model.safetensors").read_bytes()}) == 3


def test_a_method_does_as_well_alone(compared):
    found, _, _ = compared
    alone = cp.compare(labelled(), ["poe"], test=18, seeds=[1], **SMALL)
    one, other = (dict(e.summary) for e in (alone.evaluations["poe"][0], found.evaluations["poe"][1]))
    del one["seconds"], other["seconds"]
    assert one == other
    train, _ = hold_out(labelled(), 18, "kind")
    mine = small("poe", seed=1).fit(train)
    for a, b in zip(mine.model_.parameters(), alone.estimators["poe"].model_.parameters(), strict=True):
        assert torch.equal(a, b)


def test_options_reach_their_method_alone():
    found = cp.compare(
        labelled(), ["mmvm", "moe"], test=18, seeds=1, options={"mmvm": {"rate": "mixture"}}, **SMALL
    )
    assert found.estimators["mmvm"].options == {"rate": "mixture"}
    assert found.estimators["moe"].options is None


def test_test_rows_of_their_own(split):
    train, held = split
    found = cp.compare(train, "mmvm", test_data=held, seeds=1, **SMALL)
    assert len(found.task.train) == len(train)
    assert len(found.task.test) == len(held)


def test_workers_side_by_side_give_the_same(compared, tmp_path):
    found, _, _ = compared
    again = cp.compare(labelled(), ["mmvm"], test=18, seeds=2, out=tmp_path, workers=2, **SMALL)
    for a, b in zip(found.evaluations["mmvm"], again.evaluations["mmvm"], strict=True):
        assert {k: v for k, v in a.summary.items() if k != "seconds"} == {
            k: v for k, v in b.summary.items() if k != "seconds"
        }


def test_the_function_is_found_whatever_was_imported_first():
    import counterpoint.comparison  # noqa: F401  # no module has the name of a function that the package exports

    with pytest.raises(cp.InputError, match="no labels"):
        cp.compare({"a": np.ones((4, 2))})
    with pytest.raises(cp.InputError, match="no labels"):
        cp.compare({"a": np.ones((4, 2))})


def test_the_control_is_trained_on_shuffled_pairs(compared):
    found, folder, _ = compared
    assert len(found.control) == 2
    own, control = (cp.load(folder / name) for name in ("mmvm-0", "mmvm-0-shuffled"))
    assert own.data_summary_["rows"] == control.data_summary_["rows"]
    assert own.data_summary_["fingerprint"] != control.data_summary_["fingerprint"]
    scores = json.loads((folder / "mmvm-0-shuffled" / "scores.json").read_text())
    assert scores["control"] == "pairing shuffled"


def test_what_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    def refuse(self):
        raise AssertionError("trained")

    monkeypatch.setattr(Population, "_train_epoch", refuse)
    (tmp_path / "file").touch()
    with pytest.raises(cp.InputError, match="is a file; give a directory"):
        cp.compare(labelled(), ["mmvm"], test=18, out=tmp_path / "file", **SMALL)


def test_measures_without_a_probe_make_a_table_without_one(tmp_path):
    """What was not asked for has no column; nothing that was trained is lost to it."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    x = y[:, None] + rng.normal(size=(80, 3))
    source = cp.read({"a": x, "b": -x}, labels={"kind": y})
    found = cp.compare(
        source,
        ["mmvm"],
        seeds=1,
        measures=("coherence",),
        control=False,
        out=tmp_path,
        epochs=1,
        latent_dim=2,
    )
    assert found.cells()[0] == ["method", "coherence", "fit s"]
    assert "coherence" in (tmp_path / "comparison.md").read_text()
