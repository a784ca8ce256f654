"""The published networks of CelebA and CUB: their parameter counts, shapes and what they refuse."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.nn import (
    CharactersDecoder,
    CharactersEncoder,
    DCGANDecoder,
    DCGANEncoder,
    PortraitDecoder,
    PortraitEncoder,
    WordsDecoder,
    WordsEncoder,
    networks,
)
from counterpoint.nn.characters import CharactersBlock
from counterpoint.nn.normed import NormedBlock

torch.set_num_threads(1)
IMAGE, TEXT, CAPTION = (3, 64, 64), (256, 41), (32, 1868)
PUBLISHED = {  # kind -> event, parameters of the encoder, of the decoder
    "portrait": (IMAGE, 5_454_656, 5_512_579),
    "characters": (TEXT, 3_381_824, 3_439_721),
    "dcgan": (IMAGE, 4_853_952, 3_805_123),
    "words": (CAPTION, 1_059_776, 799_500),
}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def on_meta(make):
    with torch.device("meta"):
        return make()


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: PortraitEncoder(IMAGE, 128), 5_454_656),
        (lambda: PortraitDecoder(128, IMAGE), 5_512_579),
        (lambda: CharactersEncoder(TEXT, 128), 3_381_824),
        (lambda: CharactersDecoder(128, TEXT), 3_439_721),
        (lambda: DCGANEncoder(IMAGE, 128), 4_853_952),
        (lambda: DCGANDecoder(128, IMAGE), 3_805_123),
        (lambda: WordsEncoder(CAPTION, 128), 1_059_776),
        (lambda: WordsDecoder(128, CAPTION), 799_500),
    ],
)
def test_parameter_counts(make, parameters):
    assert count(on_meta(make)) == parameters


def block(inputs, outputs, window, bias):
    """Weights of a residual block: two 1-position and two window convolutions, three normalisations."""
    residual = 2 * inputs + inputs * inputs + bias * inputs + 2 * inputs
    residual += inputs * outputs * window + bias * outputs
    return residual + inputs * outputs * window + outputs + 2 * outputs


def of_celeba(width, latent):
    """Weights of the four networks, by their layers."""
    sizes = [n * width for n in (1, 2, 3, 4, 5)]
    image = list(pairwise(sizes))
    text = [*image, (sizes[-1],) * 2, (sizes[-1],) * 2]
    back, last = [(o, i) for i, o in image], sizes[-1]
    return (
        27 * width + sum(block(i, o, 16, 0) for i, o in image) + last * 2 * latent,
        (latent + 1) * last + sum(block(i, o, 16, 0) for i, o in back) + 27 * width + 3,
        (41 * 4 + 1) * width + sum(block(i, o, 4, 1) for i, o in text) + last * 2 * latent,
        (latent + 1) * last + sum(block(o, i, 4, 1) for i, o in text) + 41 * 4 * width + 41,
    )


def test_celeba_of_mopoe_is_twice_as_wide():
    """Its sum is not published; the same arithmetic gives what is, for MMVM."""
    assert sum(of_celeba(64, 128)) == 17_788_780
    made = [
        *networks("portrait_mopoe", IMAGE, IMAGE, 20, generator=torch.Generator()),
        *networks("characters_mopoe", TEXT, TEXT, 20, generator=torch.Generator()),
    ]
    assert tuple(count(net) for net in made) == of_celeba(128, 20)


def test_blocks_of_mopoe_weigh_their_branches():
    torch.manual_seed(0)
    for kind, of in ((NormedBlock, (2, 4, 8, 8)), (CharactersBlock, (2, 4, 8))):
        plain, weighted, x = kind(4, 6), kind(4, 6, factors=(2.0, 0.3)), torch.randn(*of)
        weighted.load_state_dict(plain.state_dict())
        torch.testing.assert_close(plain(x), plain.shortcut(x) + plain.residual(x), rtol=0, atol=0)
        torch.testing.assert_close(weighted(x), 2 * plain.shortcut(x) + 0.3 * plain.residual(x))
    for kind, shape in (("portrait", (1, 16, 16)), ("characters", (16, 5))):
        first, second = (
            networks(name, shape, shape, 3, generator=torch.Generator().manual_seed(0), width=4)
            for name in (kind, f"{kind}_mopoe")
        )
        for one, other, x in zip(first, second, (torch.rand(2, *shape), torch.rand(2, 3)), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
            assert not torch.allclose(one(x), other(x)), "every block of both is weighed"
            found = [m.factors for m in other.modules() if hasattr(m, "factors")]
            assert set(found) == {(2.0, 0.3)}


def test_all_of_celeba_counts():
    kinds = ("portrait", "characters")
    assert sum(sum(PUBLISHED[kind][1:]) for kind in kinds) == 17_788_780


@pytest.mark.parametrize("kind", PUBLISHED)
def test_defaults_are_the_published_sizes(kind):
    event, *counts = PUBLISHED[kind]
    made = networks(kind, event, event, 128, generator=torch.Generator())
    assert [count(net) for net in made] == counts
    assert [tuple(net(torch.zeros(1, *s)).shape) for net, s in zip(made, (event, (128,)), strict=True)] == [
        (1, 256),
        (1, *event),
    ]


@pytest.mark.parametrize("kind", ["portrait", "dcgan"])
def test_channels_last_has_the_same_weights_and_answers(kind):
    last, first = (
        networks(kind, shape, shape, 3, generator=torch.Generator().manual_seed(1), width=4)
        for shape in ((16, 16, 3), (3, 16, 16))
    )
    x, z = torch.rand(5, 16, 16, 3), torch.rand(5, 3)
    torch.testing.assert_close(last[0](x), first[0](x.permute(0, 3, 1, 2)))
    torch.testing.assert_close(last[1](z), first[1](z).permute(0, 2, 3, 1))


def sides(layers, x):
    """The sizes between the layers that change them, by tracing every convolution and block."""
    found = []
    for layer in layers:
        x = layer(x)
        found += [tuple(x.shape[1:])] if not found or found[-1] != tuple(x.shape[1:]) else []
    return found


def test_images_shrink_and_grow_as_published():
    trunk, decoder = (
        on_meta(lambda: PortraitEncoder(IMAGE, 128).trunk),
        on_meta(lambda: PortraitDecoder(128, IMAGE)),
    )
    down = sides(trunk.layers, torch.empty(1, *IMAGE, device="meta"))
    assert down[:-1] == [(64, 33, 33), (128, 16, 16), (192, 8, 8), (256, 4, 4), (320, 1, 1)]
    up = sides(decoder.layers, torch.empty(1, 128, device="meta"))
    assert up[1:] == [
        *((320, 1, 1), (256, 4, 4), (192, 8, 8), (128, 16, 16), (64, 32, 32)),
        (3, 64, 64),
    ]


def test_texts_shrink_and_grow_as_published():
    encoder, decoder = (
        on_meta(lambda: CharactersEncoder(TEXT, 128)),
        on_meta(lambda: CharactersDecoder(128, TEXT)),
    )
    down = sides(encoder.layers, torch.empty(1, 41, 256, device="meta"))
    want = [(64, 128), (128, 64), (192, 32), (256, 16), (320, 8), (320, 4), (320, 1)]
    assert down[:-2] == want
    up = sides(decoder.layers, torch.empty(1, 128, device="meta"))
    assert up[1:] == [*want[::-1], (41, 256)]


def test_captions_shrink_and_grow_as_published():
    encoder, decoder = (
        on_meta(lambda: WordsEncoder(CAPTION, 128)),
        on_meta(lambda: WordsDecoder(128, CAPTION)),
    )
    assert encoder.embedding.weight.shape == (1868, 128)
    down = sides(encoder.layers, torch.empty(1, 1, 32, 128, device="meta"))
    want = [(32, 16, 64), (64, 8, 32), (128, 4, 16), (128, 4, 8), (128, 4, 4)]
    assert down[:-2] == want
    up = sides(decoder.layers, torch.empty(1, 128, device="meta"))
    assert up[1:] == [*want[::-1], (1, 32, 128), (32, 128), (32, 1868)]


def test_a_one_hot_word_reads_its_row_of_the_embedding_and_an_absent_one_nothing():
    encoder = WordsEncoder((8, 6), 3, width=4)
    seen = []
    encoder.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    words = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1]])
    hot = nn.functional.one_hot(words, 6).float()
    hot[0, 7] = 0
    encoder(hot)
    want = nn.functional.embedding(words, encoder.embedding.weight)
    want[0, 7] = 0
    torch.testing.assert_close(seen[0][:, 0], want)


def test_pictures_of_dcgan_lie_between_0_and_1():
    made = DCGANDecoder(3, (1, 8, 8), width=4)(100 * torch.randn(50, 3))
    assert 0 <= made.min() < made.max() <= 1


def test_a_block_of_characters_restated():
    torch.manual_seed(0)
    block, x = CharactersBlock(8, 16), torch.randn(3, 8, 12)

    def normed(layer, h):
        groups = h.reshape(len(h), layer.num_groups, -1)
        loc, scale = (
            groups.mean(-1, keepdim=True),
            (groups.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt(),
        )
        return ((groups - loc) / scale).reshape(h.shape) * layer.weight[:, None] + layer.bias[:, None]

    first, _, one, second, _, last = block.residual
    dx = last(torch.relu(normed(second, one(torch.relu(normed(first, x))))))
    shortcut, after = block.shortcut
    for layer in (first, second, after):
        nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    dx = last(torch.relu(normed(second, one(torch.relu(normed(first, x))))))
    torch.testing.assert_close(block(x), normed(after, shortcut(x)) + dx)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PortraitEncoder((3, 64, 32), 2), r"shape is \(3, 64, 32\).*power of two of at least 16"),
        (lambda: PortraitEncoder((3, 48, 48), 2), r"shape is \(3, 48, 48\).*power of two"),
        (lambda: PortraitDecoder(2, (3, 8, 8)), r"shape is \(3, 8, 8\).*at least 16.*take 'conv'"),
        (lambda: PortraitDecoder(2, (64, 64)), r"shape is \(64, 64\).*\(C, H, W\)"),
        (lambda: DCGANEncoder((3, 4, 4), 2), r"shape is \(3, 4, 4\).*at least 8"),
        (lambda: DCGANDecoder(2, (3, 28, 28)), r"shape is \(3, 28, 28\).*power of two"),
        (lambda: DCGANDecoder(0, (3, 8, 8)), "latent_dim is 0"),
        (lambda: DCGANEncoder((3, 8, 8), 2, width=0), "width is 0"),
        (lambda: CharactersEncoder((8, 41), 2), r"shape is \(8, 41\).*at least 16"),
        (lambda: CharactersDecoder(2, (250, 41)), r"shape is \(250, 41\).*power of two.*pad the texts"),
        (lambda: CharactersBlock(4, 4, stride=0), "stride is 0"),
        (lambda: WordsEncoder((4, 9), 2), r"shape is \(4, 9\).*at least 8"),
        (lambda: WordsDecoder(2, (12, 9)), r"shape is \(12, 9\).*power of two.*pad the texts"),
        (lambda: WordsEncoder((8, 9), 2, heads=0), "heads is 0"),
        (
            lambda: networks("portrait", (20, 20, 3), (20, 20, 3), 2, generator=torch.Generator()),
            r"\(20, 20, 3\) has its channels last.*power of two",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
