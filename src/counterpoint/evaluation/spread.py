"""Spread over seeds and over rows: no number of a comparison comes without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from counterpoint.errors import InputError, number, whole
from counterpoint.evaluation import checks


class Spread(NamedTuple):
    """A mean with the spread of what it is the mean of.

    Attributes:
        mean: arithmetic mean; NaN if n is 0.
        sd: standard deviation of the sample (n - 1 in the denominator); NaN if n is below 2.
        n: values counted.

    Example:
        >>> Spread(0.5, 0.1, 3).n
        3
    """

    mean: float
    sd: float
    n: int


def mean_and_spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation over seeds.

        mean = 1/n sum_i v_i,   sd = sqrt( 1/(n-1) sum_i (v_i - mean)^2 )

    NaN stands for "not measured" (coherence of a single modality): it is left out, and `n` says so.

    Raises:
        InputError: for infinite values or what is no number.

    Example:
        >>> mean_and_spread([1.0, 2.0, 3.0])
        Spread(mean=2.0, sd=1.0, n=3)
        >>> mean_and_spread([1.0, float("nan")])
        Spread(mean=1.0, sd=nan, n=1)
    """
    import numpy as np

    array = checks.numbers("values", list(values))
    if array.ndim != 1:
        raise InputError(f"values has shape {array.shape}; give one number per seed.")
    array = checks.finite("values", array[~np.isnan(array)])
    n = len(array)
    mean = float(array.mean()) if n else float("nan")
    return Spread(mean, float(array.std(ddof=1)) if n > 1 else float("nan"), n)


_FEW = 32  # different values, up to which it is faster to draw how often each occurs
_DRAWS = 10_000_000  # rows drawn in all, at most, where they are drawn one by one


def bootstrap_interval(
    values: Any, seed: int = 0, level: float = 0.95, *, resamples: int | None = None
) -> tuple[float, float]:
    """Bootstrap interval of the mean over rows, by the percentiles of resampled means.

    A resample draws N rows with replacement. Where few different values occur, as right and wrong, it draws
    how often each of them occurs, which is the same distribution.

    Args:
        values: (N,) one finite number per row, such as right (1) or wrong (0); N of at least 2.
        seed: decides the resamples; the global generator is not touched.
        level: share of the resampled means inside, between 0 and 1, both excluded.
        resamples: how many; None takes 9,999 or, of many rows that all differ, fewer, but at least 999.

    Raises:
        InputError: for fewer than two values, values that are not finite, a level outside (0, 1).

    Source: Efron & Tibshirani 1993, chapter 13.

    Example:
        >>> low, high = bootstrap_interval([0, 1] * 50, seed=0)
        >>> 0.35 < low < 0.45 < 0.55 < high < 0.65
        True
    """
    import numpy as np

    level = number("level", level, open_=True)
    if level >= 1:
        raise InputError(f"level is {level:g}; it must be between 0 and 1, both excluded.")
    array = checks.finite("values", checks.numbers("values", values))
    if array.ndim != 1 or len(array) < 2:
        raise InputError(f"values has shape {array.shape}; give one number per row, at least two rows.")
    generator = np.random.default_rng(whole("seed", seed, 0))
    rows = len(array)
    found, counts = np.unique(array, return_counts=True)
    few = len(found) <= _FEW
    if resamples is None:
        resamples = 9_999 if few else min(9_999, max(999, _DRAWS // rows))
    whole("resamples", resamples)
    if few:
        means = generator.multinomial(rows, counts / rows, size=resamples) @ found / rows
    else:
        at_once = max(1, 100_000 // rows)  # what a core's cache holds
        sizes = [min(at_once, resamples - at) for at in range(0, resamples, at_once)]
        drawn = (generator.integers(rows, size=(size, rows), dtype=np.uint32) for size in sizes)
        means = np.concatenate([array[index].mean(1) for index in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
