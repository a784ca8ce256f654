"""The linear baseline: partial least squares between the modalities, to be judged as a model is judged."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np

MOST_DIRECTIONS = 100  # principal components that partial least squares reads of a modality


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """Latents and translations of a linear model.

    Attributes:
        names: the M modalities.
        train: modality name to latents (N, k) of the training rows; NaN where it is absent.
        test: the same (N', k) of the test rows.
        components: modality name to its k, fewer than asked for where there are no more.
        converged: modality name to whether every component was found to the tolerance.
        paired: (source, target) to the training rows that have both; the translation is the mean if 0.

    Example:
        >>> x = {"a": [[0.0], [1.0], [2.0]], "b": [[1.0], [3.0], [5.0]]}
        >>> pls(x, x, 4).components
        {'a': 1, 'b': 1}
    """

    names: tuple[str, ...]
    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    components: dict[str, int]
    converged: dict[str, bool]
    paired: dict[tuple[str, str], int]
    _coefficients: dict[tuple[str, str], np.ndarray]
    _event: dict[str, tuple[int, ...]]

    def translate(self, source: str, target: str) -> np.ndarray:
        """Return the target of the test rows as the source predicts it, (N', *event); NaN where it is absent.

        Raises:
            InputError: for a modality that is not there.
        """
        checks.same_names("source and target", {*self.names, source, target}, self.names)
        latent, coefficients = self.test[source], self._coefficients[source, target]
        made = latent @ coefficients[:-1] + coefficients[-1]
        return made.reshape(len(latent), *self._event[target])


def pls(
    train: Mapping[str, Any],
    test: Mapping[str, Any],
    components: int,
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
) -> LinearBaseline:
    """Partial least squares from every modality to the others together.

        t_j = X_m w_j,   (w_j, c_j) = argmax cov(X_m w, Y c)^2,  |w| = |c| = 1,  both without t_1..t_{j-1}
        translation of m into n = B t + b,   least squares over the training rows that have both

    Regression, not the canonical kind: the latents of m are those that predict the others best, there may be
    as many as X_m has directions however few the others have, and with complete data the translation is
    exactly `PLSRegression`'s prediction. Tables are standardised per column, other modalities by one scale;
    then each has total variance 1, so that 2,352 pixels do not outvote a table of 10. Beyond 100 principal
    components a modality is cut there. A training row counts if it has m and any other modality; the others
    that it lacks stand at their mean.

    Args:
        train: modality name to (N, *event) features; absent rows may hold anything, NaN too.
        test: the same names to (N', *event).
        components: k, at most.
        train_present: modality name to bool (N,); a modality that is not named is present everywhere.
        test_present: the same for the test rows.

    Raises:
        InputError: for one modality only, one that is constant or never beside another, NaN in a present row.

    Source: Wold et al. 2001 (PLS by NIPALS); Westerhuis et al. 1998 (blocks of equal variance).

    Example:
        >>> import numpy as np
        >>> z = np.random.default_rng(0).standard_normal((50, 2))
        >>> x = {"a": z @ [[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]], "b": z @ [[1.0, -1.0], [2.0, 1.0]]}
        >>> made = pls(x, x, 2)
        >>> bool(np.allclose(made.translate("a", "b"), x["b"])), made.train["a"].shape
        (True, (50, 2))
    """
    import numpy as np

    names = tuple(train)
    checks.same_names("test", test, names)
    if len(names) < 2:
        raise InputError(f"train has one modality ({', '.join(names)}); a relation needs two or more.")
    for what, present in (("train_present", train_present), ("test_present", test_present)):
        if present is not None:
            checks.same_names(what, {**dict.fromkeys(names), **present}, names)
    whole("components", components)
    x, here = _rows("train", train, train_present)
    held, there = _rows("test", test, test_present)
    blocks = {name: _block(name, x[name], here[name], held[name]) for name in names}
    latents, held_latents, converged = {}, {}, {}
    for name in names:
        rest = [other for other in names if other != name]
        fitted = here[name] & np.any([here[other] for other in rest], axis=0)
        y = [np.where(here[other][:, None], blocks[other][0], 0.0)[fitted] for other in rest]
        if fitted.sum() < 2:
            raise InputError(
                f"modality {name!r} is with another in {fitted.sum()} training rows; leave it out."
            )
        own, held_own = blocks[name]
        project, converged[name] = _regression(own[fitted], np.concatenate(y, 1), components)
        latents[name] = np.where(here[name][:, None], project(own), np.nan)
        held_latents[name] = np.where(there[name][:, None], project(held_own), np.nan)
    paired = {(s, t): int((here[s] & here[t]).sum()) for s in names for t in names}
    made = {
        (s, t): _translation(latents[s], x[t].reshape(len(x[t]), -1), here[s] & here[t], here[t])
        for s, t in paired
    }
    used = {name: latents[name].shape[1] for name in names}
    event = {name: x[name].shape[1:] for name in names}
    return LinearBaseline(names, latents, held_latents, used, converged, paired, made, event)


def _rows(
    what: str, values: Mapping[str, Any], present: Mapping[str, Any] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return features with zeros in absent rows, and which rows are present."""
    import numpy as np

    arrays = {name: checks.numbers(f"{what}[{name!r}]", v) for name, v in values.items()}
    count = checks.same_rows(**arrays)
    here = {name: checks.presence(f"{what}_present", present, name, count) for name in arrays}
    for name, array in arrays.items():
        if array.ndim < 2:
            raise InputError(f"{what}[{name!r}] has shape {array.shape}; give rows x features.")
        wide = here[name].reshape(-1, *[1] * (array.ndim - 1))
        arrays[name] = checks.finite(f"{what}[{name!r}]", np.where(wide, array, 0.0))
    return arrays, here


def _block(name: str, x: np.ndarray, here: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a modality's principal components for training and test rows, of total variance 1."""
    import numpy as np
    from sklearn.decomposition import PCA

    if x.shape[1:] != held.shape[1:]:
        raise InputError(f"modality {name!r}: a row is {x.shape[1:]} in train and {held.shape[1:]} in test.")
    if not here.any():
        raise InputError(f"no training row has modality {name!r}; leave it out.")
    table = x.ndim == 2
    x, held = x.reshape(len(x), -1), held.reshape(len(held), -1)
    known = x[here]
    center, scale = known.mean(0), np.ones(1)
    if table:
        # A column that varies by rounding only must not be blown up.
        spread = known.std(0)
        scale = np.where(spread > 1e-12 * np.abs(known).max(0), spread, np.inf)
    z = (known - center) / scale
    total = np.sqrt((z**2).sum() / len(z))
    if not total:
        raise InputError(f"modality {name!r} is constant in its training rows; leave it out.")
    most = min(MOST_DIRECTIONS, *z.shape)
    # Both are exact: the smaller of the two matrices that have the same eigenvalues.
    solver = "covariance_eigh" if z.shape[0] > z.shape[1] else "full"
    found = PCA(most, svd_solver=solver).fit(z)
    variance = np.asarray(found.explained_variance_)
    axes = np.asarray(found.components_)[variance > 1e-12 * variance[0]].T / total
    return (x - center) / scale @ axes, (held - center) / scale @ axes


def _regression(x: np.ndarray, y: np.ndarray, components: int) -> tuple[Any, bool]:
    """Fit partial least squares; return what projects rows onto the latents, and whether it converged."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.exceptions import ConvergenceWarning

    most = min(components, x.shape[1], len(x) - 1)
    model = PLSRegression(most, scale=False, max_iter=1_000)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.fit(x, y)
    converged = True
    for warning in seen:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        elif "residual is constant" not in str(warning.message):  # that: fewer components exist, told by k
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    turn = model.x_rotations_[:, : max(1, len(model.n_iter_))]
    center = x.mean(0)
    return lambda rows: (rows - center) @ turn, converged


def _translation(t: np.ndarray, values: np.ndarray, both: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return B with the intercept last, (k + 1, F), of values = [t 1] B over the rows that have both."""
    import numpy as np

    if not both.any():
        return np.concatenate([np.zeros((t.shape[1], values.shape[1])), values[known].mean(0)[None]])
    t, values = t[both], values[both]
    center, mean = t.mean(0), values.mean(0)
    b = np.linalg.lstsq(t - center, values - mean, rcond=None)[0]
    return np.concatenate([b, (mean - center @ b)[None]])
