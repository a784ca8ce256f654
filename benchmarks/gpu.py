"""Training steps on one GPU, a ladder from a loop as published codes write it to a captured stack.

Parts: `ceiling` (what this GPU reaches in matrix products and copies), `resnet` and `plain` (three pictures
of 28 x 28 x 3, the networks of the PolyMNIST papers), `tables` (small tables, stacked), `train` (a fit on
PolyMNIST and its scores). Rounds are interleaved in an order that turns; a ratio is official-like / ours per
model and step, the median over rounds with the quartiles. The file is written whenever something is known;
what fails is told in its place, and the next one goes on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(1, str(Path(__file__).parents[1] / "src"))  # also where nothing is installed
from gpu_common import GRACE, PARTS, Bench, ceiling, release, told
from gpu_ladder import plain, resnet, tables
from gpu_train import train

from counterpoint.methods import METHODS


def machine(bench: Bench) -> dict[str, Any]:
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version()}
    found |= {"numpy": np.__version__, "cpus": os.cpu_count(), "device": str(bench.device)}
    found |= {"cudnn_allow_tf32": torch.backends.cudnn.allow_tf32}
    found |= {"float32_matmul_precision": torch.get_float32_matmul_precision()}
    if bench.cuda:
        about = torch.cuda.get_device_properties(bench.device)
        found |= {
            "gpu": about.name,
            "memory_GB": about.total_memory / 1e9,
            "sms": about.multi_processor_count,
        }
        found |= {
            "cudnn": torch.backends.cudnn.version(),
            "tf32_of_rivals": "convolutions alone, torch's default",
        }
    return found


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--minutes", type=float, default=9.0, help="of all parts together")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--data", type=Path, default=Path("."), help="folder with mnist/ and photos/")
    parser.add_argument(
        "--methods", default="mmvm", help="to train, such as mmvm,independent,avg,poe,moe,mopoe"
    )
    parser.add_argument("--apart", action="store_true", help="each part in a process of its own; so on cuda")
    parser.add_argument("--more", action="store_true", help=argparse.SUPPRESS)  # add to what is in the file
    parser.add_argument("--tiny", action="store_true", help="few rows and small networks: does it run?")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Measure the parts in their order, write after each."""
    asked = arguments(words)
    parts, methods = asked.parts.split(","), asked.methods.split(",")
    if unknown := [p for p in parts if p not in PARTS]:
        sys.exit(f"--parts has {', '.join(unknown)}; allowed are {', '.join(PARTS)}.")
    if unknown := [m for m in methods if m not in METHODS]:
        sys.exit(f"--methods has {', '.join(unknown)}; allowed are {', '.join(METHODS)}.")
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("--device is cuda, and torch sees none; --device cpu --tiny tries the script without one.")
    start, results = time.time(), {"tiny": asked.tiny}
    if asked.more:
        results |= json.loads(asked.out.read_text())
    bench = Bench(torch.device(asked.device), asked.tiny, asked.out, asked.data, methods, results)
    for at, part in enumerate(parts):
        left, rest = start + 60 * asked.minutes - time.time(), sum(PARTS[p] for p in parts[at:])
        bench.part_until = time.time() + left * PARTS[part] / rest
        print(f"{part}: until {bench.part_until - start:.0f} s", flush=True)
        began = time.time()
        if len(parts) > 1 and (asked.apart or bench.cuda):
            apart(bench, part, first=at == 0)
        else:
            alone(bench, part)
        bench.results[part]["part_seconds"] = time.time() - began
        bench.save()
    print(f"written: {asked.out}", flush=True)


def alone(bench: Bench, part: str) -> None:
    """Measure a part in this process."""
    torch.backends.cudnn.benchmark = True  # for everybody: shapes do not change
    found = bench.results[part] = {}
    with told(bench, found):
        bench.results["machine"] = machine(bench)
        RUN[part](bench, found)
    release(bench)


def apart(bench: Bench, part: str, first: bool) -> None:
    """Measure a part in another process: what breaks the GPU's state or hangs there ends with it."""
    left = bench.part_until - time.time()
    words = ["--parts", part, "--out", bench.out, "--minutes", left / 60, "--device", bench.device.type]
    words += ["--data", bench.data, "--methods", ",".join(bench.methods), *["--tiny"] * bench.tiny]
    command = [sys.executable, __file__, *map(str, words), *["--more"] * (not first)]
    ended = ""
    try:
        done = subprocess.run(command, timeout=max(left, 1) + GRACE)
        ended = f"the process ended with {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        ended = "no time left: the process was ended"
    if bench.out.is_file():
        bench.results = json.loads(bench.out.read_text())
    found = bench.results.setdefault(part, {})
    if ended:
        found.setdefault("error", ended)


RUN = {"ceiling": ceiling, "resnet": resnet, "plain": plain, "tables": tables, "train": train}


if __name__ == "__main__":
    main()
