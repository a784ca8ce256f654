"""What rows cost a fitted model: the distortion of a modality and the rates of the latents, in nats.

Functions of a model and a `Batch` in model space (standardised values), as in `inference`.
"""

from collections.abc import Mapping, Sequence

import torch

from counterpoint.batch import Batch
from counterpoint.distributions import kl_standard
from counterpoint.errors import InputError
from counterpoint.inference import chunks, latents
from counterpoint.model import MultimodalVAE


def distortion(
    model: MultimodalVAE,
    batch: Batch,
    target: str,
    truth: Batch,
    *,
    generator: torch.Generator,
    draws: int = 1,
    how: str = "mixture",
) -> torch.Tensor:
    """Return -E log p(target | z) in nats, (N,), with z from what `batch` gives and values from `truth`.

    Zero on rows of which `truth` holds no value.
    """
    values = []
    with torch.no_grad():
        for given, true in zip(chunks(batch), chunks(truth), strict=True):
            z, weight = latents(model, given, target, draws, generator, how)
            log_p = model[target].log_prob(z, true.x[target], true.mask[target], true.covariates)
            values.append(-(weight * log_p).sum(0))
    return torch.cat(values)


def rates(model: MultimodalVAE, batch: Batch, *, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Return every row's rate in nats, name -> (N,): one a modality, or one of the joint latent.

    Scheduled hyperparameters have their final values. What private latents cost is in it. A conditional
    method's rate is that of its loss, which reads all that a row has.
    """
    parts: list[dict[str, torch.Tensor]] = []
    with torch.no_grad():
        for part in chunks(batch):
            if model.joint is not None and model.method.conditional:
                drawn = model.noise(part.rows, generator, next(model.parameters()).dtype)
                parts.append({"rate": model.loss(part, drawn, model.method.final()).terms["rate"]})
                continue
            present = part.present
            encoded = model.encode(part, present)
            posterior = model.method.aggregation(encoded.shared, present)
            weight = posterior.weight
            shape = (1, *posterior.experts.loc.shape)
            noise = torch.randn(shape, generator=generator, dtype=weight.dtype, device=weight.device)
            z = posterior.experts.rsample(noise)
            rate = model.prior.rate(posterior, z, present, model.method.final())
            rate = torch.where(weight > 0, weight * rate, 0.0)
            shared = model.method.aggregation.shared
            rates = rate.sum(0)[None] if shared else rate
            if encoded.private is not None:
                own = torch.where(present, kl_standard(encoded.private), 0.0)  # type: ignore[arg-type]
                rates = rates + (own.sum(0) if shared else own)
            parts.append(dict(zip(("rate",) if shared else model.names, rates, strict=True)))
    return {k: torch.cat([p[k] for p in parts]) for k in parts[0]}


def uses(names: Sequence[str]) -> list[str]:
    """Return what `terms` draws noise for.

    Example:
        >>> uses(["rna"])
        ['given_all/rna', 'given_itself/rna', 'rate']
    """
    return [*(f"{key}/{name}" for name in names for key in ("given_all", "given_itself")), "rate"]


def terms(
    model: MultimodalVAE, batch: Batch, names: Sequence[str], streams: Mapping[str, torch.Generator]
) -> dict[str, dict[str, float]]:
    """Return distortions and rate of modalities, averaged over the rows that have them, in nats per row.

    Args:
        model: A model.
        batch: Rows.
        names: The modalities.
        streams: A stream of noise for each of `uses(names)`.

    Returns:
        Name -> `given_all` and `given_itself`, -E log p(x | z) with z from all that a row has and from the
        modality alone, and its `rate`; a method with a joint latent has one rate, under the name `joint`.

    Raises:
        InputError: If no row has one of them.
    """
    out: dict[str, dict[str, float]] = {}
    for name in names:
        there = batch.present[model.names.index(name)]
        if not there.any():
            raise InputError(
                f"no row has {name!r}, so it cannot be scored; give rows that do, or leave it out of the "
                "data."
            )
        out[name] = {
            key: distortion(model, given, name, batch, generator=streams[f"{key}/{name}"])[there]
            .mean()
            .item()
            for key, given in (("given_all", batch), ("given_itself", batch.given((name,))))
        }
    for name, rate in rates(model, batch, generator=streams["rate"]).items():
        if name == "rate":
            out["joint"] = {"rate": rate.mean().item()}
        elif name in out:
            out[name]["rate"] = rate[batch.present[model.names.index(name)]].mean().item()
    return out
