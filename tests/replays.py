"""Do a run of every method again, in this process, with two threads and as a sweep's worker: the same bytes?

python tests/replays.py --out benchmarks/results/replays.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import counterpoint as cp
from counterpoint import METHODS, atomic
from counterpoint.manifest import as_json
from counterpoint.replaying import replay
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import sweep
from faults import data

SMALL = {"latent_dim": 3, "hidden": (16,), "epochs": 3, "batch_size": 16}
OPTIONS = {"mmvae_plus": {"private_dim": 2}, "split": {"private_dim": 2}}
TARGETED = ("cmmd",)  # the label is one of what they generate
THREADS = (
    "import sys, torch; torch.set_num_threads(2); sys.path.insert(0, sys.argv[3]); import replays; "
    "replays.fitted(*sys.argv[1:3])"
)


def fitted(method: str, run: str) -> None:
    target = {"target": "kind"} if method in TARGETED else {}
    cp.Counterpoint(method, options=OPTIONS.get(method), **target, **SMALL).fit(data(), run=run)


def replayed(method: str, place: Path) -> dict[str, object]:
    """Return whether a run of a method is the same when it is done again in three ways."""
    run, other, out = place / "run", place / "two", place / "out"
    fitted(method, str(run))
    words = [sys.executable, "-c", THREADS, method, str(other), str(Path(__file__).parent)]
    subprocess.run(words, check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    weights = (run / "model.safetensors").read_bytes()
    x = data()
    np.savez(
        place / "d.npz", a=x.x["a"], b=np.where(x.mask["b"][:, None], x.x["b"], np.nan), kind=x.labels["kind"]
    )
    lines = {**SMALL, "hidden": [[16]], "method": method, "data": str(place / "d.npz"), "test": 30}
    lines |= {f"options.{k}": v for k, v in OPTIONS.get(method, {}).items()}
    lines |= {"target": "kind"} if method in TARGETED else {}
    lines["measures"] = ["reconstruction"] if method not in ("dcca", "mvcl") else ["probe"]
    (place / "g.yaml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in lines.items()))
    grid = read_grid(place / "g.yaml")
    assert not sweep(grid, out, stack=1, workers=2).failed
    worker = next(out.glob("*/manifest.json")).parent
    return {
        "method": method,
        "again": replay(run, data()).same,
        "two_threads": (other / "model.safetensors").read_bytes() == weights,
        "worker": replay(worker, grid.rows()[0]).same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for method in given.methods:
        with tempfile.TemporaryDirectory() as place:
            rows.append(replayed(method, Path(place)))
        print(json.dumps(rows[-1]), flush=True)
    if given.out is not None:
        atomic.write(given.out, as_json(rows))
    sys.exit(not all(row["again"] and row["worker"] for row in rows))


if __name__ == "__main__":
    main()
