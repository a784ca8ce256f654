"""Adaptive search: what it finds, what it must not look at, how it goes on, what it refuses."""

import json
import math
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest

import counterpoint as cp
from counterpoint import runs
from counterpoint.commands.tune import tune as command
from counterpoint.protocol import hold_out
from counterpoint.training.population import Population
from counterpoint.tuning import GOALS, Tuning, tune

SMALL = {"latent_dim": 2, "epochs": 3, "hidden": (8,), "batch_size": 16, "goal": "probe"}
SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


def labelled(rows: int = 80, seed: int = 0) -> cp.MultimodalData:
    """Two classes that both modalities show."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    a, b = (3.0 * y[:, None] + rng.normal(size=(rows, n)) for n in (4, 3))
    return cp.read({"a": a, "b": b}, labels={"kind": y})


def tried(found: Tuning) -> list[tuple]:
    """What a search did, without how long it took."""
    return [(r["number"], r["params"], r["value"], r["state"]) for r in found.table]


def forbid_training(monkeypatch) -> None:
    def refuse(self):
        raise AssertionError("trained")

    monkeypatch.setattr(Population, "_train_epoch", refuse)


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> tuple[Tuning, Path]:
    out = tmp_path_factory.mktemp("searched") / "out"
    return tune(labelled(), SPACE, out=out, trials=4, **SMALL), out


# What it finds


@pytest.mark.parametrize("goal", GOALS)
def test_the_better_of_two_choices_is_found(goal, tmp_path):
    """A step of 1e-6 leaves the networks as they were drawn; every goal must see that."""
    params = {**SMALL, "goal": goal, "epochs": 20, "patience": None}
    if goal == "probe":  # a linear probe reads raw noise too: what tells them apart is a bottleneck
        data, space, best = corners(), {"latent_dim": [1, 4]}, {"latent_dim": 4}
        del params["latent_dim"]
        params["learning_rate"] = 1e-2
    else:
        data, space, best = labelled(), {"learning_rate": [1e-6, 1e-2]}, {"learning_rate": 1e-2}
    if goal == "prediction":
        params["target"] = "kind"
    found = tune(data, space, out=tmp_path, trials=3, **params)
    assert len({str(r["params"]) for r in found.table}) == 2  # both were tried
    assert found.best_params == best
    values = [r["value"] for r in found.table]
    assert found.best_value == (max(values) if GOALS[goal][1] else min(values))


def corners() -> cp.MultimodalData:
    """Eight classes in the corners of a cube; no line tells them apart."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 8
    z = 3.0 * np.stack([y // 4, y // 2 % 2, y % 2], 1)
    return cp.read({k: z + 0.3 * rng.normal(size=(160, 3)) for k in "ab"}, labels={"kind": y})


def test_the_result_says_all_and_is_written(searched):
    found, out = searched
    assert [r["number"] for r in found.table] == [0, 1, 2, 3]
    assert all(r["state"] == "finished" and r["seconds"] > 0 and r["reason"] == "" for r in found.table)
    assert all(1e-4 <= r["params"]["learning_rate"] <= 1e-1 for r in found.table)
    assert len({r["params"]["learning_rate"] for r in found.table}) == 4
    told = json.loads((out / "tuning.json").read_text())
    assert told["best_params"] == found.best_params
    assert told["best_value"] == found.best_value
    assert told["table"] == found.table
    assert told["test"] == found.test
    best = max(found.table, key=lambda r: r["value"])
    assert (found.best_params, told["best_trial"]) == (best["params"], best["number"])


def test_trials_and_the_best_are_ordinary_runs(searched):
    found, out = searched
    for row in found.table:
        loaded = runs.load(out / f"trial-{row['number']}")
        assert loaded.learning_rate == row["params"]["learning_rate"]
        assert loaded.data_summary_["rows"] == 45  # of 80, less 20 for the test, less a quarter of the rest
        scores = json.loads((out / f"trial-{row['number']}" / "scores.json").read_text())
        assert scores["summary"]["accuracy"] == row["value"] == scores["tuning"]["value"]
        assert scores["task"]["test_rows"] == 15
        assert set(scores["sections"]) == {"probe"}  # nothing that was not asked for
    best = runs.load(found.best_run)
    assert best.data_summary_["rows"] == 60
    assert best.learning_rate == found.best_params["learning_rate"]
    scores = json.loads((found.best_run / "scores.json").read_text())
    assert scores["task"]["test_rows"] == 20
    assert scores["split"] == {"test": 0.25, "label": "kind", "seed": 0}
    assert scores["summary"] == {k: v for k, v in found.test.items() if k != "seconds"}


def test_the_goal_validation_is_the_loss_of_the_best_epoch(tmp_path):
    found = tune(labelled(), {"hidden": [[4], [8, 8]]}, out=tmp_path, trials=2, latent_dim=2, epochs=4)
    for row in found.table:
        history = runs.load(tmp_path / f"trial-{row['number']}").history_
        assert row["value"] == min(epoch["validation/total"] for epoch in history)
        assert row["params"]["hidden"] in ([4], [8, 8])


def test_ranges_are_kept_to_their_kind(tmp_path):
    space = {
        "latent_dim": {"low": 2, "high": 6, "step": 2},
        "ema": {"low": 0, "high": 0.5},
        "options.draws": {"low": 1, "high": 2},
        "decay": ["none", "cosine"],
        "clip": [None, 1.0],
    }
    found = tune(labelled(), space, out=tmp_path, trials=5, goal="reconstruction", epochs=1, hidden=(4,))
    for row in (r["params"] for r in found.table):
        assert type(row["latent_dim"]) is int
        assert row["latent_dim"] in (2, 4, 6)
        assert type(row["options.draws"]) is int
        assert type(row["ema"]) is float
        assert row["clip"] in (None, 1.0)
    assert runs.load(found.best_run).options == {"draws": found.best_params["options.draws"]}


# What is decided by what


def test_a_search_follows_from_its_seed(searched, tmp_path):
    found, _ = searched
    again = tune(labelled(), SPACE, out=tmp_path / "a", trials=4, **SMALL)
    other = tune(labelled(), SPACE, out=tmp_path / "b", trials=4, seed=1, **SMALL)
    assert tried(again) == tried(found)
    assert again.test["accuracy"] == found.test["accuracy"]
    assert not {str(r["params"]) for r in other.table} & {str(r["params"]) for r in found.table}


def test_test_rows_do_not_influence_the_choice(searched, tmp_path):
    found, _ = searched
    data = labelled()
    of_test = held_rows(data)
    x = {k: np.where(of_test[:, None], 1e3, v) for k, v in data.x.items()}
    spoilt = cp.read(x, labels={"kind": swapped(data)})
    assert np.array_equal(held_rows(spoilt), of_test)  # the same rows are held out
    other = tune(spoilt, SPACE, out=tmp_path, trials=4, **SMALL)
    assert tried(other) == tried(found)
    assert other.best_params == found.best_params
    assert other.test["reconstruction"] > 100 * abs(found.test["reconstruction"])  # they are what is tested


def held_rows(data: cp.MultimodalData) -> np.ndarray:
    """Which rows are held out, (N,) bool."""
    marked = cp.read({"row": np.arange(float(len(data)))[:, None]}, labels=dict(data.labels))
    held = np.zeros(len(data), dtype=bool)
    held[hold_out(marked, 0.25, "kind")[1].x["row"][:, 0].astype(int)] = True
    return held


def swapped(data: cp.MultimodalData) -> np.ndarray:
    """Labels of which two of test rows are swapped, such that the split stays as it was."""
    y, held = data.labels["kind"], held_rows(data)
    rows = np.flatnonzero(held)
    for i in rows[y[rows] == 0]:
        for j in rows[y[rows] == 1]:
            other = y.copy()
            other[[i, j]] = y[[j, i]]
            if np.array_equal(held_rows(cp.read(dict(data.x), labels={"kind": other})), held):
                return other
    raise AssertionError("every swap changes the split; take another seed")


def test_workers_make_the_trials_up_to_the_total(searched, tmp_path):
    found, _ = searched
    other = tune(labelled(), SPACE, out=tmp_path, trials=2, workers=2, **SMALL)
    assert tried(other) == tried(found)[:2]  # proposed before anything is known, so they are the same


# Going on


def test_the_same_call_goes_on_up_to_the_total(searched, tmp_path):
    found, _ = searched
    told: list[int] = []
    first = tune(labelled(), SPACE, out=tmp_path, trials=1, each=lambda r: told.append(r["number"]), **SMALL)
    assert tried(first) == tried(found)[:1]
    more = tune(labelled(), SPACE, out=tmp_path, trials=4, each=lambda r: told.append(r["number"]), **SMALL)
    assert told == [0, 1, 2, 3]
    assert tried(more) == tried(found)  # as if it had never stopped
    assert more.table[0]["seconds"] == first.table[0]["seconds"]


def test_a_finished_search_trains_nothing(searched, monkeypatch):
    found, out = searched
    forbid_training(monkeypatch)
    again = tune(labelled(), SPACE, out=out, trials=4, **SMALL)
    assert again.table == found.table
    assert {k: v for k, v in again.test.items() if k != "seconds"} == {
        k: v for k, v in found.test.items() if k != "seconds"
    }


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(searched, tmp_path, monkeypatch):
    found, _ = searched
    epoch, left = Population._train_epoch, iter(range(4))

    def stop(self):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return epoch(self)

    with monkeypatch.context() as during:
        during.setattr(Population, "_train_epoch", stop)
        with pytest.raises(KeyboardInterrupt) as stopped:
            tune(labelled(), SPACE, out=tmp_path, trials=4, **SMALL)
    assert "the same call goes on" in stopped.value.__notes__[0]
    assert not (tmp_path / "tuning.json").exists()
    # what a kill in the middle of a line leaves, too
    with (tmp_path / "study.log").open("ab") as log:
        log.write(b'{"op_code": 5, "half a li')
    (tmp_path / "study.log.lock").symlink_to(tmp_path / "study.log")
    started = time.monotonic()
    more = tune(labelled(), SPACE, out=tmp_path, trials=4, **SMALL)
    assert time.monotonic() - started < 25  # the lock that is left would hold Optuna up for 30 s
    assert [r["state"] for r in more.table] == ["finished", "failed", "finished", "finished", "finished"]
    assert "stopped" in more.table[1]["reason"]
    assert more.table[1]["params"] == more.table[2]["params"]  # the one that was lost is made up for
    done = [r for r in more.table if r["value"] is not None]
    assert [(r["params"], r["value"]) for r in done] == [(r["params"], r["value"]) for r in found.table]


def test_the_order_of_the_space_does_not_matter(tmp_path):
    params = {**SMALL, "epochs": 1}
    space = {"learning_rate": {"low": 1e-3, "high": 1e-2}, "warmup": [0.0, 1.0, 2.0]}
    first = tune(labelled(), space, out=tmp_path / "a", trials=2, **params)
    again = tune(labelled(), dict(reversed(space.items())), out=tmp_path / "b", trials=2, **params)
    assert tried(again) == tried(first)


# Failures


def test_a_diverging_trial_is_told_and_left(tmp_path):
    params = {**SMALL, "precision": "float64"}
    found = tune(labelled(), {"learning_rate": [1e-3, 1e200]}, out=tmp_path, trials=6, **params)
    failed = [r for r in found.table if r["state"] == "failed"]
    assert 0 < len(failed) < 6
    assert len(found.table) == 6  # they count
    assert all(r["value"] is None and "not finite" in r["reason"] for r in failed)
    assert found.best_params == {"learning_rate": 1e-3}


def test_if_all_diverge_it_is_an_error(tmp_path):
    with pytest.raises(cp.InputError, match=r"all trials failed.*not finite"):
        tune(labelled(), {"learning_rate": [1e200]}, out=tmp_path, trials=2, **SMALL)
    assert not (tmp_path / "best").exists()


# Refusals


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("space", {"space": {"learning_rate": [0.01]}}),
        ("goal", {"goal": "coherence"}),
        ("data", {"data": labelled(seed=1)}),
        ("data", {"data": labelled().paired(np.arange(80) // 2)}),
        ("data", {"data": labelled().paired(np.arange(80), np.arange(80) % 40)}),
        ("options", {"epochs": 2}),
        ("seed", {"seed": 1}),
        ("test", {"test": 0.2}),
    ],
)
def test_another_search_in_the_folder_is_refused(what, changed, searched, monkeypatch):
    _, out = searched
    forbid_training(monkeypatch)
    given = {"data": labelled(), "space": SPACE, **SMALL, **changed}
    before = (out / "study.log").read_bytes()
    with pytest.raises(cp.InputError, match=f"another {what}"):
        tune(given.pop("data"), given.pop("space"), out=out, trials=4, **given)
    assert (out / "study.log").read_bytes() == before


@pytest.mark.parametrize(
    ("space", "params", "match"),
    [
        ({"latent_dims": [1, 2]}, {}, "Did you mean 'latent_dim'"),
        ({"options.rat": ["mixture"]}, {}, r"Did you mean 'options\.rate'"),
        ({"options.rate": ["mixtur"]}, {}, "Did you mean 'mixture'"),
        ({"beta": [0.5]}, {"method": "ae"}, "allowed are"),
        ({"seed": [0, 1]}, {}, "allowed are"),
        ({}, {}, "latent_dim"),
        ({"warmup": 3.0}, {}, "list of choices"),
        ({"warmup": []}, {}, "list of choices"),
        ({"warmup": [1.0, 1.0]}, {}, "twice"),
        ({"warmup": {"low": 1}}, {}, "list of choices"),
        ({"warmup": {"low": 2, "high": 1}}, {}, "low below high"),
        ({"warmup": {"low": 0, "high": 1, "lg": True}}, {}, "Did you mean 'log'"),
        ({"warmup": {"low": 0, "high": 1, "log": True}}, {}, "low"),
        ({"warmup": {"low": 0.0, "high": math.inf}}, {}, "low below high"),
        ({"warmup": {"low": 0.0, "high": 1.0, "step": 0.3}}, {}, "step"),
        ({"warmup": {"low": 0.0, "high": 1.0, "log": "yes"}}, {}, "low, high"),
        ({"batch_size": {"low": 8, "high": 16.5}}, {}, "whole numbers"),
        ({"batch_size": {"low": 8, "high": 16, "int": False}}, {}, "batch_size"),
        ({"clip": [1.0, -1.0]}, {}, "clip is -1"),
        ({"clip": {"low": -1.0, "high": 1.0}}, {}, "clip is -1"),
        ({"warmup": [0.0]}, {"warmup": 1.0}, "fixed as an argument"),
        ({"options.draws": [1]}, {"options": {"draws": 2}}, "fixed as an argument"),
        ({"warmup": [0.0]}, {"epoch": 3}, "Did you mean 'epochs'"),
        ({"warmup": [0.0]}, {"goal": "prob"}, "Did you mean 'probe'"),
        ({"warmup": [0.0]}, {"trials": 0}, "trials is 0"),
        ({"warmup": [0.0]}, {"workers": 0}, "workers is 0"),
        ({"warmup": [0.0]}, {"label": "knd"}, "Did you mean 'kind'"),
        ({"warmup": [0.0]}, {"goal": "validation", "validation": 0.0}, "keeps no rows"),
        ({"beta": [0.5, 1.0]}, {"goal": "validation"}, "would not compare"),
        ({"options.rate": ["mixture"]}, {"goal": "validation"}, "would not compare"),
        ({"likelihood": ["normal"]}, {"goal": "reconstruction"}, "would not compare"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_work(space, params, match, tmp_path, monkeypatch):
    forbid_training(monkeypatch)
    given = {k: v for k, v in SMALL.items() if k not in space}
    with pytest.raises(cp.InputError, match=match):
        tune(labelled(), space, out=tmp_path / "out", **{**given, **params})
    assert not (tmp_path / "out").exists()


def test_coherence_wants_two_modalities(tmp_path):
    with pytest.raises(cp.InputError, match="one modality"):
        tune(labelled().select(["a"]), SPACE, out=tmp_path / "out", **{**SMALL, "goal": "coherence"})


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(cp.InputError, match="holds other files"):
        tune(labelled(), SPACE, out=tmp_path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["letters.txt"]


def test_a_damaged_log_is_refused(searched, tmp_path):
    _, out = searched
    lines = (out / "study.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "study.log").write_bytes(b"".join([*lines[:2], b"{nonsense\n", *lines[2:]]))
    with pytest.raises(cp.InputError, match="is damaged"):
        tune(labelled(), SPACE, out=tmp_path, trials=4, **SMALL)


# Manners


def test_optuna_is_silent_and_left_as_it_was(tmp_path, capfd):
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        before = list(warnings.filters)
        tune(labelled(), {"learning_rate": [1e-3]}, out=tmp_path, trials=1, **SMALL)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
        assert warnings.filters == before
        assert capfd.readouterr() == ("", "")
    finally:
        optuna.logging.set_verbosity(optuna.logging.INFO)


def test_the_command_fits_on_a_screen(tmp_path, capsys):
    data = labelled()
    np.savez(tmp_path / "data.npz", a=data.x["a"], b=data.x["b"], kind=data.labels["kind"])
    (tmp_path / "space.yaml").write_text("learning_rate: {low: 1e-3, high: 1e-2}\nlatent_dim: [1, 2]\n")
    settings = {"latent_dim": 20, "epochs": 1, "hidden": [8], "seed": 0, "verbose": 1}
    command(
        str(tmp_path / "data.npz"),
        str(tmp_path / "space.yaml"),
        out=str(tmp_path / "out"),
        goal="probe",
        trials=12,
        labels="kind",
        settings=settings,
    )
    said, notes = capsys.readouterr()
    lines = said.splitlines()
    assert lines[0].split() == ["trial", "probe", "latent_dim", "learning_rate", "seconds"]
    values = [float(line.split()[1]) for line in lines[1:11]]
    assert values == sorted(values, reverse=True)
    assert lines[11].startswith("12 trials")
    assert "test rows" in lines[12]
    assert len(lines) <= 25
    assert len(notes.splitlines()) == 12
