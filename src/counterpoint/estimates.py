"""What a fitted model is estimated at: log-likelihoods by importance sampling, posteriors by modality.

Functions of a model and a `Batch` in model space (standardised values), as in `inference`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import DiagLaplace, DiagNormal, Point, Unimodal, standard
from counterpoint.errors import InputError
from counterpoint.evaluation.likelihood import ImportanceEstimate, importance_log_likelihood
from counterpoint.inference import CHUNK, check_names, chunks
from counterpoint.model import MultimodalVAE
from counterpoint.priors import MixtureOfExperts, NoPrior, Unconditional


def why_no_likelihood(model: MultimodalVAE) -> str | None:
    """Return why log p(x) of this model's method is not defined; None if it is."""
    prior, name = model.method.prior, model.method.name
    if isinstance(prior, Unconditional):
        return None
    if isinstance(prior, MixtureOfExperts):
        return f"the prior of {name} depends on the data, h(z|X), so it is no model of p(X)"
    if isinstance(prior, NoPrior):
        return f"{name} has no prior and its latents no density"
    return f"{name} was not trained against N(0, I)"


def log_likelihood(
    model: MultimodalVAE,
    batch: Batch,
    *,
    targets: Sequence[str] | None = None,
    given: Sequence[str] | None = None,
    draws: int,
    generator: torch.Generator,
) -> ImportanceEstimate:
    """Estimate log p(x_targets) of every row, in nats, by importance sampling.

        log 1/K sum_k p(z_k) prod_{m in targets} p(x_m | z_k) / q(z_k | x_given),   z_k ~ q

    One latent: q is the whole mixture of the joint posterior given `given`, its draws spread evenly over the
    experts. It is always the marginal p(x_targets) that is estimated, never p(x_targets | x_given): `given`
    decides only how well. Separate latents trained against N(0, I) (independent): every target by its own
    posterior, log p(x_targets) = sum_m log p(x_m), and relative variances (1/effective - 1/K) add up.

    Private latents are drawn beside the shared one, each from its own posterior given what is seen, or from
    its prior. Values that were not observed are integrated out. A row without any of the targets has
    log p = 0: leave it out of means. Modality weights and beta do not enter. For counts it is
    log p(x | library size).

    Args:
        model: A model whose rate was against N(0, I), or against a prior whose scale it learned.
        batch: Rows.
        targets: Modalities whose log-likelihood is estimated, where the row has them; all unless given.
        given: What the proposal sees; the targets unless given. Not for separate latents.
        draws: K.
        generator: Of the noise. Every draw takes it for all rows at once, so that neither how rows nor how
            draws are cut into chunks matters.

    Raises:
        InputError: If the method has no likelihood (a prior that depends on the data, no prior), `given`
            is named for separate latents, or a name is unknown.

    Source: Burda et al. 2016, eq. 8; per subset as Sutter et al. 2021 (MoPoE), section 4.

    Example:
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import poe
        >>> from counterpoint.model import Modality
        >>> part = Modality(torch.nn.Linear(3, 4), torch.nn.Linear(2, 3), Normal((3,)))
        >>> model = MultimodalVAE({"a": part}, poe(), latent_dim=2)
        >>> batch = Batch({"a": torch.zeros(5, 3)}, {"a": torch.ones(5, dtype=torch.bool)})
        >>> found = log_likelihood(model, batch, draws=10, generator=torch.Generator().manual_seed(0))
        >>> found.log_p.shape
        torch.Size([5])
    """
    why = why_no_likelihood(model)
    if why is not None:
        raise InputError(f"there is no log-likelihood: {why}; report reconstruction and rate apart.")
    wanted = model.names if targets is None else check_names(targets, model.names, "targets")
    shared = model.method.aggregation.shared
    if given is not None and not shared:
        raise InputError(
            f"given is {given!r}, but {model.method.name} has a latent for every modality, and another's "
            "posterior is no proposal for it; leave given out."
        )
    seen = wanted if given is None else check_names(given, model.names, "given")
    with torch.no_grad():
        if shared:
            proposals = [_proposal(model, part) for part in chunks(batch.given(seen))]
            return _estimate(model, batch, proposals, wanted, draws, generator)
        found = []
        for name in wanted:
            m = model.names.index(name)
            each = [_proposal(model, part) for part in chunks(batch)]
            alone = [Proposal(_only(q.shared, m), q.private) for q in each]
            found.append(_estimate(model, batch, alone, (name,), draws, generator))
    log_p = torch.stack([f.log_p for f in found]).sum(0)
    excess = torch.stack([1 / f.effective - 1 / draws for f in found]).sum(0)
    return ImportanceEstimate(log_p, 1 / (excess + 1 / draws), draws)


class Proposal(NamedTuple):
    """What latents are drawn from: the shared one's posterior, and the private ones' (M, B, W)."""

    shared: Posterior
    private: Unimodal | None


def _proposal(model: MultimodalVAE, batch: Batch) -> Proposal:
    present = batch.present
    encoded = model.encode(batch, present)
    return Proposal(model.method.aggregation(encoded.shared, present), encoded.private)


def _only(posterior: Posterior, m: int) -> Posterior:
    """Return expert m as the only one; it is N(0, I) in rows that lack the modality."""
    expert, every = posterior.experts[m : m + 1], slice(None)
    weight = torch.ones_like(posterior.weight[:1])
    return Posterior(expert, weight, posterior.targets[m : m + 1], (every,) * len(posterior.explains))


def _estimate(
    model: MultimodalVAE,
    batch: Batch,
    proposals: Sequence[Proposal],
    targets: Sequence[str],
    draws: int,
    generator: torch.Generator,
) -> ImportanceEstimate:
    """Estimate log p(x_targets) of rows that share one latent, by proposals that come in chunks of rows."""
    parts = list(zip(proposals, chunks(batch), strict=True))
    counts = [part.rows for part in chunks(batch)]
    mixtures = [shared.mixture for shared, _ in proposals]
    first, width = proposals[0].shared.experts.loc, model.method.private_dim
    dim, places = first.shape[-1], {name: i for i, name in enumerate(targets)}
    kind: Any = {"dtype": first.dtype, "device": generator.device}
    uniform = torch.rand(batch.rows, generator=generator, **kind)

    def draw(k0: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (batch.rows, dim + width * len(targets))
        noise = torch.stack([torch.randn(shape, generator=generator, **kind) for _ in range(count)])
        latents, densities = [], []
        for (proposal, _), mixture, u, n in zip(
            parts, mixtures, uniform.split(counts), noise.split(counts, 1), strict=True
        ):
            z = _drawn(proposal.shared, [(u + k0 + k) / draws % 1.0 for k in range(count)], n[..., :dim])
            density = mixture.log_prob(z)
            for name, i in places.items() if width else ():
                q = _own(model, proposal, name)
                w = q.rsample(n[..., dim + i * width :][..., :width])
                z, density = torch.cat([z, w], -1), density + q.log_prob(w)
            latents.append(z)
            densities.append(density)
        return torch.cat(latents, 1), torch.cat(densities, 1)

    prior = model.prior
    assert isinstance(prior, Unconditional)

    def log_joint(z: torch.Tensor) -> torch.Tensor:
        log_ps = []
        for (proposal, part), latent in zip(parts, z.split(counts, 1), strict=True):
            experts, shared = proposal.shared.experts, latent[..., :dim]
            assert not isinstance(experts, Point)
            log_p = prior.of(experts[0]).log_prob(shared)
            for name, i in places.items():
                read = shared
                if width:
                    w = latent[..., dim + i * width :][..., :width]
                    log_p = log_p + standard(_own(model, proposal, name)).log_prob(w)
                    read = torch.cat([shared, w], -1)
                values = part.x[name], part.mask[name], part.covariates
                log_p = log_p + model[name].log_prob(read, *values)
            log_ps.append(log_p)
        return torch.cat(log_ps, 1)

    found = importance_log_likelihood(draw, log_joint, draws, chunk=max(1, CHUNK // batch.rows))
    held = batch.present[[model.names.index(name) for name in targets]].any(0)
    return ImportanceEstimate(
        torch.where(held, found.log_p, 0.0), torch.where(held, found.effective, float(draws)), draws
    )


def _own(model: MultimodalVAE, proposal: Proposal, name: str) -> DiagNormal | DiagLaplace:
    """Return the proposal of a modality's private latent, (B, W); its prior where the modality is unseen."""
    assert proposal.private is not None
    q = proposal.private[model.names.index(name)]
    assert not isinstance(q, Point)
    return q


def _drawn(posterior: Posterior, uniforms: Sequence[torch.Tensor], noise: torch.Tensor) -> torch.Tensor:
    """Turn noise (k, B, D) into draws; k uniforms (B,) pick the experts."""
    if posterior.weight.shape[0] == 1:
        return posterior.experts.rsample(noise)
    picked = [posterior.pick(uniform).experts for uniform in uniforms]
    return torch.cat([experts.rsample(n[None]) for experts, n in zip(picked, noise, strict=True)])


def unimodal(model: MultimodalVAE, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of every modality's posterior, (M, N, D) each; NaN where absent.

    Raises:
        InputError: If the posteriors are points (ae), which have no width.

    Example:
        >>> from counterpoint.likelihoods import Normal
        >>> from counterpoint.methods import mmvm
        >>> from counterpoint.model import Modality
        >>> part = Modality(torch.nn.Linear(3, 4), torch.nn.Linear(2, 3), Normal((3,)))
        >>> model = MultimodalVAE({"a": part}, mmvm(), latent_dim=2)
        >>> batch = Batch({"a": torch.zeros(2, 3)}, {"a": torch.tensor([True, False])})
        >>> loc, scale = unimodal(model, batch)
        >>> loc.shape, scale[:, 1].tolist()
        (torch.Size([1, 2, 2]), [[nan, nan]])
    """
    if issubclass(model.method.posterior, Point):  # type: ignore[arg-type]
        raise InputError(f"{model.method.name} has points for posteriors; they have no standard deviation.")
    locs, scales = [], []
    with torch.no_grad():
        for part in chunks(batch):
            present = part.present
            q, there = model.unimodal(part, present), present.unsqueeze(-1)
            locs.append(torch.where(there, q.mean, torch.nan))
            scales.append(torch.where(there, torch.sqrt(q.variance), torch.nan))
    return torch.cat(locs, 1), torch.cat(scales, 1)
