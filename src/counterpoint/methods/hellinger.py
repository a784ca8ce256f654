"""Hellinger: one joint posterior, the power mean at 1/2 of the unimodal densities, moment-matched."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior
from counterpoint.distributions import DiagNormal
from counterpoint.errors import choose
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Tensor

PAPER = Paper(
    ("Vo, Huyen", "Valera, Isabel"),
    "Hellinger Multimodal Variational Autoencoders",
    "AISTATS",
    2026,
    "https://arxiv.org/abs/2601.06572",
)
AFFINITIES = ("dimension", "joint")


def hellinger(*, beta: Scheduled = 1.0, draws: int = 1, affinity: str = "dimension") -> Method:
    """Return HELVAE.

        h(z|X) ~ ( 1/M sum_m q_m(z|x_m)^(1/2) )^2
        q(z|X) = the normal with the mean and variances of h
        L = sum_m NLL_m(x_m; z) + beta KL(q(z|X) || N(0, I)),    z ~ q(z|X)

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per row.
        affinity: Pool every `"dimension"` by itself (unless given), or all of them together (`"joint"`); see
            `Hellinger`.

    Raises:
        InputError: If an option is out of range.

    Source: Vo & Valera 2026 (HELVAE), Hoelder pooling at 1/2, moment-matched; the moments are derived here.

    Example:
        >>> hellinger().aggregation
        Hellinger(affinity='dimension')
    """
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, "affinity": affinity}
    objective = ELBO(draws=draws)
    return Method("hellinger", Hellinger(affinity), StandardNormal(), objective, hyper=hyper, options=options)


@dataclass(frozen=True)
class Hellinger:
    """One expert: the normal with the moments of h ~ (1/M sum_m q_m^(1/2))^2.

    Squared out, h is a mixture over all pairs (m, n) of the normalised geometric means of q_m and q_n,
    weighed by their affinities A_mn = int (q_m q_n)^(1/2) dz. In one dimension, for normals,

        v_mn = 2 s_m^2 s_n^2 / (s_m^2 + s_n^2),    c_mn = (s_n^2 mu_m + s_m^2 mu_n) / (s_m^2 + s_n^2)
        A_mn = (2 s_m s_n / (s_m^2 + s_n^2))^(1/2) exp( -(mu_m - mu_n)^2 / (4 (s_m^2 + s_n^2)) )
        loc = sum_mn w_mn c_mn,    scale^2 = sum_mn w_mn (v_mn + (c_mn - loc)^2),    w_mn ~ A_mn

    Over D dimensions the affinity of two densities is the product of the D affinities (`"joint"`). It
    vanishes exponentially in D wherever the two differ, and what is left is the moment-matched mixture of
    experts. Pooling dimension by dimension (`"dimension"`) keeps the pairs.

    Args:
        affinity: `"dimension"` or `"joint"`.

    Raises:
        InputError: If it is neither.

    Source: Vo & Valera 2026 (HELVAE) for h; the moments are derived here.

    Example:
        >>> q = DiagNormal(torch.tensor([[[-1.0]], [[1.0]]]), torch.ones(2, 1, 1))
        >>> r = Hellinger()(q, torch.ones(2, 1, dtype=torch.bool)).experts
        >>> r.loc.item(), round(r.variance.item(), 4)  # 1 + 1/(1 + exp(-1/2))
        (0.0, 1.6225)
    """

    affinity: str = "dimension"
    shared = True

    def __post_init__(self) -> None:
        choose("affinity", self.affinity, AFFINITIES)

    def experts(self, modalities: int) -> int:
        """E."""
        return 1

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return the pool of those present as the one expert."""
        a, b = q[:, None], q[None]
        total = a.variance + b.variance  # (M, M, B, D)
        loc = (b.variance * a.loc + a.variance * b.loc) / total
        variance = 2 * a.variance * (b.variance / total)
        ratio = 2 * a.scale * b.scale / total
        affinity = torch.log(ratio) / 2 - (a.loc - b.loc).square() / (4 * total)
        if self.affinity == "joint":
            affinity = affinity.sum(-1, keepdim=True)
        some = present.any(0)
        pairs = (present[:, None] & present[None]).unsqueeze(-1)
        weight = torch.where(pairs, torch.exp(affinity), 0.0)  # 1 for m = n: the sum is at least 1
        weight = weight / torch.where(some.unsqueeze(-1), weight.sum((0, 1)), 1.0)
        mean = (weight * loc).sum((0, 1))
        spread = (weight * (variance + (loc - mean).square())).sum((0, 1))
        spread = torch.where(some.unsqueeze(-1), spread, 1.0)
        expert = DiagNormal(mean, torch.sqrt(spread)).where(some)[None]
        weights = torch.ones_like(expert.loc[..., 0])
        return Posterior(expert, weights, present[None], (slice(None),) * present.shape[0])
