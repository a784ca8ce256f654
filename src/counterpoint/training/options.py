"""How to train: the same options mean the same in the in-memory trainer and under Lightning."""

import platform
from dataclasses import dataclass

import torch

from counterpoint.errors import InputError, choose, number, whole
from counterpoint.seeds import generator

PRECISIONS = ("float32", "bfloat16", "float64")


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training run.

    Args:
        epochs: Passes over the training rows, at most.
        batch_size: Rows per step; the last step of an epoch takes what is left.
        learning_rate: Of Adam, above 0.
        clip: Largest norm of a model's gradient, taken after backward; None for no clipping.
        validation: Share of the rows held back to choose the best epoch, in [0, 0.9]; 0 trains on all rows
            and keeps the last state.
        patience: Epochs without a better validation loss after which training stops; None never stops early.
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
    clip: float | None = None
    validation: float = 0.1
    patience: int | None = 20
    precision: str = "float32"

    def __post_init__(self) -> None:
        whole("epochs", self.epochs)
        whole("batch_size", self.batch_size)
        number("learning_rate", self.learning_rate, open_=True)
        if self.clip is not None:
            number("clip", self.clip, open_=True)
        number("validation", self.validation, most=0.9)
        if self.patience is not None:
            whole("patience", self.patience)
        choose("precision", self.precision, PRECISIONS)

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


def split(rows: int, share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices of training and validation rows, both sorted.

    Args:
        rows: N, at least 1.
        share: Share of the rows for validation.
        seed: Seed of the split.

    Raises:
        InputError: If no training row would be left.

    Example:
        >>> train, validation = split(10, 0.2, seed=0)
        >>> len(train), len(validation)
        (8, 2)
    """
    held = round(rows * share) if share else 0
    if share and not held:
        raise InputError(
            f"validation={share:g} of {rows} rows leaves no validation row; give more rows, or validation=0 "
            "to use all."
        )
    if held >= rows:
        raise InputError(
            f"validation={share:g} of {rows} rows leaves no training row; lower validation or give more rows."
        )
    order = torch.randperm(rows, generator=generator(seed, "split"))
    return order[held:].sort().values, order[:held].sort().values
