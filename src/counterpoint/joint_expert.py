"""The aggregation of methods with a joint encoder."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior, product
from counterpoint.distributions import DiagNormal
from counterpoint.shapes import Bool


@dataclass(frozen=True)
class JointExpert:
    """One expert: what the joint encoder says where all modalities are present.

    A joint encoder has no say about a row that lacks a modality. There the expert is the fallback: the
    product of the present unimodal posteriors, without a prior expert; of one alone it is that one. A model
    of a single modality has no use for a second encoder of it and takes the unimodal posterior.

    Reads q (M + 1, B, D), the joint encoder's last.

    Source: Suzuki et al. 2017 (JMVAE), eq. 4, and Vedantam et al. 2018 (TELBO), eq. 2, for complete rows; the
    fallback is a product as in Wu & Goodman 2018 (MVAE), eq. 3.

    Example:
        >>> q = DiagNormal(torch.tensor([[[1.0]], [[3.0]], [[9.0]]]), torch.ones(3, 1, 1))
        >>> for there in ([True, True], [True, False]):
        ...     print(JointExpert()(q, torch.tensor(there)[:, None]).experts.loc.item())
        9.0
        1.0
    """

    shared = True

    def experts(self, modalities: int) -> int:
        """E."""
        return 1

    def __call__(self, q: DiagNormal, present: Bool[torch.Tensor, "M B"]) -> Posterior:
        """Return the one expert, which explains every present modality."""
        modalities = present.shape[0]
        expert = product(q[:-1], present[None], q.loc.new_zeros(1, 1))
        if modalities > 1:
            every = present.all(0).unsqueeze(-1)
            joint = q[-1:]
            loc = torch.where(every, joint.loc, expert.loc)
            expert = DiagNormal(loc, torch.where(every, joint.scale, expert.scale))
        weight = torch.ones_like(expert.loc[..., 0])
        return Posterior(expert, weight, present[None], (slice(None),) * modalities)
