"""Images and sounds of digits, paired by nothing but the digit: translate between them.

    COUNTERPOINT_DATA=folder python examples/spoken_digits.py [OUT]

20,000 pairs of a handwritten digit (MNIST) and a spoken one (Free Spoken Digit Dataset, as log-mel pictures);
8,000 test pairs of other images and other recordings. No model sees a label. Coherence asks a classifier that
was trained on real rows whether the translation of an image into a sound, or back, still shows the digit.

The settings were chosen on training pairs alone: fitted on recordings 10 to 49, looked at on 5 to 9.
"""

import os
import sys
from pathlib import Path

import numpy as np

import counterpoint as cp
from counterpoint.comparison import Comparison
from counterpoint.evaluate import Evaluation
from counterpoint.evaluation import mean_and_spread
from counterpoint.report.screen import note, show_table

METHODS = ("mmvm", "independent", "poe", "mopoe")
SETTINGS = {
    "likelihood": "bernoulli",
    "network": "conv",
    "width": 16,
    "hidden": (128,),
    "latent_dim": 32,
    "epochs": 15,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "validation": 0.0,
}


def read(folder: Path, part: str) -> cp.MultimodalData:
    """Return the pairs of one part, `train` or `test`: images (N, 1, 28, 28), sounds (N, 1, 32, 32)."""
    with np.load(folder / "fsdd_audio" / "pairs_with_mnist.npz") as pairs:
        image, audio = pairs[f"{part}_image"], pairs[f"{part}_audio"]
    with np.load(folder / "mnist" / f"{part}.npz") as mnist:
        images, digits = mnist["images"][image][:, None], mnist["labels"][image]
    with np.load(folder / "fsdd_audio" / "fsdd.npz") as fsdd:
        sounds, spoken = fsdd["logmel"][audio][:, None], fsdd["digit"][audio]
    if not np.array_equal(digits, spoken):
        raise ValueError(
            f"{part}: the digits of images and sounds differ in {(digits != spoken).sum()} pairs"
        )
    return cp.read({"image": images, "audio": sounds}, labels={"digit": spoken.astype(int)})


def main(
    folder: Path,
    out: Path,
    *,
    seeds: int = 3,
    rows: int | None = None,
    methods: tuple[str, ...] = METHODS,
    workers: int = 2,
) -> Comparison:
    """Fit every method, print the table and the coherence in both directions; write runs for a report.

    Args:
        folder: Where the data sets are.
        out: Folder for the run directories.
        seeds: How many.
        methods: Which are compared.
        rows: So many training and test pairs; all unless given.
        workers: Processes that fit side by side.
    """
    train, test = (read(folder, part)[slice(rows)] for part in ("train", "test"))

    def each(name: str, seed: int, e: Evaluation) -> None:
        note(f"{name} seed {seed}: fitted in {e.seconds or 0:.0f} s, evaluated")

    found = cp.compare(
        train,
        methods,
        label="digit",
        test_data=test,
        seeds=seeds,
        out=out,
        workers=workers,
        probe_size=2000,
        measures="all",
        each=each,
        **SETTINGS,
    )
    show_table(found.cells())
    print(f"{len(train)} training pairs, {len(test)} test pairs, {seeds} seeds: mean ± sd")
    for name, results in found.evaluations.items():
        tables = np.array([e.sections["coherence"].detail["matrix"] for e in results])
        both = [mean_and_spread(tables[:, i, j]) for i, j in ((0, 1), (1, 0))]
        said = [f"{s.mean:.3f} ± {s.sd:.3f}" for s in both]
        print(f"  {name:12} image to audio {said[0]}   audio to image {said[1]}")
    print(f"next:  counterpoint report {out}")
    return found


if __name__ == "__main__":
    main(Path(os.environ["COUNTERPOINT_DATA"]), Path(sys.argv[1] if len(sys.argv) > 1 else "spoken-digits"))
