"""Jobs come back in order; what fails or dies does not take the others with it; nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import job_functions
from counterpoint.engines import run_jobs
from counterpoint.errors import InputError


@pytest.fixture
def jobs(tmp_path):
    return [str(tmp_path / name) for name in ("a", "b", "c", "d")]


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_come_in_order_and_errors_stay_where_they_are(tmp_path, workers):
    names = ["a", "bad-b", "c"]
    looked = []
    found = run_jobs(
        job_functions.fail_on_bad,
        [str(tmp_path / n) for n in names],
        workers=workers,
        poll=lambda: looked.append(1),
    )
    assert [Path(o.job).name for o in found] == names
    assert [o.error for o in found] == [None, "ValueError: bad-b is bad", None]
    assert [o.result and o.result["job"] for o in found] == ["a", None, "c"]
    assert looked


def test_workers_are_other_processes_of_one_thread(jobs):
    found = run_jobs(job_functions.describe, jobs, workers=2)
    assert {o.result["threads"] for o in found} == {1}
    assert os.getpid() not in {o.result["pid"] for o in found}
    assert all(o.result["pid"] == os.getpid() for o in run_jobs(job_functions.describe, jobs))


def test_a_killed_worker_is_replaced_and_its_job_started_again(tmp_path):
    names = ["a", "once-b", "c", "always-d", "e"]
    found = run_jobs(
        job_functions.die_once, [str(tmp_path / n) for n in names], workers=2, retries=2, every=0.05
    )
    by = {Path(o.job).name: o for o in found}
    assert by["once-b"].error is None
    assert by["once-b"].tries >= 2
    assert by["a"].error is by["e"].error is by["c"].error is None
    assert "its worker died 3 times" in by["always-d"].error


INTERRUPTED = """
import sys
sys.path.insert(0, {tests!r})
import job_functions
from counterpoint.engines import run_jobs
if __name__ == "__main__":
    try:
        run_jobs(job_functions.slow, {jobs!r}, workers=2)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize(
    "group", [True, False], ids=["the whole group, as a terminal does", "the parent alone"]
)
def test_ctrl_c_lets_workers_write_and_leaves_none(tmp_path, jobs, group):
    script = tmp_path / "s.py"
    script.write_text(INTERRUPTED.format(tests=str(Path(__file__).parent), jobs=jobs))
    started = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    pids = _pids(jobs[:2])
    (os.killpg if group else os.kill)(started.pid, signal.SIGINT)
    out, _ = started.communicate(timeout=60)
    assert out.strip() == "interrupted"
    assert all(Path(f"{job}.held").exists() for job in jobs[:2])
    assert not Path(f"{jobs[2]}.pid").exists()  # the next ones were not begun
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_end_with_a_parent_that_is_killed(tmp_path, jobs):
    script = tmp_path / "s.py"
    script.write_text(INTERRUPTED.format(tests=str(Path(__file__).parent), jobs=jobs))
    started = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    pids = _pids(jobs[:2])
    started.kill()
    started.wait()
    until = time.monotonic() + 20
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


def _pids(jobs):
    until = time.monotonic() + 60
    while not all(Path(f"{job}.pid").exists() and Path(f"{job}.pid").read_text() for job in jobs):
        assert time.monotonic() < until
        time.sleep(0.05)
    return [int(Path(f"{job}.pid").read_text()) for job in jobs]


def _runs(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_runs_them_and_survives_the_same(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    tests = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    names = ["a", "once-b", "always-c"]
    looked = []
    found = run_jobs(
        job_functions.die_once,
        [str(tmp_path / n) for n in names],
        engine="ray",
        workers=2,
        every=0.2,
        poll=lambda: looked.append(1),
    )
    assert [o.error is None for o in found] == [True, True, False]
    assert "WorkerCrashed" in found[2].error
    assert {o.result["threads"] for o in found[:2]} == {1}
    assert looked


@pytest.mark.filterwarnings("ignore")  # submitit's own
def test_submitit_runs_them(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    found = run_jobs(
        job_functions.fail_on_bad,
        [str(tmp_path / "a"), str(tmp_path / "bad")],
        engine="slurm",
        slurm={"cluster": "local", "timeout_min": 5},
        folder=tmp_path,
        every=0.2,
    )
    assert found[0].result["job"] == "a"
    assert found[1].error == "ValueError: bad is bad"
    with pytest.raises(InputError, match="submitit refuses"):
        run_jobs(
            *(job_functions.describe, ["a"]),
            engine="slurm",
            slurm={"cluster": "local", "no_such": 1},
            folder=tmp_path,
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "dask"}, "engine is 'dask'; allowed are local, ray, slurm"),
        ({"workers": 0}, "workers is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"gpus": -1.0}, "gpus is -1.0"),
        ({"engine": "slurm"}, "without a folder"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        run_jobs(job_functions.describe, ["a"], **options)
    with pytest.raises(InputError, match="names 'a' twice"):
        run_jobs(job_functions.describe, ["a", "a"])
