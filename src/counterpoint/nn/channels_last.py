"""Pictures whose channels come last, (H, W, C): the networks see them as (C, H, W), without a copy."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.nn.conv import LEAST

MOST = 4  # channels; a longer last axis is no colour


def is_channels_last(shape: Sequence[int]) -> bool:
    """Tell whether a shape is (H, W, C): H and W at least 8, C at most 4. No such shape is (C, H, W).

    Args:
        shape: The shape of one event.

    Example:
        >>> is_channels_last((28, 28, 3)), is_channels_last((3, 28, 28)), is_channels_last((28, 28))
        (True, False, False)
    """
    return len(shape) == 3 and min(shape[:2]) >= LEAST and shape[2] <= MOST


def channels_first(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (H, W, C) as (C, H, W).

    Example:
        >>> channels_first((28, 20, 3))
        (3, 28, 20)
    """
    high, wide, channels = shape
    return channels, high, wide


def view_first(x: Tensor) -> Tensor:
    """Return (B, H, W, C) as (B, C, H, W), a view: what is contiguous becomes torch's channels_last format.

    Example:
        >>> import torch
        >>> seen = view_first(torch.zeros(2, 9, 8, 3))
        >>> tuple(seen.shape), seen.is_contiguous(memory_format=torch.channels_last)
        ((2, 3, 9, 8), True)
    """
    return x.permute(0, 3, 1, 2)


class ChannelsLastEncoder(nn.Module):
    """Read (B, H, W, C) with an encoder of (B, C, H, W); it owns no parameter and copies nothing.

    Args:
        network: Module from (B, C, H, W) to (B, F); so this one goes from (B, H, W, C) to (B, F).

    Example:
        >>> import torch
        >>> ChannelsLastEncoder(nn.Flatten())(torch.zeros(2, 9, 8, 3)).shape
        torch.Size([2, 216])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, H, W, C) as (B, F)."""
        return self.network(view_first(x))


class ChannelsLastDecoder(nn.Module):
    """Give (B, H, W, C) with a decoder to (B, C, H, W); it owns no parameter and copies nothing.

    Args:
        network: Module from (B, D) to (B, C, H, W); so this one goes from (B, D) to (B, H, W, C).

    Example:
        >>> import torch
        >>> ChannelsLastDecoder(nn.Unflatten(1, (3, 9, 8)))(torch.zeros(2, 216)).shape
        torch.Size([2, 9, 8, 3])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> Tensor:
        """Decode z (B, D) as (B, H, W, C)."""
        return self.network(z).permute(0, 2, 3, 1)


def wrapped(
    wrapper: Callable[[nn.Module], nn.Module],
    make: Callable[[tuple[int, ...]], nn.Module],
    shape: tuple[int, ...],
) -> nn.Module:
    """Return what `make` makes for a shape; of (H, W, C), for (C, H, W) and wrapped.

    Args:
        wrapper: `ChannelsLastEncoder` or `ChannelsLastDecoder`.
        make: From the shape of one event to its network.
        shape: What an encoder reads, or a decoder gives, of one row.

    Raises:
        InputError: If `make` refuses the shape; of (C, H, W), it says which (H, W, C) was given.

    Example:
        >>> from counterpoint.nn.conv import ConvEncoder
        >>> net = wrapped(ChannelsLastEncoder, lambda shape: ConvEncoder(shape, 2, width=4), (9, 8, 3))
        >>> type(net).__name__, type(net.network).__name__
        ('ChannelsLastEncoder', 'ConvEncoder')
        >>> wrapped(ChannelsLastDecoder, lambda shape: nn.Unflatten(1, shape), (7,))
        Unflatten(dim=1, unflattened_size=(7,))
    """
    if not is_channels_last(shape):
        return make(shape)
    try:
        return wrapper(make(channels_first(shape)))
    except InputError as error:
        raise InputError(f"{shape} has its channels last and is read as (C, H, W): {error}") from error
