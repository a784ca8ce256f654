"""What a fit was said to take against what it took: memory and seconds, each fit in a process of its own.

The estimate is the one that `fit` prints. Memory is the peak that the system reports of the process, also
beyond what the process had when it was asked. Seconds are those of the epochs, and for both CPU time on one
thread, the wall clock of a machine with nothing else to do. Every case is fitted several times; a ratio is
estimated / true, its median and quartiles over them.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from backed import machine, quartiles

RESULTS = Path(__file__).parent / "results" / "forecast.json"
MFEAT = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}
PICTURES = {"grey": (28, 28, 1), "colour": (32, 32, 3)}
CASES: dict[str, dict[str, Any]] = {
    "table": {"rows": 2000, "epochs": 40, "described": "2,000 rows of six tables, 649 values (as mfeat)"},
    "pictures, mlp": {"rows": 6000, "epochs": 6, "network": "mlp", "described": "pictures by `mlp`"},
    "pictures, conv": {"rows": 1000, "epochs": 5, "network": "conv", "described": "pictures by `conv`"},
    "wide table": {"rows": 2000, "epochs": 4, "described": "2,000 rows of 20,000 and 100 values"},
}


def data(case: str, rows: int) -> dict[str, np.ndarray]:
    """Draw the modalities of a case."""
    rng = np.random.default_rng(0)
    if case.startswith("pictures"):
        return {k: rng.integers(0, 256, (rows, *s), dtype=np.uint8) for k, s in PICTURES.items()}
    if case == "table":
        cause = rng.normal(size=(rows, 8))
        return {k: cause @ rng.normal(size=(8, w)) + rng.normal(size=(rows, w)) for k, w in MFEAT.items()}
    return {"wide": rng.normal(size=(rows, 20_000)).astype(np.float32), "few": rng.normal(size=(rows, 100))}


def once(case: str, rows: int, epochs: int) -> dict[str, float]:
    """Fit in this process; return what was said and what it took."""
    import torch

    import counterpoint as cp
    from counterpoint import forecast

    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # of the estimate and of the epochs
    said: list[tuple[forecast.Forecast, float]] = []
    of_fit = forecast.of_fit

    def told(*args: Any, **options: Any) -> forecast.Forecast | None:
        started = time.perf_counter()
        found = of_fit(*args, **options)
        assert found is not None
        said.append((found, time.perf_counter() - started))
        return found

    forecast.of_fit = told
    network = CASES[case].get("network", "auto")
    model = cp.Counterpoint("mmvm", network=network, epochs=epochs, patience=None, verbose=1)
    model.fit(data(case, rows))
    (found, cost), gib = said[0], 2**30
    assert found.epoch is not None, "it was not timed; give the case more epochs"
    now, peak = found.memory["the process now"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "estimated GiB": found.bytes / gib,
        "peak resident GiB": peak / gib,
        "estimated beyond the start, GiB": (found.bytes - now) / gib,
        "true beyond the start, GiB": (peak - now) / gib,
        "estimated s": found.epoch * epochs,
        "true s": sum(row["seconds"] for row in model.history_),
        "s of estimating": cost,
    }


def measure(case: str, rounds: int, quick: bool) -> dict[str, Any]:
    """Fit a case several times, each in a process of its own, without a run directory."""
    how = CASES[case]
    rows, epochs = (200, 4) if quick else (how["rows"], how["epochs"])
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        command = [sys.executable, __file__, "--once", case, str(rows), str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        for k, v in json.loads(done.stdout).items():
            found.setdefault(k, []).append(v)
    pairs = {
        "memory": ("estimated GiB", "peak resident GiB"),
        "memory beyond the start": ("estimated beyond the start, GiB", "true beyond the start, GiB"),
        "seconds": ("estimated s", "true s"),
    }
    ratios = {k: [a / b for a, b in zip(found[e], found[t], strict=True)] for k, (e, t) in pairs.items()}
    spread = ("quartile_low", "median", "quartile_high")
    return {
        "described": how["described"],
        "rows": rows,
        "epochs": epochs,
        "rounds": rounds,
        **{k: statistics.median(v) for k, v in found.items()},
        "estimated over true": {k: dict(zip(spread, quartiles(v), strict=True)) for k, v in ratios.items()},
    }


def main() -> None:
    """Measure, print, and keep what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="200 rows, four epochs: to show that it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        case, rows, epochs = asked.once
        print(json.dumps(once(case, int(rows), int(epochs))))
        return
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    cases = found.setdefault("cases", {})
    for case in [asked.only] if asked.only else CASES:
        cases[case] = measure(case, 1 if asked.quick else asked.rounds, asked.quick)
        print(case, json.dumps(cases[case], indent=1), flush=True)
        found |= {"machine": machine(), "cpus": os.cpu_count(), "measured": time.strftime("%Y-%m-%d")}
        found |= {"quick": True} if asked.quick else {}
        asked.out.parent.mkdir(exist_ok=True)
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
