"""Objectives: from experts, prior and likelihoods to a loss with named terms per row.

An objective is a pure function of (model, batch, noise, hyperparameters). Noise comes from outside: `needs`
says how much of it, and the trainer draws it from the model's own generator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from counterpoint.aggregation import Posterior, stratified
from counterpoint.batch import Batch
from counterpoint.errors import choose, whole
from counterpoint.priors import Hyper
from counterpoint.private import Own, own
from counterpoint.shapes import Float, Tensor

if TYPE_CHECKING:
    from counterpoint.model import MultimodalVAE

DRAWS = ("one", "stratified", "all")
KL_COUNTS = ("once", "per_modality")

# From the decoded experts and their draws to what each modality is decoded from, as `Posterior.latents`.
Fan = Callable[[Posterior, Tensor], list[Tensor]]


class Noise(NamedTuple):
    """All randomness of one step: standard normal (K, E, B, D) and uniform (U, B).

    Where there are private latents the normal noise is (K, E or M, B, D + W): the shared latents' of every
    expert in the first D columns, the private ones' of every modality in the last W.
    """

    normal: Tensor
    uniform: Tensor

    def shared(self, experts: int, dim: int) -> Tensor:
        """Return the shared latents' noise, (K, E, B, D)."""
        return self.normal[:, :experts, :, :dim]

    def private(self, modalities: int, dim: int) -> Tensor:
        """Return the private latents' noise, (K, M, B, W)."""
        return self.normal[:, :modalities, :, dim:]


class Needs(NamedTuple):
    """How much noise an objective wants: K draws, E decoded experts, U uniforms a row."""

    draws: int
    experts: int
    uniforms: int


@dataclass(frozen=True)
class Loss:
    """A loss per row and its named terms, in nats.

    Args:
        total: (B,), what is minimised after averaging over the rows.
        terms: name -> (B,). `distortion/NAME` is -log p(x_m | z) without the modality's weight; `rate` (or
            `rate/NAME` where every modality has its own latent) is without beta; `rate_private/NAME` is that
            of a private latent, without its weights.
    """

    total: Float[Tensor, "B"]
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class ELBO:
    """Minus the evidence lower bound, for any aggregation and prior.

        L = sum_e w_e [ sum_{m in targets(e)} v_m NLL_m(x_m; z_e) + beta^p c rate_e ],    z_e ~ q_e

    with w_e the weight of expert e, v_m the weight of modality m. Where the latent is shared, one expert per
    row is enough for the distortion (`draw="one"`): its expectation is the sum. The rate is always the sum,
    which costs no decoding.

    Args:
        draw: Which experts are decoded: `"one"` at random in each row; `"stratified"`, by position in the
            batch, as the released codes do; `"all"`.
        kl_count: c = 1 (`"once"`) or the number of modalities that the row has (`"per_modality"`, the
            released code).
        beta_power: p. The released independent VAEs on PolyMNIST apply beta twice.
        draws: K, latent draws per expert.

    Raises:
        InputError: If an option is none of those.

    Example:
        >>> ELBO(draw="one").needs(experts=7, modalities=3)
        Needs(draws=1, experts=1, uniforms=1)
    """

    draw: str = "all"
    kl_count: str = "once"
    beta_power: int = 1
    draws: int = 1

    def __post_init__(self) -> None:
        choose("draw", self.draw, DRAWS)
        choose("kl_count", self.kl_count, KL_COUNTS)
        whole("beta_power", self.beta_power)
        whole("draws", self.draws)

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        if self.draw == "all":
            return Needs(self.draws, experts, 0)
        return Needs(self.draws, 1, 1 if self.draw == "one" else 0)

    def __call__(self, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: "MultimodalVAE", batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the latents reach the decoders through a fan."""
        present = batch.present
        encoded = model.encode(batch, present)
        posterior = model.method.aggregation(encoded.shared, present)
        decoded = posterior
        if self.draw == "one":
            decoded = posterior.pick(noise.uniform[0])
        elif self.draw == "stratified":
            count = posterior.weight.shape[0]
            index = posterior.weight.new_tensor(stratified(batch.rows, count))
            decoded = posterior.pick((index + 0.5) / count)
        private = None
        if encoded.private is not None:
            private = own(encoded.private, noise.private(len(model.names), model.latent_dim), present)
            noise = Noise(noise.shared(decoded.weight.shape[0], model.latent_dim), noise.uniform)
        z = decoded.experts.rsample(noise.normal)  # (K, E, B, D)
        rate = model.prior.rate(posterior, z, present, hyper)
        return self.bound(model, batch, decoded, z, posterior.weight, rate, hyper, private, fan)

    def bound(
        self,
        model: "MultimodalVAE",
        batch: Batch,
        decoded: Posterior,
        z: Float[Tensor, "K E B D"],
        weight: Float[Tensor, "F B"],
        rate: Float[Tensor, "F B"],
        hyper: Hyper,
        private: Own | None = None,
        fan: Fan = Posterior.latents,
    ) -> Loss:
        """Put distortions of the decoded experts and rates of all experts together."""
        held = decoded.weight.unsqueeze(1) * decoded.targets  # (E, M, B)
        log_ps, shares, told = [], [], batch.covariates
        latents = fan(decoded, z)
        if private is not None:
            latents = [private.beside(m, shared) for m, shared in enumerate(latents)]
        for m, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
            log_ps.append(modality.log_prob(latents[m], batch.x[name], batch.mask[name], told))  # (K, E', B)
            shares.append(held[decoded.explains[m], m])
        log_p, share = torch.cat(log_ps, 1), torch.cat(shares)
        log_p = log_p.mean(0) if log_p.shape[0] > 1 else log_p.squeeze(0)  # (all E', B)
        parts, sizes = torch.where(share > 0, share * log_p, 0.0), [s.shape[0] for s in shares]
        if set(sizes) != {1}:
            parts = torch.stack([p.sum(0) for p in parts.split(sizes)])
        distortion = -parts  # (M, B)
        weighted = torch.where(weight > 0, weight * rate, 0.0)
        if self.kl_count == "per_modality":
            weighted = weighted * batch.present.sum(0)
        cost = weighted.sum(0)
        terms = dict(zip((f"distortion/{name}" for name in model.names), distortion.unbind(), strict=True))
        if model.method.aggregation.shared:
            terms["rate"] = cost
        else:
            terms |= {f"rate/{name}": r for name, r in zip(model.names, weighted.unbind(), strict=True)}
        factors = [modality.weight for modality in model.modalities]
        if any(f != 1.0 for f in factors):
            distortion = distortion * distortion.new_tensor(factors).unsqueeze(-1)
        if private is not None:
            terms |= {f"rate_private/{n}": r for n, r in zip(model.names, private.rate.unbind(), strict=True)}
            cost = cost + hyper["beta_private"] * private.rate.sum(0)
        beta: Any = hyper["beta"]
        return Loss(distortion.sum(0) + beta**self.beta_power * cost, terms)
