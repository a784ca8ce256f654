"""What stands in the brackets of rows."""

from typing import Any

import numpy as np

from counterpoint.errors import InputError


def row_index(index: Any, rows: int) -> Any:
    """Turn what stands in the brackets of so many rows into a slice or an array of row numbers.

    Raises:
        InputError: no rows, or rows that are not there; an `IndexError` for one row that is not there.

    Example:
        >>> row_index([True, False], 2), row_index(slice(1), 2)
        (array([ True, False]), slice(None, 1, None))
    """
    if isinstance(index, tuple):  # scikit-learn writes data[rows, ...]
        if len(index) != 2 or index[1] is not Ellipsis:
            raise InputError(
                "The index has several parts; data[rows] chooses rows, data.select(names) modalities."
            )
        index = index[0]
    if isinstance(index, slice):
        return index
    if isinstance(index, str):
        raise InputError(
            f"data[{index!r}]: rows are chosen here; write data.x[{index!r}] or data.select([{index!r}])."
        )
    if hasattr(index, "__index__") and np.ndim(index) == 0 and not isinstance(index, (bool, np.bool_)):
        if not -rows <= int(index) < rows:
            raise IndexError(f"row {int(index)} of {rows} rows")  # ends `for row in data`
        return np.array([int(index)])
    chosen = np.asarray(index)
    if chosen.size == 0 and chosen.dtype != bool:
        chosen = chosen.astype(np.intp)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
        raise InputError(
            f"The index is {chosen.dtype} of shape {chosen.shape}; give row numbers, a slice or bools."
        )
    if chosen.dtype == bool and len(chosen) != rows:
        raise InputError(f"The index has {len(chosen)} bools for {rows} rows; it needs one per row.")
    outside = chosen.size and not (-rows <= chosen.min() and chosen.max() < rows)
    if chosen.dtype != bool and outside:
        raise InputError(f"The index asks for rows {chosen.min()} to {chosen.max()}; there are {rows} rows.")
    return chosen
