"""Private latents: what a modality keeps to itself beside the latent that it shares."""

from typing import NamedTuple

import torch

from counterpoint.distributions import Unimodal, kl_standard
from counterpoint.shapes import Bool, Float, Tensor


class Own(NamedTuple):
    """Draws of the private latents, and what they cost.

    Args:
        w: (K, M, B, W), draws from q(w_m | x_m).
        rate: (M, B), KL(q(w_m | x_m) || p(w)) in nats; 0 where the modality is absent.
    """

    w: Float[Tensor, "K M B W"]
    rate: Float[Tensor, "M B"]

    def beside(self, m: int, z: Float[Tensor, "K E B D"]) -> Float[Tensor, "K E B DW"]:
        """Return what modality m is decoded from: the shared latents, each beside its private one."""
        return torch.cat([z, self.w[:, m : m + 1].expand(-1, z.shape[1], -1, -1)], -1)


def own(q: Unimodal, noise: Float[Tensor, "K M B W"], present: Bool[Tensor, "M B"]) -> Own:
    """Draw every modality's private latent from its posterior q (M, B, W).

    The prior is the standard member of q's family.

    Example:
        >>> from counterpoint.distributions import DiagNormal
        >>> q = DiagNormal(torch.ones(1, 2, 3), torch.ones(1, 2, 3))
        >>> found = own(q, torch.zeros(1, 1, 2, 3), torch.tensor([[True, False]]))
        >>> found.w.shape, found.rate.tolist()
        (torch.Size([1, 1, 2, 3]), [[1.5, 0.0]])
    """
    return Own(q.rsample(noise), torch.where(present, kl_standard(q), 0.0))  # type: ignore[arg-type]
