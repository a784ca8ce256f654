"""Separate latents, weighed by how sharp their posteriors are."""

from dataclasses import dataclass, replace

import torch

from counterpoint.aggregation import Posterior, Separate
from counterpoint.distributions import Point, Unimodal
from counterpoint.shapes import Bool, Tensor


@dataclass(frozen=True)
class SeparateByPrecision:
    """Separate latents whose posteriors weigh in their mixture by how sharp they are.

        w_m ~ exp(-H(q_m)) ~ prod_d 1/s_md,    sum_m w_m = 1 over the present modalities

    with H the entropy in nats. A common linear map of all latents, which the divergences between them do not
    see, changes nothing. In the loss each modality counts once, whatever it weighs, and no gradient goes
    through the weights: a posterior could gain from it by being sharp for no reason in its data.

    Example:
        >>> from counterpoint.distributions import DiagNormal
        >>> q = DiagNormal(torch.zeros(2, 1, 2), torch.tensor([[[1.0, 4.0]], [[1.0, 1.0]]]))
        >>> w = SeparateByPrecision()(q, torch.ones(2, 1, dtype=torch.bool)).mixture.weight
        >>> [round(each, 3) for each in w.flatten().tolist()]
        [0.2, 0.8]
    """

    shared = False

    def experts(self, modalities: int) -> int:
        """E."""
        return modalities

    def __call__(self, q: Unimodal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return every unimodal posterior as the expert of its own modality."""
        assert not isinstance(q, Point), "points have no precision"
        held = present | ~present.any(0)  # all alike in a row with nothing observed
        sharpness = torch.where(held, -torch.log(q.scale.detach()).sum(-1), -torch.inf)
        return replace(Separate()(q, present), share=torch.softmax(sharpness, 0))
