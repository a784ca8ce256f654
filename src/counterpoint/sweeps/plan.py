"""What a sweep will do: which runs are there, which share a stack, how long and how much memory it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counterpoint import runs
from counterpoint.building import new_model, train_options
from counterpoint.comparison import shuffle_pairs
from counterpoint.data import MultimodalData
from counterpoint.errors import InputError
from counterpoint.manifest import SCORES, settled
from counterpoint.many import Rows, build_key, finished, measure_stack, stacks_of
from counterpoint.sweeps.grid import Grid, Point

_JOBS_A_WORKER = 4  # so that workers end at about the same time


Stack = tuple[str, ...]  # names of runs that train together


@dataclass(frozen=True)
class Group:
    """Runs that can share a stack.

    Args:
        method: Their method.
        todo: Runs that are not there yet.
        there: Runs that are finished.
        stack: Models that train together, at most.
        stacks: Those stacks that hold a run that is not there yet.
        seconds: Of training per model, at most (every epoch, no early stop).
        bytes: Memory of a stack while it trains.
        first: Its first run, by which it is known again.
        tried: Size of a stack -> milliseconds per model and step, as measured.
    """

    method: str
    todo: int
    there: int
    stack: int
    stacks: tuple[Stack, ...]
    seconds: float
    bytes: int
    first: str
    tried: dict[int, float]


@dataclass(frozen=True)
class Plan:
    """A sweep before it starts.

    Args:
        groups: See `Group`.
        jobs: Stacks that one worker takes, one after another; the longest job first.
        workers: Processes.
    """

    groups: tuple[Group, ...]
    jobs: tuple[tuple[Stack, ...], ...]
    workers: int

    @property
    def todo(self) -> int:
        """Runs that are not there yet."""
        return sum(g.todo for g in self.groups)

    @property
    def there(self) -> int:
        """Runs that are finished."""
        return sum(g.there for g in self.groups)

    @property
    def seconds(self) -> float:
        """Training time of the whole, at most, without evaluations."""
        return sum(g.seconds * g.todo for g in self.groups) / min(self.workers, max(len(self.jobs), 1))

    @property
    def bytes(self) -> int:
        """Memory of all workers' stacks, at most, without data."""
        return self.workers * max((g.bytes for g in self.groups if g.todo), default=0)

    @property
    def sizes(self) -> dict[str, int]:
        """First run of a group -> its stacks' size, to be used again by whoever continues."""
        return {g.first: g.stack for g in self.groups}


def trained_rows(point: Point, train: MultimodalData, known: dict[int | None, Rows]) -> Rows:
    """Return the rows that a point is trained on: as they are, or shuffled by its seed for a control."""
    seed = point.estimator().seed if point.control else None
    if seed not in known:
        known[seed] = Rows(train if seed is None else shuffle_pairs(train, seed))
    return known[seed]


def complete(folder: Path, point: Point, rows: Rows) -> bool:
    """Return whether a run of this point is there, fitted and scored, and no writer was killed on its way."""
    if not finished(folder, point.estimator(), rows) or not settled(folder):
        return False
    return '"summary"' in (folder / SCORES).read_text()


def make_plan(
    grid: Grid,
    train: MultimodalData,
    out: Path,
    *,
    workers: int,
    stack: int | str = "auto",
    before: Mapping[str, int] | None = None,
) -> Plan:
    """Look at what is there, try every build once, and measure how models train best.

    Args:
        grid: The grid.
        train: Training rows.
        out: Where the run directories lie.
        workers: Processes.
        stack: Models in a stack, or `"auto"`.
        before: `Plan.sizes` of an earlier plan, so that its stacks are formed again.

    Raises:
        InputError: If a point cannot be built, or a directory is in the way; before any work.
    """
    builds: dict[str, list[Point]] = {}
    for point in grid.points:
        try:
            key = build_key(point.estimator(), len(train))
        except (InputError, TypeError) as error:
            raise InputError(f"{point.name}: {error}") from error
        builds.setdefault(f"{point.estimator().seed if point.control else ''}/{key}", []).append(point)
        runs.check_folder(out / point.name, overwrite=True)
    known: dict[int | None, Rows] = {}
    groups = []
    for points in builds.values():
        rows, first = trained_rows(points[0], train, known), points[0].estimator()
        try:
            new_model(first, rows.prepared(first)[0])
        except InputError as error:
            raise InputError(f"{points[0].name}: {error}") from error
        size = stack if isinstance(stack, int) else (before or {}).get(points[0].name)
        groups.append(_group(points, rows, out, size))
    return Plan(tuple(groups), _jobs(groups, workers), workers)


def _group(points: list[Point], rows: Rows, out: Path, size: int | None) -> Group:
    """Form the stacks of one build; those that are finished to the last run are left out."""
    estimators = [p.estimator() for p in points]
    there = {p.name for p in points if complete(out / p.name, p, rows)}
    tried, need, seconds = {}, 0, 0.0
    if len(there) < len(points):
        found = measure_stack(estimators[0], rows, size or len(points), only=size)
        size, need = found.size, found.bytes
        tried = {k: 1e3 * v for k, v in found.tried.items()}
        options = [train_options(e, len(rows.data)) for e in estimators]
        steps = -(-round(len(rows.data) * (1 - options[0].validation)) // options[0].batch_size)
        seconds = found.seconds * steps * sum(o.epochs for o in options) / len(options)
    stacks = [tuple(s) for s in stacks_of([p.name for p in points], size or 1) if not there.issuperset(s)]
    return Group(
        str(points[0].params["method"]),
        len(points) - len(there),
        len(there),
        size or 1,
        tuple(stacks),
        seconds,
        (size or 1) * need,
        points[0].name,
        tried,
    )


def _jobs(groups: list[Group], workers: int) -> tuple[tuple[Stack, ...], ...]:
    """Put stacks together into jobs, a few for every worker."""
    total = sum(g.seconds * len(s) for g in groups for s in g.stacks)
    share = total / (_JOBS_A_WORKER * workers)
    jobs: list[tuple[float, tuple[Stack, ...]]] = []
    for group in groups:
        each = max(1, int(share / max(group.seconds * group.stack, 1e-9)))
        for at in range(0, len(group.stacks), each):
            part = group.stacks[at : at + each]
            jobs.append((group.seconds * sum(map(len, part)), part))
    return tuple(part for _, part in sorted(jobs, key=lambda job: -job[0]))
