"""Generation: how far what is translated is from what is real, and whether it covers it."""

import numpy as np

from counterpoint.evaluation.distances import frechet, kernel
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
        oracle, known = asked.on.oracles[target], there[target]
        if min(known.sum(), *(here.sum() for here in there.values())) < CLUSTERS + 1:
            continue
        real = oracle.features(_clamped(asked, target, asked.on.features[1][target][rows][known]))
        for s, source in enumerate(names):
            made = asked.translate([source], target, batch=batch)[there[source]]
            made = oracle.features(_clamped(asked, target, made))
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
        "features": {name: asked.on.oracles[name].read for name in names},
        "prd": curves,
        "rows": len(rows),
        "why_not": why if len(names) > 1 else "there is one modality only",
    }
    return Section(summary, detail)


def _clamped(asked: Asked, name: str, values: np.ndarray) -> np.ndarray:
    """Return pictures within what pictures can be; everything else as it is."""
    top = {"byte": 255.0, "unit": 1.0}.get(asked.estimator.preparation_[name].pixels or "")
    return values if top is None else np.clip(values, 0.0, top)
