"""A second VAE over the latents: their density is its marginal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoint.densities.descent import descend
from counterpoint.densities.scaling import Scaling
from counterpoint.densities.stored import filled, sized
from counterpoint.distributions import DiagNormal
from counterpoint.seeds import derive, generator

HIDDEN, DRAWS, ROWS = 128, 128, 256
# log of the standard deviation of p(z | u), in standardised units: the smallest, and that at the start, which
# is well below 0 since a second VAE that starts out explaining nothing may never use u
LEAST, START = -4.0, -1.0


class _SecondVAE(nn.Module):
    """q(u | z) and p(z | u) = N(decoder(u), exp(2 log_scale) I), both of the latents' dimension."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.encoder, self.decoder = (
            nn.Sequential(
                *(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()),
                nn.Linear(hidden, out),
            )
            for out in (2 * features, features)
        )
        self.log_scale = nn.Parameter(torch.tensor(START))

    def posterior(self, x: torch.Tensor) -> DiagNormal:
        """Return q(u | z)."""
        return DiagNormal.from_heads(self.encoder(x))

    def likelihood(self, u: torch.Tensor) -> DiagNormal:
        """Return p(z | u)."""
        loc = self.decoder(u)
        return DiagNormal(loc, torch.exp(self.log_scale.clamp(LEAST, 4.0)).expand_as(loc))

    def weight(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return log p(u) p(z | u) / q(u | z) at u drawn from q by the noise (..., B, L)."""
        q = self.posterior(x)
        u = q.rsample(noise)
        prior = DiagNormal(torch.zeros_like(u), torch.ones_like(u))
        return prior.log_prob(u) + self.likelihood(u).log_prob(x) - q.log_prob(u)


@dataclass(frozen=True, eq=False)
class Hyperprior:
    """p(z) = int N(u; 0, I) N(z; d(u), s^2 I) du, a VAE over standardised latents, s learned.

    u has as many dimensions as z; encoder and decoder are networks of two hidden layers, trained on the ELBO.
    A draw is u ~ N(0, I), then z ~ p(z | u). `log_prob` is an importance-sampled estimate,

        log 1/K sum_k p(u_k) p(z | u_k) / q(u_k | z),   u_k ~ q(u | z),   K = 128,

    below log p(z) in expectation and reaching it as K grows; its noise is fixed, so it repeats.

    Args:
        scaling: To standardised latents of L live dimensions.
        arrays: The networks' weights by name.
        settings: `kind`, the sizes, `seed`, and `epochs` and `held_out` (negative ELBO) of its training.

    Source: Dai & Wipf 2019 (two-stage VAE), section 4; Burda et al. 2016, eq. 8, for the estimate.

    Example:
        >>> z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
        >>> made = Hyperprior.fit(z, seed=0)
        >>> made.sample(3, torch.Generator().manual_seed(0)).shape, made.log_prob(z).shape
        (torch.Size([3, 2]), torch.Size([40]))
    """

    scaling: Scaling
    arrays: dict[str, np.ndarray]
    settings: dict[str, Any]

    @classmethod
    def fit(cls, z: torch.Tensor, seed: int) -> "Hyperprior":
        """Fit latents (N, D).

        Raises:
            InputError: If the latents cannot be used.
        """
        scaling = Scaling.fit(z)
        x = scaling.down(z).float()
        sizes = {"features": x.shape[1], "hidden": HIDDEN}
        network = _network(sizes, derive(seed, "density/hyperprior/weights"))

        def loss(rows: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
            return -network.weight(rows, torch.randn(rows.shape, generator=noise))

        told = descend(network, loss, x, seed, "density/hyperprior", rate=3e-3, patience=100)
        arrays = {k: v.numpy() for k, v in network.state_dict().items()}
        return cls(scaling, arrays, {"kind": "hyperprior", "seed": seed, **sizes, **told})

    @cached_property
    def _vae(self) -> _SecondVAE:
        features, hidden = self.settings["features"], self.settings["hidden"]
        made: Any = filled(lambda: _network(self.settings, 0), self.arrays, [features, hidden, hidden], 2)
        return made

    @property
    def dim(self) -> int:
        """D, of the latents."""
        return len(self.scaling.loc)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        noise = torch.randn(2, n, self.settings["features"], generator=generator)
        return self.scaling.up(self._vae.likelihood(noise[0]).rsample(noise[1]), generator)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return an estimate of log p(z) in nats, (N,)."""
        noise = generator(self.settings["seed"], "density/hyperprior/log_prob")
        parts = []
        for x in self.scaling.down(z).float().split(ROWS):
            drawn = torch.randn(DRAWS, *x.shape, generator=noise)
            parts.append(torch.logsumexp(self._vae.weight(x, drawn).double(), 0) - math.log(DRAWS))
        return torch.cat(parts) + self.scaling.log_volume(z)

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {**self.scaling.state(), **{f"vae.{k}": v for k, v in self.arrays.items()}}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Hyperprior":
        """Make it again."""
        own = {k.removeprefix("vae."): v for k, v in arrays.items() if k.startswith("vae.")}
        scaling = Scaling.from_state(arrays)
        sized([settings["features"], settings["hidden"]], int(scaling.live.sum()))
        return cls(scaling, own, dict(settings))


def _network(sizes: Mapping[str, Any], seed: int) -> _SecondVAE:
    """Return the networks with initial weights from a seed; the global generator is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _SecondVAE(sizes["features"], sizes["hidden"])
