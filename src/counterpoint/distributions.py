"""Distributions over the latent: diagonal normal and Laplace, points, mixtures; divergences by the two types.

A distribution holds tensors whose last axis is D; the axes before it are free, usually (M, B, D) or
(E, B, D). Standard normal noise comes in from outside, and each distribution turns it into its own draws.
"""

import math
from dataclasses import dataclass

import torch

from counterpoint.shapes import Float, Tensor

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagNormal:
    """Normal with diagonal covariance.

    Args:
        loc: (..., D) means.
        scale: (..., D) standard deviations, above 0.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.zeros(2), torch.ones(2))
        >>> q.rsample(torch.tensor([1.0, -1.0])).tolist()
        [1.0, -1.0]
    """

    loc: Float[Tensor, "*shape D"]
    scale: Float[Tensor, "*shape D"]

    heads = 2

    @classmethod
    def from_heads(cls, out: Float[Tensor, "*shape DD"]) -> "DiagNormal":
        """Read an encoder's output (..., 2 D): means, then log variances (kept within +-20)."""
        loc, log_variance = out.chunk(2, -1)
        return cls(loc, torch.exp(0.5 * torch.nn.functional.hardtanh(log_variance, -20.0, 20.0)))

    @property
    def mean(self) -> Tensor:
        """(..., D)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """(..., D)."""
        return self.scale.square()

    def rsample(self, noise: Float[Tensor, "..."]) -> Tensor:
        """Return loc + scale * noise, for standard normal noise that broadcasts to it."""
        return torch.addcmul(self.loc, self.scale, noise)

    def log_prob(self, z: Float[Tensor, "..."]) -> Tensor:
        """Return log q(z) in nats, summed over D."""
        return -(((z - self.loc) / self.scale).square() / 2 + torch.log(self.scale) + LOG_2PI / 2).sum(-1)

    def where(self, keep: Tensor) -> "DiagNormal":
        """Return itself where `keep` (...) holds and N(0, I) elsewhere."""
        k = keep.unsqueeze(-1)
        return DiagNormal(torch.where(k, self.loc, 0.0), torch.where(k, self.scale, 1.0))

    def __getitem__(self, index: object) -> "DiagNormal":
        return DiagNormal(self.loc[index], self.scale[index])  # type: ignore[index]


@dataclass(frozen=True)
class DiagLaplace:
    """Product of independent Laplace distributions.

    Args:
        loc: (..., D) medians.
        scale: (..., D) scales b > 0; the variance is 2 b^2.

    Example:
        >>> import torch
        >>> q = DiagLaplace(torch.zeros(1), torch.ones(1))
        >>> round(q.log_prob(torch.zeros(1)).item(), 4)  # -log 2
        -0.6931
    """

    loc: Float[Tensor, "*shape D"]
    scale: Float[Tensor, "*shape D"]

    heads = 2

    @classmethod
    def from_heads(cls, out: Float[Tensor, "*shape DD"]) -> "DiagLaplace":
        """Read an encoder's output (..., 2 D): medians, then log scales (kept within +-10)."""
        loc, log_scale = out.chunk(2, -1)
        return cls(loc, torch.exp(log_scale.clamp(-10.0, 10.0)))

    @property
    def mean(self) -> Tensor:
        """(..., D)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """(..., D)."""
        return 2 * self.scale.square()

    def rsample(self, noise: Float[Tensor, "..."]) -> Tensor:
        """Turn normal noise n into Laplace draws at its quantile: -sign(n) * log erfc(|n|/sqrt 2)."""
        a = noise.abs() * math.sqrt(0.5)
        tail = torch.log(torch.special.erfcx(a)) - a.square()  # `log_ndtr` has no batching rule for vmap
        return self.loc - self.scale * noise.sign() * tail

    def log_prob(self, z: Float[Tensor, "..."]) -> Tensor:
        """Return log q(z) in nats, summed over D."""
        return -((z - self.loc).abs() / self.scale + torch.log(2 * self.scale)).sum(-1)

    def where(self, keep: Tensor) -> "DiagLaplace":
        """Return itself where `keep` (...) holds and the standard Laplace elsewhere."""
        k = keep.unsqueeze(-1)
        return DiagLaplace(torch.where(k, self.loc, 0.0), torch.where(k, self.scale, 1.0))

    def __getitem__(self, index: object) -> "DiagLaplace":
        return DiagLaplace(self.loc[index], self.scale[index])  # type: ignore[index]


@dataclass(frozen=True)
class SumLaplace(DiagLaplace):
    """A `DiagLaplace` whose encoder shares scales out: b = D softmax(h) + 1e-6, whose sum is D (1 + 1e-6).

    Example:
        >>> import torch
        >>> SumLaplace.from_heads(torch.zeros(4)).scale.round(decimals=4).tolist()
        [1.0, 1.0]
    """

    @classmethod
    def from_heads(cls, out: Float[Tensor, "*shape DD"]) -> "SumLaplace":
        """Read an encoder's output (..., 2 D): medians, then h."""
        loc, h = out.chunk(2, -1)
        return cls(loc, h.shape[-1] * torch.softmax(h, -1) + 1e-6)


@dataclass(frozen=True)
class Point:
    """All mass at `loc` (..., D): the posterior of a plain autoencoder. It has no density.

    Example:
        >>> import torch
        >>> Point(torch.ones(2)).rsample(torch.full((2,), 9.0)).tolist()
        [1.0, 1.0]
    """

    loc: Float[Tensor, "*shape D"]

    heads = 1

    @classmethod
    def from_heads(cls, out: Float[Tensor, "*shape D"]) -> "Point":
        """Read an encoder's output (..., D)."""
        return cls(out)

    @property
    def mean(self) -> Tensor:
        """(..., D)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """(..., D), zero."""
        return torch.zeros_like(self.loc)

    def rsample(self, noise: Float[Tensor, "..."]) -> Tensor:
        """Return loc, in the shape that the noise asks for."""
        return self.loc + torch.zeros_like(noise)

    def where(self, keep: Tensor) -> "Point":
        """Return itself where `keep` (...) holds and zero elsewhere."""
        return Point(torch.where(keep.unsqueeze(-1), self.loc, 0.0))

    def __getitem__(self, index: object) -> "Point":
        return Point(self.loc[index])  # type: ignore[index]


@dataclass(frozen=True)
class Mixture:
    """A mixture over the first axis of its components.

    Args:
        components: Distribution of shape (E, B, D).
        weight: (E, B), at least 0, summing to 1 over E.

    Example:
        >>> import torch
        >>> parts = DiagNormal(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))
        >>> h = Mixture(parts, torch.full((2, 1), 0.5))
        >>> torch.equal(h.log_prob(torch.zeros(1, 1)), parts[0].log_prob(torch.zeros(1, 1)))
        True
    """

    components: DiagNormal | DiagLaplace | Point
    weight: Float[Tensor, "E B"]

    def log_prob(self, z: Float[Tensor, "*draws B D"]) -> Float[Tensor, "*draws B"]:
        """Return log sum_e w_e q_e(z) in nats, (..., B)."""
        assert not isinstance(self.components, Point), "points have no density"
        each = self.components.log_prob(z.unsqueeze(-3))  # (..., E, B)
        held = self.weight > 0
        log_weight = torch.log(torch.where(held, self.weight, 1.0))
        return torch.logsumexp(torch.where(held, each + log_weight, -torch.inf), -2)


Unimodal = DiagNormal | DiagLaplace | Point


def standard(like: DiagNormal | DiagLaplace) -> DiagNormal | DiagLaplace:
    """Return the standard member (loc 0, scale 1) of the same family, with the axes of `like`.

    Example:
        >>> import torch
        >>> standard(DiagNormal(torch.ones(2), torch.ones(2))).loc.tolist()
        [0.0, 0.0]
    """
    return type(like)(torch.zeros_like(like.loc), torch.ones_like(like.scale))


def kl(q: DiagNormal | DiagLaplace, p: DiagNormal | DiagLaplace) -> Tensor:
    """Return KL(q || p) in nats, summed over D; the formula is chosen by the types.

    normal:   1/2 sum [ log s_p^2 - log s_q^2 + (s_q^2 + (m_q - m_p)^2) / s_p^2 - 1 ]
    Laplace:  sum [ log b_p - log b_q + |d|/b_p + (b_q/b_p) exp(-|d|/b_q) - 1 ],  d = m_q - m_p

    Args:
        q: Distribution of shape (..., D).
        p: Distribution of the same family whose axes broadcast to those of q.

    Raises:
        TypeError: If there is no formula for the two types.

    Example:
        >>> import torch
        >>> q, p = DiagNormal(torch.zeros(1), torch.ones(1)), DiagNormal(torch.ones(1), torch.ones(1))
        >>> kl(q, p).item()
        0.5
    """
    if isinstance(q, DiagNormal) and isinstance(p, DiagNormal):
        ratio = q.scale / p.scale
        return ((ratio.square() + ((q.loc - p.loc) / p.scale).square() - 1) / 2 - torch.log(ratio)).sum(-1)
    if isinstance(q, DiagLaplace) and isinstance(p, DiagLaplace):
        d, ratio = (q.loc - p.loc).abs(), q.scale / p.scale
        return (d / p.scale + ratio * torch.exp(-d / q.scale) - 1 - torch.log(ratio)).sum(-1)
    raise TypeError(f"no KL divergence between {type(q).__name__} and {type(p).__name__}")


def kl_standard(q: DiagNormal | DiagLaplace) -> Tensor:
    """Return KL(q || the standard member of q's family) in nats, summed over D.

    Example:
        >>> import torch
        >>> kl_standard(DiagNormal(torch.ones(1), torch.ones(1))).item()
        0.5
    """
    if isinstance(q, DiagNormal):
        return ((q.loc.square() + q.scale.square() - 1) / 2 - torch.log(q.scale)).sum(-1)
    return kl(q, standard(q))


def pairwise_kl(q: DiagNormal | DiagLaplace | Point, weight: Float[Tensor, "E B"]) -> Float[Tensor, "E B"]:
    """Return sum_n w_n KL(q_m || q_n) for every component m, in nats.

    For normals this costs O(M), not O(M^2): with c the weighted mean of the locations, every KL is a
    polynomial in (loc - c) whose sums over n are moments,

        sum_n w_n (s_m^2 + (m_m - m_n)^2)/s_n^2 = (s_m^2 + m_m^2) S(1/s^2) - 2 m_m S(m/s^2) + S(m^2/s^2).

    Args:
        q: Components (E, B, D).
        weight: (E, B), summing to 1 over E.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[20.0]]]), torch.ones(2, 1, 1))
        >>> pairwise_kl(q, torch.full((2, 1), 0.5)).sum().item()
        200.0
    """
    if isinstance(q, Point):
        raise TypeError("a Point posterior has no divergence")
    if isinstance(q, DiagLaplace):
        each = kl(q[:, None], q[None])  # (E, E, B)
        return (weight * each).sum(1)
    w = weight.unsqueeze(-1)
    variance = q.variance
    # Whatever c is, the sum is the same: no gradient needs to go through it.
    m = q.loc - (w * q.loc.detach()).sum(0)
    precision = w / 2 / variance  # halves, as every KL has them
    moment = precision * m
    log_scale = torch.log(q.scale)
    square = (variance + m * m) * precision.sum(0)
    cross = m * moment.sum(0)
    of_all = moment * m + w * (log_scale - 0.5)
    return (torch.sub(square, cross, alpha=2) - log_scale).sum(-1) + of_all.sum((0, -1))
