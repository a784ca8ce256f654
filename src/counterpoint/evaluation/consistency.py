"""Consistency: does the latent of one modality tell, linearly, that of another?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Consistency:
    """R2 of linear regressions between latents.

    Attributes:
        names: the M modalities, in the order of the matrix.
        matrix: (M, M); row: from, column: to. NaN on the diagonal, where there is nothing to find out, and
            for pairs that too few rows have.
        rows: (M, M) held-out rows scored.

    Example:
        >>> import numpy as np
        >>> Consistency(("a", "b"), np.array([[np.nan, 0.5], [0.7, np.nan]]), np.full((2, 2), 9)).mean
        0.6
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    rows: np.ndarray

    @property
    def mean(self) -> float:
        """Mean off the diagonal; NaN for a single modality."""
        import numpy as np

        values = self.matrix[~np.isnan(self.matrix)]
        return float(values.mean()) if values.size else float("nan")


def consistency(
    train: Mapping[str, Any],
    test: Mapping[str, Any],
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
) -> Consistency:
    """R2 with which the latent of one modality predicts another's by least squares, on held-out rows.

        R2[a, b] = 1 - sum_nd (b_nd - (W a_n + c)_d)^2 / sum_nd (b_nd - mean_d)^2

    with W, c fitted on the training rows that have both, and the sums over the held-out rows that have both
    and over all dimensions of b: one that does not vary does not count. At most 1; 0 is the mean of the
    scored rows, below 0 is worse. Unlike agreement it is blind to an affine change of either latent.

    Args:
        train: modality name to (N, D_m) posterior means of training rows; absent rows may hold anything.
        test: the same names to (N', D_m), of held-out rows.
        train_present: modality name to bool (N,); a modality that is not named is present everywhere.
        test_present: the same for the held-out rows.

    Raises:
        InputError: for NaN in a present row, unequal rows or widths, other names.

    Source: Schneider, Lee & Mathis 2023 (CEBRA), consistency; scored on held-out rows here.

    Example:
        >>> a, b = [[0.0], [1.0], [2.0]], [[5.0], [3.0], [1.0]]
        >>> consistency({"a": a, "b": b}, {"a": a, "b": b}).matrix.round(6).tolist()
        [[nan, 1.0], [1.0, nan]]
    """
    import numpy as np

    names = tuple(train)
    checks.same_names("test", test, names)
    known, here = _latents("train", train, train_present)
    held, there = _latents("test", test, test_present)
    for name in names:
        if known[name].shape[1] != held[name].shape[1]:
            raise InputError(
                f"modality {name!r} has {known[name].shape[1]} dimensions in train and "
                f"{held[name].shape[1]} in test; give the same latent."
            )
    matrix = np.full((len(names), len(names)), np.nan)
    rows = np.zeros(matrix.shape, dtype=int)
    for i, source in enumerate(names):
        for j, target in enumerate(names):
            both, scored = here[source] & here[target], there[source] & there[target]
            rows[i, j] = scored.sum()
            if i != j:
                matrix[i, j] = _r2(
                    (known[source][both], known[target][both]), (held[source][scored], held[target][scored])
                )
    return Consistency(names, matrix, rows)


def _latents(
    what: str, latents: Mapping[str, Any], present: Mapping[str, Any] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return latents and presence by name, finite where present."""
    read = {name: checks.numbers(f"{what}[{name!r}]", values) for name, values in latents.items()}
    count = checks.same_rows(**{f"{what}[{name!r}]": values for name, values in read.items()})
    if present is not None:
        checks.same_names(f"{what}_present", {**dict.fromkeys(read), **present}, read)
    here = {name: checks.presence(f"{what}_present", present, name, count) for name in read}
    for name, values in read.items():
        if values.ndim != 2:
            raise InputError(f"{what}[{name!r}] has shape {values.shape}; give one latent per row, (N, D).")
        if here[name].any():
            checks.finite(f"{what}[{name!r}] (where present)", values[here[name]])
    return read, here


def _r2(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Fit on `train` (from, to) and score on `test`; NaN with fewer than two rows, or nothing to explain."""
    from sklearn.linear_model import LinearRegression

    if len(train[0]) < 2 or len(test[0]) < 2:
        return float("nan")
    found = LinearRegression().fit(*train).predict(test[0])
    base = float(((test[1] - test[1].mean(0)) ** 2).sum())
    return 1 - float(((test[1] - found) ** 2).sum()) / base if base > 0 else float("nan")
