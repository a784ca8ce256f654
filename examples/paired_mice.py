"""Seven mice that share a stimulus but no trials: decode it from one mouse by what the others taught.

    COUNTERPOINT_DATA=folder python examples/paired_mice.py [METHOD ...] [--pictures FOLDER]

Trials are cut into windows of a quarter of a second; a window is paired, anew in every epoch, with windows of
the other mice at the same time after onset of the same direction. The probe of a direction is fitted on the
latents of six mice and asked about the seventh's (other), beside its own (own), on repetitions no fit saw.
Controls: directions shuffled before pairing, labels shuffled before the probe. The settings were not tuned.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

import counterpoint as cp
from counterpoint.data.sessions import binned, pair_sessions, unfold
from counterpoint.evaluation import mean_and_spread
from counterpoint.evaluation.consistency import consistency
from counterpoint.evaluation.decoding import decoding
from counterpoint.report.figures import COLOURS, INK
from counterpoint.report.scatter import scatter_groups
from counterpoint.report.screen import note, show_table

METHODS = ("mmvm", "independent", "avg", "poe", "mopoe")
OPTIONS: dict[str, dict[str, Any]] = {"mopoe": {"draw": "all"}}
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


def fitted(
    name: str,
    x: dict[str, np.ndarray],
    y: np.ndarray,
    rng: np.random.Generator | None = None,
    **settings: Any,
) -> cp.Counterpoint:
    """Fit on trials that are paired by their direction, or by shuffled ones."""
    on = {mouse: y if rng is None else rng.permutation(y) for mouse in x}
    rows = unfold(pair_sessions(x, on, label="direction"))
    return cp.Counterpoint(name, options=OPTIONS.get(name), **{**SETTINGS, **settings}).fit(rows)


def latents(m: cp.Counterpoint, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return mouse -> latents of its windows, (trials, windows, D)."""
    return {
        name: m.embed({name: v.reshape(-1, v.shape[-1])}).reshape(*v.shape[:2], -1) for name, v in x.items()
    }


def across(
    z: dict[str, np.ndarray], y: np.ndarray, train: np.ndarray, rng: np.random.Generator | None = None
) -> dict[str, list[float]]:
    """Return accuracies by mouse, own and other; a trial is the mean latent of its windows."""
    known, held = ({name: v[part].mean(1) for name, v in z.items()} for part in (train, ~train))
    found = decoding(known, y[train] if rng is None else rng.permutation(y[train]), held, y[~train])
    return {"own": list(found.own.values()), "other": list(found.other.values())}


def main(
    folder: Path,
    *,
    methods: tuple[str, ...] = METHODS,
    folds: int = 4,
    fitted_folds: int | None = None,
    seed: int = 0,
    epochs: int | None = None,
    pictures: Path | None = None,
) -> dict[str, Any]:
    """Print own and other accuracy of every method, beside what was shuffled, and mmvm's consistency.

    Args:
        folder: Of the data sets.
        methods: Names.
        folds: Blocks of repetitions, each left out once.
        fitted_folds: Of these only so many first ones.
        seed: Of the fits and of what is shuffled.
        epochs: Passes, those of SETTINGS unless given.
        pictures: A folder for one picture a method of its two-dimensional latents.
    """
    x, y, repetition = read(folder)
    block = repetition * folds // (repetition.max() + 1)
    rng, used = np.random.default_rng(seed), range(folds if fitted_folds is None else fitted_folds)
    more: dict[str, Any] = {"seed": seed, **({} if epochs is None else {"epochs": epochs})}
    found: dict[str, Any] = {name: {c: [] for c in COLUMNS} for name in methods}
    matrices = []
    for name in methods:
        for k in used:
            train = block != k
            seen = {mouse: v[train] for mouse, v in x.items()}
            z = latents(fitted(name, seen, y[train], **more), x)
            scores = across(z, y, train)
            found[name]["own"] += scores["own"]
            found[name]["other"] += scores["other"]
            found[name]["labels shuffled"] += across(z, y, train, rng)["other"]
            null = latents(fitted(name, seen, y[train], rng, **more), x)
            found[name]["pairing shuffled"] += across(null, y, train)["other"]
            if name == "mmvm":
                parts = [
                    {n: v[part].reshape(-1, v.shape[-1]) for n, v in z.items()} for part in (train, ~train)
                ]
                matrices.append(consistency(*parts).matrix)
        note(f"{name}: other mouse {np.mean(found[name]['other']):.3f}")
        if pictures is not None:
            flat = latents(fitted(name, {n: v[block != 0] for n, v in x.items()}, y[block != 0],
                                  **more, latent_dim=2), x)  # fmt: skip
            draw({n: v[block == 0] for n, v in flat.items()}, y[block == 0], name, pictures)
    cells = [["method", *COLUMNS]]
    for name, each in found.items():
        spread = [mean_and_spread(np.reshape(each[c], (len(used), len(x))).mean(1)) for c in COLUMNS]
        cells.append([name, *(f"{s.mean:.3f} ± {s.sd:.3f}" for s in spread)])
    show_table(cells)
    print(f"direction of left-out trials from one of {len(x)} mice, chance 0.125; ± over {len(used)} blocks")
    if matrices:
        found["consistency"] = np.mean(matrices, axis=0)
        show_consistency(list(x), found["consistency"])
    return found


def show_consistency(names: list[str], matrix: np.ndarray) -> None:
    """Print R2 from the row's latent to the column's."""
    cells = [["consistency", *names]]
    cells += [
        [name, *("-" if v != v else f"{v:.2f}" for v in row)] for name, row in zip(names, matrix, strict=True)
    ]
    show_table(cells)
    print("mmvm: R2 of a linear regression from the row's latent to the column's, windows of left-out trials")


def draw(z: dict[str, np.ndarray], y: np.ndarray, name: str, folder: Path) -> Path:
    """Draw latents of two dimensions: trials by direction and by mouse, and the mean path of a direction."""
    from matplotlib.figure import Figure

    mice, directions = list(z), [f"{45 * d}°" for d in range(8)]
    places = np.concatenate([v.mean(1) for v in z.values()])
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    scatter_groups(left, places, np.tile(y, len(z)), directions, f"{name}: trials by direction")
    scatter_groups(middle, places, np.repeat(np.arange(len(z)), len(y)), mice, "by mouse")
    for d, said in enumerate(directions):
        for v in z.values():
            right.plot(*v[y == d].mean(0).T, color=COLOURS[d % len(COLOURS)], linewidth=0.5, alpha=0.4)
        path = np.mean([v[y == d].mean(0) for v in z.values()], axis=0)
        right.plot(*path.T, color=COLOURS[d % len(COLOURS)], marker=".", label=said)
    right.set_title("windows from onset: a mouse, and the mean of all", fontsize=11, color=INK)
    right.set(xticks=[], yticks=[])
    for axes in (left, middle, right):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, frameon=False, fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"paired-mice-{name}.png", dpi=110)
    return folder / f"paired-mice-{name}.png"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Decode gratings across mice.")
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    main(Path(os.environ["COUNTERPOINT_DATA"]), methods=tuple(asked.methods), pictures=asked.pictures)
