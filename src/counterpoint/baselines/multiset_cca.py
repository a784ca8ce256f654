"""MCCA: CCA of any number of modalities (multiset), by cca-zoo."""

from collections.abc import Sequence
from typing import Any, Self

from counterpoint.baselines.base import Baseline
from counterpoint.baselines.canonical import by_linear_zoo, embed
from counterpoint.errors import number, whole
from counterpoint.methods._papers import Paper

PAPER = Paper(
    ("Kettenring, Jon R.",),
    "Canonical Analysis of Several Sets of Variables",
    "Biometrika",
    1971,
    "https://doi.org/10.1093/biomet/58.3.433",
)


class MultisetCCA(Baseline):
    """Multiset canonical correlation analysis of two modalities or more.

        w = argmax sum_{a != b} w_a' S_ab w_b,    sum_m w_m' ((1 - c) S_mm + c I) w_m = M

    With c = 0 this is the MAXVAR problem, which generalised CCA solves too: it finds the same variates up to
    their scale. Only rows with all modalities count, which of many modalities may be few.

    Args:
        components: k.
        shrinkage: c, in [0, 1]; the unit of I is the square of a column's.
        observed: Modalities that `embed` reads unless told otherwise; None for all.

    Attributes:
        correlations: (k,), of the variates of the training rows, the mean over all pairs of modalities.

    Raises:
        InputError: If an option is out of range.

    Source: Kettenring 1971 (its MAXVAR); the engine is cca-zoo's MCCA.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> shared, noise = rng.standard_normal((200, 1)), rng.standard_normal((3, 200, 3))
        >>> made = MultisetCCA(1, observed=["a"]).fit({n: shared + e for n, e in zip("abc", noise)})
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
        """Fit the rows that have every value of all modalities; `y` is not read.

        Raises:
            InputError: If cca-zoo is not installed, there is one modality, too few rows have all, or a
                modality has fewer columns than `components`.
        """
        self._variates, self.correlations = by_linear_zoo(self, data, "MCCA", self.components, self.shrinkage)
        return self

    embed = embed
