"""What stored arrays must be like before a density is made of them: a file may say anything."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoint.errors import InputError


def shaped(arrays: Mapping[str, np.ndarray | torch.Tensor], wanted: Mapping[str, Sequence[int]]) -> None:
    """Refuse arrays of other shapes than those that belong together.

    Raises:
        ValueError: One has another shape, or an axis has no values.

    Example:
        >>> shaped({"loc": np.zeros((2, 3))}, {"loc": (2, 4)})
        Traceback (most recent call last):
        ValueError: loc has shape (2, 3), and (2, 4) belongs to the others
    """
    for name, shape in wanted.items():
        found = tuple(arrays[name].shape)
        if found != tuple(shape) or 0 in found:
            raise ValueError(f"{name} has shape {found}, and {tuple(shape)} belongs to the others")


def sized(sizes: Sequence[Any], live: int) -> None:
    """Refuse sizes of a network, features first, that are no whole numbers above 0 or not of what varies.

    Raises:
        ValueError: Says which.

    Example:
        >>> sized([3, 8], live=2)
        Traceback (most recent call last):
        ValueError: its sizes are [3, 8], and 2 dimensions vary
    """
    if not all(type(size) is int and size > 0 for size in sizes) or sizes[0] != live:
        raise ValueError(f"its sizes are {sizes}, and {live} dimensions vary")


def filled(
    make: Callable[[], nn.Module], arrays: Mapping[str, np.ndarray], widths: Sequence[int], times: int = 1
) -> nn.Module:
    """Return a network with stored weights.

    Args:
        make: Makes it.
        arrays: Its weights by name.
        widths: Of its layers, which it is asked whether there are so many weights, before it is made.
        times: How often it has these layers.

    Raises:
        InputError: If weights and settings are not of one network.
    """
    need = times * sum(a * b for a, b in pairwise(widths))
    there = sum(array.size for array in arrays.values())
    damaged = "the stored density is damaged ({}); fit it again."
    if not 0 < need <= there:
        raise InputError(
            damaged.format(f"its settings speak of {need:,} weights or more, and there are {there:,}")
        )
    try:
        network = make()
        network.load_state_dict({k: torch.tensor(v) for k, v in arrays.items()})
    except (RuntimeError, ValueError, TypeError) as error:  # what torch says of weights of another network
        raise InputError(damaged.format(str(error).splitlines()[0])) from error
    return network.requires_grad_(False)
