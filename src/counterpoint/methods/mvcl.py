"""MVCL: the two outputs of a row lie nearer to one another than to those of another row, by a margin."""

from dataclasses import dataclass
from itertools import permutations

import torch

from counterpoint.aggregation import Separate
from counterpoint.batch import Batch
from counterpoint.correlation import over_rows
from counterpoint.distributions import Point
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper, NoPrior
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor

PAPER = Paper(
    ("Hermann, Karl Moritz", "Blunsom, Phil"),
    "Multilingual Distributed Representations without Word Alignment",
    "ICLR",
    2014,
    "https://arxiv.org/abs/1312.6173",
)


def mvcl(*, margin: Scheduled = 1.0) -> Method:
    """Return contrastive learning of two (or more) modalities with a margin.

        L = 1/(M (M-1)) sum_{a != b} mean_i max(0, c + ||f_a(i) - f_b(i)||^2 - ||f_a(i) - f_b(j)||^2)

    with f_a(i) the encoder's output for modality a of row i, over the rows i that have a and b, and j another
    row of the batch that has b, drawn anew at every step.

    Ask it for latents: those of the modalities share their axes. The decoders are never trained, so
    translations and imputations are noise. More rows in a batch are more to draw j from, and change nothing
    else; a batch of one row costs 0. The validation loss draws the same j in every epoch.

    Args:
        margin: c, in squared units of the outputs; a number or a schedule. At 0 the loss is 0 where all
            outputs are the same.

    Raises:
        InputError: If the margin is out of range.

    Source: Hermann & Blunsom 2014, with one j a row; the two roles of a pair and more than two
    modalities are averaged, which is ours.

    Example:
        >>> mvcl(margin=0.5).at(0)
        {'margin': 0.5}
    """
    hyper = {"margin": schedule("margin", margin)}
    options = {"margin": str(hyper["margin"])}
    return Method("mvcl", Separate(), NoPrior(), Contrast(), Point, hyper, options)


@dataclass(frozen=True)
class Contrast:
    """The margin loss between every two modalities' latents, its one term `contrast`.

    Rows see one another: each is held against another. The mean over the rows of the batch is the mean over
    those that have a pair and another row to be held against. The same uniform number chooses the other row
    for every pair, so that the order of the modalities does not matter.
    """

    rows_alone = False

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: which other row."""
        return Needs(0, 0, 1)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its term, in squared units of the latent."""
        present = batch.present
        z = model.encode(batch, present).shared.loc  # (M, B, D)
        each = [torch.where(torch.zeros_like(present[0]), z[0, :, 0], 0.0)]  # 0, with a gradient of 0
        pairs = list(permutations(range(len(z)), 2))
        others = [another(there, noise.uniform[0]) for there in present]
        for a, b in pairs:
            other, found = others[b]
            far = torch.take_along_dim(z[b], other.unsqueeze(-1), 0)
            apart = (z[a] - z[b]).square().sum(-1) - (z[a] - far).square().sum(-1)
            each.append(over_rows(torch.relu(hyper["margin"] + apart), present[a] & present[b] & found))
        contrast = torch.stack(each).sum(0) / max(len(pairs), 1)
        return Loss(contrast, {"contrast": contrast})


def another(there: Bool[Tensor, "B"], uniform: Float[Tensor, "B"]) -> tuple[Tensor, Bool[Tensor, "B"]]:
    """Return for every row another one, evenly among those that are there, and whether there is any.

    Args:
        there: (B,), which rows may be taken.
        uniform: (B,), numbers in [0, 1).

    Returns:
        Indices (B,), and whether they mean anything (B,).

    Example:
        >>> there, uniform = torch.tensor([True, False, True, True]), torch.tensor([0.0, 0.9, 0.6, 0.6])
        >>> another(there, uniform)[0].tolist()
        [2, 3, 3, 2]
    """
    order = torch.argsort((~there).to(torch.uint8), stable=True)  # those that are there come first
    place = there.cumsum(0) - 1  # of a row among them
    count = there.sum() - there.long()
    chosen = torch.minimum((uniform * count).long(), (count - 1).clamp_min(0))
    chosen = torch.where(there & (chosen >= place), chosen + 1, chosen)  # not itself
    return order[chosen.clamp_max(there.shape[0] - 1)], count > 0
