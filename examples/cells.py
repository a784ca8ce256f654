"""Blood cells, of which a third lack the protein and a third the RNA: types, batches, the missing protein.

    COUNTERPOINT_DATA=folder python examples/cells.py

400 cells of two experiments (10x CITE-seq: 1,000 genes, 14 proteins) are written as a MuData with holes, and
read from it; no cell is dropped. In four folds: a probe of the cell type on the embeddings of held-out cells,
by what each has, beside PCA and a logistic regression on one modality, and the proteins of held-out cells
from their RNA alone, beside ridge regression and the column mean. Then, on all cells, how the experiments mix
with and without `batch`. The types were gated on the proteins, so of these they can only say what they were
made of. Settings were chosen inside the training cells of the first fold.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import counterpoint as cp
from counterpoint.data.omics_files import quiet, write_file
from counterpoint.evaluation import mean_and_spread
from counterpoint.report.screen import show_table

SETTINGS: dict[str, Any] = {"latent_dim": 10, "hidden": (128,), "epochs": 300, "learning_rate": 1e-3}
NEIGHBOURS = 20


def write(folder: Path, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the cells as a MuData in which every third lacks the protein, every third the RNA.

    Returns:
        All counts, RNA (400, 1000) and protein (400, 14), also the ones that the file lacks.
    """
    import anndata as ad
    import mudata as md
    import pandas as pd
    from scipy.sparse import csr_matrix

    with np.load(folder / "pbmc_citeseq400" / "pbmc_citeseq400.npz") as z:
        rna, protein = z["rna_counts"].astype(np.float32), z["protein_counts"].astype(np.float32)
        cells = [f"cell{i:03d}" for i in range(len(rna))]
        obs = pd.DataFrame({"batch": [f"b{b}" for b in z["batch"]]}, index=cells)
        obs["type"] = z["gated_label_names"][z["gated_label"]].astype(str)
        genes, proteins = (pd.DataFrame(index=z[k].astype(str)) for k in ("genes", "proteins"))
    third = np.arange(len(rna)) % 3
    parts = {
        "rna": ad.AnnData(csr_matrix(rna), obs=obs.copy(), var=genes)[third != 2].copy(),
        "protein": ad.AnnData(protein, obs=obs.copy(), var=proteins)[third != 1].copy(),
    }
    with quiet():
        whole = md.MuData(parts)
    write_file(path, whole)
    return rna, protein


def logs(counts: np.ndarray) -> np.ndarray:
    """Return counts as logarithms after division by each cell's size, as scanpy does."""
    size = counts.sum(1, keepdims=True)
    return np.log1p(counts / np.maximum(size, 1) * np.median(size))


def machine() -> Pipeline:
    """Return a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def told(seen: np.ndarray, kinds: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the kinds that are told from features."""
    return machine().fit(seen, kinds).predict(asked)


def fold(
    data: cp.MultimodalData, truth: dict[str, np.ndarray], held: np.ndarray, seed: int
) -> dict[str, float]:
    """Fit without the held cells; return accuracies by what a cell has, and how its proteins are met."""
    train, kind, there = np.setdiff1d(np.arange(len(data)), held), data.labels["type"], data.present()
    m = cp.Counterpoint("mmvm", seed=seed, **SETTINGS).fit(data[train])
    both, found = there["rna"] & there["protein"], {}
    patterns = {"both": both, **{f"{name} alone": there[name] & ~both for name in there}}
    z = m.embed(data)
    guesses = {"embedding": (held, told(z[train], kind[train], z[held]))}
    for name in there:
        seen, asked = train[there[name][train]], held[there[name][held]]
        x = logs(truth[name])
        pca = make_pipeline(StandardScaler(), PCA(10, random_state=0)).fit(x[seen])
        guesses[f"PCA of {name}"] = asked, told(pca.transform(x[seen]), kind[seen], pca.transform(x[asked]))
    for name, (rows, guess) in guesses.items():
        for pattern, mask in patterns.items():
            if mask[rows].any():
                found[f"{name}, {pattern}"] = float((guess == kind[rows])[mask[rows]].mean())

    asked, pairs, x, y = held[there["rna"][held]], train[both[train]], logs(truth["rna"]), truth["protein"]
    y = np.log1p(y)
    ridge = RidgeCV(np.logspace(0, 5, 11)).fit(x[pairs], y[pairs])
    made = m.translate(data[asked], "rna", "protein", draws=32)
    mean = np.broadcast_to(y[train[there["protein"][train]]].mean(0), (len(asked), y.shape[1]))
    for name, guess in {"mmvm": np.log1p(made), "ridge": ridge.predict(x[asked]), "mean": mean}.items():
        found[f"rmse, {name}"] = float(np.sqrt(((guess - y[asked]) ** 2).mean()))
        if name != "mean":
            each = [np.corrcoef(a, b)[0, 1] for a, b in zip(guess.T, y[asked].T, strict=True)]
            found[f"r, {name}"] = float(np.mean(each))
    return found


def mixing(z: np.ndarray, batch: np.ndarray) -> float:
    """Return how many of a cell's nearest neighbours are of the other experiment, over what chance gives."""
    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(z).kneighbors(z, return_distance=False)[:, 1:]
    share = (batch[near] != batch[:, None]).mean(1)
    expected = np.array([(batch != b).sum() / (len(batch) - 1) for b in batch])
    return float(share.mean() / expected.mean())


def mixed(data: cp.MultimodalData, seed: int) -> dict[str, float]:
    """Return how the experiments mix in the latents of all cells, and what is told of the types there."""
    found = {}
    batch, kind = data.labels["batch"], data.labels["type"]
    for name, told_of in {"without batch": None, "with batch": "batch"}.items():
        m = cp.Counterpoint("mmvm", seed=seed, batch=told_of, **SETTINGS).fit(data)
        latents = {name: m.embed(data)}
        if told_of is not None:
            latents[f"{name}, removed"] = m.embed(data, remove_batch=True)
        for which, z in latents.items():
            found[f"mixing, {which}"] = mixing(z, batch)
            found[f"type told, {which}"] = cross_val_score(machine(), z, kind, cv=4).mean()
    return found


def main(folder: Path, *, seeds: int = 3, folds: int = 4) -> dict[str, list[float]]:
    """Print accuracies, imputation and mixing; return every number, fold by fold.

    Args:
        folder: Where the data sets are.
        seeds: How many; each has its own folds.
        folds: Of the four, how many are scored.
    """
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "cells.h5mu"
        rna, protein = write(folder, path)
        data = cp.read(path)
    order = [int(row[4:]) for row in data.rows or ()]
    truth = {"rna": rna[order], "protein": protein[order]}
    print(f"{data}; {data.patterns()}")
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        split = StratifiedKFold(4, shuffle=True, random_state=seed).split(truth["rna"], data.labels["type"])
        for _, (_, held) in zip(range(folds), split, strict=False):
            for name, value in fold(data, truth, held, seed).items():
                found.setdefault(name, []).append(value)
    rows = {k: mean_and_spread(np.reshape(v, (seeds, folds)).mean(1)) for k, v in found.items()}
    whole = [mixed(data, seed) for seed in range(seeds)]
    found |= {k: [one[k] for one in whole] for k in whole[0]}
    rows |= {k: mean_and_spread(found[k]) for k in whole[0]}
    show_table([["", "mean", "sd"], *([k, f"{s.mean:.3f}", f"{s.sd:.3f}"] for k, s in rows.items())])
    print(
        f"held-out cells: means over {folds} folds, sd over {seeds} seeds, each with its own folds; mixing: "
        f"of all cells' {NEIGHBOURS} nearest, those of the other experiment over what chance gives"
    )
    return found


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]))
