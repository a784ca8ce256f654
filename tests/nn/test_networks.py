"""What it means to be a network here; every encoder and decoder is walked through it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from counterpoint.errors import InputError
from counterpoint.nn import (
    KINDS,
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
    networks,
)
from counterpoint.nn.build import build

torch.set_num_threads(1)

SHAPES = {
    "mlp": [(7,), (), (2, 3), (3, 4, 5)],
    "conv": [(3, 28, 28), (1, 8, 8), (2, 9, 14), (1, 31, 17)],
    "resnet": [(3, 28, 28), (1, 4, 8), (2, 12, 8)],
    "text": [(8, 5), (4, 3), (5, 3), (7, 2), (15, 2), (31, 4), (32, 3)],
    "square": [(7,), (4,), (2, 3)],
    "radiograph": [(1, 28, 28), (1, 30, 30), (2, 32, 32), (1, 58, 58)],
    "portrait": [(3, 64, 64), (1, 16, 16), (2, 32, 32)],
    "dcgan": [(3, 64, 64), (1, 8, 8), (2, 16, 16)],
    "characters": [(256, 41), (16, 5), (32, 3)],
    "words": [(32, 30), (8, 5), (16, 3)],
    "portrait_mopoe": [(3, 64, 64), (1, 16, 16)],
    "characters_mopoe": [(256, 41), (16, 5)],
}
CASES = [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes]
SMALL = [(kind, shapes[1]) for kind, shapes in SHAPES.items()] + [("conv", (2, 9, 14)), ("text", (15, 2))]
D = 3


def pair(kind, shape, seed=1, **settings):
    generator = torch.Generator().manual_seed(seed)
    settings = {"width": 4, "hidden": (6,), **settings}
    return networks(kind, shape, shape, D, generator=generator, **settings)


def seeded(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize(("kind", "shape"), CASES)
@pytest.mark.parametrize("rows", [1, 3])
def test_shapes(kind, shape, rows):
    encoder, decoder = pair(kind, shape, heads=3)
    assert encoder(torch.zeros(rows, *shape)).shape == (rows, 3 * D)
    assert decoder(torch.zeros(rows, D)).shape == (rows, *shape)


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_a_row_does_not_depend_on_the_others(kind, shape):
    encoder, decoder = (net.double() for net in pair(kind, shape))
    x, z = seeded(3, *shape), seeded(3, D)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]))
    torch.testing.assert_close(decoder(z)[1:2], decoder(z[1:2]))


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_every_parameter_gets_a_gradient_and_every_input_counts(kind, shape):
    encoder, decoder = (net.double() for net in pair(kind, shape, activation="softplus"))
    for net, x in ((encoder, seeded(2, *shape)), (decoder, seeded(2, D))):
        x.requires_grad_()
        net(x).square().sum().backward()
        assert all(parameter.grad.abs().max() > 0 for parameter in net.parameters())
        assert (x.grad != 0).all()


@pytest.mark.parametrize(("kind", "shape"), SMALL)
@pytest.mark.parametrize("side", [0, 1], ids=["encoder", "decoder"])
def test_a_stack_of_networks_is_each_alone(kind, shape, side):
    nets = [pair(kind, shape, seed)[side].double() for seed in (1, 2)]
    x = seeded(2, *((shape, (D,))[side]))
    parameters, buffers = stack_module_state(nets)

    def apply(parameters, x):
        return functional_call(nets[0], parameters, (x,))

    def loss(parameters, x):
        return apply(parameters, x).square().sum()

    assert buffers == {}
    stacked = vmap(apply, (0, None))(parameters, x)
    gradients = vmap(grad(loss), (0, None))(parameters, x)
    for place, net in enumerate(nets):
        torch.testing.assert_close(stacked[place], net(x))
        net(x).square().sum().backward()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(gradients[name][place], parameter.grad)


@pytest.mark.parametrize(("kind", "shape"), SMALL)
def test_nothing_is_written_and_no_chance_is_used(kind, shape):
    before = torch.get_rng_state()
    encoder, decoder = pair(kind, shape)
    assert not [layer for net in (encoder, decoder) for layer in net.modules() if list(layer.buffers())]
    x, z = seeded(2, *shape).float(), seeded(2, D).float()
    kept = x.clone(), z.clone()
    assert torch.equal(encoder(x), encoder(x))
    assert torch.equal(decoder(z), decoder(z))
    assert torch.equal(x, kept[0])
    assert torch.equal(z, kept[1])
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_decides_both_networks():
    one, two, other = (pair("conv", (1, 8, 8), seed) for seed in (1, 1, 2))
    for a, b, c in zip(one, two, other, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
        assert not any(torch.equal(x, y) for x, y in zip(a.parameters(), c.parameters(), strict=True))


@pytest.mark.parametrize(
    ("shapes", "kinds"),
    [
        (((7,), (7,)), (MLPEncoder, MLPDecoder)),
        (((5, 4), (5, 4)), (MLPEncoder, MLPDecoder)),
        (((3, 28, 28), (3, 28, 28)), (ConvEncoder, ConvDecoder)),
        (((3, 6, 6), (3, 6, 6)), (MLPEncoder, MLPDecoder)),
        (((3, 8, 8), (2, 3, 8, 8)), (MLPEncoder, MLPDecoder)),
    ],
)
def test_auto_chooses_by_the_shapes(shapes, kinds):
    made = networks("auto", *shapes, D, generator=torch.Generator(), width=2)
    assert tuple(type(net) for net in made) == kinds
    assert made[1](torch.zeros(2, D)).shape == (2, *shapes[1])


def test_output_shape_may_differ_from_the_input_shape():
    encoder, decoder = networks("mlp", (7,), (2, 7), D, generator=torch.Generator())
    assert decoder(encoder(torch.zeros(4, 7))[:, :D]).shape == (4, 2, 7)
    encoder, decoder = networks("conv", (1, 8, 8), (3, 9, 9), D, generator=torch.Generator(), width=2)
    assert decoder(encoder(torch.zeros(4, 1, 8, 8))[:, :D]).shape == (4, 3, 9, 9)


def test_conv_is_not_narrower_before_its_heads_than_hidden():
    def units(latent_dim, hidden):
        shape, generator = (1, 8, 8), torch.Generator()
        encoder, _ = networks("conv", shape, shape, latent_dim, generator=generator, hidden=hidden, width=2)
        return encoder.layers[-1].in_features

    assert units(2, (20,)) == 20
    assert units(30, (20,)) == 30
    assert units(2, ()) == 2


def test_the_mlp_decoder_mirrors_hidden():
    encoder, decoder = pair("mlp", (9,), hidden=(8, 5))
    widths = [
        [layer.out_features for layer in net.layers if isinstance(layer, nn.Linear)]
        for net in (encoder, decoder)
    ]
    assert widths == [[8, 5, 2 * D], [5, 8, 9]]


def test_kinds_and_activations_are_chosen_by_name():
    assert set(KINDS) == {"auto", *SHAPES}
    with pytest.raises(InputError, match=r"kind is 'con'.*Did you mean 'conv'"):
        pair("con", (1, 8, 8))
    for kind, shape in SMALL:
        with pytest.raises(InputError, match=r"activation is 'rely'.*Did you mean 'relu'"):
            pair(kind, shape, activation="rely")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResNetEncoder((3, 28, 30), D), r"shape is \(3, 28, 30\).*H and W divisible by 4"),
        (lambda: ResNetDecoder(D, (28, 28)), r"shape is \(28, 28\).*\(C, H, W\)"),
        (lambda: ResNetTrunk((3, 2, 4)), r"divisible by 4"),
        (lambda: ResNetClassifier((3, 28, 28), 0), "classes is 0"),
        (lambda: ConvEncoder((3, 7, 28), D), r"shape is \(3, 7, 28\).*at least 8"),
        (lambda: ConvDecoder(D, (28,)), r"shape is \(28,\).*at least 8"),
        (lambda: ConvEncoder((3, 8, 8), D, hidden=0), "hidden is 0"),
        (lambda: TextEncoder((3, 71), D), r"shape is \(3, 71\).*L at least 4"),
        (lambda: TextDecoder(D, (8,)), r"shape is \(8,\)"),
        (lambda: MLPEncoder((4, 0), D), r"shape\[1\] is 0"),
        (lambda: MLPEncoder(4, D), "shape is 4; it must be a tuple"),
        (lambda: MLPEncoder((4,), D, hidden=(2.5,)), r"hidden\[0\] is 2\.5"),
        (lambda: MLPEncoder((4,), D, heads=0), "heads is 0"),
        (lambda: MLPDecoder(0, (4,)), "latent_dim is 0"),
        (lambda: MLPDecoder(D, "ab"), "shape is 'ab'"),
        (lambda: pair("resnet", (3, 10, 10)), "divisible by 4"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_classifier_builds_and_scores():
    net = build(lambda: ResNetClassifier((1, 8, 8), 5, width=2), torch.Generator())
    assert net(torch.zeros(1, 1, 8, 8)).shape == (1, 5)
