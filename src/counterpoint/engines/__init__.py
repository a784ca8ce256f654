"""Engines that run independent jobs: this process, worker processes, Ray, or Slurm.

Nothing of our own schedules across machines: `ray` and `submitit` do, where they are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoint.engines.local import beside
from counterpoint.engines.outcome import Job, Outcome, here
from counterpoint.engines.remote import on_ray, on_slurm
from counterpoint.errors import InputError, choose, number, whole

ENGINES = ("local", "ray", "slurm")

__all__ = ["ENGINES", "Job", "Outcome", "run_jobs"]


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
        return on_ray(function, jobs, workers, retries, gpus, look, every)
    if engine == "slurm":
        return on_slurm(function, jobs, gpus, folder, slurm or {}, look, every)
    if workers == 1:
        return [here(function, job, look) for job in jobs]
    return beside(function, jobs, workers, retries, look, every)
