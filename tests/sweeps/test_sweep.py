"""A sweep end to end: plan, jobs, engines; skipped, killed, resumed, and the same whoever ran it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from counterpoint import cli, runs
from counterpoint.errors import InputError
from counterpoint.report.records import read_records
from counterpoint.sweeps import job
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import plan_sweep, sweep

GRID = """
data: d.npz
test: 18
method: [mmvm, poe]
beta: 2**[-1:1]
seed: [0:2]
latent_dim: 2
hidden: [8]
epochs: {epochs}
patience: null
stack: 2
"""
RUNS = 8


def write(folder, epochs=3, **more):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    a = 2 * np.eye(3)[y] @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(60, 5))
    b = 2 * np.eye(3)[y] @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(60, 4))
    b[:6] = np.nan
    np.savez(folder / "d.npz", a=a, b=b, kind=y)
    text = GRID.format(epochs=epochs) + "".join(f"{k}: {v}\n" for k, v in more.items())
    (folder / "g.yaml").write_text(text.replace("stack: 2\n", ""))
    return folder / "g.yaml"


def contents(out, name="scores.json"):
    return {p.parent.name: p.read_bytes() for p in sorted(out.glob(f"*/{name}"))}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    told = []
    found = sweep(read_grid(write(folder)), folder / "out", stack=2, each=told.append)
    return folder, found, told


def test_every_point_is_an_ordinary_run_with_scores(swept):
    folder, found, told = swept
    assert found.failed == {}
    records = read_records(folder / "out")
    assert len(records) == RUNS == found.plan.todo
    assert {(r.method, r.beta, r.seed) for r in records} == {
        (m, b, s) for m in ("mmvm", "poe") for b in (0.5, 1.0) for s in (0, 1)
    }
    for record in records:
        assert {"accuracy", "coherence", "reconstruction", "seconds"} <= set(record.summary)
        assert record.scores["split"] == {"test": 18, "label": "kind", "seed": 0}
        runs.verify(record.path)
    shown = [r.name for r in records if r.exhibits()]
    assert shown == ["mmvm-beta=1-seed=0", "poe-beta=1-seed=0"]
    assert told[-1].done == told[-1].of == RUNS
    assert not (folder / "out" / ".jobs").exists()


def test_finished_runs_are_recognised(swept, monkeypatch):
    folder, _, _ = swept
    before = contents(folder / "out", "manifest.json")
    plan = plan_sweep(read_grid(folder / "g.yaml"), folder / "out")
    assert (plan.todo, plan.there, plan.jobs) == (0, RUNS, ())
    monkeypatch.setattr(job, "fit_many", lambda *_, **__: pytest.fail("trained again"))
    assert sweep(read_grid(folder / "g.yaml"), folder / "out").plan.todo == 0
    assert contents(folder / "out", "manifest.json") == before


def test_a_longer_grid_adds_to_what_is_there(swept, tmp_path):
    folder, _, _ = swept
    kept = contents(folder / "out")
    text = (folder / "g.yaml").read_text().replace("[0:2]", "[0:3]")
    (folder / "more.yaml").write_text(text)
    plan = sweep(read_grid(folder / "more.yaml"), folder / "out", stack=2).plan
    assert (plan.todo, plan.there) == (4, RUNS)
    now = contents(folder / "out")
    assert len(now) == RUNS + 4
    assert {k: now[k] for k in kept} == kept


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"workers": 2}, id="workers"),
        pytest.param({"engine": "ray", "workers": 2}, id="ray", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_whoever_runs_it_the_scores_are_the_same_bytes(swept, tmp_path, how):
    folder, _, _ = swept
    wanted = contents(folder / "out")
    sweep(read_grid(write(tmp_path)), tmp_path / "out", stack=2, **how)
    found = contents(tmp_path / "out")
    assert found == {k: wanted[k] for k in found}
    assert len(found) == RUNS
    models = contents(folder / "out", "model.safetensors")
    assert contents(tmp_path / "out", "model.safetensors") == {k: models[k] for k in found}


SCRIPT = """
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import sweep
if __name__ == "__main__":
    sweep(read_grid({grid!r}), {out!r}, stack=2, workers={workers}, checkpoint_seconds=0.0)
"""


@pytest.mark.parametrize(
    ("sent", "workers"),
    [
        pytest.param(signal.SIGINT, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 2),
        pytest.param(signal.SIGKILL, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, 2, marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_middle_nothing_is_lost_and_nothing_run_twice(tmp_path, sent, workers):
    """Stopped once the first run is there; the second call finishes, equal to one that was not stopped."""
    grid = write(tmp_path, epochs=30)
    whole, out = tmp_path / "whole", tmp_path / "out"
    sweep(read_grid(grid), whole, stack=2)
    script = tmp_path / "s.py"
    script.write_text(SCRIPT.format(grid=str(grid), out=str(out), workers=workers))
    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    until = time.monotonic() + 120
    while not list(out.glob("*/manifest.json")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    os.killpg(process.pid, sent)
    process.wait(timeout=60)
    there = [p.parent / "model.safetensors" for p in out.glob("*/manifest.json")]
    stamps = {p: p.stat().st_mtime_ns for p in there}
    assert 0 < len(there) < RUNS
    sweep(read_grid(grid), out, checkpoint_seconds=0.0)
    assert contents(out) == contents(whole)
    assert contents(out, "model.safetensors") == contents(whole, "model.safetensors")
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items())


def test_a_run_that_diverges_is_told_and_the_others_are_there(tmp_path):
    grid = write(tmp_path, **{"poe.learning_rate": "[0.001, 1.0e+30]"})
    found = sweep(read_grid(grid), tmp_path / "out", stack=4)
    assert set(found.failed) == {
        f"poe-beta={b}-seed={s}-learning_rate=1e+30" for b in (0.5, 1) for s in (0, 1)
    }
    assert all("not finite" in why for why in found.failed.values())
    assert len(contents(tmp_path / "out")) == 8


def test_controls_are_trained_on_shuffled_pairs(tmp_path):
    found = sweep(read_grid(write(tmp_path, control="[false, true]")), tmp_path / "out")
    assert found.failed == {}
    records = {r.name: r for r in read_records(tmp_path / "out")}
    shuffled = records["mmvm-beta=1-seed=0-shuffled"]
    assert shuffled.control == "pairing shuffled"
    assert (
        shuffled.card["training"]["fingerprint"]
        != records["mmvm-beta=1-seed=0"].card["training"]["fingerprint"]
    )


def test_a_writer_that_was_killed_on_its_way_is_followed_up(tmp_path):
    """In a run that is scored, but whose manifest was about to be renamed, or allows two files yet."""
    grid, out = read_grid(write(tmp_path)), tmp_path / "out"
    sweep(grid, out, stack=2)
    whole = {p: p.read_bytes() for p in out.glob("*/*") if p.is_file()}
    first, second, *_ = sorted(p.parent for p in out.glob("*/manifest.json"))
    (first / ".manifest.json.x7k_2q9z").write_text("{")
    told = json.loads((second / "manifest.json").read_text())
    told["files"]["scores.json"] = ["0" * 64, told["files"]["scores.json"]]
    (second / "manifest.json").write_text(json.dumps(told))
    found = sweep(grid, out, stack=2)
    assert found.plan.todo == 2
    assert {p: p.read_bytes() for p in out.glob("*/*") if p.is_file()} == whole
    assert not list(out.glob("*/.manifest*"))


def test_two_sweeps_do_not_share_a_folder(tmp_path):
    grid = read_grid(write(tmp_path))

    def second(_):
        with pytest.raises(InputError, match="another sweep is at work"):
            sweep(grid, tmp_path / "out")

    sweep(grid, tmp_path / "out", stack=2, planned=second)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seed": "0"}, "names 'seed' twice"),
        ({"batch_size": "0"}, "mmvm-beta=0.5-seed=0: batch_size is 0"),
        ({"network": "conv"}, "mmvm-beta=0.5-seed=0: network of modality 'a'"),
        ({"options.rat": "1"}, "mmvm-beta=0.5-seed=0: .*rat"),
        ({"label": "knd"}, "Did you mean 'kind'"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_any_training(tmp_path, more, said):
    write(tmp_path, **more)
    with pytest.raises(InputError, match=said):
        sweep(read_grid(tmp_path / "g.yaml"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*/config.yaml"))
    assert not (tmp_path / "out" / "oracles").exists(), "judges were trained first"


def test_a_damaged_record_is_told(tmp_path):
    grid = read_grid(write(tmp_path))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sweep.json").write_text("{")
    with pytest.raises(InputError, match=r"sweep\.json is damaged"):
        sweep(grid, tmp_path / "out")


def test_the_verb_shows_plan_and_best_runs(tmp_path, capsys):
    grid = write(tmp_path)
    argv = ["sweep", str(grid), "--out", str(tmp_path / "out")]
    assert cli.main([*argv, "--dry_run"]) == 0
    shown = capsys.readouterr().out
    assert "8 runs to do, 0 there" in shown
    assert not (tmp_path / "out").exists()
    assert cli.main(argv) == 0
    shown = capsys.readouterr().out
    assert "8 of 8 runs are finished" in shown
    assert "probe accuracy" in shown
    assert len(shown.splitlines()) <= 25
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["stacks"]
    assert cli.main(["sweep", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err
