"""Priors over the latent, each with its rate: what an expert costs in nats."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from counterpoint.aggregation import Posterior
from counterpoint.distributions import (
    DiagLaplace,
    DiagNormal,
    Mixture,
    Point,
    Unimodal,
    kl,
    kl_standard,
    pairwise_kl,
    standard,
)
from counterpoint.errors import InputError, choose
from counterpoint.shapes import Bool, Float, Tensor

RATES = ("pairwise", "mixture", "mixture_bound")
GRADIENTS = ("reparameterised", "path")
Hyper = Mapping[str, float | Tensor]


@dataclass(frozen=True)
class StandardNormal:
    """p(z) = N(0, I), or the standard Laplace for Laplace posteriors; rate KL(q_e || p).

    Example:
        >>> StandardNormal()
        StandardNormal()
    """

    def of(self, like: DiagNormal | DiagLaplace) -> DiagNormal | DiagLaplace:
        """Return p in the family and with the axes of `like`."""
        return standard(like)

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B)."""
        return kl_standard(posterior.experts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class LearnedScale:
    """A prior of the posteriors' family whose scale is learned; rate KL(q_e || p).

        p(z) = prod_d p(z_d),    loc 0,    scale D softmax(theta)

    so its scales sum to D, and theta = 0 is the standard member. A row with nothing observed costs nothing.

    Args:
        theta: (D,). The model owns it, and says which prior it makes (`MultimodalVAE.prior`); a method, which
            has no parameters, leaves it out.

    Source: Shi et al. 2019 (MMVAE), an option of the released code, from its description.

    Example:
        >>> LearnedScale(torch.log(torch.tensor([1.0, 3.0]))).scale.round(decimals=4).tolist()
        [0.5, 1.5]
    """

    theta: Float[Tensor, "D"] | None = field(default=None, compare=False)

    @property
    def scale(self) -> Float[Tensor, "D"]:
        """Return the scales, (D,)."""
        assert self.theta is not None, "the model has theta: ask it for its prior"
        return self.theta.shape[-1] * torch.softmax(self.theta, -1)

    def of(self, like: DiagNormal | DiagLaplace) -> DiagNormal | DiagLaplace:
        """Return p in the family and with the axes of `like`."""
        return type(like)(torch.zeros_like(like.loc), self.scale.expand_as(like.scale))

    def unless(self, present: Bool[Tensor, "M B"], q: Unimodal) -> DiagNormal | DiagLaplace:
        """Return q (M, B, D) where a modality is present and p elsewhere."""
        assert not isinstance(q, Point), "points have no density"
        there, p = present.unsqueeze(-1), self.of(q)
        return type(q)(torch.where(there, q.loc, p.loc), torch.where(there, q.scale, p.scale))

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B)."""
        q = posterior.experts
        assert not isinstance(q, Point), "points have no density"
        return torch.where(present.any(0), kl(q, self.of(q)), 0.0)


Unconditional = StandardNormal | LearnedScale  # priors that depend on no row: rows can be drawn from them


@dataclass(frozen=True)
class NoPrior:
    """No prior at all: the rate is zero, as in a plain autoencoder.

    Example:
        >>> NoPrior()
        NoPrior()
    """

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return zeros, (E, B)."""
        return torch.zeros_like(posterior.weight)


@dataclass(frozen=True)
class MixtureOfExperts:
    """The data-dependent prior h(z | X) = sum_n w_n p_n(z) over the present modalities.

    p_n is q_n(z | x_n) with its scale times the temperature t, and w_n what q_n weighs in the posterior's
    mixture: 1/M in the paper, with t = 1. A t above 1 lets the modalities differ by more; h stays a density.
    The rate of expert m is (1 - alpha) R_m + alpha KL(q_m || N(0, I)), with R_m one of

        pairwise        sum_n w_n KL(q_m || p_n)                       the released code; closed form
        mixture         E[ log q_m(z_m) - log h(z_m) ], at the draws   the paper; unbiased, at most -log w_m
        mixture_bound   -log sum_n w_n exp(-KL(q_m || p_n))            between the two; closed form

    and mixture <= mixture_bound <= pairwise in expectation. The gradient of `mixture` is estimated from
    z_m = loc + scale * noise through

        reparameterised   z_m and the parameters of q_m and h
        path              z_m alone: E_m[ d/dq_m log q_m ] = 0 and sum_m E_m[ d/dq log h ] = M E_h[ .. ] = 0

    where d/dq is at a fixed z, E_m over q_m and E_h over h; the last holds for even w and t = 1. The values
    are the same, and so is the expected gradient of the sum over m, though not that of a single R_m. `path`
    has less variance where the q_m are close, and none where they are equal.

    Args:
        rate_kind: One of the three.
        gradient: One of the two; rates other than `mixture` have no draws and take the first alone.

    Raises:
        InputError: If one of them is unknown, or they do not go together.

    Source: Sutter et al. 2024 (MMVM), eq. 3-5; the bound is Hershey & Olsen 2007, eq. 20. Roeder et al. 2017
    leave out the score of a posterior; `path` leaves out that of the mixture with it.

    Example:
        >>> MixtureOfExperts("mixtur")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: rate is 'mixtur'; allowed are pairwise, ... Did you mean 'mixture'?
    """

    rate_kind: str = "pairwise"
    gradient: str = "reparameterised"

    def __post_init__(self) -> None:
        choose("rate", self.rate_kind, RATES)
        choose("gradient", self.gradient, GRADIENTS)
        if self.gradient != "reparameterised" and self.rate_kind != "mixture":
            raise InputError(
                f"gradient is {self.gradient!r}, but the {self.rate_kind} rate is a closed form, whose "
                "gradient needs no draws; leave it out, or take rate='mixture'."
            )

    def __call__(self, posterior: Posterior, temperature: float | Tensor | None = None) -> Mixture:
        """Return h(z | X); N(0, I) in a row with nothing observed, t wide if there is a temperature."""
        h = posterior.mixture
        if temperature is None:
            return h
        q = h.components
        assert not isinstance(q, Point)
        return Mixture(type(q)(q.loc, q.scale * temperature), h.weight)

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B); z is (K, E, B, D)."""
        q, h = posterior.experts, self(posterior, hyper.get("temperature"))
        p, held = h.components, h.weight > 0  # (E, B, D), (E, B)
        assert not isinstance(q, Point)
        assert not isinstance(p, Point)
        if self.rate_kind == "mixture":
            rate = self._at_draws(q, h, z)
        elif self.rate_kind == "mixture_bound":
            each = torch.log(torch.where(held, h.weight, 1.0)) - kl(q[:, None], p[None])  # (E, E, B)
            rate = -torch.logsumexp(torch.where(held, each, -torch.inf), 1)
        elif p is q:
            rate = pairwise_kl(q, h.weight)
        else:
            rate = torch.where(held, h.weight * kl(q[:, None], p[None]), 0.0).sum(1)
        alpha = hyper["alpha"]
        if isinstance(alpha, float) and alpha == 0.0:
            return rate
        return (1 - alpha) * rate + alpha * kl_standard(q)

    def _at_draws(
        self, q: DiagNormal | DiagLaplace, h: Mixture, z: Float[Tensor, "K E B D"]
    ) -> Float[Tensor, "E B"]:
        """Return log q_m(z_m) - log h(z_m), averaged over the draws."""
        if self.gradient == "path":
            q = type(q)(q.loc.detach(), q.scale.detach())
            h = Mixture(q, h.weight)
        return (q.log_prob(z) - h.log_prob(z)).mean(0)
