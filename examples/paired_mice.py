"""Seven mice that share a stimulus but no trials: decode it from one mouse by what the others taught.

    COUNTERPOINT_DATA=folder python examples/paired_mice.py

Trials are cut into windows of a quarter of a second; a window is paired, anew in every epoch, with windows of
the other mice at the same time after onset of the same direction. The probe of a direction is fitted on the
latents of six mice and asked about the seventh's (other), beside its own (own), on repetitions no fit saw.
Controls: directions shuffled before pairing, labels shuffled before the probe. The settings were not tuned.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import counterpoint as cp
from counterpoint.data.sessions import binned, pair_sessions
from counterpoint.evaluation import linear_probe, mean_and_spread
from counterpoint.methods import takes
from counterpoint.report.screen import note, show_table

METHODS = ("mmvm", "independent", "avg", "poe", "mopoe")
SETTINGS: dict[str, Any] = {
    "latent_dim": 8,
    "hidden": (64,),
    "likelihood": "normal_learned",
    "batch_size": 64,
    "epochs": 60,
    "learning_rate": 3e-3,
    "decay": "cosine",
    "validation": 0.0,
    "patience": None,
}
COLUMNS = ("own", "other", "pairing shuffled", "labels shuffled")


def read(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return mouse -> (trials, windows, cells) above the baseline; directions; repetitions."""
    with np.load(folder / "mouse_gratings" / "mouse_gratings.npz") as file:
        t, direction = file["t"], file["direction"].astype(int)
        traces = {str(name): file[f"traces_{name}"].transpose(0, 2, 1) for name in file["animals"]}
    windows = {
        name: binned(v, t, window=(0.25, 2.0), width=0.25) - v[:, t < 0].mean(1, keepdims=True)
        for name, v in traces.items()
    }
    repetition = np.array([(direction[:i] == d).sum() for i, d in enumerate(direction)])
    return windows, direction, repetition


def flat(x: np.ndarray) -> np.ndarray:
    """Return windows as rows."""
    return x.reshape(-1, x.shape[-1])


def across(
    m: cp.Counterpoint,
    x: dict[str, np.ndarray],
    y: np.ndarray,
    train: np.ndarray,
    rng: np.random.Generator | None = None,
) -> dict[str, list[float]]:
    """Return accuracies by mouse, own and other; a trial is the mean latent of its windows."""
    z = {name: m.embed({name: flat(v)}).reshape(*v.shape[:2], -1).mean(1) for name, v in x.items()}
    known = y if rng is None else rng.permutation(y)
    found: dict[str, list[float]] = {"own": [], "other": []}
    for name in x:
        others = np.concatenate([z[n][train] for n in x if n != name])
        labels = np.tile(known[train], len(x) - 1)
        test, truth = z[name][~train], y[~train]
        found["own"].append(linear_probe(z[name][train], known[train], test, truth).accuracy)
        found["other"].append(linear_probe(others, labels, test, truth).accuracy)
    return found


def main(
    folder: Path,
    *,
    methods: tuple[str, ...] = METHODS,
    folds: int = 4,
    seed: int = 0,
    epochs: int | None = None,
) -> dict[str, dict[str, list[float]]]:
    """Print own and other accuracy of every method, beside what was shuffled."""
    x, y, repetition = read(folder)
    block = repetition * folds // (repetition.max() + 1)
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, list[float]]] = {name: {c: [] for c in COLUMNS} for name in methods}
    settings = SETTINGS if epochs is None else {**SETTINGS, "epochs": epochs}

    def fitted(name: str, train: np.ndarray, shuffled: bool) -> cp.Counterpoint:
        bins = np.arange(next(iter(x.values())).shape[1])
        on = {}
        for mouse in x:
            seen = rng.permutation(y[train]) if shuffled else y[train]
            on[mouse] = [f"{d} at {b}" for d in seen for b in bins]
        rows = pair_sessions({mouse: flat(v[train]) for mouse, v in x.items()}, on)
        options = {"draw": "all"} if takes(name, "draw") and name == "mopoe" else {}
        return cp.Counterpoint(name, seed=seed, options=options, **settings).fit(rows)

    for name in methods:
        for k in range(folds):
            train = block != k
            m = fitted(name, train, shuffled=False)
            scores = across(m, x, y, train)
            found[name]["own"] += scores["own"]
            found[name]["other"] += scores["other"]
            found[name]["labels shuffled"] += across(m, x, y, train, rng)["other"]
            found[name]["pairing shuffled"] += across(fitted(name, train, shuffled=True), x, y, train)[
                "other"
            ]
        note(f"{name}: other mouse {np.mean(found[name]['other']):.3f}")
    cells = [["method", *COLUMNS]]
    for name, each in found.items():
        spread = [mean_and_spread(np.reshape(each[c], (folds, len(x))).mean(1)) for c in COLUMNS]
        cells.append([name, *(f"{s.mean:.3f} ± {s.sd:.3f}" for s in spread)])
    show_table(cells)
    print(
        f"direction of left-out trials from one of {len(x)} mice, chance {1 / 8:.3f}; ± over {folds} blocks"
    )
    return found


if __name__ == "__main__":
    chosen = tuple(sys.argv[1:]) or METHODS
    main(Path(os.environ["COUNTERPOINT_DATA"]), methods=chosen)
