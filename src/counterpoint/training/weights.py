"""The weights of several models as rows of one matrix, each row with an Adam of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.training.options import TrainOptions


class Weights:
    """Parameters of E models of one build, one row each, so that whole models are updated, kept and dropped.

    If not stacked, the module's parameters are views of its row. Else `stacked` are what `vmap`
    differentiates: views of P too. Models that share a learning rate are updated by one fused call.

    Args:
        models: Models with the same parameters; they are moved to the device.
        options: One per model.
        steps: Optimiser steps of an epoch, which scheduled learning rates count in.
        device: Where to train.
        stacked: Whether the models run under `vmap`; if not, there is one.
        graphed: Whether steps are captured: what moves from step to step then lies on the device.

    Raises:
        InputError: If the models differ in their parameters.
    """

    P: torch.Tensor  # (E, n)
    G: torch.Tensor  # (E, n), their gradients; (1, 0) where Adam takes them directly
    best: torch.Tensor  # (E, n), the best so far
    mean: torch.Tensor | None  # (E, n), running means, if any model keeps one

    def __init__(
        self,
        models: Sequence[MultimodalVAE],
        options: Sequence[TrainOptions],
        steps: int,
        device: torch.device,
        stacked: bool,
        graphed: bool = False,
    ) -> None:
        shapes = [[(k, p.shape) for k, p in m.named_parameters()] for m in models]
        if any(s != shapes[0] for s in shapes):
            raise InputError("the models differ in their parameters; a stack needs models of one build.")
        for model, own in zip(models, options, strict=True):
            model.to(device, own.dtype)
        self._models, self._options, self._steps = list(models), list(options), steps
        self._together, self._graphed = stacked, graphed
        self._shapes = shapes[0]
        self._sizes = [shape.numel() for _, shape in self._shapes]
        rows = [torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in models]
        values = torch.stack(rows)
        means = values.clone() if any(o.ema is not None for o in options) else None
        self._lay(values, values.clone(), means, [{} for _ in models], [0] * len(models))

    def _lay(
        self,
        values: torch.Tensor,
        best: torch.Tensor,
        mean: torch.Tensor | None,
        moments: Sequence[Mapping[str, torch.Tensor]],
        taken: Sequence[int],
    ) -> None:
        """Take up weights and moments."""
        self.P, self.best, self.mean = values, best, mean
        self.stacked = self._views(values) if self._together else {}
        self._leaves: list[torch.Tensor] = list(self.stacked.values())
        for leaf in self._leaves:
            leaf.requires_grad_()
        if not self._leaves:
            self._leaves = list(self._models[0].parameters())
            for parameter, value in zip(self._leaves, self._views(values).values(), strict=True):
                parameter.data = value[0]
        limits = [o.clip if o.clip is not None else float("inf") for o in self._options]
        self._limits = values.new_tensor(limits)[:, None] if min(limits) < float("inf") else None
        keeps = [o.ema if o.ema is not None else 0.0 for o in self._options]
        self._keeps = values.new_tensor(keeps)[:, None]
        self._young = torch.ones_like(self._keeps)
        self._direct = not self._together and self._limits is None
        if self._direct:
            self._lay_direct(moments[0])
        else:
            self._lay_rows(moments, taken)

    def _lay_direct(self, moments: Mapping[str, torch.Tensor]) -> None:
        """One model, nothing to clip: Adam takes gradients as autograd hands them over, without a copy.

        Its moments are views of two rows, so that the state is that of a row.
        """
        row = self.P[0]
        self.G = row.new_empty((1, 0))
        step = moments.get("step", torch.zeros((), dtype=torch.float32, device=row.device))
        zero = torch.zeros_like(row)
        self._row = {k: moments.get(k, zero).clone() for k in ("exp_avg", "exp_avg_sq")}
        rate = self._rate(self._options[0].learning_rate)
        capturable = self._graphed and row.is_cuda
        self._adam = torch.optim.Adam(
            [{"params": self._leaves, "lr": rate}], fused=True, capturable=capturable
        )
        self._leaders = [0]
        first, second = (self._views(self._row[k][None]).values() for k in ("exp_avg", "exp_avg_sq"))
        for leaf, m, v in zip(self._leaves, first, second, strict=True):
            self._adam.state[leaf] = {"step": step.clone(), "exp_avg": m[0], "exp_avg_sq": v[0]}

    def _lay_rows(self, moments: Sequence[Mapping[str, torch.Tensor]], taken: Sequence[int]) -> None:
        """Adam takes whole rows; models of one learning rate and position form a group."""
        self.G = torch.zeros_like(self.P)
        grads = self._views(self.G).values()
        self._grads = list(grads) if self._together else [g[0] for g in grads]
        self._rows = [torch.nn.Parameter(row) for row in self.P]
        groups: dict[tuple[Any, ...], list[torch.nn.Parameter]] = {}
        for row, grad, own, at in zip(self._rows, self.G, self._options, taken, strict=True):
            row.grad = grad
            where = (own.warmup, own.decay, own.epochs, at) if own.moves else ()
            groups.setdefault((own.learning_rate, *where), []).append(row)
        given = [{"params": v, "lr": self._rate(k[0])} for k, v in groups.items()]
        self._adam = torch.optim.Adam(given, fused=True, capturable=self._graphed and self.P.is_cuda)
        first = {id(row): e for e, row in enumerate(self._rows)}
        self._leaders = [first[id(rows[0])] for rows in groups.values()]
        for row, state in zip(self._rows, moments, strict=True):
            if state:
                self._adam.state[row] = dict(state)

    def _moments(self, e: int) -> dict[str, torch.Tensor]:
        """Return Adam's state of row e; empty before its first step."""
        if not self._direct:
            return self._adam.state.get(self._rows[e], {})
        step = self._adam.state[self._leaves[0]]["step"]
        return {**self._row, "step": step} if step else {}

    def _rate(self, value: float) -> float | torch.Tensor:
        """Return a learning rate as Adam takes it; its kernels on a GPU read single precision."""
        if not self._graphed:
            return value
        dtype = torch.float32 if self.P.is_cuda else torch.float64
        return torch.full((), value, dtype=dtype, device=self.P.device)

    def _views(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return every parameter as a view of rows (E, n), name -> (E, *shape)."""
        parts = zip(self._shapes, rows.split(self._sizes, 1), strict=True)
        return {k: part.view(-1, *shape) for (k, shape), part in parts}

    def step(self, loss: torch.Tensor, taken: Sequence[int]) -> None:
        """Take one step down a loss, the sum of the models' own.

        Args:
            loss: ().
            taken: Steps that each model has taken so far.
        """
        self.set_rates(taken)
        self.descend(loss)

    def set_rates(self, taken: Sequence[int]) -> None:
        """Set what moves with the steps that each model has taken: learning rates, shares of the means."""
        for group, e in zip(self._adam.param_groups, self._leaders, strict=True):
            if self._options[e].moves:
                rate = self._options[e].rate(taken[e], self._steps)
                group["lr"] = group["lr"].fill_(rate) if self._graphed else rate
        if self.mean is not None:
            # A mean that starts at the initial weights would remember them: it starts as a plain one.
            young = torch.tensor([[(t + 1) / (t + 10)] for t in taken], dtype=self.P.dtype)
            self._young.copy_(young, non_blocking=True)

    def descend(self, loss: torch.Tensor) -> None:
        """Take one step down a loss () with the rates that are set; no number leaves the device."""
        found = torch.autograd.grad(loss, self._leaves, allow_unused=True)
        if self._direct:
            for leaf, grad in zip(self._leaves, found, strict=True):
                # Fused kernels go through memory: a convolution's gradient may have its channels last there.
                leaf.grad = torch.zeros_like(leaf) if grad is None else grad.contiguous()
        else:  # one pass over what autograd hands over, instead of clearing rows and adding to them
            for row, grad in zip(self._grads, found, strict=True):
                row.zero_() if grad is None else row.copy_(grad)
        if self._limits is not None:
            norm = self.G.norm(dim=1, keepdim=True)
            self.G.mul_((self._limits / (norm + 1e-6)).clamp(max=1.0))
        self._adam.step()
        if self.mean is not None:
            self.mean.lerp_(self.P, 1 - torch.minimum(self._keeps, self._young))

    def remember(self) -> Callable[[], None]:
        """Return a function that puts weights, means and moments back as they are now, in their places."""
        values, mean = self.P.clone(), None if self.mean is None else self.mean.clone()
        owners = [p for group in self._adam.param_groups for p in group["params"]]
        moments = [{k: v.clone() for k, v in self._adam.state.get(p, {}).items()} for p in owners]

        @torch.no_grad()
        def back() -> None:
            self.P.copy_(values)
            if self.mean is not None and mean is not None:
                self.mean.copy_(mean)
            for owner, before in zip(owners, moments, strict=True):
                for k, v in self._adam.state[owner].items():
                    v.copy_(before[k]) if before else v.zero_()

        return back

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within, P holds what would be kept now: the means where there are some, else the weights."""
        if self.mean is None:
            yield
            return
        last = self.P.clone()
        with torch.no_grad():
            self.P.copy_(self.mean)
        try:
            yield
        finally:
            with torch.no_grad():
                self.P.copy_(last)

    def keep_best(self, e: int) -> None:
        """Take row e as its best so far."""
        self.best[e].copy_((self.P if self.mean is None else self.mean)[e])

    def hand_back(self, e: int) -> None:
        """Leave model e holding its best state, in tensors of its own."""
        parts = self.best[e].split(self._sizes)
        for parameter, value in zip(self._models[e].parameters(), parts, strict=True):
            parameter.data, parameter.grad = value.view(parameter.shape).clone(), None

    def select(self, places: Sequence[int], taken: Sequence[int]) -> None:
        """Go on with these rows alone."""
        chosen = list(places)
        moments = [self._moments(e) for e in chosen]
        self._models = [self._models[e] for e in chosen]
        self._options = [self._options[e] for e in chosen]
        mean = None if self.mean is None else self.mean[chosen]
        self._lay(self.P[chosen], self.best[chosen], mean, moments, [taken[e] for e in chosen])

    def state(self, e: int) -> dict[str, torch.Tensor]:
        """Return all tensors of row e: weights, best weights, mean and moments; not copied."""
        moments = self._moments(e)
        mean = {} if self.mean is None else {"mean": self.mean[e]}
        return {
            "last": self.P[e],
            "best": self.best[e],
            **mean,
            **{f"adam.{k}": v for k, v in moments.items()},
        }

    def restore(self, states: Mapping[int, Mapping[str, torch.Tensor]], taken: Sequence[int]) -> None:
        """Take up rows from what `state` returned, place -> tensors.

        Raises:
            InputError: If one is of another model.
        """
        moments = [self._moments(e) for e in range(len(self.P))]
        values = self.P
        for e, tensors in states.items():
            if tensors["last"].shape != values[e].shape or ("mean" in tensors) != (self.mean is not None):
                raise InputError(
                    "the checkpoint is of another model or seed; resume with the same configuration and data."
                )
            values[e].copy_(tensors["last"])
            self.best[e].copy_(tensors["best"])
            if self.mean is not None:
                self.mean[e].copy_(tensors["mean"])
            given = {k.removeprefix("adam."): v for k, v in tensors.items() if k.startswith("adam.")}
            moments[e] = {k: v.clone().to(values.device) for k, v in given.items()}
        self._lay(values, self.best, self.mean, moments, taken)
