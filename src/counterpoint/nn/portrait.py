"""The residual networks of the bimodal CelebA experiment for images, square with a side of 16, 32, 64, ..."""

from collections.abc import Sequence

from torch import nn

from counterpoint.errors import whole
from counterpoint.nn.chain import Chain, TrunkEncoder
from counterpoint.nn.events import square_halvings
from counterpoint.nn.normed import EQUAL, Factors, NormedBlock, growing

LEAST = 16  # pixels of a side, for one block to 4 x 4 and one to 1 x 1


class PortraitTrunk(Chain):
    """Halve a square image to 4 x 4, go to 1 x 1 and flatten; `features` says how long that is.

    A convolution makes `width` channels, every block that follows adds `width`: of 64 pixels there are 33,
    16, 8, 4 and 1 left and features = 5 width. The forward pass takes (B, C, S, S) to (B, features) with
    features = (log2 S - 1) width.

    Args:
        shape: One event, (C, S, S) with S a power of two of at least 16.
        width: Channels after the first convolution.
        factors: Of the blocks, see `NormedBlock`.

    Raises:
        InputError: If shape or width is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CelebA: shape (3, 64, 64), width 64; MoPoE, Sutter et al.
        2021: width 128, factors (2, .3). For normalisation and dropout see `NormedBlock`.

    Example:
        >>> import torch
        >>> trunk = PortraitTrunk((3, 64, 64), width=4)
        >>> trunk(torch.zeros(2, 3, 64, 64)).shape, trunk.features
        (torch.Size([2, 20]), 20)
    """

    def __init__(self, shape: Sequence[int], width: int = 64, factors: Factors = EQUAL) -> None:
        channels, blocks = square_halvings("shape", shape, LEAST)
        width = whole("width", width)
        features = (blocks + 1) * width
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=2, bias=False),  # (B, width, S/2 + 1, S/2 + 1)
            *(  # (B, n width, 4, 4)
                NormedBlock(n * width, (n + 1) * width, factors=factors) for n in range(1, blocks)
            ),
            NormedBlock(blocks * width, features, padding=0, factors=factors),  # (B, (n + 1) width, 1, 1)
            nn.Flatten(),
        )
        self.features = features


class PortraitEncoder(TrunkEncoder):
    """Map square images through the trunk and one linear map without bias to the heads, side by side.

    The forward pass takes (B, C, S, S) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (C, S, S) with S a power of two of at least 16.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution.
        factors: Of the blocks, see `NormedBlock`.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CelebA: shape (3, 64, 64), latent_dim 128, width 64.

    Example:
        >>> import torch
        >>> PortraitEncoder((3, 16, 16), latent_dim=6, width=4)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        width: int = 64,
        factors: Factors = EQUAL,
    ) -> None:
        trunk = PortraitTrunk(shape, width, factors)
        super().__init__(trunk, trunk.features, latent_dim, heads, bias=False)


class PortraitDecoder(Chain):
    """Map latent vectors to square images: a linear map, a block to 4 x 4, then doublings.

    The channels go down by `width` at every block until one `width` is left. The forward pass takes
    (B, latent_dim) to (B, C, S, S); nothing follows the last convolution.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (C, S, S) with S a power of two of at least 16.
        width: Channels before the last convolution.
        factors: Of the blocks, see `NormedBlock`.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MMVM, Sutter et al. 2024, image network of CelebA: latent_dim 128, shape (3, 64, 64), width 64.

    Example:
        >>> import torch
        >>> PortraitDecoder(6, (3, 16, 16), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], width: int = 64, factors: Factors = EQUAL
    ) -> None:
        channels, blocks = square_halvings("shape", shape, LEAST)
        width = whole("width", width)
        sizes = [n * width for n in range(blocks + 1, 0, -1)]
        super().__init__(*growing(latent_dim, sizes, channels, padding=1, factors=factors))
