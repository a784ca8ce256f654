"""The ladders of the GPU benchmark: from a loop as published codes write it to a captured stack."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gpu_common import ENDLESS, GFLOP, OFFICIAL, Bench, release, seconds, told
from gpu_task import Task, official
from torch import Tensor

from counterpoint.model import MultimodalVAE
from counterpoint.training.graphs import CudaCapture, Graph
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population


def several_compilations() -> None:
    """Let one function be compiled for many populations: after eight, torch would stop compiling it."""
    import torch._dynamo as dynamo

    for name in ("recompile_limit", "cache_size_limit"):  # of newer and older versions
        if hasattr(dynamo.config, name):
            setattr(dynamo.config, name, 64)


class Rerun:
    """No graph at all: the step from the same buffers, to see what compiling does by itself."""

    def __init__(self, device: torch.device) -> None:
        self.replay: Callable[[], None] = lambda: None

    def warm_up(self, function: Callable[[], None], times: int) -> None:
        for _ in range(times):
            function()

    def capture(self, function: Callable[[], None]) -> None:
        self.replay = function


@dataclass(frozen=True)
class Ours:
    """A population's step, with what is switched on."""

    name: str
    models: int = 1
    low: bool = False
    last: bool = False
    graph: bool = False
    compiled: bool = False  # the loss
    replay: bool = False  # the graph alone, without drawing noise

    @property
    def needs_cuda(self) -> bool:
        return self.graph or self.compiled

    def population(self, bench: Bench, models: list[MultimodalVAE], x: dict[str, Tensor],
                   options: TrainOptions) -> Population:  # fmt: skip
        mask = {k: torch.ones(len(v), dtype=torch.bool, device=bench.device) for k, v in x.items()}
        if self.compiled:
            several_compilations()
        how = Graph("inductor" if self.compiled else None, capture=CudaCapture if self.graph else Rerun)
        if not self.needs_cuda:
            how = False
        return Population(models, x, mask, options, range(len(models)), graph=how)

    def make(self, bench: Bench, task: Task) -> Callable[[], Tensor | None]:
        options = TrainOptions(ENDLESS, task.batch, 5e-4, validation=0.0, patience=None,
                               precision="bfloat16" if self.low else "float32")  # fmt: skip
        models = [task.model(seed, self.last) for seed in range(self.models)]
        p = self.population(bench, models, task.data(bench.device, self.last), options)
        index, noise = p.first_batch()
        if not self.replay:
            return lambda: p.step(index, noise)[0]
        p.step(index, noise)

        def alone() -> None:
            p._graph._captured.replay()  # type: ignore[union-attr]  # p is held: the graph uses its memory

        return alone


def prepare(
    bench: Bench, ours: Ours | None, task: Task, found: dict[str, Any]
) -> Callable[[], Tensor | None] | None:
    """Make a contender, let it take some steps and measure its memory; None if it cannot be."""
    if ours is not None and ours.needs_cuda and not bench.cuda:
        found["not measured"] = "no CUDA"
        return None
    if time.time() > bench.part_until:
        found["not measured"] = "no time left"
        return None
    step, start = None, time.time()
    gc.collect()
    if bench.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if bench.cuda else 0
    with told(bench, found):
        made = official(bench, task) if ours is None else ours.make(bench, task)
        first = made()
        found["first_loss"] = None if first is None else float(first.mean())
        for _ in range(1 if bench.tiny else 5):
            made()
        bench.sync()
        step = made
    if bench.cuda:
        found["peak_memory_GB"] = (torch.cuda.max_memory_allocated() - before) / 1e9
    found["seconds_to_prepare"] = time.time() - start
    return step


def race(bench: Bench, task: Task, rungs: list[Ours], found: dict[str, Any], gflop: float) -> None:
    """Prepare everybody, then take turns; the reference takes part in every race."""
    named: dict[str, Ours | None] = {OFFICIAL: None, **{r.name: r for r in rungs}}
    found.update({k: {"models": 1 if r is None else r.models} for k, r in named.items() if k not in found})
    steps = {k: prepare(bench, r, task, found[k]) for k, r in named.items()}
    ready = {k: s for k, s in steps.items() if s is not None}
    took: dict[str, list[float]] = {k: [] for k in ready}
    once = {k: seconds(bench, s, 1) for k, s in ready.items()}
    for turn in range(3 if bench.tiny else 9):
        names = list(ready)
        for k in names[turn % len(names) :] + names[: turn % len(names)]:
            times = 1 if bench.tiny else int(min(50, max(3, 0.2 / once[k])))
            took[k].append(seconds(bench, ready[k], times))
    ceilings = bench.results.get("ceiling", {})
    for k, values in took.items():
        models = found[k]["models"]
        median = float(np.median(values))
        found[k] |= {
            "ms_per_step": quartiles([1e3 * v for v in values]),
            "us_per_model_step": quartiles([1e6 * v / models for v in values]),
            "samples_per_s": models * task.batch / median,
            "tflops": gflop * models * task.batch / median / 1e3,
        }
        if ceilings.get("bf16_tflops"):
            found[k]["share_of_bf16_ceiling"] = found[k]["tflops"] / ceilings["bf16_tflops"]
        if OFFICIAL in took:
            found[k]["ratio"] = quartiles(
                [models * o / v for o, v in zip(took[OFFICIAL], values, strict=True)]
            )
        show(k, found[k])
    bench.save()


def quartiles(values: list[float]) -> dict[str, float]:
    low, median, high = (float(v) for v in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "quartile_low": low, "quartile_high": high}


def show(name: str, row: dict[str, Any]) -> None:
    ratio, took = row.get("ratio", {}).get("median", float("nan")), row["ms_per_step"]["median"]
    print(
        f"  {name:30s} {took:9.3f} ms {row['us_per_model_step']['median']:11.2f} us/model-step"
        f" {row['samples_per_s']:11.0f} samples/s {row['tflops']:7.1f} TFLOP/s {ratio:8.2f}x"
        f" {row.get('peak_memory_GB', 0.0):6.1f} GB",
        flush=True,
    )


# ---- parts


def pictures(bench: Bench, kind: str) -> Task:
    if bench.tiny:
        return Task(kind, ((3, 28, 28),) * 3, 8, 8, 32, (), 4)
    return Task(kind, ((3, 28, 28),) * 3, 512, 256, 8192)


BEST = Ours("ours + graph", low=True, last=True, graph=True)
COMPILED = Ours("ours + graph + compiled", low=True, last=True, graph=True, compiled=True)
LADDER = [
    Ours("ours, fp32"),
    Ours("ours + bf16", low=True),
    Ours("ours + channels last", low=True, last=True),
    BEST,
]
COMPILES = [COMPILED, Ours("ours + compiled, no graph", low=True, last=True, compiled=True)]


def resnet(bench: Bench, found: dict[str, Any]) -> None:
    """What is compiled has a race of its own: if a compiler takes too long, the rest is known."""
    task = pictures(bench, "resnet")
    race(bench, task, LADDER, found.setdefault("ladder", {}), GFLOP["resnet"])
    release(bench)
    race(bench, task, COMPILES, found.setdefault("compiled", {}), GFLOP["resnet"])


def plain(bench: Bench, found: dict[str, Any]) -> None:
    """Stacks run under vmap, which knows no channels last."""
    task = pictures(bench, "plain")
    race(bench, task, LADDER, found.setdefault("ladder", {}), GFLOP["plain"])
    release(bench)
    for n in (2,) if bench.tiny else (8, 32):
        rungs = [Ours(f"stack of {n}", n, low=True), Ours(f"stack of {n} + graph", n, low=True, graph=True)]
        race(bench, task, rungs, found.setdefault(f"stack of {n}", {}), GFLOP["plain"])
        release(bench)
    race(bench, task, [COMPILED], found.setdefault("compiled", {}), GFLOP["plain"])


def tables(bench: Bench, found: dict[str, Any]) -> None:
    """A stack's noise is drawn model by model, so the graph alone is measured beside it."""
    task = Task("mlp", ((20,), (50,)), 5, 128, 4096, (64, 64))
    weights = sum(p.numel() for p in task.model(0).parameters() if p.dim() == 2)
    with told(bench, found.setdefault("check", {})):
        found["check"] |= same(bench, task)
    for n in (1, 2) if bench.tiny else (1, 32, 128, 512):
        name = "one model" if n == 1 else f"stack of {n}"
        rungs = [
            Ours(name, n),
            Ours(f"{name} + graph", n, graph=True),
            Ours(f"{name}, graph alone", n, graph=True, replay=True),
        ]
        rungs += [Ours(f"{name} + graph + compiled", n, graph=True, compiled=True)] * (n in (1, 128))
        race(bench, task, rungs, found.setdefault(name, {}), 6 * weights / 1e9)
        release(bench)


def same(bench: Bench, task: Task) -> dict[str, float]:
    """Largest difference of weights after ten steps, with a graph (on a processor without) and without.

    Adam reads a learning rate of a graph in single precision, so it is small, not zero.
    """
    ends = []
    for rung in (Ours("eager", 2), Ours("graph", 2, graph=bench.cuda)):
        options = TrainOptions(ENDLESS, task.batch, 5e-4, validation=0.0, patience=None)
        models = [task.model(seed) for seed in range(2)]
        p = rung.population(bench, models, task.data(bench.device, False), options)
        index, noise = p.first_batch()
        for _ in range(10):
            p.step(index, noise)
        ends.append(p.weights.P.detach().clone())
    apart = float((ends[0] - ends[1]).abs().max())
    return {"weights_differ_by": apart, "largest_weight": float(ends[0].abs().max())}
