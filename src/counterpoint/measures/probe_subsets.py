"""Probes of the joint latent given every set of modalities: one observed, some, all."""

import numpy as np

from counterpoint import inference
from counterpoint.evaluation.probes import linear_probe
from counterpoint.measures.asked import Asked, Section, mean, subsets


def probe_subsets(asked: Asked) -> Section:
    """Probe the mean of the joint latent given each set of modalities, in the rows that have all of the set.

    The headline `accuracy_subsets` is the mean over sets. Trained and tested on latents given the same set.
    Of more than five modalities single ones, all but one, and all. A conditional model with fixed observed
    modalities is asked of sets of those alone: others it never reads.

    Source: Sutter et al. 2021 (MoPoE), section 5: latent classification of every subset, with 500 training
    rows; Mancisidor et al. 2024 (CMMD), Table 5.
    """
    on, method = asked.on, asked.model.method
    can = [name for name in asked.names if method.observed is None or name in method.observed]
    rows, cells = [data.present() for data in (on.train, on.test)], []
    for given in subsets(can):
        seen = [np.stack([there[name] for name in given]).all(0) for there in rows]
        if not all(s.any() for s in seen):
            continue
        z, held = (
            inference.joint_mean(asked.model, b.given(given)).double().cpu().numpy()
            for b in (asked.train, asked.test)
        )
        found = linear_probe(
            z[seen[0]],
            on.train_y[seen[0]],
            held[seen[1]],
            on.test_y[seen[1]],
            size=on.probe_size,
            seed=asked.seed,
        )
        cells.append(
            {"given": list(given), "accuracy": found.accuracy, "chance": found.chance, "n_test": found.n_test}
        )
    return Section(
        {"accuracy_subsets": mean(c["accuracy"] for c in cells)},
        {"cells": cells},
        nulls={"chance": {"accuracy_subsets": mean(c["chance"] for c in cells)}},
    )
