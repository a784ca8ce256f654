"""Four data sets, compared and reported: what docs/gallery.md shows is made here.

    COUNTERPOINT_DATA=folder python examples/gallery.py OUT [NAME ...]

Every name (mfeat, mfeat_betas, mouse_gratings, breast_tcga, spoken_digits; all unless given) becomes run
directories in OUT/NAME and a report OUT/NAME.html, made by `compare` and `report` like anybody's. Runs that
are there are not fitted again.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import breast_tcga
import mouse_gratings
import numpy as np
import spoken_digits

import counterpoint as cp
from counterpoint.report.build import report

EACH = {"workers": 2, "measures": "all"}


def mfeat(folder: Path, out: Path) -> None:
    """Six feature views of handwritten numerals, eight methods, three seeds."""
    data = cp.read(folder / "mfeat" / "mfeat.npz", labels=["labels"])
    kind = {"likelihood": "normal", "latent_dim": 16, "hidden": (256,), "batch_size": 128}
    cp.compare(data, label="labels", test=500, seeds=3, out=out, **EACH, **kind)


def betas(folder: Path, out: Path) -> None:
    """The same numerals at five betas, four methods, two seeds: the rate-distortion view."""
    data = cp.read(folder / "mfeat" / "mfeat.npz", labels=["labels"])
    kind = {"likelihood": "normal", "latent_dim": 16, "hidden": (256,), "batch_size": 128}
    for beta in (0.1, 0.3, 1.0, 3.0, 10.0):
        cp.compare(
            data, ["mmvm", "independent", "poe", "mopoe"], label="labels", test=500, seeds=2, beta=beta,
            out=out / f"beta-{beta:g}", **EACH, **kind,
        )  # fmt: skip


def mouse(folder: Path, out: Path) -> None:
    """Seven mice, the last quarter of the repetitions held out."""
    data = mouse_gratings.read(folder)
    late = data.labels["repetition"] >= 12
    methods = ["mmvm", "independent", "poe", "mopoe"]
    cp.compare(
        data[~late], methods, test_data=data[late], label="direction", seeds=3, out=out,
        **EACH, **mouse_gratings.SETTINGS,
    )  # fmt: skip


def tumours(folder: Path, out: Path) -> None:
    """Tumours with mRNA, miRNA and protein: 30 complete patients held out, 70 others lack the protein."""
    data, complete = breast_tcga.read(folder)
    held = np.zeros(len(data), dtype=bool)
    held[np.random.default_rng(0).permutation(complete)[:30]] = True
    methods = ["mmvm", "independent", "poe", "mopoe"]
    cp.compare(
        data[~held], methods, test_data=data[held], label="subtype", seeds=3, out=out,
        **EACH, **breast_tcga.SETTINGS,
    )  # fmt: skip


def spoken(folder: Path, out: Path) -> None:
    """Images and sounds of digits."""
    spoken_digits.main(folder, out)


SETS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "mfeat": (mfeat, "Six feature views of 2,000 handwritten numerals"),
    "mfeat_betas": (betas, "Six feature views of numerals, five betas"),
    "mouse_gratings": (mouse, "Seven mice watching 128 drifting gratings"),
    "breast_tcga": (tumours, "Breast tumours: mRNA, miRNA and, of some, protein"),
    "spoken_digits": (spoken, "Images and sounds of digits"),
}


def main(folder: Path, out: Path, names: list[str]) -> None:
    """Fit, evaluate and report every named set."""
    for name in names or SETS:
        compared, title = SETS[name]
        compared(folder, out / name)
        folders = [p.parent for p in sorted((out / name).rglob("manifest.json"))]
        print(report(folders, out / f"{name}.html", title=title))


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]), Path(sys.argv[1]), sys.argv[2:])
