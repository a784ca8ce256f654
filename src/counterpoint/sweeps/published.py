"""Figures that a paper printed, which a recipe brings along to be shown beside what is measured."""

from collections.abc import Mapping
from typing import Any

from counterpoint.errors import InputError, nearest

KEYS = {"source", "data", "same_data", "rows"}


def check_published(given: Any, where: str) -> None:
    """Check the `published` of a recipe: tables of figures, each said to be of the same data or of others.

    Args:
        given: Mappings with `source` (paper and table), `data` (what the authors measured on), `same_data`
            (whether a run of the recipe is on those data) and `rows` (row -> column -> number).
        where: The recipe, for errors.

    Raises:
        InputError: If a key is missing or unknown, or a figure is no number.

    Example:
        >>> table = {"source": "A 2024", "data": "B", "same_data": False, "rows": {"C": {"D": 1.0}}}
        >>> check_published([table], "recipe")
        >>> check_published([{"source": "A 2024"}], "recipe")
        Traceback (most recent call last):
        counterpoint.errors.InputError: recipe: a published table lacks data, rows, same_data.
    """
    if not isinstance(given, list) or not all(isinstance(table, Mapping) for table in given):
        raise InputError(
            f"{where}: published is {given!r}; give a list of tables with {', '.join(sorted(KEYS))}."
        )
    for table in given:
        for key in table:
            if key not in KEYS:
                raise InputError(
                    f"{where}: a published table has {key!r}; it may have {', '.join(sorted(KEYS))}."
                    f"{nearest(str(key), KEYS)}"
                )
        if missing := sorted(KEYS - set(table)):
            raise InputError(f"{where}: a published table lacks {', '.join(missing)}.")
        if not isinstance(table["same_data"], bool):
            raise InputError(f"{where}: same_data is {table['same_data']!r}; give true or false.")
        rows = table["rows"]
        if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows.values()):
            raise InputError(f"{where}: rows of a published table must be row -> column -> number.")
        for name, row in rows.items():
            for column, value in row.items():
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise InputError(f"{where}: published {name}, {column} is {value!r}; give a number.")
