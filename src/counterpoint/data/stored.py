"""`Prepared` as plain values for JSON, and back with every part checked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from counterpoint.data.checks import LIKELIHOODS
from counterpoint.data.prepared import Prepared
from counterpoint.errors import InputError, choose, whole


def to_plain(one: Prepared) -> dict[str, Any]:
    """Return one modality as plain values."""
    plain = {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in asdict(one).items()
    }
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}
    return {**plain, "feature_hash": one.feature_hash}


def from_plain(name: str, entry: Mapping[str, Any]) -> Prepared:
    """Make one modality from plain values, every part checked."""
    known = [*(field.name for field in fields(Prepared)), "feature_hash", "name"]
    for key in known:
        if key not in entry:
            raise InputError(
                f"The preparation of {name!r} lacks {key!r}; it is damaged: save the model again."
            )
    for key in entry:
        choose(f"The preparation of {name!r}: key", key, known)
    likelihood = choose(f"likelihood of modality {name!r}", entry["likelihood"], LIKELIHOODS)
    if not isinstance(entry["event"], (list, tuple)) or not entry["event"]:
        raise InputError(
            f"The preparation of {name!r} has event {entry['event']!r}; it must be a list of whole numbers."
        )
    event = tuple(whole(f"event of {name!r}", size) for size in entry["event"])
    size, classes = _numbers(name, "library_size", entry["library_size"], ()), entry["n_categories"]
    one = Prepared(
        likelihood=likelihood,
        event=event,
        features=_words(name, "features", entry["features"]),
        categories=_words(name, "categories", entry["categories"]),
        n_categories=None if classes is None else whole(f"n_categories of {name!r}", classes, 2),
        shift=_numbers(name, "shift", entry["shift"], event),
        scale=_numbers(name, "scale", entry["scale"], event),
        pixels=None
        if entry["pixels"] is None
        else choose(f"pixels of {name!r}", entry["pixels"], ("byte", "unit")),
        library_size=None if size is None else float(size),
        looks_like=str(entry["looks_like"]),
        why=str(entry["why"]),
    )
    problems = {
        "features": one.features is not None and event != (len(one.features),),
        "feature_hash": one.feature_hash != entry["feature_hash"],
        "n_categories": (one.n_categories is not None) != (likelihood == "categorical"),
        "categories": one.categories is not None and len(one.categories) != one.n_categories,
        "scale": one.scale is not None and not (one.scale > 0).all(),
        "library_size": one.library_size is not None and not one.library_size > 0,
    }
    for key, wrong in problems.items():
        if wrong:
            raise InputError(
                f"The preparation of {name!r} has a {key!r} that does not fit its other parts; it was "
                "changed or damaged: save "
                "the model again."
            )
    return one


def origin_from(given: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return how modalities were found in the training data, checked.

    Raises:
        InputError: it is not name -> option -> text.

    Example:
        >>> origin_from({"rna": {"layer": "counts"}}, ["rna"])
        {'rna': {'layer': 'counts'}}
    """
    fine = isinstance(given, Mapping) and all(
        name in names
        and isinstance(found, Mapping)
        and all(isinstance(word, str) for pair in found.items() for word in pair)
        for name, found in given.items()
    )
    if not fine:
        raise InputError(
            "The preparation has an 'origin' that is not modality -> option -> text; it was changed or "
            "damaged: save the model again."
        )
    return {name: dict(found) for name, found in given.items()}


def _words(name: str, key: str, value: Any) -> tuple[str, ...] | None:
    """Check a list of text."""
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise InputError(f"The preparation of {name!r} has {key} that are not a list of text; it is damaged.")
    return tuple(value)


def _numbers(name: str, key: str, value: Any, event: tuple[int, ...]) -> np.ndarray | None:
    """Check finite numbers of the shape of the event, or a single one for all."""
    if value is None:
        return None
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError):
        array = np.array(np.nan)
    if array.shape not in (event, ()) or not np.isfinite(array).all():
        raise InputError(
            f"The preparation of {name!r} has {key} that are not finite numbers of shape {event}; it is "
            "damaged."
        )
    return array
