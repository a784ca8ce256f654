"""Engines that run independent jobs: this process, worker processes, Ray, or Slurm.

Nothing of our own schedules across machines: `ray` and `submitit` do, where they are asked for.
"""

import ctypes
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError, choose, number, whole

ENGINES = ("local", "ray", "slurm")
_GRACE = 30.0  # seconds that workers have after Ctrl-C to write what they hold

Job = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        job: Its name.
        result: What the function returned, or None.
        error: Why there is no result, or None.
        tries: How often it was started.
    """

    job: str
    result: dict[str, Any] | None
    error: str | None
    tries: int = 1


def run_jobs(
    function: Job,
    jobs: Sequence[str],
    *,
    engine: str = "local",
    workers: int = 1,
    retries: int = 1,
    gpus: float = 0.0,
    folder: Path | None = None,
    slurm: Mapping[str, Any] | None = None,
    poll: Callable[[], None] | None = None,
    every: float = 1.0,
) -> list[Outcome]:
    """Run a function on every job; what one does or dies of does not stop the others.

    Args:
        function: From a job to what JSON can hold; importable by name. Started again after its worker died,
            it must go on where it stopped.
        jobs: Different texts, such as paths.
        engine: `"local"`, `"ray"` or `"slurm"`.
        workers: Processes of one thread each; of Ray, processors of a cluster that is started here.
        retries: How often a job is started again whose worker died.
        gpus: Of each job, for Ray and Slurm.
        folder: Where Slurm's scripts and logs go.
        slurm: Parameters of submitit, such as `{"timeout_min": 600}`; `cluster` chooses its executor.
        poll: Called about every `every` seconds while jobs run.
        every: See there.

    Returns:
        Outcomes in the order of the jobs.

    Raises:
        InputError: If an argument cannot be used.
        ImportError: If the engine's package is not installed.

    Example:
        >>> [o.result for o in run_jobs(lambda job: {"length": len(job)}, ["a", "bc"])]
        [{'length': 1}, {'length': 2}]
    """
    choose("engine", engine, ENGINES)
    whole("workers", workers)
    whole("retries", retries, least=0)
    number("gpus", gpus)
    twice = [job for job in jobs if list(jobs).count(job) > 1]
    if twice:
        raise InputError(f"jobs names {twice[0]!r} twice; each must be another one.")
    look = poll or (lambda: None)
    if engine == "ray":
        return _on_ray(function, jobs, workers, retries, gpus, look, every)
    if engine == "slurm":
        return _on_slurm(function, jobs, gpus, folder, slurm or {}, look, every)
    if workers == 1:
        return [_here(function, job, look) for job in jobs]
    return _beside(function, jobs, workers, retries, look, every)


def _here(function: Job, job: str, poll: Callable[[], None]) -> Outcome:
    poll()
    try:
        return Outcome(job, function(job), None)
    except Exception as error:
        return Outcome(job, None, _said(error))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _beside(
    function: Job, jobs: Sequence[str], workers: int, retries: int, poll: Callable[[], None], every: float
) -> list[Outcome]:
    """Run in worker processes; when one dies its pool is lost, and a new one takes what is left."""
    done: dict[str, Outcome] = {}
    tries = dict.fromkeys(jobs, 0)
    while left := [job for job in jobs if job not in done]:
        # As many at once as there are workers: then those of a broken pool have all been started, and none waits.
        with _pool(min(workers, len(left))) as pool:
            running: dict[Future[dict[str, Any]], str] = {}
            try:
                while left or running:
                    while left and len(running) < workers:
                        job = left.pop(0)
                        tries[job] += 1
                        running[pool.submit(_in_worker, function, job)] = job
                    for future in wait(running, timeout=every, return_when=FIRST_COMPLETED).done:
                        done[running[future]] = _outcome(running[future], future, tries)
                        del running[future]
                    poll()
            except BrokenProcessPool:
                for job in running.values():
                    if tries[job] > retries:
                        done[job] = Outcome(job, None, _died(tries[job]), tries[job])
            except KeyboardInterrupt:
                _interrupt(pool, list(running))
                raise
    return [done[job] for job in jobs]


def _outcome(job: str, future: "Future[dict[str, Any]]", tries: Mapping[str, int]) -> Outcome:
    """Return what a future holds; a broken pool is passed on."""
    try:
        return Outcome(job, future.result(), None, tries[job])
    except BrokenProcessPool:
        raise
    except Exception as error:
        return Outcome(job, None, _said(error), tries[job])


def _died(times: int) -> str:
    return f"its worker died {times} times, or shared a pool with one that did; look at memory, then try again"


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, none of which outlives this one."""
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """Make a worker: one thread, its parent's end is its own, and Ctrl-C is for jobs alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if Path("/proc/self").exists():
        parent_death = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    import torch

    torch.set_num_threads(1)


def _in_worker(function: Job, job: str) -> dict[str, Any]:
    """Run a job that the first Ctrl-C interrupts; later ones do not disturb what it writes then."""

    def once(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        return function(job)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt(pool: ProcessPoolExecutor, running: "list[Future[dict[str, Any]]]") -> None:
    """Interrupt the workers, wait while they write what they hold, then end those that do not."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    for process in processes:
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGINT)
    if wait(running, timeout=_GRACE).not_done:
        for process in processes:
            process.kill()


def _on_ray(
    function: Job,
    jobs: Sequence[str],
    workers: int,
    retries: int,
    gpus: float,
    poll: Callable[[], None],
    every: float,
) -> list[Outcome]:
    """Run one Ray task a job, on the cluster at RAY_ADDRESS or on one of our own."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("engine 'ray' needs Ray; pip install 'counterpoint[ray]'.", name="ray") from error
    address = os.environ.get("RAY_ADDRESS")
    ours = not ray.is_initialized()
    if ours and address:
        ray.init(address=address, log_to_driver=False)
    elif ours:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=retries)(_alone_in_a_task)
        name = (function.__module__, function.__qualname__)
        waiting = {task.remote(*name, job): job for job in jobs}
        done: dict[str, Outcome] = {}
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=every)
            for reference in ready:
                job = waiting.pop(reference)
                try:
                    result, said = ray.get(reference)
                    done[job] = Outcome(job, result, said)
                except ray.exceptions.RayError as error:
                    first = str(error).strip().splitlines()[0]
                    done[job] = Outcome(job, None, f"{type(error).__name__}: {first}", retries + 1)
            poll()
        return [done[job] for job in jobs]
    finally:
        if ours:
            ray.shutdown()


def _alone_in_a_task(module: str, name: str, job: str) -> tuple[dict[str, Any] | None, str | None]:
    """Run a job inside a task of Ray or Slurm, with one thread."""
    import importlib

    import torch

    torch.set_num_threads(1)
    outcome = _here(getattr(importlib.import_module(module), name), job, lambda: None)
    return outcome.result, outcome.error


def _on_slurm(
    function: Job,
    jobs: Sequence[str],
    gpus: float,
    folder: Path | None,
    slurm: Mapping[str, Any],
    poll: Callable[[], None],
    every: float,
) -> list[Outcome]:
    """Submit one array of jobs through submitit."""
    if folder is None:
        raise InputError("engine 'slurm' came without a folder for its scripts and logs; give folder=PATH.")
    try:
        import submitit
    except ImportError as error:
        raise ImportError(
            "engine 'slurm' needs submitit; pip install 'counterpoint[slurm]'.", name="submitit"
        ) from error
    given = dict(slurm)
    cluster = given.pop("cluster", None)
    try:
        executor = submitit.AutoExecutor(folder=folder / "slurm", cluster=cluster)
        executor.update_parameters(cpus_per_task=1, **({"gpus_per_node": int(gpus)} if gpus else {}), **given)
    except (RuntimeError, ValueError, NameError, AssertionError, TypeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"submitit refuses ({said}); look at slurm={dict(slurm)!r}.") from error
    name = (function.__module__, function.__qualname__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # submitit's own
        with executor.batch():
            running = [executor.submit(_alone_in_a_task, *name, job) for job in jobs]
        while not all(r.done() for r in running):
            poll()
            time.sleep(every)
        poll()
        return [_of_slurm(job, r) for job, r in zip(jobs, running, strict=True)]


def _of_slurm(job: str, running: Any) -> Outcome:
    try:
        result, said = running.result()
        return Outcome(job, result, said)
    except Exception as error:  # of submitit: the job's process ended without a result
        return Outcome(job, None, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
