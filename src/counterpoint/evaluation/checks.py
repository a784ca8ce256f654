"""The door of the evaluation: arrays of any kind come in, float64 features and plain labels go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, nearest

if TYPE_CHECKING:
    import numpy as np


def numbers(what: str, values: Any) -> np.ndarray:
    """Return `values` as float64 with its rows first; whether they are finite is asked by `finite`.

    Shapes: (N, ...) in and out; N is at least 1.

    Raises:
        InputError: if the values are not numbers or there is no row.

    Example:
        >>> numbers("train_x", [[1, 2], [3, 4]]).shape
        (2, 2)
        >>> numbers("train_x", [["a"], ["b"]])
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_x holds values of type <U1; give a dense array of real numbers.
    """
    import numpy as np

    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{what} is no array of numbers: {error}. Give a dense array.") from error
    if array.dtype.kind == "O":
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} holds values of type {array.dtype}; give a dense array of real numbers.")
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{what} has shape {array.shape}; give at least one row with at least one value.")
    return array.astype(np.float64)


def finite(what: str, array: np.ndarray) -> np.ndarray:
    """Return `array` if every value is finite; otherwise say how many are not and where the first is.

    Example:
        >>> import numpy as np
        >>> finite("x", np.array([[0.0], [np.nan]]))
        Traceback (most recent call last):
        counterpoint.errors.InputError: x has 1 value that is NaN or infinite (first in row 1); \
leave those rows out or mark them as absent.
    """
    import numpy as np

    bad = ~np.isfinite(array)
    if bad.any():
        count = int(bad.sum())
        first = int(np.flatnonzero(bad.reshape(len(array), -1).any(1))[0])
        text = "1 value that is" if count == 1 else f"{count} values that are"
        raise InputError(
            f"{what} has {text} NaN or infinite (first in row {first}); "
            "leave those rows out or mark them as absent."
        )
    return array


def labels(what: str, values: Any) -> np.ndarray:
    """Return class labels as a one-dimensional array of whole numbers, booleans or text.

    Raises:
        InputError: if they are not one-dimensional, missing in some row, mixed in type or continuous.

    Example:
        >>> labels("train_y", ["cat", "dog"]).tolist()
        ['cat', 'dog']
        >>> labels("train_y", [0.1, 0.7])
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_y holds fractions (0.1); give whole numbers or text: bin them.
    """
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(
            f"{what} has shape {array.shape}; give one label per row, (N,) with N of at least 1."
        )
    if array.dtype.kind == "O":
        if not all(isinstance(v, (str, int, float, np.number, np.bool_)) for v in array):
            raise InputError(
                f"{what} has missing labels or objects; leave those rows out, give text or numbers."
            )
        if len({isinstance(v, str) for v in array}) > 1:
            raise InputError(f"{what} mixes text with numbers; make all labels text or all numbers.")
        array = np.asarray(array.tolist())
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"{what} has missing labels (NaN or infinite); leave those rows out.")
        fractions = array[array != np.round(array)]
        if fractions.size:
            raise InputError(
                f"{what} holds fractions ({fractions[0]:g}); give whole numbers or text: bin them."
            )
    elif array.dtype.kind == "T":
        array = array.astype(str)
    elif array.dtype.kind not in "iubUS":
        raise InputError(f"{what} holds labels of type {array.dtype}; give whole numbers or text.")
    return array


def known(values: np.ndarray) -> np.ndarray:
    """Return which labels are known, bool of the values' shape: not None, NaN, or below 0 where integers.

    Example:
        >>> import numpy as np
        >>> known(np.array([[3, -1]])).tolist(), known(np.array(["cat", None], dtype=object)).tolist()
        ([[True, False]], [True, False])
    """
    import numpy as np

    if values.dtype.kind == "f":
        return ~np.isnan(values)
    if values.dtype.kind == "i":
        return values >= 0
    if values.dtype.kind == "O":
        return np.array([v is not None and v == v for v in values.ravel()], bool).reshape(values.shape)
    return np.ones(values.shape, bool)


def whole_known(values: np.ndarray) -> np.ndarray:
    """Return which rows have their label, or all of several, (N,).

    Example:
        >>> import numpy as np
        >>> whole_known(np.array([[0.0, 1.0], [1.0, np.nan]])).tolist()
        [True, False]
    """
    import numpy as np

    return np.asarray(known(values).reshape(len(values), -1).all(1))


def same_rows(**arrays: Any) -> int:
    """Return the common number of rows; otherwise say who has how many.

    Example:
        >>> same_rows(x=[1, 2], y=[1, 2, 3])
        Traceback (most recent call last):
        counterpoint.errors.InputError: rows differ: x has 2, y has 3; row i must be the same thing in each.
    """
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"rows differ: {said}; row i must be the same thing in each.")
    return next(iter(counts.values()))


def comparable(what: str, first: np.ndarray, other: str, second: np.ndarray) -> None:
    """Refuse labels that can never be equal: text against numbers, or no class in common.

    Example:
        >>> import numpy as np
        >>> comparable("train_y", np.array([0, 1]), "test_y", np.array(["0", "1"]))
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_y and test_y have no class in common (0, 1 | '0', '1'); \
give both in the same coding.
    """
    import numpy as np

    a, b = np.unique(first).tolist(), np.unique(second).tolist()
    if not set(a) & set(b):
        said = " | ".join(", ".join(repr(v) for v in some[:3]) for some in (a, b))
        raise InputError(
            f"{what} and {other} have no class in common ({said}); give both in the same coding."
        )


def classes(what: str, y: np.ndarray) -> np.ndarray:
    """Return the sorted classes, of which there must be two.

    Example:
        >>> import numpy as np
        >>> classes("train_y", np.array([3, 3]))
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_y has one class only (3); a classifier needs at least two.
    """
    import numpy as np

    found = np.unique(y)
    if len(found) < 2:
        raise InputError(f"{what} has one class only ({found[0].item()!r}); a classifier needs at least two.")
    return found


def same_names(what: str, given: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse a missing or an extra modality, with the nearest name.

    Example:
        >>> same_names("test_x", ["image", "txt"], ["image", "text"])
        Traceback (most recent call last):
        counterpoint.errors.InputError: test_x has modalities image, txt; wanted are image, text. \
Did you mean 'text'?
    """
    given, wanted = list(given), list(wanted)
    if not wanted or set(given) != set(wanted):
        extra = [name for name in given if name not in wanted]
        hint = nearest(extra[0], wanted) if extra else ""
        raise InputError(
            f"{what} has modalities {', '.join(map(str, given)) or '(none)'}; "
            f"wanted are {', '.join(map(str, wanted)) or 'at least one'}.{hint}"
        )


def presence(what: str, present: Mapping[str, Any] | None, name: str, rows: int) -> np.ndarray:
    """Return which rows (N,) have the modality; all of them where nothing is said about it.

    Example:
        >>> presence("present", {"a": [True, False]}, "a", 2).tolist()
        [True, False]
        >>> presence("present", None, "a", 2).tolist()
        [True, True]
    """
    import numpy as np

    if present is None or name not in present:
        return np.ones(rows, dtype=bool)
    array = np.asarray(present[name])
    if array.shape != (rows,) or array.dtype != bool:
        raise InputError(
            f"{what}[{name!r}] is {array.dtype} of shape {array.shape}; give one bool per row, ({rows},)."
        )
    return array
