"""Likelihoods of counts: Poisson and NegativeBinomial."""

import math

import torch
from torch import nn

from counterpoint.errors import number
from counterpoint.likelihoods.base import Likelihood
from counterpoint.shapes import Tensor

_LOG_RATE = 12.0  # bound on log rates: exp(12) counts in one value is beyond any data set


class Poisson(Likelihood):
    """Poisson counts with log rate o: log p = x o - e^o - log x!. The encoder reads log(1 + x).

    Example:
        >>> import torch
        >>> Poisson((1,)).log_prob(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([True])).item()
        -1.0
    """

    def encode(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.log1p(super().encode(x, mask))

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        log_rate = output.clamp(-_LOG_RATE, _LOG_RATE)
        return self._sum(x * log_rate - torch.exp(log_rate) - torch.lgamma(x + 1), mask)

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.exp(output.clamp(-_LOG_RATE, _LOG_RATE))

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return self.mean(output)

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        return torch.poisson(self.mean(output), generator=generator)


class NegativeBinomial(Likelihood):
    """Overdispersed counts: mean mu = l softmax(o), inverse dispersion theta learned per value.

    log p = log G(x+t) - log G(t) - log x! + t log(t/(t+mu)) + x log(mu/(t+mu)), with l the row's exposure:
    its library size, the sum of its observed counts over the observed share of its values. A row without
    observed counts is generated with the exposure given here.

    Args:
        shape: Event shape.
        typical: Exposure of a row whose counts were not observed, above 0 (the training median).

    Raises:
        InputError: If `typical` is not above 0.

    Source: Lopez et al. 2018 (scVI), with the observed library size.

    Example:
        >>> import torch
        >>> p = NegativeBinomial((2,))
        >>> x = torch.tensor([[3.0, 1.0]])
        >>> size = p.exposure(x, torch.tensor([True]))
        >>> size.item(), p.mean(torch.zeros(1, 2), size).tolist()
        (4.0, [[2.0, 2.0]])
    """

    def __init__(self, shape: tuple[int, ...], typical: float = 1.0) -> None:
        super().__init__(shape)
        self.typical = number("typical exposure", typical, open_=True)
        self.log_theta = nn.Parameter(torch.zeros(self.shape))

    def encode(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.log1p(super().encode(x, mask))

    def exposure(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = x if mask.dim() == 1 else torch.where(mask, x, 0.0)
        total = seen.flatten(1).sum(1) * math.prod(self.shape) / self._count(mask).clamp_min(1)
        return total.clamp_min(1.0)

    def _theta(self) -> Tensor:
        return torch.exp(self.log_theta.clamp(-7.0, 9.0))

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        mu, theta = self.mean(output, self.exposure(x, mask)), self._theta()
        log_total = torch.log(theta + mu)
        each = torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
        each = each + theta * (torch.log(theta) - log_total) + x * (torch.log(mu) - log_total)
        return self._sum(each, mask)

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        share = torch.softmax(output.flatten(-len(self.shape)), -1).reshape(output.shape)
        if exposure is None:
            return share * self.typical + 1e-8
        return share * exposure.reshape(-1, *[1] * len(self.shape)) + 1e-8

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        mu = self.mean(output, exposure)
        return mu + mu.square() / self._theta()

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        mu, theta = self.mean(output, exposure), self._theta()
        # The only gamma sampler of torch that takes a generator.
        standard_gamma = torch._standard_gamma  # pyright: ignore[reportPrivateImportUsage]
        gamma = standard_gamma(theta.expand_as(mu).contiguous(), generator=generator)
        return torch.poisson(gamma * mu / theta, generator=generator)
