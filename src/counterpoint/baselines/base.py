"""What the baselines share: modalities as columns, which rows can be used, and which modalities are read."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.data.checks import COUNTS
from counterpoint.data.multimodal import check_names
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, choose

FEWEST = 5  # rows to fit on
SCALINGS = ("standard", "range")


@dataclass(frozen=True, eq=False)
class Columns:
    """One modality as a matrix: (u - shift) / scale, u its values in the units in which networks read them.

    The units are those of `counterpoint.data.Preparation`: pictures in [0, 1], tables of real values
    standardised; then counts become log(1 + x) and categories one column each (so `p` may exceed the number
    of values of a row), and a row is flattened.

    Attributes:
        name: The modality.
        preparation: Of this modality alone, fitted on the training rows.
        shift: (p,).
        scale: (p,), above 0.

    Example:
        >>> data = read({"a": [[1.0, 5.0], [3.0, 5.0], [5.0, float("nan")]]})
        >>> made = Columns.fit(data[[0, 1]], "a")
        >>> made.apply(data)
        array([[-1.,  0.],
               [ 1.,  0.],
               [nan, nan]])
        >>> made.inverse(made.apply(data[[0]]))
        array([[1., 5.]])
    """

    name: str
    preparation: Preparation
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, data: MultimodalData, name: str, scaling: str = "standard") -> Self:
        """Fit on the rows that have every value of the modality.

        Args:
            data: The training rows.
            name: The modality.
            scaling: `"standard"`: the columns of a table get mean 0 and standard deviation 1, those of
                anything else mean 0; constant columns are 0. `"range"`: to [0, 1] by the lowest and highest
                value in the training rows, of each column of a table, else of all columns together.

        Raises:
            InputError: If no row is complete.
        """
        choose("scaling", scaling, SCALINGS)
        kept = data.select([name])[complete(data, [name])]
        if len(kept) == 0:
            raise InputError(f"modality {name!r} is complete in none of the training rows; leave it out.")
        preparation = Preparation.fit(kept, constant="keep")
        u = _units(preparation, kept)
        table = len(preparation[name].event) == 1 and preparation[name].likelihood != "categorical"
        if scaling == "standard":
            shift, spread = u.mean(0), u.std(0) if table else np.ones(u.shape[1])
            # A column that varies by rounding only must not be blown up.
            fine = spread > 1e-6 * np.maximum(np.abs(u).max(0), 1e-30)
        else:
            axis = 0 if table else None
            shift, high = (np.broadcast_to(part, u.shape[1:]) for part in (u.min(axis), u.max(axis)))
            spread = high - shift
            fine = spread > 0
        return cls(name, preparation, np.array(shift), np.where(fine, spread, 1.0))

    @property
    def size(self) -> int:
        """P, the number of columns."""
        return len(self.shift)

    def apply(self, data: MultimodalData) -> np.ndarray:
        """Return (N, p) float64; a row that lacks a value of the modality is NaN as a whole.

        Raises:
            InputError: If the modality is not there, or differs from what was fitted.
        """
        rows = complete(data, [self.name])
        columns = (_units(self.preparation, data.select([self.name])) - self.shift) / self.scale
        columns[~rows] = np.nan
        return columns

    def inverse(self, columns: np.ndarray) -> np.ndarray:
        """Return (N, *event) in the units of the data; of categories the code of the highest column."""
        one = self.preparation[self.name]
        u = columns * self.scale + self.shift
        if one.likelihood == "categorical":
            return u.reshape(len(u), *one.event, -1).argmax(-1)
        u = u.reshape(len(u), *one.event)
        return self.preparation.inverse(self.name, np.expm1(u) if one.likelihood in COUNTS else u)


def _units(preparation: Preparation, data: MultimodalData) -> np.ndarray:
    """Return the one modality as (N, p) float64, before any shift and scale of the columns."""
    (name,) = preparation.names
    one, x = preparation[name], preparation.apply(data)[0][name]
    if one.likelihood == "categorical":
        assert one.n_categories is not None
        return np.eye(one.n_categories)[x].reshape(len(x), -1)
    x = x.reshape(len(x), -1).astype(np.float64)
    return np.log1p(x) if one.likelihood in COUNTS else x


def _some_rows(data: MultimodalData) -> MultimodalData:
    """Return data that have rows."""
    if not len(data):
        raise InputError("The data have no rows; give at least one.")
    return data


def complete(data: MultimodalData, names: Iterable[str]) -> np.ndarray:
    """Return (N,) bool: does a row have every value of all these modalities?

    Example:
        >>> data = read({"a": [[1.0, 2.0], [3.0, float("nan")]], "b": [[1.0], [2.0]]})
        >>> complete(data, ["a", "b"])
        array([ True, False])
    """
    parts = [data.mask[name].reshape(len(data), -1).all(1) for name in names]
    return np.logical_and.reduce(parts)


def listed(data: MultimodalData, names: Sequence[str]) -> str:
    """Return how many rows have each of some modalities complete, for a message."""
    return ", ".join(f"{name!r} {int(complete(data, [name]).sum())}" for name in names)


class Baseline(ABC):
    """A model of a comparison that is no variational autoencoder: told its options, fitted, asked.

    Every baseline has `fit(data, y=None)`, which returns itself. By what it can, it has
    `embed(data, given=None)` -> (N, k), `translate(data, given, target)` -> (N, *event) in the units of the
    data, `predict_proba(data)` and `predict(data)`. `data` is whatever `counterpoint.read` reads. `given`
    names the modalities that are read, by default those that the baseline was told are `observed`; no other
    modality is looked at, and rows that lack a value of them get NaN.

    Args:
        observed: The modalities that are there when it is asked; None for all of them.

    Attributes:
        names: The modalities that it was fitted on, in the order of the data.
        dimensions: Modality -> columns that it is read as.
        rows_used: Rows that it was fitted on.
        rows_left_out: Rows that it was given beyond those.

    Raises:
        InputError: If `observed` is no list of names.
    """

    names: tuple[str, ...] = ()
    rows_used = 0
    rows_left_out = 0

    def __init__(self, observed: Sequence[str] | None = None) -> None:
        if observed is not None:
            if isinstance(observed, (str, bytes)) or not isinstance(observed, Iterable):
                raise InputError(f"observed is {observed!r}; give a list of names of modalities, or None.")
            words = [check_name(name) for name in observed]
            if not words:
                raise InputError("observed is empty; name at least one modality, or give None for all.")
            observed = check_names("observed", words, dict.fromkeys(words))
        self.observed: tuple[str, ...] | None = None if observed is None else tuple(observed)
        self.dimensions: dict[str, int] = {}

    @abstractmethod
    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the training rows, and return itself; `y` is for those that classify, others do not read it."""

    def read_as(
        self, data: MultimodalData, names: Sequence[str], scaling: str = "standard"
    ) -> dict[str, Columns]:
        """Return what makes a matrix of each of these modalities, by name, and note how wide they are.

        Args:
            data: The rows to fit on.
            names: The modalities.
            scaling: See `Columns.fit`.

        Raises:
            InputError: If a modality is complete in none of the rows.
        """
        columns = {name: Columns.fit(data, name, scaling) for name in names}
        self.dimensions = {name: one.size for name, one in columns.items()}
        return columns

    def training(self, data: Any, least: int = 2, most: int | None = None) -> MultimodalData:
        """Return the training data, read, and note their modalities.

        Args:
            data: Whatever `counterpoint.read` reads.
            least: Modalities that it takes, at least.
            most: And at most.

        Raises:
            InputError: If there are no rows, too few or too many modalities, or `observed` names another.
        """
        found = _some_rows(data if isinstance(data, MultimodalData) else read(data))
        count = len(found.names)
        if count < least or (most is not None and count > most):
            takes = f"{least}" if least == most else f"{least} or more" if most is None else f"{least}-{most}"
            raise InputError(
                f"The data have {count} modalities ({', '.join(found.names)}); this baseline takes {takes}. "
                "Choose with counterpoint.read(data, modalities=[...])."
            )
        if self.observed is not None:
            check_names("observed", self.observed, found.names)
        self.names = found.names
        return found

    def keep(self, data: MultimodalData, rows: np.ndarray, why: str) -> MultimodalData:
        """Return the rows that can be used, and count them and the others.

        Args:
            data: All training rows.
            rows: (N,) bool, those that can be used.
            why: What a row needs for that, for the message: "both modalities".

        Raises:
            InputError: If fewer than five are left.
        """
        self.rows_used, self.rows_left_out = int(rows.sum()), int((~rows).sum())
        if self.rows_used < FEWEST:
            raise InputError(
                f"{self.rows_used} of {len(rows)} training rows have {why} (complete rows: "
                f"{listed(data, data.names)}); at least {FEWEST} are needed. Nothing is filled in here: give "
                "more such rows, or use a method that takes rows with something missing."
            )
        return data[rows]

    def keep_some(self, data: MultimodalData) -> MultimodalData:
        """Return the rows that have every value of one modality at least, and count them and the others.

        Raises:
            InputError: If fewer than five do.
        """
        some = np.logical_or.reduce([complete(data, [name]) for name in data.names])
        return self.keep(data, some, "a modality")

    def asking(self, data: Any, given: Sequence[str] | None = None) -> tuple[list[str], MultimodalData]:
        """Return which modalities are read of the data, and these alone.

        Raises:
            InputError: If it was not fitted, a name is unknown, or the data have no rows or lack a modality
                that is read.
        """
        if not self.names:
            raise InputError(f"This {type(self).__name__} was not fitted; call fit(data) first.")
        wanted = self.observed or self.names if given is None else given
        chosen = check_names("given", wanted, self.names)
        found = _some_rows(data if isinstance(data, MultimodalData) else read(data, unobserved="keep"))
        lack = [name for name in chosen if name not in found.x]
        if lack:
            raise InputError(
                f"The data lack {', '.join(map(repr, lack))}, which is read here; they have "
                f"{', '.join(found.names)}. Give it, or name what is there: given=[...]."
            )
        return chosen, found.select(chosen)
