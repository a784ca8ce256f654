"""What every likelihood can be asked; the shapes are in the package's docstring."""

import math

import torch
from torch import nn

from counterpoint.errors import InputError, whole
from counterpoint.shapes import Tensor


class Likelihood(nn.Module):
    """What all likelihoods have in common.

    Args:
        shape: Event shape of one row of data.

    Raises:
        InputError: If there is no event dimension, or one is not a whole number of at least 1.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        if not shape:
            raise InputError(
                "the event shape is (), a bare number per row; give the data a last axis: (B, 1), shape (1,)."
            )
        self.shape = tuple(whole("an event dimension", s) for s in shape)
        self.output_shape = self.input_shape = self.shape
        self._event = tuple(range(-len(self.shape), 0))  # the last axes, which are summed

    def encode(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what the encoder reads, (B, *input_shape); zero where a single value was not observed."""
        return x if mask.dim() == 1 else torch.where(mask, x, 0.0)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Return log p(x | output) in nats, (..., B), over the observed values."""
        raise NotImplementedError

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Return E[x], (..., B, *event); for categories the probabilities (..., B, *event, V)."""
        raise NotImplementedError

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Return Var[x], with the shape of `mean`."""
        raise NotImplementedError

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        """Return draws of x, (..., B, *event)."""
        raise NotImplementedError

    def exposure(self, x: Tensor, mask: Tensor) -> Tensor | None:
        """Return the size factor (B,) of each row, for likelihoods that have one."""
        return None

    def _sum(self, each: Tensor, mask: Tensor) -> Tensor:
        """Sum (..., B, *event) over the observed values of the event."""
        if mask.dim() > 1:
            each = torch.where(mask, each, 0.0)
        each = each.sum(self._event)
        return each if mask.dim() > 1 else torch.where(mask, each, 0.0)

    def _count(self, mask: Tensor) -> Tensor:
        """Number of observed values per row, (B,)."""
        if mask.dim() > 1:
            return mask.flatten(1).sum(1)
        return mask * math.prod(self.shape)
