"""TELBO: an ELBO of all modalities, and one of each that trains its encoder alone."""

from dataclasses import dataclass

import torch
from torch.func import functional_call

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, kl_standard
from counterpoint.errors import number
from counterpoint.joint_expert import JointExpert
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, Modality, MultimodalVAE
from counterpoint.objectives import ELBO, Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Float, Tensor

PAPER = Paper(
    ("Vedantam, Ramakrishna", "Fischer, Ian", "Huang, Jonathan", "Murphy, Kevin"),
    "Generative Models of Visually Grounded Imagination",
    "ICLR",
    2018,
    "https://arxiv.org/abs/1705.10762",
)


def telbo(*, beta: Scheduled = 1.0, gamma: float = 1.0, draws: int = 1) -> Method:
    """Return the triple ELBO, for any number of modalities.

        L = ELBO(X) + sum_m ELBO_m
        ELBO(X) = sum_m NLL_m(x_m; z) + beta KL(q(z|X) || N(0, I)),              z ~ q(z|X)
        ELBO_m = gamma NLL_m(x_m; z_m) + beta KL(q_m(z|x_m) || N(0, I)),         z_m ~ q_m(z|x_m)

    The decoders learn from ELBO(X) alone: in ELBO_m they are held fixed. q(z|X) is a network that reads all
    modalities; a row that lacks some gets the product of its unimodal posteriors in its place
    (`counterpoint.joint_expert.JointExpert`). With one modality only ELBO(X) is left, a plain VAE. The
    weights lambda of the paper are the modalities' own (`weights` of the estimator).

    Args:
        beta: Weight of the rate, a number or a schedule.
        gamma: Weight of the distortion in ELBO_m, above 0.
        draws: K, latent draws per row.

    Raises:
        InputError: If an option is out of range.

    Source: Vedantam et al. 2018, eq. 2 (beta is 1 there).

    Example:
        >>> telbo().objective.needs(experts=1, modalities=3)
        Needs(draws=1, experts=4, uniforms=0)
    """
    hyper = {"beta": schedule("beta", beta)}
    gamma = number("gamma", gamma, open_=True)
    options = {"beta": str(hyper["beta"]), "gamma": gamma, "draws": draws}
    objective = TripleELBO(ELBO(draws=draws), gamma)
    return Method(
        "telbo", JointExpert(), StandardNormal(), objective, hyper=hyper, options=options, joint=True
    )


@dataclass(frozen=True)
class TripleELBO:
    """The joint ELBO and the unimodal ones; the terms hold their sums."""

    elbo: ELBO
    gamma: float

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: the joint latent's, then every modality's."""
        return Needs(self.elbo.draws, 1 + (modalities if modalities > 1 else 0), 0)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the joint latent reaches the decoders through a fan."""
        present = batch.present
        q = model.encode(batch, present).shared
        assert isinstance(q, DiagNormal)
        posterior = model.method.aggregation(q, present)
        z = posterior.experts.rsample(noise.normal[:, :1])
        rate = model.method.prior.rate(posterior, z, present, hyper)
        loss = self.elbo.bound(model, batch, posterior, z, posterior.weight, rate, hyper, fan=fan)
        if len(model.names) == 1:
            return loss
        single = q[:-1]
        z_m = single.rsample(noise.normal[:, 1:])  # (K, M, B, D)
        terms, total = dict(loss.terms), loss.total
        for m, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
            given = batch.x[name], batch.mask[name], batch.covariates
            log_p = _held_fixed(modality, z_m[:, m], *given).mean(0)
            distortion = torch.where(present[m], -self.gamma * log_p, 0.0)
            cost = torch.where(present[m], kl_standard(single[m]), 0.0)
            total = total + modality.weight * distortion + hyper["beta"] * cost
            terms[f"distortion/{name}"] = terms[f"distortion/{name}"] + distortion
            terms["rate"] = terms["rate"] + cost
        return Loss(total, terms)


def _held_fixed(
    modality: Modality, z: Float[Tensor, "K B D"], x: Tensor, mask: Tensor, covariates: Tensor | None
) -> Tensor:
    """Return log p(x | z), whose gradient reaches z but no parameter of the decoder or the likelihood."""
    fixed = {name: parameter.detach() for name, parameter in modality.named_parameters()}
    return functional_call(modality, fixed, (z, x, mask, covariates))
