"""A training that is killed and resumed ends with the same weights, bit for bit, as one that was left alone.

Run as a program, this file is the worker: it imports torch once, and forks a process for every training, so
that a try costs no import. The worker never computes, so its forks are clean. Killing is by SIGKILL, at a
moment that a seeded generator chooses between the first checkpoint and the end.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from counterpoint import Counterpoint
from counterpoint.errors import InputError
from counterpoint.training.checkpoint import NAME
from counterpoint.training.progress import ProgressLine

SMALL = {
    "latent_dim": 3,
    "hidden": (16,),
    "epochs": 40,
    "batch_size": 16,
    "patience": None,
    "learning_rate": 0.005,
}
CASES = {
    "mmvm": {
        "method": "mmvm",
        "beta": "linear:0:2:300",
        "options": {"rate": "mixture", "alpha": "exp:1:0:400"},
    },
    "moe": {"method": "moe", "beta": "cosine:0:1:200", "patience": 8, "learning_rate": 0.02, "epochs": 200},
    "mvae": {"method": "mvae", "beta": "linear:0:1:100", "clip": 1.0},
    "mopoe": {"method": "mopoe", "precision": "float64", "validation": 0},
    "poe": {"method": "poe", "patience": 5, "learning_rate": 0.03, "epochs": 300, "seed": 4},
}


def data() -> dict[str, np.ndarray]:
    """Reals, counts and labels of 180 rows; single values and whole rows are missing."""
    rng = np.random.default_rng(3)
    cause = rng.normal(size=(180, 2))
    reals = cause @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(180, 6))
    counts = rng.poisson(np.exp(0.5 * cause @ rng.normal(size=(2, 4)))).astype(float)
    more = cause @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(180, 3))
    reals[rng.random(reals.shape) < 0.1] = np.nan
    counts[:30] = np.nan
    more[100:125] = np.nan
    return {"reals": reals, "counts": counts, "more": more}


def estimator(case: str) -> Counterpoint:
    return Counterpoint(**{**SMALL, **CASES[case]})


def result(run: Path) -> dict[str, object]:
    """Return the bytes of a finished run's weights, and its history without the seconds."""
    with (run / "metrics.csv").open(newline="") as file:
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    best = json.loads((run / "data_card.json").read_text())["training"]["best_epoch"]
    with safe_open(run / "model.safetensors", framework="np") as file:  # the order of its header may differ
        weights = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    bits = {k: (str(v.dtype), v.shape, v.tobytes()) for k, v in weights.items()}
    return {"weights": bits, "history": history, "best": best}


def fork(case: str, run: Path, **how: object) -> int:
    """Start a training in a process of its own, and return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        import torch

        torch.set_num_threads(1)
        estimator(case).fit(data(), run=run, checkpoint_seconds=0, **how)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def end_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_for(path: Path, pid: int) -> None:
    start = time.monotonic()
    while not path.exists():
        assert time.monotonic() - start < 60, f"process {pid} wrote no checkpoint within a minute"
        time.sleep(0.001)


def killed(case: str, run: Path, moment: float) -> int:
    """Train, kill `moment` seconds after the first checkpoint or earlier; return the finished epochs."""
    while True:
        pid = fork(case, run, overwrite=True)
        wait_for(run / NAME, pid)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        if end_of(pid) == -signal.SIGKILL and (run / NAME).exists():
            with safe_open(run / NAME, framework="np") as file:
                position = json.loads(file.metadata()["checkpoint"])["models"][0]
            return json.loads(position["progress"])["epoch"]
        moment /= 2


def work(folder: Path, cases: list[str], tries: int, seed: int) -> list[dict[str, object]]:
    """Kill and resume `tries` times, going round the cases; return what was found."""
    chance, wanted, lasts, found = random.Random(seed), {}, {}, []
    for i in range(tries):
        case = cases[i % len(cases)]
        if case not in wanted:
            whole = folder / f"{case}-whole"
            pid = fork(case, whole)
            wait_for(whole / NAME, pid)
            start = time.monotonic()
            assert end_of(pid) == 0
            lasts[case], wanted[case] = time.monotonic() - start, result(whole)
        run = folder / f"{case}-{i}"
        epochs = [killed(case, run, chance.uniform(0, lasts[case]))]
        while chance.random() < 0.3:  # and again, while it resumes
            pid = fork(case, run, resume=True)
            time.sleep(chance.uniform(0, lasts[case] / 2))
            os.kill(pid, signal.SIGKILL)
            if end_of(pid) == 0:
                break
            epochs.append(-1)
        if (run / NAME).exists():
            assert end_of(fork(case, run, resume=True)) == 0
        got = result(run)
        differs = [k for k in got if got[k] != wanted[case][k]]
        found.append({"case": case, "epochs": epochs, "of": len(got["history"]), "differs": differs})
    return found


def tried(folder: Path, cases: list[str], tries: int, seed: int) -> list[dict[str, object]]:
    """Run the worker."""
    given = json.dumps([str(folder), cases, tries, seed])
    done = subprocess.run(
        [sys.executable, __file__, given], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_once_and_resumed_is_the_same_run(tmp_path):
    (found,) = tried(tmp_path, ["mmvm"], 1, seed=11)
    assert not found["differs"], found


@pytest.mark.slow
def test_killed_twenty_times_and_resumed_is_the_same_run(tmp_path):
    found = tried(tmp_path, list(CASES), 20, seed=0)
    assert len(found) == 20
    assert not [f for f in found if f["differs"]]
    assert len({f["epochs"][0] / f["of"] for f in found}) > 10, (
        "the moments were not spread over the training"
    )
    assert all(f["of"] < CASES[f["case"]].get("epochs", 40) for f in found if f["case"] in ("moe", "poe")), (
        "none stopped early"
    )


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A run directory whose training was broken off in its fifth epoch."""
    run, seen = tmp_path / "run", []

    def show(self, progress):
        seen.append(progress.epoch)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressLine, "show", show)
        with pytest.raises(KeyboardInterrupt):
            quick().fit(data(), run=run, checkpoint_seconds=0)
    return run


def quick(**other: object) -> Counterpoint:
    return Counterpoint(**{**SMALL, "epochs": 8, **other})


def test_interrupted_and_resumed_is_the_same_model(interrupted):
    alone = quick().fit(data())
    resumed = quick().fit(data(), run=interrupted, resume=True)
    for p, q in zip(alone.model_.parameters(), resumed.model_.parameters(), strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
    for p, q in zip(alone.history_, resumed.history_, strict=True):
        assert {**p, "seconds": 0} == {**q, "seconds": 0}
    assert alone.best_epoch_ == resumed.best_epoch_
    assert not (interrupted / NAME).exists()


@pytest.mark.parametrize(
    "other",
    [{"beta": 2.0}, {"seed": 1}, {"learning_rate": 0.01}, {"epochs": 9}, {"method": "poe"}, {"hidden": (8,)}],
    ids=str,
)
def test_another_configuration_is_refused(interrupted, other):
    before = (interrupted / NAME).read_bytes()
    with pytest.raises(InputError, match="another configuration or other data"):
        quick(**other).fit(data(), run=interrupted, resume=True)
    assert (interrupted / NAME).read_bytes() == before
    quick().fit(data(), run=interrupted, resume=True)  # what was refused did no harm


def one_value(d: dict[str, np.ndarray]) -> None:
    d["counts"][40, 0] += 1


def one_missing(d: dict[str, np.ndarray]) -> None:
    d["more"][0] = np.nan


def fewer_rows(d: dict[str, np.ndarray]) -> None:
    for k in d:
        d[k] = d[k][:-1]


@pytest.mark.parametrize("change", [one_value, one_missing, fewer_rows])
def test_other_data_are_refused(interrupted, change):
    other = data()
    change(other)
    with pytest.raises(InputError, match="another configuration or other data"):
        quick().fit(other, run=interrupted, resume=True)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.99, -1])
def test_a_truncated_checkpoint_is_refused(interrupted, kept):
    path = interrupted / NAME
    content = path.read_bytes()
    path.write_bytes(content[:-1] if kept < 0 else content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=r"truncated or damaged.*delete it and fit again"):
        quick().fit(data(), run=interrupted, resume=True)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_one_flipped_byte_in_a_tensor_is_refused(interrupted, place):
    path = interrupted / NAME
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")  # behind the header: safetensors says its length first
    content[start + int(place * (len(content) - start))] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged \(its weights are not those.*delete it and fit again"):
        quick().fit(data(), run=interrupted, resume=True)


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="nothing to resume; fit without resume"):
        quick().fit(data(), run=tmp_path / "new", resume=True)
    with pytest.raises(InputError, match="name the run"):
        quick().fit(data(), resume=True)


def test_a_finished_run_is_not_resumed(tmp_path):
    quick(epochs=1).fit(data(), run=tmp_path / "run")
    with pytest.raises(InputError, match="finished run"):
        quick(epochs=1).fit(data(), run=tmp_path / "run", resume=True)


if __name__ == "__main__":
    folder, cases, tries, seed = json.loads(sys.argv[1])
    print(json.dumps(work(Path(folder), cases, tries, seed)))
