"""Networks from a seed: the weights come from a generator that is handed in, not from torch's global one."""

import math
from collections.abc import Callable

import torch
from torch import nn

from counterpoint.errors import InputError

UNIFORM = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
KNOWN = (*UNIFORM, nn.Embedding, nn.GroupNorm)


def build(
    make: Callable[[], nn.Module], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Construct a network and draw its weights from `generator`; torch's global random state is not touched.

    Weights and biases are uniform in ±1/√fan_in as in torch's own layers (of a transposed convolution the
    fan-in is, as there, outputs times kernel); an embedding is standard normal; a group normalisation
    starts at scale 1 and shift 0. They are drawn in single precision and then converted, so one seed gives
    one network in every precision.

    Args:
        make: A function without arguments that constructs the network.
        generator: The CPU generator to draw from; it moves on.
        dtype: The floating type of the parameters.

    Returns:
        The network, on the CPU.

    Raises:
        InputError: If a layer owns parameters and is not a linear, convolutional, embedding or group
            normalisation layer, if it owns buffers (a BatchNorm does), if two layers share a parameter, or if
            dtype or generator are of another kind.

    Source:
        He et al. 2015 (arXiv:1502.01852), as torch applies it by default, with a = √5.

    Example:
        >>> net = build(lambda: nn.Linear(3, 2), torch.Generator().manual_seed(1))
        >>> twin = build(lambda: nn.Linear(3, 2), torch.Generator().manual_seed(1))
        >>> torch.equal(net.weight, twin.weight)
        True
    """
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError(f"dtype is {dtype!r}; it must be a floating type such as torch.float32.")
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        given = generator.device if isinstance(generator, torch.Generator) else repr(generator)
        raise InputError(
            f"generator is {given}; it must be a torch.Generator on the CPU: move the network after."
        )
    with torch.device("meta"):
        net = make()
    _refuse_what_cannot_be_drawn(net)
    net = net.to(dtype).to_empty(device="cpu")
    with torch.no_grad():
        for layer in net.modules():
            _draw(layer, generator)
    return net


def _refuse_what_cannot_be_drawn(net: nn.Module) -> None:
    """Raise InputError for a tensor that has no rule here: `to_empty` would leave it undefined."""
    for name, layer in net.named_modules():
        kind, where = type(layer).__name__, name or "the network itself"
        if next(layer.buffers(recurse=False), None) is not None:
            raise InputError(
                f"{kind} ({where}) owns buffers; networks here own parameters only. Use a stateless layer."
            )
        if next(layer.parameters(recurse=False), None) is not None and not isinstance(layer, KNOWN):
            names = ", ".join(known.__name__ for known in KNOWN)
            raise InputError(f"{kind} ({where}) owns parameters; allowed are {names}. Build it out of those.")
    shared = len(list(net.named_parameters(remove_duplicate=False))) - len(list(net.parameters()))
    if shared:
        raise InputError(
            f"The network shares {shared} parameter(s) between layers; each layer must own its own."
        )


def _draw(layer: nn.Module, generator: torch.Generator) -> None:
    """Overwrite the parameters that the layer itself owns; its children have their own turn."""
    if isinstance(layer, UNIFORM):
        bound = 1 / math.sqrt(layer.weight[0].numel())
        for parameter in layer.parameters(recurse=False):
            noise = torch.empty(parameter.shape, dtype=torch.float32)
            parameter.copy_(noise.uniform_(-bound, bound, generator=generator))
    elif isinstance(layer, nn.Embedding):
        noise = torch.empty(layer.weight.shape, dtype=torch.float32)
        layer.weight.copy_(noise.normal_(generator=generator))
        if layer.padding_idx is not None:
            layer.weight[layer.padding_idx] = 0
    elif isinstance(layer, nn.GroupNorm):
        layer.reset_parameters()
