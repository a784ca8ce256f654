"""Jobs in worker processes of this machine."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from counterpoint.engines.outcome import Job, Outcome, said

_GRACE = 30.0  # seconds that workers have after Ctrl-C to write what they hold


def beside(
    function: Job, jobs: Sequence[str], workers: int, retries: int, poll: Callable[[], None], every: float
) -> list[Outcome]:
    """Run in worker processes; when one dies its pool is lost, and a new one takes what is left."""
    done: dict[str, Outcome] = {}
    tries = dict.fromkeys(jobs, 0)
    while left := [job for job in jobs if job not in done]:
        # As many at once as there are workers: then all those of a broken pool had been started.
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
        return Outcome(job, None, said(error), tries[job])


def _died(times: int) -> str:
    return (
        f"its worker died {times} times, or shared a pool with one that did; look at memory, then try again"
    )


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
