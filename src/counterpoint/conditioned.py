"""The aggregation of methods whose latent is read from the observed modalities together."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior
from counterpoint.distributions import DiagNormal
from counterpoint.errors import InputError
from counterpoint.shapes import Bool, Tensor


@dataclass(frozen=True)
class Conditioned:
    """One expert: what is said of z given whatever of the observed modalities a row has.

    Reads q (M + 1, B, D), as a conditional model encodes it, the last of which is the expert.

    Example:
        >>> q = DiagNormal(torch.tensor([[[1.0]], [[3.0]], [[9.0]]]), torch.ones(3, 1, 1))
        >>> Conditioned()(q, torch.ones(2, 1, dtype=torch.bool)).experts.loc.item()
        9.0
    """

    shared = True

    def experts(self, modalities: int) -> int:
        """E."""
        return 1

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return the one expert, which explains every present modality."""
        expert = q[-1:]
        every = (slice(None),) * present.shape[0]
        return Posterior(expert, torch.ones_like(expert.loc[..., 0]), present[None], every)


def observed_names(observed: tuple[str, ...] | list[str] | None) -> tuple[str, ...] | None:
    """Return the names of the observed modalities as a method keeps them.

    Raises:
        InputError: If they are no list of different names.

    Example:
        >>> observed_names(["a", "b"])
        ('a', 'b')
    """
    if observed is None:
        return None
    fine = isinstance(observed, (list, tuple)) and all(isinstance(name, str) for name in observed)
    if not fine or not observed or len(set(observed)) < len(observed):
        raise InputError(f"observed is {observed!r}; give a list of different modalities, or None for any.")
    return tuple(observed)
