"""`Preparation` of rows that stay in their file: what `prepared.fit_one` sees at once, block by block."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoint.data.backed import Backed
from counterpoint.data.backed_scan import Moments
from counterpoint.data.backed_tables import dense
from counterpoint.data.categories import names_of
from counterpoint.data.checks import COUNTS, LIKELIHOODS, REAL
from counterpoint.data.columns import is_sparse
from counterpoint.data.covariates import Covariates
from counterpoint.data.kinds import Kind, is_image8, judge
from counterpoint.data.preparation import Preparation
from counterpoint.data.prepared import Prepared, standard
from counterpoint.errors import InputError, choose

NEEDS = {
    "bernoulli": "values in [0, 1]",
    **dict.fromkeys((*COUNTS, "categorical"), "whole numbers of at least 0"),
}


@dataclass
class Seen:
    """What is known of the observed values of one modality once all of its rows have passed.

    Attributes:
        moments: mean and variance of every value.
        low: the smallest value.
        high: the largest value.
        whole: whether all are whole numbers.
        zeros: how many are exactly 0.
        count: how many there are.
        least: (*event), the smallest value of each column.
        most: (*event), the largest.
        sizes: of every row the sum of its values over the share that is observed.
        digest: sha256 over all of them as they are stored.
    """

    moments: Moments
    least: np.ndarray
    most: np.ndarray
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    zeros: int = 0
    count: int = 0
    sizes: list[np.ndarray] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, block: Any) -> None:
        """Take rows (n, *event), dense or sparse; NaN is missing."""
        sparse = is_sparse(block)
        for part in (block.data, block.indices, block.indptr) if sparse else (block,):
            self.digest.update(np.ascontiguousarray(part).tobytes())
        if sparse and np.isnan(block.data).any():
            block, sparse = dense(block), False
        self.moments.add(block)
        if sparse:
            self._add_sparse(block)
        else:
            self._add_dense(block)

    def _add_sparse(self, block: Any) -> None:
        rows, width = block.shape
        stored = np.bincount(block.indices, minlength=width)
        least, most = np.full(width, np.inf), np.full(width, -np.inf)
        values = block.data.astype(np.float64)
        np.minimum.at(least, block.indices, values)
        np.maximum.at(most, block.indices, values)
        gaps = stored < rows  # columns that hold a 0 which is not stored
        self._values(values, rows * width, rows * width - np.count_nonzero(values))
        self._columns(np.where(gaps, np.minimum(least, 0), least), np.where(gaps, np.maximum(most, 0), most))
        self.sizes.append(np.asarray(block.sum(axis=1, dtype=np.float64)).ravel())

    def _add_dense(self, block: np.ndarray) -> None:
        x = block.astype(np.float64)
        there = ~np.isnan(x)
        values = x[there]
        self._values(values, values.size, int((values == 0).sum()))
        self._columns(np.where(there, x, np.inf).min(axis=0), np.where(there, x, -np.inf).max(axis=0))
        flat = there.reshape(len(x), -1)
        total = np.where(flat, x.reshape(len(x), -1), 0).sum(axis=1)
        share = flat.mean(axis=1)
        self.sizes.append(total[share > 0] / share[share > 0])

    def _values(self, values: np.ndarray, count: int, zeros: int) -> None:
        self.count += count
        self.zeros += zeros
        self.whole = self.whole and bool((values == np.rint(values)).all())
        ends = [values.min(), values.max()] if values.size else []
        ends += [0.0] if count > values.size else []  # zeros that are not stored
        self.low, self.high = min([self.low, *ends]), max([self.high, *ends])

    def _columns(self, least: np.ndarray, most: np.ndarray) -> None:
        self.least, self.most = np.minimum(self.least, least), np.maximum(self.most, most)


def prepare_backed(
    source: Backed,
    likelihood: str | Mapping[str, str] = "auto",
    standardise: bool = True,
    constant: str = "refuse",
    batch: str | Sequence[str] | None = None,
) -> tuple[Preparation, str]:
    """Return the preparation that `Preparation.fit` makes of the same rows in memory, and a hash of them.

    Raises:
        InputError: as `Preparation.fit`.

    Example:
        >>> from counterpoint.data.backed_tables import Table
        >>> x = np.array([[1.5, 5.0], [3.5, 7.0], [5.5, 9.0]])
        >>> source = Backed({"a": Table(x, x.dtype)}, {"a": np.arange(3)})
        >>> prepare_backed(source)[0]["a"].shift
        array([3.5, 7. ])
    """
    if not isinstance(standardise, (bool, np.bool_)):
        raise InputError(f"standardise is {standardise!r}; it must be True or False.")
    choose("constant", constant, ("refuse", "keep"))
    given = likelihood if isinstance(likelihood, Mapping) else dict.fromkeys(source.names, likelihood)
    for name in given:
        choose("likelihood: modality", name, source.names)
    words = {name: given.get(name, "auto") for name in source.names}
    for name, word in words.items():
        choose(f"likelihood of modality {name!r}", word, ("auto", *LIKELIHOODS))
    covariates = Covariates.fit(source.labels, source.present(), names_of(batch)) if names_of(batch) else None
    made, digest = {}, hashlib.sha256()
    for name in source.names:
        seen = _look(source, name)
        made[name] = _fit(name, source, seen, words[name], bool(standardise), constant)
        there = source.position[name] >= 0
        digest.update(f"{name}{source.features[name]}{source.tables[name].dtype}".encode())
        digest.update(there.tobytes() + seen.digest.digest())
    if covariates is not None:
        digest.update(covariates.columns(source.labels, len(source)).tobytes())
    origin = {name: found for name, found in source.origin.items() if found}
    return Preparation(made, covariates, origin), digest.hexdigest()


def _look(source: Backed, name: str) -> Seen:
    """Look through the rows that have a modality, in their order."""
    table, rows = source.tables[name], source.position[name]
    rows = rows[rows >= 0]
    if not len(rows):
        raise InputError(
            f"modality {name!r} is never observed in the training rows; leave it out, or train on rows that "
            "have it."
        )
    event = table.event
    seen = Seen(Moments(event), np.full(event, np.inf), np.full(event, -np.inf))
    for _, block in table.blocks(rows):
        seen.add(block)
    return seen


def _fit(
    name: str, source: Backed, seen: Seen, likelihood: str, standardise: bool, constant: str
) -> Prepared:
    """As `prepared.fit_one`, from what was seen."""
    what, table, features = f"modality {name!r}", source.tables[name], source.features[name]
    mean, variance = seen.moments.mean, seen.moments.variance()
    kind = _kind(seen, table.event, table.dtype)
    chosen = kind.likelihood if likelihood == "auto" else likelihood
    byte = kind.looks_like == "8-bit image" and chosen in (*REAL, "bernoulli")
    if not byte and chosen in NEEDS:
        fine = seen.low >= 0 and (seen.high <= 1 if chosen == "bernoulli" else seen.whole)
        if not fine:
            raise InputError(
                f"{what} holds values from {seen.low:g} to {seen.high:g}"
                f"{'' if seen.whole else ', not all of them whole'}; likelihood {chosen!r} needs "
                f"{NEEDS[chosen]}. Give such values or another likelihood, such as 'normal'."
            )
    n_categories = int(seen.high) + 1 if chosen == "categorical" else None
    if n_categories == 1:
        raise InputError(f"{what} holds one category only; there is nothing to model. Leave it out.")
    shift, scale = None, np.array(255.0) if byte else None
    table_of_reals = chosen.startswith("normal") or (chosen in REAL and len(table.event) == 1)
    if standardise and not byte and table_of_reals:
        rows, varies = int((source.position[name] >= 0).sum()), seen.least < seen.most
        shift, scale = standard(what, rows, mean, variance, varies, features, constant)
    unit = kind.looks_like == "image in [0, 1]"
    return Prepared(
        likelihood=chosen,
        event=table.event,
        features=features,
        n_categories=n_categories,
        shift=shift,
        scale=scale,
        pixels="byte" if byte else "unit" if unit else None,
        library_size=max(float(np.median(np.concatenate(seen.sizes))), 1.0) if chosen in COUNTS else None,
        looks_like=kind.looks_like,
        why=kind.why,
    )


def _kind(seen: Seen, event: tuple[int, ...], dtype: np.dtype) -> Kind:
    """Return what the modality looks like."""
    # Whether bytes are a picture depends on their shape and the largest alone: one row of it says the same.
    if dtype == np.uint8 and is_image8(np.full((1, *event), seen.high, dtype=np.uint8), np.array([True])):
        why = f"whole numbers in one byte up to {seen.high:g}; divided by 255"
        return Kind("laplace", "8-bit image", why)
    share, spread = seen.zeros / max(seen.count, 1), (seen.moments.mean, seen.moments.variance())
    return judge(event, seen.low, seen.high, seen.whole, lambda: share, lambda: spread)
