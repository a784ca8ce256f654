"""The units in which a density is fitted: every dimension standardised, those that never vary set aside."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from counterpoint.densities.stored import shaped
from counterpoint.errors import InputError

LEAST_ROWS = 10
NARROW = 1e-6  # of the largest standard deviation: below it a dimension is constant, and is given this one
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class Scaling:
    """An affine map to latents of mean 0 and standard deviation 1.

        x_l = (z_l - loc_l) / scale_l          for the L dimensions that vary (live)
        z_d ~ N(loc_d, scale_d^2)              independently, narrow, for those that never do

    so that a dimension that collapsed to a point breaks no fit, and the density still has a value there.

    Args:
        loc: (D,) means.
        scale: (D,) standard deviations, above 0.
        live: (D,) bool.

    Example:
        >>> z = torch.stack([torch.arange(10.0), torch.ones(10)], 1).double()
        >>> s = Scaling.fit(z)
        >>> s.live.tolist(), s.down(z).shape
        ([True, False], torch.Size([10, 1]))
        >>> bool((s.up(s.down(z), torch.Generator().manual_seed(0)) - z).abs().max() < 1e-4)
        True
    """

    loc: torch.Tensor
    scale: torch.Tensor
    live: torch.Tensor

    @classmethod
    def fit(cls, z: torch.Tensor) -> "Scaling":
        """Take means and standard deviations of latents (N, D).

        Raises:
            InputError: If there are fewer than ten rows, a value is not finite, or nothing varies.
        """
        if z.dim() != 2 or len(z) < LEAST_ROWS:
            raise InputError(
                f"the latents have shape {tuple(z.shape)}; a density needs at least {LEAST_ROWS} rows x "
                "dimensions."
            )
        if not bool(torch.isfinite(z).all()):
            raise InputError("some latents are not finite; the model has diverged: fit it again.")
        z = z.double()
        loc, spread = z.mean(0), z.std(0, correction=0)
        least = NARROW * torch.maximum(spread.max(), loc.abs())  # rounding of a constant is below it
        live = spread > least
        if not bool(live.any()):
            raise InputError("no latent dimension varies: the model has collapsed, and there is no density.")
        return cls(loc, torch.where(live, spread, NARROW * spread.max()), live)

    def down(self, z: torch.Tensor) -> torch.Tensor:
        """Return the live dimensions standardised, (N, L)."""
        return ((z.double() - self.loc) / self.scale)[:, self.live]

    def up(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return latents (N, D) of standardised ones (N, L); constant dimensions are drawn."""
        z = torch.randn(len(x), len(self.loc), generator=generator, dtype=torch.float64)
        z[:, self.live] = x.double()
        return self.loc + self.scale * z

    def log_volume(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) - log p(x), (N,): the volume of the map, and the density of constant dimensions."""
        x = (z.double() - self.loc) / self.scale
        still = -(x**2 / 2 + _HALF_LOG_2PI)
        return torch.where(self.live, 0.0, still).sum(1) - torch.log(self.scale).sum()

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {f"scaling.{k}": getattr(self, k).numpy() for k in ("loc", "scale", "live")}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray]) -> "Scaling":
        """Make it again.

        Raises:
            ValueError: The arrays do not belong together.
        """
        loc, scale, live = (torch.tensor(arrays[f"scaling.{k}"]) for k in ("loc", "scale", "live"))
        shaped({"scale": scale, "live": live}, {"scale": loc.shape, "live": loc.shape})
        if loc.dim() != 1 or live.dtype != torch.bool or not live.any():
            raise ValueError(f"loc has shape {tuple(loc.shape)}, and {int(live.sum())} dimensions vary")
        return cls(loc, scale, live)
