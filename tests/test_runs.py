"""A run is a directory: whole or not there, the same numbers after loading, nothing outside it, no pickle."""

import csv
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import counterpoint as cp
from counterpoint import atomic, configuration, runs
from counterpoint.building import chosen_method
from counterpoint.manifest import EXHIBITS, FILES
from counterpoint.schedules import Schedule
from counterpoint.training.population import Population
from test_estimator import ROWS, mixed, small, tables

LAID = {*FILES, runs.MANIFEST}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run, not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "a"
    small().fit(tables(), run=folder)
    return folder


def same_answers(one: cp.Counterpoint, two: cp.Counterpoint, x: dict) -> None:
    """Every verb gives the same bits."""
    assert one.embed(x).dtype == two.embed(x).dtype
    assert np.array_equal(one.embed(x), two.embed(x))
    for k, v in one.reconstruct(x, draws=2).items():
        assert np.array_equal(v, two.reconstruct(x, draws=2)[k]), k
    for k, v in one.impute(x, draws=3).items():
        other = two.impute(x, draws=3)[k]
        for part in ("filled", "mean", "spread", "draws"):
            assert np.array_equal(getattr(v, part), getattr(other, part)), (k, part)
    assert one.score(x) == two.score(x)
    assert one.score_terms(x) == two.score_terms(x)


@pytest.mark.parametrize("method", cp.METHODS)
def test_a_loaded_run_answers_bit_for_bit(method, tmp_path):
    made = small(method).fit(tables(), run=tmp_path / "a")
    found = cp.load(tmp_path / "a")
    same_answers(made, found, tables())
    assert found.history_ == made.history_
    assert found.best_epoch_ == made.best_epoch_
    assert found.data_summary_ == made.data_summary_
    assert found.modalities_ == made.modalities_


def test_every_likelihood_and_text_survive(tmp_path):
    x = mixed()
    rng = np.random.default_rng(5)
    x["learned"], x["photo"] = (
        rng.normal(size=(ROWS, 2)),
        rng.integers(0, 256, (ROWS, 1, 8, 8), dtype=np.uint8),
    )
    m = small(likelihood={"learned": "laplace_learned", "real": "normal_learned"}, width=4).fit(
        x, run=tmp_path / "a"
    )
    same_answers(m, cp.load(tmp_path / "a"), x)
    assert cp.load(tmp_path / "a").preparation_.to_dict() == m.preparation_.to_dict()


def test_a_float64_run_loads_as_float64(tmp_path):
    m = small(precision="float64").fit(tables(), run=tmp_path / "a")
    found = cp.load(tmp_path / "a")
    assert {p.dtype for p in found.model_.parameters()} == {torch.float64}
    same_answers(m, found, tables())


def test_own_networks_are_asked_for(tmp_path):
    def pair() -> tuple[torch.nn.Module, torch.nn.Module]:
        return torch.nn.Linear(4, 4), torch.nn.Linear(2, 4)

    m = small(network={"rna": pair()}).fit(tables(), run=tmp_path / "a")
    with pytest.raises(cp.InputError, match="own modules for rna; pass networks="):
        cp.load(tmp_path / "a")
    same_answers(m, cp.load(tmp_path / "a", networks={"rna": pair()}), tables())
    with pytest.raises(cp.InputError, match="must give"):
        cp.load(tmp_path / "a", networks={"rna": (torch.nn.Linear(4, 5), torch.nn.Linear(2, 4))})


def test_a_run_may_be_moved_and_saved_again(run, tmp_path):
    shutil.copytree(run, tmp_path / "b")
    found = cp.load(str(tmp_path / "b"))
    found.save(tmp_path / "c")
    for name in ("model.safetensors", "config.yaml", "metrics.csv", "data_card.json"):
        assert (tmp_path / "c" / name).read_bytes() == (run / name).read_bytes(), name
    again = found.fit(tables())  # and trained again, with the same result
    assert np.array_equal(again.embed(tables()), cp.load(run).embed(tables()))


# What is in it


def test_nothing_is_written_outside_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    m = small().fit(tables())
    m.impute(tables())
    assert not list(tmp_path.iterdir())
    small().fit(tables(), run="deep/in/here", checkpoint_seconds=0)
    cp.load("deep/in/here").embed(tables())
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {
        f"deep/in/here/{n}" for n in LAID
    }


def test_no_pickle_in_and_out(run, monkeypatch):
    assert {p.name for p in run.iterdir()} == LAID
    for path in run.iterdir():
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK")), path.name
        if path.suffix != ".safetensors":
            content.decode()  # text

    def refuse(*args, **kwargs):
        raise AssertionError("unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    cp.load(run)


def test_the_manifest_has_every_hash(run):
    manifest = json.loads((run / runs.MANIFEST).read_text())
    assert set(manifest["files"]) == set(FILES)
    assert runs.verify(run) == manifest


def test_config_is_complete_and_comes_back(run):
    given = configuration.read_config(run / "config.yaml")
    wanted = small().get_params(deep=False)
    assert set(given) == set(wanted) - {"device", "verbose"}
    again = cp.Counterpoint(**given)
    assert configuration.config_text(again) == (run / "config.yaml").read_text()


@pytest.mark.parametrize(
    "params",
    [
        {"beta": Schedule("linear", 0.0, 1 / 3, 200)},
        {"beta": "exp:1:0:150000", "options": {"rate": "mixture", "alpha": 0.1}},
        {"latent_dim": np.int64(3), "learning_rate": np.float64(1e-3), "hidden": np.array([8, 4])},
        {"likelihood": {"rna": "laplace"}, "network": {"rna": "mlp"}, "weights": {"rna": 2.0}},
        {"clip": 1.0, "patience": None, "width": 4, "standardise": False, "constant": "keep"},
    ],
)
def test_every_option_survives_the_config(params, tmp_path):
    m = small(**params)
    path = atomic.write(tmp_path / "config.yaml", configuration.config_text(m))
    again = cp.Counterpoint(**configuration.read_config(path))
    assert configuration.config_text(again) == path.read_text()
    assert str(chosen_method(again)) == str(chosen_method(m))
    x = tables()
    assert np.array_equal(again.fit(x).embed(x), m.fit(x).embed(x))


def test_metrics_have_a_row_an_epoch_and_every_term(run):
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    terms = {"total", "distortion/rna", "distortion/protein", "rate/rna", "rate/protein"}
    assert {f"{part}/{t}" for part in ("train", "validation") for t in terms} | {
        "beta",
        "alpha",
        "seconds",
    } <= set(rows[0])


def test_the_data_card_tells_what_was_read(run):
    card = json.loads((run / "data_card.json").read_text())
    assert [m["name"] for m in card["preparation"]["modalities"]] == ["rna", "protein"]
    assert card["training"]["rows"] == ROWS
    assert card["training"]["present"] == {"rna": 40, "protein": 35}
    assert card["training"]["validation"] == 0.1
    assert len(card["training"]["fingerprint"]) == 64


def test_the_environment_tells_what_it_was_made_with(run):
    told = json.loads((run / "environment.json").read_text())
    assert told["packages"]["torch"] == torch.__version__
    assert told["packages"]["numpy"] == np.__version__
    assert {"python", "platform", "device", "threads", "git_commit"} <= set(told)
    assert told["seed"] == 0


def test_the_card_is_readable(run):
    text = (run / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["library_name"] == "counterpoint"
    assert "| protein | 3 | normal | 35 |" in text
    assert "Trained on 40 rows, seed 0" in text
    assert "counterpoint.load" in text


def test_scores_are_kept_with_a_run(run, tmp_path):
    shutil.copytree(run, tmp_path / "b")
    assert json.loads((tmp_path / "b" / "scores.json").read_text()) == {}
    runs.add_scores(tmp_path / "b", {"accuracy": 0.5})
    assert json.loads((tmp_path / "b" / "scores.json").read_text()) == {"accuracy": 0.5}
    cp.load(tmp_path / "b")


class Stop(Exception):
    """What kills a training."""


@pytest.mark.parametrize("kept", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("writes", range(4))
def test_a_run_is_whole_wherever_keeping_its_scores_stops(writes, kept, run, tmp_path, monkeypatch):
    """Manifest, scores, exhibits, manifest: killed before any of the four, the run is one or the other."""
    folder = shutil.copytree(run, tmp_path / "b")
    if kept:
        runs.add_scores(folder, {"accuracy": 0.1}, {"row": torch.arange(2)})
    before = (folder / "scores.json").read_bytes()
    write, done = atomic.write, []

    def dying(path, content):
        if len(done) == writes:
            raise Stop
        done.append(path)
        return write(path, content)

    monkeypatch.setattr(atomic, "write", dying)
    with pytest.raises(Stop):
        runs.add_scores(folder, {"accuracy": 0.5}, {"row": torch.arange(3)})
    monkeypatch.setattr(atomic, "write", write)
    cp.load(folder)
    after = (folder / "scores.json").read_bytes()
    assert after in (before, runs.as_json({"accuracy": 0.5}))
    runs.add_scores(folder, {"accuracy": 0.5}, {"row": torch.arange(3)})
    assert set(runs.verify(folder)["files"]) == {*FILES, EXHIBITS}
    (folder / EXHIBITS).write_bytes(b"changed")
    with pytest.raises(cp.InputError, match=f"{EXHIBITS} is not as it was written"):
        cp.load(folder)


def test_a_run_that_is_fitted_anew_loses_what_was_shown_of_the_old_one(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "b")
    runs.add_scores(folder, {}, {"row": torch.arange(3)})
    small(seed=1).fit(tables()).save(folder)
    assert not (folder / EXHIBITS).exists()
    cp.load(folder)


# Whole or not at all


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failing_write_leaves_the_old_file(broken, tmp_path, monkeypatch):
    path = atomic.write(tmp_path / "a.txt", "old")

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(cp.InputError, match=r"a\.txt: no space left on device; make room"):
        atomic.write(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", [*FILES, runs.MANIFEST])
def test_a_save_that_stops_midway_is_seen(name, run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "b")
    other = small(seed=1).fit(tables())
    write = atomic.write

    def fail(path, content):
        if Path(path).name == name:
            raise OSError("no space left on device")
        return write(path, content)

    monkeypatch.setattr(atomic, "write", fail)
    with pytest.raises(OSError, match="no space"):
        other.save(tmp_path / "b")
    if name == FILES[0]:
        cp.load(tmp_path / "b")  # nothing was replaced yet
    else:
        with pytest.raises(cp.InputError, match="not as it was written"):
            cp.load(tmp_path / "b")


def test_overwriting_is_asked_for(run, tmp_path):
    shutil.copytree(run, tmp_path / "b")
    with pytest.raises(cp.InputError, match="overwrite=True"):
        small(seed=1).fit(tables(), run=tmp_path / "b")
    cp.load(tmp_path / "b")
    small(seed=1).fit(tables(), run=tmp_path / "b", overwrite=True)
    assert cp.load(tmp_path / "b").seed == 1


@pytest.mark.parametrize("epochs", [1, 2, 4])
@pytest.mark.parametrize("method", ["mmvm", "mvae"])
def test_a_killed_fit_goes_on_bit_for_bit(method, epochs, tmp_path, monkeypatch):
    params = {"epochs": 5, "batch_size": 8, "beta": "linear:0:1:20", "patience": None, "learning_rate": 1e-2}
    whole = small(method, **params).fit(tables())
    train, done = Population._train_epoch, []

    def dying(self):
        if len(done) == epochs:
            raise Stop
        done.append(1)
        return train(self)

    monkeypatch.setattr(Population, "_train_epoch", dying)
    with pytest.raises(Stop):
        small(method, **params).fit(tables(), run=tmp_path / "a", checkpoint_seconds=0)
    monkeypatch.setattr(Population, "_train_epoch", train)
    with pytest.raises(cp.InputError, match="not a finished run"):
        cp.load(tmp_path / "a")
    resumed = small(method, **params).fit(tables(), run=tmp_path / "a", resume=True)
    for (k, a), b in zip(
        whole.model_.state_dict().items(), resumed.model_.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), k
    plain = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history_]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.history_] == plain
    same_answers(resumed, cp.load(tmp_path / "a"), tables())
    assert {p.name for p in (tmp_path / "a").iterdir()} == LAID
