"""Likelihoods of real values: Normal and Laplace, their scale fixed or learned."""

import math

import torch
from torch import nn

from counterpoint.errors import number
from counterpoint.likelihoods.base import Likelihood
from counterpoint.shapes import Tensor

_LOG_2PI = math.log(2 * math.pi)


class _LocationScale(Likelihood):
    """Common to Normal and Laplace: the decoder gives the location; the scale is fixed or learned per value.

    A learned scale is kept above exp(-4), so that no likelihood grows without bound.
    """

    def __init__(self, shape: tuple[int, ...], scale: float | str) -> None:
        super().__init__(shape)
        if scale == "learned":
            self.log_scale = nn.Parameter(torch.zeros(self.shape))
        else:
            self.fixed = number("likelihood scale", scale, open_=True)

    @property
    def learned(self) -> bool:
        return hasattr(self, "log_scale")

    def _log_scale(self) -> Tensor:
        return self.log_scale.clamp(-4.0, 4.0)

    def _scale(self) -> Tensor | float:
        return torch.exp(self._log_scale()) if self.learned else self.fixed

    def _scaled_sum(self, each: Tensor, factor: float, constant: float, mask: Tensor) -> Tensor:
        """Sum factor * each - constant over the observed values, in the fewest operations."""
        if mask.dim() > 1:
            return self._sum(each, mask) * factor - constant * self._count(mask).to(each.dtype)
        total = each.sum(self._event) * factor - constant * math.prod(self.shape)
        return torch.where(mask, total, 0.0)

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return output


class Normal(_LocationScale):
    """Normal: log p = -1/2 ((x - loc)/s)^2 - log s - 1/2 log 2 pi.

    Args:
        shape: Event shape.
        scale: Standard deviation s > 0, or `"learned"` (one per value, shared by all rows).

    Raises:
        InputError: If the scale is not above 0.

    Example:
        >>> import torch
        >>> p = Normal((2,))
        >>> round(p.log_prob(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([True])).item(), 4)
        -1.8379
    """

    def __init__(self, shape: tuple[int, ...], scale: float | str = 1.0) -> None:
        super().__init__(shape, scale)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        if self.learned:
            log_scale = self._log_scale()
            return self._sum(
                -((x - output) * torch.exp(-log_scale)).square() / 2 - log_scale - _LOG_2PI / 2, mask
            )
        d = output - x
        return self._scaled_sum(d * d, -0.5 / self.fixed**2, math.log(self.fixed) + _LOG_2PI / 2, mask)

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.zeros_like(output) + self._scale() ** 2

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        return output + self._scale() * torch.empty_like(output).normal_(generator=generator)


class Laplace(_LocationScale):
    """Laplace: log p = -|x - loc|/b - log 2b. With b = 0.75 the papers' image likelihood.

    Args:
        shape: Event shape.
        scale: b > 0, or `"learned"` (one per value, shared by all rows).

    Raises:
        InputError: If the scale is not above 0.

    Source: Sutter et al. 2024 (MMVM), PolyMNIST experiments.

    Example:
        >>> import torch
        >>> p = Laplace((3, 28, 28))
        >>> x = torch.zeros(1, 3, 28, 28)
        >>> floor = -p.log_prob(x, x, torch.tensor([True])).item()
        >>> round(floor, 2)  # 2352 ln 1.5: the floor of the papers' axes
        953.65
    """

    def __init__(self, shape: tuple[int, ...], scale: float | str = 0.75) -> None:
        super().__init__(shape, scale)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        if self.learned:
            log_scale = self._log_scale()
            return self._sum(-(x - output).abs() * torch.exp(-log_scale) - log_scale - math.log(2.0), mask)
        return self._scaled_sum((output - x).abs(), -1 / self.fixed, math.log(2 * self.fixed), mask)

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.zeros_like(output) + 2 * self._scale() ** 2

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        u = torch.empty_like(output).uniform_(-0.5, 0.5, generator=generator)
        most = 0.5 - torch.finfo(u.dtype).eps / 4  # u = -1/2 would be infinitely far out
        return output - self._scale() * u.sign() * torch.log1p(-2 * u.abs().clamp(max=most))
