"""A normalising flow: standard normal noise, bent by monotone splines."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from counterpoint.densities.descent import descend
from counterpoint.densities.scaling import Scaling
from counterpoint.densities.stored import filled, sized
from counterpoint.seeds import derive

TRANSFORMS, HIDDEN, BINS = 2, (64, 64), 4


@dataclass(frozen=True, eq=False)
class Flow:
    """p(z) = N(f(z); 0, I) |det df/dz|, f two autoregressive layers of rational-quadratic splines.

    Trained by maximum likelihood on standardised latents; splines end at +-5, beyond which f is the identity.
    It needs zuko (`pip install 'counterpoint[flow]'`) to be fitted and used, not to be saved or loaded.

    Args:
        scaling: To standardised latents of L live dimensions.
        arrays: The network's weights by name.
        settings: `kind`, the sizes, and `epochs` and `held_out` (nats a row, standardised) of its training.

    Source: Durkan et al. 2019 (neural spline flows), through zuko.

    Example:
        >>> z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
        >>> made = Flow.fit(z, seed=0)
        >>> made.sample(3, torch.Generator().manual_seed(0)).shape, made.log_prob(z).shape
        (torch.Size([3, 2]), torch.Size([40]))
    """

    scaling: Scaling
    arrays: dict[str, np.ndarray]
    settings: dict[str, Any]

    @classmethod
    def fit(cls, z: torch.Tensor, seed: int) -> "Flow":
        """Fit latents (N, D).

        Raises:
            InputError: If the latents cannot be used.
            ImportError: If zuko is not installed.
        """
        scaling = Scaling.fit(z)
        x = scaling.down(z).float()
        sizes = {"features": x.shape[1], "transforms": TRANSFORMS, "hidden": list(HIDDEN), "bins": BINS}
        network = _network(sizes, derive(seed, "density/flow/weights"))
        told = descend(network, lambda rows, _: -network().log_prob(rows), x, seed, "density/flow", rate=2e-3)
        arrays = {k: v.numpy() for k, v in network.state_dict().items()}
        return cls(scaling, arrays, {"kind": "flow", **sizes, **told})

    @cached_property
    def _flow(self) -> Any:
        """The flow as a distribution."""
        features = self.settings["features"]
        hidden = self.settings["hidden"] if features > 1 else []  # one dimension follows on no other
        widths = [features, *hidden, features * (3 * self.settings["bins"] - 1)]
        times = self.settings["transforms"]
        return filled(lambda: _network(self.settings, 0), self.arrays, widths, times)()

    @property
    def dim(self) -> int:
        """D, of the latents."""
        return len(self.scaling.loc)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        noise = torch.randn(n, self.settings["features"], generator=generator)
        return self.scaling.up(self._flow.transform.inv(noise), generator)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) in nats, (N,)."""
        parts = [self._flow.log_prob(x.float()).double() for x in self.scaling.down(z).split(4096)]
        return torch.cat(parts) + self.scaling.log_volume(z)

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays."""
        return {**self.scaling.state(), **{f"flow.{k}": v for k, v in self.arrays.items()}}

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> "Flow":
        """Make it again; zuko is needed only when it is used."""
        own = {k.removeprefix("flow."): v for k, v in arrays.items() if k.startswith("flow.")}
        scaling = Scaling.from_state(arrays)
        sizes = [*(settings[k] for k in ("features", "transforms", "bins")), *settings["hidden"]]
        sized(sizes, int(scaling.live.sum()))
        return cls(scaling, own, dict(settings))


def _network(sizes: Mapping[str, Any], seed: int) -> Any:
    """Return zuko's flow with initial weights from a seed; the global generator is as before."""
    from zuko.flows import NSF

    kind: Any = {"bins": sizes["bins"], "hidden_features": tuple(sizes["hidden"])}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NSF(sizes["features"], transforms=sizes["transforms"], **kind)
