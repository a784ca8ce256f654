"""CCA: the directions of two modalities that correlate most, by scikit-learn."""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from counterpoint.baselines.base import Baseline
from counterpoint.baselines.canonical import (
    Variates,
    check_components,
    embed,
    principal_axes,
    whole_rows,
)
from counterpoint.errors import number, whole
from counterpoint.methods._papers import Paper

PAPER = Paper(
    ("Hotelling, Harold",),
    "Relations Between Two Sets of Variates",
    "Biometrika",
    1936,
    "https://doi.org/10.1093/biomet/28.3-4.321",
)


class CCA(Baseline):
    """Linear canonical correlation analysis of two modalities.

        w_1, w_2 = argmax corr(X_1 w_1, X_2 w_2),   uncorrelated with the variates before,   var(X_m w_m) = 1

    The engine is `sklearn.cross_decomposition.CCA`, after a principal component analysis of each modality.
    Its variates are scaled to variance 1 over the training rows, so that those of the two modalities can be
    compared, and averaged where both are given. The correlations say nothing if the rows used are not many
    more than the columns of both modalities together: then they are 1 whatever the data are.

    Args:
        components: k.
        principal: Principal components that are read of each modality, at most; None for all that vary.
        iterations: Of the power method, at most, for a component.
        tolerance: Where it ends, of the squared change of the weights.
        observed: Modalities that `embed` reads unless told otherwise; None for both.

    Attributes:
        correlations: (k,), of the training rows.
        converged: Whether every component was found to the tolerance.

    Raises:
        InputError: If an option is out of range.

    Source: Hotelling 1936.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> shared, noise = rng.standard_normal((200, 1)), rng.standard_normal((2, 200, 3))
        >>> made = CCA(1, observed=["a"]).fit({"a": shared + noise[0], "b": shared + noise[1]})
        >>> made.correlations.round(1).tolist(), made.embed({"a": [[0.0, 1.0, 2.0]]}).shape
        ([0.8], (1, 1))
    """

    def __init__(
        self,
        components: int = 10,
        *,
        principal: int | None = 100,
        iterations: int = 1000,
        tolerance: float = 1e-6,
        observed: Sequence[str] | None = None,
    ) -> None:
        super().__init__(observed)
        self.components = whole("components", components)
        self.principal = None if principal is None else whole("principal", principal)
        self.iterations = whole("iterations", iterations)
        self.tolerance = number("tolerance", tolerance)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the rows that have every value of both modalities; `y` is not read.

        Raises:
            InputError: If there are not two modalities, too few rows have both, or a modality has fewer
                directions than `components`.
        """
        from sklearn.cross_decomposition import CCA as Engine
        from sklearn.exceptions import ConvergenceWarning

        columns, views = whole_rows(self, data, most=2)
        found = [principal_axes(x, self.principal) for x in views]
        self._axes = [axes / deviation for axes, deviation in found]
        sizes = {one.name: axes.shape[1] for one, axes in zip(columns, self._axes, strict=True)}
        check_components(self.components, sizes, "principal components")
        # Of whitened rows: unit weights are then unit variances, and scikit-learn's own scaling has nothing
        # to do. CCA is the same of rows that went through any invertible linear map.
        engine = Engine(self.components, scale=False, max_iter=self.iterations, tol=self.tolerance)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            engine.fit(*(x @ axes for x, axes in zip(views, self._axes, strict=True)))
        self.converged = True
        for warning in seen:
            if issubclass(warning.category, ConvergenceWarning):
                self.converged = False
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        self._rotations = (engine.x_rotations_, engine.y_rotations_)
        self._variates = Variates(columns, self.components, self._project)
        self.correlations = self._variates.correlations(views)
        return self

    embed = embed

    def _project(self, number: int, x: np.ndarray) -> np.ndarray:
        """Return the variates of rows of one modality's matrix."""
        return x @ self._axes[number] @ self._rotations[number]
