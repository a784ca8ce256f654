"""The density that a recipe was trained against: N(0, I), the standard Laplace, or a learned scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoint.densities.stored import shaped
from counterpoint.distributions import DiagLaplace, DiagNormal
from counterpoint.errors import choose, whole

FAMILIES: dict[str, type[DiagNormal] | type[DiagLaplace]] = {"normal": DiagNormal, "laplace": DiagLaplace}


@dataclass(frozen=True, eq=False)
class Standard:
    """What the prior says, nothing fitted: p(z) = N(0, I), or Laplace(0, 1) in every dimension.

    Args:
        settings: `kind`, `dim` (D) and `family`.
        scale: (D,), of a prior whose scale was learned with the model; None for 1.

    Example:
        >>> p = Standard.of(2)
        >>> p.sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
        >>> p.log_prob(torch.zeros(1, 2)).round(decimals=4).tolist()  # -log 2 pi
        [-1.8379]
    """

    settings: dict[str, Any]
    scale: np.ndarray | None = None

    @classmethod
    def of(cls, dim: int, family: str = "normal", scale: np.ndarray | None = None) -> "Standard":
        """Return it for D dimensions, `"normal"` or `"laplace"`; the scale (D,) is 1 unless given."""
        choose("family", family, FAMILIES)
        return cls({"kind": "standard", "dim": whole("dim", dim), "family": family}, scale)

    @classmethod
    def fit(cls, z: torch.Tensor, seed: int) -> "Standard":
        """Return N(0, I) in as many dimensions as the latents (N, D) have; they change nothing."""
        return cls.of(z.shape[1])

    @property
    def _distribution(self) -> DiagNormal | DiagLaplace:
        zero = torch.zeros(self.settings["dim"], dtype=torch.float64)
        scale = torch.ones_like(zero) if self.scale is None else torch.from_numpy(self.scale)
        return FAMILIES[self.settings["family"]](zero, scale)

    @property
    def dim(self) -> int:
        """D, of the latents."""
        return self.settings["dim"]

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        noise = torch.randn(n, self.settings["dim"], generator=generator, dtype=torch.float64)
        return self._distribution.rsample(noise)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) in nats, (N,)."""
        return self._distribution.log_prob(z.double())

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays: none, or the learned scale."""
        return {} if self.scale is None else {"scale": self.scale}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Standard":
        """Make it again."""
        made = cls.of(settings["dim"], settings["family"], arrays.get("scale"))
        shaped(arrays, {"scale": (made.dim,)} if arrays else {})
        return made
