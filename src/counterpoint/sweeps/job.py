"""One job of a sweep: fit some of its runs, evaluate each, keep everything in the run directories."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from counterpoint import atomic, runs
from counterpoint.comparison import CONTROL
from counterpoint.estimator import Counterpoint
from counterpoint.evaluate import evaluate
from counterpoint.manifest import as_json
from counterpoint.many import Rows, finished, fit_many
from counterpoint.protocol import Task, task
from counterpoint.sweeps.grid import Grid, Point
from counterpoint.sweeps.plan import complete, trained_rows
from counterpoint.training.population import Population

JOBS = ".jobs"
_EVERY = 1.0  # seconds between two notes of progress

_ready: dict[str, "Ready"] = {}  # of this process: its last data and task


@dataclass(frozen=True)
class _Work:
    """What the runs of a job have in common."""

    grid: Grid
    out: Path
    on: Task
    shown: list[str]
    seconds: float
    note: "_Note"

    def score(self, estimator: Counterpoint, point: Point) -> None:
        """Evaluate a fitted estimator and keep its scores in its run."""
        show, measures = point.name in self.shown, self.grid.once["measures"]
        result = evaluate(estimator, self.on, measures=measures, seed=estimator.seed, show=show)
        once, found = self.grid.once, result.to_dict()
        if point.control:
            found["control"] = CONTROL
        if once["test_data"] is None and isinstance(once["data"], str):
            # By which `evaluate` cuts off the same test rows.
            found["split"] = {"test": once["test"], "label": self.on.label, "seed": once["split_seed"]}
        if once["published"]:
            found["published"] = once["published"]
        runs.add_scores(self.out / point.name, found, result.exhibits or None)

    def fit(self, points: list[Point], rows: Rows) -> dict[str, str]:
        """Fit a stack and score its runs; return name -> why, of those that diverged."""
        estimators = [p.estimator() for p in points]
        failed: dict[str, str] = {}

        def done(i: int, error: str | None) -> None:
            if error is None:
                self.score(estimators[i], points[i])
            else:
                failed[points[i].name] = error
            self.note.done += 1
            self.note.write(force=True)

        fit_many(
            estimators,
            rows,
            [self.out / p.name for p in points],
            stack=len(points),
            keep=self.out / JOBS,
            checkpoint_seconds=self.seconds,
            each_epoch=self.note.epoch,
            each_done=done,
        )
        return failed


def write_job(folder: Path, grid: Grid, stacks: Sequence[Sequence[str]], seconds: float) -> Path:
    """Write a job's file and return its path."""
    wanted = {name for stack in stacks for name in stack}
    chosen = Grid(grid.once, tuple(p for p in grid.points if p.name in wanted), grid.varied)
    given = {
        "out": str(folder),
        "stacks": [list(stack) for stack in stacks],
        "checkpoint_seconds": seconds,
        "shown": sorted(wanted & shown_runs(grid)),
        "grid": chosen.to_dict(),
    }
    return atomic.write(folder / JOBS / f"{stacks[0][0]}.json", as_json(given))


def run_job(path: str) -> dict[str, Any]:
    """Run a job; runs that are finished are left alone, a half-done stack is taken up.

    Args:
        path: Its file.

    Returns:
        `failed`: name of a run -> why it diverged.
    """
    given = json.loads(Path(path).read_text())
    grid, out = Grid.from_dict(given["grid"]), Path(given["out"])
    ready = prepare(grid, out)
    train, on = ready.train, ready.task
    note = _Note(Path(path).with_suffix(".progress"))
    work = _Work(grid, out, on, given["shown"], given["checkpoint_seconds"], note)
    failed: dict[str, str] = {}
    points, known = {p.name: p for p in grid.points}, {}
    note.total = sum(not complete(out / p.name, p, trained_rows(p, train, known)) for p in grid.points)
    for stack in given["stacks"]:
        members = [points[name] for name in stack]
        rows = trained_rows(members[0], train, known)
        for point in members:
            folder = out / point.name
            fitted = finished(folder, point.estimator(), rows)
            if fitted and not complete(folder, point, rows):  # killed before it was evaluated
                work.score(runs.load(folder), point)
                note.done += 1
        failed |= work.fit(members, rows)
    note.write(force=True)
    return {"failed": failed}


class Ready:
    """Training rows of a grid, and the task, made when it is first asked for: its oracles take time."""

    def __init__(self, grid: Grid, out: Path) -> None:
        self._grid, self._out = grid, out
        self.train, self._held, self._label = grid.rows()

    @cached_property
    def task(self) -> Task:
        """The task; its oracles are kept in the sweep's folder."""
        once = self._grid.once
        return task(
            self.train,
            self._held,
            self._label,
            seed=once["split_seed"],
            probe_size=once["probe_size"],
            judges=once["judges"],
            cache=self._out / "oracles",
        )


def prepare(grid: Grid, out: Path) -> Ready:
    """Return training rows and task, made once in a process."""
    paths = [Path(p) for p in (grid.once["data"], grid.once["test_data"]) if isinstance(p, str)]
    stamps = [(p.stat().st_mtime_ns, p.stat().st_size) if p.exists() else None for p in paths]
    key = json.dumps([grid.once, stamps, str(out)], sort_keys=True)
    if key not in _ready:
        _ready.clear()
        _ready[key] = Ready(grid, out)
    return _ready[key]


def shown_runs(grid: Grid) -> set[str]:
    """Return the runs that keep exhibits for a report: of each method those of beta nearest 1, by seed."""
    found: set[str] = set()
    by_method: dict[str, list[Point]] = {}
    for point in grid.points:
        if not point.control:
            by_method.setdefault(point.params["method"], []).append(point)
    for points in by_method.values():
        order = sorted(points, key=lambda p: (_from_one(p.params.get("beta", 1.0)), p.params.get("seed", 0)))
        found |= {p.name for p in order[: grid.once["show"]]}
    return found


def _from_one(beta: Any) -> float:
    return abs(float(beta) - 1) if isinstance(beta, (int, float)) else float("inf")


class _Note:
    """Tells whoever waits how far a job is, in a small file."""

    def __init__(self, path: Path) -> None:
        self.path, self.total, self.done = path, 0, 0
        self._epoch, self._running, self._last = 0, 0, 0.0

    def epoch(self, population: Population) -> None:
        self._epoch = population.epoch_of_all
        self._running = len(population.running)
        self.write()

    def write(self, force: bool = False) -> None:
        if not force and time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        said = {"done": self.done, "of": self.total, "epoch": self._epoch, "training": self._running}
        atomic.write(self.path, as_json(said))


def progress(path: Path) -> dict[str, int]:
    """Return the last note of a job; zeros before its first."""
    try:
        return json.loads(path.with_suffix(".progress").read_text())
    except (OSError, ValueError):
        return {"done": 0, "of": 0, "epoch": 0, "training": 0}
