"""Tables whose rows are read one block at a time: from HDF5 or zarr, a memory map, or memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoint.data.columns import is_sparse

GAP = 32  # rows that nobody asked for are read through, not skipped, if there are so few between two that are
VALUES = 2**22  # stored values that are looked at together, 16 MiB of float32


@dataclass(frozen=True, eq=False)
class Csr:
    """A sparse table that is stored by row; a slice of its rows comes as scipy's `csr_matrix`.

    Args:
        data: (nnz,) values, a dataset on disk or an array.
        indices: (nnz,) their columns.
        indptr: (N + 1,) where every row begins, in memory.
        shape: (N, D).

    Example:
        >>> table = Csr(np.array([5.0, 7.0]), np.array([1, 0]), np.array([0, 1, 1, 2]), (3, 2))
        >>> table[1:3].toarray().tolist()
        [[0.0, 0.0], [7.0, 0.0]]
    """

    data: Any
    indices: Any
    indptr: np.ndarray
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype:
        """What the values are stored as."""
        return self.data.dtype

    def __getitem__(self, rows: slice) -> Any:
        from scipy.sparse import csr_matrix

        start, stop, _ = rows.indices(self.shape[0])
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        own = self.indptr[start : stop + 1] - low
        parts = (self.data[low:high], self.indices[low:high], own)
        return csr_matrix(parts, shape=(stop - start, self.shape[1]))


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one modality, somewhere, of which any can be read on their own.

    Attributes:
        stored: What a slice of rows gives, dense (n, *event) or sparse: a dataset on disk, a memory map, an
            array, or `Csr`.
        dtype: What its rows are read as.
        columns: The columns that are taken, or None for all.
        flat: Whether its rows are single numbers, read as (n, 1).

    Example:
        >>> from scipy.sparse import csr_matrix
        >>> x = csr_matrix(np.arange(8.0).reshape(4, 2))
        >>> table = Table(Csr(x.data, x.indices, x.indptr, x.shape), np.dtype(np.float32), np.array([1]))
        >>> table.read(np.array([3, 0])).toarray().tolist(), table.event
        ([[7.0], [1.0]], (1,))
    """

    stored: Any
    dtype: np.dtype
    columns: np.ndarray | None = None
    flat: bool = False

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one row."""
        if self.columns is not None:
            return (len(self.columns),)
        return (1,) if self.flat else tuple(int(n) for n in self.stored.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in memory as it is read, the mean over the rows of a sparse table; at least 1."""
        each = self.dtype.itemsize
        if isinstance(self.stored, Csr) or is_sparse(self.stored):
            rows, width = self.stored.shape
            share = (len(self.columns) if self.columns is not None else width) / max(width, 1)
            return max(1, int(share * self.stored.data.shape[0] * (each + 4) / max(rows, 1)) + 4)
        return max(1, int(np.prod(self.event)) * each)

    @property
    def rows_together(self) -> int:
        """How many rows of the file are looked at together."""
        width = max(1, int(np.prod(self.stored.shape[1:])))
        if isinstance(self.stored, Csr):
            width = max(1, self.stored.data.shape[0] // max(self.stored.shape[0], 1))
        return max(1, VALUES // width)

    def read(self, rows: np.ndarray) -> Any:
        """Return rows (n,) in any order, (n, *event) dense, or sparse where they are stored so."""
        if is_sparse(self.stored) or type(self.stored) is np.ndarray:  # in memory, as `held` made it
            return self.stored[rows]
        wanted, back = np.unique(rows, return_inverse=True)
        sorted_ = len(wanted) == len(rows) and bool((back[1:] > back[:-1]).all())
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > GAP) + 1) if len(wanted) else [wanted]
        parts = [self._run(run) for run in runs]
        if len(parts) > 1:
            parts = [_stacked(parts)]
        return parts[0] if sorted_ else parts[0][back]

    def _run(self, rows: np.ndarray) -> Any:
        """Return rows that lie close to one another, which are read in one go."""
        start, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        block = self.stored[start:stop]
        block = block if is_sparse(block) else np.asarray(block)
        block = block[:, None] if self.flat else block
        if stop - start != len(rows):
            block = block[rows - start]
        if self.columns is not None:
            block = block[:, self.columns]
        return block.astype(self.dtype, copy=False)

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield rows (n,) in some order, a block at a time: their places in `rows`, and what they hold."""
        order = np.argsort(rows, kind="stable")
        for start in range(0, len(order), self.rows_together):
            part = order[start : start + self.rows_together]
            yield part, self.read(rows[part])

    def held(self, rows: np.ndarray) -> "Table":
        """Return rows as a table in memory, sparse where they are stored so."""
        step = self.rows_together
        parts = (self.read(rows[start : start + step]) for start in range(0, max(len(rows), 1), step))
        if isinstance(self.stored, Csr) or is_sparse(self.stored):
            return replace(self, stored=_stacked(list(parts)), columns=None)
        made = np.empty((len(rows), *self.event), dtype=self.dtype)
        for i, part in enumerate(parts):  # one by one: there is no room for all of it twice
            made[i * step : (i + 1) * step] = part
        return replace(self, stored=made, columns=None, flat=False)


def dense(block: Any) -> np.ndarray:
    """Return a block as numpy has it.

    Example:
        >>> dense(np.zeros((1, 2)))
        array([[0., 0.]])
    """
    return block.toarray() if is_sparse(block) else block


def _stacked(parts: list[Any]) -> Any:
    """Put blocks below one another."""
    if len(parts) == 1:
        return parts[0]
    if is_sparse(parts[0]):
        from scipy.sparse import vstack

        return vstack(parts, format="csr")
    return np.concatenate(parts)
