"""Many probes at once: P fits of scikit-learn's LogisticRegression over one `fit_stack` of the same features.

Rounds are interleaved, in an order that turns; time is process CPU time on one thread, standardisation
included on both sides; a ratio is scikit-learn / stack, the median over rounds with the quartiles. Both stop
at the same largest derivative: 1e-4 is scikit-learn's default, 1e-8 is the optimum for all purposes. Beside
the ratio: the largest distance of coefficients from the optimum, and the test answers that differ from it.

Features: classes apart by shifts, independent or strongly correlated columns. With COUNTERPOINT_DATA set, the
raw tables of mfeat too, each as a stack of one.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from counterpoint.evaluation.batched import MOST_FEATURES, fit_stack

RESULTS = Path(__file__).parent / "results" / "probes.json"
MOST_AT_THE_OPTIMUM = 3_000_000  # values of a stack; scikit-learn takes minutes for more


@dataclass(frozen=True)
class Setting:
    """A stack of features."""

    rows: int
    width: int
    kinds: int
    count: int
    correlated: bool
    rounds: int

    @property
    def name(self) -> str:
        how = "correlated" if self.correlated else "independent"
        return f"{self.count} x {self.rows} x {self.width}, {self.kinds} classes, {how}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        g = np.random.default_rng(0)
        y = g.integers(0, self.kinds, self.rows)
        x = np.stack([self.layer(g, y) for _ in range(self.count)])
        return x, y

    def layer(self, g: np.random.Generator, y: np.ndarray) -> np.ndarray:
        centre = 0.4 * g.standard_normal((self.kinds, self.width))
        x = centre[y] + g.standard_normal((self.rows, self.width))
        if self.correlated:
            fading = g.standard_normal((self.width, self.width)) * (0.7 ** np.arange(self.width))[:, None]
            x = x @ (fading + 0.05 * np.eye(self.width))
        return x


SETTINGS = [
    Setting(rows, width, kinds, count, correlated, rounds)
    for rows, width, kinds, count, rounds in (
        (500, 16, 10, 48, 7),
        (1_500, 16, 10, 48, 7),
        (3_000, 32, 10, 24, 7),
        (10_000, 64, 10, 24, 3),
        (10_000, 32, 2, 24, 5),
        (10_000, 256, 10, 3, 3),
        (10_000, 512, 10, 2, 3),
        (1_500, 16, 10, 1, 15),
    )
    for correlated in (False, True)
]


def alone(x: np.ndarray, y: np.ndarray, tol: float) -> list[LogisticRegression]:
    return [
        LogisticRegression(max_iter=100_000, tol=tol).fit(StandardScaler().fit_transform(one), y) for one in x
    ]


def measure(x: np.ndarray, y: np.ndarray, rounds: int, tol: float) -> dict:
    tasks: dict[str, Callable[[], object]] = {
        "stack": lambda: fit_stack(x, y, tol=tol),
        "scikit-learn": lambda: alone(x, y, tol),
    }
    took: dict[str, list[float]] = {k: [] for k in tasks}
    made: dict = {}
    for turn in range(rounds + 1):
        for k in list(tasks)[:: 1 if turn % 2 else -1]:
            start = time.process_time()
            made[k] = tasks[k]()
            took[k].append(time.process_time() - start)
    ratios = [a / b for a, b in zip(took["scikit-learn"][1:], took["stack"][1:], strict=True)]
    best = fit_stack(x[:2], y, tol=1e-9)
    answers = best.probabilities(x[:2]).argmax(-1)
    theirs = made["scikit-learn"][:2]
    scaled = [(v - c) / s for v, c, s in zip(x[:2], best.center, best.scale, strict=True)]
    codes = np.unique(y, return_inverse=True)[1]
    known = np.unique(y)
    their_answers = [np.searchsorted(known, m.predict(v)) for m, v in zip(theirs, scaled, strict=True)]
    return {
        "ms_per_fit": {k: round(1e3 * statistics.median(v[1:]) / len(x), 2) for k, v in took.items()},
        "ratio": spread(ratios),
        "from_the_optimum": {
            "stack": float(np.abs(made["stack"].coef[:2] - best.coef).max()),
            "scikit-learn": float(
                max(np.abs(m.coef_ - c).max() for m, c in zip(theirs, best.coef, strict=True))
            ),
        },
        "answers_that_differ": {
            "stack": float((made["stack"].probabilities(x)[:2].argmax(-1) != answers).mean()),
            "scikit-learn": float((np.stack(their_answers) != answers).mean()),
        },
        "train_accuracy": round(float((answers == codes).mean()), 3),
    }


def spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {
        "median": round(float(middle), 2),
        "quartile_low": round(float(low), 2),
        "quartile_high": round(float(high), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    results: dict = {
        "machine": machine(),
        "most_features_of_a_stack": MOST_FEATURES,
        "tol 1e-4": {},
        "tol 1e-8": {},
    }
    stacks = {s.name: (*s.data(), s.rounds) for s in SETTINGS[: 4 if quick else None]}
    folder = os.environ.get("COUNTERPOINT_DATA")
    if folder and not quick:
        tables = np.load(Path(folder) / "mfeat" / "mfeat.npz")
        for name in ("fou", "fac", "kar", "pix", "zer", "mor"):
            stacks[f"mfeat {name}, 1 x 2000 x {tables[name].shape[1]}"] = (
                tables[name][None].astype(np.float64),
                tables["labels"],
                5,
            )
    print("scikit-learn / stack, medians of paired ratios (quartiles), process CPU time, one thread")
    for tol in (1e-4, 1e-8):
        for name, (x, y, rounds) in stacks.items():
            if tol < 1e-4 and x.size > MOST_AT_THE_OPTIMUM:
                continue
            found = measure(x, y, 2 if quick else rounds if tol == 1e-4 else min(rounds, 3), tol)
            results[f"tol {tol:.0e}".replace("e-0", "e-")][name] = found
            ratio = found["ratio"]
            print(
                f"tol {tol:.0e}  {name:44s} {ratio['median']:6.2f}  "
                f"({ratio['quartile_low']:.2f} to {ratio['quartile_high']:.2f})  "
                f"{found['ms_per_fit']['scikit-learn']} / {found['ms_per_fit']['stack']} ms a fit",
                flush=True,
            )
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(f"written: {RESULTS.name}")


def machine() -> dict:
    lines = _lines("/proc/cpuinfo")
    cpu = next((v.split(":")[1].strip() for v in lines if v.startswith("model name")), platform.processor())
    packages = {k: version(k) for k in ("counterpoint", "torch", "numpy", "scikit-learn")}
    return {"cpu": cpu, "python": platform.python_version(), "packages": packages, "threads": 1}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
