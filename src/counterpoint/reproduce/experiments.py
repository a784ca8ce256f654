"""Every data set, table and figure of the five papers: what it needs, and what became of it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from counterpoint.sweeps.values import read_yaml

STATUS = ("reproduced", "run, does not hold", "runs small", "not run")
FILE = Path(__file__).parent / "experiments.yaml"


@cache
def listed() -> Mapping[str, Any]:
    """Return the list: `papers`, `data`, and `experiments` of each paper.

    An experiment has `item` (its number in the paper), `shows`, `data` (a key of `data`, or null), `status`
    (one of `STATUS`), `recipe` (or null), and `why` where it was not run, or not at full size.

    Example:
        >>> sorted(listed())
        ['data', 'experiments', 'papers']
    """
    return read_yaml(FILE)


def data_cells() -> list[list[str]]:
    """Return the data sets as a table, the header first.

    Example:
        >>> data_cells()[0]
        ['data', 'reader', 'to get', 'runs in the papers', 'estimate here']
    """
    cells = [["data", "reader", "to get", "runs in the papers", "estimate here"]]
    for name, one in listed()["data"].items():
        cells.append([name, *(str(one[k] or "-") for k in ("reader", "get", "hours", "estimate"))])
    return cells


def experiment_cells() -> list[list[str]]:
    """Return the tables and figures as a table, the header first.

    Example:
        >>> experiment_cells()[0]
        ['paper', 'item', 'shows', 'data', 'status', 'recipe, or why not']
    """
    cells = [["paper", "item", "shows", "data", "status", "recipe, or why not"]]
    for paper, experiments in listed()["experiments"].items():
        for one in experiments:
            how = "; ".join(str(one[k]) for k in ("recipe", "why") if one.get(k))
            cells.append([paper, str(one["item"]), one["shows"], one.get("data") or "-", one["status"], how])
    return cells
