"""Importance-weighted objectives: tighter bounds than the ELBO, from several draws of one shared latent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import Mixture, Point
from counterpoint.errors import InputError, choose, whole
from counterpoint.modality import Modality
from counterpoint.objectives import Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper, Unconditional
from counterpoint.shapes import Bool, Float, Tensor

if TYPE_CHECKING:
    from counterpoint.model import MultimodalVAE

AVERAGINGS = ("looser", "tight")
GRADIENTS = ("reparameterised", "sticking", "dreg", "dreg_mixture")
Decode = Callable[[Modality, Tensor, Tensor | None], Tensor]


class Weighed(NamedTuple):
    """What the draws of all experts say, in nats.

    Args:
        log_p: log p(x_m | z), (K, E, M, B); 0 for what an expert need not explain.
        rate: log q(z | X) - log p(z), (K, E, B).
        log_w: log importance weights, (K, E, B).
    """

    log_p: Tensor
    rate: Tensor
    log_w: Tensor


class Fans(NamedTuple):
    """Where gradients meet in a bound; functions that change no value, for `impartial` to step between.

    Args:
        latents: From the joint posterior and its draws (K, E, B, D) to what each modality is decoded from,
            the draws themselves unless given.
        densities: From the draws to what the density of each expert is taken at within log q(z | X),
            (S, K, E, B, D); the draws themselves unless given.
        decode: From a modality, what it is decoded from and the rows' covariates to its decoder's output;
            `Modality.decode` unless given.
    """

    latents: Fan | None = None
    densities: Callable[[Tensor], Tensor] | None = None
    decode: Decode | None = None


PLAIN = Fans()


@dataclass(frozen=True)
class IWAE:
    """Minus an importance-weighted bound, for any aggregation to one shared latent.

        lw_{e,k} = sum_{m in targets(e)} v_m log p(x_m|z_{e,k}) + beta [ log p(z_{e,k}) - log q(z_{e,k}|X) ]
        tight:   L = -log sum_e w_e 1/K sum_k exp lw_{e,k}
        looser:  L = -sum_e w_e log 1/K sum_k exp lw_{e,k},        z_{e,k} ~ q_e,  k = 1..K

    with q(z|X) = sum_e w_e q_e the density of the whole mixture and v_m the weight of modality m. Every
    expert is drawn from in every row: K E M decodings. K = 1 and `looser` is the ELBO with the mixture's own
    rate, estimated at the draws. The value is the same under every gradient, which goes through

        reparameterised   z and the parameters of q
        sticking          z alone, in log q: unbiased for one expert and K = 1, biased for more
        dreg              the same, and what reaches z has the factor 1 - beta (1 - w~)
        dreg_mixture      z_e and, in log q, the parameters of all experts but e; see below

    with w~ normalised over the draws that one logarithm is taken of: softmax over k of lw (`looser`), or over
    e and k of log w_e + lw (`tight`). For beta = 1 encoders so get w~^2, decoders w~; the factor for other
    betas follows from the same identity. With one expert `dreg` is unbiased, and at beta = 1 its noise
    vanishes as q gets exact. Of a mixture it is biased in the encoders, as in MMVAE: the identity wants
    E[ w~ d/dq log q(z) ] over draws of the whole q under one law of w~, and every expert's draws have their
    own. `dreg_mixture` applies it to the part that it is true of, d/dq_e log q_e at the draws of e, with the
    expert's responsibility p_e = w_e q_e / q:

        E_{q_e}[ w~ p_e d/dq_e log q_e ] = E[ (w~ (1 - w~) p_e d lw/dz + w~ d p_e/dz) dz/dq_e ]

    and is unbiased for any mixture, with less noise than `reparameterised`; for one expert it is `dreg`. Both
    cost one more pass over the decoders, without gradients.

    Terms: `distortion/NAME` and `rate` are means over draws and experts, so total <= sum_m v_m distortion_m +
    beta rate, with equality for K = 1 and `looser`. Memory grows with K E (M values + E D).

    Args:
        draws: K, latent draws per expert.
        averaging: `"tight"` or `"looser"`.
        gradient: One of the three.

    Raises:
        InputError: If an option is none of those, or (in a step) the method has a latent for every modality,
            private latents or a prior that depends on the row.

    Source: Burda et al. 2016 (IWAE), eq. 8; Shi et al. 2019 (MMVAE), eq. 3 and Appendix; Roeder et al. 2017,
    eq. 8 (`sticking`); Tucker et al. 2019 (DReG), eq. 6-8.

    Example:
        >>> IWAE(draws=5).needs(experts=3, modalities=3)
        Needs(draws=5, experts=3, uniforms=0)
    """

    draws: int = 1
    averaging: str = "tight"
    gradient: str = "reparameterised"

    def __post_init__(self) -> None:
        whole("draws", self.draws)
        choose("averaging", self.averaging, AVERAGINGS)
        choose("gradient", self.gradient, GRADIENTS)

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        return Needs(self.draws, experts, 0)

    def __call__(self, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.across(PLAIN, model, batch, noise, hyper)

    def through(self, fan: Fan, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the latents reach the decoders through a fan."""
        return self.across(Fans(fan), model, batch, noise, hyper)

    def across(self, fans: Fans, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same through all fans."""
        method = model.method
        if not isinstance(method.prior, Unconditional):
            raise InputError(
                f"{method.name} has an importance-weighted objective and {type(method.prior).__name__} as "
                "prior; the weights need the density of a fixed one: take StandardNormal."
            )
        if method.private_dim or not method.aggregation.shared:
            raise InputError(
                f"{method.name} has an importance-weighted objective and latents of single modalities; it "
                "takes one shared latent and no others: take another aggregation, and private_dim 0."
            )
        return self.bound(model, batch, model.posterior(batch), noise.normal, hyper, fans)

    def bound(
        self,
        model: "MultimodalVAE",
        batch: Batch,
        posterior: Posterior,
        normal: Float[Tensor, "K E B D"],
        hyper: Hyper,
        fans: Fans = PLAIN,
    ) -> Loss:
        """Return the loss per row of a joint posterior that explains what its targets say, and its terms."""
        beta, q = hyper["beta"], posterior.mixture
        prior = model.prior
        assert isinstance(prior, Unconditional)
        assert not isinstance(q.components, Point), "points have no density"
        p = prior.of(q.components)
        z, w = posterior.experts.rsample(normal), q.weight
        targets = posterior.targets & (w > 0).unsqueeze(1)  # (E, M, B)
        correction: float | Tensor = 0.0
        if self.gradient in ("dreg", "dreg_mixture"):
            fixed = _held_fixed(q)
            with torch.no_grad():
                same, rate = [z] * len(model.names), fixed.log_prob(z) - p.log_prob(z)
                before = _weigh(model, batch, targets, same, rate, beta)
                again = beta * (1 - self._normalised(before.log_w, w))  # (K, E, B)
            if self.gradient == "dreg_mixture":
                own = _own_share(fixed, z)
                again = again * own.detach()
                correction = beta * self._summed(before.log_w, w, own - own.detach())
            # The value of z, and the factor's multiple of its gradient.
            z = z.detach() + (1 - again).unsqueeze(-1) * (z - z.detach())
        # (S, K, E, B, D) to (K, E, S, B, D), or z for all S experts alike.
        at = z.unsqueeze(-3) if fans.densities is None else fans.densities(z).movedim(0, 2)
        rate = self._log_q(q, at) - p.log_prob(z)
        latents = [z] * len(model.names) if fans.latents is None else fans.latents(posterior, z)
        found = _weigh(model, batch, targets, latents, rate, beta, fans.decode)
        anything = targets.any(0).any(0)  # (B,)
        share = torch.where(w > 0, w / self.draws, 0.0)  # (E, B)
        distortion = -torch.einsum("eb,kemb->mb", share, found.log_p)
        rate = torch.where(anything, torch.einsum("eb,keb->b", share, found.rate), 0.0)
        terms = dict(zip((f"distortion/{n}" for n in model.names), distortion.unbind(), strict=True))
        total = torch.where(anything, correction - self._averaged(found.log_w, w), 0.0)
        return Loss(total, {**terms, "rate": rate})

    def _log_q(self, q: Mixture, at: Float[Tensor, "K E #S B D"]) -> Float[Tensor, "K E B"]:
        """Return log q(z | X), with the gradient that was chosen; `at` is z, once or once for each expert."""
        if self.gradient == "reparameterised":
            return torch.logsumexp(_parts(q, at), 2)
        fixed = _parts(_held_fixed(q), at)
        if self.gradient == "dreg_mixture":
            own = torch.eye(q.weight.shape[0], dtype=torch.bool, device=at.device).unsqueeze(-1)
            fixed = torch.where(own, fixed, _parts(q, at))
        return torch.logsumexp(fixed, 2)

    def _averaged(self, log_w: Float[Tensor, "K E B"], w: Float[Tensor, "E B"]) -> Float[Tensor, "B"]:
        """Return the bound: the logarithm of the mean weight, or the mean of the experts' logarithms."""
        if self.averaging == "tight":
            found = torch.logsumexp(_shared_out(log_w, w).flatten(0, 1), 0)
        else:
            found = torch.where(w > 0, w * torch.logsumexp(log_w, 0), 0.0).sum(0)
        return found - math.log(self.draws)

    def _normalised(self, log_w: Float[Tensor, "K E B"], w: Float[Tensor, "E B"]) -> Float[Tensor, "K E B"]:
        """Return w~, which sums to 1 over the draws that one logarithm is taken of."""
        if self.averaging == "tight":
            return torch.softmax(_shared_out(log_w, w).flatten(0, 1), 0).unflatten(0, log_w.shape[:2])
        return torch.softmax(log_w, 0)

    def _summed(
        self, log_w: Float[Tensor, "K E B"], w: Float[Tensor, "E B"], value: Float[Tensor, "K E B"]
    ) -> Float[Tensor, "B"]:
        """Return the sum over all draws of a value times what the bound changes by with lw."""
        share = self._normalised(log_w, w) * (1.0 if self.averaging == "tight" else w)
        return torch.where(w > 0, share * value, 0.0).sum((0, 1))


def _shared_out(log_w: Float[Tensor, "*draws E B"], w: Float[Tensor, "E B"]) -> Float[Tensor, "*draws E B"]:
    """Return log w_e + lw; -inf for experts that weigh nothing."""
    return torch.where(w > 0, log_w + torch.log(torch.where(w > 0, w, 1.0)), -torch.inf)


def _held_fixed(q: Mixture) -> Mixture:
    """Return the mixture as numbers, whose density has a gradient at z alone."""
    parts = q.components
    assert not isinstance(parts, Point), "points have no density"
    return Mixture(type(parts)(parts.loc.detach(), parts.scale.detach()), q.weight)


def _parts(q: Mixture, at: Float[Tensor, "K E #S B D"]) -> Float[Tensor, "K E S B"]:
    """Return log w_s + log q_s(z) of every draw under every expert; -inf for those that weigh nothing."""
    assert not isinstance(q.components, Point), "points have no density"
    return _shared_out(q.components.log_prob(at), q.weight)


def _own_share(q: Mixture, z: Float[Tensor, "K E B D"]) -> Float[Tensor, "K E B"]:
    """Return p_e(z_e), the responsibility of the expert that a draw is of."""
    own = torch.eye(q.weight.shape[0], dtype=torch.bool, device=z.device).unsqueeze(-1)
    return torch.where(own, torch.softmax(_parts(q, z.unsqueeze(-3)), 2), 0.0).sum(2)


def _weigh(
    model: "MultimodalVAE",
    batch: Batch,
    targets: Bool[Tensor, "E M B"],
    latents: Sequence[Float[Tensor, "K E B D"]],
    rate: Float[Tensor, "K E B"],
    beta: float | Tensor,
    decode: Decode | None = None,
) -> Weighed:
    """Decode every modality from every draw, and weigh the draws."""
    each, decoded = [], Modality.decode if decode is None else decode
    for z, name, modality in zip(latents, model.names, model.modalities, strict=True):
        out = decoded(modality, z, batch.covariates)
        each.append(modality.likelihood.log_prob(out, batch.x[name], batch.mask[name]))
    log_p = torch.where(targets, torch.stack(each, 2), 0.0)  # (K, E, M, B)
    v = log_p.new_tensor([modality.weight for modality in model.modalities])
    return Weighed(log_p, rate, (v.unsqueeze(-1) * log_p).sum(2) - beta * rate)
