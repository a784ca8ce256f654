"""Linear probes: how well a logistic regression reads the labels from an embedding, beside chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import derived_seed, fit, stratified


@dataclass(frozen=True)
class ProbeResult:
    """Accuracy of a probe on held-out rows; shares between 0 and 1.

    Attributes:
        accuracy: share of the test rows that the probe gets right; NaN if there is no row.
        chance: the same for always answering with the most frequent class of the training rows.
        n_train: training rows used.
        n_test: test rows used.
        converged: whether the regression reached its optimum.

    Example:
        >>> ProbeResult(accuracy=0.9, chance=0.1, n_train=500, n_test=100).converged
        True
    """

    accuracy: float
    chance: float
    n_train: int
    n_test: int
    converged: bool = True


def linear_probe(
    train_x: Any, train_y: Any, test_x: Any, test_y: Any, *, size: int | None = None, seed: int = 0
) -> ProbeResult:
    """Logistic regression from features to labels, fitted on the training rows, scored on the test rows.

        accuracy = 1/N sum_n [argmax_c (w_c . s(x_n) + b_c) = y_n],   s = standardisation by the training rows

    The same function on raw features is the raw baseline; what has more than two axes is flattened. Classes
    of the test rows that no training row has count as wrong.

    Args:
        train_x: (N, ...) features, such as posterior means.
        train_y: (N,) whole numbers or text.
        test_x: (N', ...) features of held-out rows.
        test_y: (N',) their labels.
        size: at most so many training rows, a stratified random subset; None takes all.
        seed: decides the subset, and nothing else.

    Raises:
        InputError: for NaN or infinite features, unequal rows or widths, fewer than two classes.

    Source: Sutter et al. 2024 (logistic regression on posterior means); standardisation is ours.

    Example:
        >>> linear_probe([[-2], [-1], [1], [2]], ["a", "a", "b", "b"], [[-3], [3]], ["a", "b"])
        ProbeResult(accuracy=1.0, chance=0.5, n_train=4, n_test=2, converged=True)
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = checks.finite("train_x", checks.numbers("train_x", train_x))
    held = checks.finite("test_x", checks.numbers("test_x", test_x))
    y, truth = checks.labels("train_y", train_y), checks.labels("test_y", test_y)
    checks.same_rows(train_x=x, train_y=y)
    checks.same_rows(test_x=held, test_y=truth)
    checks.classes("train_y", y)
    checks.comparable("train_y", y, "test_y", truth)
    if x.shape[1:] != held.shape[1:]:
        raise InputError(
            f"a row is {x.shape[1:]} in train_x and {held.shape[1:]} in test_x; give the same features."
        )
    x, held = x.reshape(len(x), -1), held.reshape(len(held), -1)
    rows = np.arange(len(y)) if size is None else stratified(y, size, derived_seed(seed, "probe subset"))
    x, y = x[rows], y[rows]

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    converged = fit(model, x, y)
    found, counts = np.unique(y, return_counts=True)
    return ProbeResult(
        accuracy=float(np.mean(model.predict(held) == truth)),
        chance=float(np.mean(truth == found[counts.argmax()])),
        n_train=len(y),
        n_test=len(truth),
        converged=converged,
    )


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
        train_y: (N,) labels.
        test: the same names to (N', ...) features.
        test_y: (N',) labels.
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
    checks.same_names("test", test, train)
    for what, present in (("train_present", train_present), ("test_present", test_present)):
        if present is not None:
            checks.same_names(what, {**dict.fromkeys(train), **present}, train)
    if size is not None:
        whole("size", size)
    y, truth = checks.labels("train_y", train_y), checks.labels("test_y", test_y)
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
