"""Likelihoods p(x_m | z): from a decoder's output to log p, summed over the values that were observed.

Shapes: data x (B, *event), mask (B,) or (B, *event), decoder output (..., B, *event) with any axes in front.
`log_prob` is (..., B), in nats per row. What an encoder reads is `encode(x, mask)`.
"""

from collections.abc import Callable

from counterpoint.errors import InputError, choose
from counterpoint.likelihoods.base import Likelihood
from counterpoint.likelihoods.continuous import Laplace, Normal
from counterpoint.likelihoods.counts import NegativeBinomial, Poisson
from counterpoint.likelihoods.discrete import Bernoulli, Categorical

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


__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Categorical",
    "Laplace",
    "Likelihood",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "likelihood",
]
