"""Encoders and decoders: plain networks of tensors, without probability, state or chance in them."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from counterpoint.errors import choose, whole
from counterpoint.nn.build import build as build_network  # the name itself is the module's
from counterpoint.nn.channels_last import (
    ChannelsLastDecoder,
    ChannelsLastEncoder,
    is_channels_last,
    wrapped,
)
from counterpoint.nn.characters import CharactersDecoder, CharactersEncoder
from counterpoint.nn.conv import LEAST, ConvDecoder, ConvEncoder
from counterpoint.nn.dcgan import DCGANDecoder, DCGANEncoder
from counterpoint.nn.events import ACTIVATIONS, sizes
from counterpoint.nn.joint import JointEncoder, SideBySide
from counterpoint.nn.mlp import MLPDecoder, MLPEncoder
from counterpoint.nn.normed import WEIGHTED
from counterpoint.nn.portrait import PortraitDecoder, PortraitEncoder, PortraitTrunk
from counterpoint.nn.radiograph import (
    RadiographClassifier,
    RadiographDecoder,
    RadiographEncoder,
    RadiographTrunk,
)
from counterpoint.nn.resnet import ResNetClassifier, ResNetDecoder, ResNetEncoder, ResNetTrunk
from counterpoint.nn.text import TextDecoder, TextEncoder
from counterpoint.nn.words import WordsDecoder, WordsEncoder

KINDS = (
    *("auto", "mlp", "conv", "resnet", "text", "square", "radiograph"),
    *("portrait", "dcgan", "characters", "words", "portrait_mopoe", "characters_mopoe"),
)
IMAGES = {  # kinds that read (C, H, W), and whose one setting is their width
    "resnet": (ResNetEncoder, ResNetDecoder),
    "radiograph": (RadiographEncoder, RadiographDecoder),
    "portrait": (PortraitEncoder, PortraitDecoder),
    "dcgan": (DCGANEncoder, DCGANDecoder),
    "portrait_mopoe": (
        partial(PortraitEncoder, width=128, factors=WEIGHTED),
        partial(PortraitDecoder, width=128, factors=WEIGHTED),
    ),
}
TEXTS = {  # kinds that read (L, V)
    "text": (TextEncoder, TextDecoder),
    "characters": (CharactersEncoder, CharactersDecoder),
    "words": (WordsEncoder, WordsDecoder),
    "characters_mopoe": (
        partial(CharactersEncoder, width=128, factors=WEIGHTED),
        partial(CharactersDecoder, width=128, factors=WEIGHTED),
    ),
}

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "ChannelsLastDecoder",
    "ChannelsLastEncoder",
    "CharactersDecoder",
    "CharactersEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DCGANDecoder",
    "DCGANEncoder",
    "JointEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "PortraitDecoder",
    "PortraitEncoder",
    "PortraitTrunk",
    "RadiographClassifier",
    "RadiographDecoder",
    "RadiographEncoder",
    "RadiographTrunk",
    "ResNetClassifier",
    "ResNetDecoder",
    "ResNetEncoder",
    "ResNetTrunk",
    "SideBySide",
    "TextDecoder",
    "TextEncoder",
    "WordsDecoder",
    "WordsEncoder",
    "networks",
]


def networks(
    kind: str,
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    latent_dim: int,
    *,
    generator: torch.Generator,
    heads: int = 2,
    hidden: Sequence[int] = (256,),
    width: int | None = None,
    activation: str = "relu",
) -> tuple[nn.Module, nn.Module]:
    """Make the encoder and the decoder of one modality, with weights drawn from `generator`, encoder first.

    The encoder takes (B, *input_shape) to (B, heads * latent_dim), the decoder (B, latent_dim) to
    (B, *output_shape). The settings may be shared by modalities of several kinds: each kind reads its own.

    Args:
        kind: One of `KINDS`. "auto" is "conv" where both shapes are (C, H, W), or (H, W, C) with C at most 4,
            and H and W at least 8; else "mlp".
        input_shape: What the encoder reads of one row; (C, H, W) or such an (H, W, C) for "conv", "resnet",
            "radiograph" (square, 28 to 32, ... 224 to 256 pixels a side), "portrait" and "dcgan" (square, 16,
            32, 64, ... pixels; "dcgan" 8 too), with the same weights; (L, V) for "text", "characters" (L is
            16, 32, 64, ...) and "words" (8, 16, 32, ...).
        output_shape: What the decoder gives for one row; likewise.
        latent_dim: Columns of one head.
        generator: The CPU generator to draw the weights from; it moves on.
        heads: Number of the encoder's heads; two are loc and log-variance.
        hidden: Units of the hidden layers of "mlp", input side first; the decoder has them reversed. The one
            hidden layer of "conv" has the largest of these and latent_dim; () gives latent_dim, as published.
            "square" reads none: two layers have as many units as input_shape values, the encoder's third
            latent_dim.
        width: Channels of "conv" (32 if None), "words" (32), "text" (128), and of "resnet", "radiograph",
            "portrait", "dcgan" and "characters" (64); of "portrait_mopoe" and "characters_mopoe" (128), which
            are these two as MoPoE has them: blocks of twice the shortcut and .3 of the residual.
        activation: A key of `ACTIVATIONS`; "resnet" and "square" keep their leaky ReLU, "radiograph",
            "portrait" and "dcgan" their ReLU.

    Returns:
        The encoder and the decoder, in single precision on the CPU.

    Raises:
        InputError: If the kind or the activation is unknown, or a shape or size does not suit the kind.

    Example:
        >>> encoder, decoder = networks("auto", (3, 28, 28), (3, 28, 28), 8, generator=torch.Generator())
        >>> z = encoder(torch.zeros(5, 3, 28, 28))[:, :8]
        >>> z.shape, decoder(z).shape
        (torch.Size([5, 8]), torch.Size([5, 3, 28, 28]))
        >>> networks("rnn", (8, 71), (8, 71), 20, generator=torch.Generator())
        Traceback (most recent call last):
        counterpoint.errors.InputError: kind is 'rnn'; allowed are auto, mlp, conv, resnet, text, \
square, radiograph, portrait, dcgan, characters, words, portrait_mopoe, characters_mopoe.
    """
    reads, gives = sizes("input_shape", input_shape), sizes("output_shape", output_shape)
    latent_dim, hidden = whole("latent_dim", latent_dim), sizes("hidden", hidden)
    kind = choose("kind", kind, KINDS)
    choose("activation", activation, ACTIVATIONS)
    if kind == "auto":
        kind = "conv" if _is_image(reads) and _is_image(gives) else "mlp"
    same = {} if width is None else {"width": width}
    if kind in IMAGES:
        of_images, to_images = IMAGES[kind]
        encode = partial(of_images, latent_dim=latent_dim, heads=heads, **same)
        decode = partial(to_images, latent_dim, **same)
        encoder = partial(wrapped, ChannelsLastEncoder, encode, reads)
        decoder = partial(wrapped, ChannelsLastDecoder, decode, gives)
    elif kind == "conv":
        units, same = max((latent_dim, *hidden)), {**same, "activation": activation}
        encode = partial(ConvEncoder, latent_dim=latent_dim, heads=heads, hidden=units, **same)
        decode = partial(ConvDecoder, latent_dim, **same)
        encoder = partial(wrapped, ChannelsLastEncoder, encode, reads)
        decoder = partial(wrapped, ChannelsLastDecoder, decode, gives)
    elif kind in TEXTS:
        of_texts, to_texts = TEXTS[kind]
        encoder = partial(of_texts, reads, latent_dim, heads, activation=activation, **same)
        decoder = partial(to_texts, latent_dim, gives, activation=activation, **same)
    elif kind == "square":
        wide = (math.prod(reads),) * 2
        encoder = partial(MLPEncoder, reads, latent_dim, heads, (*wide, latent_dim), "leaky_relu")
        decoder = partial(MLPDecoder, latent_dim, gives, wide, "leaky_relu")
    else:
        encoder = partial(MLPEncoder, reads, latent_dim, heads, hidden, activation)
        decoder = partial(MLPDecoder, latent_dim, gives, hidden[::-1], activation)
    return build_network(encoder, generator), build_network(decoder, generator)


def _is_image(shape: tuple[int, ...]) -> bool:
    return is_channels_last(shape) or (len(shape) == 3 and min(shape[1:]) >= LEAST)
