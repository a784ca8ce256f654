"""Which matrix of an AnnData holds the counts, which columns are taken, and whether they fit into memory."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.columns import is_sparse
from counterpoint.errors import InputError, choose, nearest

CHUNK = 1024  # columns, or rows, that are looked at together
GIB = 2**30


@dataclass(frozen=True)
class Matrix:
    """A table of cells and features as it is stored, with what is said about it.

    Attributes:
        values: (N, D), dense or sparse.
        features: names of its D columns, or None.
        columns: the columns that are taken, or None for all.
        note: where it comes from, and what was left out.
        origin: where it comes from, as `read` is told of it: a layer, or a key of `obsm`.
        counts: whether all of it is known to be counts.
    """

    values: Any
    features: tuple[str, ...] | None
    columns: np.ndarray | None
    note: str
    origin: dict[str, str] | None = None
    counts: bool = False

    @property
    def width(self) -> int:
        """How many columns are taken."""
        return self.values.shape[1] if self.columns is None else len(self.columns)

    def taken(self) -> tuple[str, ...] | None:
        """Return the names of the columns that are taken."""
        if self.features is None or self.columns is None:
            return self.features
        return tuple(self.features[i] for i in self.columns)

    def dense(self) -> np.ndarray:
        """Return the taken columns, (N, D) int32 if all are whole numbers of at least 0, else float32."""
        x = self.values if self.columns is None else self.values[:, self.columns]
        whole = self.counts or is_counts(x)
        whole = whole and not (x.dtype.kind == "f" and np.isnan(_stored(x)).any())
        large = whole and _stored(x).max(initial=0) > np.iinfo(np.int32).max
        x = x.astype(np.int64 if large else np.int32 if whole else np.float32)
        return np.ascontiguousarray(x.toarray() if is_sparse(x) else x)


def is_counts(x: Any) -> bool:
    """Tell whether all values, but those that are NaN, are whole numbers of at least 0.

    Example:
        >>> is_counts(np.array([[0.0, 3.0], [np.nan, 1.0]])), is_counts(np.array([[0.5]]))
        (True, False)
    """
    stored = _stored(x)
    for start in range(0, len(stored), CHUNK):
        part = stored[start : start + CHUNK]
        if part.dtype.kind == "f":
            part = part[~np.isnan(part)]
            if not (np.isfinite(part).all() and (part == np.rint(part)).all()):
                return False
        elif part.dtype.kind not in "iub":
            return False
        if part.size and part.dtype.kind != "b" and part.min() < 0:
            return False
    return True


def _stored(x: Any) -> np.ndarray:
    """Return the values that are stored: all of a dense table, those that are not 0 of a sparse one."""
    return x.data if is_sparse(x) else x


def plain(x: Any) -> Any:
    """Return a table as numpy or scipy holds it in memory."""
    x = x.compute() if hasattr(x, "compute") else x  # dask
    return x if is_sparse(x) else np.asarray(x)


def find(name: str, adata: Any, layer: str | None) -> Matrix:
    """Return the table of counts of an AnnData, or the one that is named.

    Counts are whole numbers of at least 0: `.X` if it holds them, else `layers['counts']`, else `.raw.X`;
    if none does, `.X` as real values.

    Raises:
        InputError: no such layer, or no table at all.
    """
    features = tuple(str(n) for n in adata.var_names)
    if layer is not None:
        raw = () if adata.raw is None else ("raw",)
        key = choose(f"layers[{name!r}]", layer, ("X", *adata.layers, *raw))
        x = _table(adata, key)
        if x is None:
            raise InputError(
                f"modality {name!r} has nothing in {key!r} for its own features; name another layer."
            )
        return _found(x, features, key, is_counts(x))
    for key in ("X", "counts", "raw"):
        x = _table(adata, key)
        if x is not None and is_counts(x):
            return _found(x, features, key, True)
    x = _table(adata, "X")
    if x is None:
        raise InputError(
            f"modality {name!r} has no .X, and no counts in layers['counts'] or .raw; its layers are "
            f"{', '.join(adata.layers) or 'none'}. Name one: layers={{{name!r}: LAYER}}."
        )
    return _found(x, features, "X", False, ", no raw counts were found")


def _table(adata: Any, key: str) -> Any:
    """Return `.X`, `.raw.X` or a layer, or None if it is not there."""
    if key == "X":
        return None if adata.X is None else plain(adata.X)
    if key in adata.layers:
        return plain(adata.layers[key])
    return _raw(adata) if key == "raw" else None


def _found(x: Any, features: tuple[str, ...], key: str, counts: bool, more: str = "") -> Matrix:
    """Return a table with what is said of it."""
    where = {"X": ".X", "raw": ".raw.X"}.get(key, f"layers[{key!r}]")
    note = f"{'raw counts' if counts else 'real values'} ({where}){more}"
    return Matrix(x, features, None, note, {"layer": key}, counts)


def _raw(adata: Any) -> Any:
    """Return the columns of `.raw.X` that the AnnData has itself, or None if it lacks one."""
    if adata.raw is None:
        return None
    names, own = adata.raw.var_names, adata.var_names
    if names.equals(own):
        return plain(adata.raw.X)
    if not (names.is_unique and own.is_unique):
        return None
    columns = names.get_indexer(own)
    return None if (columns < 0).any() else plain(adata.raw.X)[:, columns]


def chosen(name: str, matrix: Matrix, wanted: Any, most: int) -> Matrix:
    """Return the matrix with the columns that are wanted by name, or at most so many, those that vary most.

    Raises:
        InputError: a wanted column is not there, or its name stands there twice.
    """
    if wanted is not None:
        return replace(matrix, columns=by_name(name, matrix, tuple(wanted)))
    width = matrix.values.shape[1]
    if width <= most:
        return matrix
    order = np.argsort(-variance(matrix.values), kind="stable")[:most]
    note = f"{matrix.note}; {width} features, the {most} of largest variance are used"
    return replace(matrix, columns=np.sort(order), note=note)


def by_name(name: str, matrix: Matrix, wanted: tuple[str, ...]) -> np.ndarray | None:
    """Return where the wanted columns are; None if they are all there are, in order."""
    if wanted == matrix.features:
        return None
    if matrix.features is None:
        raise InputError(f"features names columns of {name!r}, which has no names; give it var_names.")
    place = {feature: i for i, feature in enumerate(matrix.features)}
    lacks = [feature for feature in wanted if feature not in place]
    if lacks:
        raise InputError(
            f"modality {name!r} lacks {len(lacks)} of the {len(wanted)} features that are wanted, such as "
            f"{', '.join(map(repr, lacks[:5]))}.{nearest(lacks[0], matrix.features)} A feature that was not "
            "measured cannot be read; add its column, NaN where it is missing."
        )
    if len(place) < len(matrix.features):
        raise InputError(
            f"modality {name!r} has feature names that stand there twice, so they cannot be matched; "
            "call .var_names_make_unique()."
        )
    return np.array([place[feature] for feature in wanted])


def variance(x: Any) -> np.ndarray:
    """Return the variance of every column over the values that are not NaN, (D,) float64.

    Example:
        >>> variance(np.array([[1.0, 2.0], [3.0, 2.0]]))
        array([1., 0.])
    """
    if is_sparse(x):
        return _sparse_variance(x)
    parts = []
    for start in range(0, x.shape[1], CHUNK):
        part = x[:, start : start + CHUNK].astype(np.float64)
        seen = ~np.isnan(part)
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, part, 0).sum(axis=0) / count
        parts.append((np.where(seen, part - mean, 0) ** 2).sum(axis=0) / count)
    return np.concatenate(parts)


def _sparse_variance(x: Any) -> np.ndarray:
    """Return `variance` of a table of which the values that are not 0 are stored, some of them NaN."""
    stored = x.astype(np.float64)  # a copy, whose values are written over
    values = stored.data.copy()
    missing = np.isnan(values)
    stored.data[...] = missing
    count = np.maximum(stored.shape[0] - np.asarray(stored.sum(axis=0)).ravel(), 1)
    stored.data[...] = np.where(missing, 0, values)
    mean = np.asarray(stored.sum(axis=0)).ravel() / count
    stored.data **= 2
    return np.asarray(stored.sum(axis=0)).ravel() / count - mean**2


def check_memory(rows: int, matrices: dict[str, Matrix], most: float) -> None:
    """Refuse tables that would not fit into `most` bytes once they are dense, 4 bytes a value.

    Raises:
        InputError: says how many bytes are needed, by which modality, and what to do.

    Example:
        >>> check_memory(1000, {"rna": Matrix(np.zeros((1000, 50)), None, None, "")}, most=1e6)
    """
    each = {name: 4 * rows * matrix.width for name, matrix in matrices.items()}
    need = sum(each.values())
    if need <= most:
        return
    listed = ", ".join(f"{name} {rows} x {matrices[name].width}" for name in each)
    raise InputError(
        f"The dense tables need {need:,} bytes ({need / GIB:.1f} GiB: {listed}), allowed are "
        f"{most / GIB:.1f} GiB; leave them in their file (backed=True, --backed), take fewer features "
        "(features_most=...) or modalities, or raise memory=GiB if the machine has more."
    )


def half_of_memory() -> float:
    """Return half of the bytes of memory that are available now, or infinity where nobody knows."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 2
    except OSError:  # not Linux: then half of all there is
        pass
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return float("inf")
