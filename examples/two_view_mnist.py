"""Two-view MNIST: classify from one view alone what was learned with two, in the way of CMMD's Table 2.

    COUNTERPOINT_DATA=folder python examples/two_view_mnist.py [ROWS] [EPOCHS]

View 1 is a digit turned by up to 45 degrees, view 2 another image of its class under uniform noise. View 1
alone is there at test time. `cmmd` classifies by itself; of the others a linear support vector machine reads
the latents of view 1, its C chosen on tuning rows. `raw` reads the pixels; `network` is a plain classifier of
view 1. All rows are 50,000, with 10,000 to tune and 10,000 to test; fewer are a reduced run.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

import counterpoint as cp
from counterpoint.data.two_view_mnist import two_view_mnist
from counterpoint.report.screen import show_table

SEEN = "rotated"
SETTINGS: dict[str, Any] = {
    "latent_dim": 50,
    "hidden": (1024, 1024),
    "batch_size": 128,
    "learning_rate": 1e-3,
    "decay": "cosine",
    "validation": 0.0,
    "patience": None,
    "likelihood": "bernoulli",
    "network": "mlp",
}
RELEASED = {"observed": [SEEN], "classifier_weight": 1000.0}  # 10 times the sum over 100 rows
METHODS: dict[str, dict[str, Any]] = {
    "cmmd": {"target": "digit", "options": {**RELEASED, "kl_weight": 0.4}},
    "cmmd, kl_weight 1": {"target": "digit", "options": {**RELEASED, "kl_weight": 1.0}},
    "vcca": {"options": {"observed": [SEEN]}},
    "vcca, private": {"options": {"observed": [SEEN], "private_dim": 20}},
    "dcca": {"latent_dim": 10, "batch_size": 800},
    "dccae": {"latent_dim": 10, "batch_size": 800},
    "mvae": {},
    "mmvae": {"options": {"objective": "iwae", "draws": 5}},
}
CS = (0.0001, 0.001, 0.01, 0.1)


def view(data: cp.MultimodalData) -> np.ndarray:
    """Return the pixels of view 1, (N, 784) in [0, 1]."""
    return data.x[SEEN].reshape(len(data), -1).astype(np.float32) / 255


def machine(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the test error of a linear support vector machine, C by the tuning rows: train, tune, test."""
    (x, y), (held, known), (test, truth) = parts
    loc, scale = x.mean(0), x.std(0) + 1e-6
    x, held, test = ((v - loc) / scale for v in (x, held, test))
    found = [LinearSVC(C=c, dual="auto", tol=1e-2, max_iter=5000).fit(x, y) for c in CS]
    best = max(found, key=lambda each: each.score(held, known))
    return 1 - best.score(test, truth)


def linear(parts: list[cp.MultimodalData], labels: list[np.ndarray]) -> float:
    """Return the test error of canonical correlations: 100 principal components a view, then 10 of CCA."""
    train = parts[0]
    noisy = train.x["noisy"].reshape(len(train), -1) / 255
    first, second = PCA(100, random_state=0).fit(view(train)), PCA(100, random_state=0).fit(noisy)
    pair = CCA(10, max_iter=500).fit(first.transform(view(train)), second.transform(noisy))
    seen = [np.asarray(pair.transform(first.transform(view(part)))) for part in parts]
    return machine(list(zip(seen, labels, strict=True)))


def network(parts: list[cp.MultimodalData], labels: list[np.ndarray], epochs: int) -> float:
    """Return the test error of a classifier of view 1 with hidden layers as the others have."""
    made = MLPClassifier(SETTINGS["hidden"], activation="tanh", random_state=0)
    for _ in range(epochs):
        made.partial_fit(view(parts[0]), labels[0], classes=np.unique(labels[0]))
    return 1 - made.score(view(parts[2]), labels[2])


def main(folder: Path, rows: int, epochs: int, methods: tuple[str, ...] = tuple(METHODS)) -> dict[str, float]:
    """Fit every method, print the table, return the errors."""
    held = max(rows // 5, 200)
    found = two_view_mnist(folder, rows=rows, tuning_rows=held, test_rows=min(held, 10_000))
    parts = [found.train, found.tuning, found.test]
    labels = [part.labels["digit"] for part in parts]
    errors, cells = {}, [["method", "error", "s"]]

    def add(name: str, error: float, since: float) -> None:
        errors[name] = error
        cells.append([name, f"{error:.4f}", f"{time.perf_counter() - since:.0f}"])

    for name in methods:
        began = time.perf_counter()
        m = cp.Counterpoint(name.split(",")[0], epochs=epochs, **{**SETTINGS, **METHODS[name]})
        m.fit(parts[0])
        if m.target is not None:
            add(name, float((m.predict(parts[2], [SEEN]) != labels[2]).mean()), began)
            continue
        latents = [m.embed(part, [SEEN]) for part in parts]
        add(name, machine(list(zip(latents, labels, strict=True))), began)
    for name, ask in (("cca", linear), ("network", lambda p, y: network(p, y, epochs))):
        began = time.perf_counter()
        add(name, ask(parts, labels), began)
    began = time.perf_counter()
    add("raw", machine([(view(p), y) for p, y in zip(parts, labels, strict=True)]), began)
    show_table(cells)
    counts = ", ".join(f"{len(part)}" for part in parts)
    print(f"{counts} rows to train, tune and test; {epochs} epochs; {SEEN} alone at test time")
    return errors


if __name__ == "__main__":
    asked = (*sys.argv[1:3], *("10000", "20")[len(sys.argv) - 1 :])
    main(Path(os.environ["COUNTERPOINT_DATA"]), int(asked[0]), int(asked[1]))
