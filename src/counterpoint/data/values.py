"""The values of one modality: checked, without NaN, with their mask."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.data.columns import (
    Column,
    from_array,
    from_frame,
    from_series,
    is_a,
    is_sparse,
    named_index,
)
from counterpoint.data.multimodal import check_mask, expand
from counterpoint.errors import InputError


@dataclass(frozen=True)
class Values:
    """One modality: `x` (N, *event) without NaN, `mask`, names of columns, codes and rows."""

    x: np.ndarray
    mask: np.ndarray
    features: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    index: Any = None  # a pandas Index that names the rows


def check_name(name: object) -> str:
    """Return the name of a modality: one line of text without a slash, not empty.

    Example:
        >>> check_name("items")
        'items'
        >>> check_name("a/b")
        Traceback (most recent call last):
        counterpoint.errors.InputError: 'a/b' cannot name a modality; a name is one line of text without '/'.
    """
    if not isinstance(name, str):
        raise InputError(
            f"{name!r} ({type(name).__name__}) cannot name a modality; names are text, such as '{name}'."
        )
    if not name.strip() or "/" in name or not name.isprintable():
        raise InputError(f"{name!r} cannot name a modality; a name is one line of text without '/'.")
    return name


def place(bad: np.ndarray, features: tuple[str, ...] | None = None) -> str:
    """Say where the first True of a bool array (N, *event) is; rows count from 0.

    Example:
        >>> import numpy as np
        >>> place(np.array([[False, False], [False, True]]), ("age", "weight"))
        "row 1, column 'weight'"
    """
    row, *rest = (int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    if len(rest) == 1:
        return f"row {row}, column {rest[0] if features is None else repr(features[rest[0]])}"
    return f"row {row}, position {tuple(rest)}"


def to_values(name: str, value: Any, mask: Any = None, features: tuple[str, ...] | None = None) -> Values:
    """Turn what a user gives for one modality into its values and mask.

    Args:
        name: the modality, for the messages.
        value: numpy array, DataFrame, Series, torch tensor or nested list; (N,) becomes (N, 1).
        mask: bool (N,) or the shape of the values, True where observed; what is hidden may be anything.
        features: names of the columns, where the value itself does not know them.

    Raises:
        InputError: no numbers, not finite, no rows or columns, a mask that does not fit.

    Example:
        >>> import numpy as np
        >>> values = to_values("a", [[1.0, float("nan")], [3.0, 4.0]])
        >>> values.x.tolist(), values.mask.tolist()
        ([[1.0, 0.0], [3.0, 4.0]], [[True, False], [True, True]])
    """
    what = f"modality {name!r}"
    column = _column(what, value)
    features = _features(value) if features is None else features
    x, observed = column.values, column.observed
    if x.ndim == 0:
        raise InputError(f"{what} is the single value {x}; give an array with one row per thing measured.")
    if x.ndim == 1:
        x, observed = x[:, None], None if observed is None else observed[:, None]
    if len(x) == 0 or x.size == 0:
        lack = "rows" if len(x) == 0 else "features"
        raise InputError(
            f"{what} has no {lack} (shape {x.shape}); it needs at least one row and one feature."
        )
    allowed = _given_mask(name, mask, value, x.shape)
    x, seen = _clean(what, x, observed, allowed, features)
    return Values(x, seen, features, column.categories, named_index(value))


def _column(what: str, value: Any) -> Column:
    """Recognise what the user gave, without importing pandas or torch."""
    if is_sparse(value):
        raise InputError(
            f"{what} is sparse ({type(value).__name__}); pass .toarray() (.to_dense() in torch); sparse "
            "tables come later."
        )
    if is_a(value, "pandas.DataFrame"):
        if value.shape[1] == 0:
            raise InputError(f"{what} has no features (shape {value.shape}); it needs at least one column.")
        return from_frame(what, value)
    if is_a(value, "pandas.Series"):
        return from_series(what, value)
    if is_a(value, "torch.Tensor"):
        try:
            return from_array(what, value.numpy(force=True))
        except TypeError:  # bfloat16 and smaller floats, which numpy does not have
            return from_array(what, value.float().numpy(force=True))
    if isinstance(value, np.ndarray):
        return from_array(what, value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
            mixed = array.dtype.kind == "U" and isinstance(value, (list, tuple))
            return from_array(what, np.array(value, dtype=object) if mixed else array)
        except InputError:
            raise
        except (ValueError, TypeError, RuntimeError):
            raise InputError(
                f"{what} is a list whose rows differ in length or type; every row needs the same shape."
            ) from None
    raise InputError(
        f"{what} is {value!r:.40} ({type(value).__name__}); give a numpy array, DataFrame, Series, torch "
        "tensor or nested "
        "list, or leave the modality out."
    )


def _features(value: Any) -> tuple[str, ...] | None:
    """Return the names of a table's columns, or None where they are only counted."""
    if is_a(value, "pandas.Series"):
        return None if value.name is None else (str(value.name),)
    if not is_a(value, "pandas.DataFrame") or is_a(value.columns, "pandas.RangeIndex"):
        return None
    return tuple(":".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in value.columns)


def _given_mask(name: str, mask: Any, value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Check the mask that the user gave for a modality."""
    if mask is None:
        return None
    tables = ("pandas.DataFrame", "pandas.Series")
    if is_a(mask, *tables) and is_a(value, *tables) and not mask.index.equals(value.index):
        raise InputError(
            f"mask[{name!r}] names other rows than the modality, or in another order; give it the same index."
        )
    return check_mask(name, mask, shape)


def _clean(
    what: str,
    x: np.ndarray,
    observed: np.ndarray | None,
    allowed: np.ndarray | None,
    features: tuple[str, ...] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Put 0 where nothing is observed; the mask becomes (N,) if rows are missing as a whole."""
    floats = x.dtype.kind == "f"
    whole = (
        observed is None
        and (allowed is None or allowed.ndim == 1)
        and not (floats and not np.isfinite(x).all())
    )
    if whole:
        seen = np.ones(len(x), dtype=bool) if allowed is None else allowed.copy()
        return (x if seen.all() else np.where(expand(seen, x.shape), x, x.dtype.type(0))), seen
    hidden = np.zeros(x.shape, dtype=bool) if allowed is None else ~expand(allowed, x.shape)
    missing = np.zeros(x.shape, dtype=bool) if observed is None else ~observed
    if floats:
        infinite = np.isinf(x) & ~hidden & ~missing
        if infinite.any():
            raise InputError(
                f"{what} holds {x[infinite][0]} in {place(infinite, features)} ({int(infinite.sum())} in "
                "all); values must be "
                "finite: put NaN where a value is missing."
            )
        missing |= np.isnan(x)
    if allowed is not None and (missing & ~hidden).any():
        raise InputError(
            f"{what} has no value in {place(missing & ~hidden, features)}, but its mask says that it is "
            "observed; set the mask "
            "to False there, or leave the mask out: NaN is one by itself."
        )
    seen = ~(hidden | missing)
    x = np.where(seen, x, x.dtype.type(0))
    flat = seen.reshape(len(seen), -1)
    rows = np.logical_and.reduce(flat, axis=1)
    return x, (rows if bool((rows | ~flat.any(axis=1)).all()) else seen)
