"""Faults: killed, interrupted, no room, no permission, no data, two at once: nothing lost, one error.

How a worker's death ends is in test_engines.py, a damaged file in test_runs.py and test_hostile.py.
"""

import ast
import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

import counterpoint as cp
import faults
from counterpoint import runs
from counterpoint.locks import alone
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import sweep
from counterpoint.training.checkpoint import NAME

SOURCE = Path(cp.__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGINT"])
def test_nothing_is_lost_whenever_a_verb_is_killed(sent):
    """Six tries of every verb; `tests/faults.py` takes as many as it is told."""
    words = [sys.executable, faults.__file__, "--tries", "6", "--signal", sent, "--seed", "1"]
    paths = os.pathsep.join([str(SOURCE.parent), str(Path(__file__).parent)])
    found = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    assert found.returncode == 0, found.stdout + found.stderr


def fit(run, **how):
    return cp.Counterpoint("mmvm", epochs=3, **faults.SMALL).fit(
        faults.data(), run=run, checkpoint_seconds=0, **how
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole") / "run"
    fit(place)
    return faults.run_bytes(place)


def full(monkeypatch, at):
    """Let the disk be full when a file is synced the `at`-th time; return how often that was asked."""
    asked, sync = [], os.fsync

    def no_room(handle):
        asked.append(handle)
        if len(asked) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", no_room)
    return asked


def test_a_full_disk_at_any_moment_of_a_fit_is_one_error_and_the_fit_goes_on(tmp_path, monkeypatch, whole):
    asked = full(monkeypatch, 0)
    fit(tmp_path / "count")
    monkeypatch.undo()
    assert len(asked) > 20
    files = 0
    for at in range(1, len(asked) + 1, 2):  # a file, then its folder
        run = tmp_path / str(at)
        with monkeypatch.context() as patched:
            full(patched, at)
            with pytest.raises(cp.InputError, match=r"cannot write .*: No space left on device; make room"):
                fit(run)
        assert not (run / "manifest.json").exists()
        assert not faults.hidden(run)
        fit(run, resume=(run / NAME).exists())
        assert faults.run_bytes(run) == whole
        files += 1
    assert files == len(asked) // 2


def test_a_real_limit_of_the_system_is_the_same_error(tmp_path):
    """A child may write files of 2 kB only, less than the weights."""
    (tmp_path / "room").mkdir()

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        with pytest.raises(cp.InputError, match="File too large; make room"):
            fit(tmp_path / "room" / "run")

    assert faults.end_of(faults.child(work)) == 0
    assert faults.look_at_run(tmp_path / "room") == "absent"


@pytest.fixture
def closed():
    """A folder that all may read and none may write to."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o555)
        yield Path(place)
        os.chmod(place, 0o755)


def test_a_folder_without_permission_is_one_error_before_training(closed, whole, monkeypatch):
    """`whole`, so that whatever a fit imports is there: nobody may not be allowed to read it."""
    place = closed
    monkeypatch.setattr(cp.Counterpoint, "_train", lambda *_: pytest.fail("it trained"))
    if os.geteuid():
        with pytest.raises(cp.InputError, match=r"cannot write .*Permission denied"):
            fit(place / "run")
        return

    def as_nobody():  # root may write anywhere
        os.seteuid(65534)
        with pytest.raises(cp.InputError, match="Permission denied"):
            fit(place / "run")

    assert faults.end_of(faults.child(as_nobody)) == 0


def test_two_fits_do_not_share_a_directory(tmp_path, whole):
    with alone(tmp_path / "run", "fit"):
        (tmp_path / "run" / "config.yaml").write_text("of the other fit")
        (tmp_path / "run" / NAME).write_text("of the other fit")
        for how in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(cp.InputError, match=r"another fit is at work in .*run; wait for it"):
                fit(tmp_path / "run", **how)
        assert (tmp_path / "run" / NAME).read_text() == "of the other fit"
    fit(tmp_path / "run")
    assert faults.run_bytes(tmp_path / "run") == whole


def test_two_writers_of_scores_wait_for_one_another(tmp_path):
    run = tmp_path / "run"
    fit(run)

    def writing(i):
        for j in range(10):
            runs.add_scores(run, {"writer": i, "time": j})

    pids = [faults.child(partial(writing, i)) for i in range(4)]
    assert [faults.end_of(pid) for pid in pids] == [0] * 4
    runs.verify(run)
    assert not faults.hidden(run)


@pytest.mark.parametrize("workers", [1, 2])
def test_data_that_vanish_after_the_plan_are_told_run_by_run(tmp_path, workers, monkeypatch):
    faults.swept(tmp_path)
    monkeypatch.chdir(tmp_path)
    grid = read_grid(tmp_path / "g.yaml")
    from counterpoint.sweeps import job

    def vanish(_):
        (tmp_path / "d.npz").unlink()
        job._ready.clear()

    found = sweep(grid, tmp_path / "out", workers=workers, planned=vanish)
    assert len(found.failed) == 4
    assert all("no file or folder" in why and "d.npz" in why for why in found.failed.values()), found.failed
    faults.swept(tmp_path)
    assert sweep(grid, tmp_path / "out").failed == {}


def test_no_clock_on_the_wall_decides_anything():
    """Durations are of clocks that never go back, so one that does changes nothing."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {
                    ("time", "time"),
                    ("time", "time_ns"),
                    ("datetime", "now"),
                    ("date", "today"),
                }, f"{path.name}:{node.lineno} reads the clock on the wall"
