"""The seventh mouse joins a model of six: its own encoder and decoder are trained, the six stay to the bit.

    COUNTERPOINT_DATA=folder python examples/adapt_mouse.py

Windows, pairs and settings are those of `paired_mice.py`. For each block of left-out repetitions a model of
six mice is fitted, the seventh joins it, and a model of all seven is fitted beside it. The direction of the
seventh's left-out trials is then told by a probe of its own latents, and by one of the latents of the six.
Controls: the directions of the seventh shuffled before it joins; its networks as they are before any
training. The settings were not tuned.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from paired_mice import SETTINGS, across, latents, read

import counterpoint as cp
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.sessions import pair_sessions, unfold
from counterpoint.evaluation import mean_and_spread
from counterpoint.report.screen import note, show_table

UNTRAINED = {"epochs": 1, "learning_rate": 1e-30}


def paired(x: dict[str, np.ndarray], y: dict[str, np.ndarray]) -> MultimodalData:
    """Pair windows within a direction, at the same time after its onset."""
    return unfold(pair_sessions(x, y, label="direction"))


def main(
    folder: Path, *, method: str = "mmvm", folds: int = 4, fitted_folds: int | None = None, seed: int = 0
) -> dict[str, dict[str, list[float]]]:
    """Print what is told of the seventh mouse by each model.

    Args:
        folder: Of the data sets.
        method: Its name.
        folds: Blocks of repetitions, each left out once.
        fitted_folds: Of these only so many first ones.
        seed: Of the fits and of what is shuffled.
    """
    x, y, repetition = read(folder)
    block, new = repetition * folds // (repetition.max() + 1), list(x)[-1]
    used, rng = range(folds if fitted_folds is None else fitted_folds), np.random.default_rng(seed)
    found: dict[str, dict[str, list[float]]] = {}
    for k in used:
        train = block != k
        seen, on = {name: v[train] for name, v in x.items()}, dict.fromkeys(x, y[train])
        rows, mixed = paired(seen, on), paired(seen, {**on, new: rng.permutation(y[train])})
        whole = cp.Counterpoint(method, seed=seed, **SETTINGS)
        six = cp.Counterpoint(method, seed=seed, **SETTINGS)
        six.fit(rows.select([name for name in x if name != new]))

        ways: dict[str, Callable[[], cp.Counterpoint]] = {
            "joins six": lambda six=six, rows=rows: six.adapt(rows),
            "all seven fitted": lambda whole=whole, rows=rows: whole.fit(rows),
            "joins six, its directions shuffled": lambda six=six, mixed=mixed: six.adapt(mixed),
            "joins six, untrained": lambda six=six, rows=rows: six.adapt(rows, **UNTRAINED),
        }
        for way, made in ways.items():
            start = time.process_time()
            m = made()
            took = time.process_time() - start
            told = {column: each[-1] for column, each in across(latents(m, x), y, train).items()}
            for column, value in {**told, "seconds": took}.items():
                found.setdefault(way, {}).setdefault(column, []).append(value)
            if m is not whole:
                after = m.model_.state_dict()
                assert all(bool((after[name] == v).all()) for name, v in six.model_.state_dict().items())
        note(f"block {k + 1}: {found['joins six']['other'][-1]:.3f}")
    cells = [[f"mouse {new}", "own", "other six", "seconds of the fit"]]
    for way, each in found.items():
        spread = [mean_and_spread(np.array(each[column])) for column in ("own", "other")]
        cells.append(
            [way, *(f"{s.mean:.3f} ± {s.sd:.3f}" for s in spread), f"{np.mean(each['seconds']):.1f}"]
        )
    show_table(cells)
    print(f"{method}: direction of left-out trials, chance 0.125; ± over {len(used)} blocks")
    return found


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]))
