"""One HTML file that holds a whole report: sections of blocks, with nothing to load from anywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from counterpoint import atomic
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 144
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Words:
    """Paragraphs.

    Attributes:
        paragraphs: text, as it is.
        heading: above them.
        note: whether they are a passing remark.
    """

    paragraphs: Sequence[str]
    heading: str = ""
    note: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class Table:
    """Rows, each a dict from column to value; the first column names the row.

    `_null` in a row sets it apart as what knows nothing; `_best` lists its columns that stand out.

    Attributes:
        rows: numbers, text or None.
        heading: above it.
        note: below it.
        folded: words to click on to see it; open if empty.
    """

    rows: Sequence[Mapping[str, object]]
    heading: str = ""
    note: str = ""
    folded: str = ""
    kind: ClassVar[str] = "table"

    @property
    def columns(self) -> list[dict[str, Any]]:
        """Titles, and whether a column holds numbers."""
        return [{"title": c, "number": self._numeric(c)} for c in self._names]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Rows as text with their styles."""
        numeric = {c: self._numeric(c) for c in self._names}
        out, before = [], False
        for row in self.rows:
            null = bool(row.get("_null"))
            best: Any = row.get("_best", ())
            cells = []
            for c in self._names:
                style = ["number"] if numeric[c] else ["text"] if len(str(row.get(c))) > 40 else []
                cells.append({"text": written(row.get(c)), "style": " ".join(style + ["best"] * (c in best))})
            style = "null" * null + " first" * (null and not before and bool(out))
            out.append({"style": style, "cells": cells})
            before = null
        return out

    @property
    def _names(self) -> list[str]:
        return [c for c in dict.fromkeys(c for row in self.rows for c in row) if not str(c).startswith("_")]

    def _numeric(self, column: str) -> bool:
        values = [row[column] for row in self.rows if row.get(column) is not None]
        return bool(values) and all(_is_number(v) or _starts_number(v) for v in values)


@dataclass(frozen=True)
class Picture:
    """A figure, inside the file: PNG for images, SVG for drawings.

    Attributes:
        figure: its label (`set_label`) is what a screen reader says of it.
        heading: above it.
        drawing: whether to keep it as SVG.
    """

    figure: Figure
    heading: str = ""
    drawing: bool = False
    kind: ClassVar[str] = "picture"

    def __post_init__(self) -> None:
        width, height = self.figure.get_size_inches()
        kind, mime = ("svg", "svg+xml") if self.drawing else ("png", "png")
        content = base64.b64encode(encoded(self.figure, kind)).decode("ascii")
        source = f"data:image/{mime};base64,{content}"
        made = {
            "source": source,
            "width": round(width * DOTS_PER_INCH),
            "height": round(height * DOTS_PER_INCH),
            "most": f"{width * 1.1:.1f}",
            # Letters of a wide figure would shrink on a phone to nothing: there it scrolls sideways instead.
            "wide": width >= 7,
            "said": str(self.figure.get_label() or self.heading),
        }
        for key, value in made.items():
            object.__setattr__(self, key, value)


def encoded(figure: Figure, kind: str) -> bytes:
    """Return a figure as a PNG or SVG file; the same figure gives the same bytes."""
    from matplotlib import rc_context

    out = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "counterpoint"}), warnings.catch_warnings():
        # A name in a script that the font lacks: browsers have it, and pictures show a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if kind == "svg":
            figure.savefig(out, format="svg", facecolor="white", metadata={"Date": None})
        else:
            figure.savefig(out, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return out.getvalue()


@dataclass(frozen=True)
class Lights:
    """Remarks with a light each: objects with `light` (good, fair, poor), `word` and `text`."""

    remarks: Sequence[Any]
    heading: str = ""
    kind: ClassVar[str] = "lights"


@dataclass(frozen=True)
class Plot:
    """A scatter plot to be hovered; `data` is what scatter.js reads, from `scatter.scatter`."""

    data: str
    heading: str = ""
    kind: ClassVar[str] = "plot"


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    terms: Sequence[tuple[str, str]]
    heading: str = ""
    kind: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Notes:
    """A list of remarks."""

    notes: Sequence[str]
    heading: str = ""
    kind: ClassVar[str] = "notes"


Block = Words | Table | Picture | Lights | Plot | Terms | Notes


@dataclass(frozen=True)
class Section:
    """A heading, and blocks under it."""

    heading: str
    blocks: Sequence[Block] = field(default_factory=list)


def check_page(path: str | os.PathLike[str], title: str) -> Path:
    """Return the path of a page that can be written; for those who draw much before they write.

    Raises:
        InputError: the title is empty, or the path is a folder.

    Example:
        >>> check_page("a.html", " ")
        Traceback (most recent call last):
        counterpoint.errors.InputError: title is ' '; a page needs a title of at least one letter.
    """
    path = Path(path)
    if not isinstance(title, str) or not title.strip():
        raise InputError(f"title is {title!r}; a page needs a title of at least one letter.")
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; give the name of the file to write, such as {path / 'report.html'}."
        )
    return path


def write_sections(
    path: str | os.PathLike[str], *, title: str, lead: Sequence[str] = (), sections: Sequence[Section]
) -> Path:
    """Write one HTML file and return its path.

    All text is escaped, nothing is loaded from a network (the page's own policy forbids it), colours follow
    the reader's light or dark setting. The file appears whole or not at all.

    Raises:
        InputError: the title is empty, or the path is a folder or lies in one that cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_sections(Path(folder) / "a.html", title="A < B", sections=[Section("One")])
        ...     "<h1>A &lt; B</h1>" in page.read_text(encoding="utf-8")
        True
    """
    from jinja2 import Environment

    path = check_page(path, title)
    plots = any(isinstance(block, Plot) for section in sections for block in section.blocks)
    script = (HERE / "scatter.js").read_text(encoding="utf-8") if plots else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    allowed = f"; script-src 'sha256-{digest}'" if plots else ""
    template = Environment(autoescape=True).from_string((HERE / "page.html").read_text(encoding="utf-8"))
    text = template.render(
        title=title,
        lead=list(lead),
        sections=list(sections),
        style=_safe((HERE / "style.css").read_text(encoding="utf-8")),
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'{allowed}",
    )
    return atomic.write(path, text + "\n")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # our own file


def _is_number(value: object) -> bool:
    """Say whether a value is a number (numpy's scalars are), truth values apart."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _starts_number(value: object) -> bool:
    return re.match(r"[-–]?\d[\d.,]*(\s|%|$)", str(value)) is not None


def written(value: object) -> str:
    """Write one value for a reader.

    Example:
        >>> [written(value) for value in (0.87654, 110.7321, 12, None, float("nan"), "±")]
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
