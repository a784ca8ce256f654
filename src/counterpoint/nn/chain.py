"""What several networks are made of: a chain of layers, and a trunk with its heads."""

from torch import Tensor, nn

from counterpoint.errors import whole


class Chain(nn.Module):
    """Take the input through `layers`, one after another; a subclass says which, and of what shapes.

    Args:
        layers: The modules, first to last.

    Example:
        >>> import torch
        >>> Chain(nn.Flatten(), nn.Linear(12, 5))(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 5])
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, ...) to what the last layer gives."""
        return self.layers(x)


class TrunkEncoder(nn.Module):
    """Map the features that a trunk finds to the heads, side by side, by one linear map.

    Args:
        trunk: A network from (B, ...) to (B, features).
        features: How many they are.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        bias: Whether the linear map has one.

    Raises:
        InputError: If latent_dim or heads is not a whole number of at least 1.

    Example:
        >>> import torch
        >>> TrunkEncoder(nn.Flatten(), 12, latent_dim=3, heads=2, bias=False)(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 6])
    """

    def __init__(self, trunk: nn.Module, features: int, latent_dim: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        columns = whole("heads", heads) * whole("latent_dim", latent_dim)
        self.trunk, self.heads = trunk, nn.Linear(features, columns, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, ...) as (B, heads * latent_dim)."""
        return self.heads(self.trunk(x))
