"""Evaluation of one model, and the comparison of several on the same rows."""

import json
import math

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint import runs
from counterpoint.protocol import hold_out
from counterpoint.evaluate import evaluate, features, label_of, task
from counterpoint.evaluation.tables import Row
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


# One model


def test_an_evaluation_has_all_it_promises(on, trained):
    found = evaluate(trained, on, seconds=1.5)
    assert set(found.probe) == set(found.raw) == {"a", "b"}
    wanted = {
        "accuracy",
        "raw",
        "chance",
        "coherence",
        "coherence_full",
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
    assert found.coherence.matrix.shape == (2, 2)
    assert found.summary["reconstruction"] == pytest.approx(sum(found.terms[k]["given_all"] for k in "ab"))
    assert found.summary["rate"] == pytest.approx(sum(found.terms[k]["rate"] for k in "ab"))
    json.dumps(found.to_dict())


def test_an_evaluation_repeats_itself(on, trained):
    assert evaluate(trained, on).to_dict() == evaluate(trained, on).to_dict()
    assert evaluate(trained, on, seed=1).terms != evaluate(trained, on).terms


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
    assert [row[0] for row in cells[1:]] == ["mmvm", "poe", "raw features", "chance"]
    assert told == [("mmvm", 0), ("mmvm", 1), ("poe", 0), ("poe", 1)]
    assert all(isinstance(row, Row) for row in found.rows)
    lines = found.to_markdown().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "±" in lines[2]
    assert len(lines) == 2 + 4
    assert found.evaluations["mmvm"][0].raw == found.evaluations["poe"][1].raw  # the same rows for all


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
            assert scores["summary"] == found.evaluations[name][seed].summary
    assert (folder / "comparison.md").read_text().rstrip() == found.to_markdown().rstrip()
    assert set(json.loads((folder / "comparison.json").read_text())["methods"]) == {"mmvm", "poe"}


def test_finished_runs_are_not_fitted_again(compared, monkeypatch):
    found, folder, _ = compared

    def refuse(self):
        raise AssertionError("trained again")

    monkeypatch.setattr(Population, "_train_epoch", refuse)
    again = cp.compare(labelled(), ["mmvm", "poe"], test=18, seeds=2, out=folder, **SMALL)
    assert again.to_dict() == found.to_dict()


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
