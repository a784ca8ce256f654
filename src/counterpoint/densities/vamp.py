"""A mixture of the encoders' own posteriors at a few inputs, which are learned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoint.densities.descent import descend
from counterpoint.densities.scaling import Scaling
from counterpoint.densities.standard import FAMILIES
from counterpoint.densities.stored import shaped
from counterpoint.errors import InputError, choose, whole
from counterpoint.evaluation.fitting import derived_seed
from counterpoint.evaluation.fitting import fit as fit_told

MOST, SHARE = 200, 4  # pseudo-inputs: one row in four, and no more than 200
MOST_EXPERTS = 1200
RATE, STEPS, PATIENCE = 1e-2, 1500, 10  # of their descent
_AT_ONCE = 20_000_000  # numbers in one pass


@dataclass(frozen=True, eq=False)
class Components:
    """Posteriors of some rows, each a mixture of experts, laid side by side.

    Args:
        family: `"normal"` or `"laplace"`.
        loc: (C, D).
        scale: (C, D).
        weight: (C,), above 0.

    Example:
        >>> Components("normal", torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1)).loc.shape
        torch.Size([1, 2])
    """

    family: str
    loc: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True, eq=False)
class Vamp:
    """p(z) = 1/K sum_k q(z | U_k), the joint posteriors of K pseudo-inputs U_k, which are learned.

    Ex post, through encoders that stay as they are: the latents are cut into K clusters by k-means, the row
    whose latent is nearest to a centre is where its pseudo-input starts, and gradients move the pseudo-inputs
    to where the latents of the training rows are likelier, for as long as rows held back agree. In the
    VampPrior itself they are learned beside the model, whose own prior this density is.

    Args:
        parts: All experts of all pseudo-inputs, weights summing to 1.
        settings: `kind`, `components` (K), `family`, and `epochs` and `held_out` (nats a row) of the descent.

    Source: Tomczak & Welling 2018 (VampPrior), eq. 9.

    Example:
        >>> z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
        >>> class Inputs(nn.Module):  # encoders that are the identity
        ...     def __init__(self, rows):
        ...         super().__init__()
        ...         self.x = nn.Parameter(z[rows])
        ...
        ...     def forward(self):
        ...         return Components("normal", self.x, torch.ones_like(self.x), torch.ones(len(self.x)))
        >>> made = Vamp.fit(z, 0, Inputs, components=5)
        >>> made.parts.loc.shape, made.sample(3, torch.Generator().manual_seed(0)).shape
        (torch.Size([5, 2]), torch.Size([3, 2]))
    """

    parts: Components
    settings: dict[str, Any]

    @classmethod
    def fit(
        cls,
        z: torch.Tensor,
        seed: int,
        inputs: Callable[[np.ndarray], nn.Module],
        components: int | None = None,
    ) -> "Vamp":
        """Learn the pseudo-inputs for latents (N, D).

        Args:
            z: The latents.
            seed: Of k-means, and of the order of the descent.
            inputs: Row numbers (K,) -> pseudo-inputs that start there; called, they are `Components`.
            components: K; a fourth of the rows, at most 200 and of at most 1,200 experts, unless given.

        Raises:
            InputError: If there are more components than rows, or the latents cannot be used.
        """
        from sklearn.cluster import KMeans

        x = Scaling.fit(z).down(z).numpy()
        count = min(MOST, max(1, len(x) // SHARE)) if components is None else whole("components", components)
        if count > len(x):
            raise InputError(f"components is {count}, of {len(x)} rows; give at most one a row.")

        def started(count: int) -> tuple[nn.Module, int]:
            """Start at the rows nearest to the centres; fewer, where latents coincide, are fine."""
            start: Any = {"n_init": 1, "random_state": derived_seed(seed, "density/vamp")}
            means = KMeans(count, **start)
            fit_told(means, x, np.empty(0))
            rows = np.unique(means.transform(x).argmin(0))
            return inputs(rows), len(rows)

        learned, count = started(count)
        with torch.no_grad():
            experts = len(learned().loc)
        if components is None and experts > MOST_EXPERTS:
            learned, count = started(max(1, count * MOST_EXPERTS // experts))
        told = descend(
            learned,
            lambda part, _: -_log_prob(learned(), part),
            z.double(),
            seed,
            "density/vamp",
            rate=RATE,
            patience=PATIENCE,
            most=STEPS,
        )
        with torch.no_grad():
            found = learned()
        loc, scale, weight = (v.detach().cpu().double() for v in (found.loc, found.scale, found.weight))
        parts = Components(found.family, loc, scale, weight / weight.sum())
        return cls(parts, {"kind": "vamp", "components": count, "family": found.family, **told})

    @property
    def dim(self) -> int:
        """D, of the latents."""
        return self.parts.loc.shape[1]

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        p = self.parts
        upto = torch.cumsum(p.weight, 0)
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        picked = torch.searchsorted(upto / upto[-1], uniform, right=True).clamp(max=len(upto) - 1)
        noise = torch.randn(n, p.loc.shape[1], generator=generator, dtype=torch.float64)
        return FAMILIES[p.family](p.loc[picked], p.scale[picked]).rsample(noise)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) in nats, (N,)."""
        rows = max(1, _AT_ONCE // self.parts.loc.numel())
        return torch.cat([_log_prob(self.parts, part) for part in z.double().split(rows)])

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {k: getattr(self.parts, k).numpy() for k in ("loc", "scale", "weight")}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Vamp":
        """Make it again."""
        loc, scale, weight = (torch.tensor(arrays[k]) for k in ("loc", "scale", "weight"))
        shaped(arrays, {"weight": (len(weight),), "loc": (len(weight), *loc.shape[1:2]), "scale": loc.shape})
        choose("family", settings["family"], FAMILIES)
        return cls(Components(settings["family"], loc, scale, weight), dict(settings))


def _log_prob(parts: Components, z: torch.Tensor) -> torch.Tensor:
    """Return log p(z) in nats, (B,), of latents (B, D), with gradients."""
    loc, scale, weight = (v.double() for v in (parts.loc, parts.scale, parts.weight))
    each = FAMILIES[parts.family](loc, scale).log_prob(z.unsqueeze(1))  # (B, C)
    return torch.logsumexp(each + torch.log(weight / weight.sum()), 1)
