"""Breast cancer: 150 patients with mRNA, miRNA and protein, 70 more without the protein; impute it.

    COUNTERPOINT_DATA=folder python examples/breast_tcga.py

Nobody is dropped: the 70 help to learn what mRNA and miRNA share. The protein of complete rows is hidden in
turn (5 folds, stratified by subtype), imputed from the other two, and compared with the column means of the
training rows. R2 is 0 for those and 1 for the truth.

The settings were chosen on inner folds of the training rows of seed 0's first fold: of the rows scored here,
those of that fold alone had no say in them.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

import counterpoint as cp
from counterpoint.evaluation import coverage, imputation_r2, linear_probe, mean_and_spread

GIVEN, HIDDEN = ("mrna", "mirna"), "protein"
SETTINGS = {"latent_dim": 16, "hidden": (64,), "likelihood": "normal", "learning_rate": 3e-3, "epochs": 100}


def read(folder: Path) -> tuple[cp.MultimodalData, int]:
    """Return all 220 rows, the complete ones first, and how many those are."""
    with np.load(folder / "breast_tcga" / "breast_tcga.npz") as file:
        x = {name: np.concatenate([file[f"{name}_train"], file[f"{name}_test"]]) for name in GIVEN}
        protein, lacking = file[f"{HIDDEN}_train"], len(file["labels_test"])
        x[HIDDEN] = np.concatenate([protein, np.full((lacking, protein.shape[1]), np.nan)])
        labels = {"subtype": np.concatenate([file["labels_train"], file["labels_test"]])}
    return cp.read(x, labels=labels), len(protein)


def fit(data: cp.MultimodalData, seed: int) -> cp.Counterpoint:
    """Fit on rows of which some lack the protein."""
    return cp.Counterpoint("mmvm", seed=seed, **SETTINGS).fit(data)


def fold(data: cp.MultimodalData, held: np.ndarray, seed: int) -> tuple[float, float]:
    """Fit without the held rows; return R2 of their imputed protein and coverage of its 90 % intervals."""
    train = data[np.setdiff1d(np.arange(len(data)), held)]
    truth, rest = data.x[HIDDEN][held], data[held].without(HIDDEN)
    found = fit(train, seed).impute(rest, to=HIDDEN, draws=64)[HIDDEN]
    mean = train.x[HIDDEN][train.present()[HIDDEN]].mean(0)
    return imputation_r2(truth, found.mean, mean).r2, coverage(truth, found.mean, found.spread)


def main(folder: Path, seeds: int = 3, folds: int = 5) -> dict[str, Any]:
    """Print R2 of the imputed protein, seed by seed, and what the embeddings of all 220 rows know.

    Args:
        folder: Where the data sets are.
        seeds: How many; each has its own split.
        folds: Of the five, how many are scored.
    """
    data, complete = read(folder)
    subtype = data.labels["subtype"]
    print(f"{data}; {dict(data.patterns())}")
    print(f"imputed protein of held-out complete rows, {folds} of 5 folds a seed")
    scores = []
    for seed in range(seeds):
        split = StratifiedKFold(5, shuffle=True, random_state=seed).split(
            subtype[:complete], subtype[:complete]
        )
        found = np.array([fold(data, held, seed) for _, (_, held) in zip(range(folds), split, strict=False)])
        scores.append(found)
        each = " ".join(f"{r2:.3f}" for r2 in found[:, 0])
        r2, held = found.mean(0)
        print(f"  seed {seed}:  R2 {r2:.3f}  ({each})   90 % intervals hold {held:.3f}")
    r2 = mean_and_spread([one[:, 0].mean() for one in scores])
    print(f"  R2 {r2.mean:.3f} ± {r2.sd:.3f} over {r2.n} seeds; the column mean is 0")

    all_rows = fit(data, seed=0)
    each, joint = all_rows.embed_each(data), all_rows.embed(data)
    print(f"trained on all {len(data)} rows: {joint.shape[0]} joint embeddings")
    first, last = np.arange(complete), np.arange(complete, len(data))
    probes = {}
    for name, z in {**each, "joint": joint}.items():
        there = np.isfinite(z).all(1)
        probes[name] = float("nan")
        if there.all():
            probes[name] = linear_probe(z[first], subtype[first], z[last], subtype[last]).accuracy
        told = f"subtype of the {len(last)} from the {complete}: {probes[name]:.3f}"
        print(f"  {name:8} {there.sum():3} rows embedded   {told}")
    return {
        "r2": [one[:, 0] for one in scores],
        "coverage": scores,
        "each": each,
        "joint": joint,
        "probes": probes,
        "data": data,
    }


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]))
