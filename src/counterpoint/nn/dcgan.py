"""Plain convolutional networks for images of 16, 32, 64, ... pixels, without normalisation."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from counterpoint.errors import whole
from counterpoint.nn.chain import Chain
from counterpoint.nn.events import square_halvings

LEAST = 8  # pixels of a side, for one halving to 4 x 4


class DCGANEncoder(Chain):
    """Map square images through halvings to 4 x 4 and one convolution over these to the heads, side by side.

    The forward pass takes (B, C, S, S) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (C, S, S) with S a power of two of at least 8.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution; they double at each halving.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CUB, after Shi et al. 2019: shape (3, 64, 64), latent_dim
        128, width 64; the manner of Radford et al. 2016 (arXiv:1511.06434).

    Example:
        >>> import torch
        >>> DCGANEncoder((3, 64, 64), latent_dim=6, width=4)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 12])
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, heads: int = 2, width: int = 64) -> None:
        sizes = _channels("shape", shape, width)
        columns = whole("heads", heads) * whole("latent_dim", latent_dim)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(sizes[-1], columns, 4), nn.Flatten()]  # (B, columns, 1, 1)
        super().__init__(*layers)


class DCGANDecoder(Chain):
    """Map latent vectors to square images whose values lie in (0, 1), the encoder's way back.

    A sigmoid follows the last convolution, so it suits pictures (bytes, or values in [0, 1]) under a Laplace
    or normal likelihood; Bernoulli's logits and standardised values go beyond it: take another kind there.
    The forward pass takes (B, latent_dim) to (B, C, S, S).

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (C, S, S) with S a power of two of at least 8.
        width: Channels before the last convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CUB: latent_dim 128, shape (3, 64, 64), width 64.

    Example:
        >>> import torch
        >>> DCGANDecoder(6, (3, 64, 64), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 3, 64, 64])
    """

    def __init__(self, latent_dim: int, shape: Sequence[int], width: int = 64) -> None:
        sizes = _channels("shape", shape, width)[::-1]
        latent_dim = whole("latent_dim", latent_dim)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, sizes[0], 4),  # (B, 8 width, 4, 4)
        ]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)]
        super().__init__(*layers, nn.Sigmoid())


def _channels(what: str, given: Sequence[int], width: int) -> list[int]:
    """Return the channels of a square image and after each of its halvings: 3, 64, 128, 256, 512."""
    channels, halvings = square_halvings(what, given, LEAST)
    width = whole("width", width)
    return [channels, *(width * 2**n for n in range(halvings))]
