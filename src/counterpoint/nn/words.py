"""Networks for captions: an embedding of words, and convolutions over the picture that it makes of a text."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from counterpoint.errors import whole
from counterpoint.nn.chain import Chain
from counterpoint.nn.events import activation_layer, text_halvings
from counterpoint.nn.normed import norm

LEAST = 8  # words, for one halving to 4
AXES = "words of a text by the vocabulary"


class WordsEncoder(nn.Module):
    """Embed one-hot words, halve the picture of a text, words by their 4 L columns, and map it to the heads.

        h = x E  (B, 1, L, 4 L);    h <- act(norm(conv(h)))  until (B, 4 width, 4, 4);    heads = conv(h)

    Convolutions of 4 x 4 halve both sides until 4 words by 16 columns are left, two of 1 x 4 the columns
    alone; none has a bias. The published layer that stands for the product with E kept the vector of the
    first symbol at 0; here every symbol's is learned, and what is absent is 0. norm is the group
    normalisation of `NormedBlock`, where the paper normalises over the batch. The forward pass takes
    (B, L, V) to (B, heads * latent_dim); the first latent_dim columns are loc.

    Args:
        shape: One event, (L, V): words of a text by the vocabulary, L a power of two of at least 8.
        latent_dim: Columns of one head.
        heads: Number of heads; two are loc and log-variance.
        width: Channels after the first convolution; they double with every halving of both sides.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MMVM, Sutter et al. 2024, caption network of CUB, after Shi et al. 2019: shape (32, 1868), latent_dim
        128, width 32.

    Example:
        >>> import torch
        >>> WordsEncoder((32, 50), latent_dim=6, width=4)(torch.zeros(2, 32, 50)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        heads: int = 2,
        width: int = 32,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        length, symbols, both = text_halvings("shape", shape, LEAST, AXES)
        columns = whole("heads", heads) * whole("latent_dim", latent_dim)
        sizes = _channels(both, width)
        self.embedding = nn.Embedding(symbols, 4 * length)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):  # (B, width 2^n, L / 2^n, 4 L / 2^n)
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            layers += [norm(outputs), activation_layer(activation)]
        last = sizes[-1]
        for _ in range(2):  # (B, 4 width, 4, 16), then 8 and 4 columns
            layers += [nn.Conv2d(last, last, (1, 4), stride=(1, 2), padding=(0, 1), bias=False)]
            layers += [norm(last), activation_layer(activation)]
        layers += [nn.Conv2d(last, columns, 4, bias=False), nn.Flatten()]  # (B, columns, 1, 1)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode x (B, L, V) as (B, heads * latent_dim)."""
        return self.layers((x @ self.embedding.weight).unsqueeze(1))


class WordsDecoder(Chain):
    """Map latent vectors to scores of every word of the vocabulary at every position of a text.

    The encoder's way back to a picture (B, 1, L, 4 L), an activation and one linear map from its columns to
    the vocabulary, which is not tied to the encoder's embedding. The forward pass takes (B, latent_dim) to
    logits (B, L, V).

    Args:
        latent_dim: Columns of the latent vectors.
        shape: One output, (L, V): words of a text by the vocabulary, L a power of two of at least 8.
        width: Channels before the last convolution.
        activation: A key of `counterpoint.nn.events.ACTIVATIONS`.

    Raises:
        InputError: If a size or the shape is of another kind, or the activation is unknown.

    Source:
        MMVM, Sutter et al. 2024, caption network of CUB: latent_dim 128, shape (32, 1868), width 32.

    Example:
        >>> import torch
        >>> WordsDecoder(6, (32, 50), width=4)(torch.zeros(2, 6)).shape
        torch.Size([2, 32, 50])
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], width: int = 32, activation: str = "relu"
    ) -> None:
        length, symbols, both = text_halvings("shape", shape, LEAST, AXES)
        latent_dim, sizes = whole("latent_dim", latent_dim), _channels(both, width)[::-1]
        first = sizes[0]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            *(nn.ConvTranspose2d(latent_dim, first, 4, bias=False), norm(first)),
            activation_layer(activation),
        ]
        for _ in range(2):  # (B, 4 width, 4, 4), then 8 and 16 columns
            layers += [nn.ConvTranspose2d(first, first, (1, 4), stride=(1, 2), padding=(0, 1), bias=False)]
            layers += [norm(first), activation_layer(activation)]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            layers += [*([norm(outputs)] if outputs > 1 else []), activation_layer(activation)]
        layers += [nn.Flatten(1, 2), nn.Linear(4 * length, symbols)]  # (B, L, 4 L), then (B, L, V)
        super().__init__(*layers)


def _channels(halvings: int, width: int) -> list[int]:
    """Return the channels of a text as a picture and after each halving: 1, 32, 64, 128."""
    width = whole("width", width)
    return [1, *(width * 2**n for n in range(halvings))]
