"""CoDE-VAE: a mixture over subsets of consensuses of dependent experts, whose errors are correlated."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import MixtureOfProducts, Posterior
from counterpoint.distributions import DiagNormal
from counterpoint.errors import InputError, choose, number
from counterpoint.methods._papers import Paper
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor
from counterpoint.subsets import observed_whole, over_members

PAPER = Paper(
    ("Mancisidor, Rogelio A.", "Jenssen, Robert", "Yu, Shujian", "Kampffmeyer, Michael"),
    "Aggregation of Dependent Expert Distributions in Multimodal Variational Autoencoders",
    "ICML",
    2025,
    "https://arxiv.org/abs/2505.01134",
)
SUBSETS = ("all", "full")


def code(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    draw: str = "one",
    rho: float = 0.5,
    subsets: str = "all",
) -> Method:
    """Return CoDE-VAE with even weights of the subsets.

        q_A(z|x_A) ~ N(mu_A; z 1, Sigma_A) as a density of z,    Sigma_A[m, n] = rho s_m s_n (m != n), s_m^2
        q(z|X) = 1/(2^M - 1) sum_A q_A
        L = E_A[ sum_m NLL_m(x_m; z_A) ] + beta 1/(2^M - 1) sum_A KL(q_A || N(0, I)),    z_A ~ q_A

    over all non-empty subsets A and for every latent dimension by itself; in a row with something missing,
    over the subsets that were observed whole. The paper learns the weights of the subsets, with all of its
    objective that goes with them; here they are even.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per expert.
        draw: Subsets decoded per row: `"one"` at random (unless given), `"stratified"` by position in the
            batch, `"all"`.
        rho: Correlation of any two experts' errors, from 0 (a product of experts: `mopoe`) to below 1.
        subsets: A mixture over `"all"` (unless given), or one consensus of the `"full"` set that a row has.

    Raises:
        InputError: If an option is out of range.

    Source: Mancisidor et al. 2025 (CoDE-VAE); the consensus of normal experts is that of Winkler 1981.

    Example:
        >>> code(rho=0.3).aggregation
        Consensus(rho=0.3, subsets='all')
    """
    hyper = {"beta": schedule("beta", beta)}
    aggregation = Consensus(rho, subsets)
    options = {"beta": str(hyper["beta"]), "draws": draws, "draw": draw, "rho": rho, "subsets": subsets}
    objective = ELBO(draws=draws, draw=draw)
    return Method("code", aggregation, StandardNormal(), objective, hyper=hyper, options=options)


@dataclass(frozen=True)
class Consensus:
    """Consensus of experts whose errors mu_m - z have the covariance Sigma, one for every subset.

        precision = 1' Sigma^-1 1,    mean = 1' Sigma^-1 mu / precision

    With a_m = 1/s_m, n members and one correlation for all pairs, Sigma^-1 in closed form gives

        precision = [ sum a^2 - (sum a)^2 / n ] / (1 - rho)  +  (sum a)^2 / (n (1 + (n - 1) rho))

    and precision * mean the same with one a of every product a a replaced by a mu. rho = 0 is the product of
    experts; towards rho = 1 equal experts give themselves instead of n times their precision. An expert with
    s_m > s_n / rho beside one of s_n has a negative weight: the mean may lie outside theirs.

    Args:
        rho: Correlation, from 0 to below 1.
        subsets: A mixture over `"all"` subsets, or the `"full"` set of what is present alone.

    Raises:
        InputError: If they are not.

    Source: Winkler 1981, normal errors of known covariance; Mancisidor et al. 2025 (CoDE-VAE).

    Example:
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[1.0]]]), torch.ones(2, 1, 1))
        >>> r = Consensus(0.5, "full")(q, torch.ones(2, 1, dtype=torch.bool)).experts
        >>> r.loc.item(), round(r.variance.item(), 4)  # (1 + rho)/2
        (0.5, 0.75)
    """

    rho: float = 0.5
    subsets: str = "all"
    shared = True

    def __post_init__(self) -> None:
        if number("rho", self.rho, most=1.0) == 1.0:
            raise InputError(f"rho is {self.rho!r}; it must be below 1, at which all experts are one.")
        choose("subsets", self.subsets, SUBSETS)

    def experts(self, modalities: int) -> int:
        """E."""
        return MixtureOfProducts().experts(modalities) if self.subsets == "all" else 1

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return one expert a subset, weighed where its subset was observed whole."""
        modalities = present.shape[0]
        if self.subsets == "all":
            subsets = MixtureOfProducts().subsets_of(modalities)
            members, observed, weight = observed_whole(subsets, present, q.loc.dtype)
        else:
            members, observed = present[None], present.any(0)[None]
            weight = torch.ones_like(q.loc[:1, :, 0])
        targets = present.expand(weight.shape[0], -1, -1)
        experts = self.of(q, members).where(observed)
        return Posterior(experts, weight, targets, (slice(None),) * modalities)

    def of(self, q: DiagNormal, members: Bool[Tensor, "E M B"]) -> DiagNormal:
        """Return the consensus of the members of every expert; N(0, I) of one without members."""
        some = members.any(1)
        count = members.sum(1).clamp_min(1).to(q.loc.dtype).unsqueeze(-1)  # (E, B, 1)
        a = 1 / q.scale
        sum_a, sum_am = over_members(members, a), over_members(members, a * q.loc)
        precision = self._both(over_members(members, a * a), sum_a * sum_a / count, count)
        moment = self._both(over_members(members, a * a * q.loc), sum_a * sum_am / count, count)
        precision = torch.where(some.unsqueeze(-1), precision, 1.0)
        return DiagNormal(moment / precision, torch.rsqrt(precision))

    def _both(
        self, squares: Float[Tensor, "E B D"], mean: Float[Tensor, "E B D"], count: Tensor
    ) -> Float[Tensor, "E B D"]:
        """Return 1' Sigma^-1 v: what differs between the members, and what they have in common."""
        return (squares - mean) / (1 - self.rho) + mean / (1 + (count - 1) * self.rho)
