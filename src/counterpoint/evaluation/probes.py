"""Linear probes: how well a logistic regression reads the labels from an embedding, beside chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.batched import MOST_FEATURES, fit_stack
from counterpoint.evaluation.fitting import derived_seed, fit, subset
from counterpoint.evaluation.scores import ProbeResult, indicators, result_of

if TYPE_CHECKING:
    import numpy as np

    Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # train_x, train_y, test_x, test_y


def linear_probe(
    train_x: Any, train_y: Any, test_x: Any, test_y: Any, *, size: int | None = None, seed: int = 0
) -> ProbeResult:
    """Logistic regression from features to labels, fitted on the training rows, scored on the test rows.

        accuracy = 1/N sum_n [argmax_c (w_c . s(x_n) + b_c) = y_n],   s = standardisation by the training rows

    The same function on raw features is the raw baseline; what has more than two axes is flattened. Classes
    of the test rows that no training row has count as wrong. Several labels of 0 and 1 get a regression each;
    one that is the same in all training rows is answered so. The objective is scikit-learn's with C = 1; up
    to 256 features it is solved by `fit_stack`, nearer to the optimum than scikit-learn's default is.

    Args:
        train_x: (N, ...) features, such as posterior means.
        train_y: (N,) whole numbers or text, or (N, L) of 0 and 1.
        test_x: (N', ...) features of held-out rows.
        test_y: (N',) or (N', L), their labels.
        size: at most so many training rows, a random subset, stratified for one label; None takes all.
        seed: decides the subset, and nothing else.

    Raises:
        InputError: for NaN or infinite features, unequal rows or widths, fewer than two classes.

    Source: Sutter et al. 2024 (logistic regression on posterior means); standardisation is ours.

    Example:
        >>> linear_probe([[-2], [-1], [1], [2]], ["a", "a", "b", "b"], [[-3], [3]], ["a", "b"])
        ProbeResult(accuracy=1.0, chance=0.5, n_train=4, n_test=2, converged=True, auroc=1.0, \
average_precision=1.0)
    """
    rows = probe_rows(train_x, train_y, test_x, test_y, size, seed)
    return _probe_alike([rows])[0]


def probe_stack(
    train: Sequence[Any],
    train_y: Any,
    test: Sequence[Any],
    test_y: Any,
    *,
    size: int | None = None,
    seed: int = 0,
) -> list[ProbeResult]:
    """One `linear_probe` per entry of a stack, such as the same modality's latents of many runs.

    Entries of the same size are fitted together by `fit_stack` up to 256 features; wider ones, and those
    with more features than rows, one after another by scikit-learn. `linear_probe` keeps to the same rule,
    so that an entry gets what it gets alone, but for the solver's tolerance.

    Args:
        train: P features (N, ...), one array or a list; rows and widths may differ from entry to entry.
        train_y: labels of all entries, (N,) or (N, L), or a list with the labels of each.
        test: P features (N', ...).
        test_y: labels of all entries or a list with those of each, as `train_y`.
        size: at most so many training rows; the same rows in all entries with the same labels.
        seed: decides the subset, and nothing else.

    Raises:
        InputError: as `linear_probe`, naming the entry.

    Source: as `linear_probe`.

    Example:
        >>> x = [[[-2.0], [-1.0], [1.0], [2.0]], [[0.0], [5.0], [0.0], [5.0]]]
        >>> [result.accuracy for result in probe_stack(x, [0, 0, 1, 1], x, [0, 0, 1, 1])]
        [1.0, 0.5]
    """
    import numpy as np

    count = len(train)
    if not count or len(test) != count:
        raise InputError(f"train has {count} entries and test {len(test)}; give as many, at least one.")
    each = [_each("train_y", train_y, train), _each("test_y", test_y, test)]
    rows, alike = [], {}
    for i in range(count):
        try:
            rows.append(probe_rows(train[i], each[0][i], test[i], each[1][i], size, seed))
        except InputError as error:
            raise InputError(f"entry {i}: {error}") from error
        x, y, held, _ = rows[i]
        kinds = tuple(np.unique(y).tolist())
        alike.setdefault((x.shape, held.shape, y.ndim, kinds), []).append(i)
    found: dict[int, ProbeResult] = {}
    for members in alike.values():
        found |= zip(members, _probe_alike([rows[i] for i in members]), strict=True)
    return [found[i] for i in range(count)]


def probe_modalities(
    train: Mapping[str, Any],
    train_y: Any,
    test: Mapping[str, Any],
    test_y: Any,
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
    size: int | None = None,
    seed: int = 0,
) -> dict[str, ProbeResult]:
    """One `linear_probe` per modality, on the rows in which it is present.

    A modality without a training row or a test row gets NaN and its counts; the others are still told.

    Args:
        train: modality name to (N, ...) features; absent rows may hold anything, NaN too.
        train_y: (N,) labels, or (N, L) of 0 and 1.
        test: the same names to (N', ...) features.
        test_y: (N',) or (N', L) labels.
        train_present: modality name to bool (N,); a modality that is not named is present everywhere.
        test_present: the same for the test rows.
        size: at most so many training rows per modality.
        seed: decides the subsets.

    Raises:
        InputError: as `linear_probe`, naming the modality; if train and test have other modalities.

    Source: Sutter et al. 2024, unimodal latent classification.

    Example:
        >>> x = {"image": [[-2], [-1], [1], [2]], "text": [[0], [9], [1], [9]]}
        >>> present = {"text": [True, False, True, False]}
        >>> y = [0, 0, 1, 1]
        >>> found = probe_modalities(x, y, x, y, train_present=present, test_present=present)
        >>> {name: (result.accuracy, result.n_train) for name, result in found.items()}
        {'image': (1.0, 4), 'text': (1.0, 2)}
    """
    import numpy as np

    checks.same_names("test", test, train)
    for what, present in (("train_present", train_present), ("test_present", test_present)):
        if present is not None:
            checks.same_names(what, {**dict.fromkeys(train), **present}, train)
    if size is not None:
        whole("size", size)
    read = indicators if np.ndim(train_y) == 2 else checks.labels
    y, truth = read("train_y", train_y), read("test_y", test_y)
    return {
        name: _probe_present(
            name,
            (train[name], y, checks.presence("train_present", train_present, name, len(y))),
            (test[name], truth, checks.presence("test_present", test_present, name, len(truth))),
            size,
            derived_seed(seed, name),
        )
        for name in train
    }


def _probe_present(
    name: str, train: tuple[Any, Any, Any], test: tuple[Any, Any, Any], size: int | None, seed: int
) -> ProbeResult:
    """Probe one modality from (features, labels, present) of both sides."""
    try:
        x, held = checks.numbers("train", train[0]), checks.numbers("test", test[0])
        checks.same_rows(train=x, train_y=train[1])
        checks.same_rows(test=held, test_y=test[1])
        here, there = train[2], test[2]
        if not here.any() or not there.any():
            return ProbeResult(float("nan"), float("nan"), int(here.sum()), int(there.sum()))
        return linear_probe(x[here], train[1][here], held[there], test[1][there], size=size, seed=seed)
    except InputError as error:
        raise InputError(f"modality {name!r}: {error}") from error


def probe_rows(train_x: Any, train_y: Any, test_x: Any, test_y: Any, size: int | None, seed: int) -> Rows:
    """Return what a probe reads, checked: features (N, D), labels, and the same of the test rows.

    Raises:
        InputError: as `linear_probe`.

    Example:
        >>> [part.shape for part in probe_rows([[[1]], [[2]]], [0, 1], [[[3]]], [0], None, 0)]
        [(2, 1), (2,), (1, 1), (1,)]
    """
    import numpy as np

    x = checks.finite("train_x", checks.numbers("train_x", train_x))
    held = checks.finite("test_x", checks.numbers("test_x", test_x))
    several = np.ndim(train_y) == 2
    read = indicators if several else checks.labels
    y, truth = read("train_y", train_y), read("test_y", test_y)
    checks.same_rows(train_x=x, train_y=y)
    checks.same_rows(test_x=held, test_y=truth)
    if several and y.shape[1] != truth.shape[1]:
        raise InputError(f"train_y has {y.shape[1]} labels a row and test_y {truth.shape[1]}; give the same.")
    if not several:
        checks.classes("train_y", y)
        checks.comparable("train_y", y, "test_y", truth)
    if x.shape[1:] != held.shape[1:]:
        raise InputError(
            f"a row is {x.shape[1:]} in train_x and {held.shape[1:]} in test_x; give the same features."
        )
    rows = subset(y, size, derived_seed(seed, "probe subset"))
    return x.reshape(len(x), -1)[rows], y[rows], held.reshape(len(held), -1), truth


def _each(what: str, labels: Any, entries: Sequence[Any]) -> list[Any]:
    """Return labels per entry: a list of arrays as it is, one array for all repeated."""
    import numpy as np

    if not (isinstance(labels, (list, tuple)) and len(labels) and all(np.ndim(v) for v in labels)):
        return [labels] * len(entries)
    if isinstance(labels[0], (list, tuple)):
        raise InputError(f"{what} is a list of lists; give one array for all entries, or a list of arrays.")
    if len(labels) != len(entries):
        raise InputError(f"{what} has labels for {len(labels)} entries; there are {len(entries)}.")
    return list(labels)


def _probe_alike(stack: Sequence[Rows]) -> list[ProbeResult]:
    """Probe entries of the same size and classes."""
    import numpy as np

    if stack[0][1].ndim == 2:
        return [_probe_labels(rows) for rows in stack]
    x, held = (np.stack([rows[i] for rows in stack]) for i in (0, 2))
    chances, converged = _probabilities(x, np.stack([rows[1] for rows in stack]), held)
    return [result_of(*made) for made in zip(chances, converged.tolist(), stack, strict=True)]


def _probe_labels(rows: Rows) -> ProbeResult:
    """Probe several labels of 0 and 1: a regression each, all from the same features."""
    import numpy as np

    x, y, held, truth = rows
    both = np.flatnonzero(y.any(0) & ~y.all(0))
    chances = np.tile(y[:1].astype(np.float64), (len(held), 1))
    converged = True
    for at in range(0, len(both), 8):  # a copy of the features for each
        some = both[at : at + 8]
        copies = [np.broadcast_to(v, (len(some), *v.shape)) for v in (x, held)]
        made, fine = _probabilities(copies[0], y[:, some].T, copies[1])
        chances[:, some] = made[:, :, 1].T
        converged = converged and bool(fine.all())
    return result_of(chances, converged, (x, y, held, truth))


def _probabilities(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a stack, (P, N, D) and (P, N); return probabilities (P, N', C) and which converged."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if x.shape[2] <= min(MOST_FEATURES, x.shape[1]):
        stack = fit_stack(x, y)
        return stack.probabilities(held), stack.converged
    models = [make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)) for _ in x]
    converged = np.array([fit(*one) for one in zip(models, x, y, strict=True)])
    return np.stack([m.predict_proba(h) for m, h in zip(models, held, strict=True)]), converged
