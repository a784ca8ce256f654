"""The parameter counts of the published networks; counted without memory, on the meta device."""

import pytest
import torch

from counterpoint.nn import (
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    ResNetClassifier,
    ResNetDecoder,
    ResNetEncoder,
    ResNetTrunk,
    TextDecoder,
    TextEncoder,
)

IMAGE = (3, 28, 28)


def count(make):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: ResNetTrunk(IMAGE), 670_144),
        (lambda: ResNetEncoder(IMAGE, 512), 13_516_224),
        (lambda: ResNetDecoder(512, IMAGE), 7_104_963),
        (lambda: ResNetEncoder(IMAGE, 256), 7_093_184),
        (lambda: ResNetDecoder(256, IMAGE), 3_893_699),
        (lambda: ResNetClassifier(IMAGE, 10), 795_594),
        (lambda: ResNetDecoder(64, IMAGE), 1_485_251),  # MMVAE+, shared and private 32 each
        (lambda: ConvEncoder(IMAGE, 512), 1_667_648),
        (lambda: ConvDecoder(512, IMAGE), 1_143_747),
        (lambda: MLPEncoder((784,), 20, hidden=(400,)), 330_040),
        (lambda: MLPDecoder(20, (784,), hidden=(400,)), 322_784),
        (lambda: TextEncoder((8, 71), 20), 145_704),
        (lambda: TextDecoder(20, (8, 71)), 143_175),
    ],
)
def test_parameter_counts(make, parameters):
    assert count(make) == parameters


def test_the_rats_networks_count():
    total = 0
    for size in (920, 790, 1040, 490, 460):
        total += count(lambda d=size: MLPEncoder((d,), 2, hidden=(d, d, 2), activation="leaky_relu"))
        total += count(lambda d=size: MLPDecoder(2, (d,), hidden=(d, d), activation="leaky_relu"))
    assert total == 12_048_570


@pytest.mark.parametrize(
    ("make", "inputs", "outputs"),
    [
        (lambda: ResNetEncoder(IMAGE, 512), IMAGE, (1024,)),
        (lambda: ResNetDecoder(512, IMAGE), (512,), IMAGE),
        (lambda: ConvEncoder(IMAGE, 512), IMAGE, (1024,)),
        (lambda: ConvDecoder(512, IMAGE), (512,), IMAGE),
    ],
)
def test_published_shapes(make, inputs, outputs):
    with torch.device("meta"):
        assert make()(torch.empty(2, *inputs)).shape == (2, *outputs)
