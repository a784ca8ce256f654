"""The linear baseline: what partial least squares between the modalities makes of the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.data import MultimodalData
from counterpoint.data.multimodal import expand
from counterpoint.errors import InputError
from counterpoint.evaluation.baselines import LinearBaseline, pls
from counterpoint.evaluation.coherence import coherence
from counterpoint.evaluation.imputation import imputation_r2
from counterpoint.evaluation.probes import probe_modalities
from counterpoint.measures.asked import mean
from counterpoint.protocol import Task

NAME = "linear (PLS)"
ROWS = 2000  # training rows, at most: with 5 pictures of 2,352 values each 3,000 take 24 s


@dataclass(frozen=True)
class Linear:
    """Headline numbers of the linear baseline; NaN where it cannot be fitted.

    Args:
        accuracy: Mean over modalities of the probe on its latents.
        coherence: Mean off the diagonal of its translations.
        imputation_r2: Mean over modalities of R2 of a ridge regression on the latents of all others, columns
            standardised.
    """

    accuracy: float
    coherence: float
    imputation_r2: float


def linear(on: Task, components: int) -> Linear:
    """Return the linear baseline of a task with as many components as the latent has dimensions.

    Made once for a task and kept in it: it is the same for every model.
    """
    if components not in on.memo:
        on.memo[components] = _measured(on, components)
    return on.memo[components]


def _measured(on: Task, components: int) -> Linear:
    """Fit the baseline and judge it as a model is judged."""
    nothing = Linear(*[float("nan")] * 3)
    names, (x, held) = on.train.names, on.features
    if len(names) < 2:
        return nothing
    few = np.sort(np.random.default_rng(0).permutation(len(on.train))[:ROWS])
    x, y = {name: values[few] for name, values in x.items()}, on.train_y[few]
    seen = {"train_present": on.train[few].present(), "test_present": on.test.present()}
    try:
        found = pls(x, held, components, **seen)
    except InputError:  # a modality is never beside another: there is nothing linear to be found between them
        return nothing
    kind: Any = {**seen, "size": on.probe_size}
    probes = probe_modalities(found.train, y, found.test, on.test_y, **kind)

    def translate(source: str, target: str) -> np.ndarray:
        return held[target] if source == target else found.translate(source, target)

    judged = coherence(translate, on.oracles, on.test_y, names, on.test.present())
    r2 = [_r2(on, found, few, target) for target in names]
    return Linear(mean(p.accuracy for p in probes.values()), judged.off_diagonal, mean(r2))


def _r2(on: Task, found: LinearBaseline, few: np.ndarray, target: str) -> float:
    """Return R2 of a modality regressed on the latents of all others, in rows that have all of them."""
    from sklearn.linear_model import RidgeCV

    others = [name for name in found.names if name != target]
    rows = on.train[few], on.test
    known, asked = (np.logical_and.reduce(list(data.present().values())) for data in rows)
    if known.sum() < 10 or not asked.any() or on.train.categories[target] is not None:
        return float("nan")
    x, y = on.features[0][target][few], on.features[1][target]
    where = observed(on.test, target, y.shape)
    base = x[known].mean(0)
    spread = x[known].std(0) if x.ndim == 2 else np.array(x[known].std())
    unit = np.where(spread > 0, spread, 1.0)
    z, held = (np.hstack([latent[name] for name in others]) for latent in (found.train, found.test))
    flat = ((x[known] - base) / unit).reshape(int(known.sum()), -1)
    made = RidgeCV(np.logspace(-2, 4, 13)).fit(z[known], flat).predict(held[asked])
    truth = (y[asked] - base) / unit
    zero = np.zeros_like(base)
    if np.allclose(np.where(where[asked], truth, zero), zero):
        return float("nan")
    return imputation_r2(truth, made.reshape(truth.shape), zero, where=where[asked]).r2


def observed(data: MultimodalData, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return which values were observed, (N, *event)."""
    return expand(data.mask[name], shape)
