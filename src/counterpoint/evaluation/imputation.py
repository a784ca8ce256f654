"""Imputation: are filled-in values nearer to the truth than the column mean, are their intervals honest?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, number
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class ImputationResult:
    """Error of imputed values against the truth and against the column mean.

    Attributes:
        r2: share of the squared error of the column mean that is gone, pooled over all values; 1 is perfect,
            0 is the column mean, below 0 is worse.
        columns: (*event) the same per column; NaN where a column is not scored or the mean is already exact.
        rmse: root mean squared error over all scored values, in the data's units.
        baseline_rmse: the same for the column mean.
        n_values: values scored.

    Example:
        >>> imputation_r2([[0.0], [2.0]], [[0.0], [2.0]], [1.0]).r2
        1.0
    """

    r2: float
    columns: np.ndarray
    rmse: float
    baseline_rmse: float
    n_values: int


def _scored(where: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return which values are scored, (N, *event); rows (N,) or single values may be given."""
    import numpy as np

    if where is None:
        return np.ones(shape, dtype=bool)
    where = np.asarray(where)
    if where.dtype != bool or where.shape not in (shape, shape[:1]):
        raise InputError(
            f"where is {where.dtype} of shape {where.shape}; give bools, {shape[:1]} or {shape}."
        )
    where = np.broadcast_to(where.reshape(where.shape + (1,) * (len(shape) - where.ndim)), shape)
    if not where.any():
        raise InputError("where selects no value; there is nothing to score.")
    return where


def _pair(what: str, values: Any, truth: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return `values` if they have the shape of the truth and are finite where they are scored."""
    import numpy as np

    array = checks.numbers(what, values)
    if array.shape != truth.shape:
        raise InputError(f"{what} has shape {array.shape} and truth {truth.shape}; give one value for each.")
    return checks.finite(what, np.where(where, array, 0.0))


def imputation_r2(truth: Any, imputed: Any, baseline_mean: Any, *, where: Any = None) -> ImputationResult:
    """Variance explained by imputed values beyond the column mean.

        R2 = 1 - sum_{n,d} (x_nd - imputed_nd)^2 / sum_{n,d} (x_nd - mean_d)^2

    Pooled over columns, so columns that vary more weigh more; `columns` tells each by itself. Take
    `baseline_mean` from the training rows: the mean of the scored rows would know what it is asked.

    Args:
        truth: (N, *event) values that were hidden from the model.
        imputed: (N, *event) what it filled in.
        baseline_mean: (*event) column means of the training rows.
        where: bool, rows (N,) or values (N, *event) to score; None scores all. What it leaves out may be NaN.

    Raises:
        InputError: for other shapes, NaN in a scored value, or a truth that is the column mean everywhere.

    Source: the coefficient of determination with an out-of-sample mean (Campbell & Thompson 2008, R2_OS).

    Example:
        >>> result = imputation_r2([[0.0, 1.0], [2.0, 3.0]], [[0.5, 1.0], [1.5, 3.0]], [1.0, 2.0])
        >>> result.r2, result.columns.tolist(), round(result.rmse, 3)
        (0.875, [0.75, 1.0], 0.354)
    """
    import numpy as np

    truth = checks.numbers("truth", truth)
    where = _scored(where, truth.shape)
    mean = checks.finite("baseline_mean", checks.numbers("baseline_mean", [baseline_mean]))
    if mean.shape[1:] != truth.shape[1:]:
        raise InputError(f"baseline_mean is {mean.shape[1:]}; give one mean per column, {truth.shape[1:]}.")
    truth, imputed = _pair("truth", truth, truth, where), _pair("imputed", imputed, truth, where)
    error = np.where(where, (truth - imputed) ** 2, 0.0)
    base = np.where(where, (truth - mean) ** 2, 0.0)
    if base.sum() == 0:
        raise InputError("truth equals baseline_mean in every scored value; there is nothing to explain.")
    column_error, column_base = error.sum(0), base.sum(0)
    safe = np.where(column_base > 0, column_base, 1.0)
    return ImputationResult(
        r2=float(1 - error.sum() / base.sum()),
        columns=np.where(column_base > 0, 1 - column_error / safe, np.nan),
        rmse=float(np.sqrt(error.sum() / where.sum())),
        baseline_rmse=float(np.sqrt(base.sum() / where.sum())),
        n_values=int(where.sum()),
    )


def coverage(truth: Any, mean: Any, sd: Any, level: float = 0.9, *, where: Any = None) -> float:
    """Share of the true values inside the central normal interval; honest intervals give about `level`.

        coverage = mean_{n,d} [ |x_nd - mean_nd| <= q sd_nd ],   q = Phi^-1((1 + level) / 2)

    `sd` is the predictive standard deviation: spread of the imputed mean and the likelihood's noise together.

    Args:
        truth: (N, *event) values that were hidden from the model.
        mean: (N, *event) centres of the intervals.
        sd: (N, *event) standard deviations, at least 0.
        level: between 0 and 1, both excluded.
        where: bool, rows (N,) or values (N, *event) to score; None scores all.

    Raises:
        InputError: for other shapes, NaN in a scored value, a negative `sd`, a level outside (0, 1).

    Example:
        >>> coverage([[0.0], [1.0], [2.0], [9.0]], [[0.0], [0.0], [0.0], [0.0]], [[1.0]] * 4, level=0.9)
        0.5
    """
    from statistics import NormalDist

    import numpy as np

    level = number("level", level, open_=True)
    if level >= 1:
        raise InputError(f"level is {level:g}; it must be between 0 and 1, both excluded.")
    truth = checks.numbers("truth", truth)
    where = _scored(where, truth.shape)
    truth, mean, sd = (_pair(w, v, truth, where) for w, v in (("truth", truth), ("mean", mean), ("sd", sd)))
    if (sd < 0).any():
        raise InputError(f"sd has {int((sd < 0).sum())} negative values; a standard deviation is at least 0.")
    inside = np.abs(truth - mean) <= NormalDist().inv_cdf((1 + level) / 2) * sd
    return float(inside[where].mean())
