"""Rows in the columns of a fit: matched by name, whatever their order, whatever else there is."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoint.data.multimodal import MultimodalData, expand
from counterpoint.data.preparation import Preparation
from counterpoint.data.prepared import hash_of
from counterpoint.errors import InputError, choose, nearest

MISSING = ("refuse", "impute")  # what is done about a feature of the fit that the rows lack


def matched(
    data: MultimodalData,
    prepared: Preparation,
    missing_features: str = "refuse",
    said: Callable[[str], None] | None = None,
) -> MultimodalData:
    """Return rows with the columns that the preparation was fitted on, in its order.

    Columns are matched by name where both have names; those without are taken in their order. A feature that
    the rows lack is refused, or with `"impute"` a value that was not observed; a modality without any of its
    features is absent. Columns that were not fitted are left out, which `notes` of the result says.

    Args:
        data: Rows; modalities that were not fitted stay as they are.
        prepared: Of the fit.
        missing_features: `"refuse"` or `"impute"`.
        said: Told of columns that are left out.

    Raises:
        InputError: A feature is lacking and refused, or a name stands there twice.

    Example:
        >>> from counterpoint.data import read
        >>> import pandas as pd
        >>> prepared = Preparation.fit({"rna": pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})})
        >>> new = read({"rna": pd.DataFrame({"b": [7.0, 8.0]})})
        >>> found = matched(new, prepared, "impute")
        >>> found.x["rna"].tolist(), found.mask["rna"].tolist()
        ([[0.0, 7.0], [0.0, 8.0]], [[False, True], [False, True]])
        >>> matched(new, prepared)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: modality 'rna' lacks 1 of the 2 features that were fitted...
    """
    choose("missing_features", missing_features, MISSING)
    x, mask, features, notes = dict(data.x), dict(data.mask), dict(data.features), dict(data.notes)
    for name in data.names:
        own = data.features[name]
        fitted = prepared.modalities[name].features if name in prepared.names else None
        if own is None or fitted is None or own == fitted:
            continue
        columns = columns_of(name, own, fitted, missing_features)
        extra, lacks = differences(own, fitted)
        x[name], mask[name] = _taken(data.x[name], data.mask[name], columns)
        features[name] = fitted
        if said is not None and extra:
            said(f"modality {name!r}: {extra}.")
        notes[name] = "; ".join(filter(None, [notes[name], extra, lacks])) or None
    return replace(data, x=x, mask=mask, features=features, notes=notes)


def differences(own: tuple[str, ...], fitted: tuple[str, ...]) -> tuple[str, str]:
    """Say which columns are left out, and which are imputed; nothing where there are none.

    Example:
        >>> differences(("c", "a"), ("a", "b"))
        ("1 feature ('c') is left out, which the fit did not have", "1 feature ('b') is lacking, and imputed")
    """
    here, known = set(own), set(fitted)
    extra = [feature for feature in own if feature not in known]
    lacks = [feature for feature in fitted if feature not in here]
    return _listed(extra, "left out, which the fit did not have"), _listed(lacks, "lacking, and imputed")


def warn(said: str) -> None:
    """Warn of what rows have that a model has no use for.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as found:
        ...     warnings.simplefilter("always")
        ...     warn("a column too many")
        >>> str(found[0].message)
        'a column too many'
    """
    warnings.warn(said, stacklevel=2)


def columns_of(name: str, own: tuple[str, ...], fitted: tuple[str, ...], missing_features: str) -> np.ndarray:
    """Return where each fitted feature stands among the rows' own, -1 where it is not there.

    Raises:
        InputError: It is not there and that is refused, or a name stands there twice.

    Example:
        >>> columns_of("rna", ("c", "a"), ("a", "b", "c"), "impute").tolist()
        [1, -1, 0]
    """
    place = {feature: i for i, feature in enumerate(own)}
    if len(place) < len(own):
        twice = next(feature for feature in own if own.count(feature) > 1)
        raise InputError(
            f"modality {name!r} names {twice!r} twice, so its features cannot be matched by name; "
            "give every column a name of its own."
        )
    lacks = [feature for feature in fitted if feature not in place]
    if lacks and missing_features == "refuse":
        of = f"lacks {len(lacks)} of the {len(fitted)} features that were fitted, such as"
        listed = ", ".join(map(repr, lacks[:5]))
        have = f" It has {', '.join(map(repr, own[:5]))}{', ...' if len(own) > 5 else ''}."
        known = set(fitted)
        hint = nearest(lacks[0], [feature for feature in own if feature not in known]) or (
            have if len(lacks) == len(fitted) else ""
        )
        raise InputError(
            f"modality {name!r} {of} {listed}.{hint} Give rows that have them, or have them imputed: "
            "missing_features=impute, in Python model.read(X, missing_features='impute')."
        )
    return np.array([place.get(feature, -1) for feature in fitted])


def _taken(x: np.ndarray, mask: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns (N, D) and their mask; -1 is a column of which nothing was observed."""
    there = columns >= 0
    taken = np.where(there, x[:, columns], x.dtype.type(0))
    if not there.any():
        return taken, np.zeros(len(x), dtype=bool)
    if there.all() and mask.ndim == 1:
        return taken, mask
    return taken, expand(mask, x.shape)[:, columns] & there


def _listed(features: list[str], what: str) -> str:
    """Say how many features, the first of them, and what becomes of them."""
    if not features:
        return ""
    are = "is" if len(features) == 1 else "are"
    named = ", ".join(map(repr, features[:3])) + (", ..." if len(features) > 3 else "")
    return f"{len(features)} features ({named}) {are} {what}".replace("1 features", "1 feature", 1)


def check_hash(data: MultimodalData, prepared: Preparation, claimed: Mapping[str, Any]) -> None:
    """Refuse rows whose columns are, by their own word, not those of the fit.

    Columns without names are taken in their order, and nothing in them tells whether it is the right one. A
    hash of the names, kept where the table was made, does.

    Args:
        data: Rows.
        prepared: Of the fit; `prepared[name].feature_hash` is in its data card.
        claimed: name -> `hash_of` the names of its columns, as whoever made the rows knew them.

    Raises:
        InputError: Another hash than the fit's, or than that of the names that are there.

    Example:
        >>> prepared = Preparation.fit({"rna": [[1.0], [2.0]]})
        >>> check_hash(MultimodalData({"rna": np.ones((1, 1))}, {"rna": np.ones(1, bool)}), prepared, {})
    """
    for name, given in claimed.items():
        own, fitted = data.features[choose("feature_hash: modality", name, data.names)], prepared[name]
        if own is not None and hash_of(own) != given:
            raise InputError(
                f"modality {name!r} comes with the hash {_short(given)}, and the names of its columns have "
                f"{_short(hash_of(own))}: they were changed or reordered since. Make the rows again."
            )
        if own is None and fitted.feature_hash != given:
            was = "columns without names" if fitted.feature_hash is None else _short(fitted.feature_hash)
            raise InputError(
                f"modality {name!r} has columns without names, of which the hash {_short(given)} says that "
                f"they are not those of the fit ({was}). Give the names, and they are matched."
            )


def _short(value: Any) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) > 12 else repr(value)
