"""Several modalities of the same rows, in numpy, with a mask that is always there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from counterpoint.data.indexing import row_index
from counterpoint.errors import InputError, choose


@dataclass(frozen=True, eq=False)
class MultimodalData:
    """Modalities of the same N rows; what is not observed is 0 in `x` and False in `mask`.

    Behaves as one array with N rows towards scikit-learn: `len`, `shape` and indexing by rows, so `KFold` and
    `GridSearchCV` take it as it is. Made by `counterpoint.data.read`, which checks what users hand in.

    Attributes:
        x: name -> (N, *event), numbers without NaN; names of categories are held as codes.
        mask: name -> bool, (N,) if rows are present or absent as a whole, else (N, *event); True is observed.
        features: name -> names of the columns, or None.
        rows: names of the rows, or None.
        labels: name -> (N, ...), kept beside the modalities and never modelled.
        categories: name -> what the codes stand for, or None where `x` holds numbers.
        pairs: (N,) whole numbers, or None: rows with the same number are paired anew in every epoch, see
            `counterpoint.data.sessions`.
        blocks: (N,) whole numbers, or None: rows with the same number (windows of one trial) stay together
            in every split.
        likelihoods: name -> the one that `"auto"` takes where the reader knows it, or None: it is inferred.
        notes: name -> what was taken on reading, and what left out, or None where that was all.
        origin: name -> how to find it again in data of its kind, as options of `read`: `{"layer": "counts"}`
            or `{"obsm": KEY}` of cells, `pair_on`, `window` and `bin` of sessions; None where its name does.

    Raises:
        InputError: the parts do not fit together, or an index does not fit the rows.

    Example:
        >>> import numpy as np
        >>> from counterpoint.data import read
        >>> data = read({"a": np.arange(6.0).reshape(3, 2), "b": [[1.0], [np.nan], [3.0]]})
        >>> data
        MultimodalData(3 rows; a (2,), b (1,))
        >>> data.patterns()
        {('a', 'b'): 2, ('a',): 1}
        >>> data[[0, 2]].shape
        (2, 3)
    """

    x: dict[str, np.ndarray]
    mask: dict[str, np.ndarray]
    features: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    rows: tuple[str, ...] | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    notes: dict[str, str | None] = field(default_factory=dict)
    pairs: np.ndarray | None = None
    blocks: np.ndarray | None = None
    likelihoods: dict[str, str | None] = field(default_factory=dict)
    origin: dict[str, dict[str, str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.x:
            raise InputError("There is no modality; give at least one, such as {'rna': array}.")
        if self.mask.keys() != self.x.keys():
            raise InputError(
                f"mask is given for {list(self.mask)}, x for {list(self.x)}; both need the same names."
            )
        lengths = {name: len(values) for name, values in self.x.items()}
        if len(set(lengths.values())) > 1:
            raise unequal(lengths)
        for name, values in self.x.items():
            mask = self.mask[name]
            if values.ndim < 2 or values.dtype.kind not in "iuf":
                raise InputError(
                    f"x[{name!r}] is {values.dtype} of shape {values.shape}; a modality is numbers of shape "
                    "(rows, features...). counterpoint.data.read makes it from other kinds of data."
                )
            if mask.dtype != bool or mask.shape not in (values.shape[:1], values.shape):
                raise InputError(
                    f"mask[{name!r}] is {mask.dtype} of shape {mask.shape}; it must be bool of shape "
                    f"{values.shape[:1]} or {values.shape}."
                )
        for name, label in self.labels.items():
            if len(label) != len(self):
                raise InputError(f"Label {name!r} has {len(label)} rows, the modalities have {len(self)}.")
        for part in ("features", "categories", "notes", "likelihoods", "origin"):
            object.__setattr__(self, part, {name: getattr(self, part).get(name) for name in self.x})

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {values.shape[1:]}" for name, values in self.x.items())
        return f"MultimodalData({len(self)} rows; {parts})"

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities, in their order."""
        return tuple(self.x)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, values per row summed over the modalities)."""
        return len(self), sum(int(np.prod(values.shape[1:])) for values in self.x.values())

    def __getitem__(self, index: Any) -> "MultimodalData":
        """Return the chosen rows; a slice gives views, everything else copies."""
        chosen = row_index(index, len(self))
        return replace(
            self,
            x={name: values[chosen] for name, values in self.x.items()},
            mask={name: mask[chosen] for name, mask in self.mask.items()},
            labels={name: label[chosen] for name, label in self.labels.items()},
            rows=None if self.rows is None else tuple(self.rows[i] for i in np.arange(len(self))[chosen]),
            pairs=None if self.pairs is None else self.pairs[chosen],
            blocks=None if self.blocks is None else self.blocks[chosen],
        )

    def present(self) -> dict[str, np.ndarray]:
        """Return name -> (N,) bool: is any value of this modality observed in the row?"""
        return {
            name: mask if mask.ndim == 1 else np.logical_or.reduce(mask.reshape(len(mask), -1), axis=1)
            for name, mask in self.mask.items()
        }

    def patterns(self) -> dict[tuple[str, ...], int]:
        """Return which modalities are present together, and in how many rows, the most frequent first."""
        table = np.stack(list(self.present().values()), axis=1)
        found, counts = np.unique(table, axis=0, return_counts=True)
        pairs = [
            (tuple(n for n, here in zip(self.names, row, strict=True) if here), int(count))
            for row, count in zip(found, counts, strict=True)
        ]
        return dict(sorted(pairs, key=lambda pair: (-pair[1], -len(pair[0]), pair[0])))

    def select(self, names: Iterable[str]) -> "MultimodalData":
        """Return the named modalities, in that order, with all rows and labels.

        Raises:
            InputError: no name, an unknown name or a name twice.
        """
        names = check_names("modalities", names, self.names)
        parts = (self.x, self.mask, self.features, self.categories)
        x, mask, features, categories = ({name: part[name] for name in names} for part in parts)
        return replace(self, x=x, mask=mask, features=features, categories=categories)

    def with_mask(self, mask: Mapping[str, np.ndarray]) -> "MultimodalData":
        """Return a copy in which only what is observed here and True in `mask` is left.

        Args:
            mask: name -> bool, (N,) or (N, *event); modalities that are not named stay as they are.

        Raises:
            InputError: an unknown name, or a mask that is not bool or has another shape.
        """
        x, masks = dict(self.x), dict(self.mask)
        for name, given in mask.items():
            choose("mask: modality", name, self.names)
            keep = check_mask(name, given, self.x[name].shape)
            old = self.mask[name]
            if keep.ndim != old.ndim:
                keep, old = expand(keep, self.x[name].shape), expand(old, self.x[name].shape)
            masks[name] = keep & old
            x[name] = np.where(expand(masks[name], x[name].shape), x[name], x[name].dtype.type(0))
        return replace(self, x=x, mask=masks)

    def paired(self, codes: np.ndarray, blocks: np.ndarray | None = None) -> "MultimodalData":
        """Return the rows with `pairs`, and with `blocks` if they are given.

        Raises:
            InputError: not one whole number a row.
        """
        found = {"pairs": np.asarray(codes)} | ({} if blocks is None else {"blocks": np.asarray(blocks)})
        for what, given in found.items():
            if given.shape != (len(self),) or given.dtype.kind not in "iu":
                raise InputError(
                    f"{what} are {given.dtype} of shape {given.shape}; give {len(self)} whole numbers."
                )
        return replace(self, **{what: given.astype(np.int64) for what, given in found.items()})

    def without(self, name: str, rows: Any = None) -> "MultimodalData":
        """Return a copy with one modality hidden in the chosen rows (all rows if `rows` is None).

        Raises:
            InputError: an unknown modality, or rows that do not fit.

        Example:
            >>> import numpy as np
            >>> from counterpoint.data import read
            >>> data = read({"a": np.ones((3, 2)), "b": np.ones((3, 1))})
            >>> data.without("b", [0]).present()["b"]
            array([False,  True,  True])
        """
        keep = np.ones(len(self), dtype=bool)
        keep[slice(None) if rows is None else row_index(rows, len(self))] = False
        return self.with_mask({choose("modality", name, self.names): keep})


def expand(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of shape (N,) or (N, *event) as (N, *event), without copying.

    Example:
        >>> import numpy as np
        >>> expand(np.array([True, False]), (2, 2)).tolist()
        [[True, True], [False, False]]
    """
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)


def check_mask(name: str, mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask of one modality as an array: bool, (N,) or (N, *event), nothing that would broadcast.

    Example:
        >>> check_mask("a", [[True, False]], (4, 2))
        Traceback (most recent call last):
        counterpoint.errors.InputError: mask['a'] has shape (1, 2); it must be (4,) (rows) or (4, 2) (values).
    """
    if hasattr(mask, "numpy") and hasattr(mask, "detach"):
        mask = mask.numpy(force=True)
    try:
        array = np.asarray(mask)
    except ValueError:
        raise InputError(f"mask[{name!r}] has rows of unequal length; it must be a bool array.") from None
    if array.dtype != bool:
        raise InputError(
            f"mask[{name!r}] is {array.dtype}; it must be bool, True where observed: use .astype(bool)."
        )
    if array.shape not in (shape[:1], shape):
        raise InputError(
            f"mask[{name!r}] has shape {array.shape}; it must be {shape[:1]} (rows) or {shape} (values)."
        )
    return array


def check_names(what: str, names: Any, allowed: Iterable[str]) -> list[str]:
    """Return a list of names that are all allowed, none twice.

    Example:
        >>> check_names("modalities", ["rma"], ["rna", "protein"])
        Traceback (most recent call last):
        counterpoint.errors.InputError: modalities is 'rma'; allowed are rna, protein. Did you mean 'rna'?
    """
    allowed = list(allowed)
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise InputError(f"{what} is {names!r}; give a list of names, of {', '.join(allowed)}.")
    names = [choose(what, name, allowed) for name in names]
    if not names:
        raise InputError(f"{what} is empty; name at least one of {', '.join(allowed)}.")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{what} names {name!r} twice; give each name once.")
    return names


def unequal(lengths: Mapping[str, int]) -> InputError:
    """Return the error for modalities of unequal length, naming each of them.

    Example:
        >>> str(unequal({"a": 3, "b": 2}))[:55]
        'The modalities have unequal numbers of rows: a 3, b 2. '
    """
    listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
    return InputError(
        f"The modalities have unequal numbers of rows: {listed}. Row i must be the same thing in "
        "each: fill absent rows with NaN, or give DataFrames whose indexes name the rows."
    )
