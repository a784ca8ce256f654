"""Posterior collapse: how many dimensions of the latent say nothing about the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, number
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np

POINTS = 40  # of a curve
KL_RANGE, VARIANCE_RANGE = 6.0, 0.13  # as far as the curves of the literature go


@dataclass(frozen=True, eq=False)
class CollapseCurve:
    """Share of the dimensions that are collapsed, by what counts as collapsed.

    Attributes:
        epsilon: (P,) thresholds, ascending.
        share: (P,) share of the D dimensions at or below the threshold in nearly all rows; never falls.
        collapsed: dimensions collapsed at the one threshold that is reported as a number.
        dimensions: D.

    Example:
        >>> import numpy as np
        >>> CollapseCurve(np.array([0.0, 1.0]), np.array([0.5, 1.0]), collapsed=1, dimensions=2).collapsed
        1
    """

    epsilon: np.ndarray
    share: np.ndarray
    collapsed: int
    dimensions: int


def collapse_curve(
    kl: Any, epsilon: Any = None, delta: float = 0.01, *, threshold: float = 0.01
) -> CollapseCurve:
    """Posterior collapse by threshold, from the KL of every row and dimension.

        share(eps) = 1/D #{ d : 1/N sum_n [KL(q(z_d|x_n) || p(z_d)) <= eps] >= 1 - delta }

    Args:
        kl: (N, D) nats per row and dimension, at least 0; see `normal_kl`. Rows that lack the modality are
            left out before.
        epsilon: (P,) thresholds in nats, ascending; 40 points from 0 to 6 unless given.
        delta: share of rows that may be above the threshold, from 0 to below 1.
        threshold: nats at which `collapsed` counts. The default 0.01 is the KL of N(0.14, 1): in 99 % of the
            rows the mean moves by no more than a seventh of the prior's standard deviation.

    Raises:
        InputError: for NaN, a KL below 0 by more than rounding, thresholds out of order.

    Source: Lucas et al. 2019 (Don't Blame the ELBO!), definition of (epsilon, delta)-collapse.

    Example:
        >>> curve = collapse_curve([[0.0, 3.0], [0.0, 4.0]], epsilon=[0.0, 3.5, 5.0])
        >>> curve.share.tolist(), curve.collapsed
        ([0.5, 0.5, 1.0], 1)
    """
    return _curve("kl", kl, epsilon, KL_RANGE, delta, threshold)


def variance_collapse(
    variance: Any, epsilon: Any = None, delta: float = 0.01, *, threshold: float = 0.01
) -> CollapseCurve:
    """Variance collapse by threshold, from the variance that a decoder states for every row and value.

        share(eps) = 1/D #{ d : 1/N sum_n [s2_nd <= eps] >= 1 - delta }

    Args:
        variance: (N, D) variances, at least 0, in the units (squared) that the model sees.
        epsilon: (P,) thresholds, ascending; 40 points from 0 to 0.13 unless given.
        delta: share of rows that may be above the threshold, from 0 to below 1.
        threshold: variance at which `collapsed` counts; 0.01 is a tenth of the standard deviation of a
            standardised column.

    Raises:
        InputError: for NaN, a negative variance, thresholds out of order.

    Source: the range of thresholds is that of the released code of Mancisidor et al. 2024 (CMMD).

    Example:
        >>> variance_collapse([[0.001, 1.0], [0.002, 1.0]]).collapsed
        1
    """
    return _curve("variance", variance, epsilon, VARIANCE_RANGE, delta, threshold)


def _curve(
    what: str, values: Any, epsilon: Any, upto: float, delta: float, threshold: float
) -> CollapseCurve:
    """Count the columns of `values` that are at most epsilon in a share 1 - delta of the rows."""
    import numpy as np

    values = checks.finite(what, checks.numbers(what, values))
    if values.ndim != 2:
        raise InputError(f"{what} has shape {values.shape}; give one value per row and dimension, (N, D).")
    if (values < -1e-6).any():
        raise InputError(f"{what} has {int((values < -1e-6).sum())} negative values; it is at least 0.")
    if number("delta", delta) >= 1:
        raise InputError(f"delta is {delta:g}; it must be at least 0 and below 1.")
    number("threshold", threshold)
    if epsilon is None:
        epsilon = np.linspace(0, upto, POINTS)
    epsilon = checks.finite("epsilon", checks.numbers("epsilon", epsilon))
    if epsilon.ndim != 1 or (np.diff(epsilon) < 0).any() or epsilon[0] < 0:
        raise InputError("epsilon must be a list of thresholds of at least 0, ascending.")

    def held(at: float) -> np.ndarray:  # shares above, not below: 1 - delta is no exact number
        return (values > at).mean(0) <= delta

    share = np.array([held(at).mean() for at in epsilon])
    return CollapseCurve(epsilon, share, int(held(threshold).sum()), values.shape[1])


def active_units(loc: Any, threshold: float = 0.01) -> np.ndarray:
    """Which dimensions of the latent follow the data at all, (D,).

        active_d = [ Var_n( E_q(z_d|x_n)[z_d] ) > threshold ]

    Args:
        loc: (N, D) posterior means, at least two rows; rows that lack the modality are left out before.
        threshold: variance, in the units of a prior of variance 1. A prior that depends on the data (mmvm)
            fixes no scale: there the count compares dimensions of one model, not models.

    Raises:
        InputError: for NaN, or fewer than two rows.

    Source: Burda et al. 2016 (IWAE), section 5.

    Example:
        >>> active_units([[0.0, 1.0], [0.01, -1.0]]).tolist()
        [False, True]
    """
    loc = checks.finite("loc", checks.numbers("loc", loc))
    if loc.ndim != 2 or len(loc) < 2:
        raise InputError(f"loc has shape {loc.shape}; give (N, D) with at least two rows.")
    return loc.var(0, ddof=1) > number("threshold", threshold)


def normal_kl(loc: Any, scale: Any, prior_loc: Any = 0.0, prior_scale: Any = 1.0) -> np.ndarray:
    """KL(N(loc, scale^2) || N(prior_loc, prior_scale^2)) of every dimension by itself, in nats.

        1/2 [ r^2 + ((loc - prior_loc) / prior_scale)^2 - 1 ] - log r,   r = scale / prior_scale

    Args:
        loc: (N, D) means.
        scale: (N, D) standard deviations, above 0.
        prior_loc: a number for all, or (N, D).
        prior_scale: a number for all, or (N, D).

    Raises:
        InputError: for other shapes, NaN, or a standard deviation that is not above 0.

    Source: Kingma & Welling 2014, appendix B, for a prior of any mean and scale.

    Example:
        >>> normal_kl([[0.0, 1.0]], [[1.0, 1.0]]).tolist()
        [[0.0, 0.5]]
    """
    import numpy as np

    given = {"loc": loc, "scale": scale, "prior_loc": prior_loc, "prior_scale": prior_scale}
    shape = checks.numbers("loc", loc).shape
    read = {}
    for name, value in given.items():
        single = np.ndim(value) == 0 and name.startswith("prior")
        array = checks.finite(name, checks.numbers(name, [value] if single else value))
        if not single and array.shape != shape:
            raise InputError(f"{name} has shape {array.shape} and loc {shape}; give one value for each.")
        if name.endswith("scale") and (array <= 0).any():
            raise InputError(f"{name} has values that are not above 0; it is a standard deviation.")
        read[name] = array[0] if single else array
    ratio = read["scale"] / read["prior_scale"]
    shift = (read["loc"] - read["prior_loc"]) / read["prior_scale"]
    return (ratio**2 + shift**2 - 1) / 2 - np.log(ratio)
