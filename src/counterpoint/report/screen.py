"""Tables and notes on the terminal."""

import sys
from collections.abc import Sequence

ROWS = 19  # that a table shows: with what stands around it, a screen of 25 lines


def show_table(cells: Sequence[Sequence[str]], most: int = ROWS) -> None:
    """Print cells, the header first, as a table; numbers to the right. A pipe gets plain, unwrapped text.

    Of a table longer than `most` rows the first are shown, and how many there are more.

    Example:
        >>> show_table([["method", "accuracy"], ["mmvm", "0.88"]])
        method  accuracy
        mmvm        0.88
    """
    if len(cells) > most + 1:
        more = f"... and {len(cells) - most} more"
        cells = [*cells[:most], [more, *[""] * (len(cells[0]) - 1)]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    right = [all(_numeric(row[i]) for row in cells[1:]) for i in range(len(cells[0]))]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for title, number in zip(cells[0], right, strict=True):
            table.add_column(title, justify="right" if number else "left")
        for row in cells[1:]:
            table.add_row(*row)
        Console().print(table)
        return
    for row in cells:
        shown = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        print("  ".join(shown).rstrip())


def note(text: str) -> None:
    """Print a passing remark, away from the results."""
    print(text, file=sys.stderr, flush=True)


def _numeric(text: str) -> bool:
    return text[:1] in "-0123456789" or text in ("", "nan")
