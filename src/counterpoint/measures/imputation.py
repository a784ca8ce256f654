"""Imputation: error of each modality imputed from subsets of the others, and coverage of its intervals."""

from collections.abc import Sequence

import numpy as np
import torch

from counterpoint import inference
from counterpoint.evaluation.imputation import coverage, imputation_r2
from counterpoint.measures import linear
from counterpoint.measures.asked import Asked, Section, mean, rows_of, subsets

DRAWS, LEVEL = 16, 0.9
HEADLINES = {"imputation_r2": "r2", "coverage": "coverage"}


def imputation(asked: Asked) -> Section:
    """Measure R2 against the training rows' column means, and how many values 90 % intervals hold.

    In the units that the model reads: real-valued tables are standardised, so columns count alike; categories
    count as indicators and have no interval. `imputation_r2` is the mean over modalities imputed from all
    others, `coverage` that of their intervals.

    Source: Gayoso et al. 2021 (totalVI) for held-out modalities; Campbell & Thompson 2008 for the R2.
    """
    cells = []
    for given in subsets(asked.names):
        for target in asked.names:
            if target not in given:
                cell = _imputed(asked, given, target)
                cells += [] if cell is None else [{"given": list(given), "target": target, **cell}]
    full = [cell for cell in cells if len(cell["given"]) == len(asked.names) - 1]
    means = {key: mean(cell[name] for cell in full) for key, name in HEADLINES.items()}
    summary = {key: value for key, value in means.items() if value == value}
    dimensions = asked.estimator.latent_dim
    why = None if cells else "there is no other modality to impute from"
    nulls = {} if why else {linear.NAME: {"imputation_r2": linear.linear(asked.on, dimensions).imputation_r2}}
    return Section(summary, {"cells": cells, "draws": DRAWS, "why_not": why}, nulls=nulls)


def _imputed(asked: Asked, given: Sequence[str], target: str) -> dict[str, float] | None:
    """Impute the target in at most `most` rows that have it and all that is given; None if there is none."""
    there = np.logical_and.reduce([asked.there[target], *(asked.there[name] for name in given)])
    rows = asked.some[there[asked.some]]
    if not len(rows):
        return None
    batch = rows_of(asked.test, rows)
    noise = asked.noise(f"impute/{'+'.join(given)}/{target}")
    found = inference.impute(asked.model, batch.given(tuple(given)), target, draws=DRAWS, noise=noise)
    mean_, spread = (v.double().cpu().numpy() for v in found[:2])
    truth, seen = as_numbers(asked, batch.x[target], batch.mask[target], target)
    base = column_means(asked, target)
    if np.allclose(np.where(seen, truth, base), base):
        return None
    score = imputation_r2(truth, mean_, base, where=seen)
    categorical = asked.estimator.preparation_[target].n_categories is not None
    held = float("nan") if categorical else coverage(truth, mean_, spread, LEVEL, where=seen)
    return {
        "r2": score.r2,
        "rmse": score.rmse,
        "baseline_rmse": score.baseline_rmse,
        "coverage": held,
        "level": LEVEL,
        "rows": len(rows),
    }


def as_numbers(asked: Asked, x: torch.Tensor, mask: torch.Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return values as the decoder's mean has them (categories as indicators), and which were observed."""
    classes = asked.estimator.preparation_[name].n_categories
    if classes is not None:
        x = torch.nn.functional.one_hot(x, classes)
        mask = mask if mask.ndim == 1 else mask.unsqueeze(-1)
    seen = mask.cpu().numpy()
    seen = np.broadcast_to(seen.reshape(seen.shape + (1,) * (x.ndim - seen.ndim)), tuple(x.shape))
    return x.double().cpu().numpy(), seen


def column_means(asked: Asked, name: str) -> np.ndarray:
    """Return the mean of every value of a modality over the training rows in which it was observed."""
    x, seen = as_numbers(asked, asked.train.x[name], asked.train.mask[name], name)
    return np.where(seen, x, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
