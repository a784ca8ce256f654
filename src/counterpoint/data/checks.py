"""What a likelihood allows, and what the columns must be called."""

import numpy as np

from counterpoint.data.multimodal import expand
from counterpoint.data.values import place
from counterpoint.errors import InputError

REAL = ("normal", "normal_learned", "laplace", "laplace_learned")
COUNTS = ("poisson", "negative_binomial")
LIKELIHOODS = (*REAL, "bernoulli", "categorical", *COUNTS)


def check_values(
    what: str,
    x: np.ndarray,
    mask: np.ndarray,
    likelihood: str,
    features: tuple[str, ...] | None = None,
    *,
    byte: bool = False,
    n_categories: int | None = None,
) -> None:
    """Check that the observed values are in the range of the likelihood.

    Raises:
        InputError: says the first value that is not, where it is, and what to do.

    Example:
        >>> import numpy as np
        >>> x, mask = np.array([[-1]]), np.array([True])
        >>> x, mask = np.array([[-1]]), np.array([True])
        >>> check_values("modality 'a'", x, mask, "poisson")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        counterpoint.errors.InputError: ...
    """
    if likelihood in REAL and not byte:
        return
    if byte:
        needs, bad = "bytes from 0 to 255", (x < 0) | (x > 255)
    elif likelihood == "bernoulli":
        needs, bad = "values in [0, 1]", (x < 0) | (x > 1)
    else:
        needs, bad = "whole numbers of at least 0", x < 0
        if x.dtype.kind == "f":
            bad |= x != np.rint(x)
        if n_categories is not None:
            needs, bad = f"codes from 0 to {n_categories - 1}, as fitted", bad | (x >= n_categories)
    bad &= expand(mask, x.shape)
    if bad.any():
        raise InputError(
            f"{what} holds {x[bad][0]} in {place(bad, features)}; likelihood {likelihood!r} needs {needs}. "
            "Give such values or "
            f"another likelihood, such as {'normal' if likelihood != 'normal' else 'laplace'!r}."
        )


def check_features(what: str, fitted: tuple[str, ...] | None, given: tuple[str, ...] | None) -> None:
    """Check that the columns have the names they had; unnamed columns are taken in their order.

    Example:
        >>> check_features("modality 'a'", ("x", "y"), ("y", "x"))  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        counterpoint.errors.InputError: column 0 is 'y'
    """
    if fitted is None or given is None or fitted == given:
        return
    i = next(i for i, (a, b) in enumerate(zip(fitted, given, strict=True)) if a != b)
    if sorted(fitted) == sorted(given):
        raise InputError(
            f"{what} has its columns in another order: column {i} is {given[i]!r}, it was fitted with "
            f"{fitted[i]!r}. Bring them "
            "into the fitted order."
        )
    lacks = [f for f in fitted if f not in set(given)]
    raise InputError(
        f"{what} has other columns: column {i} is {given[i]!r}, it was fitted with {fitted[i]!r}; "
        f"{len(lacks)} of {len(fitted)} "
        f"fitted columns are lacking, such as {', '.join(map(repr, lacks[:5]))}. Give the same ones."
    )
