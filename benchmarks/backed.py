"""Training from a file that is larger than memory: peak resident memory, and what it costs beside memory.

Two parts. `large` writes a sparse MuData of counts (a third of the cells lack the protein), then trains one
epoch of it, backed, in a process of its own, and asks the system for that process's peak. `ratio` fits a
small file in memory and backed in turns, with a buffer that holds all of it and with one of a sixteenth, and
takes the CPU time of an epoch as (5 epochs - 1 epoch) / 4, so that reading and preparing are left out.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "backed.json"
PROTEINS, KINDS, BLOCK = 30, 20, 2000
LENGTH = 1400  # molecules of a cell, in the mean


def cells(rows: int, genes: int, seed: int = 0) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield blocks of cells of 20 kinds: counts of genes (n, genes) sparse, counts of proteins (n, 30)."""
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(seed)
    common = rng.normal(0.0, 1.5, genes)
    weight = np.exp(common + rng.normal(0.0, 1.0, (KINDS, genes)))
    steps = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    proteins = np.exp(rng.normal(2.0, 1.0, (KINDS, PROTEINS)))
    for start in range(0, rows, BLOCK):
        n = min(BLOCK, rows - start)
        kind = rng.integers(KINDS, size=n)
        size = rng.poisson(LENGTH * genes / 20_000, n)
        drawn = [np.searchsorted(steps[k], rng.random(s)) for k, s in zip(kind, size, strict=True)]
        ends = np.concatenate([[0], np.cumsum(size)])
        columns = np.minimum(np.concatenate(drawn), genes - 1)
        x = csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(n, genes))
        x.sum_duplicates()
        yield x, rng.poisson(proteins[kind]).astype(np.float32)


def write(path: Path, rows: int, genes: int) -> dict[str, float]:
    """Write the MuData block by block; return its density and its size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        import h5py
        import mudata
        import pandas as pd
        from scipy.sparse import csr_matrix

        names = np.array([f"cell{i}" for i in range(rows)])
        has = np.arange(rows) % 3 != 0
        rna = anndata.AnnData(csr_matrix((rows, genes), dtype=np.float32))
        rna.obs_names, rna.var_names = names, pd.Index([f"gene{i}" for i in range(genes)])
        prot = anndata.AnnData(np.zeros((int(has.sum()), PROTEINS), np.float32))
        prot.obs_names, prot.var_names = names[has], pd.Index([f"protein{i}" for i in range(PROTEINS)])
        with anndata.settings.override(allow_write_nullable_strings=True):
            mudata.MuData({"rna": rna, "prot": prot}).write(path)
    with h5py.File(path, "r+") as file:
        table, kept, indptr = file["mod/rna/X"], [], [np.zeros(1, np.int64)]
        for part in ("data", "indices", "indptr"):
            del table[part]
        grown = {"data": np.float32, "indices": np.int32}
        for part, dtype in grown.items():
            table.create_dataset(part, shape=(0,), maxshape=(None,), dtype=dtype, chunks=(2**18,))
        for x, proteins in cells(rows, genes):
            for part, values in (("data", x.data), ("indices", x.indices)):
                table[part].resize(len(table[part]) + x.nnz, axis=0)
                table[part][-x.nnz :] = values
            indptr.append(x.indptr[1:].astype(np.int64) + indptr[-1][-1])
            kept.append(proteins)
        table.create_dataset("indptr", data=np.concatenate(indptr))
        file["mod/prot/X"][...] = np.concatenate(kept)[has]
        nnz = int(indptr[-1][-1])
    return {"density": nnz / rows / genes, "file GB": path.stat().st_size / 1e9}


def epoch(path: Path, method: str, features_most: int) -> dict[str, Any]:
    """Train one epoch, backed, in this process; return seconds of each part, the estimate and the peak."""
    import torch

    import counterpoint as cp
    from counterpoint import streaming

    torch.set_num_threads(1)
    marks = [time.perf_counter()]
    data = cp.read(path, backed=True, features_most=features_most)
    marks.append(time.perf_counter())
    said: dict[str, float] = {}
    estimate = streaming.memory

    def told(*args: Any) -> dict[str, float]:
        said.update(estimate(*args))
        return estimate(*args)

    streaming.memory = told
    model = cp.Counterpoint(method, epochs=1, batch_size=256, verbose=1).fit(data)
    marks.append(time.perf_counter())
    row = model.history_[0]
    return {
        "rows": len(data),
        "values of a row": data.shape[1],
        "dense table GiB": 4 * len(data) * data.shape[1] / 2**30,
        "method": method,
        "seconds of opening": marks[1] - marks[0],
        "seconds of preparing": marks[2] - marks[1] - row["seconds"],
        "seconds of the epoch": row["seconds"],
        "rows a second": len(data) / row["seconds"],
        "CPU seconds": time.process_time(),
        "validation loss": row["validation/total"],
        "estimated GiB": {k: v / 2**30 for k, v in said.items()},
        "peak resident GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def large(folder: Path, rows: int, genes: int, method: str) -> dict[str, Any]:
    """Write the file unless it is there, and train an epoch in a process of its own."""
    path = folder / f"backed-{rows}x{genes}.h5mu"
    about = path.with_suffix(".json")
    if not about.exists():
        about.write_text(json.dumps(write(path, rows, genes)))
    command = [sys.executable, __file__, "--epoch", str(path), "--method", method, "--genes", str(genes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {**json.loads(about.read_text()), **json.loads(done.stdout)}


def ratio(folder: Path, rows: int, genes: int, rounds: int, method: str) -> dict[str, Any]:
    """Fit in memory and backed in turns; return ms of CPU time a step, and backed over memory."""
    import torch

    import counterpoint as cp
    from counterpoint.data.backed import Backed

    torch.set_num_threads(1)
    path = folder / f"ratio-{rows}x{genes}.h5mu"
    about = write(path, rows, genes)
    opened = cp.read(path, backed=True)
    assert isinstance(opened, Backed)
    size = sum(table.row_bytes for table in opened.tables.values()) * rows / 2**30
    sources = {
        "memory": cp.read(path),
        "backed, all in the buffer": cp.read(path, backed=True, memory=2 * size),
        "backed, a sixteenth": cp.read(path, backed=True, memory=size / 16),
    }
    times: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(rounds + 1):
        order = list(sources)[turn % 3 :] + list(sources)[: turn % 3]
        for name in order:
            spent = []
            for epochs in (1, 5):
                model = cp.Counterpoint(method, epochs=epochs, batch_size=256, patience=None)
                started = time.process_time()
                model.fit(sources[name])
                spent.append(time.process_time() - started)
            if turn:  # the first warms up
                times[name].append((spent[1] - spent[0]) / 4)
    steps = -(-(rows - round(rows * 0.1)) // 256)
    ratios = {
        name: [a / b for a, b in zip(found, times["memory"], strict=True)]
        for name, found in times.items()
        if name != "memory"
    }
    return {
        "rows": rows,
        "genes": genes,
        **about,
        "rounds": rounds,
        "method": method,
        "ms of CPU a step": {k: 1000 * statistics.median(v) / steps for k, v in times.items()},
        "time over in memory": {
            k: dict(zip(("quartile_low", "median", "quartile_high"), quartiles(v), strict=True))
            for k, v in ratios.items()
        },
    }


def quartiles(values: list[float]) -> list[float]:
    """Low quartile, median, high quartile."""
    return [float(v) for v in np.quantile(values, [0.25, 0.5, 0.75])]


def machine() -> dict[str, Any]:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((v.split(":")[1].strip() for v in lines if v.startswith("model name")), platform.processor())
    packages = {k: version(k) for k in ("counterpoint", "torch", "numpy", "anndata", "h5py")}
    return {"cpu": cpu, "python": platform.python_version(), "packages": packages, "threads": 1}


def main() -> None:
    """Measure, print, and keep what was measured beside what is there already."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("large", "ratio"))
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--method", default="mmvm")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--quick", action="store_true", help="a few hundred rows, to show that it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--epoch", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.epoch is not None:
        print(json.dumps(epoch(asked.epoch, asked.method, asked.genes)))
        return
    sizes = {"large": (asked.rows, asked.genes), "ratio": (10_000, 2_000)}
    if asked.quick:
        sizes, asked.rounds = dict.fromkeys(sizes, (400, 300)), 1
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    if asked.only != "ratio":
        found["large"] = large(asked.folder, *sizes["large"], asked.method)
    if asked.only != "large":
        found["ratio"] = ratio(asked.folder, *sizes["ratio"], asked.rounds, asked.method)
    found |= {"machine": machine(), "cpus": os.cpu_count(), "measured": time.strftime("%Y-%m-%d")}
    found |= {"quick": True} if asked.quick else {}
    print(json.dumps(found, indent=1))
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
