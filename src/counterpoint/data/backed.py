"""Rows that stay in their file: the face of `MultimodalData`, of which any rows can be loaded."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from counterpoint.data.backed_tables import Table, dense
from counterpoint.data.indexing import row_index
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.errors import InputError, choose

VALUES = 2**24  # dense values that are asked about together, 64 MiB of float32
MOST_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Backed:
    """Modalities of the same N rows, larger than memory: names, labels and masks here, values in the file.

    Made by `counterpoint.read(path, backed=True)`. Indexing chooses rows and reads nothing, so `hold_out` and
    `KFold` take it as it is; `load` returns rows as `MultimodalData`. `Counterpoint.fit` trains from it, and
    `embed` and `embed_each` ask about it block by block.

    Attributes:
        tables: name -> where its rows are.
        position: name -> (N,) the table's row, -1 where the modality is absent.
        partial: the modalities of whose rows some have single missing values.
        features: name -> names of the columns, or None.
        rows: names of the rows, or None.
        labels: name -> (N, ...), in memory.
        notes: name -> what was taken on reading.
        origin: name -> how to find it again, as `MultimodalData` has it.
        brought: what is made of rows once they are in memory: they are brought into a fit's columns, say.
        buffer: GiB that a fit may hold of it at once.

    Raises:
        InputError: an index that does not fit the rows.

    Example:
        >>> import pathlib, tempfile
        >>> from counterpoint.data import read
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(pathlib.Path(folder) / "rna.npy", np.arange(12.0).reshape(4, 3))
        ...     data = read(folder, backed=True)
        >>> data, data[2:].load().x["rna"].tolist()
        (Backed(4 rows; rna (3,)), [[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]])
    """

    tables: dict[str, Table]
    position: dict[str, np.ndarray]
    partial: frozenset[str] = frozenset()
    features: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    rows: tuple[str, ...] | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, str | None] = field(default_factory=dict)
    buffer: float = 0.5
    origin: dict[str, dict[str, str] | None] = field(default_factory=dict)
    brought: Callable[[MultimodalData], MultimodalData] | None = None
    pairs: ClassVar[None] = None  # as MultimodalData has them: no file holds sessions
    blocks: ClassVar[None] = None

    def __post_init__(self) -> None:
        for part in ("features", "notes", "origin"):
            object.__setattr__(self, part, {name: getattr(self, part).get(name) for name in self.tables})

    def __len__(self) -> int:
        return len(next(iter(self.position.values())))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {table.event}" for name, table in self.tables.items())
        return f"Backed({len(self)} rows; {parts})"

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities, in their order."""
        return tuple(self.tables)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, values per row summed over the modalities)."""
        return len(self), sum(int(np.prod(table.event)) for table in self.tables.values())

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in memory as it is stored, sparse or not; a mean over the rows."""
        return sum(table.row_bytes for table in self.tables.values())

    def __getitem__(self, index: Any) -> "Backed":
        """Return the chosen rows, which stay in the file."""
        chosen = row_index(index, len(self))
        return replace(
            self,
            position={name: rows[chosen] for name, rows in self.position.items()},
            labels={name: label[chosen] for name, label in self.labels.items()},
            rows=None if self.rows is None else tuple(self.rows[i] for i in np.arange(len(self))[chosen]),
        )

    def present(self) -> dict[str, np.ndarray]:
        """Return name -> (N,) bool: is any value of this modality observed in the row?"""
        return {name: rows >= 0 for name, rows in self.position.items()}

    def patterns(self) -> dict[tuple[str, ...], int]:
        """Return which modalities are present together, and in how many rows, the most frequent first."""
        stand_in = {name: np.zeros((len(self), 1), dtype=np.uint8) for name in self.names}
        return MultimodalData(stand_in, self.present()).patterns()

    def select(self, names: Iterable[str]) -> "Backed":
        """Return the named modalities, in that order, with all rows and labels.

        Raises:
            InputError: no name, an unknown name or a name twice.
        """
        names = check_names("modalities", names, self.names)
        parts = ({name: part[name] for name in names} for part in (self.tables, self.position))
        tables, position = parts
        return replace(self, tables=tables, position=position)

    def without(self, name: str, rows: Any = None) -> "Backed":
        """Return the data with one modality hidden in the chosen rows (all rows if `rows` is None).

        Raises:
            InputError: an unknown modality, or rows that do not fit.
        """
        position = self.position[choose("modality", name, self.names)].copy()
        position[slice(None) if rows is None else row_index(rows, len(self))] = -1
        return replace(self, position={**self.position, name: position})

    def load(self) -> MultimodalData:
        """Return all rows in memory, dense: choose rows first, `data[rows].load()`."""
        x, mask = {}, {}
        for name, table in self.tables.items():
            here = self.position[name] >= 0
            found = dense(table.read(self.position[name][here]))
            if here.all():
                values = found
            else:
                values = np.zeros((len(here), *table.event), dtype=table.dtype)
                values[here] = found
            mask[name] = here
            if name in self.partial:
                seen = ~np.isnan(values)
                mask[name] = seen & here.reshape(-1, *[1] * (values.ndim - 1))
                values = np.where(seen, values, values.dtype.type(0))
            x[name] = values
        told = {"features": self.features, "labels": self.labels, "notes": self.notes, "origin": self.origin}
        made = MultimodalData(x, mask, rows=self.rows, **told)
        return made if self.brought is None else self.brought(made)

    def held(self) -> "Backed":
        """Return all rows in memory, sparse where they are stored so."""
        tables, position = {}, {}
        for name, table in self.tables.items():
            here = self.position[name] >= 0
            tables[name] = table.held(self.position[name][here])
            position[name] = np.where(here, np.cumsum(here) - 1, -1)
        return replace(self, tables=tables, position=position)

    @property
    def rows_together(self) -> int:
        """How many rows are made dense together, where nothing else decides it."""
        return max(1, min(MOST_ROWS, VALUES // self.shape[1]))

    def parts(self) -> Iterator[MultimodalData]:
        """Yield all rows in their order, so many at a time that they fit into memory."""
        for start in range(0, len(self), self.rows_together):
            yield self[start : start + self.rows_together].load()

    def each(self, ask: Callable[[MultimodalData], Any]) -> Any:
        """Ask about all rows, a block at a time.

        Args:
            ask: From rows in memory to (n, ...) or name -> (n, ...).

        Returns:
            (N, ...) or name -> (N, ...).
        """
        answers = [ask(block) for block in self.parts()]
        if isinstance(answers[0], Mapping):
            return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}
        return np.concatenate(answers)


def refuse(source: Any, what: str) -> None:
    """Refuse a backed source where rows are needed in memory.

    Raises:
        InputError: says how to load rows.

    Example:
        >>> refuse({"a": [[1.0]]}, "a sweep")
    """
    if isinstance(source, Backed):
        raise InputError(
            f"{what} needs its rows in memory, and {len(source)} of {', '.join(source.names)} are backed by "
            "a file; choose rows and load them: data[rows].load(). fit, embed and embed_each take them as "
            "they are."
        )
