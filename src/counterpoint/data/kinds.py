"""What a modality looks like, and the likelihood that suits it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from counterpoint.data.multimodal import expand
from counterpoint.errors import InputError

OVERDISPERSED = 1.5  # variance over mean; 1 for Poisson counts
MANY_ZEROS = 0.2


@dataclass(frozen=True)
class Kind:
    """A likelihood, what the modality looks like and why: what `inspect` shows.

    Example:
        >>> Kind("bernoulli", "binary", "every value is 0 or 1").likelihood
        'bernoulli'
    """

    likelihood: str
    looks_like: str
    why: str


def infer(x: np.ndarray, mask: np.ndarray, categories: tuple[str, ...] | None = None) -> Kind:
    """Infer the likelihood of one modality from its observed values.

    Args:
        x: (N, *event).
        mask: bool, (N,) or (N, *event).
        categories: what the codes stand for, if `x` holds codes.

    Raises:
        InputError: nothing is observed.

    Example:
        >>> import numpy as np
        >>> infer(np.array([[0, 3], [1, 2]]), np.array([True, True])).likelihood
        'poisson'
    """
    if categories is not None:
        return Kind("categorical", "categories", f"text with {len(categories)} different values")
    seen = x[mask]
    if seen.size == 0:
        raise InputError("Nothing is observed, so no likelihood can be inferred; leave the modality out.")
    low, high = float(seen.min()), float(seen.max())
    if is_image8(x, mask):
        return Kind("laplace", "8-bit image", f"whole numbers in one byte up to {high:g}; divided by 255")
    whole = seen.dtype.kind in "iu" or bool((seen == np.rint(seen)).all())
    return judge(x.shape[1:], low, high, whole, lambda: float((seen == 0).mean()), lambda: moments(x, mask))


def judge(
    event: tuple[int, ...],
    low: float,
    high: float,
    whole: bool,
    zeros: Callable[[], float],
    spread: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> Kind:
    """Return what numbers look like, by what is known of the observed ones.

    Args:
        event: Shape of one row.
        low: The smallest value.
        high: The largest value.
        whole: Whether all are whole numbers.
        zeros: Gives the share that is exactly 0.
        spread: Gives mean and variance, (*event) each.

    Example:
        >>> judge((3,), 0.0, 1.0, True, lambda: 0.5, lambda: (np.zeros(3), np.zeros(3))).looks_like
        'binary'
    """
    if whole and low >= 0 and high <= 1:
        return Kind("bernoulli", "binary", "every value is 0 or 1")
    if low >= 0 and high <= 1:
        if len(event) > 1:
            return Kind("laplace", "image in [0, 1]", f"arrays of shape {event} with values in [0, 1]")
        return Kind("bernoulli", "values in [0, 1]", "every value lies in [0, 1]")
    if whole and low >= 0:
        return _counts(high, *spread())
    share = zeros()
    if low >= 0 and share >= MANY_ZEROS:
        return Kind(
            "normal",
            "log-normalised counts",
            f"{share:.0%} exact zeros among non-negative values that are not whole: counts that look "
            "log-normalised; raw counts, if you have them, suit negative_binomial",
        )
    return Kind("normal", "real values", f"values between {low:g} and {high:g}")


def is_image8(x: np.ndarray, mask: np.ndarray) -> bool:
    """Tell whether bytes look like pictures: arrays above 31, or rows of 16 and more that reach 255.

    Example:
        >>> import numpy as np
        >>> is_image8(np.full((1, 2, 2), 200, dtype=np.uint8), np.array([True]))
        True
        >>> is_image8(np.full((1, 20), 6, dtype=np.uint8), np.array([True]))
        False
    """
    if x.dtype != np.uint8:
        return False
    seen = x[mask]
    high = int(seen.max()) if seen.size else 0
    return high > 31 if x.ndim > 2 else high == 255 and x.shape[1] >= 16


def _counts(high: float, mean: np.ndarray, variance: np.ndarray) -> Kind:
    """Tell overdispersed counts from those that suit Poisson."""
    used = mean > 0
    ratio = float((variance[used] / mean[used]).mean())
    what = f"non-negative whole numbers up to {high:g}, variance {ratio:.1f} times the mean"
    if ratio > OVERDISPERSED and mean.size >= 5:
        return Kind("negative_binomial", "counts", what)
    return Kind("poisson", "counts", what + ("" if mean.size >= 5 else f", only {mean.size} features"))


def moments(x: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance over the rows where a value is observed, (*event) float64; 0 if it never is.

    Example:
        >>> import numpy as np
        >>> moments(np.array([[1.0], [3.0]]), np.array([True, True]))
        (array([2.]), array([1.]))
    """
    if mask.ndim == 1:
        seen = x if mask.all() else x[mask]
        if len(seen) == 0:
            return np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
        return seen.mean(axis=0, dtype=np.float64), seen.var(axis=0, dtype=np.float64)
    count = np.maximum(expand(mask, x.shape).sum(axis=0), 1)
    mean = np.where(mask, x, 0).sum(axis=0, dtype=np.float64) / count
    return mean, (np.where(mask, x - mean, 0.0) ** 2).sum(axis=0) / count
