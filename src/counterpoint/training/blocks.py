"""Batches from a file: contiguous blocks of rows, several random ones of which are mixed in a buffer."""

from collections.abc import Iterator

import torch

from counterpoint.batch import Batch
from counterpoint.data import Preparation
from counterpoint.data.backed import Backed
from counterpoint.seeds import generator

BLOCK = 2048  # rows that follow one another in the file and are read together
LEAST = 8  # blocks of a buffer, at least


class Blocks:
    """Training batches of a backed source, in another order in every epoch; a loader of `fit_stream`.

    The rows are cut into blocks, the blocks put into random order, and as many rows as fit into the buffer
    read, sparse as they are stored, mixed and handed out in batches, dense. A buffer that holds all rows is
    filled once, and then order and batches are those of the in-memory trainer.

    Args:
        source: The data.
        prepared: Their preparation.
        rows: Training rows (N,), sorted.
        size: Rows of a batch.
        seed: Of the order; the epoch is counted from 0.
        buffer: Bytes of the buffer.

    Example:
        >>> import numpy as np
        >>> from counterpoint.data.backed_preparation import prepare_backed
        >>> from counterpoint.data.backed_tables import Table
        >>> x = np.arange(12.0).reshape(6, 2)
        >>> source = Backed({"a": Table(x, x.dtype)}, {"a": np.arange(6)})
        >>> batches = Blocks(source, prepare_backed(source)[0], torch.arange(6), 4, seed=0, buffer=1e6)
        >>> len(batches), [batch.rows for batch in batches]
        (2, [4, 2])
    """

    def __init__(
        self,
        source: Backed,
        prepared: Preparation,
        rows: torch.Tensor,
        size: int,
        *,
        seed: int,
        buffer: float,
    ) -> None:
        self.source, self.prepared, self.rows, self.size, self.seed = source, prepared, rows, size, seed
        fitting = int(buffer // source.row_bytes)
        self.buffer = max(1, fitting // size) * size  # rows, whole batches of them
        self.block = max(1, min(BLOCK, self.buffer // LEAST))
        self.whole = len(rows) <= self.buffer
        self.epoch = 0
        self._all: Backed | None = None

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = generator(self.seed, "order", epoch)
        for rows in self.buffers(epoch):
            held = self._held(rows)
            for index in torch.randperm(len(rows), generator=order).split(self.size):
                yield as_batch(held[index.numpy()], self.prepared)
            del held  # before the next one is read

    def buffers(self, epoch: int) -> list[torch.Tensor]:
        """Return the rows that are in the buffer one after another, each sorted."""
        if self.whole:
            return [self.rows]
        blocks = self.rows.split(self.block)
        mixed = torch.randperm(len(blocks), generator=generator(self.seed, "blocks", epoch))
        return [part.sort().values for part in torch.cat([blocks[i] for i in mixed]).split(self.buffer)]

    def _held(self, rows: torch.Tensor) -> Backed:
        """Return rows in memory; all of them, once read, stay there."""
        if self._all is not None:
            return self._all
        held = self.source[rows.numpy()].held()
        self._all = held if self.whole else None
        return held


class Chunks:
    """Rows of a backed source in their order, so many at a time: the validation rows of `fit_stream`.

    Args:
        source: The data.
        prepared: Their preparation.
        rows: (N,), sorted.
        size: Rows of a chunk.
    """

    def __init__(self, source: Backed, prepared: Preparation, rows: torch.Tensor, size: int) -> None:
        self.source, self.prepared, self.rows, self.size = source, prepared, rows, size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for index in self.rows.split(self.size):
            yield as_batch(self.source[index.numpy()], self.prepared)


def as_batch(rows: Backed, prepared: Preparation) -> Batch:
    """Return rows as the model reads them."""
    found = prepared.apply(rows.load(), keep_bytes=True)
    x, mask = ({name: torch.from_numpy(v) for name, v in part.items()} for part in found)
    if prepared.covariates is None:
        return Batch(x, mask)
    return Batch(x, mask, torch.from_numpy(prepared.covariates.columns(rows.labels, len(rows))))
