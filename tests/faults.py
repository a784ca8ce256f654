"""Kill -9, or Ctrl-C, at random moments of every verb that writes: is anything lost, is the end the same?

    python tests/faults.py --tries 50 --out benchmarks/results/faults.json

Run as a program it is the worker: it imports everything once and forks a process for every try, and never
computes itself, so that its forks are clean. A try kills the process at a moment drawn evenly from what the
work takes, looks at what is there, then does the work again (resuming, where there is something to resume)
and compares the bytes with those of work that was left alone. A loss is anything else than: nothing, a whole
result, or a state that goes on to the same bytes.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import counterpoint as cp
from counterpoint import atomic, runs
from counterpoint.commands.parts import write_latents
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate
from counterpoint.manifest import as_json
from counterpoint.protocol import task
from counterpoint.report.build import report
from counterpoint.sweeps.grid import read_grid
from counterpoint.sweeps.run import sweep
from counterpoint.training.checkpoint import NAME

SMALL = {"latent_dim": 2, "hidden": (8,), "batch_size": 16, "learning_rate": 0.01, "patience": None}
GRID = "data: d.npz\ntest: 30\nmethod: [mmvm, poe]\nseed: [0:2]\nlatent_dim: 2\nhidden: [8]\nepochs: 6\n"


def data() -> cp.MultimodalData:
    """Two tables of three classes; some rows lack one."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    a, b = (np.eye(3)[y] @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(120, d)) for d in (5, 4))
    b[:12] = np.nan
    return cp.read({"a": a, "b": b}, labels={"kind": y})


def without_seconds(path: Path) -> bytes:
    with path.open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return json.dumps(rows).encode()


def run_bytes(run: Path) -> dict[str, bytes]:
    """Return what a whole run directory holds that its configuration decides."""
    runs.verify(run)
    found = {
        n: (run / n).read_bytes()
        for n in ("config.yaml", "model.safetensors", "data_card.json", "scores.json")
    }
    return {**found, "metrics.csv": without_seconds(run / "metrics.csv")}


@dataclass(frozen=True)
class Verb:
    """What is killed.

    Args:
        start: Lays out a folder.
        work: Does the work there, or goes on with it.
        result: The bytes that count, of finished work.
        look: What is there after the kill: absent, complete or resumable; raises if it is none of them.
    """

    start: Callable[[Path], None]
    work: Callable[[Path], None]
    result: Callable[[Path], dict[str, bytes]]
    look: Callable[[Path], str]


def fit(folder: Path) -> None:
    run = folder / "run"
    resume = (run / NAME).exists() and not (run / "manifest.json").exists()
    cp.Counterpoint("mmvm", epochs=200, **SMALL).fit(
        data(), run=run, resume=resume, overwrite=(run / "manifest.json").exists(), checkpoint_seconds=0
    )


def look_at_run(folder: Path) -> str:
    run = folder / "run"
    if (run / "manifest.json").exists():
        runs.load(run)
        return "complete"
    if (run / NAME).exists():
        return "resumable"  # that it is so is seen when it goes on
    allowed = {"config.yaml"}
    left = {p.name for p in run.iterdir() if not p.name.startswith(".")} - allowed if run.exists() else set()
    assert not left, f"neither a checkpoint nor a run, but {left}"
    return "absent"


def swept(folder: Path) -> None:
    (folder / "g.yaml").write_text(GRID)
    x = data()
    np.savez(
        folder / "d.npz",
        a=x.x["a"],
        b=np.where(x.mask["b"][:, None], x.x["b"], np.nan),
        kind=x.labels["kind"],
    )


def one_sweep(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)
    try:
        sweep(read_grid(folder / "g.yaml"), folder / "out", stack=2, checkpoint_seconds=0)
    finally:
        os.chdir(here)


def sweep_bytes(folder: Path) -> dict[str, bytes]:
    there = sorted(p.parent for p in folder.glob("out/*/manifest.json"))
    assert len(there) == 4, f"{len(there)} runs of 4"
    return {f"{p.name}/{k}": v for p in there for k, v in run_bytes(p).items() if k != "data_card.json"}


def look_at_sweep(folder: Path) -> str:
    whole = [p.parent for p in folder.glob("out/*/manifest.json")]
    for run in whole:
        runs.load(run)
    done = [p for p in whole if json.loads((p / "scores.json").read_text()).get("summary")]
    return "complete" if len(done) == 4 else "resumable" if (folder / "out").exists() else "absent"


def fitted(folder: Path) -> None:
    cp.Counterpoint("mmvm", epochs=2, **SMALL).fit(data(), run=folder / "run")


def evaluated(folder: Path) -> None:
    rows = data()
    on = task(rows[:90], rows[90:], "kind")
    found = evaluate(cp.load(folder / "run"), on, show=True)
    runs.add_scores(folder / "run", found.to_dict(), found.exhibits)


def scores_of(folder: Path) -> dict[str, bytes]:
    return {**run_bytes(folder / "run"), "exhibits": (folder / "run" / "exhibits.safetensors").read_bytes()}


def look_at_scores(folder: Path) -> str:
    cp.load(folder / "run")  # whole at every moment
    scores = json.loads((folder / "run" / "scores.json").read_text())
    return "complete" if scores.get("summary") else "absent"


def scored(folder: Path) -> None:
    fitted(folder)
    evaluated(folder)


def reported(folder: Path) -> None:
    report([folder / "run"], folder / "page.html")


def page_of(folder: Path) -> dict[str, bytes]:
    return {"page": (folder / "page.html").read_bytes()}


def look_at_page(folder: Path) -> str:
    runs.verify(folder / "run")
    page = folder / "page.html"
    if not page.exists():
        return "absent"
    assert page.read_text().rstrip().endswith("</html>")
    return "complete"


def embedded(folder: Path) -> None:
    m = cp.load(folder / "run")
    write_latents(str(folder / "z.csv"), {"joint": m.embed(data())}, None)


def look_at_table(folder: Path) -> str:
    table = folder / "z.csv"
    if table.exists():
        assert len(table.read_text().splitlines()) == 121
    return "complete" if table.exists() else "absent"


VERBS = {
    "fit": Verb(lambda folder: None, fit, lambda f: run_bytes(f / "run"), look_at_run),
    "sweep": Verb(swept, one_sweep, sweep_bytes, look_at_sweep),
    "evaluate": Verb(fitted, evaluated, scores_of, look_at_scores),
    "report": Verb(scored, reported, page_of, look_at_page),
    "embed": Verb(fitted, embedded, lambda f: {"z": (f / "z.csv").read_bytes()}, look_at_table),
}


@dataclass
class Found:
    """What became of the tries of one verb; `losses` must be empty.

    `half_files` are hidden temporary files beside tables and cached judges: in the way of nothing.
    """

    verb: str
    sent: str
    tries: int = 0
    ended_before: int = 0
    absent: int = 0
    resumable: int = 0
    complete: int = 0
    half_files: int = 0
    losses: list[str] = field(default_factory=list)


def child(work: Callable[[], int | None]) -> int:
    """Do something in a process of its own, which ends with what it returns; return the process's number.

    Whatever happens, the child ends here: it is a copy of a test that must not go on.
    """
    if pid := os.fork():
        return pid
    code = 1
    try:
        import torch

        torch.set_num_threads(1)
        code = work() or 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def forked(work: Callable[[Path], None], folder: Path) -> int:
    """Do something to a folder in a process of its own, and return its number."""

    def quietly() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work(folder)

    return child(quietly)


def end_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def done(work: Callable[[Path], None], folder: Path) -> float:
    started = time.monotonic()
    assert end_of(forked(work, folder)) == 0, "work that was left alone failed"
    return time.monotonic() - started


def hidden(folder: Path) -> list[str]:
    """Return what a killed writer left behind, half-written files, anywhere below."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob(".*") if p.is_file())


def tried(name: str, tries: int, seed: int, place: Path, sent: signal.Signals) -> Iterator[Found]:
    """Kill a verb so many times; yield what is known after every try."""
    verb, chance, found = VERBS[name], random.Random(f"{name}{seed}"), Found(name, sent.name)
    start = place / f"{name}-start"
    start.mkdir()
    done(verb.start, start)
    whole = place / f"{name}-whole"
    shutil.copytree(start, whole)
    took = done(verb.work, whole)
    for again in range(2):  # the shortest: what comes first may be slow
        shutil.copytree(start, place / f"{name}-{again}")
        took = min(took, done(verb.work, place / f"{name}-{again}"))
        shutil.rmtree(place / f"{name}-{again}")
    wanted = verb.result(whole)
    for i in range(tries):
        folder = place / f"{name}-{i}"
        shutil.copytree(start, folder)
        found.tries += 1
        kills = 0
        try:
            while kills == 0 or chance.random() < 0.25:  # and again, while it goes on
                kills += 1
                pid = forked(verb.work, folder)
                time.sleep(chance.uniform(0, took))
                os.kill(pid, sent)
                if end_of(pid) == 0:
                    found.ended_before += 1
                    break
            state = verb.look(folder)
            setattr(found, state, getattr(found, state) + 1)
            done(verb.work, folder)
            got = verb.result(folder)
            other = [k for k in wanted if got.get(k) != wanted[k]]
            if other or got.keys() != wanted.keys():
                found.losses.append(f"try {i}: other bytes in {', '.join(other)}")
            left = hidden(folder)
            found.half_files += len(left)
            if inside := [p for p in left if (folder / p).parent.joinpath("manifest.json").exists()]:
                found.losses.append(f"try {i}: a run directory holds {', '.join(inside)}")
        except (AssertionError, InputError, OSError) as error:
            found.losses.append(f"try {i}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=40, help="of every verb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="*", default=list(VERBS), choices=list(VERBS))
    parser.add_argument("--signal", default="SIGKILL", choices=["SIGKILL", "SIGINT"])
    parser.add_argument("--minutes", type=float, default=20.0, help="of all together, at most")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    until, table = time.monotonic() + 60 * given.minutes, []
    with tempfile.TemporaryDirectory() as place:
        for name in given.verbs:
            table.append({})
            for found in tried(name, given.tries, given.seed, Path(place), signal.Signals[given.signal]):
                table[-1] = asdict(found)
                if time.monotonic() > until:
                    break
            print(json.dumps(table[-1]), flush=True)
    if given.out is not None:
        rows = json.loads(given.out.read_text())["rows"] if given.out.exists() else []
        rows = [
            row for row in rows if (row["verb"], row["sent"]) not in {(r["verb"], r["sent"]) for r in table}
        ]
        atomic.write(given.out, as_json({"rows": rows + table, "seed": given.seed}))
    sys.exit(any(row["losses"] for row in table))


if __name__ == "__main__":
    main()
