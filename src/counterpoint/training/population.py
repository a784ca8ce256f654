"""The in-memory trainer: one model, or many of one build in a stack.

Every model is one row of a flat matrix P (E, n), see `weights`. One model alone runs as the ordinary
module; a stack runs under `torch.func.vmap`. Every model has its own seed for initial weights, row order and
noise, so it sees in a stack what it would see alone. Models that have stopped leave the stack.

(E counts models here, experts elsewhere.)
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.func import functional_call, vmap

from counterpoint.batch import Batch, real
from counterpoint.model import MultimodalVAE
from counterpoint.objectives import Noise
from counterpoint.seeds import generator
from counterpoint.training.bookkeeping import Progress, Sums
from counterpoint.training.graphs import Graph, StepGraph
from counterpoint.training.options import TrainOptions, check_stack, splits
from counterpoint.training.pairs import Pairs
from counterpoint.training.shifts import parts, start_shifts
from counterpoint.training.states import States
from counterpoint.training.weights import Weights

_CHUNK = 4096  # rows per validation step


class Population(States):
    """Train models of one build on data held in memory.

    After `run`, the given models hold their best state (their last, without a validation split).

    Args:
        models: Models with the same modules and the same kind of method; hyperparameters may differ.
        x: name -> (N, *event), on the device to train on; bytes are pictures, read as 255ths.
        mask: name -> bool (N,) or (N, *event).
        options: How to train, for all models, or one for each; see `options.OWN` for what may differ.
        seeds: One per model.
        stacked: Whether to run under `vmap`; several models do, one does not unless it is said. A model is
            the same alone and in any stack up to rounding.
        graph: Whether to capture the step in a CUDA graph, or how; see `training.graphs`.
        codes: (N,), of rows that are paired anew in every epoch, see `training.pairs`; None for fixed rows.
        blocks: (N,), of rows that stay on one side of the validation split; None for rows one by one.
        covariates: (N, C), what encoders and decoders are told of the rows; None for nothing.

    Raises:
        InputError: If there is no model, the counts differ, or the models differ in their parameters, their
            method or what the options of a stack must share; if `graph` is asked for and there is no GPU.

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
        options: TrainOptions | Sequence[TrainOptions],
        seeds: Sequence[int],
        *,
        stacked: bool = False,
        graph: bool | Graph = False,
        codes: torch.Tensor | None = None,
        blocks: torch.Tensor | None = None,
        covariates: torch.Tensor | None = None,
    ) -> None:
        each = [options] * len(models) if isinstance(options, TrainOptions) else list(options)
        check_stack(models, each, seeds)
        self.models, self.options, self.seeds = list(models), each, list(seeds)
        self._given = list(each)
        self.x, self.mask, self.covariates = dict(x), dict(mask), covariates
        self.device = next(iter(self.x.values())).device
        self._graph = StepGraph(self, Graph() if graph is True else graph) if graph else None
        self.pairs = None if codes is None else Pairs(codes, list(self.x), self.device)
        self.complete = {k for k, v in self.mask.items() if v.all()}  # any rows' mask is that of the first
        self.splits = splits(len(next(iter(self.x.values()))), each[0].validation, seeds, blocks)
        self.progress = [Progress() for _ in models]
        self.running = list(range(len(models)))  # the models of the rows
        low = each[0].network_dtype(self.device)
        for modality in (modality for model in models for modality in model.modalities):
            modality.network_dtype = low
        if covariates is not None:
            start_shifts(self.models, parts(self.x, self.mask, covariates))
        steps = -(-len(self.splits[0][0]) // each[0].batch_size)
        self.stacked = stacked or len(models) > 1
        self.weights = Weights(models, each, steps, self.device, self.stacked, self._graph is not None)

    def run(
        self,
        each_epoch: Callable[["Population"], None] | None = None,
        each_stop: Callable[["Population", int], None] | None = None,
    ) -> list[Progress]:
        """Train until every model has stopped.

        Args:
            each_epoch: Called after every epoch.
            each_stop: Called with a model's place after it has stopped; it holds its best state then.

        Raises:
            TrainingDivergedError: If a loss term of a model that trains alone is no longer finite, no retry
                is left and nobody is told of stops. Else such a model stops, and its `error` says why. It
                holds its best state either way.
        """
        self._drop_stopped(each_stop)  # of a checkpoint
        while self.running:
            started, before = time.perf_counter(), self._before()
            sums, where = self._train_epoch()
            with self.weights.kept():
                held, there = self._validate()
            self._record(sums, held, {**there, **where}, time.perf_counter() - started)
            self._go_back(before)
            if len(self.models) == 1 and each_stop is None and self.progress[0].error is not None:
                self._drop_stopped(None)
                self.progress[0].refuse_divergence(self.options[0].learning_rate)
            if each_epoch is not None:
                each_epoch(self)
            self._drop_stopped(each_stop)
        return self.progress

    def _drop_stopped(self, each_stop: Callable[["Population", int], None] | None) -> None:
        """Let the models that have stopped leave the stack, each with its best state."""
        left = [e for e in self.running if not self.progress[e].stopped]
        if len(left) == len(self.running):
            return
        gone = [e for e in self.running if self.progress[e].stopped]
        for e in gone:
            self.weights.hand_back(self.running.index(e))
        if left:
            self.weights.select([self.running.index(e) for e in left], self.taken())
        self.running = left
        for e in gone if each_stop is not None else ():
            each_stop(self, e)  # type: ignore[misc]

    @property
    def epoch_of_all(self) -> int:
        """Epochs that the models still in training have behind them, the most of any."""
        return max(self.progress[e].epoch for e in self.running)

    def _train_epoch(self) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
        """Take one pass over every running model's training rows.

        Returns:
            The mean terms, name -> (E,); and place -> where a term was not finite.
        """
        rows, noise = self._order()
        sums = Sums()
        for index in rows.split(self.options[0].batch_size, 1):
            sums.add(*self.step(index, noise))
        return sums.mean(rows.shape[1]), sums.where("train", rows)

    def _order(self) -> tuple[torch.Tensor, list[torch.Generator]]:
        """Return the order of every running model's training rows in this epoch (E, N), and its noise."""
        at = [(self.splits[e][0], self.seeds[e], self.progress[e].epoch) for e in self.running]
        if self.pairs is not None:
            self.pairs.draw(at)
        noise = [generator(seed, "noise", epoch, device=self.device) for _, seed, epoch in at]
        mixed = [torch.randperm(len(t), generator=generator(seed, "order", epoch)) for t, seed, epoch in at]
        order = [train[m] for (train, _, _), m in zip(at, mixed, strict=True)]
        return torch.stack(order).to(self.device), noise

    def first_batch(self) -> tuple[torch.Tensor, list[torch.Generator]]:
        """Return what `step` takes: rows (E, B), and every running model's noise."""
        rows, noise = self._order()
        return rows[:, : self.options[0].batch_size], noise

    def step(
        self, index: torch.Tensor, noise: Sequence[torch.Generator]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Take one optimiser step of every running model on its rows `index` (E, B)."""
        hypers = [self.models[e].method.at(self.progress[e].step) for e in self.running]
        if self._graph is not None and index.shape[1] == self.options[0].batch_size:
            total, terms = self._graph.step(index, noise, hypers)
        else:
            total, terms = self._losses(index, noise, hypers)
            self.weights.step(total, self.taken())
        for e in self.running:
            self.progress[e].step += 1
        return total, terms

    def _losses(
        self, index: torch.Tensor, noise: Sequence[torch.Generator], hypers: Sequence[Mapping[str, float]]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Draw the noise, and return the losses of rows `index` (E, B)."""
        count, dtype = index.shape[1], self.options[0].dtype
        drawn = [self.models[e].noise(count, g, dtype) for e, g in zip(self.running, noise, strict=True)]
        if not self.stacked:
            return self.losses(index, *drawn[0], hypers[0])
        normal, uniform = (torch.stack(n) for n in zip(*drawn, strict=True))
        hyper = {k: self.weights.P.new_tensor([h[k] for h in hypers]) for k in hypers[0]}
        return self.losses(index, normal, uniform, hyper)

    def losses(
        self, index: torch.Tensor, normal: torch.Tensor, uniform: torch.Tensor, hyper: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the total and the terms by name, (B,) for one model and (E, B) for a stack, of rows `index`.

        Noise and hyperparameters are those of one model, or of a stack with (E, ...) in front.
        """
        dtype, flat, count = self.options[0].dtype, index.reshape(-1), index.numel()
        rows = {k: flat if self.pairs is None else self.pairs.rows(k, index) for k in self.x}
        x = {k: real(v.index_select(0, rows[k]), dtype) for k, v in self.x.items()}
        mask = {
            k: v[:count] if k in self.complete and count <= len(v) else v.index_select(0, rows[k])
            for k, v in self.mask.items()
        }
        told = [] if self.covariates is None else [self.covariates.index_select(0, flat)]
        if not self.stacked:
            loss = self.models[self.running[0]].loss(Batch(x, mask, *told), Noise(normal, uniform), hyper)
            return loss.total, dict(loss.terms)
        x, mask = ({k: v.view(*index.shape, *v.shape[1:]) for k, v in d.items()} for d in (x, mask))
        told = [c.view(*index.shape, -1) for c in told]
        return vmap(self._one)(self.weights.stacked, x, mask, normal, uniform, hyper, *told)

    def _one(
        self, parameters: Any, x: Any, mask: Any, normal: Any, uniform: Any, hyper: Any, *told: torch.Tensor
    ) -> tuple[torch.Tensor, Any]:
        batch, noise = Batch(x, mask, *told), Noise(normal, uniform)
        loss = functional_call(self.models[self.running[0]], parameters, (batch, noise, hyper))
        return loss.total, dict(loss.terms)

    @torch.no_grad()
    def _validate(self) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
        """Return the same of the validation rows, with the same noise in every epoch."""
        rows = torch.stack([self.splits[e][1] for e in self.running]).to(self.device)
        if not rows.shape[1]:
            return {}, {}
        noise = [generator(self.seeds[e], "validation", device=self.device) for e in self.running]
        hypers = [self.models[e].method.final() for e in self.running]
        sums = Sums()
        for index in rows.split(_CHUNK, 1):
            sums.add(*self._losses(index, noise, hypers))
        return sums.mean(rows.shape[1]), sums.where("validation", rows)

    def _record(
        self,
        sums: dict[str, torch.Tensor],
        held: dict[str, torch.Tensor],
        where: Mapping[int, str],
        seconds: float,
    ) -> None:
        """Write the epoch into every running model's history, keep its best state, see whether it stops."""
        values = {f"train/{k}": v.tolist() for k, v in sums.items()}
        values |= {f"validation/{k}": v.tolist() for k, v in held.items()}
        sound = self.weights.P.sum(1).isfinite().tolist()  # one pass; a sum of finite weights is finite
        for place, e in enumerate(self.running):
            p, now = self.progress[e], {k: v[place] for k, v in values.items()}
            share = seconds / len(self.running)
            hyper, told = self.models[e].method.at(p.step), where.get(place)
            if p.close_epoch(now, hyper, share, self.options[e], sound[place], told):
                self.weights.keep_best(place)
