"""The Inception network: sizes counted by hand, weights by file, errors that name the tensor."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from counterpoint.errors import InputError
from counterpoint.evaluation.inception import Inception, inception


def count(*units):
    """Parameters of units (inputs, outputs, kernel area): a convolution and two per channel."""
    return sum(i * o * area + 2 * o for i, o, area in units)


@pytest.fixture(scope="module")
def weights():
    draw = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        state = Inception().state_dict()
    made = {}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(value.shape, generator=draw)
        fan = max(value[0].numel(), 1) if value.ndim > 1 else 1
        made[name] = noise.abs() + 0.5 if name.endswith("running_var") else noise * (2 / fan) ** 0.5
    return made


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "fid.safetensors"
    save_file(weights, path)
    return path


def test_blocks_have_the_published_sizes():
    with torch.device("meta"):
        net = Inception()
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert sizes["Mixed_5b"] == count(
        (192, 64, 1), (192, 48, 1), (48, 64, 25), (192, 64, 1), (64, 96, 9), (96, 96, 9), (192, 32, 1)
    )
    assert sizes["Mixed_6a"] == count((288, 384, 9), (288, 64, 1), (64, 96, 9), (96, 96, 9))
    assert sizes["Mixed_6c"] == count(
        (768, 192, 1), (768, 160, 1), (160, 160, 7), (160, 192, 7),
        (768, 160, 1), *[(160, 160, 7)] * 3, (160, 192, 7), (768, 192, 1),
    )  # fmt: skip
    assert sizes["Mixed_7c"] == count(
        (2048, 320, 1), (2048, 384, 1), (384, 384, 3), (384, 384, 3),
        (2048, 448, 1), (448, 384, 9), (384, 384, 3), (384, 384, 3), (2048, 192, 1),
    )  # fmt: skip
    assert sizes["fc"] == 2048 * 1008 + 1008
    # Inception v3 has 27,161,264 with 1,000 classes and its auxiliary head of 3,326,696.
    assert sum(sizes.values()) == 27_161_264 - 3_326_696 + 8 * 2049


def test_features_of_pictures(file, weights):
    net = inception(file)
    images = np.random.default_rng(0).random((3, 3, 28, 28))
    found = net.features(images, batch=2)
    assert found.shape == (3, 2048)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(
        net.features(images[1:2])[0], found[1], rtol=1e-3, atol=1e-4
    )  # whatever its batch
    gray = images[:1, :1]
    np.testing.assert_allclose(net.features(gray), net.features(np.repeat(gray, 3, 1)))
    for name, value in net.state_dict().items():
        if name in weights:
            assert torch.equal(value, weights[name]), name


def test_channels_may_come_last(file):
    net = inception(file)
    images = np.random.default_rng(0).random((2, 3, 28, 20))
    for some in (images, images[:, :1]):
        last = np.ascontiguousarray(some.transpose(0, 2, 3, 1))
        assert np.array_equal(net.features(last), net.features(some))


def test_a_unit_is_convolution_normalisation_and_what_is_above_zero(file):
    net = inception(file)
    x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    one = net.Conv2d_1a_3x3
    y = torch.nn.functional.conv2d(x, one.conv.weight, stride=2)
    moments = [one.bn.running_mean, one.bn.running_var, one.bn.weight, one.bn.bias]
    mean, var, gain, shift = (m.view(1, -1, 1, 1) for m in moments)
    naive = ((y - mean) / (var + 0.001).sqrt() * gain + shift).clamp(min=0)
    torch.testing.assert_close(one(x), naive)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("fc.bias"), r"lacks fc\.bias"),
        (lambda w: w.update(extra=torch.zeros(2)), "has an unknown tensor extra"),
        (
            lambda w: w.update({"fc.weight": torch.zeros(1000, 2048)}),
            r"fc\.weight is \(1000, 2048\), not \(1008, 2048\)",
        ),
    ],
)
def test_other_weights_are_refused_by_name(change, message, weights, tmp_path):
    made = dict(weights)
    change(made)
    save_file(made, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=message):
        inception(tmp_path / "w.safetensors")


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="no intact safetensors file"):
        inception(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 28, 28)), "give .N, C, H, W. or .N, H, W, C."),
        (np.zeros((2, 28, 20, 4)), r"shape \(2, 28, 20, 4\)"),
        (np.full((2, 1, 8, 8), 1.5), "clamp them to"),
        (np.full((2, 1, 8, 8), np.nan), "NaN"),
    ],
)
def test_pictures_are_checked(images, message, file):
    with pytest.raises(InputError, match=message):
        inception(file).features(images)
