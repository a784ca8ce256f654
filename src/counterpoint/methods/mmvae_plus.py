"""MMVAE+: a mixture of experts over the shared latents, and private ones that other modalities never see."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from counterpoint.aggregation import MixtureOfProducts
from counterpoint.batch import Batch
from counterpoint.cross import cross_log_prob
from counterpoint.distributions import DiagNormal, Mixture, Point, SumLaplace, Unimodal, standard
from counterpoint.errors import InputError, choose, whole
from counterpoint.methods._options import private_latents, resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper, StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Float, Tensor

PAPER = Paper(
    ("Palumbo, Emanuele", "Daunhawer, Imant", "Vogt, Julia E."),
    "MMVAE+: Enhancing the Generative Quality of Multimodal VAEs without Compromises",
    "ICLR",
    2023,
    "https://openreview.net/forum?id=sdQGxouELX",
)
PRESETS = {
    "paper": {"objective": "dreg", "draws": 10, "posterior": "laplace_sum"},
    "official": {"objective": "elbo", "draws": 1, "posterior": "laplace_sum"},
}
POSTERIORS = {"laplace_sum": SumLaplace, "normal": DiagNormal}
OBJECTIVES = ("elbo", "dreg")


def mmvae_plus(
    *,
    beta: Scheduled = 1.0,
    beta_private: Scheduled = 1.0,
    private_dim: int = 8,
    objective: str | None = None,
    draws: int | None = None,
    posterior: str | None = None,
    preset: str | None = None,
) -> Method:
    """Return MMVAE+.

        z_r, w_r ~ q_r(z|x_r) q_r(w|x_r),    w' ~ r_d(w)
        lw_r = log p_r(x_r | z_r, w_r) + sum_{d != r} log p_d(x_d | z_r, w')
               - beta [ log 1/M sum_m q_m(z_r|x_m) - log p(z_r) + beta_w (log q_r(w_r|x_r) - log p(w_r)) ]
        L = -1/M sum_r lw_r

    with r_d a learned prior of modality d's private latent (its scale; the loc is 0) and p standard. Several
    draws are averaged (`"elbo"`), or bound together as -1/M sum_r log 1/K sum_k exp lw_rk, with the doubly
    reparameterised gradient (`"dreg"`; see `counterpoint.importance.IWAE`, also on its bias in mixtures).
    Every row costs K M^2 decodings, twice for `dreg`. Encoders have a network of their own for the private
    latents.

    Args:
        beta: Weight of the rate, a number or a schedule.
        beta_private: beta_w, the private latents' weight beside beta; a number or a schedule.
        private_dim: Columns of the private latents, at least 1.
        objective: `"elbo"` (unless given) or `"dreg"`.
        draws: K, 1 unless given.
        posterior: `"laplace_sum"` (unless given; scales that sum to their number of columns) or `"normal"`.
        preset: `"paper"` (DReG, K = 10) or `"official"` (ELBO, K = 1).

    Raises:
        InputError: If an option is out of range.

    Source: Palumbo et al. 2023 (MMVAE+), eq. 5-7, from a description; its code was not read.

    Example:
        >>> mmvae_plus(private_dim=4).objective.needs(experts=3, modalities=3)
        Needs(draws=1, experts=12, uniforms=0)
    """
    given = {"objective": objective, "draws": draws, "posterior": posterior}
    o = resolve(preset, PRESETS, {"objective": "elbo", "draws": 1, "posterior": "laplace_sum"}, given)
    private = private_latents(private_dim, beta_private)
    if not private.dim:
        raise InputError(
            "private_dim is 0, and mmvae_plus is nothing without; give at least 1, or take mmvae."
        )
    hyper = {"beta": schedule("beta", beta), **private.hyper}
    family = POSTERIORS[choose("posterior", o["posterior"], POSTERIORS)]
    return Method(
        "mmvae_plus",
        MixtureOfProducts("singletons"),
        StandardNormal(),
        CrossBound(choose("objective", o["objective"], OBJECTIVES) == "dreg", whole("draws", o["draws"])),
        posterior=family,
        hyper=hyper,
        options={"beta": str(hyper["beta"]), **private.options, **o},
        private_dim=private.dim,
        private_trunk=True,
        auxiliary="scale",
    )


class Terms(NamedTuple):
    """What every source r says: log p(x_d | .) (K, R, M, B), and the rates (K, R, B) of its latents."""

    log_p: Tensor
    shared: Tensor
    private: Tensor


@dataclass(frozen=True)
class CrossBound:
    """The bound of MMVAE+; `dreg` takes draws together, with doubly reparameterised gradients."""

    dreg: bool
    draws: int

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: every source's latents, then w' of every source and target."""
        return Needs(self.draws, modalities + modalities**2, 0)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        present, beta = batch.present, hyper["beta"]
        weights = noise.normal.new_tensor([modality.weight for modality in model.modalities])

        def log_weight(t: Terms) -> Float[Tensor, "K R B"]:
            rate = t.shared + hyper["beta_private"] * t.private
            return (weights[:, None] * t.log_p).sum(2) - beta * rate

        if self.dreg:
            with torch.no_grad():
                away = 1 - torch.softmax(log_weight(self._terms(model, batch, noise)), 0)
            factors = 1 - beta * away, 1 - beta * hyper["beta_private"] * away
            terms = self._terms(model, batch, noise, factors)
            value = torch.logsumexp(log_weight(terms), 0) - math.log(self.draws)
        else:
            terms = self._terms(model, batch, noise)
            value = log_weight(terms).mean(0)
        held = present.to(value.dtype) / present.sum(0).clamp_min(1)  # (R, B)

        def mean(each: Tensor) -> Tensor:
            return torch.where(present, held * each, 0.0).sum(0)

        named = {
            f"distortion/{name}": -mean(terms.log_p[:, :, m].mean(0)) for m, name in enumerate(model.names)
        }
        named["rate"] = mean(terms.shared.mean(0))
        own = torch.where(present, held * terms.private.mean(0), 0.0)
        named |= {f"rate_private/{name}": r for name, r in zip(model.names, own.unbind(), strict=True)}
        return Loss(-mean(value), named)

    def _terms(
        self,
        model: MultimodalVAE,
        batch: Batch,
        noise: Noise,
        factors: tuple[Tensor, Tensor] | None = None,
    ) -> Terms:
        """Draw, decode and weigh.

        With `factors`, (K, R, B) each, the posteriors' parameters get no gradient inside their densities, and
        the gradients that reach them through the draws of z and w are multiplied by them.
        """
        present, modalities, dim = batch.present, len(model.names), model.latent_dim
        encoded = model.encode(batch, present)
        assert encoded.private is not None
        z = encoded.shared.rsample(noise.shared(modalities, dim))
        w = encoded.private.rsample(noise.private(modalities, dim))
        q, own = encoded.shared, encoded.private
        if factors is not None:
            z, w = (
                v.detach() + factor.unsqueeze(-1) * (v - v.detach())
                for v, factor in zip((z, w), factors, strict=True)
            )
            q, own = _fixed(q), _fixed(own)
        drawn = noise.normal[:, modalities:, :, dim:].unflatten(1, (modalities, modalities))
        log_p = cross_log_prob(model, batch, z, w, drawn)
        weight = present.to(z.dtype) / present.sum(0).clamp_min(1)
        even = torch.where(present.any(0), weight, 1 / modalities)
        shared = Mixture(q, even).log_prob(z) - standard(q[0]).log_prob(z)  # type: ignore[arg-type]
        private = own.log_prob(w) - standard(own).log_prob(w)  # type: ignore[arg-type, union-attr]
        return Terms(log_p, *(torch.where(present, t, 0.0) for t in (shared, private)))


def _fixed(q: Unimodal) -> Unimodal:
    """Return the same distribution, through which no gradient goes."""
    assert not isinstance(q, Point)
    return type(q)(q.loc.detach(), q.scale.detach())
