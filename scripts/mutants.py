"""Mutation testing of floors 0 to 4: a drawn sample of small changes, each of which some test should notice.

    python scripts/mutants.py --sample 40 --seed 0 --jobs 2

needs cosmic-ray (`--tool`; an environment of its own will do) and what the tests need (`--python`). Every
change is made in a copy of the project; docs/quality.md has what survived and what became of it.
"""

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from test_floors import FLOORS, PURE  # noqa: E402 (tests/ had to be on the path)

# Cheap ones first: a mutant that they notice takes no more time.
TESTS = (
    *(
        "distributions",
        "aggregation",
        "priors",
        "likelihoods",
        "schedules",
        "references",
        "anchors",
        "pooling",
    ),
    *("conditioned", "correlation", "lemma", "locks", "impartial", "inference", "linear_gaussian"),
    *("importance", "gradients_of_losses", "presets", "laws", "faults"),
)
# Changes of annotations and of how functions are wrapped say nothing of what is computed.
WITHOUT = ("BitOr", "RemoveDecorator", "ExceptionReplacer", "ZeroIterationForLoop")
SECONDS = 600  # some mutants wait for ever


def modules() -> list[str]:
    """Return the files of the floors, below `src`."""
    names = [name for floor in range(PURE + 1) for name in FLOORS[floor]]
    package = ROOT / "src" / "counterpoint"
    files = [p for n in names for p in (*(package / n).glob("**/*.py"), package / f"{n}.py") if p.exists()]
    return sorted(str(p.relative_to(ROOT)) for p in files)


def copy(place: Path) -> Path:
    """Copy what the tests need."""
    for name in ("src", "tests", "docs", "recipes", "examples"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def configuration(python: str, files: list[str]) -> str:
    """Return what cosmic-ray is told."""
    doctests = " ".join(files)
    tests = " ".join(["tests/nn", *(f"tests/test_{name}.py" for name in TESTS)])
    run = f"{python} -m pytest -x -q -p no:cacheprovider -m 'not slow' {doctests} {tests}"
    return "\n".join(
        [
            "[cosmic-ray]",
            f"module-path = {json.dumps(files)}",
            f"timeout = {SECONDS}.0",
            "excluded-modules = []",
            f"test-command = {json.dumps('env PYTHONPATH=src OMP_NUM_THREADS=1 ' + run)}",
            "[cosmic-ray.distributor]",
            'name = "local"',
            "",
        ]
    )


def drawn(session: Path, sample: int, seed: int) -> tuple[int, list[str]]:
    """Return how many mutants there are, and the drawn: first an operator, then one of its mutants."""
    kinds: dict[str, list[str]] = defaultdict(list)
    with sqlite3.connect(session) as database:
        rows = database.execute("SELECT job_id, operator_name, module_path, occurrence FROM mutation_specs")
        for job, operator, *where in rows.fetchall():
            if not any(word in operator for word in WITHOUT):
                family = operator.split("/")[1].split("_")[0]
                kinds[family].append((operator, *where, job))
    chance, total = random.Random(seed), sum(map(len, kinds.values()))
    left = {kind: chance.sample(sorted(jobs), len(jobs)) for kind, jobs in sorted(kinds.items())}
    found = []
    while len(found) < min(sample, total):
        kind = chance.choice([k for k, jobs in left.items() if jobs])
        found.append(left[kind].pop()[-1])
    return total, found


def keep(session: Path, jobs: list[str]) -> None:
    """Take all other mutants out of a session."""
    marks = ",".join("?" * len(jobs))
    with sqlite3.connect(session) as database:
        for table in ("work_items", "mutation_specs"):
            database.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({marks})", jobs)


def results(session: Path) -> list[dict[str, str]]:
    """Return every mutant with what became of it."""
    with sqlite3.connect(session) as database:
        rows = database.execute(
            "SELECT module_path, operator_name, start_pos_row, test_outcome, diff FROM mutation_specs "
            "JOIN work_results USING (job_id)"
        ).fetchall()
    keys = ("file", "operator", "line", "outcome", "diff")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def main() -> None:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tool", default="cosmic-ray", help="the program")
    parser.add_argument("--python", default=sys.executable, help="with what the tests need")
    given = parser.parse_args()
    files = modules()
    with tempfile.TemporaryDirectory() as made:
        places = [copy(Path(made) / str(i)) for i in range(given.jobs)]
        for place in places:
            (place / "c.toml").write_text(configuration(given.python, files))
        subprocess.run([given.tool, "init", "c.toml", "s.sqlite"], cwd=places[0], check=True)
        subprocess.run([given.tool, "baseline", "c.toml"], cwd=places[0], check=True)
        total, jobs = drawn(places[0] / "s.sqlite", given.sample, given.seed)
        print(f"{total} mutants, {len(jobs)} drawn", flush=True)
        for i, place in enumerate(places):
            if i:
                shutil.copy(places[0] / "s.sqlite", place)
        for i, place in enumerate(places):
            keep(place / "s.sqlite", jobs[i :: given.jobs])

        def run(place: Path) -> list[dict[str, str]]:
            subprocess.run([given.tool, "exec", "c.toml", "s.sqlite"], cwd=place, check=True)
            return results(place / "s.sqlite")

        with ThreadPoolExecutor(given.jobs) as pool:
            found = [row for rows in pool.map(run, places) for row in rows]
    print(dict(Counter(str(row["outcome"]) for row in found)))
    for row in found:
        if "KILLED" not in str(row["outcome"]).upper():
            print(f"\n{row['file']}:{row['line']} {row['operator']} {row['outcome']}\n{row['diff']}")


if __name__ == "__main__":
    main()
