"""Convolutional networks over the positions of a text whose symbols are one-hot."""

from collections.abc import Sequence

from torch import Tensor, nn

from counterpoint.errors import whole
from counterpoint.nn.events import activation_layer, text_shape

LEAST = 4  # positions; also the shortest text that is read in one piece


class TextEncoder(nn.Module):
    """Map one-hot texts through convolutions over the positions to the heads, side by side.

    A map of single positions, as many halvings as leave 4 to 7 positions, one convolution over all of these,
    a linear map. The forward pass takes (B, L, V) to (B, heads * latent_dim); the first latent_dim columns
    are loc.

    Args:
        shape: One event, (L, V): positions (at least 4) by symbols.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels of all the convolutions.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021, text network of MNIST-SVHN-Text: shape (8, 71), latent_dim 20, width 128.

    Example:
        >>> import torch
        >>> TextEncoder((8, 71), latent_dim=20)(torch.zeros(5, 8, 71)).shape
        torch.Size([5, 40])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        width: int = 128,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        length, symbols = text_shape("shape", shape, least=LEAST)
        width = whole("width", width)
        *longer, shortest = _halvings(length)
        layers: list[nn.Module] = [
            nn.Conv1d(symbols, width, 1),
            activation_layer(activation),
        ]  # (B, width, L)
        for _ in longer:
            layers += [nn.Conv1d(width, width, 4, stride=2, padding=1), activation_layer(activation)]
        layers += [nn.Conv1d(width, width, shortest), activation_layer(activation)]  # (B, width, 1)
        layers += [nn.Flatten(), nn.Linear(width, whole("heads", heads) * whole("latent_dim", latent_dim))]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, L, V) as (B, heads * latent_dim)."""
        return self.layers(x.transpose(1, 2))  # symbols are the channels: (B, V, L)


class TextDecoder(nn.Module):
    """Map latent vectors to scores of every symbol at every position, the encoder's way back.

    The forward pass takes (B, latent_dim) to logits (B, L, V).

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (L, V): positions (at least 4) by symbols.
        width: Channels of all the convolutions.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`; none stands between the linear map and
            the first transposed convolution, as published.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021, text network of MNIST-SVHN-Text: latent_dim 20, shape (8, 71), width 128.

    Example:
        >>> import torch
        >>> TextDecoder(20, (8, 71))(torch.zeros(5, 20)).shape
        torch.Size([5, 8, 71])
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], width: int = 128, activation: str = "relu"
    ) -> None:
        super().__init__()
        length, symbols = text_shape("shape", shape, least=LEAST)
        width = whole("width", width)
        *longer, shortest = _halvings(length)
        layers: list[nn.Module] = [
            nn.Linear(whole("latent_dim", latent_dim), width),
            nn.Unflatten(1, (width, 1)),
        ]
        layers += [nn.ConvTranspose1d(width, width, shortest), activation_layer(activation)]
        for target in reversed(
            longer
        ):  # n goes to 2n + padding, so that an odd target wants a padding of one
            double = nn.ConvTranspose1d(width, width, 4, stride=2, padding=1, output_padding=target % 2)
            layers += [double, activation_layer(activation)]
        layers += [nn.Conv1d(width, symbols, 1)]  # (B, V, L)
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Decode z (B, latent_dim) as logits (B, L, V)."""
        return self.layers(z).transpose(1, 2)


def _halvings(length: int) -> list[int]:
    """The length and what each halving, rounding down, leaves of it until below 8: 8 -> 4, 31 -> 15 -> 7."""
    found = [length]
    while found[-1] >= 2 * LEAST:
        found.append(found[-1] // 2)
    return found
