"""Residual blocks with a normalisation that knows one row only."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from counterpoint.errors import whole

GROUP = 16  # channels that are normalised together; Wu and He find this best
Factors = tuple[float, float]
EQUAL: Factors = (1.0, 1.0)  # a and b of a block in the networks of MMVM
WEIGHTED: Factors = (2.0, 0.3)  # in those of MoPoE


class NormedBlock(nn.Module):
    """Change size and channels of an image by a residual of two convolutions and a convolutional shortcut.

        dx = conv_k(relu(norm(conv_1(relu(norm(x))))));    y = a norm(conv_k(x)) + b dx

    conv_1 is 1x1 and keeps the channels; the two conv_k have the same kernel, stride and padding, and of
    these the shortcut's alone has a bias. The published block has batch normalisation and dropout of .5 after
    both convolutions; both depend on more than the row, so norm is group normalisation, which has as many
    parameters, and there is no dropout. The forward pass takes (B, inputs, H, W) to (B, outputs, H', W').

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Side of conv_k.
        stride: Of conv_k.
        padding: Of conv_k.
        transposed: Whether conv_k is transposed, so that the image grows.
        factors: a and b, what shortcut and residual count for.

    Raises:
        InputError: If a number is not a whole one.

    Source:
        Sutter et al. 2024 (CelebA and MIMIC-CXR networks), a = b = 1; Sutter et al. 2021 (CelebA), a = 2 and
        b = .3. Group normalisation is that of Wu and He 2018 (arXiv:1803.08494).

    Example:
        >>> import torch
        >>> NormedBlock(4, 8)(torch.zeros(2, 4, 14, 14)).shape
        torch.Size([2, 8, 7, 7])
        >>> NormedBlock(8, 4, transposed=True)(torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 4, 14, 14])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 4,
        stride: int = 2,
        padding: int = 1,
        transposed: bool = False,
        factors: Factors = EQUAL,
    ) -> None:
        super().__init__()
        self.factors = factors
        inputs, outputs = whole("inputs", inputs), whole("outputs", outputs)
        sizes = whole("kernel", kernel), whole("stride", stride), whole("padding", padding, least=0)
        layer = nn.ConvTranspose2d if transposed else nn.Conv2d
        self.residual = nn.Sequential(
            norm(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, inputs, 1, bias=False),
            norm(inputs),
            nn.ReLU(),
            layer(inputs, outputs, *sizes, bias=False),
        )
        self.shortcut = nn.Sequential(layer(inputs, outputs, *sizes), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, inputs, H, W) to (B, outputs, H', W')."""
        return weighed(self.shortcut(x), self.residual(x), self.factors)


def weighed(shortcut: Tensor, residual: Tensor, factors: Factors) -> Tensor:
    """Return a times one and b times the other; factors of 1 cost nothing.

    Example:
        >>> import torch
        >>> weighed(torch.ones(2), torch.ones(2), WEIGHTED)
        tensor([2.3000, 2.3000])
    """
    a, b = factors
    return (shortcut if a == 1 else a * shortcut).add(residual, alpha=b)


def norm(channels: int) -> nn.GroupNorm:
    """Return a normalisation of groups of 16 channels, or of all together where 16 do not divide them.

    Example:
        >>> norm(320).num_groups, norm(4).num_groups
        (20, 1)
    """
    return nn.GroupNorm(channels // GROUP if channels % GROUP == 0 else 1, channels)


def growing(
    latent_dim: int, sizes: Sequence[int], channels: int, padding: int, factors: Factors = EQUAL
) -> list[nn.Module]:
    """Return a decoder's layers: a linear map, a block to 4 x 4, doubling blocks, a doubling convolution.

    `sizes` are the channels at 1 x 1, at 4 x 4 and after every doubling block; what `padding` has beyond 1
    cuts the borders of the (B, channels, S, S) that come out. `factors` are those of the blocks.

    Example:
        >>> import torch
        >>> nn.Sequential(*growing(6, [8, 4, 4], channels=3, padding=1))(torch.zeros(2, 6)).shape
        torch.Size([2, 3, 16, 16])
    """
    return [
        nn.Linear(whole("latent_dim", latent_dim), sizes[0]),
        nn.Unflatten(1, (sizes[0], 1, 1)),
        NormedBlock(*sizes[:2], stride=1, padding=0, transposed=True, factors=factors),  # (B, sizes[1], 4, 4)
        *(NormedBlock(i, o, transposed=True, factors=factors) for i, o in pairwise(sizes[1:])),
        nn.ConvTranspose2d(sizes[-1], channels, 3, stride=2, padding=padding, output_padding=1),
    ]
