"""What probes and oracles share: seeds, stratified subsets, and a fit that says whether it converged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.seeds import derive

if TYPE_CHECKING:
    import numpy as np

_INTERRUPTED = "Training interrupted by user"


def derived_seed(seed: int, *words: str) -> int:
    """Return a seed for one use of `seed`, below 2**32 as scikit-learn wants it.

    Modalities get their own streams by name, so that adding or reordering modalities changes no other result.

    Example:
        >>> len({derived_seed(0, "image"), derived_seed(0, "image"), derived_seed(0, "text")})
        2
    """
    return derive(whole("seed", seed, 0), *words) % 2**32


def stratified(y: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose `size` rows at random, at least one of each class and otherwise by the shares in `y`.

    With ranks r = 0..n_c-1 drawn at random within class c, the rows with the smallest r / n_c are taken:
    rank 0 comes first, so every class is there, and no class is over its share by more than a row.

    Shapes: `y` (N,); result (min(size, N),), sorted row numbers.

    Raises:
        InputError: if `size` is below the number of classes.

    Example:
        >>> import numpy as np
        >>> y = np.array([0] * 6 + [1] * 3)
        >>> y[stratified(y, 3, seed=0)].tolist()
        [0, 0, 1]
    """
    import numpy as np

    found, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if whole("size", size) < len(found):
        raise InputError(f"size is {size}, and there are {len(found)} classes; take at least as many rows.")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(y))
    share = np.empty(len(y))
    for code, count in enumerate(counts):
        share[order[codes[order] == code]] = np.arange(count) / count
    taken = np.lexsort((generator.random(len(y)), share))[:size]
    return np.sort(taken)


def subset(y: np.ndarray, size: int | None, seed: int) -> np.ndarray:
    """Choose at most `size` rows for a probe: stratified by one label, at random for several; all for None.

    Shapes: `y` (N,) or (N, L); result sorted row numbers.

    Example:
        >>> import numpy as np
        >>> subset(np.zeros((9, 2)), 4, seed=0).shape, subset(np.array([0, 1, 1]), None, seed=0).tolist()
        ((4,), [0, 1, 2])
    """
    import numpy as np

    if size is None:
        return np.arange(len(y))
    if y.ndim == 1:
        return stratified(y, size, seed)
    return np.sort(np.random.default_rng(seed).permutation(len(y))[: whole("size", size)])


def fit(model: Any, x: np.ndarray, y: np.ndarray) -> bool:
    """Fit a scikit-learn classifier in place and return whether it converged.

    The one warning that is answered by the returned value is kept from the user; every other goes its way.
    Scikit-learn's multilayer perceptron makes a warning of Ctrl-C and hands out what it has; here Ctrl-C is
    raised on, or half a judge would be kept for a whole one.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> fit(LogisticRegression(), [[0.0], [1.0]], [0, 1])
        True
        >>> fit(LogisticRegression(max_iter=1), [[0.0], [1.0], [5.0]], [0, 1, 0])
        False
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.filterwarnings("always", _INTERRUPTED)
        model.fit(x, y)
    if any(str(warning.message).startswith(_INTERRUPTED) for warning in seen):
        raise KeyboardInterrupt
    for other in seen:
        if not issubclass(other.category, ConvergenceWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return not any(issubclass(warning.category, ConvergenceWarning) for warning in seen)
