"""What the MMD term of CMMD costs: a training step with `mmd_weight` 0.5 against one without the term.

The paper reports 11.04 against 10.59 ms a step, 1.04. Here two pictures of 28 x 28 and ten classes, an MLP,
batches of 256; a step is loss, gradients and Adam. A weight of 0 in `cmmd` multiplies the term away after it
was computed, so beside `mmd_weight=0` stands `without`, in which the discrepancy itself is left out: the
paper's question. All run in turns in one process, a round of steps each, the first round dropped; time is
process CPU time on one thread, a ratio the median over rounds with its quartiles.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import torch
from step import machine, spread, turns

from counterpoint.batch import Batch
from counterpoint.likelihoods import Categorical, Normal
from counterpoint.methods import cmmd
from counterpoint.methods.cmmd import ConditionalBound
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import JointEncoder, networks
from counterpoint.seeds import generator

RESULTS = Path(__file__).parent / "results" / "mmd_overhead.json"
PIXELS, CLASSES, BATCH, LATENT = 784, 10, 256, 20
HIDDEN = {"256": (256,), "1024": (1024,)}
WEIGHTS = {"with": 0.5, "mmd_weight=0": 0.0, "without": 0.0}


def model(hidden: tuple[int, ...], mmd_weight: float) -> MultimodalVAE:
    """Two pictures and a label, the first picture observed; the same first weights for every weight."""
    method = cmmd(observed=["one"], kl_weight=0.5, mmd_weight=mmd_weight)
    units = hidden[-1]

    def net(inputs: int, outputs: int, use: str) -> torch.nn.Module:
        nets = networks(
            "mlp", (inputs,), (inputs,), outputs, generator=generator(0, use), heads=1, hidden=hidden
        )
        return nets[0]

    kinds = {"one": Normal((PIXELS,)), "other": Normal((PIXELS,)), "label": Categorical((1,), CLASSES)}
    sizes = {"one": PIXELS, "other": PIXELS, "label": CLASSES}
    parts = {}
    for name, kind in kinds.items():
        encoder = net(PIXELS, units, f"{name}/encoder") if name == "one" else torch.nn.Identity()
        decoder: torch.nn.Module = net(LATENT, sizes[name], f"{name}/decoder")
        if name == "label":
            decoder = torch.nn.Sequential(decoder, torch.nn.Unflatten(1, kind.output_shape))
        parts[name] = Modality(encoder, decoder, kind)
    flat = torch.nn.Flatten
    trunks = [torch.nn.Sequential(flat(), net(sizes[name], units, f"{name}/trunk")) for name in kinds]
    torch.manual_seed(0)
    joint = JointEncoder(trunks, torch.nn.Linear(units, 2 * LATENT))
    return MultimodalVAE(parts, method, LATENT, joint, torch.nn.Linear(units, 2 * LATENT), "label")


def stepper(hidden: tuple[int, ...], which: str) -> Callable[[], float]:
    """Return a function that takes a step and returns its loss."""
    made, g = model(hidden, WEIGHTS[which]), torch.Generator().manual_seed(1)
    x = {n: torch.rand(BATCH, PIXELS, generator=g) for n in ("one", "other")}
    x["label"] = torch.randint(CLASSES, (BATCH, 1), generator=g)
    batch = Batch(x, {n: torch.ones(BATCH, dtype=torch.bool) for n in x})
    adam = torch.optim.Adam(made.parameters(), lr=1e-3, fused=True)
    noise, hyper = torch.Generator().manual_seed(2), made.method.at(0)

    def step() -> float:
        loss = made.loss(batch, made.noise(BATCH, noise), hyper).total.mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def left_out(which: str) -> AbstractContextManager:
    """Without the term: zeros in the place of the discrepancy, and nothing computed for it."""
    if which != "without":
        return nullcontext()
    return patch.object(ConditionalBound, "_mmd", lambda self, z, z_p, some: torch.zeros_like(z[0, :, 0]))


def measure(hidden: tuple[int, ...], steps: int, rounds: int) -> dict:
    """Time rounds of steps of all three, in an order that turns."""
    steppers = {which: stepper(hidden, which) for which in WEIGHTS}
    took: dict[str, list[float]] = {which: [] for which in WEIGHTS}
    losses: dict[str, list[float]] = {which: [] for which in WEIGHTS}
    order = turns(list(WEIGHTS))
    for _ in range(rounds + 1):
        for which in next(order):
            with left_out(which):
                start = time.process_time()
                losses[which] += [steppers[which]() for _ in range(steps)]
                took[which].append(1e3 * (time.process_time() - start) / steps)
    assert losses["without"] == losses["mmd_weight=0"], "leaving the term out has changed something else"
    assert losses["with"][-1] != losses["without"][-1], "the term is in neither"
    return {
        "ms_per_step": {k: round(statistics.median(v[1:]), 3) for k, v in took.items()},
        "ratio": {
            f"with / {k}": spread([a / b for a, b in zip(took["with"][1:], took[k][1:], strict=True)])
            for k in ("mmd_weight=0", "without")
        },
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, and write benchmarks/results/mmd_overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    steps, rounds = (2, 3) if asked.quick else (5, 25)
    about = {"batch": BATCH, "latent": LATENT, "steps_a_round": steps, "rounds": rounds}
    results: dict = {"machine": machine(), "quick": asked.quick, **about, "paper": 1.04, "hidden": {}}
    for name, hidden in HIDDEN.items():
        found = results["hidden"][name] = measure(hidden, steps, rounds)
        print(f"hidden {name}: {found['ms_per_step']} ms")
        for k, v in found["ratio"].items():
            print(f"    {k:22s} {v['median']:.3f}  ({v['quartile_low']:.3f} to {v['quartile_high']:.3f})")
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written: {asked.out}")


if __name__ == "__main__":
    main()
