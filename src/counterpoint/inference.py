"""What a fitted model can be asked: latents of any subset, decodings, imputations, scores.

Functions of a model and a `Batch` in model space (standardised values); `estimator` brings in names and
units.
Shapes: rows N, latent D, draws K.

Where every modality keeps its own latent (MMVM, independent VAEs) and several are observed, the latent is
that of the mixture of their posteriors, h(z|X) = 1/M sum_m q_m: the prior that tied them in training.
`how="precision"` weighs them by how sharp they are, `how="product"` takes their product instead.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from counterpoint.aggregation import Posterior, Product
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, Point, Unimodal
from counterpoint.errors import InputError, choose
from counterpoint.model import MultimodalVAE
from counterpoint.precision import SeparateByPrecision
from counterpoint.row_noise import Noise, Streams, normal, streams_of, uniform
from counterpoint.shapes import Bool

HOW = ("mixture", "precision", "product")
CHUNK = 2048
VALUES = 2**24  # that predictive draws of a chunk have at most


def chunks(batch: Batch, rows: int = CHUNK) -> Iterator[Batch]:
    """Cut a batch into runs of rows, in order."""
    for start in range(0, batch.rows, rows):
        yield batch.at(slice(start, start + rows))


def by_chunk(batch: Batch, ask: Callable[[Batch], torch.Tensor], axis: int = 0) -> torch.Tensor:
    """Ask chunk by chunk and put the answers together along their row axis; no gradients are kept."""
    with torch.no_grad():
        return torch.cat([ask(part) for part in chunks(batch)], axis)


def joint(model: MultimodalVAE, batch: Batch, how: str = "mixture") -> Posterior:
    """Return the experts over the shared latent, given whatever each row has.

    Args:
        model: A model.
        batch: Rows; hide modalities with `batch.given(names)`.
        how: `"mixture"` of the present posteriors as in the method's prior, the mixture weighed by their
            `"precision"`, or their `"product"`, for methods whose latents are separate; the others have a
            joint posterior of their own.

    Raises:
        InputError: If `how` is none of them, or the posteriors have no product or precision.
    """
    present = batch.present
    return joint_of(model, model.encode(batch, present).shared, present, how)


def joint_of(
    model: MultimodalVAE, q: Unimodal, present: Bool[torch.Tensor, "M B"], how: str = "mixture"
) -> Posterior:
    """Return the same of what the encoders said, `Encoded.shared`."""
    choose("how", how, HOW)
    if model.method.aggregation.shared:
        return model.method.aggregation(q, present)
    if how == "product":
        if not isinstance(q, DiagNormal):
            raise InputError(
                f"how='product' needs normal posteriors, and those of {model.method.name} are not; use "
                "'mixture'."
            )
        return Product()(q, present)
    if how == "precision":
        if isinstance(q, Point):
            raise InputError(
                f"how='precision' needs posteriors with a density, and those of {model.method.name} have "
                "none; use 'mixture'."
            )
        return SeparateByPrecision()(q, present)
    return model.method.aggregation(q, present)


def joint_mean(model: MultimodalVAE, batch: Batch, how: str = "mixture") -> torch.Tensor:
    """Return the mean of the joint posterior, (N, D); zero, the prior's mean, where nothing was observed."""

    def ask(part: Batch) -> torch.Tensor:
        mixture = joint(model, part, how).mixture
        return torch.einsum("eb,ebd->bd", mixture.weight, mixture.components.mean)

    return by_chunk(batch, ask)


def unimodal_mean(model: MultimodalVAE, batch: Batch) -> torch.Tensor:
    """Return the posterior means of every modality, (M, N, D); NaN where it is absent."""

    def ask(part: Batch) -> torch.Tensor:
        present = part.present
        return torch.where(present.unsqueeze(-1), model.unimodal(part, present).mean, torch.nan)

    return by_chunk(batch, ask, axis=1)


def draw(posterior: Posterior, draws: int, streams: Streams) -> torch.Tensor:
    """Return K draws of the latent, (K, N, D), evenly spread over the experts of the mixture."""
    loc = posterior.experts.loc
    first, noise = uniform(streams, loc.dtype), normal(streams, draws, loc.shape[-1], loc.dtype)
    picked = (posterior.pick((first + k) / draws % 1.0).experts for k in range(draws))
    return torch.cat([p.rsample(n.unsqueeze(0)) for p, n in zip(picked, noise, strict=True)])


def latents(
    model: MultimodalVAE,
    batch: Batch,
    target: str,
    draws: int,
    noise: Noise,
    how: str = "mixture",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return latents from which `target` is reconstructed, (K, N, D), with their weights (K, N).

    A method with separate latents reconstructs a modality that is present from that modality's own posterior,
    as in training. With `draws` = 0 the experts' means are returned, weighted as in the mixture. Private
    latents stand behind the shared ones, (K, N, D + W).
    """
    posterior = joint(model, batch, how)
    if not model.method.aggregation.shared:
        posterior = _own(model, batch, target, posterior, how)
    if draws == 0:
        mixture = posterior.mixture
        return with_private(model, batch, target, mixture.components.mean), mixture.weight
    streams = streams_of(noise, batch)
    z = with_private(model, batch, target, draw(posterior, draws, streams), streams)
    return z, z.new_full(z.shape[:2], 1 / draws)


def with_private(
    model: MultimodalVAE,
    batch: Batch,
    target: str,
    z: torch.Tensor,
    streams: Streams | None = None,
) -> torch.Tensor:
    """Return latents (K, N, D) with the target's private latent behind them, (K, N, D + W).

    It comes from the target's own posterior in the rows that have it and from its prior in the others: draws
    by the streams, or the means without them. Nothing is added where a method has no private latents, but
    what decoders read of the observed modalities, where they do.
    """
    width, sees = model.method.private_dim, model.method.context and target != model.target
    if not width and not sees:
        return z
    _, private, context = model.encode(batch, batch.present)
    if sees:
        assert context is not None
        z = torch.cat([z, context.expand(*z.shape[:-1], -1)], -1)
    if not width:
        return z
    assert private is not None
    q = private[model.names.index(target)]  # of an absent modality it is the prior
    if streams is None:
        w = q.mean.expand(z.shape[0], -1, -1)
    else:
        w = q.rsample(normal(streams, len(z), width, z.dtype))
    return torch.cat([z, w], -1)


def _own(model: MultimodalVAE, batch: Batch, target: str, posterior: Posterior, how: str) -> Posterior:
    """Put the target's own posterior in the place of the joint one in the rows that have it."""
    m = model.names.index(target)
    present = batch.present
    if how != "product":  # one expert a modality: all the weight goes to its own
        alone = torch.zeros_like(posterior.weight)
        alone[m] = 1.0
        weight = torch.where(present[m], alone, posterior.mixture.weight)
        return Posterior(posterior.experts, weight, posterior.targets, posterior.explains)
    own, keep = model.unimodal(batch, present)[m : m + 1], present[m].unsqueeze(-1)
    fields = posterior.experts.__dataclass_fields__
    parts = {k: torch.where(keep, getattr(own, k), getattr(posterior.experts, k)) for k in fields}
    return Posterior(type(own)(**parts), posterior.weight, posterior.targets, posterior.explains)


def told(batch: Batch, as_batch: torch.Tensor | None = None) -> torch.Tensor | None:
    """Return what decoders are told of rows, (N, C), None without covariates.

    Args:
        batch: The rows.
        as_batch: (C,) columns that stand in place of the rows' own; NaN where the rows' own stay.
    """
    if batch.covariates is None or as_batch is None:
        return batch.covariates
    return torch.where(as_batch.isnan(), batch.covariates, as_batch)


def decoded_mean(
    model: MultimodalVAE,
    z: torch.Tensor,
    weight: torch.Tensor,
    target: str,
    exposure: torch.Tensor | None,
    covariates: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the likelihood's mean of `target`, (N, *event), averaged over z (K, N, D) by weight (K, N)."""
    modality = model[target]
    total: Any = 0.0
    for z_k, w_k in zip(z, weight, strict=True):
        mean = modality.likelihood.mean(modality.decode(z_k, covariates), exposure)
        total = total + w_k.reshape(-1, *[1] * (mean.dim() - 1)) * mean
    return total


def exposure_of(model: MultimodalVAE, batch: Batch, target: str) -> torch.Tensor | None:
    """Return the size factors of the rows where the target is observed; the typical one elsewhere."""
    likelihood = model[target].likelihood
    own = likelihood.exposure(batch.x[target], batch.mask[target])
    if own is None:
        return None
    there = batch.present[model.names.index(target)]
    return torch.where(there, own, torch.full_like(own, getattr(likelihood, "typical", 1.0)))


def reconstruct(
    model: MultimodalVAE,
    batch: Batch,
    target: str,
    *,
    draws: int,
    noise: Noise,
    how: str = "mixture",
    as_batch: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean of `target` given what each row has, (N, *event).

    Args:
        model: A model.
        batch: What is given.
        target: The modality to decode.
        draws: K latent draws to average over; 0 decodes the posterior means.
        noise: Of the draws, see `row_noise`.
        how: See `joint`.
        as_batch: Covariates that the decoder is told instead of the rows' own, see `told`.
    """

    def ask(part: Batch) -> torch.Tensor:
        z, weight = latents(model, part, target, draws, noise, how)
        exposure = exposure_of(model, part, target)
        return decoded_mean(model, z, weight, target, exposure, told(part, as_batch))

    return by_chunk(batch, ask)


def impute(
    model: MultimodalVAE,
    batch: Batch,
    target: str,
    *,
    draws: int,
    noise: Noise,
    how: str = "mixture",
    as_batch: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation (N, *event), and predictive draws (K, N, *event), of a modality.

    Every row is imputed from whatever it has, the latent drawn from the joint posterior. The variance is that
    of the means over the draws plus the mean of the likelihood's own. `as_batch` as in `reconstruct`.
    """
    modality = model[target]
    p = modality.likelihood
    parts, each = [], draws * math.prod(p.output_shape)
    with torch.no_grad():
        for part in chunks(batch, max(1, min(CHUNK, VALUES // each))):
            sizes = exposure_of(model, part, target)
            streams = streams_of(noise, part)
            z = draw(joint(model, part, how), draws, streams)
            z = with_private(model, part, target, z, streams)
            out = torch.stack([modality.decode(z_k, told(part, as_batch)) for z_k in z])
            mean = p.mean(out, sizes)
            spread = torch.sqrt(mean.var(0, correction=0) + p.variance(out, sizes).mean(0))
            drawn = [p.sample(out[:, s], g, None if sizes is None else sizes[s]) for g, s in streams]
            parts.append((mean.mean(0), spread, torch.cat(drawn, 1)))
    mean, spread, samples = zip(*parts, strict=True)
    return torch.cat(mean), torch.cat(spread), torch.cat(samples, 1)


def check_names(given: Sequence[str], allowed: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the names in the model's order.

    Raises:
        InputError: If there is none, or one is unknown.
    """
    if isinstance(given, str):
        given = (given,)
    if not given:
        raise InputError(f"{what} names no modality; allowed are {', '.join(allowed)}.")
    for name in given:
        choose(what, name, allowed)
    return tuple(n for n in allowed if n in given)
