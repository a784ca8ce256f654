"""What was measured beside what was published, figure by figure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoint.evaluation.spread import mean_and_spread
from counterpoint.methods import METHODS
from counterpoint.report.records import Record
from counterpoint.report.tables import COLUMNS, SMALLER, groups, written

_KEYS = {title: key for key, (title, _) in COLUMNS.items()}
_FROM = re.compile(r"(\w) from (\w+)")  # coherence by first letters: "M from ST"


@dataclass(frozen=True)
class Line:
    """One published figure.

    Args:
        source: Paper and table.
        row: Whose it is, as printed.
        column: Of what.
        published: The figure.
        measured: Mean and spread over seeds of our runs, or "-" where there is none.
        run: Which of our runs, where several differ in beta or options: the best of them.
        same_data: Whether both are of the same data.
    """

    source: str
    row: str
    column: str
    published: float
    measured: str
    run: str
    same_data: bool


def beside(published: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> list[Line]:
    """Return every published figure beside ours.

    A row is the method of that name; a column is one of the report's, `error` (a share of wrong answers),
    `precision`, `rmse of A from B`, or coherence by the modalities' first letters, `M from ST`. Of runs that
    differ in beta or options the best is taken, by these very test rows, and named: a reader who compares
    should know that it was chosen.

    Example:
        >>> table = {"source": "A", "data": "B", "same_data": True, "rows": {"CMMD": {"error": 0.024}}}
        >>> beside([table], [])
        [Line(source='A', row='CMMD', column='error', published=0.024, measured='-', run='', same_data=True)]
    """
    own = [r for r in records if r.sections and not r.control]
    lines = []
    for table in published:
        for row, cells in table["rows"].items():
            method = row.lower().replace("-", "_").replace("+", "_plus")
            runs = groups([r for r in own if method in (r.method, r.label)]) if method in METHODS else {}
            for column, figure in cells.items():
                measured, name = _best(runs, column)
                lines.append(Line(table["source"], row, column, figure, measured, name, table["same_data"]))
    return lines


def cells_of(lines: Sequence[Line]) -> list[list[str]]:
    """Return lines as a table, the header first."""
    cells = [["published", "figure", "there", "here", "by", "same data"]]
    for one in lines:
        same = "yes" if one.same_data else "no"
        cells.append([one.row, one.column, f"{one.published:g}", one.measured, one.run, same])
    return cells


def _best(runs: Mapping[str, Sequence[Record]], column: str) -> tuple[str, str]:
    """Return the best group's figure as text and its name."""
    get, digits, less = _getter(column)
    values = {name: [v for v in map(get, group) if v is not None and v == v] for name, group in runs.items()}
    spreads = {name: mean_and_spread(found) for name, found in values.items() if found}
    if not spreads:
        return "-", ""
    name = (min if less else max)(spreads, key=lambda k: spreads[k].mean)
    return written(spreads[name], digits) or "-", name


def _getter(column: str) -> tuple[Callable[[Record], float | None], int, bool]:
    """Return how a column is read off a run, its digits, and whether less is better."""
    if column == "error":
        return lambda r: _less_from_one(r.summary.get("target_accuracy")), 4, True
    if column == "precision":
        return lambda r: r.summary.get("target_precision"), 3, False
    if found := re.fullmatch(r"rmse of (\w+) from (\w+)", column):
        return lambda r: _cell(r, "imputation", found[1], [found[2]], "rmse"), 4, True
    if found := _FROM.fullmatch(column):
        return lambda r: _coherence(r, found[1], found[2]), 3, False
    key = _KEYS.get(column, column.replace(" ", "_"))
    digits = COLUMNS[key][1] if key in COLUMNS else 3
    return lambda r: r.summary.get(key), digits, key in SMALLER


def _coherence(record: Record, target: str, given: str) -> float | None:
    """Return the coherence of a modality given others, all by their first letters."""
    letters = {name[0].upper(): name for name in record.names}
    if len(letters) < len(record.names) or not {target, *given} <= letters.keys():
        return None
    return _cell(record, "coherence", letters[target], [letters[g] for g in given], "accuracy")


def _cell(record: Record, section: str, target: str, given: Sequence[str], key: str) -> float | None:
    """Return a number of a section that has one for every set and target."""
    found = record.sections.get(section, {})
    for cell in found.get("cells", found.get("subsets", [])):
        if cell["target"] == target and set(cell["given"]) == set(given):
            return cell.get(key)
    return None


def _less_from_one(value: float | None) -> float | None:
    return None if value is None else 1 - value
