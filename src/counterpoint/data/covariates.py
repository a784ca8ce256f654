"""Categorical covariates of rows, such as donor and lane: their categories, and one-hot columns of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.data.categories import MOST_NUMBERS, text, texts
from counterpoint.errors import InputError, choose, nearest, whole


@dataclass(frozen=True)
class Covariate:
    """One covariate, as the training rows have it.

    Attributes:
        name: the label.
        categories: as text, sorted.
        rows: training rows of each category.
        having: modality -> how many of them have it.
    """

    name: str
    categories: tuple[str, ...]
    rows: tuple[int, ...]
    having: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Covariates:
    """Several covariates, whose one-hot columns (N, C) stand side by side.

    Attributes:
        each: the covariates, in the order of their columns.

    Example:
        >>> labels = {"donor": np.array(["A", "B", "B", "B"])}
        >>> donors = Covariates.fit(labels, {"rna": np.ones(4, bool)}, ["donor"])
        >>> donors.columns({"donor": np.array(["B", None])}, 2).tolist()
        [[0.0, 1.0], [0.25, 0.75]]
    """

    each: tuple[Covariate, ...]

    @classmethod
    def fit(
        cls, labels: Mapping[str, np.ndarray], present: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> "Covariates":
        """Find the categories of the training rows.

        Args:
            labels: name -> (N,), those of the rows.
            present: modality -> (N,) bool.
            names: which labels, none twice.

        Raises:
            InputError: no such label, nothing in some row, one category alone, a category for nearly every
                row, or numbers that are measurements.
        """
        found = []
        for name in names:
            if not labels:
                raise InputError(
                    f"batch is {name!r}, and the data have no labels; read them with labels=[{name!r}], or "
                    f"labels={{{name!r}: array}}."
                )
            found.append(_fit_one(choose("batch", name, labels), labels[name], present))
        return cls(tuple(found))

    @property
    def names(self) -> tuple[str, ...]:
        """The covariates."""
        return tuple(one.name for one in self.each)

    @property
    def average(self) -> np.ndarray:
        """(C,), the mean of the training rows' columns: what stands for a row of unknown category."""
        return np.concatenate([np.array(one.rows) / sum(one.rows) for one in self.each])

    def columns(self, labels: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """Return one-hot columns (N, C) of rows; the average where a row's category is None or NaN.

        Raises:
            InputError: a label that is not there, or a category that no training row had.
        """
        found = []
        for one in self.each:
            if one.name not in labels:
                raise InputError(
                    f"the rows have no label {one.name!r}, which the model was told of (batch={one.name!r}); "
                    f"read them with labels={{{one.name!r}: array}}, None where it is not known: such rows "
                    "get the average of the training rows."
                )
            found.append(_columns_of(one, texts(one.name, labels[one.name], rows)))
        return np.concatenate(found, axis=1)

    def known(self, modality: str) -> np.ndarray:
        """Return how a modality is told of the columns, (C, C): the identity where training rows had it.

        The column of a category none of whose training rows has the modality was never trained; the average
        of those that have it stands in its place.

        Example:
            >>> donors = {"donor": np.repeat(["A", "B", "C"], 2)}
            >>> there = {"protein": np.array([True, True, False, False, True, True])}
            >>> Covariates.fit(donors, there, ["donor"]).known("protein")
            array([[1. , 0. , 0. ],
                   [0.5, 0. , 0.5],
                   [0. , 0. , 1. ]])
        """
        from scipy.linalg import block_diag

        return np.asarray(block_diag(*(_known(one, modality) for one in self.each)))

    def as_batch(self, given: Any, modalities: Sequence[str]) -> np.ndarray:
        """Return the columns of named categories (C,), NaN for covariates that are not named.

        Args:
            given: covariate -> category, such as `{"donor": "A"}`.
            modalities: what is to be decoded as if it came from there.

        Raises:
            InputError: an unknown covariate or category, or one of which no training row has a modality.

        Example:
            >>> there = {"rna": np.ones(4, bool)}
            >>> donors = Covariates.fit({"donor": np.array(["A", "B", "B", "B"])}, there, ["donor"])
            >>> donors.as_batch({"donor": "A"}, ["rna"]).tolist()
            [1.0, 0.0]
        """
        if not isinstance(given, Mapping) or not given:
            first = self.each[0]
            raise InputError(
                f"as_batch is {given!r}; give a dict, covariate -> category, such as "
                f"{{{first.name!r}: {first.categories[0]!r}}}."
            )
        for name in given:
            choose("as_batch: covariate", name, self.names)
        parts = []
        for one in self.each:
            if one.name not in given:
                parts.append(np.full(len(one.categories), np.nan))
                continue
            asked = choose(f"as_batch[{one.name!r}]", text(given[one.name]), one.categories)
            place = one.categories.index(asked)
            for modality in modalities:
                if not one.having[modality][place]:
                    there = [c for c, n in zip(one.categories, one.having[modality], strict=True) if n]
                    raise InputError(
                        f"as_batch is {asked!r} for {one.name!r}, and no training row of it has "
                        f"{modality!r}, so what that would look like is not known; categories that have it "
                        f"are {', '.join(there)}."
                    )
            parts.append(np.eye(len(one.categories))[place])
        return np.concatenate(parts)

    def to_plain(self) -> list[dict[str, Any]]:
        """Return everything as JSON holds it."""
        return [
            {
                "name": one.name,
                "categories": list(one.categories),
                "rows": list(one.rows),
                "having": {k: list(v) for k, v in one.having.items()},
            }
            for one in self.each
        ]

    @classmethod
    def from_plain(cls, given: Any, modalities: Sequence[str]) -> "Covariates":
        """Make them from what `to_plain` returned.

        Raises:
            InputError: a part lacks or does not fit the others.
        """
        try:
            each = tuple(_one_from_plain(entry, modalities) for entry in given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "The preparation has covariates that do not fit together; it was changed or damaged: save "
                "the model again."
            ) from error
        return cls(each)


def _fit_one(name: str, label: np.ndarray, present: Mapping[str, np.ndarray]) -> Covariate:
    """Find the categories of one label."""
    found = texts(name, label, len(label))
    lacking = sum(one is None for one in found)
    if lacking:
        raise InputError(
            f"batch is {name!r}, and {lacking} of {len(found)} rows have none; every training row needs one: "
            "fill it in, give those rows a category of their own, or leave them out."
        )
    categories = sorted({one for one in found if one is not None})
    if len(categories) == 1:
        raise InputError(
            f"batch is {name!r}, and all rows have {categories[0]!r}: it tells nothing; leave it out."
        )
    if np.asarray(label).dtype.kind in "iuf" and len(categories) > MOST_NUMBERS:
        raise InputError(
            f"batch is {name!r}, which holds {len(categories)} different numbers; categories are wanted: put "
            f"them into bins (at most {MOST_NUMBERS}), or give them as text if they are names."
        )
    if len(found) > 2 and 2 * len(categories) > len(found):
        raise InputError(
            f"batch is {name!r}, which has {len(categories)} categories in {len(found)} rows: nearly every "
            "row is one of its own; give a label that rows share."
        )
    codes = np.searchsorted(np.array(categories), np.array(found))
    count = len(categories)
    having = {m: tuple(np.bincount(codes[there], minlength=count).tolist()) for m, there in present.items()}
    return Covariate(name, tuple(categories), tuple(np.bincount(codes, minlength=count).tolist()), having)


def _columns_of(one: Covariate, found: list[str | None]) -> np.ndarray:
    """Return one-hot columns of one covariate."""
    place = {said: i for i, said in enumerate(one.categories)}
    unseen = sorted({said for said in found if said is not None and said not in place})
    if unseen:
        raise InputError(
            f"label {one.name!r} holds {unseen[0]!r}, which no training row had; known are "
            f"{', '.join(one.categories)}.{nearest(unseen[0], one.categories)} Give None for such rows: they "
            "get the average of the training rows."
        )
    count = len(one.categories)
    table = np.vstack([np.eye(count), np.array(one.rows) / sum(one.rows)])
    return table[[count if said is None else place[said] for said in found]]


def _known(one: Covariate, modality: str) -> np.ndarray:
    """Return how a modality is told of one covariate."""
    rows = np.array(one.having[modality], dtype=np.float64)
    return np.where((rows > 0)[:, None], np.eye(len(rows)), rows / rows.sum())


def _one_from_plain(entry: Mapping[str, Any], modalities: Sequence[str]) -> Covariate:
    """Make one covariate from plain values, every part checked."""
    name, categories = entry["name"], tuple(entry["categories"])
    if not isinstance(name, str) or len(categories) < 2 or not all(isinstance(c, str) for c in categories):
        raise ValueError(name)
    rows = tuple(whole("rows", n) for n in entry["rows"])
    having = {m: tuple(whole("having", n, 0) for n in entry["having"][m]) for m in modalities}
    if len(set(categories)) < len(categories) or {len(v) for v in (rows, *having.values())} != {
        len(categories)
    }:
        raise ValueError(name)
    if any(not sum(found) for found in having.values()):
        raise ValueError(name)
    return Covariate(name, categories, rows, having)
