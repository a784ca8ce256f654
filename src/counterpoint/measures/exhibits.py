"""What a report shows of single test rows: a plane of the embeddings, real rows and their translations."""

import numpy as np
import torch

from counterpoint.evaluation.fitting import stratified
from counterpoint.evaluation.plane import neighbours, principal
from counterpoint.measures.asked import Asked, rows_of

POINTS = 1500  # of all modalities together: t-SNE of these takes seconds
SHOWN = 8  # rows of which translations are kept
LARGEST = 200_000  # values of one row's modality, beyond which no translation is kept


def exhibits(asked: Asked, agreement: np.ndarray | None = None) -> dict[str, torch.Tensor]:
    """Return arrays for `runs.add_scores`; modalities are numbered in their order.

    `row` (n,), `label` (n,) codes into the task's classes (-1 if unknown or several), `agreement` (n,),
    `pca/m` and `tsne/m` (n, 2) in a plane common to the modalities, NaN where absent; `shown` (k,), `real/m`
    (k, *event) and `made/s/t` (k, *event), decoded from posterior means; `sampled/m` (k, *event), row i of
    all modalities from one latent, if samples from nothing were measured.

    Args:
        asked: A model on a task.
        agreement: (N',) of every test row, if it was measured.
    """
    labels = _codes(asked)
    rows = _chosen(labels, POINTS // len(asked.names))
    out = {"row": rows, "label": labels[rows]}
    if agreement is not None:
        out["agreement"] = agreement[rows].astype(np.float32)
    out |= _plane({name: z[rows] for name, z in asked.held.items()}, asked.seed)
    shown = _chosen(labels, SHOWN, labels.max() + 1 if labels.max() > 0 else None)
    return {
        k: torch.from_numpy(np.ascontiguousarray(v))
        for k, v in (out | _made(asked, shown) | _sampled(asked)).items()
    }


def _codes(asked: Asked) -> np.ndarray:
    """Return every test row's class as its place among the classes; -1 where there is none."""
    y, classes = asked.on.test_y, asked.on.classes
    if y.ndim == 2:
        return np.full(len(y), -1)
    place = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    return np.where(classes[place] == y, place, -1)


def _chosen(labels: np.ndarray, count: int, classes: int | None = None) -> np.ndarray:
    """Return row numbers, at most `count`, of every class alike; with fewer places than classes, any."""
    if len(labels) <= count:
        return np.arange(len(labels))
    if classes is not None and classes > count:  # the first row of the first classes
        return np.sort([int(np.flatnonzero(labels == c)[0]) for c in np.unique(labels)[:count]])
    if len(np.unique(labels)) > count:
        return np.arange(count)
    return stratified(labels, count, seed=0)


def _plane(z: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return every modality's places in planes that all share."""
    stacked = np.concatenate(list(z.values()))
    finite = np.isfinite(stacked).all(1)
    if finite.sum() < 3:
        return {}
    made = {"pca": principal(stacked[finite]), "tsne": neighbours(stacked[finite], seed)}
    out = {}
    for key, places in made.items():
        if places is not None:
            plane = np.full((len(stacked), 2), np.nan, dtype=np.float32)
            plane[finite] = places
            parts = np.split(plane, len(z))
            out |= {f"{key}/{m}": part for m, part in enumerate(parts)}
    return out


def _sampled(asked: Asked) -> dict[str, np.ndarray]:
    """Return the samples that were kept, if there are and they are small enough."""
    kept = asked.kept.get("samples", {})
    if any(np.prod(rows.shape[1:]) > LARGEST for rows in kept.values()):
        return {}
    return {f"sampled/{asked.names.index(name)}": rows.astype(np.float32) for name, rows in kept.items()}


def _made(asked: Asked, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the real rows and what every modality is translated into, reconstruction included."""
    if any(np.prod(x.shape[1:]) > LARGEST for x in asked.on.test.x.values()):
        return {}
    batch, out = rows_of(asked.test, rows), {"shown": rows}
    for m, name in enumerate(asked.names):
        there = asked.there[name][rows]
        real = asked.on.test.x[name][rows].astype(np.float32)
        if not there.all():
            real[~there] = np.nan
        out[f"real/{m}"] = real
        for t, target in enumerate(asked.names):
            made = asked.translate([name], target, batch=batch, draws=0).astype(np.float32)
            made[~there] = np.nan
            out[f"made/{m}/{t}"] = made
    return out
