"""Labels as categories: which name a batch, and what their values are as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterpoint.data.omics_files import is_file, is_object
from counterpoint.errors import InputError

MOST_NUMBERS = 50  # categories of a covariate of numbers; more are measurements or row numbers
WORDS = (  # of which one stands in the name of a label that is likely a batch
    *("batch", "chip", "day", "donor", "experiment", "individual", "lane", "library", "pool", "patient"),
    *("plate", "replicate", "run", "sample", "sequencer", "site", "subject"),
)


def names_of(batch: Any) -> tuple[str, ...]:
    """Return the names of covariates: of one label, of several with commas, or of a list.

    Raises:
        InputError: something else, no name, or one twice.

    Example:
        >>> names_of("donor, lane"), names_of(["donor"]), names_of(None)
        (('donor', 'lane'), ('donor',), ())
    """
    if batch is None:
        return ()
    listed = [part.strip() for part in batch.split(",")] if isinstance(batch, str) else batch
    if not isinstance(listed, (list, tuple)) or not all(isinstance(n, str) and n for n in listed):
        raise InputError(
            f"batch is {batch!r}; give the name of a label, such as 'donor', or a list of names."
        )
    if not listed:
        raise InputError("batch names no label; give at least one, or None.")
    for name in listed:
        if list(listed).count(name) > 1:
            raise InputError(f"batch names {name!r} twice; give each label once.")
    return tuple(listed)


def labels_with(source: Any, labels: Sequence[str] | None, batch: Any) -> list[str] | None:
    """Return the entries of a source that are read as labels, so that those of a batch are among them.

    All columns of an AnnData's or MuData's `obs` are labels anyway.

    Example:
        >>> labels_with("rows.npz", ["celltype"], "donor,lane"), labels_with("cells.h5ad", None, "donor")
        (['celltype', 'donor', 'lane'], None)
    """
    said = list(labels or ())
    if labels is None and (not names_of(batch) or is_object(source) or is_file(source)):
        return None
    return [*said, *(name for name in names_of(batch) if name not in said)]


def candidates(labels: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return the labels that are likely batches, by their names, with their numbers of categories.

    Example:
        >>> rows = {"Donor": np.repeat(["A", "B"], 30), "celltype": np.repeat(["T", "B"], 30)}
        >>> candidates({**rows, "sample_size": np.arange(60)})
        {'Donor': 2}
    """
    found = {}
    for name, label in labels.items():
        if np.ndim(label) == 1 and any(word in name.lower() for word in WORDS):
            said = [text(value) for value in np.asarray(label).tolist()]
            count = len(set(said))
            if None not in said and 2 <= count <= min(MOST_NUMBERS, len(said) // 10):
                found[name] = count
    return found


def texts(name: str, label: Any, rows: int) -> list[str | None]:
    """Return a label as text, None where there is nothing."""
    values = np.asarray(label)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.shape != (rows,):
        raise InputError(
            f"label {name!r} has shape {values.shape}; a batch needs one category a row, ({rows},)."
        )
    if values.dtype.kind == "f" and not (np.isnan(values) | (values == np.round(values))).all():
        raise InputError(
            f"batch is {name!r}, which holds numbers that are not whole; categories are wanted: put them "
            "into bins."
        )
    return [text(value) for value in values.tolist()]


def text(value: Any) -> str | None:
    """Return one category as text: 3 and 3.0 are one; None where there is nothing."""
    if value is None or value != value or value == "":
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
