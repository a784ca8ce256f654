"""Two-view MNIST: classify from one view alone what was learned with two, in the way of CMMD's Table 2.

    COUNTERPOINT_DATA=folder python examples/two_view_mnist.py [ROWS] [EPOCHS]

View 1 is a digit turned by up to 45 degrees, view 2 another image of its class under uniform noise. View 1
alone is there at test time. `cmmd` classifies by itself; of the others a linear support vector machine reads
the latents of view 1, its C chosen on tuning rows. `classifier` is a plain network on view 1 (M-x_o), `raw`
the same machine on its pixels. All rows are 50,000, with 10,000 to tune and 10,000 to test; fewer are a
reduced run. Settings were chosen on the tuning rows; the networks are smaller than the published ones.
"""

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.svm import LinearSVC

import counterpoint as cp
from counterpoint.baselines import BASELINES
from counterpoint.data.parts import Parts
from counterpoint.data.two_view_mnist import two_view_mnist
from counterpoint.report.screen import note, show_table

SEEN = "rotated"
SETTINGS: dict[str, Any] = {
    "latent_dim": 50,
    "hidden": (512, 512),
    "batch_size": 256,
    "learning_rate": 1e-3,
    "decay": "cosine",
    "validation": 0.0,
    "patience": None,
    "likelihood": "bernoulli",
    "network": "mlp",
}
# alpha is 10 times the sum over 100 rows, as released; a draw of the prior is classified, as in the paper.
CMMD = {"observed": [SEEN], "classifier_weight": 1000.0, "classify": "draw", "kl_weight": 0.4}
METHODS: dict[str, dict[str, Any]] = {
    "cmmd": {"target": "digit", "options": CMMD},
    "vcca": {"options": {"observed": [SEEN]}},
    "vcca, private": {"options": {"observed": [SEEN], "private_dim": 20}},
    "dcca": {"latent_dim": 10, "batch_size": 800},
    "dccae": {"latent_dim": 10, "batch_size": 800},
    "mvcl": {"latent_dim": 10},
    "mvae": {},
    "mmvae": {"options": {"objective": "iwae", "draws": 2}},
}
OTHERS: dict[str, dict[str, Any]] = {
    "cca": {"components": 10, "principal": 100},
    "rbm_mdl": {"epochs": 5},
    "classifier": {"hidden": (512, 512), "learning_rate": 1e-3},
}
RAW = "raw"
CS = (0.001, 0.01, 0.1)


def machine(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the test error of a linear support vector machine, C by the tuning rows: train, tune, test."""
    (x, y), (held, known), (test, truth) = parts
    loc, scale = x.mean(0), x.std(0) + 1e-6
    x, held, test = ((v - loc) / scale for v in (x, held, test))
    found = [LinearSVC(C=c, dual=False, tol=1e-2, max_iter=1000).fit(x, y) for c in CS]
    best = max(found, key=lambda each: each.score(held, known))
    return 1 - best.score(test, truth)


@cache
def rows_of(folder: Path, rows: int) -> Parts:
    """Return the three parts, made once in a process; a fifth of the rows to tune, as many to test."""
    held = max(rows // 5, 200)
    return two_view_mnist(folder, rows=rows, tuning_rows=held, test_rows=min(held, 10_000))


def error_of(name: str, folder: Path, rows: int, epochs: int) -> tuple[float, float]:
    """Fit one contestant on one thread; return its test error and seconds."""
    torch.set_num_threads(1)
    found = rows_of(folder, rows)
    parts = [found.train, found.tuning, found.test]
    labels = [part.labels["digit"] for part in parts]
    began = time.perf_counter()
    if name == RAW:
        read = [part.x[SEEN].reshape(len(part), -1) / np.float32(255) for part in parts]
        return machine(list(zip(read, labels, strict=True))), time.perf_counter() - began
    m: Any
    if name in OTHERS:
        long = {"epochs": epochs} if name == "classifier" else {}
        m = BASELINES[name](observed=[SEEN], **OTHERS[name], **long).fit(parts[0], labels[0])
        answers = name == "classifier"
    else:
        settings = {**SETTINGS, **METHODS[name]}
        m = cp.Counterpoint(name.split(",")[0], epochs=epochs, **settings).fit(parts[0])
        answers = m.target is not None
    if answers:
        error = float((m.predict(parts[2].select([SEEN])) != labels[2]).mean())
    else:
        error = machine([(m.embed(part, [SEEN]), y) for part, y in zip(parts, labels, strict=True)])
    return error, time.perf_counter() - began


def main(
    folder: Path,
    rows: int,
    epochs: int,
    methods: Sequence[str] = (*METHODS, *OTHERS, RAW),
    workers: int = 2,
) -> dict[str, float]:
    """Fit every contestant, print the table, return the errors."""
    ask = partial(error_of, folder=folder, rows=rows, epochs=epochs)
    errors, cells = {}, [["method", "error", "s"]]
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers > 1 else None
    with pool or nullcontext():
        found = map(ask, methods) if pool is None else pool.map(ask, methods)
        for name, (error, seconds) in zip(methods, found, strict=True):
            errors[name] = error
            cells.append([name, f"{error:.4f}", f"{seconds:.0f}"])
            note(f"{name}: error {error:.4f}, {seconds:.0f} s")
    show_table(cells)
    held = max(rows // 5, 200)
    print(f"{rows}, {held}, {min(held, 10_000)} rows to train, tune and test; {epochs} epochs")
    print(f"{SEEN} alone at test time")
    return errors


if __name__ == "__main__":
    asked = (*sys.argv[1:3], *("50000", "20")[len(sys.argv) - 1 :])
    main(Path(os.environ["COUNTERPOINT_DATA"]), int(asked[0]), int(asked[1]))
