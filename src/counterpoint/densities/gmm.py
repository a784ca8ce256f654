"""A mixture of normals with full covariances."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterpoint.densities.scaling import Scaling
from counterpoint.densities.stored import shaped
from counterpoint.errors import InputError, whole
from counterpoint.evaluation.fitting import derived_seed
from counterpoint.evaluation.fitting import fit as fit_told

COMPONENTS = (1, 2, 5, 10, 20, 40)  # that are tried
HELD = 5  # one row in so many is held back to choose
FEWEST = 5  # rows a component
REGULARISERS = (1e-4, 1e-2, 1.0)  # on the diagonal of a covariance, in standardised units


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """p(z) = sum_c w_c N(z; m_c, S_c), fitted by expectation maximisation on standardised latents.

    Of 1, 2, 5, 10, 20 and 40 components (those with five rows each) the number is taken under which a fifth
    of the rows, held back, is most probable; then all rows are fitted. A covariance that cannot be factored
    is fitted again with a larger number on its diagonal; `settings["reg_covar"]` says which it was.

    Args:
        scaling: To standardised latents of L live dimensions.
        weight: (C,), sums to 1.
        loc: (C, L).
        factor: (C, L, L) lower Cholesky factors of the covariances.
        settings: `kind`, `components`, `reg_covar`, `converged`, and `tried`: held-out nats a row.

    Source: scikit-learn's GaussianMixture; for VAE latents Ghosh et al. 2020, section 4.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(200, 2, generator=g).double()
        >>> made = GaussianMixture.fit(torch.cat([z - 9, z + 9]), seed=0, components=2)
        >>> sorted(made.loc.sign()[:, 0].tolist()), round(float(made.sample(500, g).abs().mean()))
        ([-1.0, 1.0], 9)
    """

    scaling: Scaling
    weight: torch.Tensor
    loc: torch.Tensor
    factor: torch.Tensor
    settings: dict[str, Any]

    @classmethod
    def fit(cls, z: torch.Tensor, seed: int, components: int | None = None) -> "GaussianMixture":
        """Fit latents (N, D).

        Args:
            z: The latents.
            seed: Of the start and of the rows held back.
            components: C; chosen unless given.

        Raises:
            InputError: If there are more components than rows, or the latents cannot be used.
        """
        scaling = Scaling.fit(z)
        x = scaling.down(z).numpy()
        tried: dict[str, float] = {}
        if components is None:
            held = np.random.default_rng(seed).permutation(len(x)) < len(x) // HELD
            for count in [c for c in COMPONENTS if c * FEWEST <= (~held).sum()]:
                tried[str(count)] = float(_mixture(x[~held], count, seed)[0].score(x[held]))
            components = int(max(tried, key=lambda k: tried[k]))
        elif whole("components", components) > len(x):
            raise InputError(f"components is {components}, of {len(x)} rows; give at most one a row.")
        found, regulariser, converged = _mixture(x, components, seed)
        settings = {
            "kind": "gmm",
            "components": components,
            "reg_covar": regulariser,
            "converged": converged,
            "tried": tried,
        }
        factor = np.linalg.cholesky(found.covariances_)
        weight, loc, factor = (torch.from_numpy(v) for v in (found.weights_, found.means_, factor))
        return cls(scaling, weight, loc, factor, settings)

    @property
    def dim(self) -> int:
        """D, of the latents."""
        return len(self.scaling.loc)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        upto = torch.cumsum(self.weight, 0)
        picked = torch.searchsorted(upto / upto[-1], uniform, right=True).clamp(max=len(upto) - 1)
        noise = torch.randn(n, self.loc.shape[1], generator=generator, dtype=torch.float64)
        x = self.loc[picked] + (self.factor[picked] @ noise.unsqueeze(-1)).squeeze(-1)
        return self.scaling.up(x, generator)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) in nats, (N,)."""
        x = self.scaling.down(z)
        each = []  # a component at a time: (N, C, L) would not fit for many rows
        for weight, loc, factor in zip(self.weight, self.loc, self.factor, strict=True):
            white = torch.linalg.solve_triangular(factor, (x - loc).T, upper=False)
            constant = torch.log(weight) - torch.log(factor.diagonal()).sum()
            each.append(constant - (white**2).sum(0) / 2 - x.shape[1] / 2 * math.log(2 * math.pi))
        return torch.logsumexp(torch.stack(each), 0) + self.scaling.log_volume(z)

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        own = {k: getattr(self, k).numpy() for k in ("weight", "loc", "factor")}
        return {**self.scaling.state(), **own}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "GaussianMixture":
        """Make it again."""
        weight, loc, factor = (torch.tensor(arrays[k]) for k in ("weight", "loc", "factor"))
        scaling = Scaling.from_state(arrays)
        count, live = len(weight), int(scaling.live.sum())
        shaped(arrays, {"weight": (count,), "loc": (count, live), "factor": (count, live, live)})
        return cls(scaling, weight, loc, factor, dict(settings))


def _mixture(x: np.ndarray, components: int, seed: int) -> tuple[Any, float, bool]:
    """Return scikit-learn's mixture, the regulariser that it took, and whether it converged."""
    from sklearn.mixture import GaussianMixture as Mixture

    for regulariser in REGULARISERS:
        state = derived_seed(seed, "density/gmm", str(components))
        model = Mixture(components, reg_covar=regulariser, max_iter=200, random_state=state)
        try:
            converged = fit_told(model, x, np.empty(0))
        except ValueError as error:  # a covariance has no Cholesky factor
            if "ill-defined empirical covariance" not in str(error):
                raise
            continue
        return model, regulariser, converged
    raise InputError(
        f"no mixture of {components} normals can be fitted: a covariance is singular; give fewer components."
    )
