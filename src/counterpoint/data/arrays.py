"""`read`: from a dict of arrays, a table, a file or a folder to `MultimodalData`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from counterpoint.data.backed import refuse
from counterpoint.data.columns import is_a, is_sparse, named_index
from counterpoint.data.groups import split_frame
from counterpoint.data.multimodal import MultimodalData, check_names, unequal
from counterpoint.data.omics import SingleCell, read_omics
from counterpoint.data.omics_files import is_object
from counterpoint.data.rows import by_id, common_rows, labels_by_id, to_label
from counterpoint.data.values import check_name, to_values
from counterpoint.errors import InputError, choose

__all__ = ["MultimodalData", "assemble", "read"]


def read(
    source: Any,
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    groups: Mapping[str, Iterable[Any]] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    unobserved: str = "refuse",
    id: str | None = None,
    layers: Mapping[str, str] | None = None,
    obsm: Mapping[str, str] | None = None,
    features: Mapping[str, Sequence[str]] | None = None,
    features_most: int | None = None,
    memory: float | None = None,
    pair_on: str | Mapping[str, Any] | None = None,
    window: tuple[float, float] | str | None = None,
    bin: float | str | None = None,
    aligned: bool = True,
    backed: bool = False,
) -> MultimodalData:
    """Read several modalities of the same rows; what is missing becomes a mask, no row is dropped.

    Args:
        source: name -> (N, *event) as numpy array, DataFrame, Series, torch tensor or nested list; a
            DataFrame with two levels of columns (modality, feature) or with `groups`; an AnnData or MuData;
            a path to `.h5ad`, `.h5mu`, `.zarr`, `.npz`, a table (`.csv`, `.tsv`, `.parquet`, `.feather`) or
            a folder; or `MultimodalData`. NaN is a missing value.
            DataFrames whose indexes name their rows are joined by them.
        modalities: which to take, in this order; None takes all.
        mask: name -> bool, (N,) or (N, *event), True where observed, for data that cannot hold NaN.
        groups: modality -> columns of one DataFrame; columns in no group are left out.
        labels: names of entries (or columns) that are labels, or name -> (N, ...) of labels.
        unobserved: "refuse" a modality that no row has (training), or "keep" it (asking a fitted model).
        id: column of every table that names its rows, as text. Tables are joined by it, never by position,
            and the rows are sorted by it, so that neither the order in the tables nor where they lack an id
            decides about a fit.
        layers: modality -> layer of its AnnData (or `X`, `raw`); raw counts are looked for unless given: in
            `.X`, `layers["counts"]`, `.raw.X`.
        obsm: name of a further modality -> key of an AnnData's `obsm`, a DataFrame or an array.
        features: modality -> the columns of an AnnData or MuData that are taken, in this order.
        features_most: of more columns of an AnnData or MuData those of largest variance; 20,000 unless given.
        memory: GiB that its dense tables may take; half of what the machine has left unless given. With
            `backed` what a fit may hold of the rows at once; 0.5 unless given.
        pair_on: what sessions share that have no rows in common: session -> the condition of each of its
            trials, for a dict of trials; or the name of that label in the sessions' files (a list of `.npz`,
            a folder of them, or name -> file or arrays), see `data.session_files`.
        window: of the sessions' trials, from and to in seconds or as `"250:500ms"`; all unless given.
        bin: width in seconds or as `"10ms"`: every bin of a trial becomes a row, rows of a trial a block.
        aligned: whether bins are paired at the same time of the trial alone.
        backed: leave the values of a `.h5ad`, `.h5mu`, `.zarr` or folder of `.npy` in the file and return a
            `data.backed.Backed`, which `fit` trains from and which reads the rows that are asked for.

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
    cells = SingleCell(layers, obsm, features, features_most, memory)
    if pair_on is not None or window is not None or bin is not None:
        from counterpoint.data.session_files import read_sessions

        _no("sessions", mask=mask, groups=groups, labels=labels, id=id, backed=backed or None)
        cells.refuse("of sessions")
        return read_sessions(source, pair_on, window=window, bin=bin, aligned=aligned, modalities=modalities)
    refuse(source, "this")
    how: dict[str, Any] = {"modalities": modalities, "labels": labels, "unobserved": unobserved}
    if backed:
        from counterpoint.data.backed_files import read_backed

        _no("left in their file", mask=mask, groups=groups, id=id)
        # A Backed has MultimodalData's names, labels and indexing; where that is not enough `refuse` says so.
        return read_backed(source, cells, **how)  # type: ignore[return-value]
    if isinstance(source, (str, PathLike)):
        from counterpoint.data.files import read_path

        return read_path(source, mask=mask, groups=groups, id=id, cells=cells, **how)
    if is_object(source):
        _no(f"{type(source).__name__}, which names its rows and columns", groups=groups, id=id)
        return read_omics(source, cells, mask=mask, **how)
    cells.refuse(f"a {type(source).__name__}")
    if isinstance(source, MultimodalData):
        _no("MultimodalData, whose rows are joined already", id=id)
        return _again(source, modalities, mask, groups, labels)
    source, labels = _tables(source, groups, labels, id)
    return assemble(
        source,
        modalities=modalities,
        mask=mask,
        labels=labels,
        unobserved=unobserved,
        by_name=id is not None,
    )


def _tables(source: Any, groups: Any, labels: Any, id: str | None) -> tuple[Mapping[Any, Any], Any]:
    """Return modality -> what the user gave for it, and the labels; rows named by the column `id`."""
    labels = labels if id is None else labels_by_id(labels, id)
    if frame := is_a(source, "pandas.DataFrame"):
        source = source if id is None else by_id("the table", source, id)
        source, labels = split_frame(source, groups, labels)
    elif groups is not None:
        raise InputError(
            f"groups is for one DataFrame; the data are a {type(source).__name__}, which has its names."
        )
    if not isinstance(source, Mapping):
        hint = " Name it: {'name': array}." if hasattr(source, "shape") and not is_sparse(source) else ""
        if isinstance(source, (list, tuple)) and all(isinstance(one, (str, PathLike)) for one in source):
            hint = " Several files are sessions: say what these share with pair_on=LABEL."
        raise InputError(
            f"The data are a {type(source).__name__}; give a dict of arrays by modality, a DataFrame, a "
            "path or "
            f"MultimodalData.{hint}"
        )
    if id is not None and not frame:
        source = {name: by_id(repr(name), table, id) for name, table in source.items()}
    return source, labels


def _no(what: str, **options: Any) -> None:
    """Refuse options that the data have no use for."""
    for name, given in options.items():
        if given is not None:
            raise InputError(f"{name} is for tables; the data are {what}. Leave it out.")


def assemble(
    source: Mapping[Any, Any],
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    features: Mapping[str, tuple[str, ...]] | None = None,
    unobserved: str = "refuse",
    by_name: bool = False,
) -> MultimodalData:
    """Put a dict of modalities together; `read` describes the arguments, `by_name` sorts the rows.

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
    values, index = common_rows(values, by_name=by_name)
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
