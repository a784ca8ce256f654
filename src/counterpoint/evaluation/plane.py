"""A plane to look at embeddings in: principal components, and t-SNE of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np


def principal(points: Any, components: int = 2) -> np.ndarray:
    """Return the first principal components of points, (P, D) to (P, components); zeros beyond D.

    Raises:
        InputError: for fewer than 3 points, or values that are not finite.

    Example:
        >>> principal([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]).round(6).tolist()
        [[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]
    """
    import numpy as np
    from sklearn.decomposition import PCA

    points = _points(points)
    found = min(components, *points.shape)
    plane = PCA(found, svd_solver="full").fit_transform(points)
    plane = plane * np.where(plane[np.abs(plane).argmax(0), np.arange(found)] < 0, -1, 1)  # one sign, always
    return np.pad(plane, ((0, 0), (0, components - found)))


def neighbours(points: Any, seed: int = 0) -> np.ndarray | None:
    """Return t-SNE of points in a plane, (P, D) to (P, 2); None if there are fewer than 30, or D is below 3.

    Distances are those of the first 30 principal components.

    Raises:
        InputError: for values that are not finite.

    Source: van der Maaten & Hinton 2008, through scikit-learn; initialised with the principal components.

    Example:
        >>> neighbours([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]) is None
        True
    """
    points = _points(points)
    if len(points) < 30 or points.shape[1] < 3:
        return None
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # One thread: sums then have one order, so the seed decides; spinning threads stall on a busy machine.
    with threadpool_limits(1):
        tsne = TSNE(init="pca", perplexity=min(30, len(points) / 4), random_state=seed)
        return tsne.fit_transform(principal(points, min(30, points.shape[1])))


def _points(points: Any) -> np.ndarray:
    array = checks.finite("points", checks.numbers("points", points))
    if array.ndim != 2 or len(array) < 3:
        raise InputError(f"points has shape {array.shape}; give (P, D) with at least 3 points.")
    return array
