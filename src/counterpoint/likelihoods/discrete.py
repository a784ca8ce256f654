"""Likelihoods of yes and no, and of symbols: Bernoulli and Categorical."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from counterpoint.errors import whole
from counterpoint.likelihoods.base import Likelihood
from counterpoint.shapes import Tensor


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
