"""Training under Lightning: for data that stream, several devices and a user's own callbacks.

The options mean what they mean in `training.population`, which is faster for data that fit in memory.
"""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from counterpoint.batch import Batch, real
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.seeds import generator
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Progress, Sums

# Warnings that nobody here can act on.
_IDLE = (".*LeafSpec.* is deprecated", "You defined a `validation_step` but", "Total length of")


def moved(batch: Any, names: tuple[str, ...], device: torch.device, dtype: torch.dtype) -> Batch:
    """Return what a loader gave as a batch on a device, its real values in the trainer's precision."""
    pair = (batch.x, batch.mask) if isinstance(batch, Batch) else batch
    if not isinstance(pair, (tuple, list)) or [set(d) for d in pair] != [set(names)] * 2:
        wanted = ", ".join(names)
        raise InputError(f"a loader gave no Batch or (x, mask) with the modalities {wanted}; let it do so.")
    x, mask = ({k: d[k].to(device) for k in names} for d in pair)
    told = batch.covariates if isinstance(batch, Batch) else None
    told = None if told is None else told.to(device, dtype)
    return Batch({k: real(v, dtype) for k, v in x.items()}, mask, told)


def _means(parts: Mapping[str, tuple[Sums, list[int]]], strategy: Any) -> dict[str, float]:
    """Return the means over an epoch's rows, those of all devices together."""
    now: dict[str, float] = {}
    for part, (sums, rows) in parts.items():
        for k, v in sums.mean(1).items() if rows else ():
            both = strategy.reduce(torch.stack([v[0], v.new_tensor(sum(rows))]), reduce_op="sum")
            now[f"{part}/{k}"] = (both[0] / both[1]).item()
    return now


def _refuse_what_memory_alone_has(options: TrainOptions) -> None:
    if options.retries:
        raise InputError(
            f"retries is {options.retries}, which the in-memory trainer alone does; for streams leave it out "
            "and lower learning_rate, or set clip."
        )
    if options.ema is not None:
        raise InputError(
            f"ema is {options.ema:g}, which the in-memory trainer alone keeps; for streams pass "
            "lightning.pytorch.callbacks.EMAWeightAveraging in callbacks=[...]."
        )


def _steps(batches: float, options: TrainOptions) -> int:
    """Return the steps of an epoch, 0 where nobody needs to know."""
    if batches != float("inf"):
        return int(batches)
    if options.moves:
        raise InputError(
            "warmup and decay count in epochs, and the loader does not say how long one is; give it a "
            "length, or a constant learning rate."
        )
    return 0


def lightning_module(
    model: MultimodalVAE,
    options: TrainOptions,
    seed: int = 0,
    each_epoch: Callable[[Progress], None] | None = None,
) -> Any:
    """Return a `LightningModule` that trains the model, keeps `progress` and ends with the best state."""
    from lightning.pytorch import LightningModule

    _refuse_what_memory_alone_has(options)

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.progress = model.to(dtype=options.dtype), Progress()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=options.learning_rate, fused=True)

        def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Batch:
            return moved(batch, model.names, device, options.dtype)

        def on_train_start(self) -> None:
            self.steps = _steps(self.trainer.num_training_batches, options)

        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            for group in optimizer.param_groups if options.moves else ():
                group["lr"] = options.rate(self.global_step, self.steps)

        def _noise(self, *use: str | int) -> torch.Generator:
            rank = (self.global_rank,) if self.trainer.world_size > 1 else ()
            return generator(seed, *use, *rank, device=self.device)

        def on_train_epoch_start(self) -> None:
            for modality in model.modalities:
                modality.network_dtype = options.network_dtype(self.device)
            self.started, self.noise = time.perf_counter(), self._noise("noise", self.progress.epoch)
            self.sums: dict[str, tuple[Sums, list[int]]] = {"train": (Sums(), []), "validation": (Sums(), [])}

        def on_validation_epoch_start(self) -> None:
            self.same_noise = self._noise("validation")

        def _loss(
            self, part: str, batch: Batch, noise: torch.Generator, hyper: dict[str, float]
        ) -> torch.Tensor:
            loss = self.model(batch, model.noise(batch.rows, noise, options.dtype), hyper)
            self.sums[part][0].add(loss.total, loss.terms)
            self.sums[part][1].append(batch.rows)
            return loss.total.mean()

        def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
            return self._loss("train", batch, self.noise, model.method.at(self.global_step))

        def validation_step(self, batch: Batch, batch_idx: int) -> None:
            self._loss("validation", batch, self.same_noise, model.method.final())

        def on_train_epoch_end(self) -> None:  # after the validation
            p, now = self.progress, _means(self.sums, self.trainer.strategy)
            p.step, seconds = self.global_step, time.perf_counter() - self.started
            where = {k: s.trouble[0].said(k, "its rows") for k, (s, _) in self.sums.items() if s.trouble}
            told = where.get("train") or where.get("validation")
            if p.close_epoch(now, model.method.at(p.step), seconds, options, where=told):
                self.best = [v.detach().clone() for v in self.parameters()]
            self.log_dict(now, sync_dist=True)
            p.refuse_divergence(options.learning_rate)
            if each_epoch is not None:
                each_epoch(p)
            self.trainer.should_stop = p.stopped

        @torch.no_grad()
        def on_fit_end(self) -> None:
            if not self.progress.epoch:
                raise InputError("the training loader yielded no batch; give one that does, in every epoch.")
            for parameter, best in zip(self.parameters(), self.best, strict=True):
                parameter.copy_(best)

    return Module()


class _Batches(list):  # type: ignore[type-arg]
    """Batches as one loader; Lightning takes a plain list for several loaders."""


def _one(loader: Iterable[Any] | None) -> Any:
    return _Batches(loader) if isinstance(loader, (list, tuple)) else loader


def fit_stream(
    model: MultimodalVAE,
    train_loader: Iterable[Any],
    validation_loader: Iterable[Any] | None = None,
    *,
    options: TrainOptions,
    seed: int = 0,
    folder: str | Path | None = None,
    each_epoch: Callable[[Progress], None] | None = None,
    **trainer: Any,
) -> Progress:
    """Train a model on batches that stream; afterwards it holds its best state.

    Order and size of batches are the loaders': `options.batch_size` and `options.validation` do not matter.
    Nothing is printed, and nothing written unless a logger or checkpoints are asked for, then to `folder`.

    Args:
        model: The model, on the device to train on.
        train_loader: Yields `Batch` or (x, mask) of dicts, anew in every epoch.
        validation_loader: The same, for choosing the best epoch; without it the last state is kept.
        options: How to train.
        seed: Of the noise.
        folder: Lightning's `default_root_dir`.
        each_epoch: Called after every epoch.
        **trainer: Further arguments of `lightning.Trainer`, such as `devices=4` or `callbacks=[...]`.

    Raises:
        InputError: If a loader yields something else, or nothing.
        TrainingDivergedError: If a loss term is no longer finite.
    """
    from lightning.pytorch import Trainer

    home, talk = next(model.parameters()).device, logging.getLogger("lightning.pytorch")
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    given = {
        "accelerator": "gpu" if home.type == "cuda" else home.type,
        "devices": 1,
        "num_sanity_val_steps": 0,
        **quiet,
    }
    clip = {"gradient_clip_val": options.clip, "gradient_clip_algorithm": "norm"}
    module, level = lightning_module(model, options, seed, each_epoch), talk.level
    with tempfile.TemporaryDirectory() as nowhere, warnings.catch_warnings():
        for message in _IDLE:
            warnings.filterwarnings("ignore", message)
        talk.setLevel(logging.WARNING)  # its notes on hardware, and its recommendations
        try:
            root = {"default_root_dir": folder or nowhere, "max_epochs": options.epochs}
            Trainer(**{**root, **given, **clip, **trainer}).fit(
                module, _one(train_loader), _one(validation_loader)
            )
        finally:
            talk.setLevel(level)
            model.to(home)
    return module.progress
