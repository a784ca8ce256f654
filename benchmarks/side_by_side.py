"""Training steps of counterpoint beside three other loops, in one process and in turns.

Rounds are interleaved in an order that turns: a round is an epoch of each contender, and the first is
dropped. Time is process CPU time on one thread, per model and step. A ratio is rival / ours, the median over
rounds with the quartiles: 2 means that ours takes half the time. Before the race every rival must compute
the same loss as ours from the same weights, rows and noise. Peak memory is that of a process of its own.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch
from loops import RIVALS, Ours
from peers import Contender, Entry, load, quartiles, race, ratios
from workloads import ALL, WORKLOADS, Workload, card, has_bfloat16, peak_memory

from counterpoint.atomic import write
from counterpoint.batch import Batch
from counterpoint.errors import InputError
from counterpoint.objectives import Noise

RESULTS = Path(__file__).parent / "results" / "side_by_side.json"
SAME = 1e-4  # largest relative difference of two losses that count as the same
NOTHING = "imports and data alone"


def ours(workload: Workload) -> list[Contender]:
    """Our contenders: one model first."""
    found: list[Contender] = [Ours(n) for n in (1, *workload.stacks)]
    if workload.bfloat16 and has_bfloat16():
        found.insert(1, Ours(precision="bfloat16"))
        if len(workload.shapes[0]) == 3:
            found.insert(2, Ours(precision="bfloat16", last=True))
    return found


def same_loss(workload: Workload) -> dict[str, float]:
    """Return the relative difference of every rival's loss from ours.

    Raises:
        AssertionError: If one is larger than `SAME`.
    """
    x, mask = ({k: v[: workload.batch] for k, v in d.items()} for d in workload.arrays())
    g = torch.Generator().manual_seed(2)
    noise = torch.randn(1, len(x), workload.batch, workload.latent, generator=g)
    model = workload.model()
    given = Noise(noise, torch.empty(0, workload.batch))
    with torch.no_grad():
        wanted = model.loss(Batch(x, mask), given, model.method.at(0)).total.mean().item()
        found = {r.name: r().state(workload).loss(list(x.values()), noise[0]).item() for r in RIVALS}
    apart = {k: abs(v / wanted - 1) for k, v in found.items()}
    assert max(apart.values()) <= SAME, f"{workload.name}: losses {found} against {wanted}"
    return {k: float(f"{v:.1e}") for k, v in apart.items()}


def measure(workload: Workload, peers: Sequence[Contender]) -> dict:
    """Race everybody; return times and ratios."""
    apart = same_loss(workload)
    mine = ours(workload)
    rivals = [*(r() for r in RIVALS), *peers]
    took = race([Entry(c.name, c, workload) for c in (*mine, *rivals)], workload.rounds)
    return {
        "described": workload.described(),
        "steps_a_round": workload.steps,
        "rounds": workload.rounds - 1,
        "loss_differs_by": apart,
        "versions": {c.name: c.version() for c in rivals},
        "ms_per_model_step": {k: quartiles(v) for k, v in took.items()},
        "ratio": {m.name: {r.name: ratios(took[r.name], took[m.name]) for r in rivals} for m in mine},
    }


def memory(workload: Workload, peers: Sequence[Contender], asked: argparse.Namespace) -> dict:
    """Return MB of every contender's process at its peak, and of one that only holds the data."""
    names = [c.name for c in (*ours(workload), *(r() for r in RIVALS), *peers)]
    found = {}
    for name in (NOTHING, *names):
        command = [sys.executable, __file__, "--peak", name, "--only", workload.name]
        command += ["--quick"] * asked.quick
        command += [word for path in asked.peer for word in ("--peer", path)]
        found[name] = round(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout), 1)
    return found


def peak(name: str, workload: Workload, peers: Sequence[Contender]) -> float:
    """Train two epochs and return this process's peak memory in MB."""
    if name == NOTHING:
        held = workload.arrays()
        found = peak_memory()
        del held
        return found
    everybody = {c.name: c for c in (*ours(workload), *(r() for r in RIVALS), *peers)}
    state = everybody[name].prepare(workload)
    for _ in range(2):
        everybody[name].epoch(state)
    found = peak_memory()
    if hasattr(state, "close"):
        state.close()
    return found


def show(name: str, found: dict) -> None:
    print(f"{name}: {found['described']}")
    for k, v in found["ms_per_model_step"].items():
        against = "  ".join(
            f"{r}: {s['median']:.2f} ({s['quartile_low']:.2f}-{s['quartile_high']:.2f})"
            for r, s in found["ratio"].get(k, {}).items()
        )
        print(f"  {k:24s} {v['median']:10.3f} ms   {against}")
    for k, v in found.get("peak_memory_MB", {}).items():
        print(f"  {k:24s} {v:10.0f} MB")
    sys.stdout.flush()


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds; written only with --out")
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="this workload; repeatable")
    parser.add_argument("--peer", action="append", default=[], help="a file with a class Peer; repeatable")
    parser.add_argument("--out", type=Path, help=f"where to write instead of {RESULTS.name}")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    asked = arguments(words)
    torch.set_num_threads(1)
    try:
        peers = [load(path) for path in asked.peer]
    except InputError as error:
        sys.exit(str(error))
    chosen = [WORKLOADS[k] for k in asked.only] if asked.only else [w for w in ALL if w.usual]
    if asked.quick:
        chosen = [w.quick() for w in chosen]
    if asked.peak:
        print(peak(asked.peak, chosen[0], peers))
        return
    out = asked.out or (None if asked.quick else RESULTS)
    # A workload is measured in one run; those of other runs stay in the file, with their own machine.
    results = json.loads(out.read_text()) if out and out.is_file() else {}
    print("milliseconds per model and step; rival / ours, medians of paired ratios (quartiles)")
    for workload in chosen:
        found = measure(workload, peers)
        if workload.memory:
            found["peak_memory_MB"] = memory(workload, peers, asked)
        show(workload.name, found)
        about = {"measured": date.today().isoformat(), "quick": asked.quick, "machine": card()}
        results[workload.name] = {**about, **found}
        if out:
            write(out, json.dumps(results, indent=1) + "\n")
    print(f"written: {out}" if out else "nothing written")


if __name__ == "__main__":
    main()
