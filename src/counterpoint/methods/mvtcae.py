"""MVTCAE: a product of experts, held near every unimodal posterior by a total correlation objective."""

from dataclasses import dataclass, replace

import torch

from counterpoint.aggregation import Posterior, Product
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, kl
from counterpoint.errors import number
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import ELBO, Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Hwang, HyeongJoo", "Kim, Geon-Hyeong", "Hong, Seunghoon", "Kim, Kee-Eung"),
    "Multi-View Representation Learning via Total Correlation Objective",
    "NeurIPS",
    2021,
    "https://proceedings.neurips.cc/paper/2021/hash/65a99bb7a3115fdede20da98b08a370f-Abstract.html",
)


def mvtcae(*, beta: Scheduled = 1.0, draws: int = 1, alpha: Scheduled = 5 / 6) -> Method:
    """Return MVTCAE.

        q(z|X) ~ prod_m q_m(z|x_m)
        L = (M - alpha)/M sum_m NLL_m(x_m; z)
            + beta [ (1 - alpha) KL(q(z|X) || N(0, I)) + alpha/M sum_m KL(q(z|X) || q_m(z|x_m)) ],
        z ~ q(z|X)

    alpha = 0 is `poe`; alpha = M/(M + 1) weighs all KLs equally. In a row with something missing M is the
    number of what is present.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per row.
        alpha: Share of the conditional total correlation, from 0 to 1; a number or a schedule. 5/6 unless
            given: M/(M + 1) for the five modalities of PolyMNIST.

    Raises:
        InputError: If an option is out of range.

    Source: Hwang et al. 2021 (MVTCAE), the final objective.

    Example:
        >>> mvtcae(alpha=0.9).at(0)
        {'beta': 1.0, 'alpha': 0.9}
    """
    hyper = {"beta": schedule("beta", beta), "alpha": schedule("alpha", alpha)}
    for end in (hyper["alpha"].start, hyper["alpha"].end):
        number("alpha", end, most=1.0)
    options = {"beta": str(hyper["beta"]), "draws": draws, "alpha": str(hyper["alpha"])}
    objective = TotalCorrelation(ELBO(draws=draws))
    return Method("mvtcae", Product(), StandardNormal(), objective, hyper=hyper, options=options)


@dataclass(frozen=True)
class TotalCorrelation:
    """The bound on total correlation and conditional total correlation, weighed by alpha.

    `rate` is all that beta multiplies; `distortion/NAME` is without the factor (M - alpha)/M.

    Example:
        >>> TotalCorrelation(ELBO()).needs(experts=1, modalities=3)
        Needs(draws=1, experts=1, uniforms=0)
    """

    elbo: ELBO

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        return self.elbo.needs(experts, modalities)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the latents reach the decoders through a fan."""
        present, alpha = batch.present, hyper["alpha"]
        q = model.encode(batch, present).shared
        assert isinstance(q, DiagNormal)
        posterior = model.method.aggregation(q, present)
        joint = posterior.experts
        assert isinstance(joint, DiagNormal)
        z = joint.rsample(noise.normal)
        share = alpha / present.sum(0).clamp_min(1).to(z.dtype)  # alpha/M, (B,)
        away = torch.where(present, kl(joint, q), 0.0).sum(0)
        rate = (1 - alpha) * model.method.prior.rate(posterior, z, present, hyper) + share * away
        free = {**hyper, "beta": 0.0}  # the distortions alone, which have a factor of their own
        loss = self.elbo.bound(model, batch, posterior, z, posterior.weight, rate, free, fan=fan)
        return replace(loss, total=(1 - share) * loss.total + hyper["beta"] * loss.terms["rate"])
