"""What the CCA family shares: rows that have everything, canonical variates, cca-zoo when it is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import combinations
from typing import Any

import numpy as np

from counterpoint.baselines.base import Baseline, Columns, complete
from counterpoint.data import MultimodalData
from counterpoint.errors import InputError

CHUNK = 4096  # rows that cca-zoo projects at a time


def whole_rows(
    baseline: Baseline, data: Any, most: int | None = None
) -> tuple[list[Columns], list[np.ndarray]]:
    """Return the modalities as matrices of the rows that have every value of all of them; count the rows.

    Args:
        baseline: That is fitted; its names, dimensions and rows are noted.
        data: Training rows.
        most: Modalities that it takes at most.

    Returns:
        What makes them, and the matrices (n, p_m).

    Raises:
        InputError: If modalities are too few or too many, or too few rows have them all, or one is constant.

    Example:
        >>> from counterpoint.baselines.cca import CCA
        >>> rows = {"a": [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], "b": [[1.0], [4.0], [9.0], [0.0], [1.0]]}
        >>> rows["b"].append([float("nan")])
        >>> columns, (a, b) = whole_rows(CCA(1), rows)
        >>> [one.name for one in columns], a.shape
        (['a', 'b'], (5, 1))
    """
    found = baseline.training(data, most=most)
    why = "both modalities" if len(found.names) == 2 else "all modalities"
    kept = baseline.keep(found, complete(found, found.names), why)
    columns = list(baseline.read_as(kept, found.names).values())
    matrices = [one.apply(kept) for one in columns]
    for one, x in zip(columns, matrices, strict=True):
        if not np.ptp(x, axis=0).any():
            raise InputError(
                f"modality {one.name!r} is constant in the {len(x)} rows that are used, so it correlates "
                "with nothing; leave it out."
            )
    return columns, matrices


def check_components(components: int, sizes: dict[str, int], what: str) -> None:
    """Refuse more components than the narrowest modality has directions.

    Example:
        >>> check_components(3, {"a": 5, "b": 2}, "columns")
        Traceback (most recent call last):
        counterpoint.errors.InputError: components is 3; modality 'b' has 2 columns in the rows that \
are used, so there are at most 2. Give fewer components.
    """
    name = min(sizes, key=lambda n: sizes[n])
    if components > sizes[name]:
        raise InputError(
            f"components is {components}; modality {name!r} has {sizes[name]} {what} in the rows that are "
            f"used, so there are at most {sizes[name]}. Give fewer components."
        )


@dataclass(frozen=True, eq=False)
class Variates:
    """The canonical variates that a member of the CCA family found.

    Args:
        columns: What makes the matrix of each modality, in their order.
        components: k.
        project: From the number of a modality and rows of its matrix (n, p_m) to its variates (n, k).

    Example:
        >>> from counterpoint.data import read
        >>> data = read({"a": [[1.0], [3.0], [float("nan")]]})
        >>> found = Variates((Columns.fit(data, "a"),), 1, lambda number, x: 5.0 * x)
        >>> found.of(["a"], data).round(6).tolist()
        [[-5.0], [5.0], [nan]]
    """

    columns: Sequence[Columns]
    components: int
    project: Callable[[int, np.ndarray], np.ndarray]

    def of(self, names: Sequence[str], data: MultimodalData) -> np.ndarray:
        """Return the variates of modalities, of several their mean, (N, k); NaN in rows that lack any."""
        rows = complete(data, names)
        embedded = np.full((len(data), self.components), np.nan)
        if rows.any():  # cca-zoo projects no rows but some
            x = {one.name: one.apply(data[rows]) for one in self.columns if one.name in names}
            parts = [self.project(i, x[one.name]) for i, one in enumerate(self.columns) if one.name in x]
            embedded[rows] = np.mean(parts, axis=0)
        return embedded

    def correlations(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Return the correlations of the variates of rows (n, p_m) of all modalities, (k,)."""
        return correlations([self.project(i, x) for i, x in enumerate(views)])


def embed(self: Any, data: Any, given: Sequence[str] | None = None) -> np.ndarray:
    """Return canonical variates (N, k), NaN in rows that lack a value of what is given.

    The verb of every baseline of the family; `self` is the baseline, which keeps its `Variates`.

    Args:
        self: The baseline.
        data: Whatever `counterpoint.read` reads; modalities that are not given may be missing.
        given: Modalities that are read; of several the mean of their variates.

    Raises:
        InputError: If it was not fitted, or the data do not fit.

    Example:
        >>> from counterpoint.baselines.cca import CCA
        >>> a, b = np.random.default_rng(0).standard_normal((2, 9, 2))
        >>> made = CCA(1).fit({"a": a, "b": a + b})
        >>> embed(made, {"a": a}, ["a"]).shape
        (9, 1)
    """
    names, found = self.asking(data, given)
    return self._variates.of(names, found)


def correlations(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the correlation of every canonical variate between the modalities, the mean over their pairs.

    Shapes: M times (n, k); result (k,), in [-1, 1].

    Example:
        >>> x = np.array([[0.0], [1.0], [3.0]])
        >>> correlations([x, 5.0 - 2.0 * x]).round(6).tolist()
        [-1.0]
    """
    unit = [part - part.mean(0) for part in parts]
    unit = [part / np.maximum(np.linalg.norm(part, axis=0), 1e-300) for part in unit]
    return np.mean([(a * b).sum(0) for a, b in combinations(unit, 2)], axis=0)


def principal_axes(x: np.ndarray, most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the axes along which centred rows vary, greatest variance first, and the standard deviations.

    Args:
        x: (n, p).
        most: r at most; None for all axes.

    Returns:
        (p, r), orthonormal, and (r,).

    Example:
        >>> axes, deviation = principal_axes(np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]), None)
        >>> np.abs(axes).round(6).tolist(), deviation.round(6).tolist()
        ([[0.707107], [0.707107]], [1.414214])
    """
    from sklearn.decomposition import PCA

    # Both are exact: the smaller of the two matrices that have the same eigenvalues.
    solver = "covariance_eigh" if x.shape[0] > x.shape[1] else "full"
    count = min(*x.shape, most or x.shape[1])
    found = PCA(count, svd_solver=solver).fit(x)
    variance = np.asarray(found.explained_variance_)
    varies = variance > 1e-10 * variance[0]
    return np.asarray(found.components_)[varies].T, np.sqrt(variance[varies])


def zoo(module: str) -> Any:
    """Return a module of cca-zoo.

    Raises:
        InputError: If it is not installed.

    Example:
        >>> zoo("linear").RidgeCCA.__name__
        'RidgeCCA'
    """
    try:
        return import_module(f"cca_zoo.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "cca_zoo":
            raise
        raise InputError(
            "This baseline is cca-zoo's, which is not installed; pip install 'counterpoint[cca]', "
            "or take the baseline cca, which is scikit-learn's."
        ) from error


def by_zoo(engine: Any, columns: Sequence[Columns], views: Sequence[np.ndarray]) -> Variates:
    """Return the variates of a model of cca-zoo, fitted here.

    Args:
        engine: The model, with its options.
        columns: What makes the matrices.
        views: The matrices (n, p_m) of the training rows.

    Raises:
        InputError: If the rows have fewer directions than the model has components.

    Example:
        >>> from counterpoint.data import read
        >>> data = read({"a": [[0.0], [1.0], [3.0]], "b": [[2.0], [0.0], [1.0]]})
        >>> columns = [Columns.fit(data, name) for name in data.names]
        >>> views = [one.apply(data) for one in columns]
        >>> by_zoo(zoo("linear").RidgeCCA(1), columns, views).of(["a"], data).shape
        (3, 1)
    """
    try:
        engine.fit(list(views))
    except ValueError as error:
        if "n_components" not in str(error):
            raise
        raise InputError(_too_many(engine, views)) from error
    if engine.n_components_ < engine.n_components:
        raise InputError(_too_many(engine, views))
    return Variates(columns, engine.n_components_, partial(zoo_variates, engine))


def by_linear_zoo(
    baseline: Baseline, data: Any, engine: str, components: int, shrinkage: float, most: int | None = None
) -> tuple[Variates, np.ndarray]:
    """Fit a linear model of cca-zoo that draws the covariances to the identity.

    Args:
        baseline: That is fitted; its names, dimensions and rows are noted.
        data: Training rows.
        engine: Its class in `cca_zoo.linear`.
        components: k.
        shrinkage: c.
        most: Modalities that it takes at most.

    Returns:
        The variates, and their correlations in the training rows (k,).

    Raises:
        InputError: If cca-zoo is not installed, or the data do not fit the options.

    Example:
        >>> from counterpoint.baselines.regularised_cca import RegularisedCCA
        >>> a, b = np.random.default_rng(0).standard_normal((2, 9, 2))
        >>> by_linear_zoo(RegularisedCCA(1), {"a": a, "b": a + b}, "RidgeCCA", 1, 0.1)[1].shape
        (1,)
    """
    made = getattr(zoo("linear"), engine)(components, shrinkage=shrinkage)
    columns, views = whole_rows(baseline, data, most)
    check_components(components, baseline.dimensions, "columns")
    found = by_zoo(made, columns, views)
    return found, found.correlations(views)


def _too_many(engine: Any, views: Sequence[np.ndarray]) -> str:
    """Say that a modality has fewer directions than there should be components."""
    return (
        f"components is {engine.n_components}; in the {len(views[0])} rows that are used a modality has "
        "fewer directions that can be told apart. Give fewer components."
    )


def zoo_variates(engine: Any, number: int, x: np.ndarray) -> np.ndarray:
    """Return the variates of one modality by a fitted model of cca-zoo, (n, k).

    It takes all modalities or none, so the others are rows of zeros, which its own variates do not see; and
    some rows at a time, since a kernel is of all of them with all training rows.

    Example:
        >>> a, b = np.random.default_rng(0).standard_normal((2, 9, 2))
        >>> engine = zoo("linear").RidgeCCA(1).fit([a, b])
        >>> bool(np.allclose(zoo_variates(engine, 1, b), engine.transform([a, b])[1]))
        True
    """
    found = []
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        every = [np.zeros((len(part), size)) for size in engine.n_features_per_view_]
        every[number] = part
        found.append(np.asarray(engine.transform(every)[number]))
    return np.concatenate(found)
