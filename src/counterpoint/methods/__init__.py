"""One recipe per paper, in a plain dictionary."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from counterpoint.errors import InputError, choose, nearest
from counterpoint.methods.ae import ae
from counterpoint.methods.avg import avg
from counterpoint.methods.independent import independent
from counterpoint.methods.mmvm import mmvm
from counterpoint.methods.moe import moe
from counterpoint.methods.mopoe import mopoe
from counterpoint.methods.mvae import mvae
from counterpoint.methods.poe import poe
from counterpoint.model import Method

METHODS: dict[str, Callable[..., Method]] = {
    "ae": ae,
    "independent": independent,
    "avg": avg,
    "poe": poe,
    "mvae": mvae,
    "moe": moe,
    "mopoe": mopoe,
    "mmvm": mmvm,
}


def method(name: str, options: Mapping[str, Any] | None = None) -> Method:
    """Return a method by name, with its options checked by name.

    Args:
        name: A key of `METHODS`.
        options: The recipe's options.

    Raises:
        InputError: If the method or an option is unknown (the nearest name is told), or a value is out of
            range.

    Example:
        >>> method("mmvm", {"rate": "mixture"}).name
        'mmvm'
        >>> method("mmvm", {"rat": "mixture"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: mmvm has no option 'rat'; it has beta, ... Did you mean 'rate'?
    """
    recipe = METHODS[choose("method", name, METHODS)]
    allowed = list(inspect.signature(recipe).parameters)
    for option in options or {}:
        if option not in allowed:
            listed = ", ".join(allowed) or "none"
            raise InputError(f"{name} has no option {option!r}; it has {listed}.{nearest(option, allowed)}")
    return recipe(**(options or {}))


def takes(name: str, option: str) -> bool:
    """Return whether a method has an option; `ae`, for one, has no beta.

    Example:
        >>> takes("mmvm", "beta"), takes("ae", "beta")
        (True, False)
    """
    return option in inspect.signature(METHODS[choose("method", name, METHODS)]).parameters


__all__ = ["METHODS", "ae", "avg", "independent", "method", "mmvm", "moe", "mopoe", "mvae", "poe", "takes"]
