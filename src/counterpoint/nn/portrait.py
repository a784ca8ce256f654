"""The residual networks of the bimodal CelebA experiment for images, square with a side of 16, 32, 64, ..."""

from collections.abc import Sequence

from torch import Tensor, nn

from counterpoint.errors import InputError, whole
from counterpoint.nn.events import image_shape
from counterpoint.nn.normed import NormedBlock

LEAST = 16  # pixels of a side, for one block to 4 x 4 and one to 1 x 1


class PortraitTrunk(nn.Module):
    """Halve a square image to 4 x 4, go to 1 x 1 and flatten; `features` says how long that is.

    A convolution makes `width` channels, every block that follows adds `width`: of 64 pixels there are 33,
    16, 8, 4 and 1 left and features = 5 width. The forward pass takes (B, C, S, S) to (B, features) with
    features = (log2 S - 1) width.

    Args:
        shape: One event, (C, S, S) with S a power of two of at least 16.
        width: Channels after the first convolution.

    Raises:
        InputError: If shape or width is of another kind.

    Source:
        MoPoE, Sutter et al. 2021, and MMVM, Sutter et al. 2024, image network of CelebA: shape (3, 64, 64),
        width 64 in the latter. For normalisation and dropout see `NormedBlock`.

    Example:
        >>> import torch
        >>> trunk = PortraitTrunk((3, 64, 64), width=4)
        >>> trunk(torch.zeros(2, 3, 64, 64)).shape, trunk.features
        (torch.Size([2, 20]), 20)
    """

    def __init__(self, shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        channels, blocks = _square("shape", shape)
        width = whole("width", width)
        self.features = (blocks + 1) * width
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=2, bias=False),  # (B, width, S/2 + 1, S/2 + 1)
            *(NormedBlock(n * width, (n + 1) * width) for n in range(1, blocks)),  # (B, n width, 4, 4)
            NormedBlock(blocks * width, self.features, padding=0),  # (B, (n + 1) width, 1, 1)
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, S, S) to (B, features)."""
        return self.layers(x)


class PortraitEncoder(nn.Module):
    """Map square images through the trunk and one linear map without bias to the heads, side by side.

    The forward pass takes (B, C, S, S) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (C, S, S) with S a power of two of at least 16.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CelebA: shape (3, 64, 64), latent_dim 128, width 64.

    Example:
        >>> import torch
        >>> PortraitEncoder((3, 16, 16), latent_dim=6, width=4)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 12])
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, heads: int = 2, width: int = 64) -> None:
        super().__init__()
        self.trunk = PortraitTrunk(shape, width)
        columns = whole("heads", heads) * whole("latent_dim", latent_dim)
        self.heads = nn.Linear(self.trunk.features, columns, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, C, S, S) as (B, heads * latent_dim)."""
        return self.heads(self.trunk(x))


class PortraitDecoder(nn.Module):
    """Map latent vectors to square images: a linear map, a block to 4 x 4, then doublings.

    The channels go down by `width` at every block until one `width` is left. The forward pass takes
    (B, latent_dim) to (B, C, S, S); nothing follows the last convolution.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (C, S, S) with S a power of two of at least 16.
        width: Channels before the last convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CelebA: latent_dim 128, shape (3, 64, 64), width 64.

    Example:
        >>> import torch
        >>> PortraitDecoder(6, (3, 16, 16), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(self, latent_dim: int, shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        channels, blocks = _square("shape", shape)
        width = whole("width", width)
        sizes = [n * width for n in range(blocks + 1, 0, -1)]
        self.layers = nn.Sequential(
            nn.Linear(whole("latent_dim", latent_dim), sizes[0]),
            nn.Unflatten(1, (sizes[0], 1, 1)),
            NormedBlock(sizes[0], sizes[1], stride=1, padding=0, transposed=True),  # (B, n width, 4, 4)
            *(NormedBlock(*sizes[n : n + 2], transposed=True) for n in range(1, blocks)),  # S/2 x S/2
            nn.ConvTranspose2d(width, channels, 3, stride=2, padding=1, output_padding=1),  # (B, C, S, S)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Decode z (B, latent_dim) as (B, C, S, S)."""
        return self.layers(z)


def _square(what: str, given: Sequence[int]) -> tuple[int, int]:
    """Return the channels of a square image and its number of blocks: of 64 pixels four."""
    channels, high, wide = image_shape(what, given)
    if high != wide or high < LEAST or high & (high - 1):
        raise InputError(
            f"{what} is {(channels, high, wide)}; it must be (C, H, W) with H = W a power of two of at least "
            f"{LEAST}: resize the images, or take 'conv' or 'resnet'."
        )
    return channels, high.bit_length() - 3
