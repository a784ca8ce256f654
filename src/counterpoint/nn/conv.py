"""Small convolutional networks for images: three strides of two down, three up."""

from collections.abc import Sequence

from torch import nn

from counterpoint.errors import whole
from counterpoint.nn.chain import Chain
from counterpoint.nn.events import activation_layer, image_shape

LEAST = 8  # sides that three halvings still leave something to halve


class ConvEncoder(Chain):
    """Map images through three convolutions of stride two and a hidden layer to the heads, side by side.

    The forward pass takes (B, C, H, W) to (B, heads * latent_dim); the first latent_dim columns are loc. Each
    convolution halves the sides, rounding up.

    Args:
        shape: One event, (C, H, W) with H and W at least 8.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution; they double at each halving.
        hidden: Units of the hidden layer before the heads; latent_dim if None, as published. A small
            latent_dim wants more, or that layer is the narrowest place.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021, PolyMNIST network without residual blocks: latent_dim 512, width 32.

    Example:
        >>> import torch
        >>> ConvEncoder((1, 28, 28), latent_dim=6, width=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        width: int = 32,
        hidden: int | None = None,
        activation: str = "relu",
    ) -> None:
        channels, *sides = image_shape("shape", shape, least=LEAST)
        width, latent_dim = whole("width", width), whole("latent_dim", latent_dim)
        hidden = latent_dim if hidden is None else whole("hidden", hidden)
        high, wide = _halvings(sides)[-1]
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),  # (B, width, H/2, W/2)
            activation_layer(activation),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # (B, 2 width, H/4, W/4)
            activation_layer(activation),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),  # (B, 4 width, H/8, W/8)
            activation_layer(activation),
            nn.Flatten(),
            nn.Linear(4 * width * high * wide, hidden),  # (B, hidden)
            activation_layer(activation),
            nn.Linear(hidden, whole("heads", heads) * latent_dim),
        )


class ConvDecoder(Chain):
    """Map latent vectors to images: a linear map, then three transposed convolutions of stride two.

    The forward pass takes (B, latent_dim) to (B, C, H, W); the last convolution's output is left as it is.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (C, H, W) with H and W at least 8.
        width: Channels before the last transposed convolution.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021, PolyMNIST network without residual blocks: latent_dim 512, width 32.

    Example:
        >>> import torch
        >>> ConvDecoder(6, (1, 28, 28), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], width: int = 32, activation: str = "relu"
    ) -> None:
        channels, *sides = image_shape("shape", shape, least=LEAST)
        width = whole("width", width)
        full, half, quarter, (high, wide) = _halvings(sides)
        small = (4 * width, high, wide)
        super().__init__(
            nn.Linear(whole("latent_dim", latent_dim), small[0] * small[1] * small[2]),
            activation_layer(activation),
            nn.Unflatten(1, small),  # (B, 4 width, H/8, W/8)
            _double(4 * width, 2 * width, quarter),
            activation_layer(activation),
            _double(2 * width, width, half),
            activation_layer(activation),
            _double(width, channels, full),  # (B, C, H, W)
        )


def _halvings(sides: Sequence[int]) -> list[tuple[int, int]]:
    """(H, W) of the image and after each of three halvings: 28 -> 14 -> 7 -> 4."""
    high, wide = sides
    found = [(high, wide)]
    for _ in range(3):
        high, wide = -(-high // 2), -(-wide // 2)
        found.append((high, wide))
    return found


def _double(inputs: int, outputs: int, target: tuple[int, int]) -> nn.ConvTranspose2d:
    """Undo a halving that rounded up: n goes to 2n - 1 + padding, and even targets want a padding of one."""
    padding = (1 - target[0] % 2, 1 - target[1] % 2)
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=padding)
