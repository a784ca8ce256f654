"""`read`: from a dict of arrays, a table, a file or a folder to `MultimodalData`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from counterpoint.data.columns import is_a, is_sparse, named_index
from counterpoint.data.multimodal import MultimodalData, check_names, unequal
from counterpoint.data.rows import common_rows, to_label
from counterpoint.data.values import check_name, to_values
from counterpoint.errors import InputError, choose, nearest

__all__ = ["MultimodalData", "assemble", "read"]


def read(
    source: Any,
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    groups: Mapping[str, Iterable[Any]] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    unobserved: str = "refuse",
) -> MultimodalData:
    """Read several modalities of the same rows; what is missing becomes a mask, no row is dropped.

    Args:
        source: name -> (N, *event) as numpy array, DataFrame, Series, torch tensor or nested list; a
            DataFrame with two levels of columns (modality, feature) or with `groups`; a path to `.npz`,
            `.csv`, `.tsv` or a folder; or `MultimodalData`. NaN is a missing value.
            DataFrames whose indexes name their rows are joined by them.
        modalities: which to take, in this order; None takes all.
        mask: name -> bool, (N,) or (N, *event), True where observed, for data that cannot hold NaN.
        groups: modality -> columns of one DataFrame; columns in no group are left out.
        labels: names of entries (or columns) that are labels, or name -> (N, ...) of labels.
        unobserved: "refuse" a modality that no row has (training), or "keep" it (asking a fitted model).

    Raises:
        InputError: anything that cannot be read; says what was given, what is allowed and what to do.

    Example:
        >>> import numpy as np
        >>> source = {"gene": np.ones((4, 3)), "lipid": [[1.0], [2.0], [np.nan], [4.0]]}
        >>> data = read(source, labels={"diet": [0, 0, 1, 1]})
        >>> data
        MultimodalData(4 rows; gene (3,), lipid (1,))
        >>> data.mask["lipid"]
        array([ True,  True, False,  True])
    """
    if mask is not None and not isinstance(mask, Mapping):
        raise InputError(f"mask is a {type(mask).__name__}; give a dict, name of a modality -> bool array.")
    if isinstance(source, (str, PathLike)):
        from counterpoint.data.files import read_path

        return read_path(
            source, modalities=modalities, mask=mask, groups=groups, labels=labels, unobserved=unobserved
        )
    if isinstance(source, MultimodalData):
        return _again(source, modalities, mask, groups, labels)
    if is_a(source, "pandas.DataFrame"):
        source, labels = split_frame(source, groups, labels)
    elif groups is not None:
        raise InputError(
            f"groups is for one DataFrame; the data are a {type(source).__name__}, which has its names."
        )
    if not isinstance(source, Mapping):
        hint = " Name it: {'name': array}." if hasattr(source, "shape") and not is_sparse(source) else ""
        raise InputError(
            f"The data are a {type(source).__name__}; give a dict of arrays by modality, a DataFrame, a "
            "path or "
            f"MultimodalData.{hint}"
        )
    return assemble(source, modalities=modalities, mask=mask, labels=labels, unobserved=unobserved)


def assemble(
    source: Mapping[Any, Any],
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    features: Mapping[str, tuple[str, ...]] | None = None,
    unobserved: str = "refuse",
) -> MultimodalData:
    """Put a dict of modalities together; `read` describes the arguments.

    Example:
        >>> assemble({"a": [[1.0], [2.0]]}, features={"a": ("age",)}).features
        {'a': ('age',)}
    """
    source, kept = _take_labels(source, labels)
    if not source:
        raise InputError("The data hold no modality; give a dict with at least one, such as {'rna': array}.")
    for name in source:
        check_name(name)
    for name in mask or {}:
        choose("mask: modality", name, source)
    names = list(source) if modalities is None else check_names("modalities", modalities, source)
    values = {
        name: to_values(name, source[name], (mask or {}).get(name), (features or {}).get(name))
        for name in names
    }
    for name, one in values.items():
        if unobserved == "refuse" and not one.mask.any():
            raise InputError(
                f"modality {name!r} is never observed: every value is missing or masked. Leave it out."
            )
    values, index = common_rows(values)
    lengths = {name: len(one.x) for name, one in values.items()}
    if len(set(lengths.values())) > 1:
        raise unequal(lengths)
    rows = next(iter(lengths.values()))
    return MultimodalData(
        x={name: one.x for name, one in values.items()},
        mask={name: one.mask for name, one in values.items()},
        features={name: one.features for name, one in values.items()},
        rows=None if index is None else tuple(str(row) for row in index),
        labels={name: to_label(name, label, rows, index) for name, label in kept.items()},
        categories={name: one.categories for name, one in values.items()},
    )


def _take_labels(source: Mapping[Any, Any], labels: Any) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Part the entries of a source into modalities and labels."""
    source = dict(source)
    if labels is None:
        return source, {}
    if isinstance(labels, Mapping):
        for name in labels:
            if check_name(name) in source:
                raise InputError(f"{name!r} names both a modality and a label; rename one of them.")
        return source, dict(labels)
    if (
        is_a(labels, "numpy.ndarray", "pandas.Series", "torch.Tensor")
        and np.asarray(labels).dtype.kind not in "UOT"
    ):
        raise InputError("labels is an array; name it: labels={'class': array}, or give names of entries.")
    kept: dict[str, Any] = {}
    for name in check_names("labels", labels, [n for n in source if isinstance(n, str)]):
        value = source.pop(name)
        if is_a(value, "pandas.DataFrame") and value.shape[1] > 1:
            kept |= {str(column): value.iloc[:, i] for i, column in enumerate(value.columns)}
        else:
            kept[name] = value
    return source, kept


def _again(data: MultimodalData, modalities: Any, mask: Any, groups: Any, labels: Any) -> MultimodalData:
    """Apply the options of `read` to data that were read before."""
    if groups is not None:
        raise InputError(
            "groups is for one DataFrame; the data are MultimodalData, which has its modalities."
        )
    if mask is not None:
        data = data.with_mask(mask)
    if labels is None:
        return data if modalities is None else data.select(modalities)
    kept: dict[str, Any]
    if isinstance(labels, Mapping):
        kept = _take_labels(data.x, labels)[1]
    else:
        wanted = check_names("labels", labels, [*data.labels, *data.x])
        kept = {name: _plain_label(data, name) for name in wanted if name in data.x}
    left = [name for name in data.names if name not in kept]
    if not left:
        raise InputError("Every modality is named in labels; leave at least one to be modelled.")
    names = left if modalities is None else check_names("modalities", modalities, left)
    index = None
    if data.rows is not None and any(named_index(label) is not None for label in kept.values()):
        import pandas as pd

        index = pd.Index(data.rows)
        kept = {n: k if named_index(k) is None else k.set_axis(k.index.map(str)) for n, k in kept.items()}
    added = {name: to_label(name, label, len(data), index) for name, label in kept.items()}
    return replace(data.select(names), labels={**data.labels, **added})


def _plain_label(data: MultimodalData, name: str) -> np.ndarray:
    """Return a modality as a label: the names of its categories, if it has them, instead of codes."""
    names = data.categories[name]
    return data.x[name] if names is None else np.array(names)[data.x[name]]


def split_frame(frame: Any, groups: Any, labels: Any) -> tuple[dict[Any, Any], Any]:
    """Part one DataFrame into modalities by `groups` or by the first level of its columns; and its labels.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"g1": [1.0, 2.0], "g2": [3.0, 4.0], "p": [5.0, 6.0]})
        >>> parts, _ = split_frame(frame, {"gene": ["g1", "g2"], "protein": ["p"]}, None)
        >>> list(parts), parts["gene"].shape
        (['gene', 'protein'], (2, 2))
    """
    if getattr(frame.columns, "nlevels", 1) > 1:
        if groups is not None:
            raise InputError(
                "groups is given for a DataFrame whose columns have levels; give one or the other."
            )
        first = frame.columns.get_level_values(0)
        parts = {}
        for name in dict.fromkeys(first):
            parts[name] = frame.loc[:, first == name]
            parts[name].columns = parts[name].columns.droplevel(0)
        return parts, labels
    columns = list(frame.columns)
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(
            f"groups is {groups!r}; a DataFrame with {len(columns)} columns needs "
            f"groups={{'modality': [columns], ...}}, or "
            "columns of two levels (modality, feature)."
        )
    owner: dict[Any, str] = {}
    counts, place = Counter(columns), {column: i for i, column in enumerate(columns)}
    parts: dict[Any, Any] = {}
    for name, chosen in groups.items():
        check_name(name)
        if isinstance(chosen, (str, bytes)) or not isinstance(chosen, Iterable):
            raise InputError(f"groups[{name!r}] is {chosen!r}; give a list of columns.")
        chosen = list(chosen)
        if not chosen:
            raise InputError(f"groups[{name!r}] is empty; give it at least one column, or leave it out.")
        for column in chosen:
            _own_column(owner, name, column, counts)
        parts[name] = frame.iloc[:, [place[column] for column in chosen]]
    asked = labels
    if labels is not None and not isinstance(labels, Mapping):
        asked = {}
        for label in check_names("labels", labels, [c for c in columns if isinstance(c, str)]):
            if label in owner:
                raise InputError(f"Column {label!r} is a label and in group {owner[label]!r}; name it once.")
            asked[label] = frame.iloc[:, place[label]]
    return parts, asked


def _own_column(owner: dict[Any, str], name: str, column: Any, counts: Counter[Any]) -> None:
    """Note that a column belongs to a group, once."""
    if column not in counts:
        columns = list(counts)
        raise InputError(
            f"groups[{name!r}] names the column {column!r}, which the DataFrame does not have; it has "
            f"{len(columns)}, such as "
            f"{', '.join(map(repr, columns[:5]))}.{nearest(str(column), map(str, columns))}"
        )
    if counts[column] > 1:
        raise InputError(
            f"Column {column!r} (groups[{name!r}]) stands in the DataFrame twice; rename one of them."
        )
    if column in owner:
        where = (
            f"twice in group {name!r}"
            if owner[column] == name
            else f"in two groups, {owner[column]!r} and {name!r}"
        )
        raise InputError(f"Column {column!r} is {where}; a column belongs to one modality.")
    owner[column] = name
