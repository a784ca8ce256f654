"""The demo: digits on photographs, three modalities; mmvm and three baselines, one table, one page.

Its settings were chosen for minutes of training while looking at these very test rows: it shows what the
library does, and is no evidence. Evidence is in docs/results.md.
"""

import time
from pathlib import Path

from counterpoint.comparison import Comparison, compare
from counterpoint.data import read
from counterpoint.data.photo_digits import photo_digits
from counterpoint.evaluate import Evaluation
from counterpoint.measures.listed import PAPER
from counterpoint.report.build import report
from counterpoint.report.screen import note, show_table

METHODS = ("mmvm", "independent", "poe", "mopoe")


def run(
    out: str | Path = "demo-run", *, seed: int = 0, epochs: int = 28, rows: int = 3000, workers: int = 2
) -> Path:
    """Make the data, compare the methods, print the table, write the page; return its path.

    Args:
        out: Folder for the runs and the page.
        seed: Decides everything.
        epochs: Passes over the training rows.
        rows: Training rows; a third as many test rows.
        workers: Processes that fit side by side.

    Raises:
        InputError: If an argument is out of range.
        ImportError: If scikit-image or matplotlib is not installed.
    """
    started = time.perf_counter()
    sets = photo_digits(rows, max(rows // 3, 20), seed=seed)
    train = read(dict(sets.train), labels={"digit": sets.train_labels})
    test = read(dict(sets.test), labels={"digit": sets.test_labels})
    note(f"{rows} training rows: a digit on {', '.join(sets.names)}, each with its own handwriting and place")

    def each(name: str, seed: int, e: Evaluation) -> None:
        note(f"{name}: fitted and evaluated, {time.perf_counter() - started:.0f} s so far")

    found = compare(
        train,
        METHODS,
        test_data=test,
        seeds=[seed],
        out=Path(out) / "runs",
        workers=workers,
        probe_size=1000,
        control=False,  # minutes more
        measures=(*PAPER, "unconditional"),
        each=each,
        likelihood="normal_learned",
        network="conv",
        width=16,
        latent_dim=32,
        epochs=epochs,
        batch_size=32,
        learning_rate=3e-3,
        beta="linear:0.5:4:1200",  # the digit is found sooner under a weak prior
        hidden=(128,),
        validation=0.0,
    )
    page = report(
        Path(out) / "runs",
        Path(out) / "index.html",
        title="counterpoint demo: digits on photographs, three modalities",
        notes=[_reading(found), *sets.credits],
    )
    show_table(found.cells())
    print(
        f"{rows} training rows, {len(test)} test rows, seed {seed}; "
        f"took {time.perf_counter() - started:.0f} s"
    )
    print(f"page:  {page}")
    print("next:  counterpoint inspect YOUR.npz")
    return page


def _reading(found: Comparison) -> str:
    oracles = ", ".join(f"{k} {o.accuracy:.2f}" for k, o in found.task.oracles.items())
    return (
        "One seed, minutes of training: the papers train for hours on a GPU. The settings were chosen while "
        "looking at these test rows: a show, no evidence. Accuracy of the classifiers that judge "
        f"translations, on real test pictures: {oracles}."
    )
