"""DCCAE: outputs that correlate across modalities, and from which each modality's decoder gets it back."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import Separate
from counterpoint.batch import Batch
from counterpoint.distributions import Point
from counterpoint.methods._papers import Paper
from counterpoint.methods.dcca import Correlation, correlation
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import Loss, Needs, Noise
from counterpoint.priors import Hyper, NoPrior
from counterpoint.schedules import Scheduled, schedule

PAPER = Paper(
    ("Wang, Weiran", "Arora, Raman", "Livescu, Karen", "Bilmes, Jeff"),
    "On Deep Multi-View Representation Learning",
    "ICML",
    2015,
    "https://proceedings.mlr.press/v37/wangb15.html",
)


def dccae(*, objective: str = "nuclear", regularisation: float = 1e-3, weight: Scheduled = 0.01) -> Method:
    """Return deep canonically correlated autoencoders.

        L = -2/(M (M-1)) sum_{a<b} ||T_ab||_* + lambda 1/B sum_i sum_m NLL_m(x_im; f_m(x_im))

    with T_ab as in `dcca`, and every modality decoded from its own encoder's output. What is said there of
    batches, validation and the latents' axes holds here too: a modality is reconstructed from itself, but
    translations from another modality's output are noise, since the two share no axes.

    Args:
        objective: `"nuclear"`, the sum of the correlations (the paper), or `"squared"`, that of their
            squares.
        regularisation: r, in squared units of the outputs, above 0.
        weight: lambda, a number or a schedule. The correlation is at most `latent_dim`, a distortion is in
            nats and grows with the values of a row: mind both when you choose it.

    Raises:
        InputError: If an option is out of range.

    Source: Wang et al. 2015 (DCCAE), where the NLL is a squared error, twice that of `normal`.

    Example:
        >>> dccae(weight=0.01).at(0)
        {'weight': 0.01}
    """
    hyper = {"weight": schedule("weight", weight)}
    parts = WithReconstruction(correlation(objective, regularisation))
    options = {"objective": objective, "regularisation": regularisation, "weight": str(hyper["weight"])}
    return Method("dccae", Separate(), NoPrior(), parts, Point, hyper, options)


@dataclass(frozen=True)
class WithReconstruction:
    """Minus the correlation, and every modality's distortion from its own latent.

    Args:
        correlation: Of the latents.
    """

    correlation: Correlation

    rows_alone = False

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes: none."""
        return self.correlation.needs(experts, modalities)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms: distortions in nats, and the correlation."""
        present = batch.present
        z = model.encode(batch, present).shared.loc
        found = self.correlation.of(z, present)
        total, terms = -found, {"correlation": found}
        for m, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
            log_p = modality.log_prob(z[m], batch.x[name], batch.mask[name], batch.covariates)
            distortion = torch.where(present[m], -log_p, 0.0)
            total = total + hyper["weight"] * modality.weight * distortion
            terms[f"distortion/{name}"] = distortion
        return Loss(total, terms)
