"""Engines that run independent jobs: this process, worker processes, Ray, or Slurm.

Nothing of our own schedules across machines: `ray` and `submitit` do, where they are asked for.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

from counterpoint.errors import InputError, choose, number, whole

ENGINES = ("local", "ray", "slurm")
_HOLD, _PASS = (signal.SIG_BLOCK, {signal.SIGINT}), (signal.SIG_UNBLOCK, {signal.SIGINT})
_GRACE = 30.0  # seconds that jobs have after Ctrl-C to write what they hold

Job = Callable[[str], dict[str, Any]]
_Found = tuple[dict[str, Any] | None, str | None, float]  # result, error, seconds


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        job: Its name.
        result: What the function returned, or None.
        error: Why there is no result, or None.
        seconds: Wall time of its last try; if its process died, since the job was handed over.
        tries: How often it was started, as far as the engine tells: Slurm does not.
    """

    job: str
    result: dict[str, Any] | None
    error: str | None
    seconds: float = 0.0
    tries: int = 1


_Stream = Generator[Outcome | None, None, None]  # None: nothing new, a moment for `poll`


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
    each: Callable[[Outcome], None] | None = None,
    poll: Callable[[], None] | None = None,
    every: float = 1.0,
) -> list[Outcome]:
    """Run a function on every job; what one raises or dies of does not stop the others.

    Ctrl-C, or an error of `each` or `poll`, interrupts the jobs, waits half a minute at most while they write
    what they hold (a second Ctrl-C ends them at once), and is raised on.

    Args:
        function: From a job to a dict that JSON can hold; of a module, unless it runs in this process.
            Started again after its worker died, it must go on where it stopped.
        jobs: Different texts, such as paths.
        engine: `"local"`, `"ray"` (the cluster at `RAY_ADDRESS`, or one of its own) or `"slurm"`.
        workers: Processes of one thread each; of Ray, processors of a cluster that is started here.
        retries: How often a job is started again whose worker died; not by Slurm.
        gpus: Of each job, for Ray (a part of one is allowed) and Slurm.
        folder: Where submitit keeps scripts and logs, in `slurm/`.
        slurm: Parameters of submitit, such as `{"timeout_min": 600}`; `cluster` chooses its executor.
        each: Called with every outcome as it comes.
        poll: Called about every `every` seconds while jobs run; before each one that runs in this process.
        every: Seconds.

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
    number("every", every, open_=True)
    if number("gpus", gpus) % 1 and (gpus > 1 or engine == "slurm"):
        raise InputError(f"gpus is {gpus}; it must be a whole number, or for Ray a part of one.")
    _check(function, names := list(jobs), elsewhere=engine != "local" or workers > 1)
    if engine == "ray":
        outcomes = _on_ray(function, names, workers, retries, gpus, every)
    elif engine == "slurm":
        wanted = {"cluster": "slurm", "cpus_per_task": 1} | ({"gpus_per_node": int(gpus)} if gpus else {})
        outcomes = _on_slurm(function, names, folder, wanted | dict(slurm or {}), every)
    elif workers > 1:
        outcomes = _beside(function, names, workers, retries, every)
    else:
        outcomes = _here(function, names)
    done: dict[str, Outcome] = {}
    with closing(outcomes):  # so that an engine cleans up, whatever ends this loop
        for outcome in outcomes:
            if outcome is not None:
                done[outcome.job] = outcome
                if each is not None:
                    each(outcome)
            elif poll is not None:
                poll()
    return [done[job] for job in names]


def _check(function: Job, jobs: Sequence[str], elsewhere: bool) -> None:
    if len(set(jobs)) < len(jobs):
        twice = next(job for job in jobs if list(jobs).count(job) > 1)
        raise InputError(f"jobs names {twice!r} twice; each must be another one.")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if elsewhere and getattr(module, getattr(function, "__qualname__", ""), None) is not function:
        raise InputError(f"function is {function!r}; other processes can import only a function of a module.")


def _attempt(function: Job, job: str, caught: Any = Exception) -> _Found:
    """Run a job; an error comes back as text, since not every exception survives the way."""
    start = time.monotonic()
    try:
        result, error = function(job), None
        json.dumps(result)
    except caught as raised:
        result, error = None, f"{type(raised).__name__}: {raised}"
    return result, error, time.monotonic() - start


def _here(function: Job, jobs: list[str]) -> _Stream:
    for job in jobs:
        yield None
        yield Outcome(job, *_attempt(function, job))


def _beside(function: Job, jobs: list[str], workers: int, retries: int, every: float) -> _Stream:
    """Run in worker processes, each a pool of its own: a death breaks a pool, and no other job with it."""
    left, tries = jobs[::-1], dict.fromkeys(jobs, 0)
    running: dict[Future[_Found], tuple[ProcessPoolExecutor, str, float]] = {}
    pools: list[ProcessPoolExecutor] = []
    free: list[ProcessPoolExecutor] = []
    try:
        while left or running:
            while left and len(running) < workers:
                if not free:
                    free = [ProcessPoolExecutor(1, get_context("spawn"), _begin, (os.getpid(),))]
                    pools += free
                signal.pthread_sigmask(*_HOLD)  # the process that starts here inherits it
                try:
                    pool = free.pop()
                    future = pool.submit(_in_worker, function, left[-1])
                    running[future] = pool, left.pop(), time.monotonic()
                except BrokenProcessPool:  # killed while it had nothing to do
                    continue
                finally:
                    signal.pthread_sigmask(*_PASS)
            for future in wait(running, timeout=every, return_when=FIRST_COMPLETED).done:
                pool, job, start = running.pop(future)
                tries[job] += 1
                try:
                    found = future.result()
                    free.append(pool)
                except BrokenProcessPool:
                    if tries[job] <= retries:
                        left.append(job)
                        continue
                    said = f"its worker died {tries[job]} times; was memory short? What it wrote is kept."
                    found = None, said, time.monotonic() - start
                yield Outcome(job, *found, tries[job])
            yield None
    finally:
        alive = [getattr(pool, "_processes", None) or {} for pool in pools] if left or running else []
        held = [process for some in alive for process in some.values() if process.is_alive()]
        try:
            for process in held:  # interrupted: jobs write what they hold
                os.kill(process.pid or 0, signal.SIGINT)
            wait(running, timeout=_GRACE)
        finally:
            for process in held:
                process.kill()
            for pool in pools:
                pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """Make a worker: one thread, and its parent's end is its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; the watch below serves other systems

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"  # for what a job starts, and for libraries that are not loaded yet
    importlib.import_module("torch").set_num_threads(1)


def _in_worker(function: Job, job: str) -> _Found:
    """Run a job that the first Ctrl-C interrupts; later ones do not disturb what it writes then."""

    def once(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        signal.pthread_sigmask(*_PASS)  # one that came before the job interrupts it here
        return _attempt(function, job, (Exception, SystemExit))
    finally:
        signal.pthread_sigmask(*_HOLD)


def _package(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is missing; pip install 'counterpoint[{extra}]'.", name=name) from error


def _in_task(function: Job, job: str) -> _Found:
    importlib.import_module("torch").set_num_threads(1)
    return _attempt(function, job)


def _gather(waiting: dict[Any, str], ready: Any, get: Any, cancel: Any, tries: int) -> _Stream:
    """Yield what tasks elsewhere come to; cancel those that are left when it is closed."""
    start = time.monotonic()
    try:
        while waiting:
            for task in ready(list(waiting)):
                try:
                    found = get(task)
                except Exception as error:  # of Ray or submitit: the process ended without a word of ours
                    said = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
                    found = None, said, time.monotonic() - start, tries
                yield Outcome(waiting.pop(task), *cast(Any, found))
            yield None
    finally:
        for task in waiting:
            cancel(task)


def _on_ray(function: Job, jobs: list[str], workers: int, retries: int, gpus: float, every: float) -> _Stream:
    ray = _package("ray", "ray")
    ours, address = not ray.is_initialized(), os.environ.get("RAY_ADDRESS")
    if ours:
        where = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(**where, log_to_driver=False, logging_level="error")
    waiting: dict[Any, str] = {}
    try:
        if ours and not address and (has := ray.cluster_resources().get("GPU", 0)) < gpus:
            raise InputError(f"gpus is {gpus}; Ray finds {has:g} here. Set RAY_ADDRESS, or gpus to 0.")
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=retries)(_in_task)
        waiting |= {task.remote(function, job): job for job in jobs}
        yield from _gather(waiting, lambda w: ray.wait(w, timeout=every)[0], ray.get, ray.cancel, retries + 1)
    finally:
        if waiting:  # interrupted: they write what they hold
            ray.wait(list(waiting), num_returns=len(waiting), timeout=_GRACE)
        if ours:
            ray.shutdown()


def _on_slurm(function: Job, jobs: list[str], folder: Path | None, given: dict, every: float) -> _Stream:
    if folder is None:
        raise InputError("engine 'slurm' came without a folder for its scripts and logs; give folder=PATH.")
    submitit = _package("submitit", "slurm")
    try:
        executor = submitit.AutoExecutor(folder=folder / "slurm", cluster=given.pop("cluster"))
        with warnings.catch_warnings(action="ignore"):  # `partition` may stand for `slurm_partition`
            executor.update_parameters(**given)
    except (RuntimeError, ValueError, NameError, AssertionError, TypeError) as error:
        said = " ".join(str(error).split("\nAs a reminder")[0].split())
        raise InputError(f"slurm is {given!r}; submitit refuses: {said}") from error
    with executor.batch():
        waiting = {executor.submit(_in_task, function, job): job for job in jobs}

    def ready(left: list[Any]) -> list[Any]:
        return [task for task in left if task.done()] or time.sleep(every) or []

    yield from _gather(waiting, ready, lambda task: task.result(), lambda task: task.cancel(check=False), 1)
