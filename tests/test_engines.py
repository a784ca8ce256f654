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


def named(tmp_path, *names):
    return [str(tmp_path / name) for name in names]


def test_in_this_process_they_come_in_order_and_errors_stay_where_they_are(tmp_path):
    told, looked = [], []
    jobs = named(tmp_path, "a", "bad-b", "c")
    found = run_jobs(job_functions.by_name, jobs, each=told.append, poll=lambda: looked.append(1))
    assert [o.job for o in found] == jobs
    assert [o.error for o in found] == [None, "ValueError: bad-b is bad", None]
    assert found[0].result["pid"] == os.getpid()
    assert told == found
    assert len(looked) == 3


def test_workers_are_processes_of_one_thread_and_a_death_takes_no_other_job_along(tmp_path):
    told, looked = [], []
    jobs = named(tmp_path, "calm-a", "always-b", "once-c", "bad-d", "leave-e", "last")
    found = run_jobs(
        *(job_functions.by_name, jobs),
        workers=2,
        every=0.2,
        each=told.append,
        poll=lambda: looked.append(1),
    )
    assert [o.job for o in found] == jobs
    assert [o.tries for o in found] == [1, 2, 2, 1, 1, 1]
    assert "its worker died 2 times" in found[1].error
    assert [o.error for o in found[3:5]] == ["ValueError: bad-d is bad", "SystemExit: enough"]
    fine = [found[0], found[2], found[5]]
    assert all(o.error is None for o in fine)
    assert {o.result["threads"] for o in fine} == {1}
    assert len({os.getpid(), found[0].result["pid"], found[5].result["pid"]}) == 3
    assert found[0].seconds > found[5].seconds  # calm-a waits for the last one
    assert sorted(told, key=lambda o: jobs.index(o.job)) == found
    assert len(looked) > 3


def test_what_json_cannot_hold_is_an_error():
    (found,) = run_jobs(lambda job: {"set": {1}}, ["a"])
    assert found.error.startswith("TypeError")


def test_an_error_of_ours_ends_the_workers(tmp_path, jobs):
    def fail():
        if Path(f"{jobs[0]}.pid").exists() and Path(f"{jobs[0]}.pid").read_text():
            raise RuntimeError("the table broke")

    with pytest.raises(RuntimeError, match="the table broke"):
        run_jobs(job_functions.slow, jobs[:2], workers=2, poll=fail, every=0.1)
    assert Path(f"{jobs[0]}.held").exists()
    assert not _runs(int(Path(f"{jobs[0]}.pid").read_text()))


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


@pytest.fixture
def importable(monkeypatch):
    """Let other processes import the jobs."""
    path = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


@pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning")  # Ray's own
@pytest.mark.slow
def test_ray_runs_them_and_survives_the_same(tmp_path, monkeypatch, importable):
    ray = pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    jobs, told, looked = named(tmp_path, "a", "once-b", "bad-c", "always-d"), [], []
    found = run_jobs(
        *(job_functions.by_name, jobs),
        engine="ray",
        workers=2,
        every=0.2,
        each=told.append,
        poll=lambda: looked.append(1),
    )
    assert [o.job for o in found] == jobs
    assert [o.error for o in found[:3]] == [None, None, "ValueError: bad-c is bad"]
    assert "WorkerCrashed" in found[3].error
    assert found[3].tries == 2
    assert {o.result["threads"] for o in found[:2]} == {1}
    assert os.getpid() != found[0].result["pid"]
    assert sorted(told, key=lambda o: jobs.index(o.job)) == found
    assert looked
    assert not ray.is_initialized()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # submitit keeps its processes open
def test_submitit_runs_them(tmp_path, importable):
    pytest.importorskip("submitit")
    told = []
    found = run_jobs(
        *(job_functions.by_name, named(tmp_path, "a", "bad-b")),
        engine="slurm",
        slurm={"cluster": "local", "timeout_min": 5, "partition": "any"},
        folder=tmp_path,
        every=0.2,
        each=told.append,
    )
    assert found[0].result["job"] == "a"
    assert found[0].result["threads"] == 1
    assert found[1].error == "ValueError: bad-b is bad"
    assert sorted(told, key=lambda o: o.job) == found
    assert (tmp_path / "slurm").is_dir()


@pytest.mark.parametrize(
    ("slurm", "said"),
    [({"cluster": "local", "no_such": 1}, "no_such"), ({"cluster": "moon"}, "moon"), ({}, "srun")],
)
def test_what_submitit_does_not_know_is_refused(tmp_path, monkeypatch, slurm, said):
    """Without Slurm nothing is quietly run on this machine instead."""
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=said):
        run_jobs(job_functions.describe, ["a"], engine="slurm", slurm=slurm, folder=tmp_path)


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'counterpoint\[{engine}\]'"):
        run_jobs(job_functions.describe, ["a"], engine=engine, folder=tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "dask"}, "engine is 'dask'; allowed are local, ray, slurm"),
        ({"workers": 0}, "workers is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"gpus": -1.0}, "gpus is -1.0"),
        ({"gpus": 1.5, "engine": "ray"}, "gpus is 1.5"),
        ({"gpus": 0.5, "engine": "slurm"}, "gpus is 0.5"),
        ({"every": 0.0}, "every is 0.0"),
        ({"engine": "slurm"}, "without a folder"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        run_jobs(job_functions.describe, ["a"], **options)


def test_jobs_must_differ_and_other_processes_must_find_the_function():
    with pytest.raises(InputError, match="names 'a' twice"):
        run_jobs(job_functions.describe, ["a", "a"])
    with pytest.raises(InputError, match="only a function of a module"):
        run_jobs(lambda job: {}, ["a"], workers=2)
