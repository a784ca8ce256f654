"""A whole fit on PolyMNIST on a GPU, and its scores."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gpu_common import ENDLESS, GFLOP, Bench, release, seconds, short, told
from gpu_ladder import BEST, COMPILED, LADDER, Ours, pictures
from gpu_task import Task
from torch import Tensor, nn

from counterpoint.model import MultimodalVAE
from counterpoint.seeds import generator
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population


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
            seen = inference.reconstruct(model, given.given((s,)), t, draws=1, noise=g)
            line.append(accuracy(oracles[t], seen.permute(0, 3, 1, 2), sets.test_labels))
        own = inference.reconstruct(model, given, s, draws=0, noise=g)
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
