"""Networks made of networks: one encoder for all modalities together, and encoders side by side."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class JointEncoder(nn.Module):
    """Read every modality with a trunk of its own, add up, and map the sum to the heads.

    The sum is a linear layer on the trunks' inner layers side by side; what is absent adds nothing, so that
    any set of modalities can be read. The forward pass takes the trunks' outputs (M, B, units) and presence
    (M, B) to (B, heads * latent_dim).

    Args:
        trunks: A network for each modality, from what its encoder reads to (B, units).
        head: A network from (B, units) to (B, heads * latent_dim).

    Source:
        Suzuki et al. 2017 (JMVAE), section 3.2: the joint posterior's network takes all modalities.

    Example:
        >>> encoder = JointEncoder([nn.Linear(3, 8), nn.Linear(5, 8)], nn.Linear(8, 4))
        >>> encoder(torch.zeros(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)).shape
        torch.Size([6, 4])
    """

    def __init__(self, trunks: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.trunks, self.head = nn.ModuleList(trunks), head

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """Turn features (M, B, units) into the heads (B, heads * latent_dim)."""
        return self.head(torch.relu(torch.where(present.unsqueeze(-1), features, 0.0).sum(0)))


class SideBySide(nn.Module):
    """Put what several networks make of one input (B, ...) side by side: (B, a), (B, b) to (B, a + b).

    Example:
        >>> SideBySide([nn.Linear(3, 2), nn.Linear(3, 4)])(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Return all outputs, (B, sum of columns)."""
        return torch.cat([network(x) for network in self.networks], -1)
