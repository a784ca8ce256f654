"""One HTML file that holds a whole report: table, figures and notes, with nothing to load from anywhere."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint import atomic
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 144
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; }
:root { --page: #ffffff; --ink: #1c1f23; --soft: #5b6470; --line: #d9dde2; --head: #f3f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15181c; --ink: #e7eaee; --soft: #a3adb8; --line: #343b43; --head: #1e2329; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
.scroll:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .75rem; text-align: left; white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { background: var(--head); color: var(--soft); font-weight: 600; font-size: .88rem; }
.number { text-align: right; }
tbody th { position: sticky; left: 0; background: var(--page); font-weight: 600; }
pre { margin: 0; padding: .8rem 1rem; font-size: .85rem; line-height: 1.4; }
figure { margin: 0; }
figure .scroll { background: #ffffff; }
img { display: block; width: 100%; height: auto; margin: 0 auto; }
img.wide { min-width: 40rem; }
ul { padding-left: 1.2rem; color: var(--soft); overflow-wrap: anywhere; }
"""


def write_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    table: Sequence[Mapping[str, object]] | Sequence[str],
    figures: Mapping[str, Figure],
    notes: Sequence[str] = (),
) -> Path:
    """Write one HTML file: a title, a table, figures as PNG inside the file, and notes; return its path.

    `table` is a list of rows, each a dict from column to value (the first column names the row), or lines of
    text to be shown as they are. The keys of `figures` are their headings; a figure's label (`set_label`),
    if it has one, is what a screen reader says of it. All text is escaped, nothing is loaded from a
    network, and colours follow the reader's light or dark setting. The file appears whole or not at all.

    Raises:
        InputError: the title is empty, the table is neither rows nor lines, or the path is a folder or lies
            in one that cannot be written to.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "page.html"
        >>> page = write_page(file, title="A < B", table=[{"method": "mmvm", "accuracy": 0.5}], figures={})
        >>> "<h1>A &lt; B</h1>" in page.read_text(encoding="utf-8")
        True
        >>> folder.cleanup()
    """
    path = Path(path)
    if not isinstance(title, str) or not title.strip():
        raise InputError(f"title is {title!r}; a page needs a title of at least one letter.")
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; give the name of the file to write, such as {path / 'report.html'}."
        )
    parts = [f"<h1>{escape(title)}</h1>", _table(table)]
    parts += [_figure(heading, figure) for heading, figure in figures.items()]
    if notes:
        items = "\n".join(f"<li>{escape(str(note))}</li>" for note in notes)
        parts.append(f"<section>\n<h2>Notes</h2>\n<ul>\n{items}\n</ul>\n</section>")
    return atomic.write(path, _document(title, "\n".join(parts)))


def _document(title: str, body: str) -> str:
    """Wrap a body into a document whose policy forbids the browser to load anything from outside."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _table(rows: Sequence[Mapping[str, object]] | Sequence[str]) -> str:
    """Return the table as HTML; rows may have different columns, a value that is not there is a dash."""
    if isinstance(rows, str):
        rows = rows.splitlines()
    if not rows:
        return ""
    if all(isinstance(row, str) for row in rows):
        inner = f"<pre>{escape(chr(10).join(map(str, rows)))}</pre>"
    elif all(isinstance(row, Mapping) for row in rows):
        inner = _cells([row for row in rows if isinstance(row, Mapping)])
    else:
        kinds = ", ".join(sorted({type(row).__name__ for row in rows}))
        raise InputError(f"table holds {kinds}; give a list of dicts (one a row) or a list of lines of text.")
    return f'<div class="scroll" role="region" aria-label="Table of results" tabindex="0">\n{inner}\n</div>'


def _cells(rows: list[Mapping[str, object]]) -> str:
    """Return rows of dicts as an HTML table; a column of numbers is set to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    numeric = {c: all(row.get(c) is None or _is_number(row[c]) for row in rows) for c in columns}
    style = {c: ' class="number"' if numeric[c] else "" for c in columns}
    head = "".join(f'<th scope="col"{style[c]}>{escape(str(c))}</th>' for c in columns)
    lines = []
    for row in rows:
        first, *rest = columns
        cells = f'<th scope="row"{style[first]}>{escape(_text(row.get(first)))}</th>'
        cells += "".join(f"<td{style[c]}>{escape(_text(row.get(c)))}</td>" for c in rest)
        lines.append(f"<tr>{cells}</tr>")
    body = "\n".join(lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _is_number(value: object) -> bool:
    """Say whether a value is a number (numpy's scalars are), truth values apart."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _text(value: object) -> str:
    """Write one value for a reader.

    Example:
        >>> [_text(value) for value in (0.87654, 110.7321, 12, None, float("nan"), "±")]
        ['0.877', '110.7', '12', '–', '–', '±']
    """
    if value is None:
        return "–"
    if not _is_number(value) or isinstance(value, Integral):
        return str(value)
    real = float(value)  # type: ignore[arg-type]
    if real != real:
        return "–"
    return f"{real:.3f}" if abs(real) < 10 else f"{real:.1f}"


def _figure(heading: str, figure: Figure) -> str:
    """Return a figure as HTML with its picture inside."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    data = base64.b64encode(picture.getvalue()).decode("ascii")
    width, height = figure.get_size_inches()
    # Letters of a wide figure would shrink on a phone to nothing, so there it scrolls sideways instead.
    wide = ' class="wide"' if width >= 7 else ""
    said = escape(str(figure.get_label() or heading))
    pixels = f'width="{round(width * DOTS_PER_INCH)}" height="{round(height * DOTS_PER_INCH)}"'
    size = f'{pixels} style="max-width:{width * 1.1:.1f}in"'
    image = f'<img{wide} {size} alt="{said}" src="data:image/png;base64,{data}">'
    name = escape(heading)
    return (
        f"<section>\n<h2>{name}</h2>\n<figure>"
        f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">\n'
        f"{image}\n</div></figure>\n</section>"
    )
