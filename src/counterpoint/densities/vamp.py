"""A mixture of the encoder's own posteriors at a few training rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoint.densities.scaling import Scaling
from counterpoint.densities.standard import FAMILIES
from counterpoint.errors import InputError, whole
from counterpoint.evaluation.fitting import derived_seed
from counterpoint.evaluation.fitting import fit as fit_told

MOST, SHARE = 500, 4  # pseudo-inputs: one row in four, and no more than 500
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
    """p(z) = 1/K sum_k q(z | X_k), the joint posteriors of K training rows X_k, the pseudo-inputs.

    Ex post: the latents are cut into K clusters by k-means, and of each the row is taken whose latent is
    nearest to the centre; nothing is trained. (The VampPrior itself learns its pseudo-inputs with the model.)
    What is drawn lies near the latents of those K rows, so it generates variations of rows that were trained
    on.

    Args:
        parts: All experts of all pseudo-inputs, weights summing to 1.
        settings: `kind`, `components` (K), `family`.

    Source: Tomczak & Welling 2018 (VampPrior), eq. 9, with pseudo-inputs chosen from the data.

    Example:
        >>> z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
        >>> def posteriors(rows):
        ...     loc = z[rows]
        ...     return Components("normal", loc, 0.1 * torch.ones_like(loc), torch.ones(len(rows)))
        >>> made = Vamp.fit(z, 0, posteriors, components=5)
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
        posteriors: Callable[[np.ndarray], Components],
        components: int | None = None,
    ) -> "Vamp":
        """Choose the pseudo-inputs among the rows of latents (N, D).

        Args:
            z: The latents.
            seed: Of k-means.
            posteriors: Row numbers (K,) -> their posteriors.
            components: K; a fourth of the rows, at most 500, unless given.

        Raises:
            InputError: If there are more components than rows, or the latents cannot be used.
        """
        from sklearn.cluster import KMeans

        x = Scaling.fit(z).down(z).numpy()
        count = min(MOST, max(1, len(x) // SHARE)) if components is None else whole("components", components)
        if count > len(x):
            raise InputError(f"components is {count}, of {len(x)} rows; give at most one a row.")
        start: Any = {"n_init": 1, "random_state": derived_seed(seed, "density/vamp")}
        means = KMeans(count, **start)
        fit_told(means, x, np.empty(0))  # fewer clusters than asked for, where latents coincide, are fine
        rows = np.unique(means.transform(x).argmin(0))  # the row nearest to each centre
        found = posteriors(rows)
        loc, scale, weight = (v.detach().cpu().double() for v in (found.loc, found.scale, found.weight))
        parts = Components(found.family, loc, scale, weight / weight.sum())
        return cls(parts, {"kind": "vamp", "components": len(rows), "family": found.family})

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
        p = self.parts
        mixture, log_weight = FAMILIES[p.family](p.loc, p.scale), torch.log(p.weight)
        rows = max(1, _AT_ONCE // p.loc.numel())
        return torch.cat(
            [
                torch.logsumexp(mixture.log_prob(part.unsqueeze(1)) + log_weight, 1)
                for part in z.double().split(rows)
            ]
        )

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {k: getattr(self.parts, k).numpy() for k in ("loc", "scale", "weight")}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Vamp":
        """Make it again."""
        own = (torch.tensor(arrays[k]) for k in ("loc", "scale", "weight"))
        return cls(Components(settings["family"], *own), dict(settings))
