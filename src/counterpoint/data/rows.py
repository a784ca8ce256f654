"""Which rows the modalities share: joined by the names that DataFrames give them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoint.data.columns import is_a, is_sparse, named_index
from counterpoint.data.multimodal import unequal
from counterpoint.data.values import Values
from counterpoint.errors import InputError, nearest


def common_rows(values: dict[str, Values], *, by_name: bool = False) -> tuple[dict[str, Values], Any]:
    """Return the modalities on common rows, and the pandas Index of these rows if they have names.

    Modalities that all name their rows are joined: a row is there if any modality has it, in order of first
    appearance, or sorted by name. Otherwise row i is row i.

    Args:
        values: the modalities.
        by_name: sort the rows by their names, so that their order in the tables does not matter.

    Raises:
        InputError: names that are repeated, that only some modalities have, or that never meet.

    Example:
        >>> import pandas as pd
        >>> from counterpoint.data.values import to_values
        >>> a, b = pd.Series([1.0, 2.0], index=["p", "q"]), pd.Series([3.0], index=["q"])
        >>> joined, rows = common_rows({"a": to_values("a", a), "b": to_values("b", b)})
        >>> list(rows), joined["b"].mask
        (['p', 'q'], array([False,  True]))
    """
    named = {name: one.index for name, one in values.items() if one.index is not None}
    if not named:
        return values, None
    first_name, first = next(iter(named.items()))
    others = [name for name, index in named.items() if not first.equals(index)]
    lengths = {name: len(one.x) for name, one in values.items()}
    if not others and len(set(lengths.values())) == 1 and not by_name:
        return values, first
    if len(named) < len(values):
        bare = [name for name in values if name not in named]
        if not others:
            raise unequal(lengths)
        raise InputError(
            f"The rows of {first_name!r} and {others[0]!r} have different names, those of {bare[0]!r} have "
            "none, so they cannot "
            "be matched; give each a DataFrame with an index, or bring all into one order and "
            ".reset_index(drop=True)."
        )
    for name, index in named.items():
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            raise InputError(
                f"The rows of the modalities have different names, and {name!r} names {twice!r} twice, so "
                "they cannot be "
                "matched; make the index unique, or bring all into one order and .reset_index(drop=True)."
            )
    _check_types(named)
    rows = first
    for name in others:
        rows = rows.append(named[name][~named[name].isin(rows)])
    rows = rows.sort_values() if by_name else rows
    return {name: take(one, one.index.get_indexer(rows)) for name, one in values.items()}, rows


def _check_types(named: dict[str, Any]) -> None:
    """Refuse rows named 1, 2 here and "1", "2" there: they would never meet."""
    (first_name, first), *rest = named.items()
    for name, index in rest:
        if not first.isin(index).any() and set(map(str, first)) & set(map(str, index)):
            raise InputError(
                f"The rows of {first_name!r} are named by {first.dtype}, those of {name!r} by "
                f"{index.dtype}, so none meets; give "
                "both indexes the same type: .index = .index.astype(str)."
            )


def take(one: Values, position: np.ndarray) -> Values:
    """Take rows by position; -1 is an absent row.

    Example:
        >>> one = Values(np.array([[5.0]]), np.array([True]))
        >>> take(one, np.array([-1, 0])).mask
        array([False,  True])
    """
    here = position >= 0
    x, mask = one.x[position], one.mask[position]
    x[~here] = 0
    mask[~here] = False
    return Values(x, mask, one.features, one.categories, None)


def to_label(name: str, label: Any, rows: int, index: Any = None) -> np.ndarray:
    """Return a label as an array with one entry per row, matched by name where both have names.

    Raises:
        InputError: too few or too many entries, or rows without a label.

    Example:
        >>> to_label("diet", ["coc", "ref"], 2)
        array(['coc', 'ref'], dtype='<U3')
    """
    own = named_index(label)
    if own is not None and index is not None and not own.equals(index):
        position = own.get_indexer(index) if own.is_unique else np.array([-1])
        if (position < 0).any():
            lack = (
                f"lacks row {str(index[int(np.argmax(position < 0))])!r}"
                if own.is_unique
                else "names rows twice"
            )
            raise InputError(f"Label {name!r} {lack}; it needs one entry for each of the {rows} rows.")
        label = label.iloc[position]
    if is_sparse(label):
        raise InputError(f"Label {name!r} is sparse; pass .toarray().")
    try:
        array = label.numpy(force=True) if is_a(label, "torch.Tensor") else np.asarray(label)
    except (ValueError, TypeError):
        raise InputError(
            f"Label {name!r} is ragged; give an array with one entry for each of the {rows} rows."
        ) from None
    if array.ndim == 0 or len(array) != rows:
        shape = "a single value" if array.ndim == 0 else f"{len(array)} entries"
        raise InputError(f"Label {name!r} has {shape}; it needs one for each of the {rows} rows.")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array.ravel()):
        array = array.astype(str)
    return array


def by_id(what: str, table: Any, column: str) -> Any:
    """Return a table whose rows are named by a column, as text.

    Raises:
        InputError: no table, no such column, a row without an id, or an id that stands there twice.

    Example:
        >>> import pandas as pd
        >>> by_id("rna", pd.DataFrame({"sample": ["s2", "s1"], "g": [1.0, 2.0]}), "sample").index.tolist()
        ['s2', 's1']
    """
    if not isinstance(column, str):
        raise InputError(f"id is {column!r}; give the name of the column that names the rows.")
    if not is_a(table, "pandas.DataFrame"):
        raise InputError(
            f"{what} has no columns ({type(table).__name__}), so it has no id {column!r}; give a table with "
            "that column, or leave id out."
        )
    if column not in table.columns:
        if table.index.name != column:
            columns = [str(name) for name in table.columns]
            raise InputError(
                f"{what} has no column {column!r}; it has {', '.join(columns[:5])}"
                f"{', ...' if len(columns) > 5 else ''}.{nearest(column, columns)}"
            )
        table = table.reset_index()
    ids = table[column]
    if ids.isna().any():
        row = int(np.argmax(ids.isna().to_numpy(dtype=bool)))
        raise InputError(f"{what} has no {column!r} in row {row}; every row needs its id.")
    ids = ids.map(str)
    twice = list(ids[ids.duplicated()].unique())
    if twice:
        listed = ", ".join(map(repr, twice[:5])) + (", ..." if len(twice) > 5 else "")
        raise InputError(
            f"{what} has {len(twice)} ids twice in column {column!r}: {listed}; each names one row, so keep "
            "one of each or average them."
        )
    return table.drop(columns=column).set_axis(ids.to_numpy(dtype=object), axis=0)


def labels_by_id(labels: Any, column: str) -> Any:
    """Return labels by name with their rows named by a column, or by the index of a Series.

    Raises:
        InputError: a label that cannot be matched by id.
    """
    if not isinstance(labels, Mapping):
        return labels
    named = {}
    for name, label in labels.items():
        own = named_index(label) if is_a(label, "pandas.Series") else None
        bare = own is None
        named[name] = by_id(f"label {name!r}", label, column) if bare else label.set_axis(own.map(str))
    return named
