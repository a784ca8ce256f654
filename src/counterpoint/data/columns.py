"""From what users hold (arrays, tables, tensors, lists) to numbers, or to codes of categories."""

import numbers
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.errors import InputError

_NUMBER = re.compile(r"\s*[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Column:
    """Values of one column or one array: numbers or codes, which are observed, and the categories."""

    values: np.ndarray
    observed: np.ndarray | None = None  # None: see NaN
    categories: tuple[str, ...] | None = None
    declared: bool = False  # the categories and their order come from the user's own type


def is_a(value: object, *kinds: str) -> bool:
    """Tell whether a value is of one of the kinds "package.Class", without importing the package.

    Example:
        >>> import numpy as np
        >>> is_a(np.zeros(2), "numpy.ndarray"), is_a([], "numpy.ndarray")
        (True, False)
    """
    return any(f"{c.__module__.split('.')[0]}.{c.__name__}" in kinds for c in type(value).__mro__)


def is_sparse(value: object) -> bool:
    """Tell whether a value is a sparse matrix of scipy or a sparse tensor."""
    if is_a(value, "torch.Tensor"):
        return str(value.layout) != "torch.strided"  # type: ignore[attr-defined]
    return hasattr(value, "toarray") and hasattr(value, "nnz")


def named_index(value: object) -> Any:
    """Return the index of a table if it names the rows, else None: 0, 1, 2, ... only counts them."""
    if not is_a(value, "pandas.DataFrame", "pandas.Series"):
        return None
    index = value.index  # type: ignore[attr-defined]
    counts = is_a(index, "pandas.RangeIndex") and index.start == 0 and index.step == 1
    return None if counts else index


def _missing(value: object) -> bool:
    """Tell whether one object stands for a missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(value != value)


def from_objects(what: str, values: np.ndarray) -> Column:
    """Turn an array of Python objects into numbers or codes, shape kept; None and NaN are missing.

    Raises:
        InputError: text among numbers, numbers written as text, or objects that are neither.

    Example:
        >>> import numpy as np
        >>> from_objects("a", np.array(["x", None, "y"], dtype=object)).values
        array([0, 0, 1])
    """
    flat = list(values.ravel())
    observed = np.array([not _missing(value) for value in flat], dtype=bool)
    given = [value for value, seen in zip(flat, observed, strict=True) if seen]
    text = [isinstance(value, str) for value in given]
    if given and all(text):
        codes, names = _codes(what, given)
        filled = np.zeros(len(flat), dtype=np.int64)
        filled[observed] = codes
        return Column(filled.reshape(values.shape), observed.reshape(values.shape), names)
    if any(text):
        first = given[text.index(True)]
        raise InputError(
            f"{what} holds the text {first!r} among numbers; remove it, or put NaN where a value is missing."
        )
    for value in given:
        if not isinstance(value, (numbers.Real, np.bool_)):
            raise InputError(
                f"{what} holds a {type(value).__name__} ({str(value)[:30]}); it must hold numbers, or text "
                "for "
                "categories, and every row needs the same shape."
            )
    kinds: tuple[tuple[Any, Any], ...] = (
        ((bool, np.bool_), np.uint8),
        ((numbers.Integral, np.bool_), np.int64),
    )
    dtype = next((d for kind, d in kinds if given and all(isinstance(v, kind) for v in given)), np.float64)
    try:
        filled = np.zeros(len(flat), dtype=dtype)
        filled[observed] = np.array([dtype(value) for value in given], dtype=dtype)
    except OverflowError:
        raise InputError(f"{what} holds a whole number too large for 64 bits; rescale it.") from None
    return Column(filled.reshape(values.shape), observed.reshape(values.shape))


def _codes(what: str, text: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the codes of some text and the sorted names they stand for."""
    names, codes = np.unique(np.array([str(value) for value in text], dtype=object), return_inverse=True)
    for name in names:
        if _NUMBER.fullmatch(name) or name.lower() in ("nan", "<na>"):
            raise InputError(
                f"{what} holds the text {name!r}, which looks like a number or a missing value; convert it "
                "to numbers "
                "(pandas.to_numeric, .astype(float)) and put NaN or None where a value is missing."
            )
    return codes.reshape(-1).astype(np.int64), tuple(names)


def from_series(what: str, series: Any) -> Column:
    """Turn one pandas column of any type into numbers or codes (N,).

    Raises:
        InputError: dates, complex numbers, or mixed objects.
    """
    dtype: Any = series.dtype
    if is_a(dtype, "pandas.CategoricalDtype"):
        codes = series.cat.codes.to_numpy().astype(np.int64)
        names = tuple(str(name) for name in dtype.categories)
        return Column(np.maximum(codes, 0), codes >= 0, names, declared=True)
    if is_a(dtype, "pandas.SparseDtype"):
        return from_array(what, np.asarray(series))
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return from_array(what, series.to_numpy())
    if getattr(dtype, "kind", "O") in "iufb":  # Int64, Float32, boolean: they have a mask of their own
        observed = series.notna().to_numpy(dtype=bool)
        plain: np.dtype = getattr(dtype, "numpy_dtype")  # noqa: B009
        column = from_array(what, series.fillna(0).to_numpy(dtype=plain))
        return Column(column.values, observed & ~np.isnan(column.values))
    if getattr(dtype, "kind", "O") in "Mm":
        raise InputError(f"{what} holds {dtype}; dates and durations must be turned into numbers first.")
    return from_objects(what, series.to_numpy(dtype=object))


def from_array(what: str, values: np.ndarray) -> Column:
    """Turn a numpy array of any type into numbers or codes, shape kept.

    Raises:
        InputError: complex numbers, dates, records, or mixed objects.

    Example:
        >>> import numpy as np
        >>> from_array("a", np.array([True, False])).values
        array([1, 0], dtype=uint8)
    """
    observed = None
    if isinstance(values, np.ma.MaskedArray):
        observed = ~np.ma.getmaskarray(values)
        values = values.filled(values.dtype.type(0)) if values.dtype.kind in "iufb" else values.filled()
    if values.dtype.kind == "b":
        return Column(values.astype(np.uint8), observed)
    if values.dtype.kind in "iu":
        return Column(values, observed)
    if values.dtype.kind == "f":
        wide = values.dtype.itemsize > 8
        return Column(values.astype(np.float64) if wide else values, observed)
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{what} holds bytes that are not text; give numbers or str.") from None
    if values.dtype.kind in "UTO":
        column = from_objects(what, values.astype(object))
        if observed is not None and column.observed is not None:
            column = Column(column.values, column.observed & observed, column.categories)
        return column
    raise InputError(
        f"{what} has dtype {values.dtype}; allowed are floats, whole numbers, bool and text (categories). "
        "Split complex "
        "numbers into real and imaginary parts, turn dates into numbers, take records apart."
    )


def from_frame(what: str, frame: Any) -> Column:
    """Turn a DataFrame (N, D) into numbers, or into codes if every column is text or a category.

    Text columns share one list of categories: that of the columns' own type if they agree, else all
    words, sorted.

    Raises:
        InputError: a text column among columns of numbers, or a column that is neither; the column is named.
    """
    dtypes = list(frame.dtypes)
    if len(set(dtypes)) == 1 and isinstance(dtypes[0], np.dtype) and dtypes[0].kind in "iufb":
        return from_array(what, frame.to_numpy())
    labels = list(frame.columns)
    columns = [
        from_series(f"{what}, column {str(label)!r}", frame.iloc[:, i]) for i, label in enumerate(labels)
    ]
    empty = [c.observed is not None and not c.observed.any() and not c.declared for c in columns]
    is_text = [c.categories is not None for c in columns]
    if any(is_text):
        for column, text, nothing, label in zip(columns, is_text, empty, labels, strict=True):
            if not text and not nothing:
                name = labels[is_text.index(True)]
                raise InputError(
                    f"{what}: column {str(name)!r} holds text, column {str(label)!r} holds numbers "
                    f"({column.values.dtype}); "
                    "convert the text to numbers, or give it as a modality (or labels) of its own."
                )
        return _shared_codes([c for c in columns])
    observed = [np.ones(c.values.shape, dtype=bool) if c.observed is None else c.observed for c in columns]
    dtype = np.result_type(
        *(c.values.dtype for c, nothing in zip(columns, empty, strict=True) if not nothing or all(empty))
    )
    return Column(np.stack([c.values.astype(dtype) for c in columns], axis=1), np.stack(observed, axis=1))


def _shared_codes(columns: list[Column]) -> Column:
    """Put columns of codes side by side under one list of categories."""
    lists = {c.categories for c in columns if c.categories is not None}
    agreed = len(lists) == 1
    names = next(iter(lists)) if agreed else tuple(sorted({name for one in lists for name in one}))
    place = {name: i for i, name in enumerate(names)}
    values, observed = [], []
    for column in columns:
        old = column.categories or ("",)
        table = np.array([place.get(name, 0) for name in old], dtype=np.int64)
        values.append(
            table[column.values] if column.categories else np.zeros(len(column.values), dtype=np.int64)
        )
        observed.append(
            np.ones(len(column.values), dtype=bool) if column.observed is None else column.observed
        )
    return Column(np.stack(values, axis=1), np.stack(observed, axis=1), names)
