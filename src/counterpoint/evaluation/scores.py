"""What a classifier's answers are worth: accuracy, area under the ROC curve, average precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, choose, number
from counterpoint.evaluation import checks

if TYPE_CHECKING:
    import numpy as np

    Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # train_x, train_y, test_x, test_y


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one classifier on held-out rows.

    Attributes:
        accuracy: share of the answers that are right; of several labels, the mean over labels.
        auroc: area under the ROC curve; NaN where it is not defined.
        average_precision: area under precision over recall, by steps; NaN where it is not defined.
        auroc_each: (L,) the same per label or class; NaN where the test rows hold one kind only.
        average_precision_each: (L,) the same.
        left_out: labels or classes that are NaN there, and not in the mean.
        hits: (N,) share of a row's answers that are right: 0 or 1 for a single label.

    Example:
        >>> classifier_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).hits.tolist()
        [1.0, 1.0, 0.0, 1.0]
    """

    accuracy: float
    auroc: float
    average_precision: float
    auroc_each: np.ndarray
    average_precision_each: np.ndarray
    left_out: int
    hits: np.ndarray


def classifier_scores(
    truth: Any,
    scores: Any,
    classes: Any = None,
    *,
    from_: str = "scores",
    average: str = "macro",
    threshold: float = 0.5,
) -> Scores:
    """Score the answers of a classifier: one label of two or more classes, or several labels of 0 and 1.

        AUROC = P(score of a row with the label > score of one without) + 1/2 P(equal)
        AP = sum_k (recall_k - recall_{k-1}) precision_k,   over the distinct scores, from the highest

    Two classes are one question, about the last of them; more classes are one question each against the rest;
    labels are one question each. `"macro"` is the mean over questions, `"micro"` pools rows and questions.
    A class of the test rows that the classifier does not know has score 0 in every row: its answers are wrong
    and its AUROC is 1/2.

    Args:
        truth: (N,) labels, or (N, L) of 0 and 1.
        scores: (N, C) one per class, the largest is the answer; (N,) of the last of two classes; or (N, L).
        classes: (C,) the labels of the columns, sorted; None for the sorted labels of `truth`.
        from_: `"scores"`, or `"official"`: AUROC and AP from the answers instead of the scores, as the
            released codes of CelebA (AP) and CUB (AUROC) compute them.
        average: `"macro"` or `"micro"` over questions.
        threshold: for two classes in one column and for several labels, yes is a score above it.

    Raises:
        InputError: for NaN, other shapes, classes that are not those of the scores' columns.

    Source: scikit-learn's roc_auc_score and average_precision_score. `"micro"` is what the released CMMD code
        reports as mAP.

    Example:
        >>> made = classifier_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> made.accuracy, made.auroc, round(made.average_precision, 3)
        (0.75, 0.75, 0.833)
        >>> official = classifier_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], from_="official")
        >>> official.auroc, official.average_precision
        (0.75, 0.75)
    """
    import numpy as np

    choose("from_", from_, ["scores", "official"])
    choose("average", average, ["macro", "micro"])
    threshold = number("threshold", threshold, -float("inf"))
    s = checks.finite("scores", checks.numbers("scores", scores))
    y = np.asarray(truth)
    checks.same_rows(truth=y if y.ndim else [y], scores=s)
    if y.ndim == 2:
        asked, s, answers = _labels(y, s, threshold)
        hits = (asked == answers).mean(1)
    else:
        asked, s, answers, hits = _classes(checks.labels("truth", y), s, classes, threshold)
    ranked = answers.astype(np.float64) if from_ == "official" else s
    auroc, precision = _areas(asked, ranked)
    left_out = int(np.isnan(auroc).sum())
    if average == "micro":
        pooled = _areas(asked.reshape(-1, 1), ranked.reshape(-1, 1))
        mean = [float(v[0]) for v in pooled]
    else:
        known = ~np.isnan(auroc)
        mean = [float(v[known].mean()) if known.any() else float("nan") for v in (auroc, precision)]
    return Scores(float(hits.mean()), mean[0], mean[1], auroc, precision, left_out, hits)


def _none() -> np.ndarray:
    import numpy as np

    return np.zeros(0)


@dataclass(frozen=True)
class ProbeResult:
    """Scores of a probe on held-out rows; shares between 0 and 1. Equal if its numbers are.

    Attributes:
        accuracy: share of the test rows that the probe gets right, of several labels the mean over labels;
            NaN if there is no row.
        chance: the same for always answering with the most frequent class of the training rows.
        n_train: training rows used.
        n_test: test rows used.
        converged: whether the regression reached its optimum.
        auroc: area under the ROC curve from its probabilities, the mean over classes or labels of which the
            test rows hold both kinds; NaN if there is none.
        average_precision: the same for average precision.
        hits: (N',) share of each row's labels that it gets right, for intervals; empty if there is no row.

    Example:
        >>> ProbeResult(accuracy=0.9, chance=0.1, n_train=500, n_test=100).converged
        True
    """

    accuracy: float
    chance: float
    n_train: int
    n_test: int
    converged: bool = True
    auroc: float = float("nan")
    average_precision: float = float("nan")
    hits: np.ndarray = field(default_factory=_none, repr=False, compare=False)


def result_of(chances: np.ndarray, converged: bool, rows: Rows) -> ProbeResult:
    """Score a classifier's probabilities, (N', C) of one label or (N', L) of several, against `rows`.

    Example:
        >>> import numpy as np
        >>> y = np.array([0, 1])
        >>> result_of(np.array([[0.9, 0.1], [0.6, 0.4]]), True, (y[:, None], y, y[:, None], y)).hits.tolist()
        [1.0, 0.0]
    """
    import numpy as np

    _, y, _, truth = rows
    if y.ndim == 2:
        made = classifier_scores(truth, chances)
        chance = float(np.mean(truth == (y.mean(0) > 0.5)))
    else:
        classes, counts = np.unique(y, return_counts=True)
        made = classifier_scores(truth, chances, classes)
        chance = float(np.mean(truth == classes[counts.argmax()]))
    return ProbeResult(
        made.accuracy, chance, len(y), len(truth), converged, made.auroc, made.average_precision, made.hits
    )


def indicators(what: str, values: Any) -> np.ndarray:
    """Return several labels a row, (N, L), as whole numbers 0 and 1.

    Raises:
        InputError: for other values or another shape.

    Example:
        >>> indicators("train_y", [[True, False], [False, False]]).tolist()
        [[1, 0], [0, 0]]
        >>> indicators("train_y", [[0, 2]])
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_y has two axes and holds 2; several labels a row are 0 or 1.
    """
    import numpy as np

    array = checks.numbers(what, values)
    if array.ndim != 2:
        raise InputError(f"{what} has shape {array.shape}; give (N,) labels, or (N, L) of 0 and 1.")
    odd = array[~np.isin(array, (0.0, 1.0))]
    if odd.size:
        raise InputError(f"{what} has two axes and holds {odd[0]:g}; several labels a row are 0 or 1.")
    return array.astype(np.int64)


def _labels(y: np.ndarray, s: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which labels hold, their scores and the answers, (N, L) each."""
    asked = indicators("truth", y) == 1
    if s.shape != asked.shape:
        raise InputError(f"scores has shape {s.shape} and truth {asked.shape}; give one score per label.")
    return asked, s, s > threshold


def _classes(
    y: np.ndarray, s: np.ndarray, classes: Any, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the questions of one label: who is in the class, scores, answers (N, Q); and hits (N,)."""
    import numpy as np

    names = np.unique(y) if classes is None else checks.labels("classes", classes)
    if len(names) < 2 or not np.array_equal(names, np.unique(names)):
        raise InputError(
            f"classes is {names.tolist()}; give the labels of the columns, sorted, at least two."
        )
    if s.ndim == 1 and len(names) == 2:
        s, code = np.stack([2 * threshold - s, s], 1), (s > threshold) + 0
    elif s.shape == (len(y), len(names)):
        code = s.argmax(1)
    else:
        raise InputError(f"scores has shape {s.shape}; give one per row and class, ({len(y)}, {len(names)}).")
    if classes is not None:
        checks.comparable("classes", names, "truth", y)
    found = names[code]
    extra = np.setdiff1d(y, names)
    every = np.concatenate([names, extra])
    s = np.concatenate([s, np.zeros((len(y), len(extra)))], 1)
    asked, answers = y[:, None] == every, found[:, None] == every
    if len(every) == 2:
        asked, s, answers = asked[:, 1:], s[:, 1:], answers[:, 1:]
    return asked, s, answers, (found == y).astype(np.float64)


def _areas(asked: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUROC and AP of every column; NaN where all rows are of one kind."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    auroc, precision = np.full(asked.shape[1], np.nan), np.full(asked.shape[1], np.nan)
    both = np.flatnonzero(asked.any(0) & ~asked.all(0))
    if len(both):
        kinds, ranked = (v[:, both] if len(both) > 1 else v[:, both[0]] for v in (asked, s))
        none: Any = None  # one number per column; the stubs know strings only
        auroc[both] = roc_auc_score(kinds, ranked, average=none)
        precision[both] = average_precision_score(kinds, ranked, average=none)
    return auroc, precision
