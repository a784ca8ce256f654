"""How a training step of counterpoint grows: with modalities, rows, features, models of a stack, subsets.

The points of a series take turns, an epoch each; the first round is dropped. Time is process CPU time on one
thread, per model and step. The exponent is the slope of a least-squares line through log time against log
size, over all points and over the upper half: 1 is linear growth, 0 none. Small sizes cost what starting an
operation costs, so the upper half says more. Memory is the peak of a process of its own less that of one with
a single batch of rows.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import torch
from loops import Ours
from peers import Entry, quartiles, race, ratios
from workloads import WORKLOADS, Workload, card, peak_memory

from counterpoint.atomic import write

RESULTS = Path(__file__).parent / "results" / "growth.json"
MEMORY = "memory"
FAR = 8  # rounds of a full run


@dataclass(frozen=True)
class Series:
    """Points along one size."""

    name: str
    described: str
    points: tuple[tuple[int, Workload, int], ...]  # size, workload, models
    few: int  # points of a quick run


def tables(count: int, features: int = 20, method: str = "mmvm", steps: int = 8) -> Workload:
    shapes = ((features,),) * count
    return Workload("growth", shapes, "mlp", (64,), 8, False, steps, FAR, method=method)


def of_rows(rows: int) -> Workload:
    """Two tables of 200 and 500 features with about so many rows, in whole batches."""
    medium = WORKLOADS["tables-medium"]
    return replace(medium, steps=max(1, round(rows / medium.batch)))


ROWS = (1_000, 3_000, 10_000, 30_000, 100_000)
SMALL = WORKLOADS["tables-small"]
SERIES = {
    s.name: s
    for s in (
        Series(
            "modalities",
            "mmvm, modalities of 20 features",
            tuple((n, tables(n), 1) for n in (2, 4, 8, 16, 32)),
            3,
        ),
        Series(
            "rows",
            "mmvm, rows of two tables, 200 and 500 features",
            tuple((of_rows(n).rows, of_rows(n), 1) for n in ROWS),
            2,
        ),
        Series(
            "features",
            "mmvm, features of each of two modalities",
            tuple((n, tables(2, n), 1) for n in (50, 160, 500, 1600, 5000)),
            3,
        ),
        Series(
            "stack",
            f"mmvm, models in a stack; {SMALL.described()}",
            tuple((n, replace(SMALL, steps=4), n) for n in (1, 2, 4, 8, 16, 32, 64)),
            3,
        ),
        Series(
            "subsets",
            "mopoe, subsets of 3 to 12 modalities of 20 features",
            tuple((2**n - 1, tables(n, method="mopoe", steps=4), 1) for n in range(3, 13)),
            4,
        ),
    )
}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Slope of the line through the logarithms, or None where there is nothing to draw one through."""
    if len(sizes) < 2 or min(values) <= 0:
        return None
    return round(float(np.polyfit(np.log(sizes), np.log(values), 1)[0]), 3)


def exponents(sizes: Sequence[float], values: Sequence[float]) -> dict[str, float | None]:
    half = len(sizes) // 2
    return {"all": exponent(sizes, values), "upper_half": exponent(sizes[half:], values[half:])}


def grow(series: Series, rounds: int, few: bool) -> dict:
    """Race the points of a series against one another."""
    points = series.points[: series.few] if few else series.points
    took = race([Entry(str(n), Ours(models), w) for n, w, models in points], rounds)
    first = took[str(points[0][0])]
    found = [
        {
            "size": n,
            "ms_per_model_step": quartiles(took[str(n)]),
            "against_first": ratios(took[str(n)], first),
        }
        for n, *_ in points
    ]
    medians = [p["ms_per_model_step"]["median"] for p in found]
    return {
        "described": series.described,
        "rounds": rounds - 1,
        "points": found,
        "exponent": exponents([n for n, *_ in points], medians),
    }


def resident(rows: int) -> float:
    """Train two epochs on so many rows and return this process's peak memory in MB."""
    workload = of_rows(rows)
    trainer = Ours()
    state = trainer.prepare(workload)
    for _ in range(2):
        trainer.epoch(state)
    found = peak_memory()
    state.close()
    return found


def alone(rows: int) -> float:
    command = [sys.executable, __file__, "--resident", str(rows)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def memory(few: bool) -> dict:
    """Peak memory against the bytes of the data."""
    base = alone(1)
    one = of_rows(1).rows
    points = []
    for n in ROWS[:3:2] if few else ROWS:
        w = of_rows(n)
        data = 4 * sum(math.prod(s) for s in w.shapes) * (w.rows - one) / 1e6
        more = alone(n) - base
        points.append(
            {
                "size": w.rows,
                "data_MB": round(data, 2),
                "more_MB": round(more, 2),
                "ratio": round(more / data, 3),
            }
        )
    sizes, values = [p["size"] for p in points], [p["more_MB"] for p in points]
    slope = np.polyfit([p["data_MB"] for p in points], values, 1)[0]
    return {
        "described": "peak memory beyond that of one batch, rows of two tables, 200 and 500 features",
        "base_MB": round(base, 1),
        "points": points,
        "bytes_a_byte_of_data": round(float(slope), 3),
        "exponent": exponents(sizes, values),
    }


def show(name: str, found: dict) -> None:
    e = found["exponent"]
    print(f"{name}: {found['described']}; exponent {e['all']}, upper half {e['upper_half']}")
    for p in found["points"]:
        if name == MEMORY:
            print(f"  {p['size']:>8d} rows  data {p['data_MB']:8.1f} MB  memory {p['more_MB']:8.1f} MB")
        else:
            v, r = p["ms_per_model_step"], p["against_first"]
            print(f"  {p['size']:>8d}  {v['median']:9.3f} ms  {r['median']:8.2f} times the first")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds and points; written only with --out")
    parser.add_argument("--only", action="append", choices=(*SERIES, MEMORY), help="repeatable")
    parser.add_argument("--out", type=Path, help=f"where to write instead of {RESULTS.name}")
    parser.add_argument("--resident", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    if asked.resident:
        print(resident(asked.resident))
        return
    out = asked.out or (None if asked.quick else RESULTS)
    results = json.loads(out.read_text()) if out and out.is_file() else {}
    for name in asked.only or (*SERIES, MEMORY):
        if name == MEMORY:
            found = memory(asked.quick)
        else:
            found = grow(SERIES[name], 3 if asked.quick else FAR, asked.quick)
        show(name, found)
        about = {"measured": date.today().isoformat(), "quick": asked.quick, "machine": card()}
        results[name] = {**about, **found}
        if out:
            write(out, json.dumps(results, indent=1) + "\n")
    print(f"written: {out}" if out else "nothing written")


if __name__ == "__main__":
    main()
