"""Every method at its best beta, on one data set; beta chosen on validation rows alone.

    COUNTERPOINT_DATA=folder python examples/every_method.py mfeat|digits [OUT]

First every method is fitted at every beta of a grid, with one seed, on training rows without a stratified
fifth of them, and looked at on that fifth: probe accuracy plus coherence decides. Then it is fitted at that
beta on all training rows, with several seeds, and scored on the test rows.

`mfeat`: six feature views of 2,000 handwritten numerals, 500 of them to test. `digits`: images and sounds of
digits as in spoken_digits.py, fewer of them. Networks, epochs, batch and learning rate are the same for all.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spoken_digits

import counterpoint as cp
from counterpoint import atomic
from counterpoint.evaluation import mean_and_spread
from counterpoint.methods import METHODS, takes
from counterpoint.protocol import hold_out
from counterpoint.report.screen import note, show_table

OPTIONS = {"mmvae": {"draws": 2}}  # a step costs K M^2 decodings, twice
MEASURES = ("probe", "coherence", "reconstruction", "generation", "unconditional")
# Whatever has a beta and says what any modality says of the others; vcca and cmmd have their own comparison.
CONTESTANTS = tuple(
    name for name, recipe in METHODS.items() if takes(name, "beta") and not recipe().conditional
)


@dataclass(frozen=True)
class Setting:
    """What is fitted, and how.

    Args:
        train: Training rows.
        test: Test rows.
        label: The label that probes and oracles read.
        betas: The grid.
        params: Arguments of `Counterpoint`, the same for all methods.
        probe_size: Training rows of a probe, at most.
    """

    train: cp.MultimodalData
    test: cp.MultimodalData
    label: str
    betas: Sequence[float]
    params: Mapping[str, Any]
    probe_size: int | None = None


def mfeat(folder: Path) -> Setting:
    """The settings of examples/mfeat_sweep.yaml."""
    data = cp.read(folder / "mfeat" / "mfeat.npz", labels=["labels"])
    train, test = hold_out(data, 500, "labels", 0)
    params = {
        "likelihood": "normal",
        "latent_dim": 16,
        "hidden": (256,),
        "batch_size": 128,
        "epochs": 60,
        "learning_rate": 3e-3,
        "decay": "cosine",
        "patience": None,
    }
    return Setting(train, test, "labels", (1 / 16, 1 / 4, 1.0, 4.0), params)


def digits(folder: Path) -> Setting:
    """6,000 training and 2,000 test pairs of spoken_digits.py, smaller networks, thirty epochs."""
    train, test = (
        spoken_digits.read(folder, part)[slice(n)] for part, n in (("train", 6000), ("test", 2000))
    )
    params = {**spoken_digits.SETTINGS, "width": 8, "epochs": 30, "decay": "cosine", "learning_rate": 3e-3}
    return Setting(train, test, "digit", (0.25, 1.0, 4.0), params, 2000)


SETTINGS = {"mfeat": mfeat, "digits": digits}


def best_betas(setting: Setting, methods: Sequence[str], out: Path, workers: int = 2) -> dict[str, float]:
    """Return every method's best beta by probe accuracy plus coherence on held-out training rows."""
    train, held = hold_out(setting.train, 0.2, setting.label, 1)
    found: dict[str, dict[float, float]] = {name: {} for name in methods}
    for beta in setting.betas:
        compared = cp.compare(
            train,
            methods,
            label=setting.label,
            test_data=held,
            seeds=1,
            out=out / f"beta-{beta:g}",
            workers=workers,
            probe_size=setting.probe_size,
            control=False,
            options={k: v for k, v in OPTIONS.items() if k in methods},
            beta=beta,
            **setting.params,
        )
        for name, (result,) in compared.evaluations.items():
            found[name][beta] = result.summary["accuracy"] + result.summary["coherence"]
        note(f"beta {beta:g}: {len(methods)} methods looked at on {len(held)} held-out training rows")
    atomic.write(out / "betas.json", json.dumps(found, indent=1) + "\n")
    return {name: max(each, key=each.__getitem__) for name, each in found.items()}


def main(
    name: str, out: Path, *, seeds: int = 3, workers: int = 2, methods: Sequence[str] = CONTESTANTS
) -> None:
    """Choose, fit, print the table and write runs for a report."""
    setting = SETTINGS[name](Path(os.environ["COUNTERPOINT_DATA"]))
    betas = best_betas(setting, methods, out / "choice", workers)
    found: dict[str, Any] = {}
    for beta in sorted(set(betas.values())):  # a comparison has one beta
        chosen = [method for method in methods if betas[method] == beta]
        compared = cp.compare(
            setting.train,
            chosen,
            label=setting.label,
            test_data=setting.test,
            seeds=seeds,
            options={method: OPTIONS[method] for method in chosen if method in OPTIONS},
            out=out / "final" / f"beta-{beta:g}",
            workers=workers,
            probe_size=setting.probe_size,
            measures=MEASURES,
            control=False,
            beta=beta,
            **setting.params,
        )
        found |= compared.evaluations
    columns = (
        *("accuracy", "coherence", "coherence_subsets", "joint_coherence", "joint_coherence_prior"),
        *("reconstruction", "fid"),
    )
    cells = [["method", "beta", *columns]]
    for method in methods:
        results = found[method]
        spread = []
        for column in columns:
            values = [e.summary[column] for e in results if column in e.summary]
            s = mean_and_spread(values) if values else None
            spread.append("-" if s is None else f"{s.mean:.3f} ± {s.sd:.3f}")
        cells.append([method, f"{betas[method]:g}", *spread])
    show_table(cells)
    print(f"{len(setting.train)} training rows, {len(setting.test)} test rows, {seeds} seeds: mean ± sd")
    print(f"next:  counterpoint report {out / 'final'}")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "mfeat"
    main(chosen, Path(sys.argv[2] if len(sys.argv) > 2 else f"every-method-{chosen}"))
