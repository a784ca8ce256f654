"""mmJSD: a mixture of experts whose prior is the geometric mean of the posteriors and of N(0, I)."""

from dataclasses import dataclass

import torch

from counterpoint.aggregation import MixtureOfProducts, Posterior, product, stratified
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, kl, standard
from counterpoint.errors import InputError
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE
from counterpoint.objectives import ELBO, Fan, Loss, Needs, Noise
from counterpoint.priors import Hyper
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor

PAPER = Paper(
    ("Sutter, Thomas M.", "Daunhawer, Imant", "Vogt, Julia E."),
    "Multimodal Generative Learning Utilizing Jensen-Shannon-Divergence",
    "NeurIPS",
    2020,
    "https://arxiv.org/abs/2006.08242",
)
PRESETS = {
    "paper": {"draw": "all", "prior_drawn": False},
    "official": {"draw": "stratified", "prior_drawn": True},
}


def mmjsd(
    *,
    beta: Scheduled = 1.0,
    draws: int = 1,
    draw: str | None = None,
    prior_drawn: bool | None = None,
    preset: str | None = None,
) -> Method:
    """Return mmJSD.

        f(z|X) ~ prod_{k=0..M} q_k(z|x_k)^pi_k,    q_0 = N(0, I),    pi_k = 1/(M + 1)
        L = E_{e ~ q's components}[ sum_m NLL_m(x_m; z_e) ] + beta sum_{k=0..M} pi_k KL(q_k || f)
        q(z|X) = 1/M sum_m q_m(z|x_m)

    The sum of the KLs is the geometric Jensen-Shannon divergence of the posteriors and N(0, I). In a row with
    something missing M is the number of what is present.

    Args:
        beta: Weight of the rate, a number or a schedule.
        draws: K, latent draws per expert.
        draw: Experts decoded per row: `"one"` at random (unless given), `"stratified"` by position in the
            batch, `"all"`.
        prior_drawn: Whether N(0, I) is one component more of what is decoded in training: 1 draw in M + 1 is
            then noise that nothing was read into. False unless given.
        preset: `"paper"` (all, without the prior) or `"official"` (stratified, the prior among the drawn).

    Raises:
        InputError: If an option is out of range.

    Source: Sutter et al. 2020 (mmJSD), the objective with the geometric mean as its dynamic prior; drawing
    the prior is in the released code only.

    Example:
        >>> mmjsd().prior, mmjsd(preset="official").objective.draw
        (GeometricMean(), 'stratified')
    """
    given = {"draw": draw, "prior_drawn": prior_drawn}
    o = resolve(preset, PRESETS, {"draw": "one", "prior_drawn": False}, given)
    if not isinstance(o["prior_drawn"], bool):
        raise InputError(f"prior_drawn is {o['prior_drawn']!r}; give true or false.")
    hyper = {"beta": schedule("beta", beta)}
    options = {"beta": str(hyper["beta"]), "draws": draws, **o}
    elbo = ELBO(draws=draws, draw=o["draw"])
    objective = PriorDecoded(elbo) if o["prior_drawn"] else elbo
    aggregation = MixtureOfProducts("singletons")
    return Method("mmjsd", aggregation, GeometricMean(), objective, hyper=hyper, options=options)


@dataclass(frozen=True)
class GeometricMean:
    """The data-dependent prior f(z|X) ~ prod_{k=0..M} q_k^(1/(M+1)), with q_0 = N(0, I).

    f is the product of the experts and N(0, I) with M + 1 times its variance. The rate of expert m is

        M/(M+1) KL(q_m || f) + 1/(M+1) KL(N(0, I) || f)

    so that the rates' mean over the experts is sum_{k=0..M} 1/(M+1) KL(q_k || f).

    Source: Sutter et al. 2020 (mmJSD); the closed form is that of Nielsen 2019.

    Example:
        >>> q = DiagNormal(torch.tensor([[[0.0]], [[3.0]]]), torch.ones(2, 1, 1))
        >>> f = GeometricMean()(q, torch.ones(2, 1, dtype=torch.bool))
        >>> f.loc.item(), round(f.variance.item(), 6)
        (1.0, 1.0)
    """

    def __call__(self, q: DiagNormal, present: Bool[Tensor, "M B"]) -> DiagNormal:
        """Return f(z|X), (1, B, D); N(0, I) in a row with nothing observed."""
        joint = product(q, present[None], torch.ones_like(q.loc[:1, :, 0]))
        parts = 1 + present.sum(0).to(q.loc.dtype)
        return DiagNormal(joint.loc, joint.scale * torch.sqrt(parts).unsqueeze(-1))

    def rate(self, posterior: Posterior, z: Tensor, present: Tensor, hyper: Hyper) -> Float[Tensor, "E B"]:
        """Return the rate of every expert, (E, B)."""
        q = posterior.experts
        assert isinstance(q, DiagNormal)
        f = self(q, present)
        share = 1 / (1 + present.sum(0).to(q.loc.dtype))
        return (1 - share) * kl(q, f) + share * kl(standard(f), f)


@dataclass(frozen=True)
class PriorDecoded:
    """The ELBO, with N(0, I) as one component more of what is decoded; the rates are those of the experts.

    Example:
        >>> PriorDecoded(ELBO(draw="all")).needs(experts=2, modalities=2)
        Needs(draws=1, experts=3, uniforms=0)
    """

    elbo: ELBO

    @property
    def draw(self) -> str:
        """Which components are decoded."""
        return self.elbo.draw

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        return self.elbo.needs(experts + 1, modalities)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        return self.through(Posterior.latents, model, batch, noise, hyper)

    def through(self, fan: Fan, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the same, where the latents reach the decoders through a fan."""
        present = batch.present
        posterior = model.method.aggregation(model.encode(batch, present).shared, present)
        decoded = with_prior(posterior, present)
        if self.draw == "one":
            decoded = decoded.pick(noise.uniform[0])
        elif self.draw == "stratified":
            count = decoded.weight.shape[0]
            index = decoded.weight.new_tensor(stratified(batch.rows, count))
            decoded = decoded.pick((index + 0.5) / count)
        z = decoded.experts.rsample(noise.normal)
        rate = model.method.prior.rate(posterior, z, present, hyper)
        return self.elbo.bound(model, batch, decoded, z, posterior.weight, rate, hyper, fan=fan)


def with_prior(posterior: Posterior, present: Bool[Tensor, "M B"]) -> Posterior:
    """Return the mixture with N(0, I) as its last expert, weighing as much as each present modality's.

    Example:
        >>> q = DiagNormal(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))
        >>> there = torch.tensor([[True], [False]])
        >>> with_prior(MixtureOfProducts("singletons")(q, there), there).weight.tolist()
        [[0.5], [0.0], [0.5]]
    """
    q = posterior.experts
    assert isinstance(q, DiagNormal)
    share = 1 / (1 + present.sum(0, keepdim=True).to(q.loc.dtype))  # (1, B)
    experts = DiagNormal(
        torch.cat([q.loc, torch.zeros_like(q.loc[:1])]), torch.cat([q.scale, torch.ones_like(q.scale[:1])])
    )
    weight = torch.cat([(1 - share) * posterior.weight, share])
    targets = torch.cat([posterior.targets, present[None]])
    return Posterior(experts, weight, targets, posterior.explains)
