"""Seven mice, one sequence of 128 drifting gratings: each mouse a modality, each trial a row.

    COUNTERPOINT_DATA=folder python examples/mouse_gratings.py

A cell's response to a trial is its mean from 0.25 to 2 s after onset minus its mean before. The mice have
different cells and only the stimulus in common. mmvm ties their latents without being told the direction; a
logistic regression then reads it from one mouse's latent, as from its raw responses. Whole repetitions of the
eight directions are left out in turn, from the fit too. The settings were not tuned.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

import counterpoint as cp
from counterpoint.evaluation import linear_probe, mean_and_spread

SETTINGS = {"latent_dim": 8, "hidden": (64,), "likelihood": "normal", "learning_rate": 3e-3}


def read(folder: Path) -> cp.MultimodalData:
    """Return the responses (128, cells) of every mouse, with direction and repetition as labels."""
    with np.load(folder / "mouse_gratings" / "mouse_gratings.npz") as file:
        t, direction = file["t"], file["direction"].astype(int)
        during, before = (t >= 0.25) & (t <= 2), t < 0
        traces = {str(name): file[f"traces_{name}"] for name in file["animals"]}
    x = {name: v[:, :, during].mean(2) - v[:, :, before].mean(2) for name, v in traces.items()}
    seen_before = [(direction[:i] == d).sum() for i, d in enumerate(direction)]
    return cp.read(x, labels={"direction": direction, "repetition": np.array(seen_before)})


def beside(data: cp.MultimodalData) -> np.ndarray:
    """Return the responses of all mice side by side, (trials, cells)."""
    return np.hstack(list(data.x.values()))


def main(folder: Path, folds: int = 4, epochs: int = 100, seed: int = 0) -> dict[str, Any]:
    """Print how well the direction is decoded from each mouse: from its latent and from its raw responses.

    Args:
        folder: Where the data sets are.
        folds: The repetitions are left out in so many blocks.
        epochs: At most so many for each fit.
        seed: Of the fits.
    """
    data = read(folder)
    direction, repetition = data.labels["direction"], data.labels["repetition"]
    block = repetition * folds // (repetition.max() + 1)
    latent: dict[str, list[float]] = {name: [] for name in (*data.names, "all")}
    raw: dict[str, list[float]] = {name: [] for name in (*data.names, "all")}
    for k in range(folds):
        train, test = data[block != k], data[block == k]
        y, truth = direction[block != k], direction[block == k]
        m = cp.Counterpoint("mmvm", seed=seed, epochs=epochs, **SETTINGS).fit(train)
        z, held = m.embed_each(train), m.embed_each(test)
        for name in data.names:
            latent[name].append(linear_probe(z[name], y, held[name], truth).accuracy)
            raw[name].append(linear_probe(train.x[name], y, test.x[name], truth).accuracy)
        latent["all"].append(linear_probe(m.embed(train), y, m.embed(test), truth).accuracy)
        raw["all"].append(linear_probe(beside(train), y, beside(test), truth).accuracy)
    print(f"{data}\ndirection of left-out repetitions ({folds} blocks), chance {1 / 8:.3f}; ± over blocks")
    print(f"{'mouse':10} {'cells':>5}   {'latent':>13}   {'raw':>13}")
    for name in latent:
        cells = data.x[name].shape[1] if name in data.x else data.shape[1]
        said = [f"{s.mean:.3f} ± {s.sd:.3f}" for s in (mean_and_spread(v[name]) for v in (latent, raw))]
        print(f"{name:10} {cells:5}   {said[0]}   {said[1]}")
    return {"latent": latent, "raw": raw, "data": data, "shape": held[data.names[0]].shape}


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]))
