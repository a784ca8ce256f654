"""DCCA: encoders whose outputs correlate across modalities; nothing is decoded."""

from dataclasses import dataclass
from itertools import combinations

import torch

from counterpoint.aggregation import Separate
from counterpoint.batch import Batch
from counterpoint.correlation import canonical_correlation, over_rows
from counterpoint.distributions import Point
from counterpoint.errors import choose, number
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper, NoPrior
from counterpoint.shapes import Bool, Float, Tensor

PAPER = Paper(
    ("Andrew, Galen", "Arora, Raman", "Bilmes, Jeff", "Livescu, Karen"),
    "Deep Canonical Correlation Analysis",
    "ICML",
    2013,
    "https://proceedings.mlr.press/v28/andrew13.html",
)
OBJECTIVES = ("nuclear", "squared")


def dcca(*, objective: str = "nuclear", regularisation: float = 1e-3) -> Method:
    """Return deep CCA.

        L = -2/(M (M-1)) sum_{a<b} ||T_ab||_*,    T_ab = S_aa^-1/2 S_ab S_bb^-1/2

    with S_aa + r I and S_ab the covariances of the encoders' outputs f_a(x_a), f_b(x_b) over the rows of the
    batch that have both: for two modalities minus the sum of their canonical correlations.

    L is of a whole batch, not of a row: take batches of many times `latent_dim` rows, all rows if they fit
    (the paper does). A batch of n <= latent_dim such rows correlates fully whatever the encoders do, and an
    epoch's last batch holds what is left over: choose the batch size so that this is many rows, or none. The
    validation loss is that of all validation rows together, up to 4,096 at a time, and `score` takes 2,048 at
    a time: neither compares with the training loss of smaller batches, and of fewer rows than
    `latent_dim` it says nothing.

    Ask it for the latents of each modality. The correlations do not change when one encoder's outputs go
    through an invertible linear map, so two modalities' latents share no axes, and their mean has no meaning.
    The decoders are never trained: translations and imputations are noise.

    Args:
        objective: `"nuclear"`, the sum of the correlations (the paper), or `"squared"`, that of their
            squares, which needs no singular values.
        regularisation: r, in squared units of the outputs, above 0.

    Raises:
        InputError: If an option is out of range.

    Source: Andrew et al. 2013 (DCCA), section 3; the mean over pairs of more than two modalities is ours.

    Example:
        >>> dcca(objective="squared").objective
        Correlation(regularisation=0.001, squared=True)
    """
    parts = correlation(objective, regularisation)
    options = {"objective": objective, "regularisation": regularisation}
    return Method("dcca", Separate(), NoPrior(), parts, Point, options=options)


def correlation(objective: str, regularisation: float) -> "Correlation":
    """Return the objective by the recipe's options, checked.

    Raises:
        InputError: If an option is out of range.

    Example:
        >>> correlation("nuclear", 0.1)
        Correlation(regularisation=0.1, squared=False)
    """
    squared = choose("objective", objective, OBJECTIVES) == "squared"
    return Correlation(number("regularisation", regularisation, open_=True), squared)


@dataclass(frozen=True)
class Correlation:
    """Minus the canonical correlation of the modalities' latents, the mean over all pairs.

    The term `correlation` is without its sign, and no number of nats. Rows see one another: every row that
    has both of a pair carries the same, so that the mean over the rows of the batch is the pair's value. A
    pair that fewer than two rows have counts 0.

    Args:
        regularisation: r.
        squared: Whether the correlations are squared.
    """

    regularisation: float
    squared: bool

    rows_alone = False

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: none."""
        return Needs(0, 0, 0)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its term."""
        present = batch.present
        found = self.of(model.encode(batch, present).shared.loc, present)
        return Loss(-found, {"correlation": found})

    def of(self, z: Float[Tensor, "M B D"], present: Bool[Tensor, "M B"]) -> Float[Tensor, "B"]:
        """Return every row's share of the correlation, (B,); 0 of a single modality."""
        each = [torch.where(torch.zeros_like(present[0]), z[0, :, 0], 0.0)]  # 0, with a gradient of 0
        pairs = list(combinations(range(len(z)), 2))
        for a, b in pairs:
            both = present[a] & present[b]
            value = canonical_correlation(z[a], z[b], both, self.regularisation, self.squared)
            each.append(over_rows(value.unsqueeze(0), both))
        return torch.stack(each).sum(0) / max(len(pairs), 1)
