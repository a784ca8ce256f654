"""Likelihoods p(x_m | z): from a decoder's output to log p, summed over the values that were observed.

Shapes: data x (B, *event), mask (B,) or (B, *event), decoder output (..., B, *event) with any axes in front.
`log_prob` is (..., B), in nats per row. What an encoder reads is `encode(x, mask)`.
"""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from counterpoint.errors import InputError, choose, number, whole
from counterpoint.shapes import Tensor

_LOG_2PI = math.log(2 * math.pi)
_LOG_RATE = 12.0  # bound on log rates: exp(12) counts in one value is beyond any data set


class Likelihood(nn.Module):
    """What all likelihoods have in common.

    Args:
        shape: Event shape of one row of data.

    Raises:
        InputError: If there is no event dimension, or one is not a whole number of at least 1.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        if not shape:
            raise InputError(
                "the event shape is (), a bare number per row; give the data a last axis: (B, 1), shape (1,)."
            )
        self.shape = tuple(whole("an event dimension", s) for s in shape)
        self.output_shape = self.input_shape = self.shape
        self._event = tuple(range(-len(self.shape), 0))  # the last axes, which are summed

    def encode(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what the encoder reads, (B, *input_shape); zero where a single value was not observed."""
        return x if mask.dim() == 1 else torch.where(mask, x, 0.0)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Return log p(x | output) in nats, (..., B), over the observed values."""
        raise NotImplementedError

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Return E[x], (..., B, *event); for categories the probabilities (..., B, *event, V)."""
        raise NotImplementedError

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Return Var[x], with the shape of `mean`."""
        raise NotImplementedError

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        """Return draws of x, (..., B, *event)."""
        raise NotImplementedError

    def exposure(self, x: Tensor, mask: Tensor) -> Tensor | None:
        """Return the size factor (B,) of each row, for likelihoods that have one."""
        return None

    def _sum(self, each: Tensor, mask: Tensor) -> Tensor:
        """Sum (..., B, *event) over the observed values of the event."""
        if mask.dim() > 1:
            each = torch.where(mask, each, 0.0)
        each = each.sum(self._event)
        return each if mask.dim() > 1 else torch.where(mask, each, 0.0)

    def _count(self, mask: Tensor) -> Tensor:
        """Number of observed values per row, (B,)."""
        if mask.dim() > 1:
            return mask.flatten(1).sum(1)
        return mask * math.prod(self.shape)


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
        d = x - output
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
        >>> round(-p.log_prob(x, x, torch.tensor([True])).item(), 2)  # 2352 ln 1.5: the floor of the papers' axes
        953.65
    """

    def __init__(self, shape: tuple[int, ...], scale: float | str = 0.75) -> None:
        super().__init__(shape, scale)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        if self.learned:
            log_scale = self._log_scale()
            return self._sum(-(x - output).abs() * torch.exp(-log_scale) - log_scale - math.log(2.0), mask)
        return self._scaled_sum((x - output).abs(), -1 / self.fixed, math.log(2 * self.fixed), mask)

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.zeros_like(output) + 2 * self._scale() ** 2

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        u = torch.empty_like(output).uniform_(-0.5, 0.5, generator=generator)
        most = 0.5 - torch.finfo(u.dtype).eps / 4  # u = -1/2 would be infinitely far out
        return output - self._scale() * u.sign() * torch.log1p(-2 * u.abs().clamp(max=most))


class Bernoulli(Likelihood):
    """Bernoulli with logits o: log p = x o - log(1 + e^o). Values in [0, 1] are taken as soft labels.

    Example:
        >>> import torch
        >>> p = Bernoulli((1,))
        >>> round(p.log_prob(torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([True])).item(), 4)
        -0.6931
    """

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        return self._sum(x * output - F.softplus(output), mask)

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.sigmoid(output)

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        p = torch.sigmoid(output)
        return p * (1 - p)

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        return torch.bernoulli(torch.sigmoid(output), generator=generator)


class Categorical(Likelihood):
    """One of V symbols at every position: a vector of categories or a sequence.

    Data are codes 0..V-1 of shape (B, *event), any integer type; the encoder reads them one-hot,
    (B, *event, V), all zero where not observed; the decoder gives logits of that shape.

    Args:
        shape: Event shape of the codes.
        classes: V, at least 2.

    Raises:
        InputError: If there are fewer than two classes.

    Example:
        >>> import torch
        >>> p = Categorical((8,), classes=71)
        >>> x = torch.zeros(1, 8, dtype=torch.long)
        >>> round(-p.log_prob(torch.zeros(1, 8, 71), x, torch.tensor([True])).item(), 3)  # 8 ln 71
        34.101
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(shape)
        self.classes = whole("the number of classes", classes, least=2)
        self.dtype = torch.float32  # of the one-hot coding; `to(torch.float64)` moves it along
        self.output_shape = self.input_shape = (*self.shape, self.classes)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Categorical":
        self.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        return super()._apply(fn, recurse)

    def encode(self, x: Tensor, mask: Tensor) -> Tensor:
        hot = x.unsqueeze(-1) == torch.arange(self.classes, device=x.device)
        seen = mask.reshape(*mask.shape, *[1] * (hot.dim() - mask.dim()))
        return (hot & seen).to(self.dtype)

    def log_prob(self, output: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        log_p = torch.log_softmax(output, -1)
        codes = x.long().expand(output.shape[:-1]).unsqueeze(-1)
        return self._sum(log_p.gather(-1, codes).squeeze(-1), mask)

    def mean(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        return torch.softmax(output, -1)

    def variance(self, output: Tensor, exposure: Tensor | None = None) -> Tensor:
        p = torch.softmax(output, -1)
        return p * (1 - p)

    def sample(self, output: Tensor, generator: torch.Generator, exposure: Tensor | None = None) -> Tensor:
        p = torch.softmax(output, -1)
        return torch.multinomial(p.flatten(0, -2), 1, generator=generator).reshape(output.shape[:-1])


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

    log p = log G(x+t) - log G(t) - log x! + t log(t/(t+mu)) + x log(mu/(t+mu)), with l the row's exposure: its
    library size, the sum of its observed counts over the observed share of its values. A row without
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
        >>> p.exposure(x, torch.tensor([True])).item(), p.mean(torch.zeros(1, 2), torch.tensor([4.0])).tolist()
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
        gamma = torch._standard_gamma(theta.expand_as(mu).contiguous(), generator=generator)
        return torch.poisson(gamma * mu / theta, generator=generator)


LIKELIHOODS: dict[str, Callable[..., Likelihood]] = {
    "normal": Normal,
    "normal_learned": lambda shape: Normal(shape, "learned"),
    "laplace": Laplace,
    "laplace_learned": lambda shape: Laplace(shape, "learned"),
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}


def likelihood(
    name: str, shape: tuple[int, ...], *, classes: int | None = None, typical: float = 1.0
) -> Likelihood:
    """Return a likelihood by its name.

    Args:
        name: One of `LIKELIHOODS`.
        shape: Event shape.
        classes: Number of symbols, for `categorical` alone.
        typical: Exposure of a row without observed counts, for `negative_binomial` alone.

    Raises:
        InputError: If the name is unknown, or `categorical` comes without `classes`.

    Example:
        >>> likelihood("categorical", (8,), classes=71).output_shape
        (8, 71)
    """
    choose("likelihood", name, LIKELIHOODS)
    if name == "categorical":
        if classes is None:
            raise InputError("likelihood 'categorical' was given no number of classes; pass classes=V.")
        return Categorical(shape, classes)
    if name == "negative_binomial":
        return NegativeBinomial(shape, typical)
    return LIKELIHOODS[name](shape)
