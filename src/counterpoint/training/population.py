"""The in-memory trainer: one model, or many of one build in a stack.

Every model is one row of a flat matrix P (E, n); its weights are views of that row, so that one fused Adam
call updates a whole model. One model (E = 1) runs as the ordinary module; more run under `torch.func.vmap`.
Every model has its own seed for initial weights, row order and noise, so it sees in a stack what it would see
alone.

(E counts models here, experts elsewhere.)
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.func import functional_call, vmap

from counterpoint.batch import Batch
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.objectives import Noise
from counterpoint.seeds import generator
from counterpoint.training.bookkeeping import Progress, Sums
from counterpoint.training.options import TrainOptions, split

_CHUNK = 4096  # rows per validation step


class Population:
    """Train models of one build on data held in memory.

    After `run`, the given models hold their best state (their last, without a validation split).

    Args:
        models: Models with the same modules and the same kind of method; hyperparameters may differ.
        x: name -> (N, *event), on the device to train on.
        mask: name -> bool (N,) or (N, *event).
        options: How to train, for all models.
        seeds: One per model.
        learning_rates: One per model; those of the options unless given.

    Raises:
        InputError: If there is no model, the counts differ, or the models differ in their parameters.

    Example:
        >>> from torch import nn
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import mmvm
        >>> from counterpoint.model import Modality
        >>> parts = {"a": Modality(nn.Linear(3, 4), nn.Linear(2, 3), Normal((3,)))}
        >>> model = MultimodalVAE(parts, mmvm(alpha=1.0), latent_dim=2)
        >>> x, mask = {"a": torch.zeros(20, 3)}, {"a": torch.ones(20, dtype=torch.bool)}
        >>> progress = Population([model], x, mask, TrainOptions(epochs=2), seeds=[0]).run()
        >>> progress[0].epoch, sorted(progress[0].history[0])[:3]
        (2, ['alpha', 'beta', 'epoch'])
    """

    def __init__(
        self,
        models: Sequence[MultimodalVAE],
        x: Mapping[str, torch.Tensor],
        mask: Mapping[str, torch.Tensor],
        options: TrainOptions,
        seeds: Sequence[int],
        learning_rates: Sequence[float] | None = None,
    ) -> None:
        rates = list(learning_rates or [options.learning_rate] * len(models))
        if not models or not len(models) == len(seeds) == len(rates):
            raise InputError(
                f"{len(models)} models came with {len(seeds)} seeds and {len(rates)} learning rates; give "
                "one of each per model."
            )
        self.models, self.options, self.seeds = list(models), options, list(seeds)
        self.x, self.mask = dict(x), dict(mask)
        self.device = next(iter(self.x.values())).device
        self.complete = {k for k, v in self.mask.items() if v.all()}  # any rows' mask is that of the first
        self.splits = [split(self._rows(), options.validation, s) for s in seeds]
        self.progress = [Progress() for _ in models]
        self._lay_flat(rates)
        self.best = self.P.detach().clone()
        low = options.network_dtype(self.device)
        for model in self.models:
            for modality in model.modalities:
                modality.network_dtype = low

    def _rows(self) -> int:
        return next(iter(self.x.values())).shape[0]

    def _lay_flat(self, rates: Sequence[float]) -> None:
        """Put every model's parameters into a row of P, their gradients into G; the weights become views."""
        shapes = [[(k, p.shape) for k, p in m.named_parameters()] for m in self.models]
        if any(s != shapes[0] for s in shapes):
            raise InputError("the models differ in their parameters; a stack needs models of one build.")
        for model in self.models:
            model.to(self.device, self.options.dtype)
        rows = [torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in self.models]
        self.P = torch.stack(rows)
        self.G = torch.zeros_like(self.P)
        self._shapes = shapes[0]
        self._sizes = [shape.numel() for _, shape in self._shapes]
        if len(self.models) == 1:
            parts = zip(self.P[0].split(self._sizes), self.G[0].split(self._sizes), strict=True)
            for parameter, (value, grad) in zip(self.models[0].parameters(), parts, strict=True):
                parameter.data, parameter.grad = value.view(parameter.shape), grad.view(parameter.shape)
        else:
            self.P.requires_grad_().grad = self.G
        self.adams = []
        for row, grad, rate in zip(self.P.detach(), self.G, rates, strict=True):
            flat = torch.nn.Parameter(row)
            flat.grad = grad
            self.adams.append(torch.optim.Adam([flat], lr=rate, fused=True))

    def run(self, each_epoch: Callable[["Population"], None] | None = None) -> list[Progress]:
        """Train until every model has stopped; `each_epoch` is called after every epoch.

        Raises:
            TrainingDivergedError: If a loss term of the only model is no longer finite. In a stack such a
                model stops, keeps its best state, and its `error` says why; the others go on.
        """
        while not all(p.stopped for p in self.progress):
            started = time.perf_counter()
            sums = self._train_epoch()
            held = self._validate()
            self._record(sums, held, time.perf_counter() - started)
            if each_epoch is not None:
                each_epoch(self)
        self._hand_back()
        return self.progress

    @property
    def epoch(self) -> int:
        """Finished epochs of the models that still run (or of the last that stopped)."""
        return max(p.epoch for p in self.progress)

    def _train_epoch(self) -> dict[str, torch.Tensor]:
        """Take one pass over every model's training rows; return the summed terms, name -> (E,)."""
        epoch = self.epoch
        noise = [generator(s, "noise", epoch, device=self.device) for s in self.seeds]
        order = []
        for (train, _), s in zip(self.splits, self.seeds, strict=True):
            shuffle = torch.randperm(len(train), generator=generator(s, "order", epoch))
            order.append(train[shuffle])
        rows = torch.stack(order).to(self.device)
        sums = Sums()
        active = [e for e, p in enumerate(self.progress) if not p.stopped]
        for index in rows.split(self.options.batch_size, 1):
            hypers = [m.method.at(p.step) for m, p in zip(self.models, self.progress, strict=True)]
            total, terms = self._losses(index, noise, hypers)
            self.G.zero_()
            total.mean(-1).sum().backward()
            if self.options.clip is not None:
                norm = self.G.norm(dim=1, keepdim=True)
                self.G.mul_((self.options.clip / (norm + 1e-6)).clamp(max=1.0))
            for e in active:
                self.adams[e].step()
                self.progress[e].step += 1
            sums.add(total, terms)
        return sums.mean(rows.shape[1])

    def _losses(
        self, index: torch.Tensor, noise: Sequence[torch.Generator], hypers: Sequence[Mapping[str, float]]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the total (E, B) and the terms, name -> (E, B), for rows `index` (E, B)."""
        count = index.shape[1]
        drawn = [m.noise(count, g, self.options.dtype) for m, g in zip(self.models, noise, strict=True)]
        if len(self.models) == 1:
            x = {k: v.index_select(0, index[0]) for k, v in self.x.items()}
            mask = {
                k: v[:count] if k in self.complete else v.index_select(0, index[0])
                for k, v in self.mask.items()
            }
            loss = self.models[0].loss(Batch(x, mask), drawn[0], hypers[0])
            return loss.total[None], {k: v[None] for k, v in loss.terms.items()}
        flat = index.reshape(-1)
        x = {k: v.index_select(0, flat).view(*index.shape, *v.shape[1:]) for k, v in self.x.items()}
        mask = {k: v.index_select(0, flat).view(*index.shape, *v.shape[1:]) for k, v in self.mask.items()}
        normal, uniform = (torch.stack(n) for n in zip(*drawn, strict=True))
        hyper = {k: self.P.new_tensor([h[k] for h in hypers]) for k in hypers[0]}
        return vmap(self._one)(self._stacked(), x, mask, normal, uniform, hyper)

    def _stacked(self) -> dict[str, torch.Tensor]:
        """Return every parameter as a view of P, name -> (E, *shape)."""
        parts = zip(self._shapes, self.P.split(self._sizes, 1), strict=True)
        return {k: part.view(-1, *shape) for (k, shape), part in parts}

    def _one(
        self, parameters: Any, x: Any, mask: Any, normal: torch.Tensor, uniform: torch.Tensor, hyper: Any
    ) -> tuple[torch.Tensor, Any]:
        loss = functional_call(self.models[0], parameters, (Batch(x, mask), Noise(normal, uniform), hyper))
        return loss.total, dict(loss.terms)

    @torch.no_grad()
    def _validate(self) -> dict[str, torch.Tensor]:
        """Return the mean terms over every model's validation rows.

        At the final hyperparameters, and with the same noise in every epoch.
        """
        rows = torch.stack([v for _, v in self.splits]).to(self.device)
        if not rows.shape[1]:
            return {}
        noise = [generator(s, "validation", device=self.device) for s in self.seeds]
        hypers = [m.method.final() for m in self.models]
        sums = Sums()
        for index in rows.split(_CHUNK, 1):
            sums.add(*self._losses(index, noise, hypers))
        return sums.mean(rows.shape[1])

    def _record(self, sums: dict[str, torch.Tensor], held: dict[str, torch.Tensor], seconds: float) -> None:
        """Write the epoch into every running model's history, keep its best state, see whether it stops."""
        values = {f"train/{k}": v.tolist() for k, v in sums.items()}
        values |= {f"validation/{k}": v.tolist() for k, v in held.items()}
        sound = torch.isfinite(self.P.detach()).all(1).tolist()
        for e, p in enumerate(self.progress):
            if p.stopped:
                continue
            now = {k: v[e] for k, v in values.items()}
            if p.close_epoch(now, self.models[e].method.at(p.step), seconds, self.options, sound[e]):
                self.best[e].copy_(self.P[e].detach())
            if len(self.models) == 1:
                p.refuse_divergence(self.options.learning_rate)

    def _hand_back(self) -> None:
        """Leave every model holding its best state, in tensors of its own."""
        for e, model in enumerate(self.models):
            at = 0
            for parameter in model.parameters():
                size = parameter.numel()
                parameter.data = self.best[e, at : at + size].view(parameter.shape).clone()
                parameter.grad = None
                at += size

    def state(self, e: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        """Return what model e needs for an exact resume: tensors, and text for the file's header.

        Row order and noise are derived from the seed and the epoch, so the position is all there is to them.
        """
        tensors, progress = self.snapshot(e)
        return tensors, self.position(progress, e)

    def position(self, progress: Progress, e: int = 0) -> dict[str, str]:
        """Return a position of model e as text."""
        return {"progress": json.dumps(vars(progress)), "seed": str(self.seeds[e])}

    def snapshot(self, e: int = 0) -> tuple[dict[str, torch.Tensor], Progress]:
        """Return the tensors of `state` and the position, as they are now: training may go on meanwhile."""
        moments = next(iter(self.adams[e].state.values()), {})
        tensors = {
            "last": self.P[e].detach(),
            "best": self.best[e],
            **{f"adam.{k}": v for k, v in moments.items()},
        }
        progress = replace(self.progress[e], history=list(self.progress[e].history))
        return {k: v.clone().cpu() for k, v in tensors.items()}, progress

    def restore(self, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str], e: int = 0) -> None:
        """Continue model e from what `state` returned.

        Raises:
            InputError: If the state is of another model or seed.
        """
        if tensors["last"].shape != self.P[e].shape or text["seed"] != str(self.seeds[e]):
            raise InputError(
                "the checkpoint is of another model or seed; resume with the same configuration and data."
            )
        with torch.no_grad():
            self.P[e].copy_(tensors["last"])
            self.best[e].copy_(tensors["best"])
        flat = self.adams[e].param_groups[0]["params"][0]
        moments = {k.removeprefix("adam."): v.clone() for k, v in tensors.items() if k.startswith("adam.")}
        if moments:
            self.adams[e].state[flat] = {
                k: v if k == "step" else v.to(self.device) for k, v in moments.items()
            }
        self.progress[e] = Progress(**json.loads(text["progress"]))
