"""Generation: how far what is translated is from what is real, and whether it covers it."""

from collections.abc import Callable

import numpy as np

from counterpoint.evaluation.distances import frechet, kernel
from counterpoint.evaluation.inception import inception
from counterpoint.evaluation.prd import precision_recall
from counterpoint.measures.asked import Asked, Section, mean, rows_of

CLUSTERS, RUNS, SUBSETS, SIZE = 20, 2, 10, 200
POINTS = 51  # of a curve that a report draws


def generation(asked: Asked) -> Section:
    """Measure Frechet and kernel distance, precision and recall of translations, in the oracle's features.

    Real are the test rows that have the target, made is the likelihood's mean given each source; pictures are
    clamped to [0, 1] (bytes to 255) before the oracle sees them: a decoder knows no bounds, and what is
    outside would wrap around or be judged as no picture can be. `fid`, `kid`, `precision` (F 1/8) and
    `recall` (F 8) are means over pairs of different modalities.

    With weights of Inception (`Asked.inception`) pictures are compared in its features, as published.

    Source: Heusel et al. 2017; Binkowski et al. 2018; Sajjadi et al. 2018; the mean over pairs is that of
        Sutter et al. 2024, whose features are Inception's.
    """
    names, rows = asked.names, asked.some
    batch = rows_of(asked.test, rows)
    there = {name: here[rows] for name, here in asked.there.items()}
    kinds = ("fid", "kid", "f8", "f1_8")
    found = {key: np.full((len(names), len(names)), np.nan) for key in kinds}
    curves = []
    for t, target in enumerate(names):
        known = there[target]
        if min(known.sum(), *(here.sum() for here in there.values())) < CLUSTERS + 1:
            continue
        extract = _extractor(asked, target)
        real = extract(asked.on.features[1][target][rows][known])
        for s, source in enumerate(names):
            made = extract(asked.translate([source], target, batch=batch)[there[source]])
            size = min(SIZE, len(real) - 1, len(made) - 1)
            found["fid"][s, t] = frechet(real, made)
            found["kid"][s, t] = kernel(real, made, subsets=SUBSETS, size=size, seed=asked.seed)[0]
            if s != t:
                curve = precision_recall(real, made, clusters=CLUSTERS, runs=RUNS, seed=asked.seed)
                found["f8"][s, t], found["f1_8"][s, t] = curve.f8, curve.f1_8
                at = np.linspace(0, len(curve.precision) - 1, POINTS).round().astype(int)
                drawn = {key: getattr(curve, key)[at].round(4).tolist() for key in ("precision", "recall")}
                curves.append({"source": source, "target": target, **drawn, "official": curve.official})
    off = ~np.eye(len(names), dtype=bool)
    titles = {"fid": "fid", "kid": "kid", "f8": "recall", "f1_8": "precision"}
    summary = {title: mean(found[key][off]) for key, title in titles.items()}
    summary = {key: value for key, value in summary.items() if value == value}
    why = None if summary else f"a pair of modalities has fewer than {CLUSTERS + 1} test rows each"
    detail = {
        "names": list(names),
        **{key: matrix.tolist() for key, matrix in found.items()},
        "features": {name: _read(asked, name) for name in names},
        "prd": curves,
        "rows": len(rows),
        "why_not": why if len(names) > 1 else "there is one modality only",
    }
    return Section(summary, detail)


def _extractor(asked: Asked, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes features (N, F) of rows in the data's units; pictures are clamped first."""
    top = top_of(asked, name)
    oracle = asked.on.oracles[name]
    if top is None:
        return oracle.features
    if asked.inception is None:
        return lambda rows: oracle.features(np.clip(rows, 0.0, top))
    net = inception(asked.inception)
    return lambda rows: net.features(np.clip(rows / top, 0.0, 1.0))


def top_of(asked: Asked, name: str) -> float | None:
    """Return the largest value of a picture, or None for what is no picture."""
    return {"byte": 255.0, "unit": 1.0}.get(asked.estimator.preparation_[name].pixels or "")


def _read(asked: Asked, name: str) -> str:
    """Return what the features are, in words."""
    own = asked.inception is None or top_of(asked, name) is None
    return asked.on.oracles[name].read if own else "Inception, 2048 features"
