"""The networks of chest X-rays and of the rats' recordings: parameter counts, and what they are made of."""

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.nn import (
    MLPEncoder,
    RadiographClassifier,
    RadiographDecoder,
    RadiographEncoder,
    RadiographTrunk,
    networks,
)
from counterpoint.nn.build import build
from counterpoint.nn.normed import NormedBlock, norm

XRAY = (1, 224, 224)
RATS = (920, 790, 1040, 490, 460)
CLASSIFIER = 461 * 1024 + 1025 * 512 + 513 * 256 + 257 * 64 + 65 * 4  # of the last rat


def count(make):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: RadiographEncoder(XRAY, 256), 8_916_864),
        (lambda: RadiographDecoder(256, XRAY), 5_823_617),
        (lambda: RadiographTrunk(XRAY), 8_916_864 - 2 * 320 * 256),
        (lambda: RadiographClassifier(XRAY, 14), 8_916_864 - 2 * 320 * 256 + 14 * 320),
        (
            lambda: MLPEncoder((460,), 4, 1, (1024, 512, 256, 64), "leaky_relu"),
            CLASSIFIER,
        ),  # the rats' classifier
    ],
)
def test_parameter_counts(make, parameters):
    assert count(make) == parameters


def test_two_modalities_of_x_rays_count():
    per = count(lambda: RadiographEncoder(XRAY, 256)) + count(lambda: RadiographDecoder(256, XRAY))
    assert 2 * per == 29_480_962


def test_the_kind_of_the_rats_counts():
    total = 0
    for d in RATS:
        pair = networks("square", (d,), (d,), 2, generator=torch.Generator())
        total += sum(p.numel() for net in pair for p in net.parameters())
    assert total == 12_048_570


def test_what_the_rats_networks_are_made_of():
    encoder, decoder = networks("square", (9,), (9,), 2, generator=torch.Generator(), hidden=(5,))
    kinds = [[type(layer) for layer in net.layers] for net in (encoder, decoder)]
    assert kinds == [[nn.Linear, nn.LeakyReLU] * 3 + [nn.Linear], [nn.Linear, nn.LeakyReLU] * 2 + [nn.Linear]]
    widths = [
        [one.out_features for one in net.layers if isinstance(one, nn.Linear)] for net in (encoder, decoder)
    ]
    assert widths == [[9, 9, 2, 4], [9, 9, 9]]
    assert {one.negative_slope for one in encoder.layers if isinstance(one, nn.LeakyReLU)} == {0.01}


def test_every_stage_of_an_x_ray_is_as_published():
    sides, x = [], torch.empty(1, *XRAY, device="meta")
    with torch.device("meta"):
        for layer in RadiographTrunk(XRAY).layers[:-1]:
            x = layer(x)
            sides.append(tuple(x.shape[1:3]))
        z, up = torch.empty(1, 256), []
        for layer in RadiographDecoder(256, XRAY).layers:
            z = layer(z)
            up.append(tuple(z.shape[1:3]))
    assert sides == [(64, 112), (128, 56), (192, 28), (256, 14), (320, 4), (320, 1)]
    assert up[2:] == [(256, 4), (192, 8), (128, 16), (64, 32), (64, 64), (64, 128), (1, 224)]
    assert z.shape == (1, *XRAY)


@pytest.mark.parametrize("side", [28, 32, 56, 60, 64, 112, 128, 224, 256])
def test_sides_that_fit_come_back(side):
    with torch.device("meta"):
        assert RadiographEncoder((3, side, side), 5, width=2)(torch.empty(2, 3, side, side)).shape == (2, 10)
        assert RadiographDecoder(5, (3, side, side), width=2)(torch.empty(2, 5)).shape == (2, 3, side, side)


@pytest.mark.parametrize(
    "shape", [(1, 26, 26), (1, 34, 34), (1, 29, 29), (1, 28, 30), (28, 28), (1, 257, 257), (1, 2, 2)]
)
def test_other_shapes_are_refused(shape):
    for make in (lambda: RadiographEncoder(shape, 2), lambda: RadiographDecoder(2, shape)):
        with pytest.raises(InputError, match=r"shape is \(.*it must be \(C, H, W\)"):
            make()


def test_a_block_is_its_equation():
    block = NormedBlock(32, 16).double()
    x = torch.rand(3, 32, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    first, _, small, second, _, large = block.residual
    shortcut, last = block.shortcut

    def normed(layer, value):
        groups = value.reshape(len(value), layer.num_groups, -1)
        scaled = (groups - groups.mean(-1, keepdim=True)) / (
            groups.var(-1, correction=0, keepdim=True) + 1e-5
        ).sqrt()
        return scaled.reshape(value.shape) * layer.weight[:, None, None] + layer.bias[:, None, None]

    inner = normed(second, small(normed(first, x).clamp(min=0)))
    wanted = normed(last, shortcut(x)) + large(inner.clamp(min=0))
    torch.testing.assert_close(block(x), wanted)
    assert [layer.bias is None for layer in (small, large, shortcut)] == [True, True, False]


def test_group_normalisations_start_at_one_and_nought():
    layer = build(lambda: norm(48), torch.Generator())
    assert (layer.num_groups, layer.weight.tolist(), layer.bias.tolist()) == (3, [1.0] * 48, [0.0] * 48)
    assert norm(24).num_groups == 1
