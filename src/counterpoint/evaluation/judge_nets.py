"""The networks that the papers judge generated data by, one function a network.

A judge may normalise over its batch and drop units at random, as published: it is trained by itself and then
only asked. The last layer is a linear map to the classes; sigmoids and softmaxes belong to the loss.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.nn.events import image_shape, text_shape
from counterpoint.nn.resnet import SLOPE, ResNetTrunk

DROPPED = 0.5  # share of units, in all of them
SHORT, RESIDUAL = 2.0, 0.3  # factors a and b of the released classifiers of CelebA


class Block(nn.Module):
    """Halve pictures, or sequences, by a residual of two convolutions and a convolutional shortcut.

        dx = drop(conv_4(relu(bn(drop(conv_1(relu(bn(x))))))));    y = a bn(conv_4(x)) + b dx

    Takes (B, inputs, H, W) to (B, outputs, H', W'), or sequences (B, inputs, L) to (B, outputs, L'); of these
    the convolutions of dx have biases too.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        padding: Of the convolutions over 4 positions, which have stride 2.
        axes: 2 for pictures, 1 for sequences.
        short: a, what the shortcut counts for.
        residual: b, what the residual counts for.

    Source:
        Sutter et al. 2021 (MoPoE), released classifiers of CelebA (a = 2, b = .3) and of the text of
        MNIST-SVHN-Text (a = 1, b = .3).

    Example:
        >>> import torch
        >>> Block(4, 8)(torch.zeros(2, 4, 8, 8)).shape, Block(4, 8, axes=1)(torch.zeros(2, 4, 8)).shape
        (torch.Size([2, 8, 4, 4]), torch.Size([2, 8, 4]))
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        padding: int = 1,
        axes: int = 2,
        short: float = SHORT,
        residual: float = RESIDUAL,
    ) -> None:
        super().__init__()
        flat = axes == 1
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if flat else (nn.Conv2d, nn.BatchNorm2d)
        drop = nn.Dropout if flat else nn.Dropout2d
        self.factors = short, residual
        self.shortcut = nn.Sequential(conv(inputs, outputs, 4, 2, padding), norm(outputs))
        self.residual = nn.Sequential(
            *(norm(inputs), nn.ReLU(), conv(inputs, inputs, 1, bias=flat), drop(DROPPED)),
            *(norm(inputs), nn.ReLU(), conv(inputs, outputs, 4, 2, padding, bias=flat), drop(DROPPED)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, inputs, ...) to (B, outputs, ...)."""
        short, residual = self.factors
        return short * self.shortcut(x) + residual * self.residual(x)


class Columns(nn.Module):
    """Let symbols be channels: (B, L, V) to (B, V, L).

    Example:
        >>> import torch
        >>> Columns()(torch.zeros(2, 8, 71)).shape
        torch.Size([2, 71, 8])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, L, V) to (B, V, L)."""
        return x.transpose(1, 2)


def resnet(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of PolyMNIST of MMVM: its encoder's trunk and a linear map; 795,594 parameters."""
    trunk = ResNetTrunk(event)
    return nn.Sequential(trunk, nn.LeakyReLU(SLOPE), nn.Linear(trunk.features, count))


def strided(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of PolyMNIST of MoPoE: two halvings, a hidden layer, dropout throughout."""
    channels, high, wide = image_shape("the rows", event, multiple=4)
    return nn.Sequential(
        *(nn.Conv2d(channels, 10, 4, 2, 1), nn.Dropout2d(DROPPED), nn.ReLU()),
        *(nn.Conv2d(10, 20, 4, 2, 1), nn.Dropout2d(DROPPED), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(20 * high // 4 * wide // 4, 128), nn.Dropout(DROPPED), nn.ReLU()),
        nn.Linear(128, count),
    )


def mnist(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of MNIST of MoPoE: 28 x 28 to 13, 5 and 1 by convolutions without padding."""
    channels = _exactly(event, 28)
    layers = [
        part for i, o in pairwise((channels, 32, 64, 128)) for part in (nn.Conv2d(i, o, 4, 2), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(DROPPED), nn.Linear(128, count))


def svhn(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of SVHN of MoPoE: 32 x 32 to 16, 8, 4 and 1, dropout before normalisation."""
    channels = _exactly(event, 32)
    layers: list[nn.Module] = []
    for i, o in pairwise((channels, 32, 64, 64, 128)):
        layers += [nn.Conv2d(i, o, 4, 2, 0 if o == 128 else 1), nn.Dropout2d(DROPPED), nn.BatchNorm2d(o)]
        layers += [nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, count))


def text(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of the words of MNIST-SVHN-Text of MoPoE: 8 characters to 4 and 1."""
    length, symbols = text_shape("the rows", event, least=8)
    if length != 8:
        raise InputError(f"the rows are {(length, symbols)}; this judge reads texts of 8 characters.")
    grow = partial(Block, axes=1, short=1.0)
    layers = (nn.Conv1d(symbols, 128, 1), grow(128, 192), grow(192, 128, padding=0))
    return nn.Sequential(Columns(), *layers, nn.Flatten(), nn.Dropout(DROPPED), nn.Linear(128, count))


def portrait(event: Sequence[int], count: int, width: int = 128) -> nn.Sequential:
    """Return the judge of faces of CelebA: 64 x 64 to 33, 16, 8, 4 and 1, width to 5 width channels."""
    channels, high, wide = image_shape("the rows", event, least=16)
    blocks = _halvings("H and W", high, wide)
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 2, bias=False)]
    layers += [Block(n * width, (n + 1) * width, int(n < blocks)) for n in range(1, blocks + 1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(DROPPED), nn.Linear((blocks + 1) * width, count))


def characters(event: Sequence[int], count: int, width: int = 128) -> nn.Sequential:
    """Return the judge of the texts of CelebA: 256 characters to 128, 64, ..., 4 and 1, width to 7 width."""
    length, symbols = text_shape("the rows", event, least=16)
    blocks = _halvings("L", length, length)
    layers: list[nn.Module] = [nn.Conv1d(symbols, width, 3, 2, 1)]
    layers += [Block(n * width, (n + 1) * width, int(n < blocks), axes=1) for n in range(1, blocks + 1)]
    return nn.Sequential(
        Columns(), *layers, nn.Flatten(), nn.Dropout(DROPPED), nn.Linear((blocks + 1) * width, count)
    )


def dcgan(event: Sequence[int], count: int, width: int = 64) -> nn.Sequential:
    """Return the judge of birds of CUB: the encoder's halvings, 128 units and a linear map."""
    channels, high, wide = image_shape("the rows", event, least=8)
    halvings = _halvings("H and W", high, wide)
    sizes = [channels, *(width * 2**n for n in range(halvings))]
    layers = [part for i, o in pairwise(sizes) for part in (nn.Conv2d(i, o, 4, 2, 1), nn.ReLU())]
    return nn.Sequential(
        *layers, nn.Conv2d(sizes[-1], 128, 4), nn.Flatten(), nn.ReLU(), nn.Linear(128, count)
    )


def words(event: Sequence[int], count: int, width: int = 32) -> nn.Sequential:
    """Return the judge of captions of CUB: the encoder's layers, 128 units and a linear map.

    The product with the embedding is a linear map without bias of the one-hot words.
    """
    length, symbols = text_shape("the rows", event, least=8)
    sizes = [1, *(width * 2**n for n in range(_halvings("L", length, length)))]
    layers: list[nn.Module] = [nn.Linear(symbols, 4 * length, bias=False), nn.Unflatten(1, (1, length))]
    for i, o in pairwise(sizes):
        layers += [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    last = sizes[-1]
    for _ in range(2):
        layers += [nn.Conv2d(last, last, (1, 4), (1, 2), (0, 1), bias=False), nn.BatchNorm2d(last), nn.ReLU()]
    layers += [nn.Conv2d(last, 128, 4, bias=False), nn.Flatten(), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, count))


def spikes(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of the rats: hidden layers of 1,024, 512, 256 and 64 units."""
    if len(event) != 1:
        raise InputError(f"the rows are {tuple(event)}; this judge reads tables, one axis a row.")
    layers = [
        part for i, o in pairwise((*event, 1024, 512, 256, 64)) for part in (nn.Linear(i, o), nn.LeakyReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(64, count))


def lenet(event: Sequence[int], count: int) -> nn.Sequential:
    """Return the judge of MNIST and SVHN of MMVAE: two convolutions of 5 x 5, pooled, 50 hidden units."""
    channels, high, wide = image_shape("the rows", event, least=16, multiple=4)
    return nn.Sequential(
        *(nn.Conv2d(channels, 10, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(10, 20, 5), nn.Dropout2d(DROPPED), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(20 * (high // 4 - 3) * (wide // 4 - 3), 50), nn.ReLU(), nn.Dropout(DROPPED)),
        nn.Linear(50, count),
    )


def _exactly(event: Sequence[int], side: int) -> int:
    """Return the channels of a picture of one size."""
    channels, *sides = image_shape("the rows", event)
    if sides != [side, side]:
        raise InputError(f"the rows are {tuple(event)}; this judge reads pictures of {side} x {side} pixels.")
    return channels


def _halvings(what: str, size: int, other: int) -> int:
    """Return how often a size, a power of two, is halved until 4 are left."""
    if size != other or size & (size - 1):
        raise InputError(f"{what} are {size}, {other}; this judge reads equal ones, a power of two.")
    return size.bit_length() - 3


# Name -> a function from the shape of a row, channels first, and the number of classes.
NETS: dict[str, Callable[[Sequence[int], int], nn.Sequential]] = {
    "resnet": resnet,
    "strided": strided,
    "mnist": mnist,
    "svhn": svhn,
    "text": text,
    "portrait": portrait,
    "characters": characters,
    "dcgan": dcgan,
    "words": words,
    "spikes": spikes,
    "lenet": lenet,
}
