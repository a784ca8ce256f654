"""Pictures from nothing, on the demo's data: mmvm by a density over its latents, others by their own prior.

    python examples/sampling_pictures.py [ROWS]

Digits on three photographs as in `counterpoint demo`, trained longer on more rows. A sample is coherent if
the classifiers of all modalities see the same digit; latents apart are the null, and the entropy of what they
see, over its largest, says whether all digits come.
"""

import sys
from typing import Any

import counterpoint as cp
from counterpoint.data import read
from counterpoint.data.photo_digits import photo_digits
from counterpoint.evaluate import evaluate
from counterpoint.protocol import task
from counterpoint.report.screen import show_table

SETTINGS: dict[str, Any] = {
    "likelihood": "normal_learned",
    "network": "conv",
    "width": 16,
    "hidden": (128,),
    "latent_dim": 32,
    "epochs": 30,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "decay": "cosine",
    "beta": "linear:0.5:4:3000",
    "validation": 0.0,
}


def main(rows: int = 9000, methods: tuple[str, ...] = ("mmvm", "mopoe", "mvae")) -> None:
    """Fit, evaluate, print a row for every method and density."""
    sets = photo_digits(rows, 1000, seed=0)
    train = read(dict(sets.train), labels={"digit": sets.train_labels})
    test = read(dict(sets.test), labels={"digit": sets.test_labels})
    on = task(train, test, "digit", probe_size=1000)
    cells = [["method", "from", "joint coherence", "latents apart", "entropy", "probe", "coherence"]]
    for method in methods:
        m = cp.Counterpoint(method, seed=0, **SETTINGS).fit(train)
        found = evaluate(m, on, measures=("probe", "coherence", "reconstruction", "unconditional"))
        known = [f"{found.summary[k]:.3f}" for k in ("accuracy", "coherence")]
        for kind, d in found.sections["unconditional"].detail["densities"].items():
            told = [f"{d[k]:.3f}" for k in ("joint_coherence", "shuffled", "class_balance")]
            cells.append([method, kind, *told, *known])
    show_table(cells)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
