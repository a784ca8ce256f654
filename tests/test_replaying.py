"""The same configuration, rows and seed: the same bytes; and what is said when they are not."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import counterpoint as cp
from counterpoint.cli import main
from counterpoint.replaying import replay
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import sweep

SMALL = {"latent_dim": 2, "hidden": (8,), "epochs": 3, "batch_size": 16}


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = x @ rng.normal(size=(4, 3))
    y[:9] = np.nan
    return {"rna": x, "protein": y}


def fitted(folder, **more):
    return cp.Counterpoint("mmvm", **{**SMALL, **more}).fit(data(), run=folder)


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"precision": "float64", "validation": 0}])
def test_a_replay_is_the_run_to_the_byte(tmp_path, options):
    fitted(tmp_path / "run", **options)
    found = replay(tmp_path / "run", data())
    assert (found.same, found.difference, found.history, found.epochs) == (True, 0.0, True, (3, 3))
    assert dict(found.changed) == {}


def test_another_machine_is_told_and_other_weights_are_seen(tmp_path, monkeypatch):
    m = fitted(tmp_path / "run")
    place = tmp_path / "run" / "environment.json"
    old = json.loads(place.read_text())
    monkeypatch.setattr("counterpoint.provenance.platform.platform", lambda: "elsewhere")
    assert dict(replay(tmp_path / "run", data()).changed) == {"platform": (old["platform"], "elsewhere")}
    next(m.model_.parameters()).data.flatten()[0] += 0.5
    m.save(tmp_path / "other")
    found = replay(tmp_path / "other", data())
    assert not found.same
    assert found.difference == pytest.approx(0.5)
    assert found.history


def test_other_rows_are_refused_before_training(tmp_path, monkeypatch):
    fitted(tmp_path / "run")
    monkeypatch.setattr(cp.Counterpoint, "fit", lambda *_: pytest.fail("it trained"))
    other = data()
    other["rna"][5, 1] += 1e-3
    with pytest.raises(cp.InputError, match=r"the rows are not those that .*run was trained on"):
        replay(tmp_path / "run", other)


def test_an_adapted_run_is_refused(tmp_path):
    m = fitted(tmp_path / "run")
    more = {**data(), "lipid": data()["rna"][:, :2]}
    m.adapt(more, run=tmp_path / "more")
    with pytest.raises(cp.InputError, match="was adapted from another run"):
        replay(tmp_path / "more", more)


def test_a_run_of_a_sweep_alone_in_its_stack_is_the_fit(tmp_path):
    x = data()
    np.savez(tmp_path / "d.npz", **x, kind=np.arange(80) % 2)
    lines = "method: mmvm\nseed: [0:2]\nlatent_dim: 2\nhidden: [8]\nepochs: 3\nbatch_size: 16\n"
    (tmp_path / "g.yaml").write_text(f"data: {tmp_path}/d.npz\ntest: 20\n{lines}")
    grid = read_grid(tmp_path / "g.yaml")
    sweep(grid, tmp_path / "out", stack=1, workers=2)
    train = grid.rows()[0]
    for run in sorted((tmp_path / "out").glob("*/manifest.json")):
        assert replay(run.parent, train).same


class TestVerb:
    def fitted(self, folder, monkeypatch, *words):
        monkeypatch.chdir(folder)
        np.savez("d.npz", **data(), kind=np.arange(80) % 2)
        few = ["--epochs", "2", "--latent_dim", "2", "--verbose", "0", "--run", "run"]
        assert main(["fit", "d.npz", "--labels", "kind", *few, *words]) == 0

    @pytest.mark.parametrize(
        "words", [(), ("--test", "0.25"), ("--modalities", "protein,rna", "--batch", "kind")]
    )
    def test_a_run_remembers_where_its_rows_were_and_how_they_were_read(
        self, tmp_path, monkeypatch, capsys, words
    ):
        self.fitted(tmp_path, monkeypatch, *words)
        capsys.readouterr()
        assert main(["replay", "run"]) == 0
        assert (
            "run: the weights are the same, to the byte; loss terms of 2 epochs the same"
            in capsys.readouterr().out
        )
        (tmp_path / "moved").mkdir()
        (tmp_path / "d.npz").rename(tmp_path / "moved" / "d.npz")
        assert main(["replay", "run"]) == 2
        assert "d.npz" in capsys.readouterr().err
        assert main(["replay", "run", "--data", "moved/d.npz"]) == 0

    def test_what_differs_ends_with_1(self, tmp_path, monkeypatch, capsys):
        self.fitted(tmp_path, monkeypatch)
        m = cp.load("run")
        source = json.loads((tmp_path / "run" / "environment.json").read_text())["source"]
        next(m.model_.parameters()).data.flatten()[0] += 0.25
        m.source_ = source
        m.save("run")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["replay", "run"])
        assert ended.value.code == 1
        assert "weights differ, by at most 0.25" in capsys.readouterr().out

    def test_a_run_of_python_needs_its_data_in_python(self, tmp_path, capsys):
        fitted(tmp_path / "run")
        assert main(["replay", str(tmp_path / "run")]) == 2
        assert "does not say how its rows were read" in capsys.readouterr().err


PROGRAM = """
import sys, torch, numpy as np
torch.set_num_threads(int(sys.argv[1]))
sys.path.insert(0, sys.argv[3])
import test_replaying
test_replaying.fitted(sys.argv[2])
"""


@pytest.mark.slow
def test_one_thread_and_two_give_the_same_bytes(tmp_path):
    found = []
    for threads in ("1", "2"):
        place = tmp_path / threads
        words = [sys.executable, "-c", PROGRAM, threads, str(place), os.path.dirname(__file__)]
        subprocess.run(words, check=True, env={**os.environ, "OMP_NUM_THREADS": threads})
        found.append((place / "model.safetensors").read_bytes())
    assert found[0] == found[1]
