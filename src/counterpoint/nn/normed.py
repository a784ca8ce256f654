"""Residual blocks with a normalisation that knows one row only."""

from torch import Tensor, nn

from counterpoint.errors import whole

GROUP = 16  # channels that are normalised together; Wu and He find this best


class NormedBlock(nn.Module):
    """Change size and channels of an image by a residual of two convolutions and a convolutional shortcut.

        dx = conv_k(relu(norm(conv_1(relu(norm(x))))));    y = norm(conv_k(x)) + dx

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

    Raises:
        InputError: If a number is not a whole one.

    Source:
        Sutter et al. 2021 and 2024 (CelebA and MIMIC-CXR networks), there with factors 1 for both branches;
        group normalisation is that of Wu and He 2018 (arXiv:1803.08494).

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
    ) -> None:
        super().__init__()
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
        return self.shortcut(x) + self.residual(x)


def norm(channels: int) -> nn.GroupNorm:
    """Return a normalisation of groups of 16 channels, or of all together where 16 do not divide them.

    Example:
        >>> norm(320).num_groups, norm(4).num_groups
        (20, 1)
    """
    return nn.GroupNorm(channels // GROUP if channels % GROUP == 0 else 1, channels)
