"""Densities over latents, fitted after training: what `sample` draws one latent of all modalities from.

A density is a frozen object of a few arrays with the same face whatever its kind: `fit(z, seed)` makes it,
`sample(n, generator)` draws (n, D), `log_prob(z)` is (N,) in nats and normalised, `state()` and `settings`
are all of it (plain arrays, and what JSON holds), and `from_state` makes it again. Latents are float64.

Source: Ghosh et al. 2020 (ex-post density estimation).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as read_arrays
from safetensors.numpy import save as write_arrays
from torch import nn

from counterpoint.densities.flow import Flow
from counterpoint.densities.gmm import GaussianMixture
from counterpoint.densities.hyperprior import Hyperprior
from counterpoint.densities.standard import Standard
from counterpoint.densities.vamp import Components, Vamp
from counterpoint.errors import InputError, choose


class Density(Protocol):
    """What every kind of density is."""

    @property
    def settings(self) -> dict[str, Any]:
        """What it was made with, as JSON holds it."""
        ...

    @property
    def dim(self) -> int:
        """D, of the latents."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws, (n, D)."""
        ...

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) in nats, (N,), for latents (N, D)."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return its arrays by name."""
        ...

    @classmethod
    def from_state(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """Make it again from `state()` and `settings`."""
        ...


KINDS: dict[str, type[Density]] = {
    "standard": Standard,
    "gmm": GaussianMixture,
    "flow": Flow,
    "vamp": Vamp,
    "hyperprior": Hyperprior,
}
FITTED = ("gmm", "flow", "hyperprior", "vamp")  # what `sample` takes unless told: the first that is there


def fit(
    kind: str,
    z: torch.Tensor,
    seed: int,
    *,
    components: int | None = None,
    inputs: Callable[[np.ndarray], nn.Module] | None = None,
) -> Density:
    """Fit a density of a kind that learns from latents.

    Args:
        kind: One of `FITTED`.
        z: (N, D) latents.
        seed: Decides everything random.
        components: Of `gmm` and `vamp`; they choose unless given.
        inputs: Row numbers -> pseudo-inputs that start there, for `vamp`.

    Raises:
        InputError: If the kind is unknown or has no components, or the latents cannot be used.

    Example:
        >>> z = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)).double()
        >>> made = fit("gmm", z, seed=0, components=1)
        >>> made.sample(3, torch.Generator().manual_seed(0)).shape, made.log_prob(z).shape
        (torch.Size([3, 2]), torch.Size([60]))
    """
    choose("density", kind, FITTED)
    if components is not None and kind not in ("gmm", "vamp"):
        raise InputError(f"components is {components!r}, and {kind} has none; leave it out, or take gmm.")
    if kind == "gmm":
        return GaussianMixture.fit(z, seed, components)
    if kind == "flow":
        return Flow.fit(z, seed)
    if kind == "hyperprior":
        return Hyperprior.fit(z, seed)
    assert inputs is not None
    return Vamp.fit(z, seed, inputs, components)


def pack(density: Density) -> bytes:
    """Return a density as a safetensors file: equal densities are equal bytes.

    Example:
        >>> again = unpack(pack(Standard.of(2)))
        >>> again.settings == Standard.of(2).settings
        True
    """
    arrays = {k: np.ascontiguousarray(v) for k, v in density.state().items()}
    # One entry: safetensors writes several in any order.
    return write_arrays(arrays, metadata={"density": json.dumps(density.settings, sort_keys=True)})


def unpack(content: bytes, what: str = "the density", dim: int | None = None) -> Density:
    """Return the density that such a file holds.

    Args:
        content: Of the file.
        what: Names it, for the error.
        dim: D of the model's latents, if it must be that.

    Raises:
        InputError: If it is damaged, or of latents of another dimension.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        settings = json.loads(header["__metadata__"]["density"])
        arrays = read_arrays(content)
        made = KINDS[settings["kind"]].from_state(arrays, settings)
        if dim not in (None, made.dim):
            raise ValueError(f"it is of {made.dim} dimensions, the model's latents have {dim}")
        return made
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{what} is damaged ({error!r}); fit the density again.") from error


__all__ = [
    "FITTED",
    "KINDS",
    "Components",
    "Density",
    "Flow",
    "GaussianMixture",
    "Hyperprior",
    "Standard",
    "Vamp",
    "fit",
    "pack",
    "unpack",
]
