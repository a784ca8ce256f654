"""The weights of several models as rows of one matrix, each row with an Adam of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.training.options import TrainOptions


@dataclass
class _Group:
    """Tensors that one fused call of Adam updates in place, and their learning rate.

    `torch.optim.Adam` makes the same call, after as much time in Python as a small model's gradients take.
    """

    leader: int  # the row that decides about the rate
    rate: float | torch.Tensor
    values: list[torch.Tensor]
    grads: list[torch.Tensor]
    first: list[torch.Tensor]
    second: list[torch.Tensor]
    steps: list[torch.Tensor]

    def descend(self) -> None:
        """Take a step, with torch's default betas and epsilon."""
        torch._fused_adam_(  # type: ignore[attr-defined]
            self.values,
            self.grads,
            self.first,
            self.second,
            [],
            self.steps,
            lr=self.rate,  # type: ignore[arg-type]
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


class Weights:
    """Parameters of E models of one build, one row each, so that whole models are updated, kept and dropped.

    If not stacked, the module's parameters are views of its row. Else `stacked` are what `vmap`
    differentiates: views of P too. Models that share a learning rate are updated by one fused call.
    Parameters that require no gradient stay what they are.

    Args:
        models: Models with the same parameters; they are moved to the device.
        options: One per model.
        steps: Optimiser steps of an epoch, which scheduled learning rates count in.
        device: Where to train.
        stacked: Whether the models run under `vmap`; if not, there is one.
        graphed: Whether steps are captured: what moves from step to step then lies on the device.

    Raises:
        InputError: If the models differ in their parameters, or none of these may move.
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
        shapes = [[(k, p.shape, p.requires_grad) for k, p in m.named_parameters()] for m in models]
        if any(s != shapes[0] for s in shapes):
            raise InputError("the models differ in their parameters; a stack needs models of one build.")
        for model, own in zip(models, options, strict=True):
            model.to(device, own.dtype)
        self._models, self._options, self._steps = list(models), list(options), steps
        self._together, self._graphed = stacked, graphed
        self._shapes, self._moves = [s[:2] for s in shapes[0]], [s[2] for s in shapes[0]]
        if not any(self._moves):
            raise InputError("no parameter requires a gradient, so there is nothing to train; free some.")
        self._sizes = [shape.numel() for _, shape in self._shapes]
        rows = [torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in models]
        values = torch.stack(rows)
        means = values.clone() if any(o.ema is not None for o in options) else None
        moments = {
            "step": torch.zeros(len(models), dtype=torch.float32, device=device),
            "exp_avg": torch.zeros_like(values),
            "exp_avg_sq": torch.zeros_like(values),
        }
        self._lay(values, values.clone(), means, moments, [0] * len(models))

    def _lay(
        self,
        values: torch.Tensor,
        best: torch.Tensor,
        mean: torch.Tensor | None,
        moments: dict[str, torch.Tensor],
        taken: Sequence[int],
    ) -> None:
        """Take up weights and Adam's state: the moments (E, n), and the steps behind them (E,)."""
        self.P, self.best, self.mean, self._moments = values, best, mean, moments
        self.stacked = self._views(values) if self._together else {}
        if not self._together:
            views = self._views(values).values()
            for parameter, value in zip(self._models[0].parameters(), views, strict=True):
                parameter.data = value[0]
        leaves = self.stacked.values() if self._together else self._models[0].parameters()
        self._leaves = [leaf.requires_grad_() for leaf in self._moving(leaves)]
        limits = [o.clip if o.clip is not None else float("inf") for o in self._options]
        self._limits = values.new_tensor(limits)[:, None] if min(limits) < float("inf") else None
        self._keeps = values.new_tensor([o.ema or 0.0 for o in self._options])[:, None]
        self._young = torch.ones_like(self._keeps)
        self._direct = not self._together and self._limits is None
        self.G = values.new_empty((1, 0)) if self._direct else torch.zeros_like(values)
        self._groups = [self._parameters()] if self._direct else self._rows(taken)

    def _parameters(self) -> _Group:
        """One model, nothing to clip: Adam takes gradients as autograd hands them over, without a copy."""
        state = self._moments
        first, second = (self._moving(self._views(state[k]).values()) for k in ("exp_avg", "exp_avg_sq"))
        return _Group(
            leader=0,
            rate=self._rate(self._options[0].learning_rate),
            values=self._leaves,
            grads=[],
            first=[v[0] for v in first],
            second=[v[0] for v in second],
            steps=[state["step"][0]] * len(self._leaves),
        )

    def _rows(self, taken: Sequence[int]) -> list[_Group]:
        """Adam takes whole rows; models of one learning rate and position form a group."""
        grads = self._moving(self._views(self.G).values())
        self._grads = grads if self._together else [g[0] for g in grads]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for e, (own, at) in enumerate(zip(self._options, taken, strict=True)):
            where = (own.warmup, own.decay, own.epochs, at) if own.moves else ()
            groups.setdefault((own.learning_rate, *where), []).append(e)
        return [
            _Group(
                leader=places[0],
                rate=self._rate(key[0]),
                values=[self.P[e] for e in places],
                grads=[self.G[e] for e in places],
                first=[self._moments["exp_avg"][e] for e in places],
                second=[self._moments["exp_avg_sq"][e] for e in places],
                steps=[self._moments["step"][e] for e in places],
            )
            for key, places in groups.items()
        ]

    def _rate(self, value: float) -> float | torch.Tensor:
        """Return a learning rate as Adam takes it; its kernels on a GPU read single precision."""
        if not self._graphed:
            return value
        dtype = torch.float32 if self.P.is_cuda else torch.float64
        return torch.full((), value, dtype=dtype, device=self.P.device)

    def _views(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return every parameter as a view of rows (E, n), name -> (E, *shape)."""
        split = rows.split(self._sizes, 1)
        return {k: part.view(-1, *shape) for (k, shape), part in zip(self._shapes, split, strict=True)}

    def _moving(self, of: Iterable[torch.Tensor]) -> list[torch.Tensor]:
        """Return what belongs to parameters that move, of one tensor a parameter."""
        # The others have gradients and moments of 0; Adam and a running mean then change not one bit.
        return [v for v, moves in zip(of, self._moves, strict=True) if moves]

    def step(self, total: torch.Tensor, taken: Sequence[int]) -> None:
        """Take one step of every model down the mean of its rows' losses.

        Args:
            total: (B,) or (E, B).
            taken: Steps that each model has taken so far.
        """
        self.set_rates(taken)
        self.descend(total)

    def set_rates(self, taken: Sequence[int]) -> None:
        """Set what moves with the steps that each model has taken: learning rates, shares of the means."""
        for group in self._groups:
            e = group.leader
            if self._options[e].moves:
                rate = self._options[e].rate(taken[e], self._steps)
                group.rate = group.rate.fill_(rate) if isinstance(group.rate, torch.Tensor) else rate
        if self.mean is not None:
            # A mean that starts at the initial weights would remember them: it starts as a plain one.
            young = torch.tensor([[(t + 1) / (t + 10)] for t in taken], dtype=self.P.dtype)
            self._young.copy_(young, non_blocking=True)

    def descend(self, total: torch.Tensor) -> None:
        """Take one step down the rows' losses with the rates that are set; no number leaves the device."""
        share = torch.full_like(total, 1 / total.shape[-1])  # of a row in its model's mean
        found = torch.autograd.grad(total, self._leaves, share, allow_unused=True)
        if self._direct:
            # Fused kernels go through memory: a convolution's gradient may have its channels last there.
            self._groups[0].grads = [
                torch.zeros_like(leaf) if grad is None else grad.contiguous()
                for leaf, grad in zip(self._leaves, found, strict=True)
            ]
        else:  # one pass over what autograd hands over, instead of clearing rows and adding to them
            for row, grad in zip(self._grads, found, strict=True):
                row.zero_() if grad is None else row.copy_(grad)
        if self._limits is not None:
            norm = self.G.norm(dim=1, keepdim=True)
            self.G.mul_((self._limits / (norm + 1e-6)).clamp(max=1.0))
        self._moments["step"] += 1
        with torch.no_grad():
            for group in self._groups:
                group.descend()
        if self.mean is not None:
            self.mean.lerp_(self.P, 1 - torch.minimum(self._keeps, self._young))

    def remember(self) -> Callable[[], None]:
        """Return a function that puts weights, means and moments back as they are now, in their places."""
        places = [self.P, *self._moments.values(), *([] if self.mean is None else [self.mean])]
        before = [v.clone() for v in places]

        def back() -> None:
            with torch.no_grad():
                for place, value in zip(places, before, strict=True):
                    place.copy_(value)

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
        moments = {k: v[chosen] for k, v in self._moments.items()}
        self._models = [self._models[e] for e in chosen]
        self._options = [self._options[e] for e in chosen]
        mean = None if self.mean is None else self.mean[chosen]
        self._lay(self.P[chosen], self.best[chosen], mean, moments, [taken[e] for e in chosen])

    def state(self, e: int) -> dict[str, torch.Tensor]:
        """Return all tensors of row e: weights, best weights, mean and moments; not copied."""
        mean = {} if self.mean is None else {"mean": self.mean[e]}
        moments = {f"adam.{k}": v[e] for k, v in self._moments.items()}
        return {"last": self.P[e], "best": self.best[e], **mean, **moments}

    def restore(
        self,
        states: Mapping[int, Mapping[str, torch.Tensor]],
        taken: Sequence[int],
        options: Sequence[TrainOptions],
    ) -> None:
        """Take up rows from what `state` returned, place -> tensors; all go on with these options.

        Raises:
            InputError: If one is of another model.
        """
        values, self._options = self.P, list(options)
        for e, tensors in states.items():
            if tensors["last"].shape != values[e].shape or ("mean" in tensors) != (self.mean is not None):
                raise InputError(
                    "the checkpoint is of another model or seed; resume with the same configuration and data."
                )
            values[e].copy_(tensors["last"])
            self.best[e].copy_(tensors["best"])
            if self.mean is not None:
                self.mean[e].copy_(tensors["mean"])
            for k, rows in self._moments.items():
                rows[e].copy_(tensors[f"adam.{k}"])
        self._lay(values, self.best, self.mean, self._moments, taken)
