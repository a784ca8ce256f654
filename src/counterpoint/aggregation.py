"""Aggregations: from the unimodal posteriors to a mixture of experts over the latent.

Every aggregation takes q (M, B, D) and what is present (M, B), and returns a `Posterior`. Absent modalities
weigh nothing; a row in which nothing was observed gets the standard normal.
"""

from dataclasses import dataclass
from itertools import combinations

import torch

from counterpoint.distributions import DiagNormal, Mixture, Unimodal
from counterpoint.errors import choose
from counterpoint.shapes import Bool, Float, Tensor
from counterpoint.subsets import observed_whole, over_members

PRIOR_EXPERT = ("none", "full", "all")


@dataclass(frozen=True)
class Posterior:
    """A mixture of E experts, with what each of them must explain.

    Args:
        experts: Distribution (E, B, D).
        weight: (E, B). Sums to 1 over E where the latent is shared; for separate latents 1 where present.
        targets: (E, M, B), whether the expert must explain the modality in this row.
        explains: For each modality which experts may have to explain it: what is decoded at all.
        share: (E, B), what the experts weigh in the mixture, where that is not in proportion to `weight`.
    """

    experts: Unimodal
    weight: Float[Tensor, "E B"]
    targets: Bool[Tensor, "E M B"]
    explains: tuple[slice | list[int], ...]
    share: Float[Tensor, "E B"] | None = None

    def latents(self, z: Float[Tensor, "K E B D"]) -> list[Tensor]:
        """Return what each modality is decoded from, (K, E', B, D) of the draws z of all experts."""
        if all(some == slice(None) for some in self.explains):
            return [z] * len(self.explains)
        if all(some == slice(m, m + 1) for m, some in enumerate(self.explains)):
            return list(z.split(1, 1))  # whose gradient is put together once, not once a modality
        return [z[:, some] for some in self.explains]

    @property
    def mixture(self) -> Mixture:
        """The experts as one distribution; a row whose weights are all zero gives each the same."""
        if self.share is not None:
            return Mixture(self.experts, self.share)  # type: ignore[arg-type]
        total = self.weight.sum(0)
        even = torch.full_like(self.weight, 1 / self.weight.shape[0])
        weight = torch.where(total > 0, self.weight / torch.where(total > 0, total, 1.0), even)
        return Mixture(self.experts, weight)  # type: ignore[arg-type]

    def pick(self, uniform: Float[Tensor, "B"]) -> "Posterior":
        """Return one expert a row, chosen by inverting the cumulative weights at `uniform` (B,) in [0, 1)."""
        weight = self.mixture.weight
        upto = torch.cumsum(weight, 0)  # its last row may miss 1 by rounding
        below = upto[:-1] <= uniform * upto[-1]  # (E-1, B)
        index = below.sum(0, keepdim=True)  # (1, B)
        rows = index.unsqueeze(-1).expand(1, -1, self.experts.loc.shape[-1])
        parts = {k: getattr(self.experts, k).gather(0, rows) for k in self.experts.__dataclass_fields__}
        modalities = self.targets.shape[1]
        targets = self.targets.gather(0, index.unsqueeze(1).expand(1, modalities, -1))
        kept = self.weight.sum(0, keepdim=True).clamp(max=1.0)
        return Posterior(type(self.experts)(**parts), kept, targets, (slice(None),) * modalities)


def stratified(rows: int, experts: int) -> list[int]:
    """Return the expert of each row when a batch is cut into equal runs, the last taking the remainder.

    Example:
        >>> from collections import Counter
        >>> Counter(stratified(128, 3))
        Counter({2: 44, 0: 42, 1: 42})
    """
    run = rows // experts
    return [min(i // run, experts - 1) if run else i % experts for i in range(rows)]


def product(q: DiagNormal, members: Bool[Tensor, "E M B"], prior: Float[Tensor, "E #B"]) -> DiagNormal:
    """Return the normalised product of the member posteriors, and of N(0, I) where `prior` is 1.

    Precision sum_m 1/s_m^2 (+1), mean the precision-weighted one. An expert without members is N(0, I).

    Args:
        q: (M, B, D).
        members: (E, M, B), who takes part.
        prior: (E, 1) or (E, B), 1 or 0.

    Source: Wu & Goodman 2018 (MVAE), eq. 2-3.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[[1.0]], [[0.5]]]))
        >>> r = product(q, torch.ones(1, 2, 1, dtype=torch.bool), torch.zeros(1, 1))
        >>> round(r.loc.item(), 4), round(r.variance.item(), 4)
        (0.8, 0.2)
    """
    precision = q.scale.pow(-2)
    total = over_members(members, precision) + prior.unsqueeze(-1)
    some = total > 0
    total = torch.where(some, total, 1.0)
    loc = over_members(members, precision * q.loc) / total
    return DiagNormal(loc, torch.rsqrt(total))


def _shared(experts: Unimodal, weight: Tensor, present: Tensor) -> Posterior:
    """Experts of one latent that explains every present modality."""
    count = weight.shape[0]
    targets = present.unsqueeze(0).expand(count, -1, -1)
    return Posterior(experts, weight, targets, (slice(None),) * present.shape[0])


@dataclass(frozen=True)
class Separate:
    """Every modality keeps a latent of its own: E = M, each expert reads and explains one modality.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))
        >>> Separate()(q, torch.tensor([[True], [False]])).weight.tolist()
        [[1.0], [0.0]]
    """

    shared = False

    def experts(self, modalities: int) -> int:
        """E."""
        return modalities

    def __call__(self, q: Unimodal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return every unimodal posterior as the expert of its own modality."""
        own = torch.eye(present.shape[0], dtype=torch.bool, device=present.device).unsqueeze(-1)
        explains = tuple(slice(m, m + 1) for m in range(present.shape[0]))
        return Posterior(q, present.to(q.loc.dtype), own & present, explains)


@dataclass(frozen=True)
class Average:
    """One expert whose mean and variance are the means of those present (Hosoya's AVG).

    Args:
        of: `"variance"` averages variances (the released code), `"scale"` standard deviations (its spike
            variant).

    Source: Hosoya 2019 (GVAE); Sutter et al. 2024, eq. 13-14.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[[1.0]], [[0.5]]]))
        >>> r = Average()(q, torch.ones(2, 1, dtype=torch.bool)).experts
        >>> r.loc.item(), round(r.variance.item(), 4)
        (0.5, 0.625)
    """

    of: str = "variance"
    shared = True

    def __post_init__(self) -> None:
        choose("average of", self.of, ("variance", "scale"))

    def experts(self, modalities: int) -> int:
        """E."""
        return 1

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return the average of those present as the one expert."""
        some = present.any(0)
        share = present.to(q.loc.dtype) / present.sum(0).clamp_min(1)

        def mean(v: Tensor) -> Tensor:
            return torch.einsum("mb,mbd->bd", share, v)

        scale = torch.sqrt(mean(q.variance)) if self.of == "variance" else mean(q.scale)
        joint = DiagNormal(mean(q.loc), torch.where(some.unsqueeze(-1), scale, 1.0))
        expert = DiagNormal(joint.loc[None], joint.scale[None])
        return _shared(expert, torch.ones_like(share[:1]), present)


@dataclass(frozen=True)
class Product:
    """One expert: the product of the present posteriors.

    Args:
        prior_expert: `"none"`, or `"all"` to multiply N(0, I) in as well.

    Source: Wu & Goodman 2018 (MVAE), eq. 2-3.

    Example:
        >>> import torch
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[[1.0]], [[0.5]]]))
        >>> r = Product("all")(q, torch.ones(2, 1, dtype=torch.bool)).experts
        >>> round(r.loc.item(), 4), round(r.variance.item(), 4)
        (0.6667, 0.1667)
    """

    prior_expert: str = "none"
    shared = True

    def __post_init__(self) -> None:
        choose("prior_expert", self.prior_expert, PRIOR_EXPERT)

    def experts(self, modalities: int) -> int:
        """E."""
        return 1

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return the product of those present as the one expert."""
        prior = (
            present.all(0)
            if self.prior_expert == "full"
            else present.new_tensor([self.prior_expert == "all"])
        )
        expert = product(q, present[None], prior.to(q.loc.dtype)[None])
        return _shared(expert, torch.ones_like(q.loc[:1, :, 0]), present)


@dataclass(frozen=True)
class MixtureOfProducts:
    """A mixture over subsets of the modalities, each expert the product over its subset.

    Subsets come by size, then in lexicographic order. In a row the subsets that were observed whole share
    the weight evenly.

    Args:
        subsets: `"all"` non-empty ones (MoPoE, E = 2^M - 1) or the `"singletons"` (mixture of experts,
            E = M).
        prior_expert: Multiply N(0, I) into `"none"`, only the `"full"` subset, or `"all"`.

    Source: Sutter et al. 2021 (MoPoE), eq. 5-7.

    Example:
        >>> MixtureOfProducts().subsets_of(3)
        ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    """

    subsets: str = "all"
    prior_expert: str = "none"
    shared = True

    def __post_init__(self) -> None:
        choose("subsets", self.subsets, ("all", "singletons"))
        choose("prior_expert", self.prior_expert, PRIOR_EXPERT)

    def subsets_of(self, modalities: int) -> tuple[tuple[int, ...], ...]:
        """The subsets, as indices."""
        sizes = range(1, modalities + 1) if self.subsets == "all" else (1,)
        return tuple(s for size in sizes for s in combinations(range(modalities), size))

    def experts(self, modalities: int) -> int:
        """E."""
        return 2**modalities - 1 if self.subsets == "all" else modalities

    @property
    def multiplies(self) -> bool:
        """Whether any expert is a product, which takes normal posteriors."""
        return self.subsets == "all" or self.prior_expert != "none"

    def __call__(self, q: Unimodal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return one expert a subset, weighed where its subset was observed whole."""
        modalities = present.shape[0]
        subsets = self.subsets_of(modalities)
        full = [len(s) == modalities for s in subsets]
        with_prior = {"none": [False] * len(subsets), "full": full, "all": [True] * len(subsets)}
        prior = q.loc.new_tensor(with_prior[self.prior_expert]).unsqueeze(-1)
        members, observed, weight = observed_whole(subsets, present, q.loc.dtype)
        if not self.multiplies:
            return _shared(q.where(observed), weight, present)
        assert isinstance(q, DiagNormal)
        return _shared(product(q, members, prior).where(observed), weight, present)
