"""The residual networks of the PolyMNIST experiments, for images whose sides are divisible by four."""

from collections.abc import Sequence

from torch import Tensor, nn

from counterpoint.errors import whole
from counterpoint.nn.chain import Chain, TrunkEncoder
from counterpoint.nn.events import image_shape

SLOPE = 0.2  # of the leaky ReLU
RESIDUAL = 0.1  # what a block's residual counts for against its shortcut


class ResBlock(nn.Module):
    """Add a small residual of two 3x3 convolutions to a shortcut; the image keeps its size.

        dx = conv(lrelu(conv(lrelu(x))));    y = shortcut(x) + 0.1 dx

    The shortcut is a 1x1 convolution without bias if the channels change, else x itself. The forward pass
    takes (B, inputs, H, W) to (B, outputs, H, W).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out; the smaller of the two is the number between the convolutions.

    Raises:
        InputError: If a number of channels is not a whole number of at least 1.

    Source:
        MoPoE, Sutter et al. 2021; the block is that of Mescheder et al. 2018 (arXiv:1801.04406).

    Example:
        >>> import torch
        >>> ResBlock(4, 8)(torch.zeros(2, 4, 7, 7)).shape
        torch.Size([2, 8, 7, 7])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        between = min(whole("inputs", inputs), whole("outputs", outputs))
        self.residual = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inputs, between, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(between, outputs, 3, padding=1),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, inputs, H, W) to (B, outputs, H, W)."""
        return self.shortcut(x) + RESIDUAL * self.residual(x)


class ResNetTrunk(Chain):
    """Halve an image twice between three residual blocks and flatten it; `features` says how long that is.

    The forward pass takes (B, C, H, W) to (B, features) with features = 4 * width * H/4 * W/4.

    Args:
        shape: One event, (C, H, W) with H and W divisible by 4.
        width: Channels after the first convolution; they double at each halving.

    Raises:
        InputError: If shape or width is of another kind.

    Source:
        MoPoE, Sutter et al. 2021, PolyMNIST network (width 64).

    Example:
        >>> import torch
        >>> trunk = ResNetTrunk((3, 28, 28), width=4)
        >>> trunk(torch.zeros(2, 3, 28, 28)).shape, trunk.features
        (torch.Size([2, 784]), 784)
    """

    def __init__(self, shape: Sequence[int], width: int = 64) -> None:
        channels, high, wide = image_shape("shape", shape, multiple=4)
        width = whole("width", width)
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),  # (B, width, H, W)
            ResBlock(width, width),
            nn.AvgPool2d(3, stride=2, padding=1),  # (B, width, H/2, W/2)
            ResBlock(width, 2 * width),
            nn.AvgPool2d(3, stride=2, padding=1),  # (B, 2 width, H/4, W/4)
            ResBlock(2 * width, 4 * width),
            nn.Flatten(),
        )
        self.features = 4 * width * (high // 4) * (wide // 4)


class ResNetEncoder(TrunkEncoder):
    """Map images through the residual trunk and one linear map to the heads, side by side.

    The forward pass takes (B, C, H, W) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (C, H, W) with H and W divisible by 4.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MoPoE, Sutter et al. 2021, PolyMNIST network: shape (3, 28, 28), latent_dim 512, width 64.

    Example:
        >>> import torch
        >>> ResNetEncoder((3, 28, 28), latent_dim=6, width=4)(torch.zeros(2, 3, 28, 28)).shape
        torch.Size([2, 12])
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, heads: int = 2, width: int = 64) -> None:
        trunk = ResNetTrunk(shape, width)
        super().__init__(trunk, trunk.features, latent_dim, heads, bias=True)


class ResNetDecoder(Chain):
    """Map latent vectors to images: a linear map, then three residual blocks with a doubling between them.

    The forward pass takes (B, latent_dim) to (B, C, H, W); the last convolution's output is left as it is.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (C, H, W) with H and W divisible by 4.
        width: Channels before the last convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        MoPoE, Sutter et al. 2021, PolyMNIST network: latent_dim 512, shape (3, 28, 28), width 64.

    Example:
        >>> import torch
        >>> ResNetDecoder(6, (3, 28, 28), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 3, 28, 28])
    """

    def __init__(self, latent_dim: int, shape: Sequence[int], width: int = 64) -> None:
        channels, high, wide = image_shape("shape", shape, multiple=4)
        width = whole("width", width)
        small = (4 * width, high // 4, wide // 4)
        super().__init__(
            nn.Linear(whole("latent_dim", latent_dim), small[0] * small[1] * small[2]),
            nn.Unflatten(1, small),  # (B, 4 width, H/4, W/4)
            ResBlock(4 * width, 2 * width),
            nn.Upsample(scale_factor=2),  # nearest; (B, 2 width, H/2, W/2)
            ResBlock(2 * width, width),
            nn.Upsample(scale_factor=2),  # (B, width, H, W)
            ResBlock(width, width),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, channels, 3, padding=1),  # (B, C, H, W)
        )


class ResNetClassifier(Chain):
    """Give one score per class for an image: the residual trunk, a leaky ReLU, a linear map.

    The forward pass takes (B, C, H, W) to logits (B, classes).

    Args:
        shape: One event, (C, H, W) with H and W divisible by 4.
        classes: Number of classes.
        width: Channels after the first convolution.

    Raises:
        InputError: If a size or the shape is of another kind.

    Source:
        The PolyMNIST coherence classifier of the MMVM-VAE, Sutter et al. 2024 (arXiv:2403.05300).

    Example:
        >>> import torch
        >>> ResNetClassifier((3, 28, 28), classes=10, width=4)(torch.zeros(2, 3, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, shape: Sequence[int], classes: int, width: int = 64) -> None:
        trunk = ResNetTrunk(shape, width)
        super().__init__(trunk, nn.LeakyReLU(SLOPE), nn.Linear(trunk.features, whole("classes", classes)))
