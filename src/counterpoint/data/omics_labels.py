"""Columns of `obs` as labels: those of all modalities, merged by name."""

from typing import Any

import numpy as np


def labels_of(found: Any, modalities: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the columns of `obs` as labels in the order of the cells, name -> (N,).

    Columns of one name are one label where they say the same of every cell that both know. A modality that
    says something else keeps its own, named `MODALITY:COLUMN`. Text and categories come as text, None where
    missing; numbers as numbers, NaN where missing.

    Args:
        found: AnnData, or MuData whose cells the rows are.
        modalities: name -> AnnData, those of a MuData; none for an AnnData.
    """
    own = {str(column): _values(found.obs[column]) for column in found.obs.columns}
    theirs: dict[str, dict[str, np.ndarray]] = {}
    for name, adata in modalities.items():
        position = adata.obs_names.get_indexer(found.obs_names)
        for column in adata.obs.columns:
            values = _values(adata.obs[column])
            spread = np.full(len(position), None, dtype=object)
            spread[position >= 0] = values[position[position >= 0]]
            theirs.setdefault(str(column), {})[name] = spread
    merged: dict[str, np.ndarray] = {}
    for column, values in own.items():
        name, _, rest = column.partition(":")  # mudata copies a modality's columns under this name
        copied = theirs.get(rest, {}).get(name)
        if copied is None or not _agree(values, copied):
            merged[column] = values
    for column, by_modality in theirs.items():
        merged |= _merge(column, merged.get(column), by_modality)
    return {column: _typed(values) for column, values in merged.items()}


def _merge(column: str, own: np.ndarray | None, each: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Merge what the modalities say under one name; what contradicts gets the modality as prefix."""
    one, apart = own, {}
    for name, values in each.items():
        if one is None:
            one = values
        elif _agree(one, values):
            one = np.where(_known(one), one, values)
        else:
            apart[f"{name}:{column}"] = values
    if own is None and apart:
        return {f"{name}:{column}": values for name, values in each.items()}
    return apart if one is None else {column: one, **apart}


def _values(series: Any) -> np.ndarray:
    """Return a column as objects: text, numbers or bools, None where it has nothing."""
    values = series.astype(object).to_numpy(dtype=object, copy=True)
    values[series.isna().to_numpy(dtype=bool)] = None
    if series.dtype.kind not in "iufb":  # text, categories (of numbers too) and dates
        values[:] = [None if value is None else str(value) for value in values]
    return values


def _known(values: np.ndarray) -> np.ndarray:
    """Return which entries say something."""
    return np.array([value is not None for value in values], dtype=bool)


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two columns say the same wherever both say something."""
    both = _known(a) & _known(b)
    return all(type(x) is type(y) and x == y for x, y in zip(a[both], b[both], strict=True))


def _typed(values: np.ndarray) -> np.ndarray:
    """Return a column in the narrowest type: bool, whole numbers, floats with NaN, text, text with None."""
    known = _known(values)
    given = list(values[known])
    if any(isinstance(value, str) for value in given) or not given:
        return values.astype(str) if given and known.all() else values
    if known.all() and all(isinstance(value, (bool, np.bool_)) for value in given):
        return values.astype(bool)
    if known.all() and all(isinstance(value, (int, np.integer)) for value in given):
        return values.astype(np.int64)
    typed = np.full(len(values), np.nan)
    typed[known] = np.array(given, dtype=np.float64)
    return typed
