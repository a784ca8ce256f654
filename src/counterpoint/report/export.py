"""Figures and tables of a report as files, for papers and talks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint import atomic
from counterpoint.errors import InputError, choose
from counterpoint.report.build import pictures
from counterpoint.report.details import detail_tables
from counterpoint.report.page import encoded, written
from counterpoint.report.tables import Row, main_table

if TYPE_CHECKING:
    from counterpoint.report.records import Record

FORMATS = ("svg", "png", "csv", "latex", "markdown")


def export(
    records: Sequence[Record], out: str | Path, formats: Sequence[str] = ("svg", "png", "csv", "latex")
) -> list[Path]:
    """Write every figure and table of runs into a folder; return the files.

    Figures come as SVG and PNG, tables as CSV, LaTeX (booktabs) and Markdown; `scores.csv` has a row for each
    run and measure.

    Args:
        records: From `read_records`.
        out: The folder.
        formats: Some of `FORMATS`.

    Raises:
        InputError: For an unknown format or none, or if the folder is a file.
    """
    for name in formats:
        choose("format", name, FORMATS)
    if not formats:
        raise InputError(f"formats is empty; give some of {', '.join(FORMATS)}.")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out {str(folder)!r} is a file; give a folder.")
    made: list[Path] = []
    drawn = pictures(records)
    for name, figure in zip(_names(drawn), drawn.values(), strict=True):
        for kind in ("svg", "png"):
            if kind in formats:
                made.append(atomic.write(folder / f"{name}.{kind}", encoded(figure, kind)))
    tables = {"scores": main_table(records), **detail_tables(records)}
    writers = {"csv": ("csv", as_csv), "latex": ("tex", as_latex), "markdown": ("md", as_markdown)}
    for heading, rows in tables.items():
        for kind, (ending, write) in writers.items():
            if kind in formats and rows:
                made.append(atomic.write(folder / f"table-{slug(heading)}.{ending}", write(rows)))
    if "csv" in formats:
        made.append(atomic.write(folder / "scores.csv", as_csv(_tidy(records))))
    return made


def _tidy(records: Sequence[Record]) -> list[Row]:
    """Return a row for each run and measure."""
    return [
        {
            "run": r.name,
            "method": r.label,
            "beta": r.beta,
            "seed": r.seed,
            "control": r.control,
            "measure": key,
            "value": value,
        }
        for r in records
        for key, value in r.summary.items()
    ]


def slug(text: str) -> str:
    """Return a heading as a file name.

    Example:
        >>> slug("Into <b>../rna</b>, ε")
        'into-b-rna-b'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"


def _names(headings: Iterable[str]) -> list[str]:
    """Return a file name for each heading; where two would be the same, the later ones are numbered.

    Example:
        >>> _names(["Into a+b", "Into a b", "Into 音"])
        ['into-a-b', 'into-a-b-2', 'into']
    """
    taken: dict[str, None] = {}
    for heading in headings:
        name, count = slug(heading), 2
        while name in taken:
            name, count = f"{slug(heading)}-{count}", count + 1
        taken[name] = None
    return list(taken)


def _columns(rows: Sequence[Row]) -> list[str]:
    return [c for c in dict.fromkeys(c for row in rows for c in row) if not c.startswith("_")]


def as_csv(rows: Sequence[Row]) -> str:
    r"""Return rows as CSV, numbers with all their digits.

    Example:
        >>> as_csv([{"method": "a, b", "value": 0.5, "_null": False}])
        'method,value\n"a, b",0.5\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = _columns(rows)
    writer.writerow(columns)
    writer.writerows([["" if row.get(c) is None else row[c] for c in columns] for row in rows])
    return out.getvalue()


def as_latex(rows: Sequence[Row]) -> str:
    r"""Return rows as a LaTeX table for the package booktabs; nulls below a rule, what stands out in bold.

    Example:
        >>> print(as_latex([{"method": "a_b", "acc": "0.9 ± 0.1", "_best": ["acc"]}]), end="")
        \begin{tabular}{lr}
        \toprule
        method & acc \\
        \midrule
        a\_b & \textbf{0.9 $\pm$ 0.1} \\
        \bottomrule
        \end{tabular}
    """
    columns = _columns(rows)
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}", r"\toprule"]
    lines += [" & ".join(_escaped(c) for c in columns) + r" \\", r"\midrule"]
    before = False
    for row in rows:
        if row.get("_null") and not before and row is not rows[0]:
            lines.append(r"\midrule")
        before = bool(row.get("_null"))
        best = row.get("_best") or ()
        cells = [_escaped(written(row.get(c))) for c in columns]
        cells = [rf"\textbf{{{t}}}" if c in best else t for c, t in zip(columns, cells, strict=True)]  # type: ignore[operator]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    """Return text as LaTeX prints it."""
    plain = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
             "²": r"$^2$", "–": "--", "→": r"$\to$", "β": r"$\beta$", "<": r"$<$", ">": r"$>$"}  # fmt: skip
    plain |= {c: "\\" + c for c in "&%$#_{}"}
    return "".join(plain.get(c, c) for c in text)


def as_markdown(rows: Sequence[Row]) -> str:
    r"""Return rows as a table in Markdown.

    Example:
        >>> print(as_markdown([{"method": "a|b", "acc": 0.5}]), end="")
        | method | acc |
        | :--- | ---: |
        | a\|b | 0.500 |
    """
    columns = _columns(rows)
    lines = [columns, [":---", *["---:"] * (len(columns) - 1)]]
    lines += [[written(row.get(c)).replace("|", "\\|") for c in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
