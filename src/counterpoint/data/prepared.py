"""What is remembered of one modality, so that new data reach the model as the training data did."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterpoint.data.checks import COUNTS, REAL, check_features, check_values
from counterpoint.data.kinds import infer, is_image8, moments
from counterpoint.data.multimodal import expand
from counterpoint.data.values import place
from counterpoint.errors import InputError

CHUNK, VALUES = 4096, 2**22  # rows, and values, that are standardised at a time, in float64


@dataclass(frozen=True, eq=False)
class Prepared:
    """One modality as fitted: the model reads (x - shift) / scale.

    Attributes:
        likelihood: one of `LIKELIHOODS`.
        event: shape of one row.
        features: names of the columns, or None.
        categories: what the codes stand for, or None.
        n_categories: how many codes there are, for `categorical`.
        shift: (*event) float64 in the data's units, or None for 0.
        scale: (*event) or () float64 in the data's units, above 0, or None for 1.
        pixels: "byte" for pictures of 0..255, "unit" for pictures of [0, 1], else None.
        library_size: median over the rows of the sum of counts over the observed share; None if not counts.
        looks_like: what the training data looked like.
        why: what that was seen from.
    """

    likelihood: str
    event: tuple[int, ...]
    features: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    n_categories: int | None = None
    shift: np.ndarray | None = None
    scale: np.ndarray | None = None
    pixels: str | None = None
    library_size: float | None = None
    looks_like: str = ""
    why: str = ""

    @property
    def feature_hash(self) -> str | None:
        """sha256 over the names of the columns, in their order."""
        return None if self.features is None else hash_of(self.features)


def hash_of(features: Sequence[str]) -> str:
    """Return the sha256 over names of columns, in their order: one word for what a table's columns are.

    Example:
        >>> hash_of(["CD3", "CD4"])[:12], hash_of(["CD4", "CD3"])[:12]
        ('d59c2ded8c5a', '94af272126b0')
    """
    return hashlib.sha256(json.dumps(list(features)).encode()).hexdigest()


def fit_one(
    name: str,
    x: np.ndarray,
    mask: np.ndarray,
    features: tuple[str, ...] | None = None,
    categories: tuple[str, ...] | None = None,
    *,
    likelihood: str = "auto",
    standardise: bool = True,
    constant: str = "refuse",
) -> Prepared:
    """Fit one modality on its observed values.

    Raises:
        InputError: never observed, values that the likelihood does not allow, or constant columns.

    Example:
        >>> import numpy as np
        >>> one = fit_one("a", np.array([[-1.0], [3.0]]), np.array([True, True]))
        >>> one.likelihood, one.shift, one.scale
        ('normal', array([1.]), array([2.]))
    """
    what = f"modality {name!r}"
    if not mask.any():
        raise InputError(
            f"{what} is never observed in the training rows; leave it out, or train on rows that have it."
        )
    kind = infer(x, mask, categories)
    chosen = kind.likelihood if likelihood == "auto" else likelihood
    if categories is not None and chosen != "categorical":
        raise InputError(
            f"{what} holds text, likelihood {chosen!r} needs numbers; use 'categorical' or give numbers."
        )
    pixels = "unit" if kind.looks_like == "image in [0, 1]" else None
    if is_image8(x, mask) and chosen in (*REAL, "bernoulli"):
        pixels = "byte"
    if pixels != "byte":  # uint8 holds nothing else
        check_values(what, x, mask, chosen, features)
    n_categories = None
    if chosen == "categorical":
        n_categories = len(categories) if categories is not None else int(x[mask].max()) + 1
        if n_categories < 2:
            raise InputError(f"{what} holds one category only; there is nothing to model. Leave it out.")
    shift, scale = None, np.array(255.0) if pixels == "byte" else None
    if standardise and pixels != "byte" and (chosen.startswith("normal") or (chosen in REAL and x.ndim == 2)):
        shift, scale = _standard(what, x, mask, features, constant)
    return Prepared(
        likelihood=chosen,
        event=x.shape[1:],
        features=features,
        categories=categories,
        n_categories=n_categories,
        shift=shift,
        scale=scale,
        pixels=pixels,
        library_size=_library_size(x, mask) if chosen in COUNTS else None,
        looks_like=kind.looks_like,
        why=kind.why,
    )


def _standard(
    what: str, x: np.ndarray, mask: np.ndarray, features: tuple[str, ...] | None, constant: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each value; constants are refused or get a scale of 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = moments(x, mask)
    full = expand(mask, x.shape)
    wide = x if x.dtype.kind == "f" else x.astype(np.float64)
    low, high = np.where(full, wide, np.inf).min(axis=0), np.where(full, wide, -np.inf).max(axis=0)
    return standard(what, len(x), mean, variance, low < high, features, constant)


def standard(
    what: str,
    rows: int,
    mean: np.ndarray,
    variance: np.ndarray,
    varies: np.ndarray,
    features: tuple[str, ...] | None,
    constant: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, (*event) each; constants are refused or get a scale of 1.

    Args:
        what: The modality, for the messages.
        rows: N, of the training rows.
        mean: (*event), over the observed values.
        variance: (*event).
        varies: (*event) bool, whether the largest value lies above the smallest.
        features: names of the columns.
        constant: "refuse" or "keep".

    Raises:
        InputError: a variance that is not finite, or constant columns.

    Example:
        >>> standard("modality 'a'", 2, np.ones(1), np.full(1, 4.0), np.array([True]), None, "refuse")
        (array([1.]), array([2.]))
    """
    if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
        raise InputError(f"{what} holds values so large that their variance is not finite; rescale it first.")
    scale = np.sqrt(variance)
    flat = ~varies | (scale == 0)  # constant, or never observed
    if flat.any() and constant == "refuse" and mean.ndim == 1:
        columns = np.flatnonzero(flat)
        names = [repr(features[i]) if features else str(i) for i in columns[:5]]
        more = ", ..." if len(columns) > 5 else ""
        raise InputError(
            f"{what}: {len(columns)} of {flat.size} columns are constant or never observed in the {rows} "
            f"training rows: {', '.join(names)}{more}. A constant column cannot be standardised: drop them "
            "or pass constant='keep'."
        )
    return mean, np.where(flat, 1.0, scale)


def _library_size(x: np.ndarray, mask: np.ndarray) -> float:
    """Return the median over the rows of the sum of counts divided by the observed share; at least 1."""
    full = expand(mask, x.shape).reshape(len(x), -1)
    share = full.mean(axis=1)
    total = np.where(full, x.reshape(len(x), -1), 0).sum(axis=1, dtype=np.float64)
    here = share > 0
    return max(float(np.median(total[here] / share[here])), 1.0)


def apply_one(
    name: str,
    one: Prepared,
    x: np.ndarray,
    mask: np.ndarray,
    features: tuple[str, ...] | None = None,
    categories: tuple[str, ...] | None = None,
    keep_bytes: bool = False,
) -> np.ndarray:
    """Return what the model reads: float32 (int64 codes for `categorical`), contiguous, 0 where absent.

    With `keep_bytes`, pictures of 0..255 that come as uint8 with a mask of rows stay so: the array itself,
    where it is contiguous and absent rows are 0 already. What reads them divides by 255.

    Raises:
        InputError: another shape, other columns, other units or values out of range.

    Example:
        >>> x, mask = np.array([[[0, 51], [102, 255]]], dtype=np.uint8), np.array([True])
        >>> one = fit_one("a", x, mask)
        >>> apply_one("a", one, x, mask).tolist()
        [[[0.0, 0.20000000298023224], [0.4000000059604645, 1.0]]]
        >>> apply_one("a", one, x, mask, keep_bytes=True) is x
        True
    """
    what = f"modality {name!r}"
    if x.shape[1:] != one.event:
        both = (x.shape[1], one.event[0]) if x.ndim == 2 and len(one.event) == 1 else (x.shape[1:], one.event)
        raise InputError(
            f"{what} has {both[0]} features per row; it was fitted on {both[1]}. Give the same ones."
        )
    check_features(what, one.features, features)
    full = expand(mask, x.shape)
    if one.likelihood == "categorical":
        return _codes(what, one, x, full, categories)
    if categories is not None:
        raise InputError(f"{what} holds text such as {categories[0]!r}; it was fitted on numbers.")
    _check_pixels(what, one, x, full)
    byte = one.pixels == "byte" and x.dtype == np.uint8
    if byte and keep_bytes and mask.ndim == 1:
        if x[~mask].any():
            x = x.copy()
            x[~mask] = 0
        return np.ascontiguousarray(x)
    if not byte:  # else it is checked by its type
        check_values(what, x, mask, one.likelihood, features, byte=one.pixels == "byte")
    out = np.zeros(x.shape, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        step = max(1, min(CHUNK, VALUES // max(1, x[:1].size)))
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            values = x[rows]
            if one.shift is not None:
                values = values - one.shift
            if one.scale is not None:
                values = values / one.scale
            out[rows] = np.where(full[rows], values, 0)
    if not np.isfinite(out).all():
        raise InputError(
            f"{what} is too large for float32 in {place(~np.isfinite(out), features)}; rescale it first."
        )
    return out


def _check_pixels(what: str, one: Prepared, x: np.ndarray, full: np.ndarray) -> None:
    """Check that pictures come in the units they had."""
    if one.pixels == "byte" and x.dtype.kind == "f":
        seen = x[full]
        if seen.size and 0 < seen.max() <= 1 and (seen != np.rint(seen)).any():
            raise InputError(
                f"{what} has values in [0, 1]; it was fitted on bytes from 0 to 255. Multiply it by 255."
            )
    if one.pixels == "unit" and x.dtype == np.uint8 and x[full].max(initial=0) > 1:
        raise InputError(
            f"{what} holds bytes up to {x.max()}; it was fitted on values in [0, 1]. Divide it by 255."
        )


def _codes(
    what: str, one: Prepared, x: np.ndarray, full: np.ndarray, given: tuple[str, ...] | None
) -> np.ndarray:
    """Return the codes that the categories had at fitting."""
    if not full.any():  # nothing to code, whatever type the holes came in
        return np.zeros(x.shape, dtype=np.int64)
    if (given is None) != (one.categories is None):
        had, has = ("numbers", "text") if one.categories is None else ("text", "numbers")
        raise InputError(f"{what} holds {has} as categories; it was fitted on {had}. Give {had}.")
    if given is not None and one.categories is not None and given != one.categories:
        code = {category: i for i, category in enumerate(one.categories)}
        table = np.array([code.get(category, -1) for category in given])
        x = table[x]
        unseen = (x < 0) & full
        if unseen.any():
            names = sorted({category for category in given if category not in code})
            raise InputError(
                f"{what} holds a category in {place(unseen)} that it was not fitted on; new are "
                f"{', '.join(map(repr, names[:5]))}, "
                f"known are {', '.join(map(repr, one.categories[:20]))}. Put None there, or fit on data "
                "that have it."
            )
    check_values(what, x, full, "categorical", n_categories=one.n_categories)
    return np.ascontiguousarray(np.where(full, x, 0), dtype=np.int64)
