"""Run a sweep: plan it, hand its jobs to an engine, say what became of every run."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoint import atomic, bounded
from counterpoint.engines import Outcome, run_jobs
from counterpoint.errors import InputError, number, whole
from counterpoint.locks import alone
from counterpoint.manifest import as_json
from counterpoint.sweeps.grid import Grid
from counterpoint.sweeps.job import JOBS, prepare, progress, run_job, write_job
from counterpoint.sweeps.plan import Plan, make_plan

RECORD = "sweep.json"


@dataclass(frozen=True)
class Swept:
    """What became of a sweep.

    Args:
        out: Its folder.
        plan: What was to be done.
        failed: Name of a run -> why it has no result.
    """

    out: Path
    plan: Plan
    failed: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Args:
        done: Runs that are fitted and scored, those of before among them.
        of: All runs.
        jobs: Name of a job -> its last note: runs `done` `of` its own, `epoch`, models in `training`.
    """

    done: int
    of: int
    jobs: dict[str, dict[str, int]]


def plan_sweep(grid: Grid, out: str | Path, *, workers: int = 1, stack: int | str = "auto") -> Plan:
    """Plan a sweep without writing anything.

    Raises:
        InputError: If the data cannot be read, or a run cannot be built.
    """
    _check(workers, stack)
    folder = Path(out).absolute()
    return make_plan(grid, grid.rows()[0], folder, workers=workers, stack=stack, before=_sizes(folder))


def sweep(
    grid: Grid,
    out: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    stack: int | str = "auto",
    gpus: float = 0.0,
    slurm: Mapping[str, Any] | None = None,
    checkpoint_seconds: float = 20.0,
    planned: Callable[[Plan], None] | None = None,
    each: Callable[[Progress], None] | None = None,
) -> Swept:
    """Fit and evaluate every point of a grid; each becomes an ordinary run directory.

    Runs that are there, of the same configuration and rows, are not run again; what was half done is taken up
    where it stopped. Neither workers nor the engine change a result; stacks of another size change rounding.

    Args:
        grid: From `read_grid`.
        out: The folder of the runs.
        workers: Processes of one thread each; of Ray, processors of a cluster that it starts itself.
        engine: `"local"`, `"ray"` (joins `RAY_ADDRESS` if it is set) or `"slurm"`.
        stack: Models that train together at most, or `"auto"`, as many as is fastest here.
        gpus: Of each job, for `ray` and `slurm`.
        slurm: Parameters of submitit, such as `{"timeout_min": 600}`.
        checkpoint_seconds: Least time between checkpoints of a stack.
        planned: Called with the plan before anything starts.
        each: Called about once a second.

    Raises:
        InputError: If something cannot be fitted at all (before any training), or another sweep works in the
            folder.
    """
    _check(workers, stack)
    number("checkpoint_seconds", checkpoint_seconds)
    folder = Path(out).absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out is {str(folder)!r}, a file; give a folder.")
    with alone(folder / JOBS, "sweep"):
        ready = prepare(grid, folder)
        plan = make_plan(grid, ready.train, folder, workers=workers, stack=stack, before=_sizes(folder))
        if planned is not None:
            planned(plan)
        if plan.jobs:
            _ = ready.task  # its judges are trained here, once
        record = {"grid": grid.to_dict(), "stacks": {**_sizes(folder), **plan.sizes}}
        atomic.write(folder / RECORD, as_json(record))
        paths = [write_job(folder, grid, stacks, checkpoint_seconds) for stacks in plan.jobs]
        for path in paths:
            path.with_suffix(".progress").unlink(missing_ok=True)

        def poll() -> None:
            if each is not None:
                notes = {path.stem: progress(path) for path in paths}
                done = plan.there + sum(note["done"] for note in notes.values())
                each(Progress(done, len(grid.points), notes))

        outcomes = run_jobs(
            run_job,
            [str(p) for p in paths],
            engine=engine,
            workers=workers,
            gpus=gpus,
            folder=folder / JOBS,
            slurm=slurm,
            poll=poll,
        )
        poll()
        failed = _failed(outcomes)
        if not failed:
            for path in (folder / JOBS).iterdir():
                if path.suffix in (".json", ".progress"):
                    path.unlink()
        return Swept(folder, plan, failed)


def _sizes(folder: Path) -> dict[str, int]:
    """Return how large the stacks were that an earlier sweep formed here."""
    if not (folder / RECORD).exists():
        return {}
    record = bounded.json_of(folder / RECORD, "delete it and sweep again.")
    try:
        found = record["stacks"]
        return {str(k): whole("stack", v) for k, v in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / RECORD} is damaged ({error!r}); delete it and sweep again.") from error


def _failed(outcomes: list[Outcome]) -> dict[str, str]:
    """Return name -> why, of runs that have no result."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.error is None:
            found |= (outcome.result or {}).get("failed", {})
        else:
            stacks = json.loads(Path(outcome.job).read_text())["stacks"]
            for name in (name for stack in stacks for name in stack):
                if not (Path(outcome.job).parent.parent / name / "manifest.json").exists():
                    found[name] = outcome.error
    return found


def _check(workers: int, stack: int | str) -> None:
    whole("workers", workers)
    if stack != "auto":
        whole("stack", stack)
