"""Coherence: does what is translated from one modality, or several, into another still show the class?"""

import numpy as np

from counterpoint.evaluation.coherence import SubsetCell, subset_coherence
from counterpoint.evaluation.coherence import coherence as table_of
from counterpoint.measures import linear
from counterpoint.measures.asked import Asked, Section, mean, rows_of, subsets


def coherence(asked: Asked) -> Section:
    """Ask the target's oracle for the class of every translation, with one latent draw a row.

    `coherence` is the mean off the diagonal, `coherence_full` with it, `coherence_subsets` that over every
    (subset -> target outside it). Beside them: the oracles on real rows, the linear baseline's translations,
    and the answers scored against the labels of other rows (pairing shuffled).

    Source: Shi et al. 2019; Sutter et al. 2021 (subsets).
    """
    on, names = asked.on, asked.names
    table = table_of(lambda s, t: asked.translate([s], t), on.oracles, on.test_y, names, asked.there)
    batch, there = rows_of(asked.test, asked.some), {k: v[asked.some] for k, v in asked.there.items()}
    several = [given for given in subsets(names) if len(given) > 1]
    cells = subset_coherence(
        lambda given, t: asked.translate(given, t, batch=batch),
        on.oracles, on.test_y[asked.some], names, several, there,
    )  # fmt: skip
    single = [
        SubsetCell((s,), t, float(table.matrix[i, j]), table.rows[s])
        for i, s in enumerate(names)
        for j, t in enumerate(names)
    ]
    told = [{**vars(cell), "given": list(cell.given)} for cell in (*single, *cells)]
    summary = {
        "coherence": table.off_diagonal,
        "coherence_full": table.full,
        "coherence_subsets": mean(cell["accuracy"] for cell in told if cell["target"] not in cell["given"]),
    }
    detail = {
        "names": list(names),
        "matrix": table.matrix.tolist(),
        "oracle": table.oracle,
        "kind": {name: on.oracles[name].kind for name in names},
        "subsets": told,
    }
    nulls = {
        "chance": {"coherence": _most_frequent(asked)},
        "raw features": {"coherence": mean(table.oracle.values())},
        linear.NAME: {"coherence": linear.linear(on, asked.estimator.latent_dim).coherence},
        "pairing shuffled": {"coherence": table.shuffled},
    }
    rows = {} if on.test_y.ndim == 2 or table.hits is None else {"coherence": table.hits}
    return Section(summary, detail, rows, nulls)


def _most_frequent(asked: Asked) -> float:
    """Return the coherence of always showing the most frequent class of the training rows."""
    y, test = asked.on.train_y, asked.on.test_y
    if y.ndim == 2:  # average precision of a constant is the share of rows that have the label
        return float(test.mean())
    found, counts = np.unique(y, return_counts=True)
    return float(np.mean(test == found[counts.argmax()]))
