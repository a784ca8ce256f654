"""How to train: the same options mean the same in the in-memory trainer and under Lightning."""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from counterpoint.errors import InputError, choose, number, whole
from counterpoint.seeds import generator

if TYPE_CHECKING:
    from counterpoint.model import MultimodalVAE

PRECISIONS = ("float32", "bfloat16", "float64")
DECAYS = ("none", "cosine")


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training run.

    Args:
        epochs: Passes over the training rows, at most.
        batch_size: Rows per step; the last step of an epoch takes what is left.
        learning_rate: Of Adam, above 0; the largest one where it moves.
        warmup: Epochs over which the learning rate rises from 0 to `learning_rate`, at least 0.
        decay: `"none"`, or `"cosine"`: down to 0 at the last of `epochs`.
        ema: Share in [0, 1) of itself that the running mean of the weights keeps at every step; the mean
            is then what is validated and kept. None for no mean.
        clip: Largest norm of a model's gradient, taken after backward; None for no clipping.
        validation: Share of the rows held back to choose the best epoch, in [0, 0.9]; 0 trains on all rows
            and keeps the last state.
        patience: Epochs without a better validation loss after which training stops; None never stops early.
        retries: How often, if a loss is not finite, training goes back to where its epoch began and on with
            half the learning rate, before it gives up; each model of a stack by itself.
        precision: `"float32"`; `"bfloat16"` runs the networks (not the likelihoods or divergences) in
            bfloat16, where the processor has it; `"float64"`.

    Raises:
        InputError: If a value is out of range, or the processor lacks the precision.

    Example:
        >>> TrainOptions(epochs=5).batch_size
        256
        >>> TrainOptions(epochs=0)
        Traceback (most recent call last):
        counterpoint.errors.InputError: epochs is 0; it must be a whole number of at least 1.
    """

    epochs: int = 200
    batch_size: int = 256
    learning_rate: float = 1e-3
    warmup: float = 0.0
    decay: str = "none"
    ema: float | None = None
    clip: float | None = None
    validation: float = 0.1
    patience: int | None = 20
    retries: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        whole("epochs", self.epochs)
        whole("batch_size", self.batch_size)
        number("learning_rate", self.learning_rate, open_=True)
        number("warmup", self.warmup)
        choose("decay", self.decay, DECAYS)
        if self.ema is not None and number("ema", self.ema, most=1.0) == 1.0:
            raise InputError("ema is 1, a mean that never moves; give a share below 1, such as 0.99.")
        if self.clip is not None:
            number("clip", self.clip, open_=True)
        number("validation", self.validation, most=0.9)
        if self.patience is not None:
            whole("patience", self.patience)
        whole("retries", self.retries, least=0)
        choose("precision", self.precision, PRECISIONS)

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of an optimiser step.

        Args:
            step: Steps taken so far.
            steps: Steps of an epoch.

        Example:
            >>> options = TrainOptions(epochs=3, learning_rate=1.0, warmup=1, decay="cosine")
            >>> [round(options.rate(step, 2), 2) for step in range(6)]
            [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
        """
        rising, last = self.warmup * steps, self.epochs * steps
        if step < rising:
            return self.learning_rate * min(1.0, (step + 1) / rising)
        if self.decay == "none":
            return self.learning_rate
        share = (step - rising) / max(last - rising, 1)
        return self.learning_rate * (1 + math.cos(math.pi * min(share, 1.0))) / 2

    def slower(self, times: int) -> "TrainOptions":
        """Return these options with the learning rate halved so many times.

        Example:
            >>> TrainOptions(learning_rate=0.8).slower(2).learning_rate
            0.2
        """
        return replace(self, learning_rate=self.learning_rate / 2**times)

    @property
    def moves(self) -> bool:
        """Whether the learning rate differs from step to step."""
        return self.warmup > 0 or self.decay != "none"

    @property
    def dtype(self) -> torch.dtype:
        """What parameters, likelihoods and divergences are computed in."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def network_dtype(self, device: torch.device) -> torch.dtype | None:
        """Return the lower precision of the networks, or None.

        Raises:
            InputError: If the processor has no fast bfloat16.
        """
        if self.precision != "bfloat16":
            return None
        if device.type == "cpu" and not torch.cpu._is_amx_tile_supported():
            raise InputError(
                f"precision is 'bfloat16', which this processor ({platform.machine()}) has no matrix unit "
                "for; use 'float32'."
            )
        return torch.bfloat16


# What may differ from model to model within a stack; the rest decides the shapes of a step.
OWN = ("epochs", "learning_rate", "warmup", "decay", "ema", "clip", "patience", "retries")


def shared(options: TrainOptions) -> tuple[object, ...]:
    """Return what the models of a stack must have in common.

    Example:
        >>> shared(TrainOptions(epochs=3)) == shared(TrainOptions(epochs=5, learning_rate=0.1))
        True
        >>> shared(TrainOptions(batch_size=3)) == shared(TrainOptions())
        False
    """
    return tuple(getattr(options, f.name) for f in fields(options) if f.name not in OWN)


def check_stack(
    models: Sequence["MultimodalVAE"], options: Sequence[TrainOptions], seeds: Sequence[int]
) -> None:
    """Refuse what cannot be a stack.

    Raises:
        InputError: If there is no model, the counts differ, or the models differ in what a stack shares.

    Example:
        >>> check_stack([], [], [])
        Traceback (most recent call last):
        counterpoint.errors.InputError: 0 models came with 0 seeds and 0 options; give one of each per model.
    """
    if not models or not len(models) == len(seeds) == len(options):
        raise InputError(
            f"{len(models)} models came with {len(seeds)} seeds and {len(options)} options; give one of each "
            "per model."
        )
    if any(shared(o) != shared(options[0]) for o in options):
        raise InputError(
            "the models differ in batch size, validation share or precision; a stack needs them alike."
        )
    if any(m.method.build != models[0].method.build for m in models):
        raise InputError(
            "the models differ in their method; a stack needs one method, whose hyperparameters may differ."
        )
    if any([p.weight for p in m.modalities] != [p.weight for p in models[0].modalities] for m in models):
        raise InputError("the models differ in the weights of their modalities; a stack needs them alike.")


def split(
    rows: int, share: float, seed: int, blocks: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices of training and validation rows, both sorted.

    Args:
        rows: N, at least 1.
        share: Share of the rows, or of the blocks, for validation.
        seed: Seed of the split.
        blocks: (N,) whole numbers; rows with the same one come to the same side. None for rows one by one.

    Raises:
        InputError: If no training or no validation row would be left.

    Example:
        >>> train, validation = split(10, 0.2, seed=0)
        >>> len(train), len(validation)
        (8, 2)
        >>> split(6, 0.3, seed=0, blocks=torch.tensor([0, 0, 1, 1, 2, 2]))[1].tolist()
        [0, 1]
    """
    of = None if blocks is None else torch.unique(blocks, return_inverse=True)[1]
    count = rows if of is None else int(of.max()) + 1
    held = round(count * share) if share else 0
    what = "row" if of is None else "block"
    if share and not held:
        raise InputError(
            f"validation={share:g} of {count} {what}s leaves no validation {what}; give more {what}s, or "
            "validation=0 to use all."
        )
    if held >= count:
        raise InputError(
            f"validation={share:g} of {count} {what}s leaves no training {what}; lower validation or give "
            f"more {what}s."
        )
    order = torch.randperm(count, generator=generator(seed, "split"))
    if of is None:
        return order[held:].sort().values, order[:held].sort().values
    out = torch.zeros(count, dtype=torch.bool)
    out[order[:held]] = True
    return (~out[of]).nonzero().flatten(), out[of].nonzero().flatten()


def splits(
    rows: int, share: float, seeds: Sequence[int], blocks: torch.Tensor | None = None
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the `split` of every model of a stack.

    Raises:
        InputError: As `split`; or if blocks of unequal size leave the models unequal numbers of rows.

    Example:
        >>> [len(train) for train, _ in splits(10, 0.2, [0, 1])]
        [8, 8]
    """
    found = [split(rows, share, seed, blocks) for seed in seeds]
    if len({len(train) for train, _ in found}) > 1:
        raise InputError(
            "blocks of unequal size give the seeds of a stack unequal numbers of training rows; fit them one "
            "by one, or with validation=0."
        )
    return found


def check_device(device: Any) -> None:
    """Refuse a device that torch cannot use here.

    Raises:
        InputError: If it is neither `cpu` nor `cuda` (`cuda:N`), or there is no such CUDA device.
    """
    kind, _, index = str(device).partition(":")
    choose("device", kind, ("cpu", "cuda"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device is {device!r}, and this machine has no CUDA device that torch can use; take 'cpu'."
        )
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if index and not (index.isdecimal() and int(index) < count):
        raise InputError(
            f"device is {device!r}, and this machine has {count} of that kind, counted from 0; take {kind!r}."
        )
