"""Priors over the latent, each with its rate: what an expert costs in nats."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from counterpoint.aggregation import Posterior
from counterpoint.distributions import Mixture, Point, Unimodal, kl, kl_standard, pairwise_kl
from counterpoint.errors import choose
from counterpoint.shapes import Bool, Float, Tensor

RATES = ("pairwise", "mixture", "mixture_bound")
Hyper = Mapping[str, float | Tensor]


@dataclass(frozen=True)
class StandardNormal:
    """p(z) = N(0, I), or the standard Laplace for Laplace posteriors; rate KL(q_e || p).

    Example:
        >>> StandardNormal()
        StandardNormal()
    """

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B)."""
        return kl_standard(posterior.experts)  # type: ignore[arg-type]


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
    """The data-dependent prior h(z | X) = 1/M sum_n q_n(z | x_n) over the present modalities.

    The rate of expert m is (1 - alpha) R_m + alpha KL(q_m || N(0, I)), with R_m one of

        pairwise        1/M sum_n KL(q_m || q_n)                       the released code; closed form
        mixture         E[ log q_m(z_m) - log h(z_m) ], at the draws   the paper; unbiased, at most log M
        mixture_bound   -log 1/M sum_n exp(-KL(q_m || q_n))            between the two; closed form

    and mixture <= mixture_bound <= pairwise in expectation.

    Args:
        rate_kind: One of the three.

    Raises:
        InputError: If it is none of them.

    Source: Sutter et al. 2024 (MMVM), eq. 3-5; the bound is Hershey & Olsen 2007, eq. 20.

    Example:
        >>> MixtureOfExperts("mixtur")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: rate is 'mixtur'; allowed are pairwise, ... Did you mean 'mixture'?
    """

    rate_kind: str = "pairwise"

    def __post_init__(self) -> None:
        choose("rate", self.rate_kind, RATES)

    def __call__(self, q: Unimodal, present: Bool[Tensor, "M B"]) -> Mixture:
        """Return h(z | X); N(0, I) in a row with nothing observed."""
        weight = present.to(q.loc.dtype) / present.sum(0).clamp_min(1)
        return Mixture(q, torch.where(present.any(0), weight, 1 / present.shape[0]))  # type: ignore[arg-type]

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B); z is (K, E, B, D)."""
        q, h = posterior.experts, self(posterior.experts, present)
        assert not isinstance(q, Point)
        if self.rate_kind == "pairwise":
            rate = pairwise_kl(q, h.weight)
        elif self.rate_kind == "mixture":
            rate = (q.log_prob(z) - h.log_prob(z)).mean(0)
        else:
            held = h.weight > 0  # (E, B)
            each = torch.log(torch.where(held, h.weight, 1.0)) - kl(q[:, None], q[None])  # (E, E, B)
            rate = -torch.logsumexp(torch.where(held, each, -torch.inf), 1)
        alpha = hyper["alpha"]
        if isinstance(alpha, float) and alpha == 0.0:
            return rate
        return (1 - alpha) * rate + alpha * kl_standard(q)
