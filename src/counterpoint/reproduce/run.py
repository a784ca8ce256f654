"""Reproduce an experiment: sweep, evaluation, report, and what was published beside it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counterpoint import atomic
from counterpoint.errors import InputError
from counterpoint.manifest import as_json
from counterpoint.report.build import report
from counterpoint.report.records import read_records
from counterpoint.reproduce.beside import Line, beside
from counterpoint.reproduce.claims import Verdict, judge
from counterpoint.reproduce.recipes import VARIABLE, Recipe, recipe
from counterpoint.reproduce.stand_in import CREDITS, STAND_INS, write_stand_in
from counterpoint.sweeps.grid import lines_of
from counterpoint.sweeps.plan import Plan
from counterpoint.sweeps.run import Progress, sweep

OUT = "runs/reproduce"
STAND_IN = "stand-in"
RESULT = "reproduced.json"


@dataclass(frozen=True)
class Reproduced:
    """What became of an experiment.

    Args:
        folder: Of its runs.
        page: The report; None if no run has a result.
        plan: What was to be done; nothing of it where `plan.todo` is 0.
        failed: Name of a run -> why it has no result.
        lines: What was published beside what was measured.
        verdicts: Of the paper's claims.
        notes: What must be said of the data, such as that they are a stand-in.
    """

    folder: Path
    page: Path | None
    plan: Plan
    failed: dict[str, str]
    lines: list[Line]
    verdicts: list[Verdict]
    notes: list[str]


def reproduce(
    name: str,
    *,
    data: str | Path | None = None,
    small: bool = False,
    out: str | Path = OUT,
    workers: int = 1,
    engine: str = "local",
    gpus: float = 0.0,
    slurm: Mapping[str, Any] | None = None,
    planned: Callable[[Plan], None] | None = None,
    each: Callable[[Progress], None] | None = None,
) -> Reproduced:
    """Run a recipe: sweep, evaluation and report; what is there is not done again.

    The folder is named by the recipe and a hash of its lines: one digit changed is another experiment.

    Args:
        name: Of a recipe, see `recipes.names`; or the path of a YAML file.
        data: The folder where the data lie, as docs/data.md has them; the environment's COUNTERPOINT_DATA
            unless given.
        small: The recipe's small settings; without `data` on a stand-in made of what scikit-learn and
            scikit-image bring along.
        out: The folder of all reproductions.
        workers: As of `sweep`, and so are `engine`, `gpus`, `slurm`, `planned` and `each`.
        engine: `"local"`, `"ray"` or `"slurm"`.
        gpus: Of each job, for `ray` and `slurm`.
        slurm: Parameters of submitit.
        planned: Called with the plan before anything starts.
        each: Called about once a second.

    Raises:
        InputError: If there is no such recipe, or its data are not there.
    """
    found, out = recipe(name), Path(out)
    stands_in = small and data is None and _set_of(found, small) in STAND_INS
    grid = found.grid(out / STAND_IN if stands_in else _place(found, data), small)
    if stands_in:
        write_stand_in(_set_of(found, small), out / STAND_IN)
    folder = out / found.folder_name(small)
    done = sweep(
        grid,
        folder,
        workers=workers,
        engine=engine,
        gpus=gpus,
        slurm=slurm,
        planned=planned,
        each=each,
    )
    said = []
    if small:
        said.append(
            f"The small settings of {found.name}: the same path within minutes, not the experiment; these "
            "numbers compare with nothing."
        )
    if stands_in:
        said.append("A stand-in: the digits of scikit-learn instead of the data of the paper.")
    if len(done.failed) == len(grid.points):
        return Reproduced(folder, None, done.plan, done.failed, [], [], said)
    records = [r for r in read_records(folder) if r.name in {p.name for p in grid.points}]
    verdicts = judge(found.claims, records, "in the small settings" if small else "here")
    lines = beside(_published(grid.once["published"], small), records)
    notes = [*(v.told() for v in verdicts), *said, *(CREDITS if stands_in else ())]
    page = report([r.path for r in records], folder / "report.html", title=_title(found, small), notes=notes)
    result = {
        "recipe": found.name,
        "small": small,
        "stand_in": stands_in,
        "failed": done.failed,
        "beside": [asdict(line) for line in lines],
        "claims": [asdict(v) for v in verdicts],
    }
    atomic.write(folder / RESULT, as_json(result))
    return Reproduced(folder, page, done.plan, done.failed, lines, verdicts, said)


def _set_of(found: Recipe, small: bool) -> str:
    """Return the name of the benchmark set that a recipe reads, or nothing where it reads a file."""
    data = lines_of(found.path, small).get("data")
    return str(data["name"]) if isinstance(data, Mapping) else ""


def _place(found: Recipe, data: str | Path | None) -> str | Path | None:
    """Return the folder of the data, None where a recipe needs none to be named."""
    if data is not None and not Path(data).is_dir():
        raise InputError(f"data is {str(data)!r}, which is no folder; give the one that holds the data sets.")
    needs = VARIABLE in str(found.data)
    if data is None and needs and VARIABLE.removeprefix("$") not in os.environ:
        raise InputError(
            f"{found.name} needs its data, laid out as docs/data.md says; give their folder with data=DIR, "
            f"or set {VARIABLE.removeprefix('$')}."
        )
    return data


def _published(tables: list[dict[str, Any]], small: bool) -> list[dict[str, Any]]:
    """Return what was published; under small settings no data are the same."""
    return [{**table, "same_data": table["same_data"] and not small} for table in tables]


def _title(found: Recipe, small: bool) -> str:
    return f"{found.name}{', small' if small else ''}"
