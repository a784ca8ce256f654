"""The residual networks of the chest X-ray experiments, for large square images."""

from collections.abc import Sequence

from torch import nn

from counterpoint.errors import InputError, whole
from counterpoint.nn.chain import Chain, TrunkEncoder
from counterpoint.nn.events import image_shape
from counterpoint.nn.normed import NormedBlock, growing

LEAST, MOST = 14, 16  # what the halvings leave of a side, from where one block goes to 4


class RadiographTrunk(Chain):
    """Halve a square image n times, go to 4 x 4 and to 1 x 1, and flatten; `features` is how long that is.

    A convolution makes `width` channels at half the side; every further halving is a block that adds `width`
    channels. Of 224 pixels 14 are left after n = 4. The forward pass takes (B, C, H, W) to (B, features) with
    features = (n + 1) * width.

    Args:
        shape: One event, (C, H, W), square, its side even and within 14 * 2^n to 16 * 2^n: 28 to 32,
            56 to 64, 112 to 128, 224 to 256 and so on.
        width: Channels after the first convolution.

    Raises:
        InputError: If shape or width is of another kind.

    Source:
        Sutter et al. 2024 (MMVM), network of MIMIC-CXR: shape (1, 224, 224), width 64.

    Example:
        >>> import torch
        >>> trunk = RadiographTrunk((1, 28, 28), width=4)
        >>> trunk(torch.zeros(2, 1, 28, 28)).shape, trunk.features
        (torch.Size([2, 8]), 8)
    """

    def __init__(self, shape: Sequence[int], width: int = 64) -> None:
        channels, halvings = _square("shape", shape)
        width = whole("width", width)
        features = (halvings + 1) * width
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),  # (B, width, H/2, W/2)
            *(NormedBlock(n * width, (n + 1) * width) for n in range(1, halvings)),  # (B, n width, 14, 14)
            NormedBlock(halvings * width, features, stride=4),  # (B, (n + 1) width, 4, 4)
            NormedBlock(features, features, padding=0),  # (B, (n + 1) width, 1, 1)
            nn.Flatten(),
        )
        self.features = features


class RadiographEncoder(TrunkEncoder):
    """Map square images through the trunk and one linear map without bias to the heads, side by side.

    The forward pass takes (B, C, H, W) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, as `RadiographTrunk` takes it.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        Sutter et al. 2024 (MMVM), network of MIMIC-CXR: shape (1, 224, 224), latent_dim 256, width 64.

    Example:
        >>> import torch
        >>> RadiographEncoder((1, 28, 28), latent_dim=6, width=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 12])
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, heads: int = 2, width: int = 64) -> None:
        trunk = RadiographTrunk(shape, width)
        super().__init__(trunk, trunk.features, latent_dim, heads, bias=False)


class RadiographDecoder(Chain):
    """Map latent vectors to square images: a linear map, a block to 4 x 4, doublings, the last one cut.

    The channels go down by `width` at every block until one `width` is left. The last transposed convolution
    would give 16 * 2^n + 2 pixels; its padding cuts the side to what is wanted (17 twice, for 224).
    The forward pass takes (B, latent_dim) to (B, C, H, W); nothing follows the last convolution.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, as `RadiographTrunk` takes it.
        width: Channels before the last convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        Sutter et al. 2024 (MMVM), network of MIMIC-CXR: latent_dim 256, shape (1, 224, 224), width 64.

    Example:
        >>> import torch
        >>> RadiographDecoder(6, (1, 30, 30), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 1, 30, 30])
    """

    def __init__(self, latent_dim: int, shape: Sequence[int], width: int = 64) -> None:
        channels, halvings = _square("shape", shape)
        width = whole("width", width)
        sizes = [max(halvings + 1 - n, 1) * width for n in range(halvings + 3)]
        cut = (MOST * 2**halvings + 2 - shape[1]) // 2
        super().__init__(*growing(latent_dim, sizes, channels, padding=cut))


class RadiographClassifier(Chain):
    """Give one score per label for a square image: the trunk and a linear map without bias.

    The forward pass takes (B, C, H, W) to logits (B, classes).

    Args:
        shape: One event, as `RadiographTrunk` takes it.
        classes: Number of labels.
        width: Channels after the first convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        Sutter et al. 2024 (MMVM), supervised baseline of MIMIC-CXR: 14 labels, there with dropout of .5
        before the linear map.

    Example:
        >>> import torch
        >>> RadiographClassifier((1, 28, 28), classes=14, width=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 14])
    """

    def __init__(self, shape: Sequence[int], classes: int, width: int = 64) -> None:
        trunk = RadiographTrunk(shape, width)
        super().__init__(trunk, nn.Linear(trunk.features, whole("classes", classes), bias=False))


def _square(what: str, given: Sequence[int]) -> tuple[int, int]:
    """Return the channels of a square image, and how often its side is halved until 14 to 16 are left."""
    channels, high, wide = image_shape(what, given)
    halvings = next(n for n in range(high.bit_length()) if high <= MOST * 2**n)
    if high != wide or high % 2 or not halvings or high < LEAST * 2**halvings:
        raise InputError(
            f"{what} is {(channels, high, wide)}; it must be (C, H, W) with H = W even and within 28 to 32, "
            "56 to 64, 112 to 128, 224 to 256, and so on; resize the images, or take 'conv' or 'resnet'."
        )
    return channels, halvings
