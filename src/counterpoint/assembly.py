"""From prepared data and a method to a model: which network and likelihood each modality gets."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from counterpoint.aggregation import Average, MixtureOfProducts, Product, Separate
from counterpoint.data import Preparation
from counterpoint.data.covariates import Covariates
from counterpoint.distributions import DiagNormal, Point
from counterpoint.errors import InputError, choose, number, whole
from counterpoint.likelihoods import Likelihood, likelihood
from counterpoint.methods.barycentre import MixtureOfBarycentres
from counterpoint.methods.code import Consensus
from counterpoint.methods.hellinger import Hellinger
from counterpoint.model import Method, Modality, MultimodalVAE
from counterpoint.nn import JointEncoder, SideBySide, networks
from counterpoint.nn.build import build
from counterpoint.priors import NoPrior
from counterpoint.seeds import generator

NORMAL_ONLY = (Average, Product, Consensus, Hellinger, MixtureOfBarycentres)  # their formulas want normals
MOST_SUBSETS_OF = 12  # modalities whose every subset may be an expert: 4095 of them
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
    target: str | None = None,
    seed: int = 0,
) -> MultimodalVAE:
    """Build the model, its weights drawn from the seed.

    Args:
        preparation: Names, shapes and likelihoods of the modalities.
        method: From a recipe.
        latent_dim: D.
        network: A kind for all, or name -> kind or (encoder, decoder): any modules from (B, *input) to
            (B, heads * D) and from (B, D) to (B, *output).
        hidden: Units of the hidden layers.
        width: Channels of the convolutional kinds.
        weights: name -> factor of the modality's distortion; 1 where not named.
        target: The modality that is to be told from the others, if one is.
        seed: Of the initial weights.

    Raises:
        InputError: If a name is unknown, a posterior family does not suit the method, there are too many
            modalities for all their subsets, or a module gives the wrong shape.
    """
    names = preparation.names
    _check_method(method, names, target)
    latent_dim = whole("latent_dim", latent_dim)  # numpy's whole numbers too
    if weights is not None and not isinstance(weights, Mapping):
        raise InputError(f"weights is {weights!r}; give a dict, modality -> factor above 0.")
    for what, given in (("network", network), ("weights", weights)):
        for name in given if isinstance(given, Mapping) else ():
            choose(f"{what}: modality", name, names)
    modalities: dict[str, Modality] = {}
    trunks, told = list[nn.Module](), preparation.covariates
    width_of, units = {"hidden": hidden, "width": width}, max((2 * latent_dim, *hidden))
    for name in names:
        one = preparation[name]
        p = likelihood(one.likelihood, one.event, classes=one.n_categories, typical=one.library_size or 1.0)
        others = "auto" if name == target else network  # a kind for all is one for measurements
        kind = network.get(name, "auto") if isinstance(network, Mapping) else others
        if isinstance(kind, str):
            draw = generator(seed, "init", name)
            try:
                columns = latent_dim + units * (method.context and name != target)
                encoder, decoder = _networks(kind, p, method, columns, draw, width_of, told)
                if method.conditional:
                    features = units * (name in (method.observed or names) and name != target)
                    encoder = _conditional_encoder(kind, p, method, features, draw, width_of)
                if method.joint:
                    trunks.append(_trunk(kind, p, units, draw, width_of))
            except InputError as error:
                raise InputError(f"network of modality {name!r}: {error}") from error
        elif method.joint:
            raise InputError(
                f"network of {name!r} is a pair of modules, and {method.name} has a third network that reads "
                "all modalities, which is made from a kind; name a kind."
            )
        else:
            encoder, decoder = _own_networks(name, kind, p, latent_dim, method, told)
        weight = number(f"the weight of modality {name!r}", (weights or {}).get(name, 1.0), open_=True)
        known = None if told is None else torch.from_numpy(told.known(name)).float()
        modalities[name] = Modality(encoder, decoder, p, weight, method.auxiliary_size, known)

    def head(use: str) -> nn.Module:
        outputs = method.posterior.heads * latent_dim
        return build(partial(nn.Linear, units, outputs), generator(seed, "init", use))

    joint = JointEncoder(trunks, head("joint")) if method.joint else None
    prior = head("prior") if method.conditional else None
    return MultimodalVAE(modalities, method, latent_dim, joint, prior, target)


def _check_method(method: Method, names: Sequence[str], target: str | None) -> None:
    """Refuse a method that these modalities cannot be modelled by."""
    _check_family(method)
    _check_experts(method, len(names))
    _check_observed(method, names, target)


def _networks(
    kind: str,
    p: Likelihood,
    method: Method,
    latent_dim: int,
    draw: torch.Generator,
    sizes: Mapping[str, Any],
    told: Covariates | None,
) -> tuple[nn.Module, nn.Module]:
    """Make encoder and decoder of one modality; its private latents are among what they give and read.

    The decoder reads the columns of covariates beside the latents.
    """
    private = method.private_dim
    make = partial(networks, kind, p.input_shape, p.output_shape, generator=draw, **sizes)
    heads = method.posterior.heads
    encoder, decoder = make(latent_dim + private, heads=heads)
    if told is not None:
        decoder = make(latent_dim + private + len(told.average), heads=heads)[1]
    if private and method.private_trunk:
        encoder = SideBySide([make(d, heads=heads)[0] for d in (latent_dim, private)])
    return encoder, decoder


def _conditional_encoder(
    kind: str, p: Likelihood, method: Method, units: int, draw: torch.Generator, sizes: Mapping[str, Any]
) -> nn.Module:
    """Make what gives a modality's features (B, units) for p(z | x_o), and its private latent's heads."""
    columns = (units, method.posterior.heads * method.private_dim)
    parts = [_trunk(kind, p, n, draw, sizes) for n in columns if n]
    if not parts:
        return nn.Identity()  # nothing reads it
    return SideBySide(parts) if len(parts) > 1 else parts[0]


def _trunk(
    kind: str, p: Likelihood, units: int, draw: torch.Generator, sizes: Mapping[str, Any]
) -> nn.Module:
    """Make a joint encoder's trunk for one modality: an encoder with one head."""
    return networks(kind, p.input_shape, p.output_shape, units, generator=draw, heads=1, **sizes)[0]


def _check_observed(method: Method, names: Sequence[str], target: str | None) -> None:
    """Refuse observed modalities that there are not, and a model with nothing to observe."""
    for name in method.observed or ():
        choose("observed", name, [n for n in names if n != target])
    if method.conditional and not [n for n in names if n != target]:
        raise InputError(f"{method.name} reads other modalities than its target, and there are none.")


def _check_family(method: Method) -> None:
    """Refuse posteriors that the method has no formula for."""
    family, prior = method.posterior, type(method.prior).__name__
    part = type(method.aggregation).__name__
    if family is Point and not (
        isinstance(method.prior, NoPrior) and isinstance(method.aggregation, Separate)
    ):
        raise InputError(
            f"{method.name} has Point posteriors under {part} and {prior}, which need a density; take normal "
            "ones."
        )
    over = method.aggregation
    products = isinstance(over, MixtureOfProducts) and over.multiplies
    if (products or isinstance(over, NORMAL_ONLY)) and family is not DiagNormal:
        raise InputError(
            f"{method.name} has {family.__name__} posteriors under {part}, which needs normal ones; take "
            "DiagNormal."
        )


def _check_experts(method: Method, modalities: int) -> None:
    """Refuse a mixture over more subsets than anybody could wait for."""
    over = method.aggregation
    if getattr(over, "subsets", None) == "all" and modalities > MOST_SUBSETS_OF:
        raise InputError(
            f"{method.name} over all subsets of {modalities} modalities has {over.experts(modalities)} "
            f"experts; it takes at most {MOST_SUBSETS_OF} modalities ({over.experts(MOST_SUBSETS_OF)} "
            "experts). Take moe, poe or mmvm."
        )


def _own_networks(
    name: str, pair: Any, p: Likelihood, latent_dim: int, method: Method, told: Covariates | None
) -> tuple[nn.Module, nn.Module]:
    """Try a user's modules on one dry batch."""
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(n, nn.Module) for n in pair)
    ):
        raise InputError(
            f"network of {name!r} is {type(pair).__name__}; give a kind or a pair (encoder, decoder) of "
            "modules."
        )
    encoder, decoder = pair
    for layer in (*encoder.modules(), *decoder.modules()):
        mixes = isinstance(layer, _BatchNorm) or (
            isinstance(layer, _InstanceNorm) and layer.track_running_stats
        )
        if mixes or (isinstance(layer, _DropoutNd) and layer.p > 0):
            raise InputError(
                f"the network of {name!r} has a {type(layer).__name__}, which keeps state, mixes rows or "
                "draws by itself; seed and data alone must decide. Use a stateless layer, such as LayerNorm."
            )
    columns = latent_dim + method.private_dim
    read = columns if told is None else columns + len(told.average)
    hint = "" if told is None else f". A decoder reads latents and {read - columns} columns of covariates."
    trials = (
        ("encoder", encoder, torch.zeros(2, *p.input_shape), (2, method.posterior.heads * columns)),
        ("decoder", decoder, torch.zeros(2, read), (2, *p.output_shape)),
    )
    for what, module, given, wanted in trials:
        try:
            with torch.no_grad():
                shape = tuple(module(given).shape)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"the {what} of {name!r} fails on a batch of shape {tuple(given.shape)}: {error}{hint}"
            ) from error
        if shape != wanted:
            raise InputError(
                f"the {what} of {name!r} gives {shape} for {tuple(given.shape)}; it must give {wanted}."
            )
    return encoder, decoder
