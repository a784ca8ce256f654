"""Quality per hour: does a schedule reach in a tenth of the epochs what a constant learning rate reaches?

The reference trains 500 epochs at the constant rate of the papers' manner (Adam 1e-3); the candidates train
50 epochs. Every run is evaluated along the way, with the weights that it would keep then. The candidate is
chosen by validation loss; probe, coherence and reconstruction on the test rows are looked at afterwards.

    COUNTERPOINT_DATA=folder python benchmarks/quality.py [--methods mmvm,mopoe] [--seeds 2] [--epochs 500]
"""

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import torch

import counterpoint as cp
from counterpoint.atomic import write
from counterpoint.building import new_model, train_options
from counterpoint.evaluate import evaluate, task
from counterpoint.many import Rows
from counterpoint.protocol import hold_out
from counterpoint.training.population import Population

RESULTS = Path(__file__).parent / "results" / "quality.json"
BASE = {"likelihood": "normal", "latent_dim": 16, "hidden": (256,), "patience": None, "beta": 1.0}
POINTS = (2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500)
MEASURES = ("accuracy", "coherence", "reconstruction")


def settings(epochs: int) -> dict[str, dict[str, Any]]:
    """Name -> options of a fit; the first is the reference."""
    few = max(2, epochs // 10)
    constant = {"epochs": few, "batch_size": 128}
    return {
        "reference": {"epochs": epochs, "batch_size": 128, "learning_rate": 1e-3},
        "constant 1e-3": {**constant, "learning_rate": 1e-3},
        "constant 3e-3": {**constant, "learning_rate": 3e-3},
        "cosine 3e-3": {**constant, "learning_rate": 3e-3, "decay": "cosine"},
        "warm-up, cosine 3e-3": {**constant, "learning_rate": 3e-3, "decay": "cosine", "warmup": 3},
        "warm-up, cosine 5e-3": {**constant, "learning_rate": 5e-3, "decay": "cosine", "warmup": 3},
        "EMA 0.98, constant 3e-3": {**constant, "learning_rate": 3e-3, "ema": 0.98},
        "batch 64, cosine 3e-3": {**constant, "batch_size": 64, "learning_rate": 3e-3, "decay": "cosine"},
        "batch 256, cosine 5e-3": {**constant, "batch_size": 256, "learning_rate": 5e-3, "decay": "cosine"},
    }


def curve(method: str, seed: int, options: dict[str, Any], rows: Rows, on: Any) -> dict[str, Any]:
    """Train one model and evaluate it at `POINTS`."""
    estimator = cp.Counterpoint(method, seed=seed, **BASE, **options)
    prepared, batch, _ = rows.prepared(estimator)
    model = new_model(estimator, prepared)
    population = Population([model], batch.x, batch.mask, train_options(estimator, len(rows.data)), [seed])
    points: list[dict[str, float]] = []

    def look(p: Population) -> None:
        progress = p.progress[0]
        if progress.epoch not in POINTS and not progress.stopped:
            return
        with p.weights.kept(), torch.no_grad():  # the weights are views of what is kept
            estimator.model_, estimator.preparation_ = model.eval(), prepared
            found = evaluate(estimator, on, seed=seed).summary
        points.append({"epoch": progress.epoch, **{k: found[k] for k in MEASURES}})

    (progress,) = population.run(look)
    losses = [row["validation/total"] for row in progress.history]
    estimator.model_ = model.eval()
    kept = evaluate(estimator, on, seed=seed).summary
    return {
        "validation": min(losses),
        "best_epoch": progress.best_epoch,
        "seconds": sum(row["seconds"] for row in progress.history),
        "kept": {k: kept[k] for k in MEASURES},
        "points": points,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="mmvm,mopoe")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = cp.read(Path(os.environ["COUNTERPOINT_DATA"]) / "mfeat" / "mfeat.npz", labels=["labels"])
    train, test = hold_out(data, 500, "labels")
    rows, on = Rows(train), task(train, test, "labels")
    found: dict[str, dict[str, list[Any]]] = {}
    for method in asked.methods.split(","):
        for name, options in settings(asked.epochs).items():
            runs = [curve(method, seed, options, rows, on) for seed in range(asked.seeds)]
            found.setdefault(method, {})[name] = runs
            mean = {k: statistics.mean(r["kept"][k] for r in runs) for k in MEASURES}
            print(
                f"{method:8s} {name:26s} validation {statistics.mean(r['validation'] for r in runs):8.2f}  "
                f"probe {mean['accuracy']:.3f}  coherence {mean['coherence']:.3f}  reconstruction "
                f"{mean['reconstruction']:.1f}  {statistics.mean(r['seconds'] for r in runs):.1f} s",
                flush=True,
            )
            record = {"settings": settings(asked.epochs), "found": found}
            write(asked.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
