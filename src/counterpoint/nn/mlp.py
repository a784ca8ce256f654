"""Fully connected networks for events of any shape, which they flatten."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from counterpoint.errors import whole
from counterpoint.nn.events import activation_layer, sizes


class MLPEncoder(nn.Module):
    """Map flattened events through fully connected layers to the heads, side by side.

    An activation follows every hidden layer; `hidden=()` leaves one linear map. The forward pass takes
    (B, *shape) to (B, heads * latent_dim); the first latent_dim columns are the first head (loc).

    Args:
        shape: The shape of one event; () is a single number.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        hidden: Units of the hidden layers, input side first.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size is not a whole number of at least 1 or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021 (MNIST network): shape (784,), latent_dim 20, hidden (400,).

    Example:
        >>> import torch
        >>> MLPEncoder((28, 28), latent_dim=20, hidden=(400,))(torch.zeros(5, 28, 28)).shape
        torch.Size([5, 40])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        hidden: Sequence[int] = (256,),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.features = math.prod(sizes("shape", shape))
        outputs = whole("heads", heads) * whole("latent_dim", latent_dim)
        self.layers = _layers(self.features, hidden, outputs, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, *shape) as (B, heads * latent_dim)."""
        return self.layers(x.reshape(x.shape[0], self.features))


class MLPDecoder(nn.Module):
    """Map latent vectors through fully connected layers to events.

    The forward pass takes (B, latent_dim) to (B, *shape); nothing follows the last linear map.

    Args:
        latent_dim: Columns of the latent vectors.
        shape: The shape of one output; () is a single number.
        hidden: Units of the hidden layers, latent side first.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size is not a whole number of at least 1 or the activation is unknown.

    Source:
        MoPoE, Sutter et al. 2021 (MNIST network): latent_dim 20, hidden (400,), shape (784,).

    Example:
        >>> import torch
        >>> MLPDecoder(20, (28, 28), hidden=(400,))(torch.zeros(5, 20)).shape
        torch.Size([5, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        hidden: Sequence[int] = (256,),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.shape = sizes("shape", shape)
        self.layers = _layers(whole("latent_dim", latent_dim), hidden, math.prod(self.shape), activation)

    def forward(self, z: Tensor) -> Tensor:
        """Decode z (B, latent_dim) as (B, *shape)."""
        return self.layers(z).reshape(z.shape[0], *self.shape)


def _layers(inputs: int, hidden: Sequence[int], outputs: int, activation: str) -> nn.Sequential:
    """Linear maps with an activation between them."""
    widths = (inputs, *sizes("hidden", hidden), outputs)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation_layer(activation)]
    return nn.Sequential(*layers[:-1])
