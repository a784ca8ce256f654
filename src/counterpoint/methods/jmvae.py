"""JMVAE: a joint encoder, and unimodal ones that learn to say what it would."""

from dataclasses import dataclass, replace

import torch

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, kl
from counterpoint.joint_expert import JointExpert
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import ELBO, Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Suzuki, Masahiro", "Nakayama, Kotaro", "Matsuo, Yutaka"),
    "Joint Multimodal Learning with Deep Generative Models",
    "ICLR Workshop",
    2017,
    "https://arxiv.org/abs/1611.01891",
)
PRESETS = {"paper": {"alpha": 0.1}}


def jmvae(
    *,
    beta: Scheduled = 1.0,
    alpha: Scheduled | None = None,
    draws: int = 1,
    preset: str | None = None,
) -> Method:
    """Return JMVAE-kl.

        L = sum_m NLL_m(x_m; z) + beta [ KL(q(z|X) || N(0, I)) + alpha sum_m KL(q(z|X) || q_m(z|x_m)) ]
        z ~ q(z|X)

    q(z|X) is a network that reads all modalities; a row that lacks some gets the product of its unimodal
    posteriors in its place, in training as in questions (`counterpoint.joint_expert.JointExpert`).

    Args:
        beta: Weight of the rate, a number or a schedule.
        alpha: Weight of the unimodal posteriors' distance from the joint one, 0.1 unless given; a number or a
            schedule.
        draws: K, latent draws per row.
        preset: `"paper"` (alpha 0.1).

    Raises:
        InputError: If an option is out of range.

    Source: Suzuki et al. 2017 (JMVAE), eq. 4-6; beta is 1 there.

    Example:
        >>> jmvae().joint, jmvae().at(0)
        (True, {'beta': 1.0, 'alpha': 0.1})
    """
    o = resolve(preset, PRESETS, {"alpha": 0.1}, {"alpha": alpha})
    hyper = {"beta": schedule("beta", beta), "alpha": schedule("alpha", o["alpha"])}
    options = {"beta": str(hyper["beta"]), "alpha": str(hyper["alpha"]), "draws": draws}
    objective = WithSurrogates(ELBO(draws=draws))
    return Method(
        "jmvae", JointExpert(), StandardNormal(), objective, hyper=hyper, options=options, joint=True
    )


@dataclass(frozen=True)
class WithSurrogates:
    """The ELBO, and what the unimodal posteriors are away from the joint one (term `rate_surrogate`)."""

    elbo: ELBO

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        return self.elbo.needs(experts, modalities)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the joint latent reaches the decoders through a fan."""
        present = batch.present
        q = model.encode(batch, present).shared
        assert isinstance(q, DiagNormal)
        posterior = model.method.aggregation(q, present)
        z = posterior.experts.rsample(noise.normal)
        rate = model.method.prior.rate(posterior, z, present, hyper)
        loss = self.elbo.bound(model, batch, posterior, z, posterior.weight, rate, hyper, fan=fan)
        away = torch.where(present, kl(posterior.experts, q[:-1]), 0.0).sum(0)  # type: ignore[arg-type]
        surrogate = hyper["alpha"] * away
        terms = {**loss.terms, "rate_surrogate": surrogate}
        return replace(loss, total=loss.total + hyper["beta"] * surrogate, terms=terms)
