"""RCCA: CCA whose covariances are drawn to the identity, for modalities of many columns, by cca-zoo."""

from collections.abc import Sequence
from typing import Any, Self

from counterpoint.baselines.base import Baseline
from counterpoint.baselines.canonical import by_linear_zoo, embed
from counterpoint.errors import number, whole
from counterpoint.methods._papers import Paper

PAPER = Paper(
    ("Vinod, Hrishikesh D.",),
    "Canonical Ridge and Econometrics of Joint Production",
    "Journal of Econometrics",
    1976,
    "https://doi.org/10.1016/0304-4076(76)90010-5",
)


class RegularisedCCA(Baseline):
    """Regularised (ridge) canonical correlation analysis of two modalities.

        w_1, w_2 = argmax w_1' S_12 w_2,    w_m' ((1 - c) S_mm + c I) w_m = 1

    With c = 0 it is CCA, with c = 1 partial least squares. The unit of I is the square of a column's: 1 is
    the variance of a column of a table, which is standardised, and more than that of most pixels in [0, 1].

    Args:
        components: k.
        shrinkage: c, in [0, 1].
        observed: Modalities that `embed` reads unless told otherwise; None for both.

    Attributes:
        correlations: (k,), of the variates of the training rows.

    Raises:
        InputError: If an option is out of range.

    Source: Vinod 1976; the engine is cca-zoo's RidgeCCA.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> shared, noise = rng.standard_normal((200, 1)), rng.standard_normal((2, 200, 3))
        >>> made = RegularisedCCA(1, observed=["a"]).fit({"a": shared + noise[0], "b": shared + noise[1]})
        >>> made.correlations.round(1).tolist(), made.embed({"a": [[0.0, 1.0, 2.0]]}).shape
        ([0.8], (1, 1))
    """

    def __init__(
        self, components: int = 10, *, shrinkage: float = 0.1, observed: Sequence[str] | None = None
    ) -> None:
        super().__init__(observed)
        self.components = whole("components", components)
        self.shrinkage = number("shrinkage", shrinkage, most=1.0)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the rows that have every value of both modalities; `y` is not read.

        Raises:
            InputError: If cca-zoo is not installed, there are not two modalities, too few rows have both, or
                a modality has fewer columns than `components`.
        """
        self._variates, self.correlations = by_linear_zoo(
            self, data, "RidgeCCA", self.components, self.shrinkage, most=2
        )
        return self

    embed = embed
