"""MMVAE: a mixture of experts with Laplace posteriors and importance-weighted bounds."""

from dataclasses import dataclass
from typing import Any

import torch

from counterpoint.aggregation import MixtureOfProducts, Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import DiagLaplace, DiagNormal, Point, SumLaplace, Unimodal
from counterpoint.errors import InputError, choose, whole
from counterpoint.importance import IWAE
from counterpoint.methods._options import resolve
from counterpoint.methods._papers import Paper
from counterpoint.model import Method, MultimodalVAE, Objective
from counterpoint.objectives import ELBO, Loss, Needs, Noise
from counterpoint.priors import Hyper, LearnedScale, StandardNormal
from counterpoint.schedules import Scheduled, schedule
from counterpoint.shapes import Bool, Float, Tensor
from counterpoint.subsets import observed_whole

PAPER = Paper(
    ("Shi, Yuge", "Siddharth, N.", "Paige, Brooks", "Torr, Philip H. S."),
    "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models",
    "NeurIPS",
    2019,
    "https://arxiv.org/abs/1911.03393",
)
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"objective": "dreg", "averaging": "looser", "draws": 30, "posterior": "laplace_sum"},
    "elbo": {"objective": "elbo_naive", "draws": 1, "posterior": "laplace_sum"},
}
DEFAULTS = {"objective": "dreg", "averaging": None, "draws": 5, "posterior": "laplace_sum"}
GRADIENTS = {"iwae": "reparameterised", "dreg": "dreg", "dreg_mixture": "dreg_mixture"}
OBJECTIVES = ("elbo_naive", "elbo", *GRADIENTS)
POSTERIORS = {"laplace_sum": SumLaplace, "laplace": DiagLaplace, "normal": DiagNormal}


def mmvae(
    *,
    beta: Scheduled = 1.0,
    objective: str | None = None,
    averaging: str | None = None,
    draws: int | None = None,
    posterior: str | None = None,
    learn_prior: bool = False,
    preset: str | None = None,
) -> Method:
    """Return MMVAE.

        q(z|X) = 1/M sum_m q_m(z|x_m),    z_{r,k} ~ q_r,  k = 1..K
        lw_{r,k} = sum_d log p_d(x_d|z_{r,k}) + beta [ log p(z_{r,k}) - log q(z_{r,k}|X) ]
        elbo_naive:  L = -1/M sum_r [ sum_d log p_d(x_d|z_r) - beta KL(q_r || p) ], means over k
        elbo:        the same with q_r(z_d)/q_d(z_d) log p_d(x_d|z_d) for d != r, z_d and q_d held fixed
        the others:  L = -1/M sum_r log 1/K sum_k exp lw_{r,k}     (`averaging="looser"`)
                     L = -log 1/(M K) sum_{r,k} exp lw_{r,k}       (`averaging="tight"`)

    Every expert decodes everything: K M^2 decodings a row, twice (once without gradients) for the two `dreg`,
    2 K M for `elbo`. p(z) is the standard Laplace (N(0, I) for normal posteriors), or with `learn_prior`
    has the scale D softmax(theta), theta a parameter that starts at 0 (`priors.LearnedScale`).
    `iwae`, `dreg` and `dreg_mixture` bound the same by different gradients, see
    `counterpoint.importance.IWAE`: the paper's `dreg` is biased in the encoders, `dreg_mixture` is not. The
    paper's scaling of the likelihoods is the modalities' own weights (`weights` of the estimator).

    Args:
        beta: Weight of the rate, a number or a schedule.
        objective: `"elbo_naive"`, `"elbo"`, `"iwae"`, `"dreg"` (unless given) or `"dreg_mixture"`.
        averaging: `"looser"` (unless given) or `"tight"`; not of the ELBOs.
        draws: K, latent draws per expert, 5 unless given.
        posterior: `"laplace_sum"` (Laplace whose scales sum to D, unless given), `"laplace"` or `"normal"`.
        learn_prior: Whether the prior's scale is learned, false unless given.
        preset: `"paper"` (dreg, looser, K = 30) or `"elbo"` (elbo_naive, K = 1).

    Raises:
        InputError: If an option is out of range, or `averaging` is given to an ELBO, which averages nothing.

    Source: Shi et al. 2019 (MMVAE), eq. 3 and Appendix, from descriptions; its code was not read.

    Example:
        >>> mmvae(preset="paper").objective
        IWAE(draws=30, averaging='looser', gradient='dreg')
    """
    given = {"objective": objective, "averaging": averaging, "draws": draws, "posterior": posterior}
    o = resolve(preset, PRESETS, DEFAULTS, given)
    if not isinstance(learn_prior, bool):
        raise InputError(f"learn_prior is {learn_prior!r}; give true or false.")
    kind = choose("objective", o["objective"], OBJECTIVES)
    count, bound = whole("draws", o["draws"]), None
    if kind in GRADIENTS:
        o["averaging"] = o["averaging"] or "looser"
        bound = IWAE(count, o["averaging"], GRADIENTS[kind])
    elif averaging is not None:
        raise InputError(
            f"averaging is {averaging!r}, but {kind} takes no logarithm of weights; leave it out, or take "
            "objective='iwae' or 'dreg'."
        )
    else:
        o["averaging"] = None
        bound = ELBO(draws=count) if kind == "elbo_naive" else CrossWeighted(count)
    return _method(schedule("beta", beta), bound, {**o, "learn_prior": learn_prior})


def _method(beta: Any, bound: Objective, o: dict[str, Any]) -> Method:
    learned = o["learn_prior"]
    return Method(
        "mmvae",
        AsEncoded() if learned else MixtureOfProducts("singletons"),
        LearnedScale() if learned else StandardNormal(),
        bound,
        posterior=POSTERIORS[choose("posterior", o["posterior"], POSTERIORS)],
        hyper={"beta": beta},
        options={"beta": str(beta), **{k: v for k, v in o.items() if v is not None}},
    )


@dataclass(frozen=True)
class AsEncoded:
    """The mixture of the unimodal posteriors as the encoders give them, without a prior of its own.

    In a row with nothing observed every expert is then what the model holds for an absent modality: the prior
    with its learned scale, where `MixtureOfProducts("singletons")` would put the standard one.

    Example:
        >>> q = DiagNormal(torch.zeros(2, 1, 1), torch.full((2, 1, 1), 3.0))
        >>> AsEncoded()(q, torch.zeros(2, 1, dtype=torch.bool)).mixture.components.scale.flatten().tolist()
        [3.0, 3.0]
    """

    shared = True

    def experts(self, modalities: int) -> int:
        """E."""
        return modalities

    def __call__(self, q: Unimodal, present: Bool[Tensor, "M B"]) -> Posterior:
        """Return every unimodal posterior as an expert that explains all that is present."""
        modalities = present.shape[0]
        weight = observed_whole([(m,) for m in range(modalities)], present, q.loc.dtype).weight
        return Posterior(q, weight, present.expand(modalities, -1, -1), (slice(None),) * modalities)


@dataclass(frozen=True)
class CrossWeighted:
    """The ELBO of a mixture of experts whose cross terms are importance-weighted draws of their own experts.

        L = -1/M sum_r [ log p_r(x_r|z_r) + sum_{d != r} q_r(z_d)/q_d(z_d) log p_d(x_d|z_d)
                         - beta KL(q_r || p) ]

    z_d ~ q_d and q_d are held fixed in the cross terms, so that decoder d only reads its own latents. The
    ratios have a heavy tail where experts differ.
    """

    draws: int = 1

    def needs(self, experts: int, modalities: int) -> Needs:
        """Return how much noise a step takes."""
        return Needs(self.draws, experts, 0)

    def __call__(self, model: MultimodalVAE, batch: Batch, noise: Noise, hyper: Hyper) -> Loss:
        """Return the loss per row and its terms, in nats."""
        present = batch.present
        posterior = model.posterior(batch)
        q, weight = posterior.experts, posterior.weight  # (M, B, D), (M, B)
        assert not isinstance(q, Point), "points have no density"
        z = q.rsample(noise.normal)  # (K, M, B, D)
        ratio = _ratios(q, z.detach(), present)  # (K, R, M, B)
        distortions = []
        for d, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
            both = torch.stack([z[:, d], z[:, d].detach()])
            log_p = modality.log_prob(both, batch.x[name], batch.mask[name], batch.covariates)
            own, cross = log_p  # (K, B) each
            others = torch.where(weight > 0, weight * ratio[:, :, d], 0.0).sum(1)
            each = weight[d] * own + others * cross
            distortions.append(-torch.where(present[d], each, 0.0).mean(0))
        rates = model.prior.rate(posterior, z, present, hyper)
        rate = torch.where(weight > 0, weight * rates, 0.0).sum(0)
        terms = {f"distortion/{n}": x for n, x in zip(model.names, distortions, strict=True)}
        weights = rate.new_tensor([modality.weight for modality in model.modalities])
        total = (weights.unsqueeze(-1) * torch.stack(distortions)).sum(0) + hyper["beta"] * rate
        return Loss(total, {**terms, "rate": rate})


def _ratios(
    q: DiagNormal | DiagLaplace, z: Float[Tensor, "K M B D"], present: Bool[Tensor, "M B"]
) -> Float[Tensor, "K M M B"]:
    """Return q_r(z_d) / q_d(z_d) for two modalities r, d that the row has, (K, R, M, B); 0 for others."""
    log_ratio = q[:, None].log_prob(z[:, None]) - q.log_prob(z).detach()[:, None]
    apart = ~torch.eye(present.shape[0], dtype=torch.bool, device=present.device).unsqueeze(-1)
    pair = apart & present[:, None] & present[None]
    return torch.where(pair, torch.exp(torch.where(pair, log_ratio, 0.0)), 0.0)
