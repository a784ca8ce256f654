"""MVAE: a product of experts with a prior expert, trained on sub-sampled sets of modalities."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior, Product, product
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal
from counterpoint.errors import choose, whole
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import ELBO, Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor

PAPER = Paper(
    ("Wu, Mike", "Goodman, Noah"),
    "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
    "NeurIPS",
    2018,
    "https://arxiv.org/abs/1802.05335",
)
PRESETS = {
    "paper": {"prior_expert": "all", "random_subsets": 1},
    "official": {"prior_expert": "all", "random_subsets": 1},
}


def mvae(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    prior_expert: str | None = None,
    random_subsets: int | None = None,
    preset: str | None = None,
) -> Method:
    """Return MVAE.

        q_A(z|x_A) ~ N(0, I) prod_{m in A} q_m(z|x_m)
        ELBO(A) = sum_{m in A} NLL_m(x_m; z_A) + beta KL(q_A || N(0, I)),    z_A ~ q_A
        L = ELBO(all) + sum_m ELBO({m}) + sum_{j=1..k} ELBO(A_j)

    with A_j random, 2 <= |A_j| <= M - 1, the size drawn first. Here every row draws its own A_j. For M = 2
    the last sum is empty, for M = 1 only ELBO(all) is left. The sum is not a bound on log p(X).

    Args:
        beta: Weight of the rate, a number or a schedule (the released code anneals it: `"linear:0:1:STEPS"`).
        draws: K, latent draws per subset.
        prior_expert: `"all"` (unless given) or `"none"`.
        random_subsets: k, 1 unless given.
        preset: `"paper"` or `"official"`, which agree.

    Raises:
        InputError: If an option is out of range.

    Source: Wu & Goodman 2018 (MVAE), eq. 3-5.

    Example:
        >>> mvae().objective.random_subsets
        1
    """
    given = {"prior_expert": prior_expert, "random_subsets": random_subsets}
    o = resolve(preset, PRESETS, {"prior_expert": "all", "random_subsets": 1}, given)
    choose("prior_expert", o["prior_expert"], ("none", "all"))
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, **o}
    objective = SubsampledELBO(
        o["prior_expert"], whole("random_subsets", o["random_subsets"], least=0), draws
    )
    return Method(
        "mvae", Product(o["prior_expert"]), StandardNormal(), objective, hyper=hyper, options=options
    )


@dataclass(frozen=True)
class SubsampledELBO:
    """ELBOs of singletons, the full set and k random subsets, summed; each explains its own members."""

    prior_expert: str
    random_subsets: int
    draws: int = 1

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        if modalities == 1:
            return Needs(self.draws, 1, 0)
        drawn = self.random_subsets if modalities > 2 else 0
        return Needs(self.draws, modalities + 1 + drawn, drawn * (1 + modalities))

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the latents reach the decoders through a fan."""
        present = batch.present
        q = model.unimodal(batch, present)
        assert isinstance(q, DiagNormal)
        members = self._members(present, noise.uniform)
        members = members & present
        with_prior = q.loc.new_full((members.shape[0], 1), float(self.prior_expert == "all"))
        experts = product(q, members, with_prior)
        weight = members.any(1).to(q.loc.dtype)
        posterior = Posterior(experts, weight, members, self._explains(*members.shape[:2]))
        z = experts.rsample(noise.normal)
        rate = model.method.prior.rate(posterior, z, present, hyper)
        bound = ELBO(draws=self.draws).bound
        return bound(model, batch, posterior, z, weight, rate, hyper, fan=fan)

    def _members(self, present: Bool[Tensor, "M B"], uniform: Float[Tensor, "U B"]) -> Bool[Tensor, "E M B"]:
        """Singletons, then the full set, then the random subsets."""
        modalities, rows = present.shape
        full = torch.ones_like(present)[None]
        if modalities == 1:
            return full
        single = torch.eye(modalities, dtype=torch.bool, device=present.device)
        parts = [single.unsqueeze(-1).expand(-1, -1, rows), full]
        if modalities > 2 and self.random_subsets:
            u = uniform.reshape(self.random_subsets, 1 + modalities, rows)
            size = 2 + torch.floor(u[:, :1] * (modalities - 2))  # 2 .. M-1
            rank = (u[:, 1:, None] > u[:, None, 1:]).sum(2)  # how many others come before
            parts.append(rank < size)
        return torch.cat(parts)

    def _explains(self, experts: int, modalities: int) -> tuple[list[int], ...]:
        """Of the singletons only its own may have to explain a modality; the larger sets all may."""
        if modalities == 1:
            return ([0],)
        return tuple([m, *range(modalities, experts)] for m in range(modalities))
