"""Prediction: how well the target is told from each set of modalities."""

from typing import Any

import numpy as np

from counterpoint.evaluation.scores import classifier_scores
from counterpoint.measures.asked import Asked, Section, subsets
from counterpoint.targets import classes_of, known


def prediction(asked: Asked) -> Section:
    """Predict the label that the model was given as its target, from every set of modalities.

    `target_accuracy` is the share of test rows whose most probable class, given all that they have, is right
    (of several labels, of single ones), `target_precision` the mean average precision over classes or labels.
    In the detail the same given every set, over the rows that have all of it. The null always answers what is
    most frequent in the training rows. Test rows without a label are left out, and those that lack one of
    several.

    Source: Mancisidor et al. 2024 (CMMD), Tables 1, 2 and 5.
    """
    target = asked.estimator.target
    if target is None:
        return Section({}, {"why_not": "the model was given no target"})
    if target not in asked.on.test.labels:
        return Section({}, {"why_not": f"the test rows have no label {target!r}"})
    truth = np.asarray(asked.on.test.labels[target])
    labelled = np.asarray(known(truth).reshape(len(truth), -1).all(1))
    if not labelled.any():
        return Section({}, {"why_not": "no test row has its label"})
    cells = []
    for given in subsets(asked.names):
        there = np.asarray(np.stack([labelled, *(asked.there[name] for name in given)]).all(0))
        cells.append({"given": list(given), **_scores(asked, given, truth, there)})
    found = _scores(asked, asked.names, truth, labelled)
    summary = {"target_accuracy": found["accuracy"], "target_precision": found["precision"]}
    right = np.full(len(truth), np.nan)
    answer = asked.estimator.predict(asked.on.test)
    right[labelled] = (answer == truth)[labelled].reshape(int(labelled.sum()), -1).mean(1)
    nulls = {"chance": {"target_accuracy": _frequent(asked, target, truth[labelled])}}
    return Section(summary, {"cells": cells}, {"target_accuracy": right}, nulls)


def _scores(asked: Asked, given: tuple[str, ...], truth: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Return accuracy and average precision of the rows."""
    if not rows.any():
        return {"rows": 0}
    p = asked.estimator.predict_proba(asked.on.test, given)[rows]
    several = classes_of(truth) is None
    found = classifier_scores(truth[rows], p, None if several else asked.estimator.classes_)
    return {"rows": int(rows.sum()), "accuracy": found.accuracy, "precision": found.average_precision}


def _frequent(asked: Asked, target: str, truth: np.ndarray) -> float:
    """Return the accuracy of always answering what is most frequent in the training rows."""
    taught = np.asarray(asked.on.train.labels[target])
    if classes_of(taught) is None:
        often = np.nanmean(np.where(known(taught), taught, np.nan), 0) > 0.5
        return float((truth == often).mean())
    values, counts = np.unique(taught[known(taught)].tolist(), return_counts=True)
    return float((truth == values[counts.argmax()]).mean())
