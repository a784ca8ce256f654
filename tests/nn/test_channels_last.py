"""Pictures whose channels come last: the same network in another layout."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from counterpoint.errors import InputError
from counterpoint.likelihoods import LIKELIHOODS, likelihood
from counterpoint.nn import ConvEncoder, MLPEncoder, ResNetEncoder, networks
from counterpoint.nn.channels_last import ChannelsLastDecoder, ChannelsLastEncoder, is_channels_last

torch.set_num_threads(1)
D = 3
SHAPES = [(12, 8, 3), (8, 12, 1), (12, 12, 4)]


def pair(kind, shape, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return networks(kind, shape, shape, D, generator=draw, width=4, hidden=(6,))


def seeded(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(9))


def first(shape):
    return shape[2], shape[0], shape[1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["auto", "conv", "resnet"])
def test_both_layouts_have_the_same_weights_and_answers(kind, shape):
    here, there = pair(kind, shape), pair(kind, first(shape))
    for last, plain in zip(here, there, strict=True):
        named = {name.removeprefix("network."): p for name, p in last.named_parameters()}
        wanted = dict(plain.named_parameters())
        assert named.keys() == wanted.keys()
        assert all(torch.equal(p, named[name]) for name, p in wanted.items())
    x, z = seeded(5, *shape), seeded(5, D)
    torch.testing.assert_close(here[0](x), there[0](x.permute(0, 3, 1, 2).contiguous()))
    torch.testing.assert_close(here[1](z), there[1](z).permute(0, 2, 3, 1))
    assert here[1](z).shape == (5, *shape)


@pytest.mark.parametrize("kind", ["conv", "resnet"])
def test_the_inner_network_reads_the_same_memory(kind):
    encoder, _ = pair(kind, (12, 8, 3))
    seen = []
    encoder.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = seeded(5, 12, 8, 3)
    encoder(x)
    assert seen[0].shape == (5, 3, 12, 8)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[0].data_ptr() == x.data_ptr()


@pytest.mark.parametrize("kind", ["conv", "resnet"])
@pytest.mark.parametrize("side", [0, 1], ids=["encoder", "decoder"])
def test_a_stack_is_each_alone(kind, side):
    shape = (12, 8, 3)
    nets = [pair(kind, shape, seed)[side].double() for seed in (1, 2)]
    x = seeded(2, 4, *((shape, (D,))[side])).double()  # rows of their own
    parameters, _ = stack_module_state(nets)
    stacked = vmap(lambda p, rows: functional_call(nets[0], p, (rows,)))(parameters, x)
    for place, net in enumerate(nets):
        torch.testing.assert_close(stacked[place], net(x[place]))


@pytest.mark.parametrize(
    ("kind", "shape", "inner"),
    [
        ("auto", (28, 28, 3), ConvEncoder),
        ("conv", (8, 9, 1), ConvEncoder),
        ("resnet", (28, 28, 4), ResNetEncoder),
        ("auto", (28, 28, 5), None),  # no colours
        ("auto", (7, 28, 3), None),  # too small
        ("mlp", (28, 28, 3), None),
    ],
)
def test_which_shapes_are_wrapped(kind, shape, inner):
    encoder, decoder = pair(kind, shape)
    if inner is None:
        assert isinstance(encoder, MLPEncoder)
    else:
        assert isinstance(encoder, ChannelsLastEncoder)
        assert isinstance(encoder.network, inner)
        assert isinstance(decoder, ChannelsLastDecoder)
    assert decoder(encoder(torch.zeros(2, *shape))[:, :D]).shape == (2, *shape)


def test_no_shape_is_both():
    for shape in [(3, 28, 28), (4, 8, 8), (8, 8, 8), (28, 28), (28, 28, 3, 1)]:
        assert not is_channels_last(shape)


def test_the_layouts_of_input_and_output_may_differ():
    draw = torch.Generator()
    encoder, decoder = networks("auto", (9, 8, 3), (1, 8, 8), D, generator=draw, width=2)
    assert isinstance(encoder, ChannelsLastEncoder)
    assert decoder(encoder(torch.zeros(2, 9, 8, 3))[:, :D]).shape == (2, 1, 8, 8)


def test_what_does_not_fit_is_refused_with_the_shape_that_was_given():
    with pytest.raises(InputError, match=r"\(30, 28, 3\) has its channels last.*divisible by 4"):
        pair("resnet", (30, 28, 3))
    with pytest.raises(InputError, match=r"shape is \(28, 28, 5\).*H and W at least 8"):
        pair("conv", (28, 28, 5))


@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name != "categorical"])
def test_a_likelihood_is_the_same_in_both_layouts(name):
    shape = (12, 8, 3)
    p, q = likelihood(name, shape), likelihood(name, first(shape))
    rows = seeded(5, *shape).double()
    x = rows.round() if name in ("poisson", "negative_binomial", "bernoulli") else rows
    given = p.output_shape
    assert given[-3:] == shape
    out = torch.randn(2, 5, *given, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mask = torch.tensor([True, True, False, True, True])
    there = q.log_prob(out.movedim(-1, -3).contiguous(), x.movedim(-1, -3).contiguous(), mask)
    assert there.abs().max() > 0
    torch.testing.assert_close(p.log_prob(out, x, mask), there)


def test_the_wrappers_own_nothing():
    for wrapper in (ChannelsLastEncoder(nn.Identity()), ChannelsLastDecoder(nn.Identity())):
        assert wrapper.state_dict() == {}
