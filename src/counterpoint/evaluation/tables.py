"""The comparison as a light table: a row per method, a column per measure, mean and spread in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from counterpoint.errors import InputError, nearest, whole
from counterpoint.evaluation.spread import Spread, mean_and_spread


@dataclass(frozen=True)
class Column:
    """A measure as it is shown: its key in the rows, its title, its digits after the point.

    Example:
        >>> Column("accuracy", "probe accuracy").digits
        3
    """

    key: str
    title: str
    digits: int = 3


@dataclass(frozen=True)
class Row:
    """One method with a `Spread` per measure; a measure that it lacks is shown as a dash.

    Example:
        >>> Row("mmvm", {"accuracy": Spread(0.88, 0.01, 3)}).cells["accuracy"].mean
        0.88
    """

    name: str
    cells: Mapping[str, Spread]


def collect(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Row]:
    """Make the rows from scores: method name to one dict of measures per seed.

    A measure that some seeds lack is averaged over those that have it; `n` in the cell says how many.

    Raises:
        InputError: if a method has no seed.

    Example:
        >>> collect({"mmvm": [{"accuracy": 0.8}, {"accuracy": 0.9}]})[0].cells["accuracy"].n
        2
    """
    rows = []
    for name, seeds in scores.items():
        if not seeds:
            raise InputError(f"{name!r} has no scores; give one dict of measures per seed.")
        keys = dict.fromkeys(key for seed in seeds for key in seed)
        cells = {key: mean_and_spread(seed[key] for seed in seeds if key in seed) for key in keys}
        rows.append(Row(name, cells))
    return rows


def _columns(rows: Sequence[Row], columns: Sequence[Column | str]) -> list[Column]:
    """Return full columns; a measure that no row has is a typo."""
    made = [Column(column, column) if isinstance(column, str) else column for column in columns]
    known = list(dict.fromkeys(key for row in rows for key in row.cells))
    for column in made:
        whole(f"digits of {column.key!r}", column.digits, 0)
        if rows and column.key not in known:
            raise InputError(
                f"no row has the measure {column.key!r}; there are {', '.join(known) or 'none'}."
                f"{nearest(column.key, known)}"
            )
    return made


def _cell(spread: Spread | None, digits: int, most: int) -> str:
    """Write one cell: the mean, its sd if there is one, and n if seeds are missing."""
    if spread is None or isnan(spread.mean):
        return "-"
    text = f"{spread.mean:.{digits}f}"
    if not isnan(spread.sd):
        text += f" ± {spread.sd:.{digits}f}"
    return text + (f" (n={spread.n})" if spread.n < most else "")


def table_cells(rows: Sequence[Row], columns: Sequence[Column | str]) -> list[list[str]]:
    """Return the written cells, the header first; whoever renders with colours starts here.

    A cell that counts fewer seeds than the fullest cell of its row says so.

    Raises:
        InputError: for a measure that no row has.

    Example:
        >>> table_cells([Row("mmvm", {"accuracy": Spread(0.8786, 0.0042, 3)})], ["accuracy"])
        [['method', 'accuracy'], ['mmvm', '0.879 ± 0.004']]
    """
    made = _columns(rows, columns)
    lines = [["method", *(column.title for column in made)]]
    for row in rows:
        most = max((spread.n for spread in row.cells.values()), default=0)
        lines.append([row.name, *(_cell(row.cells.get(column.key), column.digits, most) for column in made)])
    return lines


def format_table(rows: Sequence[Row], columns: Sequence[Column | str]) -> list[str]:
    """Return the table as lines of plain text, columns aligned to the right but the first.

    Args:
        rows: one per method.
        columns: measures to show, as `Column` or by key.

    Raises:
        InputError: for a measure that no row has.

    Example:
        >>> nan = float("nan")
        >>> rows = [Row("mmvm", {"rate": Spread(9.5, 0.5, 3)}), Row("moe", {"rate": Spread(12.0, nan, 1)})]
        >>> for line in format_table(rows, [Column("rate", "rate (nats)", 1)]):
        ...     print(line)
        method  rate (nats)
        ------  -----------
        mmvm      9.5 ± 0.5
        moe            12.0
    """
    lines = table_cells(rows, columns)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    aligned = []
    for line in lines:
        texts = [text.rjust(width) for text, width in zip(line, widths, strict=True)]
        texts[0] = line[0].ljust(widths[0])
        aligned.append("  ".join(texts).rstrip())
    return aligned


def to_markdown(rows: Sequence[Row], columns: Sequence[Column | str]) -> str:
    """Return the table in GitHub's Markdown, numbers to the right; a `|` in a name is escaped.

    Example:
        >>> rows = [Row("mmvm", {"rate": Spread(9.5, 0.5, 3)})]
        >>> print(to_markdown(rows, [Column("rate", "rate (nats)", 1)]))
        | method | rate (nats) |
        | :--- | ---: |
        | mmvm | 9.5 ± 0.5 |
    """
    lines = [[text.replace("|", "\\|") for text in line] for line in table_cells(rows, columns)]
    lines.insert(1, [":---", *["---:"] * (len(lines[0]) - 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
