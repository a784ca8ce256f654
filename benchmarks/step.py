"""The step of `fit` against a bare PyTorch loop written by hand: same nets, loss, batches and noise.

Rounds are interleaved: after every epoch of the trainer, in its own `each_epoch`, the bare loops run an
epoch each, in an order that turns. Time is process CPU time on one thread; a ratio is the median over
rounds of ours / bare, with the quartiles as spread. The first round warms up and is dropped. Every pair
must arrive at the same loss.

Two bare loops: `masked` does the same job (any modality may be absent in a row), `complete` knows no
absence and is the least that could be written. Each runs with `torch.optim.Adam` as it comes and with
`fused=True`.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint import Counterpoint
from counterpoint.likelihoods import Laplace, Normal
from counterpoint.methods import mmvm, poe
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import networks
from counterpoint.seeds import generator
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

RESULTS = Path(__file__).parent / "results" / "step.json"
METHODS = {"mmvm": mmvm, "poe": poe}
LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Setting:
    """What is trained, and for how long."""

    name: str
    shape: tuple[int, ...]
    hidden: int
    latent: int
    laplace: bool
    steps: int  # a round (one epoch)
    rounds: int
    modalities: int = 3
    batch: int = 256

    def model(self, method: str, seed: int = 0) -> MultimodalVAE:
        parts = {}
        for m in range(self.modalities):
            p = Laplace(self.shape) if self.laplace else Normal(self.shape)
            draw = generator(seed, "init", m)
            nets = networks(
                "mlp", self.shape, self.shape, self.latent, generator=draw, heads=2, hidden=(self.hidden,)
            )
            parts[f"m{m}"] = Modality(*nets, p)
        return MultimodalVAE(parts, METHODS[method](), self.latent)

    def data(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Complete data, so that the loop that knows no absence computes the same loss."""
        g = torch.Generator().manual_seed(1)
        rows = self.batch * self.steps
        x = {f"m{m}": torch.randn(rows, *self.shape, generator=g) for m in range(self.modalities)}
        return x, {k: torch.ones(rows, dtype=torch.bool) for k in x}


TABLES = Setting("tables, 3 x 20, 32 units", (20,), 32, 8, laplace=False, steps=40, rounds=25)
IMAGES = Setting("images, 3 x 3x28x28, 256 units", (3, 28, 28), 256, 16, laplace=True, steps=4, rounds=11)


class Bare:
    """The loop by hand: lists of nets, tensors of data, formulas, one optimiser."""

    def __init__(self, s: Setting, method: str, fused: bool, masked: bool) -> None:
        self.s, self.method, self.masked = s, method, masked
        x, mask = s.data()
        self.x, self.mask = list(x.values()), list(mask.values())
        model = s.model(method)  # only for nets with the same first weights
        self.encoders = nn.ModuleList([m.encoder for m in model.modalities])
        self.decoders = nn.ModuleList([m.decoder for m in model.modalities])
        parameters = [*self.encoders.parameters(), *self.decoders.parameters()]
        self.adam = torch.optim.Adam(parameters, lr=1e-3, **({"fused": True} if fused else {}))
        self.epoch = 0

    def run_epoch(self) -> float:
        noise = generator(0, "noise", self.epoch)
        order = torch.randperm(self.x[0].shape[0], generator=generator(0, "order", self.epoch))
        running = torch.zeros(())
        for index in order.split(self.s.batch):
            loss = self.loss(index, noise)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            running += loss.detach()
        self.epoch += 1
        return running.item() / self.s.steps

    def loss(self, index: Tensor, noise: torch.Generator) -> Tensor:
        x = [v.index_select(0, index) for v in self.x]
        heads = torch.stack([f(v) for f, v in zip(self.encoders, x, strict=True)])
        mu, logvar = heads.chunk(2, -1)  # (M, B, D)
        there = torch.stack([v.index_select(0, index) for v in self.mask]) if self.masked else None
        if self.method == "mmvm":
            z = mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=noise)
            rate = self.pairwise(mu, logvar, there)
        else:
            precision = torch.exp(-logvar)
            if there is not None:
                precision = precision * there.unsqueeze(-1)
            variance = 1 / precision.sum(0)
            joint = variance * (mu * precision).sum(0)
            z = joint + variance.sqrt() * torch.randn(joint.shape, generator=noise)
            rate = 0.5 * (variance + joint**2 - 1 - torch.log(variance)).sum(-1)
            z = [z] * len(x)
        total = rate
        for m, (f, v) in enumerate(zip(self.decoders, x, strict=True)):
            nll = self.nll(f(z[m]), v)
            total = total + (nll if there is None else torch.where(there[m], nll, 0.0))
        return total.mean()

    def pairwise(self, mu: Tensor, logvar: Tensor, there: Tensor | None) -> Tensor:
        """1/M sum_mn KL(q_m || q_n), over those present."""
        variance = torch.exp(logvar)
        far = (mu[:, None] - mu[None]) ** 2
        each = 0.5 * (logvar[None] - logvar[:, None] + (variance[:, None] + far) / variance[None] - 1).sum(-1)
        if there is None:
            return each.sum((0, 1)) / len(mu)
        w = there.to(mu.dtype)
        return torch.einsum("mnb,mb,nb->b", each, w, w) / w.sum(0).clamp_min(1)

    def nll(self, out: Tensor, x: Tensor) -> Tensor:
        if self.s.laplace:
            return (x - out).abs().flatten(1).sum(1) / 0.75 + math.log(1.5) * x[0].numel()
        return 0.5 * ((x - out) ** 2).sum(1) + 0.5 * LOG_2PI * x.shape[1]


def spread(ratios: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 3), "quartile_low": round(low, 3), "quartile_high": round(high, 3)}


def turns(names: list[str]) -> Iterator[list[str]]:
    at = 0
    while True:
        yield names[at:] + names[:at]
        at = (at + 1) % len(names)


def step_ratio(s: Setting, method: str, rounds: int) -> dict:
    """Time the trainer's epochs and, between them, those of the bare loops."""
    bare = {
        f"{kind}, {adam} Adam": Bare(s, method, adam == "fused", kind == "masked")
        for kind in ("masked", "complete")
        for adam in ("default", "fused")
    }
    x, mask = s.data()
    options = TrainOptions(rounds, s.batch, validation=0.0, patience=None)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {k: [] for k in bare}
    first: dict[str, float] = {}
    order = turns(list(bare))
    mark = 0.0

    def between(p: Population) -> None:
        nonlocal mark
        ours.append(time.process_time() - mark)
        for k in next(order):
            start = time.process_time()
            loss = bare[k].run_epoch()
            theirs[k].append(time.process_time() - start)
            first.setdefault(k, loss)
        mark = time.process_time()

    trainer = Population([s.model(method)], x, mask, options, [0])
    mark = time.process_time()
    progress = trainer.run(between)[0]
    for k, loss in first.items():
        wanted = progress.history[0]["train/total"]
        assert math.isclose(loss, wanted, rel_tol=1e-4), f"{k} computes another loss: {loss} against {wanted}"
    each = {k: [a / b for a, b in zip(ours[1:], v[1:], strict=True)] for k, v in theirs.items()}
    return {
        "ms_per_step": round(1e3 * statistics.median(ours[1:]) / s.steps, 3),
        "bare_ms_per_step": {
            k: round(1e3 * statistics.median(v[1:]) / s.steps, 3) for k, v in theirs.items()
        },
        "ratio": {k: spread(v) for k, v in each.items()},
    }


def stacked(s: Setting, method: str, counts: tuple[int, ...], rounds: int) -> dict:
    """Milliseconds per model and step in a stack, interleaved as well."""
    x, mask = s.data()
    steps = 10
    x, mask = ({k: v[: steps * s.batch] for k, v in t.items()} for t in (x, mask))
    took: dict[int, list[float]] = {e: [] for e in counts}
    for _ in range(rounds + 1):
        for e in counts:
            options = TrainOptions(2, s.batch, validation=0.0, patience=None)
            models = [s.model(method, seed=i) for i in range(e)]
            trainer = Population(models, x, mask, options, range(e))
            start = time.process_time()
            trainer.run()
            took[e].append(1e3 * (time.process_time() - start) / (2 * steps * e))
    one = took[counts[0]][1:]
    return {
        str(e): {
            "ms_per_model_step": round(statistics.median(v[1:]), 3),
            "against_one": spread([a / b for a, b in zip(v[1:], one, strict=True)]),
        }
        for e, v in took.items()
    }


def whole(s: Setting, method: str, epochs: int, rounds: int) -> dict:
    """A whole short training from numpy arrays: `Counterpoint.fit` against the bare loop."""
    arrays = {k: v.numpy() for k, v in s.data()[0].items()}

    def fit() -> None:
        Counterpoint(
            method,
            latent_dim=s.latent,
            hidden=(s.hidden,),
            epochs=epochs,
            batch_size=s.batch,
            validation=0,
            likelihood="normal",
        ).fit(arrays)

    def by_hand(fused: bool) -> Callable[[], None]:
        def run() -> None:
            bare = Bare(s, method, fused, masked=True)
            bare.x = [
                torch.from_numpy((v - v.mean(0)) / v.std(0)).float() for v in map(np.asarray, arrays.values())
            ]
            for _ in range(epochs):
                bare.run_epoch()

        return run

    tasks = {"fit": fit, "masked, default Adam": by_hand(False), "masked, fused Adam": by_hand(True)}
    took: dict[str, list[float]] = {k: [] for k in tasks}
    order = turns(list(tasks))
    for _ in range(rounds + 1):
        for k in next(order):
            start = time.process_time()
            tasks[k]()
            took[k].append(time.process_time() - start)
    ours = took.pop("fit")[1:]
    each = {k: [a / b for a, b in zip(ours, v[1:], strict=True)] for k, v in took.items()}
    return {
        "steps": epochs * s.steps,
        "seconds": round(statistics.median(ours), 3),
        "ratio": {k: spread(v) for k, v in each.items()},
    }


def show(ratio: dict[str, dict[str, float]]) -> None:
    for k, v in ratio.items():
        print(
            f"    against {k:24s} {v['median']:.2f}  ({v['quartile_low']:.2f} to {v['quartile_high']:.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    results: dict = {"machine": machine(), "step": {}, "stacked": {}, "whole": {}}
    print("ours / bare, medians of paired ratios (quartiles), process CPU time, one thread")
    for s in (TABLES, IMAGES):
        for method in METHODS:
            found = step_ratio(s, method, 6 if quick else s.rounds)
            results["step"][f"{s.name}, {method}"] = found
            print(f"step, {s.name}, {method}: {found['ms_per_step']} ms")
            show(found["ratio"])
    for method in METHODS:
        found = whole(TABLES, method, 5, 2 if quick else 9)
        results["whole"][method] = found
        print(f"whole training, {TABLES.name}, {method}: {found['steps']} steps, {found['seconds']} s")
        show(found["ratio"])
    for method in METHODS:
        found = stacked(TABLES, method, (1, 8, 32), 2 if quick else 5)
        results["stacked"][method] = found
        print(f"stacked, {TABLES.name}, {method}: ms per model and step (ratio to one model)")
        for e, v in found.items():
            r = v["against_one"]
            print(
                f"    {e:>3s} models {v['ms_per_model_step']:.3f}  "
                f"{r['median']:.2f} ({r['quartile_low']:.2f} to {r['quartile_high']:.2f})"
            )
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(
            f"written: {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}"
        )


def machine() -> dict:
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    packages = {k: version(k) for k in ("counterpoint", "torch", "numpy")}
    return {"cpu": cpu, "python": platform.python_version(), "packages": packages, "threads": 1}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
