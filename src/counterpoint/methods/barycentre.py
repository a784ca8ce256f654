"""Barycentre: one joint posterior, the 2-Wasserstein barycentre of the unimodal ones, or a mixture."""

from dataclasses import dataclass

from counterpoint.aggregation import Average, MixtureOfProducts, Posterior
from counterpoint.distributions import DiagNormal
from counterpoint.errors import choose
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Tensor
from counterpoint.subsets import observed_whole, over_members

PAPER = Paper(
    (
        "Qiu, Peijie",
        "Zhu, Wenhui",
        "Kumar, Sayantan",
        "Chen, Xiwen",
        "Yang, Jin",
        "Sun, Xiaotong",
        "Razi, Abolfazl",
        "Wang, Yalin",
        "Sotiras, Aristeidis",
    ),
    "Multimodal Variational Autoencoder: A Barycentric View",
    "AAAI",
    2025,
    "https://arxiv.org/abs/2412.20487",
)
SUBSETS = ("full", "all")


def barycentre(*, beta: Scheduled = 1.0, draws: int = 1, draw: str = "one", subsets: str = "full") -> Method:
    """Return the Wasserstein barycentre VAE.

        q_A(z|x_A) = argmin_q sum_{m in A} W_2(q, q_m)^2 = N( mean_m mu_m, (mean_m s_m)^2 )
        L = E_A[ sum_m NLL_m(x_m; z_A) + beta KL(q_A || N(0, I)) ],    z_A ~ q_A

    with A the full set of what is present (WB-VAE), or evenly any of its non-empty subsets that were observed
    whole (MWB-VAE). W_2 between diagonal normals is Euclidean in (mu, s), hence the means. With the full set
    it is `avg(of="scale")`.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per expert.
        draw: Subsets decoded per row: `"one"` at random (unless given), `"stratified"` by position in the
            batch, `"all"`.
        subsets: The barycentre of the `"full"` set (unless given), or a mixture of those of `"all"` subsets.

    Raises:
        InputError: If an option is out of range.

    Source: Qiu et al. 2025, the Wasserstein barycentre of normals and the mixture of barycentres.

    Example:
        >>> barycentre().aggregation, barycentre(subsets="all").aggregation
        (Average(of='scale'), MixtureOfBarycentres())
    """
    choose("subsets", subsets, SUBSETS)
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, "draw": draw, "subsets": subsets}
    aggregation = Average("scale") if subsets == "full" else MixtureOfBarycentres()
    objective = ELBO(draws=draws, draw=draw)
    return Method("barycentre", aggregation, StandardNormal(), objective, hyper=hyper, options=options)


@dataclass(frozen=True)
class MixtureOfBarycentres:
    """A mixture over all subsets, each expert the 2-Wasserstein barycentre of its subset.

    Source: Qiu et al. 2025 (MWB-VAE).

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[[1.0]], [[2.0]]]))
        >>> r = MixtureOfBarycentres()(q, torch.ones(2, 1, dtype=torch.bool)).experts
        >>> r.loc.flatten().tolist(), r.scale.flatten().tolist()
        ([0.0, 1.0, 0.5], [1.0, 2.0, 1.5])
    """

    subsets = "all"
    shared = True

    def experts(self, modalities: int) -> int:
        """E."""
        return MixtureOfProducts().experts(modalities)

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return one expert a subset, weighed where its subset was observed whole."""
        modalities = present.shape[0]
        subsets = MixtureOfProducts().subsets_of(modalities)
        members, observed, weight = observed_whole(subsets, present, q.loc.dtype)
        count = members.sum(1).clamp_min(1).to(q.loc.dtype).unsqueeze(-1)
        loc, scale = (over_members(members, v) / count for v in (q.loc, q.scale))
        targets = present.expand(len(subsets), -1, -1)
        return Posterior(DiagNormal(loc, scale).where(observed), weight, targets, (slice(None),) * modalities)
