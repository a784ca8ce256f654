"""Looking through a table on disk once: is it counts, what is missing, which columns vary."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoint.data.backed_tables import Table, dense
from counterpoint.data.columns import is_sparse
from counterpoint.data.omics_matrices import is_counts
from counterpoint.errors import InputError


@dataclass(frozen=True, eq=False)
class Scan:
    """What was found in a table of N rows.

    Attributes:
        empty: (N,) bool, rows of which nothing is observed.
        holes: whether other rows lack single values.
        missing: whether any value is missing.
        high: the largest value.
        variance: (D,) of every column over its observed values; empty unless the rows are flat.

    Example:
        >>> table = Table(np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, 2.0]]), np.dtype(float))
        >>> found = scan("a", table)
        >>> found.empty.tolist(), found.holes, found.high, found.variance.tolist()
        ([False, True, False], True, 3.0, [1.0, 0.0])
    """

    empty: np.ndarray
    holes: bool
    missing: bool
    high: float
    variance: np.ndarray

    def of(self, table: Table) -> "Scan":
        """Return what is missing where only some columns are taken."""
        if not self.missing:
            return self
        seen = np.zeros(len(self.empty), dtype=np.int64)
        for rows, block in _blocks(table):
            seen[rows] = _observed(block)
        width = int(np.prod(table.event))
        return replace(self, empty=seen == 0, holes=bool(((seen > 0) & (seen < width)).any()))


def counts(table: Table) -> bool:
    """Tell whether all values, but those that are NaN, are whole numbers of at least 0.

    Example:
        >>> counts(Table(np.array([[1.0, 3.0]]), np.dtype(float)))
        True
    """
    return all(is_counts(block) for _, block in _blocks(table))


def scan(name: str, table: Table, features: tuple[str, ...] | None = None) -> Scan:
    """Look through all rows of a table.

    Raises:
        InputError: an infinite value.
    """
    rows, event = table.stored.shape[0], table.event
    seen = np.zeros(rows, dtype=np.int64)
    moments, high = Moments(event), -np.inf
    for part, block in _blocks(table):
        values = block.data if is_sparse(block) else block
        if values.dtype.kind == "f" and np.isinf(values).any():
            row, *rest = (int(i) for i in np.argwhere(np.isinf(dense(block)))[0])
            column = repr(features[rest[0]]) if features and len(rest) == 1 else rest
            raise InputError(
                f"modality {name!r} holds an infinite value in row {part[row]}, column {column}; values must "
                "be finite: put NaN where a value is missing."
            )
        seen[part] = _observed(block)
        moments.add(block)
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        high = max(high, float(known.max())) if known.size else high
    width = int(np.prod(event))
    holes = bool(((seen > 0) & (seen < width)).any())
    return Scan(seen == 0, holes, bool((seen < width).any()), high, moments.variance())


def _blocks(table: Table) -> Any:
    return table.blocks(np.arange(table.stored.shape[0]))


def _observed(block: Any) -> np.ndarray:
    """Return how many values of every row are not missing, (n,)."""
    width = int(np.prod(block.shape[1:]))
    if block.dtype.kind != "f":
        return np.full(block.shape[0], width)
    if not is_sparse(block):
        return width - np.isnan(block).reshape(len(block), -1).sum(axis=1)
    gone = np.isnan(block.data)
    if not gone.any():
        return np.full(block.shape[0], width)
    return width - np.bincount(
        np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)), gone, block.shape[0]
    ).astype(np.int64)


class Moments:
    """Mean and variance of every value over rows that come in blocks; NaN is left out.

    var = M2 / n with n, mean and M2 = sum (x - mean)^2 merged block by block, so that large means cost no
    digits.

    Source: T. Chan, G. Golub, R. LeVeque, *Updating formulae and a pairwise algorithm for computing sample
    variances*, 1979, equation 2.1.

    Example:
        >>> moments = Moments((1,))
        >>> moments.add(np.array([[1.0], [2.0]])); moments.add(np.array([[6.0]]))
        >>> moments.mean.tolist(), moments.variance().round(6).tolist()
        ([3.0], [4.666667])
    """

    def __init__(self, event: tuple[int, ...]) -> None:
        self.count = np.zeros(event)
        self.mean = np.zeros(event)
        self.spread = np.zeros(event)  # M2

    def add(self, block: Any) -> None:
        """Take rows (n, *event), dense or sparse."""
        count, mean, spread = _sparse(block) if is_sparse(block) else _dense(block)
        total = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.spread += spread + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count += count

    def variance(self) -> np.ndarray:
        """Return the variance of every value, 0 where it was never observed."""
        return self.spread / np.maximum(self.count, 1)


def _dense(block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count, mean and sum of squares about the mean of every value."""
    x = block.astype(np.float64)
    seen = ~np.isnan(x)
    count = seen.sum(axis=0).astype(np.float64)
    mean = np.where(seen, x, 0).sum(axis=0) / np.maximum(count, 1)
    return count, mean, (np.where(seen, x - mean, 0) ** 2).sum(axis=0)


def _sparse(block: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a sparse block: most values are 0, so the mean is of the size of the deviation."""
    rows, width = block.shape
    values = block.data.astype(np.float64)
    gone = np.isnan(values)
    columns, values = (block.indices[~gone], values[~gone]) if gone.any() else (block.indices, values)
    count = rows - np.bincount(block.indices[gone], minlength=width).astype(np.float64)
    stored = np.bincount(columns, minlength=width)
    mean = np.bincount(columns, values, width) / np.maximum(count, 1)
    about = np.bincount(columns, (values - mean[columns]) ** 2, width)
    return count, mean, about + (count - stored) * mean**2
