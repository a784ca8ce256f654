"""How long `import counterpoint` and `counterpoint --help` take: medians of several runs.

The import time is the one that `python -X importtime` reports for the package; the others are whole
processes, beside a bare `python -c pass`, since starting Python is part of them.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "startup.json"
PROGRAM = str(Path(sys.executable).with_name("counterpoint"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import counterpoint'": [sys.executable, "-c", "import counterpoint"],
    "counterpoint --help": [PROGRAM, "--help"],
    "counterpoint fit --help": [PROGRAM, "fit", "--help"],
}


def wall(command: Sequence[str]) -> float:
    """Seconds of one process."""
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


def import_time() -> float:
    """Seconds that `-X importtime` reports for the package with all it imports."""
    command = [sys.executable, "-X", "importtime", "-c", "import counterpoint"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"\|\s*(\d+)\s*\|\s*counterpoint$", report, re.MULTILINE)
    assert found, "importtime reports no counterpoint"
    return int(found[1]) / 1e6


def main() -> None:
    """Measure, print, and write benchmarks/results/startup.json if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    times: dict[str, list[float]] = {"importtime of counterpoint": [], **{k: [] for k in COMMANDS}}
    for turn in range(asked.runs + 1):
        found = {"importtime of counterpoint": import_time(), **{k: wall(c) for k, c in COMMANDS.items()}}
        if turn:  # the first warms the disk cache
            for name, seconds in found.items():
                times[name].append(seconds)
    for name, seconds in times.items():
        low, _, high = statistics.quantiles(seconds, n=4)
        print(f"{name:<34} {statistics.median(seconds):.3f} s   quartiles {low:.3f} - {high:.3f}")
    if asked.save:
        medians = {k: round(statistics.median(v), 4) for k, v in times.items()}
        about = {"python": platform.python_version(), "cpus": os.cpu_count(), "runs": asked.runs}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**about, "median_seconds": medians}, indent=1) + "\n")


if __name__ == "__main__":
    main()
