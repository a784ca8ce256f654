"""Training, tuning and test rows of a benchmark set, and how few of them are taken."""

from typing import NamedTuple

import numpy as np

from counterpoint.data.multimodal import MultimodalData
from counterpoint.errors import InputError, whole

PARTS = ("train", "tuning", "test")


class Parts(NamedTuple):
    """The three parts of a benchmark set that was published with rows of its own for tuning.

    Example:
        >>> from counterpoint.data import read
        >>> one = read({"a": [[1.0], [2.0]]})
        >>> Parts(one, one, one).tuning
        MultimodalData(2 rows; a (1,))
    """

    train: MultimodalData
    tuning: MultimodalData
    test: MultimodalData


def asked(**rows: object) -> list[int | None]:
    """Return numbers of rows that were asked for, checked before anything is read; None is all of them.

    Example:
        >>> asked(rows=10, test_rows=None)
        [10, None]
    """
    return [None if given is None else whole(name, given) for name, given in rows.items()]


def some(what: str, count: int | None, there: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of the rows `0 .. there - 1` are taken, (count,) in shuffled order; None takes all.

    Fewer rows are the first ones of more rows.

    Raises:
        InputError: more rows than there are.

    Example:
        >>> some("rows", 2, 3, np.random.default_rng(0)).shape
        (2,)
        >>> some("rows", 4, 3, np.random.default_rng(0))
        Traceback (most recent call last):
        counterpoint.errors.InputError: rows is 4; there are 3 rows in that part: take at most that many.
    """
    if count is not None and count > there:
        raise InputError(f"{what} is {count}; there are {there} rows in that part: take at most that many.")
    return rng.permutation(there)[:count]
