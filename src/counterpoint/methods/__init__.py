"""One recipe per paper, in a plain dictionary."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from counterpoint.errors import InputError, choose, nearest
from counterpoint.impartial import impartial
from counterpoint.methods.ae import ae
from counterpoint.methods.avg import avg
from counterpoint.methods.barycentre import barycentre
from counterpoint.methods.cmmd import cmmd
from counterpoint.methods.code import code
from counterpoint.methods.dcca import dcca
from counterpoint.methods.dccae import dccae
from counterpoint.methods.hellinger import hellinger
from counterpoint.methods.independent import independent
from counterpoint.methods.jmvae import jmvae
from counterpoint.methods.mmjsd import mmjsd
from counterpoint.methods.mmvae import mmvae
from counterpoint.methods.mmvae_plus import mmvae_plus
from counterpoint.methods.mmvm import mmvm
from counterpoint.methods.moe import moe
from counterpoint.methods.mopoe import mopoe
from counterpoint.methods.mvae import mvae
from counterpoint.methods.mvcl import mvcl
from counterpoint.methods.mvtcae import mvtcae
from counterpoint.methods.poe import poe
from counterpoint.methods.split import split
from counterpoint.methods.telbo import telbo
from counterpoint.methods.vcca import vcca
from counterpoint.model import Method

METHODS: dict[str, Callable[..., Method]] = {
    "ae": ae,
    "independent": independent,
    "avg": avg,
    "poe": poe,
    "mvae": mvae,
    "jmvae": jmvae,
    "telbo": telbo,
    "split": split,
    "moe": moe,
    "mmvae": mmvae,
    "mmvae_plus": mmvae_plus,
    "mopoe": mopoe,
    "mmjsd": mmjsd,
    "mvtcae": mvtcae,
    "code": code,
    "hellinger": hellinger,
    "barycentre": barycentre,
    "mmvm": mmvm,
    "vcca": vcca,
    "cmmd": cmmd,
    "dcca": dcca,
    "dccae": dccae,
    "mvcl": mvcl,
}


def method(name: str, options: Mapping[str, Any] | None = None) -> Method:
    """Return a method by name, with its options checked by name.

    Args:
        name: A key of `METHODS`.
        options: The recipe's options, and `impartial` for any recipe with one latent for all modalities: how
            the gradients of its decoders are reconciled, see `counterpoint.impartial`. None does nothing.

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
    allowed = [*inspect.signature(recipe).parameters, "impartial"]
    for option in options or {}:
        if option not in allowed:
            listed = ", ".join(allowed)
            raise InputError(f"{name} has no option {option!r}; it has {listed}.{nearest(option, allowed)}")
    made = recipe(**{k: v for k, v in (options or {}).items() if k != "impartial"})
    how = (options or {}).get("impartial")
    return made if how is None else impartial(made, how)


def takes(name: str, option: str) -> bool:
    """Return whether a method has an option; `ae`, for one, has no beta.

    Example:
        >>> takes("mmvm", "beta"), takes("ae", "beta")
        (True, False)
    """
    return option in inspect.signature(METHODS[choose("method", name, METHODS)]).parameters


__all__ = [
    "METHODS",
    "ae",
    "avg",
    "barycentre",
    "cmmd",
    "code",
    "dcca",
    "dccae",
    "hellinger",
    "independent",
    "jmvae",
    "method",
    "mmjsd",
    "mmvae",
    "mmvae_plus",
    "mmvm",
    "moe",
    "mopoe",
    "mvae",
    "mvcl",
    "mvtcae",
    "poe",
    "split",
    "takes",
    "telbo",
    "vcca",
]
