"""Building from a seed: reproducible, torch's defaults, and no trace in the global random state."""

import math

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.nn.build import build

torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make() -> nn.Module:
    return nn.Sequential(
        nn.Embedding(11, 8, padding_idx=0),
        nn.Conv1d(8, 6, 3),
        nn.ConvTranspose1d(6, 4, 2),
        nn.Conv2d(2, 4, (3, 5), groups=2),
        nn.ConvTranspose2d(4, 3, 3),
        nn.Linear(5, 7, bias=False),
    )


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    build(make, seeded(1))
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_decides_the_weights():
    one, two, other = (build(make, seeded(seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_one_seed_is_one_network_in_every_precision():
    single, double = build(make, seeded(1)), build(make, seeded(1), torch.float64)
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert a.dtype == torch.float32
        assert b.dtype == torch.float64
        assert torch.equal(a.double(), b)


def test_the_result_is_on_the_cpu_and_trainable():
    for parameter in build(make, seeded(1)).parameters():
        assert parameter.device.type == "cpu"
        assert parameter.requires_grad


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: nn.Linear(50, 400), 50),
        (lambda: nn.Conv2d(20, 40, 3), 180),
        (lambda: nn.Conv2d(20, 40, 3, groups=2), 90),
        (lambda: nn.ConvTranspose2d(40, 20, 3), 180),
        (lambda: nn.Conv1d(50, 90, 4), 200),
    ],
)
def test_bounds_are_those_of_torch(layer, fan_in):
    ours, theirs = build(layer, seeded(1)), layer()
    bound = 1 / math.sqrt(fan_in)
    for net in (ours, theirs):
        assert net.weight.abs().max() <= bound
        assert net.weight.abs().max() > 0.99 * bound
        assert net.bias.abs().max() <= bound
        assert net.bias.abs().max() > 0.7 * bound
    assert abs(ours.weight.mean()) < 0.05 * bound


def test_embeddings_are_normal_and_padding_is_zero():
    weight = build(lambda: nn.Embedding(400, 50, padding_idx=3), seeded(1)).weight
    assert weight[3].abs().max() == 0
    assert abs(weight.std() - 1) < 0.02


def test_layers_without_a_rule_are_refused():
    with pytest.raises(InputError, match=r"PReLU \(1\) owns parameters; allowed are Linear, .*Embedding"):
        build(lambda: nn.Sequential(nn.Linear(2, 2), nn.PReLU()), seeded(1))
    with pytest.raises(InputError, match=r"BatchNorm1d \(0\) owns buffers"):
        build(lambda: nn.Sequential(nn.BatchNorm1d(2)), seeded(1))
    with pytest.raises(InputError, match="the network itself"):
        build(lambda: nn.LayerNorm(2), seeded(1))


def test_shared_parameters_are_refused():
    def tied() -> nn.Module:
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    with pytest.raises(InputError, match="shares 1 parameter"):
        build(tied, seeded(1))


def test_bad_dtype_and_generator():
    with pytest.raises(InputError, match=r"dtype is torch\.int64"):
        build(make, seeded(1), torch.int64)
    with pytest.raises(InputError, match="generator is 3"):
        build(make, 3)
