"""KCCA: CCA in the feature spaces of kernels, by cca-zoo."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from counterpoint.baselines.base import FEWEST, Baseline
from counterpoint.baselines.canonical import (
    Variates,
    by_zoo,
    embed,
    principal_axes,
    whole_rows,
    zoo,
)
from counterpoint.errors import choose, number, whole
from counterpoint.evaluation.fitting import derived_seed
from counterpoint.methods._papers import Paper

PAPER = Paper(
    ("Hardoon, David R.", "Szedmak, Sandor", "Shawe-Taylor, John"),
    "Canonical Correlation Analysis: An Overview with Application to Learning Methods",
    "Neural Computation",
    2004,
    "https://doi.org/10.1162/0899766042321814",
)
KERNELS = ("rbf", "linear")


class KernelCCA(Baseline):
    """Kernel canonical correlation analysis of two modalities.

        f_1, f_2 = argmax cov(f_1(x_1), f_2(x_2)),    (1 - c) var f_m + c ||f_m||^2 = 1,
        f_m(x) = sum_i a_mi (k_m(x, x_mi) - centring)
        k_m(x, x') = exp(-gamma ||x - x'||^2)    or    x' x

    over the principal components of each modality. Time grows with the cube of the rows and memory with their
    square, so of more than `rows` that many are drawn at random, and the others are left out and counted.

    Args:
        components: k.
        kernel: `"rbf"` or `"linear"`.
        gamma: One over a squared distance, above 0; None for one over the mean squared distance of two rows,
            for each modality its own.
        shrinkage: c, in (0, 1]; without any a kernel correlates everything with everything.
        principal: Principal components that are read of each modality, at most; None for all that vary.
        rows: Training rows at most; None for all.
        seed: Of the rows that are drawn.
        observed: Modalities that `embed` reads unless told otherwise; None for both.

    Attributes:
        correlations: (k,), of the variates of the training rows, and so above those of other rows.

    Raises:
        InputError: If an option is out of range.

    Source: Hardoon et al. 2004; the engine is cca-zoo's KCCA.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.uniform(-3.0, 3.0, (100, 1))
        >>> made = KernelCCA(1, observed=["a"]).fit({"a": a, "b": a**2})
        >>> bool(made.correlations[0] > 0.9), made.embed({"a": [[0.5]]}).shape
        (True, (1, 1))
    """

    def __init__(
        self,
        components: int = 10,
        *,
        kernel: str = "rbf",
        gamma: float | None = None,
        shrinkage: float = 0.1,
        principal: int | None = 100,
        rows: int | None = 1000,
        seed: int = 0,
        observed: Sequence[str] | None = None,
    ) -> None:
        super().__init__(observed)
        self.components = whole("components", components)
        self.kernel = choose("kernel", kernel, KERNELS)
        self.gamma = None if gamma is None else number("gamma", gamma, open_=True)
        self.shrinkage = number("shrinkage", shrinkage, most=1.0, open_=True)
        self.principal = None if principal is None else whole("principal", principal)
        self.rows = None if rows is None else whole("rows", rows, FEWEST)
        self.seed = whole("seed", seed, 0)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit rows that have every value of both modalities; `y` is not read.

        Raises:
            InputError: If cca-zoo is not installed, there are not two modalities, too few rows have both, or
                the rows have fewer directions than `components`.
        """
        nonparametric = zoo("nonparametric")
        columns, views = whole_rows(self, data, most=2)
        self._axes = [principal_axes(x, self.principal)[0] for x in views]
        views = [x @ axes for x, axes in zip(views, self._axes, strict=True)]
        drawn = self._drawn(len(views[0]))
        views = [x[drawn] for x in views]
        self.rows_left_out += self.rows_used - len(drawn)
        self.rows_used = len(drawn)
        engine = nonparametric.KCCA(
            self.components,
            kernel=self.kernel,
            gamma=[_gamma(x) if self.gamma is None else self.gamma for x in views],
            shrinkage=self.shrinkage,
        )
        self._found = by_zoo(engine, columns, views)
        self.correlations = self._found.correlations(views)
        self._variates = Variates(columns, self.components, self._project)
        return self

    embed = embed

    def _project(self, number: int, x: np.ndarray) -> np.ndarray:
        """Return the variates of rows of one modality's matrix."""
        return self._found.project(number, x @ self._axes[number])

    def _drawn(self, count: int) -> np.ndarray:
        """Return which of the complete rows the kernels are of."""
        if self.rows is None or count <= self.rows:
            return np.arange(count)
        order = np.random.default_rng(derived_seed(self.seed, "baselines/kcca")).permutation(count)
        return np.sort(order[: self.rows])


def _gamma(x: np.ndarray) -> float:
    """Return one over the mean squared distance of two rows, which is twice their total variance."""
    return 1.0 / (2.0 * float(x.var(0, ddof=1).sum()))
