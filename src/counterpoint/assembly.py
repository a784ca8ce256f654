"""From prepared data and a method to a model: which network and likelihood each modality gets."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from counterpoint.data import Preparation
from counterpoint.errors import InputError, choose
from counterpoint.likelihoods import Likelihood, likelihood
from counterpoint.model import Method, Modality, MultimodalVAE
from counterpoint.nn import networks
from counterpoint.seeds import generator

Networks = str | Mapping[str, str | tuple[nn.Module, nn.Module]]


def assemble(
    preparation: Preparation,
    method: Method,
    *,
    latent_dim: int,
    network: Networks = "auto",
    hidden: Sequence[int] = (256,),
    width: int | None = None,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> MultimodalVAE:
    """Build the model, its weights drawn from the seed.

    Args:
        preparation: Names, shapes and likelihoods of the modalities.
        method: From a recipe.
        latent_dim: D.
        network: A kind for all, or name -> kind or (encoder, decoder): any modules from (B, *input) to (B, heads * D)
            and from (B, D) to (B, *output).
        hidden: Units of the hidden layers.
        width: Channels of the convolutional kinds.
        weights: name -> factor of the modality's distortion; 1 where not named.
        seed: Of the initial weights.

    Raises:
        InputError: If a name is unknown, a posterior family does not suit the method, or a module gives the wrong shape.
    """
    names = preparation.names
    for what, given in (("network", network), ("weights", weights)):
        for name in given if isinstance(given, Mapping) else ():
            choose(f"{what}: modality", name, names)
    modalities: dict[str, Modality] = {}
    for name in names:
        one = preparation[name]
        p = likelihood(one.likelihood, one.event, classes=one.n_categories, typical=one.library_size or 1.0)
        kind = network.get(name, "auto") if isinstance(network, Mapping) else network
        heads = method.posterior.heads
        if isinstance(kind, str):
            draw = generator(seed, "init", name)
            encoder, decoder = networks(
                kind, p.input_shape, p.output_shape, latent_dim, generator=draw, heads=heads, hidden=hidden, width=width
            )
        else:
            encoder, decoder = _own_networks(name, kind, p, latent_dim, heads)
        modalities[name] = Modality(encoder, decoder, p, (weights or {}).get(name, 1.0))
    return MultimodalVAE(modalities, method, latent_dim)


def _own_networks(name: str, pair: Any, p: Likelihood, latent_dim: int, heads: int) -> tuple[nn.Module, nn.Module]:
    """Try a user's modules on one dry batch."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(n, nn.Module) for n in pair):
        raise InputError(f"network of {name!r} is {type(pair).__name__}; give a kind or a pair (encoder, decoder) of modules.")
    encoder, decoder = pair
    trials = (
        ("encoder", encoder, torch.zeros(2, *p.input_shape), (2, heads * latent_dim)),
        ("decoder", decoder, torch.zeros(2, latent_dim), (2, *p.output_shape)),
    )
    for what, module, read, wanted in trials:
        try:
            with torch.no_grad():
                shape = tuple(module(read).shape)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"the {what} of {name!r} fails on a batch of shape {tuple(read.shape)}: {error}") from error
        if shape != wanted:
            raise InputError(f"the {what} of {name!r} gives {shape} for {tuple(read.shape)}; it must give {wanted}.")
    return encoder, decoder
