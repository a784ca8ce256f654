"""Prediction: how well the target is told from each set of modalities."""

import numpy as np

from counterpoint.evaluation.checks import whole_known
from counterpoint.evaluation.scores import ProbeResult, result_of
from counterpoint.measures.asked import Asked, Section, subsets


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
    labelled, taught = whole_known(truth), np.asarray(asked.on.train.labels[target])
    if not labelled.any():
        return Section({}, {"why_not": "no test row has its label"})
    taught = taught[whole_known(taught)]
    cells, p = [], np.empty(0)
    for given in subsets(asked.names):  # the last is the full set
        p = asked.estimator.predict_proba(asked.on.test, given)
        there = np.asarray(np.stack([labelled, *(asked.there[name] for name in given)]).all(0))
        scores = {"given": list(given), "rows": int(there.sum())}
        if there.any():
            found = _scored(p[there], taught, truth[there])
            scores |= {"accuracy": found.accuracy, "precision": found.average_precision}
        cells.append(scores)
    found = _scored(p[labelled], taught, truth[labelled])
    summary = {"target_accuracy": found.accuracy, "target_precision": found.average_precision}
    right = np.full(len(truth), np.nan)
    right[labelled] = found.hits
    nulls = {"chance": {"target_accuracy": found.chance}}
    return Section(summary, {"cells": cells}, {"target_accuracy": right}, nulls)


def _scored(p: np.ndarray, taught: np.ndarray, truth: np.ndarray) -> ProbeResult:
    """Score probabilities as a probe's, beside the answer that is most frequent in what was taught."""
    taught, truth = (np.array(v.tolist()) for v in (taught, truth))
    return result_of(p, True, (taught, taught, truth, truth))
