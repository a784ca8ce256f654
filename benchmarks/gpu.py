"""Training steps on one GPU, a ladder from a loop as published codes write it to a captured stack.

Parts: `ceiling` (what this GPU reaches in matrix products and copies), `resnet` and `plain` (three pictures
of 28 x 28 x 3, the networks of the PolyMNIST papers), `tables` (small tables, stacked), `train` (a fit on
PolyMNIST and its scores). Rounds are interleaved in an order that turns; a ratio is official-like / ours per
model and step, the median over rounds with the quartiles. The file is written whenever something is known;
what fails is told in its place, and the next one goes on.
"""

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Laplace as OfficialLaplace
from torch.distributions import Normal as OfficialNormal
from torch.distributions import kl_divergence

sys.path.insert(1, str(Path(__file__).parents[1] / "src"))  # also where nothing is installed

from counterpoint.atomic import write
from counterpoint.likelihoods import Laplace, Normal
from counterpoint.methods import METHODS
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import networks
from counterpoint.seeds import generator
from counterpoint.training.graphs import CudaCapture, Graph
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

PARTS = {"ceiling": 1, "resnet": 6, "plain": 3, "tables": 3, "train": 9}  # and their shares of the time
GFLOP = {"resnet": 4.145, "plain": 0.127}  # a sample of three pictures, forward and backward
OFFICIAL = "official-like"
ENDLESS = 10**9
GRACE = 20  # seconds after a part's time before its process is ended


@dataclass
class Bench:
    """What was asked, what is known, and until when."""

    device: torch.device
    tiny: bool
    out: Path
    data: Path
    methods: list[str]
    results: dict[str, Any] = field(default_factory=dict)
    part_until: float = 0.0

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def save(self) -> None:
        write(self.out, json.dumps(short(self.results), indent=1) + "\n")

    def sync(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def short(value: Any) -> Any:
    """Five digits are enough; not a number is null."""
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [short(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if abs(value) < float("inf") else None
    return value


@contextmanager
def told(bench: Bench, where: dict[str, Any]) -> Iterator[None]:
    """Tell an error in its place and go on; write the file in any case."""
    try:
        yield
    except Exception as error:
        where["error"] = f"{type(error).__name__}: {error}"[:2000]
        where["traceback"] = traceback.format_exc()[-3000:]
        print(f"  failed: {where['error'][:300]}", flush=True)
    bench.save()


def seconds(bench: Bench, step: Callable[[], object], times: int) -> float:
    """Return the time of a step, the mean of so many."""
    bench.sync()
    if not bench.cuda:
        start = time.perf_counter()
        for _ in range(times):
            step()
        return (time.perf_counter() - start) / times
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(times):
        step()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / times / 1e3


# ---- the ceiling


def ceiling(bench: Bench, found: dict[str, Any]) -> None:
    n, m = (128, 2**16) if bench.tiny else (8192, 2**30)
    g = generator(0, "ceiling", device=bench.device)
    for name, dtype, tf32 in (("bf16", torch.bfloat16, False), ("tf32", torch.float32, True),
                              ("fp32", torch.float32, False)):  # fmt: skip
        a, b = (torch.randn(n, n, generator=g, device=bench.device).to(dtype) for _ in range(2))
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        for _ in range(3):
            torch.mm(a, b)
        took = [seconds(bench, lambda a=a, b=b: torch.mm(a, b), 1 if bench.tiny else 10) for _ in range(5)]
        torch.set_float32_matmul_precision(before)
        found[f"{name}_tflops"] = 2 * n**3 / float(np.median(took)) / 1e12
    x = torch.randn(m, generator=g, device=bench.device)
    y = torch.empty_like(x)
    y.copy_(x)
    took = [seconds(bench, lambda: y.copy_(x), 3) for _ in range(5)]
    found["copy_GB_per_s"] = 2 * x.nbytes / float(np.median(took)) / 1e9


# ---- what is trained


@dataclass(frozen=True)
class Task:
    """Networks and data; the data lie on the device."""

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    latent: int
    batch: int
    rows: int
    hidden: tuple[int, ...] = ()
    width: int | None = None

    @property
    def pictures(self) -> bool:
        return self.kind != "mlp"

    def data(self, device: torch.device, last: bool) -> dict[str, Tensor]:
        """Bytes (N, C, H, W), or with channels last; tables are single precision."""
        g = torch.Generator().manual_seed(1)
        found = {}
        for m, s in enumerate(self.shapes):
            if self.pictures:
                v = torch.randint(0, 256, (self.rows, *s), generator=g, dtype=torch.uint8)
                v = v.permute(0, 2, 3, 1).contiguous() if last else v
            else:
                v = torch.randn(self.rows, *s, generator=g)
            found[f"m{m}"] = v.to(device)
        return found

    def nets(self, seed: int, last: bool) -> list[tuple[nn.Module, nn.Module]]:
        kind, made = {"plain": "conv"}.get(self.kind, self.kind), []
        for m, s in enumerate(self.shapes):
            s = (*s[1:], s[0]) if last else s
            draw = generator(seed, "init", m)
            pair = networks(
                kind, s, s, self.latent, generator=draw, hidden=self.hidden, width=self.width
            )  # fmt: skip
            made.append(pair)
        return made

    def model(self, seed: int, last: bool = False, method: str = "mmvm") -> MultimodalVAE:
        parts = {}
        for m, (encoder, decoder) in enumerate(self.nets(seed, last)):
            s = self.shapes[m]
            s = (*s[1:], s[0]) if last else s
            if last:
                stay_last(decoder)
            parts[f"m{m}"] = Modality(encoder, decoder, Laplace(s, 0.75) if self.pictures else Normal(s))
        return MultimodalVAE(parts, METHODS[method](), self.latent)


class Last(nn.Module):
    """Keep pictures with their channels last in memory from here on."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


def stay_last(decoder: nn.Module) -> None:
    """Let a decoder's pictures have their channels last from where they begin."""
    inner: Any = decoder.network
    layers = list(inner.layers)
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Unflatten))
    inner.layers = nn.Sequential(*layers[: at + 1], Last(), *layers[at + 1 :])


# ---- contenders


def official(bench: Bench, task: Task) -> Callable[[], Tensor | None]:
    """Distribution objects, a double loop over the modalities, Adam as it comes, single precision."""
    x, nets = task.data(bench.device, False), [n for pair in task.nets(0, False) for n in pair]
    body = nn.ModuleList(nets).to(bench.device)
    adam = torch.optim.Adam(body.parameters(), lr=5e-4)
    index = torch.arange(task.batch, device=bench.device)

    def step() -> Tensor:
        rows = [v.index_select(0, index) for v in x.values()]
        rows = [v.float() / 255 for v in rows] if task.pictures else rows
        posteriors, loss = [], torch.zeros((), device=bench.device)
        for v, encoder, decoder in zip(rows, body[::2], body[1::2], strict=True):
            mu, log_variance = encoder(v).chunk(2, -1)
            q = OfficialNormal(mu, torch.exp(0.5 * log_variance), validate_args=False)
            out = decoder(q.rsample())
            scale = torch.tensor(0.75 if task.pictures else 1.0).to(bench.device)
            p = (OfficialLaplace if task.pictures else OfficialNormal)(out, scale, validate_args=False)
            loss = loss - p.log_prob(v).flatten(1).sum(1).mean()
            posteriors.append(q)
        for q in posteriors:
            each = [kl_divergence(q, other).sum(-1) for other in posteriors]
            loss = loss + torch.stack(each).sum(0).mean() / len(posteriors)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.detach()

    return step


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


def release(bench: Bench) -> None:
    gc.collect()
    if bench.cuda:
        torch.cuda.empty_cache()


# ---- a fit, and what it is worth


def train(bench: Bench, found: dict[str, Any]) -> None:
    """The first method gets half of the time where there are several, the others even shares of the rest."""
    from counterpoint.data.polymnist import polymnist

    start = time.time()
    sizes: Any = {"rows": 300, "test_rows": 100} if bench.tiny else {}
    sets = polymnist(bench.data, **sizes)
    found |= {"rows": len(sets.train_labels), "seconds_to_build_the_data": time.time() - start}
    x, test = (
        {k: torch.from_numpy(np.ascontiguousarray(v)).to(bench.device) for k, v in d.items()}
        for d in (sets.train, sets.test)
    )
    oracles = {k: oracle(bench, v, sets.train_labels) for k, v in x.items()}
    found["oracle_accuracy"] = {k: accuracy(oracles[k], scaled(v), sets.test_labels) for k, v in test.items()}
    methods = found.setdefault("methods", {})
    for i, name in enumerate(bench.methods):
        left, asking = bench.part_until - time.time(), 0 if bench.tiny else 45  # seconds to evaluate
        several = len(bench.methods) > 1
        share = left / 2 if several and i == 0 else left / (len(bench.methods) - i)
        methods[name] = row = {}
        if i and share < 2 * asking:
            row["not measured"] = "no time left"
            continue
        with told(bench, row):
            model = fit(bench, name, x, max(share - asking, 1.0), row)
            bench.save()
            scores(bench, model, oracles, sets, x, test, row)
            row["seconds"] = time.time() - (bench.part_until - left)
            print(f"  {name}: {json.dumps(short({k: row[k] for k in TOLD}))}", flush=True)
        release(bench)


TOLD = ("epochs", "how", "ms_per_step", "probe_mean", "coherence", "absolute_error")


def fit(bench: Bench, method: str, x: dict[str, Tensor], share: float, row: dict[str, Any]) -> MultimodalVAE:
    """As many epochs as the time allows, from the time of a step: the cosine must end with them."""
    task, until = pictures(bench, "resnet"), time.time() + share
    rungs = [BEST, LADDER[2]] if bench.cuda else [LADDER[0]]
    known = bench.results.get("resnet", {}).get("compiled", {}).get(COMPILED.name, {})
    rungs = [COMPILED, *rungs] if bench.cuda and "ratio" in known else rungs
    for rung in rungs:
        try:
            p, back, once = build(bench, task, rung, method, x)
            break
        except Exception as error:
            row.setdefault("did not work", {})[rung.name] = f"{type(error).__name__}: {error}"[:500]
            release(bench)
    else:
        raise RuntimeError("nothing works; see 'did not work'")
    steps = -(-len(next(iter(x.values()))) // task.batch)
    epochs = max(1, int((until - time.time()) / (1.05 * steps * once)))
    epochs = min(epochs, 2) if bench.tiny else epochs
    # Not built anew, which would compile and capture it again: only its schedule is another.
    back()
    p.options[0] = p.weights._options[0] = replace(p.options[0], epochs=epochs, warmup=min(1.0, epochs / 2))
    p.progress[0].step = 0
    start = time.time()

    def in_time(running: Population) -> None:
        if time.time() > until + 5:
            for e in running.running:
                running.progress[e].stopped = True

    (progress,) = p.run(in_time)
    took = time.time() - start
    row |= {"how": rung.name, "epochs": progress.epoch, "epochs_planned": epochs, "steps": progress.step}
    row |= {"ms_per_step": 1e3 * took / progress.step, "training_seconds": took, "batch": task.batch}
    row |= {"samples_per_s": progress.epoch * len(next(iter(x.values()))) / took}
    row |= {"options": vars(p.options[0]), "method": dict(p.models[0].method.options)}
    row["tflops"] = GFLOP["resnet"] * row["samples_per_s"] / 1e3
    row["curve"] = progress.history
    return p.models[0]


def build(
    bench: Bench, task: Task, rung: Ours, method: str, x: dict[str, Tensor]
) -> tuple[Population, Callable[[], None], float]:
    """Return a population, what takes the steps back that it has taken, and the time of a step in seconds."""
    low, moves = "bfloat16" if rung.low else "float32", {"warmup": 1.0, "decay": "cosine"}
    options = TrainOptions(
        ENDLESS, task.batch, 5e-4, **moves, validation=0.0, patience=None, precision=low
    )  # fmt: skip
    p = rung.population(bench, [task.model(0, last=True, method=method)], x, options)
    back = p.weights.remember()
    index, noise = p.first_batch()
    seconds(bench, lambda: p.step(index, noise), 2 if bench.tiny else 10)
    return p, back, seconds(bench, lambda: p.step(index, noise), 2 if bench.tiny else 40)


def scaled(rows: Tensor) -> Tensor:
    """Bytes (N, H, W, C) as (N, C, H, W) in [0, 1]."""
    return rows.permute(0, 3, 1, 2).float() / 255


def oracle(bench: Bench, rows: Tensor, labels: np.ndarray) -> nn.Module:
    """A residual classifier after a few epochs."""
    from counterpoint.nn import ResNetClassifier
    from counterpoint.nn.build import build as made

    draw = generator(0, "oracle")
    net = made(lambda: ResNetClassifier((3, 28, 28), 10, 4 if bench.tiny else 64), draw).to(bench.device)
    y, epochs = torch.from_numpy(labels.astype(np.int64)).to(bench.device), 1 if bench.tiny else 3
    adam = torch.optim.Adam(net.parameters(), lr=5e-4, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(len(y), generator=draw).to(bench.device).split(256):
            with torch.autocast(bench.device.type, torch.bfloat16, enabled=bench.cuda):
                logits = net(scaled(rows[index]))
            adam.zero_grad()
            nn.functional.cross_entropy(logits.float(), y[index]).backward()
            adam.step()
    return net.requires_grad_(False)


def accuracy(net: nn.Module, images: Tensor, labels: np.ndarray) -> float:
    found = torch.cat([net(part).argmax(1) for part in images.split(1000)])
    return float((found.cpu().numpy() == labels).mean())


def scores(bench: Bench, model: MultimodalVAE, oracles: dict[str, nn.Module], sets: Any,
           x: dict[str, Tensor], test: dict[str, Tensor], row: dict[str, Any]) -> None:  # fmt: skip
    """Coherence of translations from one draw, error and terms of the test rows, probes of the latents."""
    from counterpoint import inference
    from counterpoint.batch import Batch
    from counterpoint.evaluation.probes import linear_probe

    def batch(d: dict[str, Tensor], rows: int) -> Batch:
        there = torch.ones(min(rows, len(next(iter(d.values())))), dtype=torch.bool, device=bench.device)
        return Batch({k: v[:rows].float() / 255 for k, v in d.items()}, dict.fromkeys(d, there))

    given, names = batch(test, 10_000), list(test)
    g = generator(0, "scores", device=bench.device)
    matrix, errors = [], {}
    for s in names:
        line = []
        for t in names:
            seen = inference.reconstruct(model, given.given((s,)), t, draws=1, generator=g)
            line.append(accuracy(oracles[t], seen.permute(0, 3, 1, 2), sets.test_labels))
        own = inference.reconstruct(model, given, s, draws=0, generator=g)
        errors[s] = float((own - given.x[s]).abs().mean())
        matrix.append(line)
    off = [v for i, line in enumerate(matrix) for j, v in enumerate(line) if i != j]
    row |= {"coherence": float(np.mean(off)), "coherence_matrix": matrix, "absolute_error": errors}
    sums: dict[str, float] = {}
    with torch.no_grad():
        for part in inference.chunks(given):
            loss = model.loss(part, model.noise(part.rows, g), model.method.final())
            for k, v in {"total": loss.total, **loss.terms}.items():
                sums[k] = sums.get(k, 0.0) + float(v.sum())
    row["test_terms"] = {k: v / given.rows for k, v in sums.items()}
    bench.save()
    learn = batch(x, 10_000)
    seen, held = (inference.unimodal_mean(model, b).cpu().numpy() for b in (learn, given))
    found = {
        k: linear_probe(seen[m], sets.train_labels[: learn.rows], held[m], sets.test_labels).accuracy
        for m, k in enumerate(names)
    }
    row |= {"probe": found, "probe_mean": float(np.mean(list(found.values())))}


# ---- the script


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
