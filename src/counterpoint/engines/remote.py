"""Jobs on Ray and on Slurm, which schedule them across machines."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoint.engines.outcome import Job, Outcome, here
from counterpoint.errors import InputError


def on_ray(
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
        from ray.exceptions import RayError
    except ImportError as error:
        raise ImportError("engine 'ray' needs Ray; pip install 'counterpoint[ray]'.", name="ray") from error
    address = os.environ.get("RAY_ADDRESS")
    ours = not ray.is_initialized()
    if ours and address:
        ray.init(address=address, log_to_driver=False)
    elif ours:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
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
                except RayError as error:
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
    outcome = here(getattr(importlib.import_module(module), name), job, lambda: None)
    return outcome.result, outcome.error


def on_slurm(
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
