"""What a sweep will do: which runs are there, which share a stack, how long and how much memory it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counterpoint import runs
from counterpoint.comparison import shuffle_pairs
from counterpoint.data import MultimodalData
from counterpoint.errors import InputError
from counterpoint.many import Rows, build_key, finished, measure_stack
from counterpoint.manifest import SCORES
from counterpoint.sweeps.grid import Grid, Point
from counterpoint.training.executor import Measured

_JOBS_A_WORKER = 4  # so that workers end at about the same time


@dataclass(frozen=True)
class Group:
    """Runs that can share a stack.

    Args:
        method: Their method.
        points: Those still to be run.
        there: How many are finished already.
        stack: Models that train together.
        seconds: Of training per model, at most (every epoch, no early stop).
        bytes: Memory of a stack while it trains.
        tried: Size of a stack -> milliseconds per model and step, as measured.
    """

    method: str
    points: tuple[Point, ...]
    there: int
    stack: int
    seconds: float
    bytes: int
    tried: dict[int, float]


@dataclass(frozen=True)
class Plan:
    """A sweep before it starts.

    Args:
        groups: See `Group`.
        jobs: Names of runs that one worker takes together, the longest job first, with the stack's size.
        workers: Processes.
    """

    groups: tuple[Group, ...]
    jobs: tuple[tuple[tuple[str, ...], int], ...]
    workers: int

    @property
    def todo(self) -> int:
        """Runs that are not there yet."""
        return sum(len(g.points) for g in self.groups)

    @property
    def there(self) -> int:
        """Runs that are finished."""
        return sum(g.there for g in self.groups)

    @property
    def seconds(self) -> float:
        """Training time of the whole, at most, without evaluations."""
        return sum(g.seconds * len(g.points) for g in self.groups) / min(self.workers, max(len(self.jobs), 1))

    @property
    def bytes(self) -> int:
        """Memory of all workers' stacks, at most, without data."""
        return self.workers * max((g.bytes for g in self.groups if g.points), default=0)


def trained_rows(point: Point, train: MultimodalData, known: dict[int | None, Rows]) -> Rows:
    """Return the rows that a point is trained on: as they are, or shuffled by its seed for a control."""
    seed = point.estimator().seed if point.control else None
    if seed not in known:
        known[seed] = Rows(train if seed is None else shuffle_pairs(train, seed))
    return known[seed]


def complete(folder: Path, point: Point, rows: Rows) -> bool:
    """Return whether a run of this point is there, fitted and scored."""
    if not finished(folder, point.estimator(), rows):
        return False
    return '"summary"' in (folder / SCORES).read_text()


def make_plan(
    grid: Grid,
    train: MultimodalData,
    out: Path,
    *,
    workers: int,
    stack: int | str = "auto",
    measured: Mapping[str, Measured] | None = None,
) -> Plan:
    """Look at what is there, try every build once, and measure how models train best.

    Args:
        grid: The grid.
        train: Training rows.
        out: Where the run directories lie.
        workers: Processes.
        stack: Models in a stack, or `"auto"`.
        measured: Build key -> what was measured before.

    Raises:
        InputError: If a point cannot be built, or a directory is in the way; before any work.
    """
    builds: dict[str, list[Point]] = {}
    for point in grid.points:
        try:
            builds.setdefault(build_key(point.estimator(), len(train)), []).append(point)
        except (InputError, TypeError) as error:
            raise InputError(f"{point.name}: {error}") from error
        runs.check_folder(out / point.name, overwrite=True)
    known: dict[int | None, Rows] = {}
    groups = []
    for key, points in builds.items():
        first = points[0].estimator()
        rows = trained_rows(points[0], train, known)
        try:
            first._model(rows.prepared(first)[0])
        except InputError as error:
            raise InputError(f"{points[0].name}: {error}") from error
        todo = tuple(p for p in points if not complete(out / p.name, p, trained_rows(p, train, known)))
        groups.append(_group(points, todo, rows, workers, stack, (measured or {}).get(key)))
    return Plan(tuple(groups), _jobs(groups, workers), workers)


def _group(
    points: list[Point],
    todo: tuple[Point, ...],
    rows: Rows,
    workers: int,
    stack: int | str,
    known: Measured | None,
) -> Group:
    method = str(points[0].params["method"])
    there = len(points) - len(todo)
    if not todo:
        return Group(method, todo, there, 1, 0.0, 0, {})
    most = -(-len(todo) // workers) if stack == "auto" else int(stack)
    found = known or measure_stack(todo[0].estimator(), rows, most)
    size = min(found.size, most) if stack == "auto" else min(int(stack), len(todo))
    options = [p.estimator()._options(len(rows.data)) for p in todo]
    steps = -(-round(len(rows.data) * (1 - options[0].validation)) // options[0].batch_size)
    epochs = sum(o.epochs for o in options) / len(options)
    tried = {k: 1e3 * v for k, v in found.tried.items()}
    return Group(method, todo, there, size, found.seconds * steps * epochs, size * found.bytes, tried)


def _jobs(groups: list[Group], workers: int) -> tuple[tuple[tuple[str, ...], int], ...]:
    """Cut the groups into jobs of whole stacks; controls are by themselves, since their rows are."""
    total = sum(g.seconds * len(g.points) for g in groups)
    share = total / (_JOBS_A_WORKER * workers)
    jobs: list[tuple[float, tuple[str, ...], int]] = []
    for group in groups:
        stacks = max(1, int(share / max(group.seconds * group.stack, 1e-9)))
        for control in (False, True):
            names = [p.name for p in group.points if p.control == control]
            size = stacks * group.stack
            for at in range(0, len(names), size):
                part = tuple(names[at : at + size])
                jobs.append((len(part) * group.seconds, part, group.stack))
    return tuple((names, stack) for _, names, stack in sorted(jobs, key=lambda job: -job[0]))
