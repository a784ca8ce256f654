"""The residual networks of the bimodal CelebA experiment for texts of 16, 32, ..., 256, ... characters."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from counterpoint.errors import whole
from counterpoint.nn.events import activation_layer, text_halvings
from counterpoint.nn.normed import EQUAL, Factors, norm, weighed

LEAST = 16  # characters, for one block to 4 and one to 1
MOST = 5  # times `width` channels, however many blocks there are


class CharactersEncoder(nn.Module):
    """Map long one-hot texts through residual blocks over the positions to the heads, side by side.

    A convolution makes `width` channels of half as many positions; every block halves them again, down to 4
    and then to 1, and adds `width` channels up to 5 width. A linear map without bias follows. The forward
    pass takes (B, L, V) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (L, V): positions by symbols, L a power of two of at least 16.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.
        factors: Of the blocks, see `NormedBlock`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MMVM, Sutter et al. 2024, text network of CelebA: shape (256, 41), latent_dim 128, width 64; MoPoE,
        Sutter et al. 2021: width 128, factors (2, .3).

    Example:
        >>> import torch
        >>> CharactersEncoder((256, 41), latent_dim=6, width=4)(torch.zeros(2, 256, 41)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        width: int = 64,
        activation: str = "relu",
        factors: Factors = EQUAL,
    ) -> None:
        super().__init__()
        symbols, sizes = _channels("shape", shape, width)
        block = partial(CharactersBlock, activation=activation, factors=factors)
        columns = whole("heads", heads) * whole("latent_dim", latent_dim)
        self.layers = nn.Sequential(
            nn.Conv1d(symbols, sizes[0], 4, stride=2, padding=1),  # (B, width, L/2)
            *(block(i, o) for i, o in pairwise(sizes[:-1])),
            block(*sizes[-2:], padding=0),  # (B, 5 width, 1)
            nn.Flatten(),
            nn.Linear(sizes[-1], columns, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, L, V) as (B, heads * latent_dim)."""
        return self.layers(x.transpose(1, 2))  # symbols are the channels: (B, V, L)


class CharactersDecoder(nn.Module):
    """Map latent vectors to scores of every symbol at every position of a long text, the encoder's way back.

    The forward pass takes (B, latent_dim) to logits (B, L, V).

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (L, V): positions by symbols, L a power of two of at least 16.
        width: Channels before the last convolution.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.
        factors: Of the blocks, see `NormedBlock`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MMVM, Sutter et al. 2024, text network of CelebA: latent_dim 128, shape (256, 41), width 64.

    Example:
        >>> import torch
        >>> CharactersDecoder(6, (256, 41), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 256, 41])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        width: int = 64,
        activation: str = "relu",
        factors: Factors = EQUAL,
    ) -> None:
        super().__init__()
        symbols, sizes = _channels("shape", shape, width)
        back = sizes[::-1]
        grow = partial(CharactersBlock, transposed=True, activation=activation, factors=factors)
        self.layers = nn.Sequential(
            nn.Linear(whole("latent_dim", latent_dim), back[0]),
            nn.Unflatten(1, (back[0], 1)),
            grow(*back[:2], stride=1, padding=0),  # (B, 5 width, 4)
            *(grow(i, o) for i, o in pairwise(back[1:])),
            nn.ConvTranspose1d(back[-1], symbols, 4, stride=2, padding=1),  # (B, V, L)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Decode z (B, latent_dim) as logits (B, L, V)."""
        return self.layers(z).transpose(1, 2)


class CharactersBlock(nn.Module):
    """Change length and channels of a sequence: `NormedBlock` over positions, every convolution with a bias.

        dx = conv_4(act(norm(conv_1(act(norm(x))))));    y = a norm(conv_4(x)) + b dx

    The forward pass takes (B, inputs, L) to (B, outputs, L').

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: Of the two convolutions over 4 positions.
        padding: Of these.
        transposed: Whether they are transposed, so that the sequence grows.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.
        factors: a and b.

    Raises:
        InputError: If a number is not a whole one, or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021, and MMVM, Sutter et al. 2024, text network of CelebA, there with batch
        normalisation and dropout; for what stands in their place see `NormedBlock`.

    Example:
        >>> import torch
        >>> CharactersBlock(4, 8)(torch.zeros(2, 4, 16)).shape
        torch.Size([2, 8, 8])
        >>> CharactersBlock(8, 4, transposed=True)(torch.zeros(2, 8, 8)).shape
        torch.Size([2, 4, 16])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 2,
        padding: int = 1,
        transposed: bool = False,
        activation: str = "relu",
        factors: Factors = EQUAL,
    ) -> None:
        super().__init__()
        self.factors = factors
        inputs, outputs = whole("inputs", inputs), whole("outputs", outputs)
        stride, padding = whole("stride", stride), whole("padding", padding, least=0)
        layer = nn.ConvTranspose1d if transposed else nn.Conv1d
        self.residual = nn.Sequential(
            norm(inputs),
            activation_layer(activation),
            nn.Conv1d(inputs, inputs, 1),
            norm(inputs),
            activation_layer(activation),
            layer(inputs, outputs, 4, stride, padding),
        )
        self.shortcut = nn.Sequential(layer(inputs, outputs, 4, stride, padding), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, inputs, L) to (B, outputs, L')."""
        return weighed(self.shortcut(x), self.residual(x), self.factors)


def _channels(what: str, given: Sequence[int], width: int) -> tuple[int, list[int]]:
    """Return the symbols and the channels after each layer: of 256 positions 1, 2, 3, 4, 5, 5, 5 width."""
    _, symbols, halvings = text_halvings(what, given, least=LEAST)
    width = whole("width", width)
    return symbols, [min(n, MOST) * width for n in range(1, halvings + 2)]
