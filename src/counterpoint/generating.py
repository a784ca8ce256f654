"""Rows from nothing: one latent, drawn from a density over the training rows' latents, decoded by all.

Functions of a model and a `Batch` in model space (standardised values), as in `inference`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from counterpoint import densities, inference
from counterpoint.batch import Batch
from counterpoint.conditional import context_width
from counterpoint.densities import FITTED, KINDS, Density, Standard
from counterpoint.distributions import DiagLaplace, Point
from counterpoint.errors import InputError, choose, whole
from counterpoint.estimates import why_no_likelihood
from counterpoint.model import MultimodalVAE
from counterpoint.priors import LearnedScale, Unconditional
from counterpoint.pseudo_inputs import PseudoInputs
from counterpoint.row_noise import streams_of
from counterpoint.seeds import derive, generator

MOST = 20_000  # rows that a density is fitted on


def prior_of(model: MultimodalVAE) -> Standard | None:
    """Return the prior that the method was trained against, if it can be drawn from; else None.

    That is N(0, I) (the standard Laplace for Laplace posteriors), with its scale where that was learned. A
    prior that depends on the data (mmvm) and none at all (ae) leave nothing to draw from.
    """
    prior = model.prior
    if not isinstance(prior, Unconditional):
        return None
    laplace = issubclass(model.method.posterior, DiagLaplace)  # type: ignore[arg-type]
    scale = prior.scale.detach().double().cpu().numpy() if isinstance(prior, LearnedScale) else None
    return Standard.of(model.latent_dim, "laplace" if laplace else "normal", scale)


def latents(model: MultimodalVAE, batch: Batch, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Return one draw of the latent per row from its joint posterior given what it has, (N', D), float64.

    So rows with something missing count, and the width of the posterior is kept. A row with nothing observed
    tells nothing and is left out; of more than 20,000 rows that many are taken at random. Also returns which
    rows of the batch they are, (N',).
    """
    noise = generator(seed, "density/latents", device=batch.present.device)
    seen = batch.present.any(0)

    def ask(part: Batch) -> torch.Tensor:
        return inference.draw(inference.joint(model, part), 1, streams_of(noise, part))[0]

    rows = np.flatnonzero(seen.cpu().numpy())
    if len(rows) > MOST:
        chosen = np.random.default_rng(derive(seed, "density/rows")).permutation(len(rows))[:MOST]
        rows = rows[np.sort(chosen)]
    z = inference.by_chunk(batch, ask)[torch.from_numpy(rows).to(seen.device)]
    return z.double().cpu(), rows


def fit(
    model: MultimodalVAE, batch: Batch, kind: str, *, seed: int, components: int | None = None
) -> Density:
    """Fit a density over the latents of rows; its settings say how many rows, and how many were left out.

    Args:
        model: A fitted model.
        batch: The rows that it was trained on.
        kind: One of `counterpoint.densities.FITTED`.
        seed: Of the latents' draws and of the fit.
        components: Of `gmm` and `vamp`.

    Raises:
        InputError: If the kind is unknown, fewer than ten rows have anything, or (vamp) the posteriors are
            points.

    Source: Ghosh et al. 2020 (ex-post density estimation); the draws are of the aggregate posterior, as in
        Dai & Wipf 2019.
    """
    choose("density", kind, FITTED)
    point = issubclass(model.method.posterior, Point)  # type: ignore[arg-type]
    if kind == "vamp" and point:
        raise InputError(
            f"{model.method.name} has points for posteriors, which have no density; take 'gmm' instead of "
            "'vamp'."
        )
    z, rows = latents(model, batch, seed)

    def inputs(some: np.ndarray) -> PseudoInputs:
        index = torch.from_numpy(rows[some]).to(batch.present.device)
        return PseudoInputs(model, batch.at(index))

    made = densities.fit(kind, z, seed, components=components, inputs=inputs)
    told = {"rows": len(rows), "left_out": int((~batch.present.any(0)).sum()), "seed": seed}
    return replace(made, settings={**made.settings, **told})  # type: ignore[type-var]


def choice(model: MultimodalVAE, fitted: Mapping[str, Density], kind: str | None) -> Density:
    """Return the density to draw from.

    Args:
        model: The model.
        fitted: Kind -> density, those that were fitted.
        kind: A kind, or None for the first of `counterpoint.densities.FITTED` that is there, and the prior
            if none is.

    Raises:
        InputError: If that kind was not fitted, or there is neither a density nor a prior to draw from.
    """
    name, prior = model.method.name, prior_of(model)
    if kind is None:
        kind = next((k for k in FITTED if k in fitted), "standard")
    if choose("density", kind, KINDS) != "standard":
        if kind in fitted:
            return fitted[kind]
        there = ", ".join(fitted) or "none"
        rest = "" if prior is None else ", or take 'standard', the prior that it was trained against"
        raise InputError(
            f"density is {kind!r}, and fitted are: {there}; call fit_density(X, {kind!r}) with the training "
            f"rows first{rest}."
        )
    if prior is None:
        why = why_no_likelihood(model) or f"{name} was not trained against N(0, I)"
        raise InputError(
            f"there is no prior to draw from: {why}; call fit_density(X) with the training rows first, or "
            "give data to translate or impute from."
        )
    return prior


def draw(
    model: MultimodalVAE, fitted: Mapping[str, Density], kind: str | None, n: int, seed: int
) -> torch.Tensor:
    """Return n latents (n, D) from the density that is chosen as in `choice`."""
    whole("n", n)
    return choice(model, fitted, kind).sample(n, generator(seed, "sample"))


def decode(
    model: MultimodalVAE,
    z: torch.Tensor,
    streams: Mapping[str, torch.Generator],
    noise: bool = False,
    covariates: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Decode every modality from the same latents, name -> (N, *event) in model space.

    Args:
        model: The model.
        z: (N, D). Private latents, where a method has them, are drawn from their prior.
        streams: Name -> generator of what is random in that modality alone; these are decoded.
        noise: Draw from the likelihood instead of taking its mean.
        covariates: (C,), what decoders are told of every row; for a model that reads them.

    Counts are made for a row of the typical size (the training rows' median).
    """
    some, width = next(model.parameters()), model.method.private_dim
    family = model.method.posterior
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in streams}
    told = None if covariates is None else covariates.to(some.device, some.dtype).unsqueeze(0)
    with torch.no_grad():
        for rows in z.to(some.device, some.dtype).split(inference.CHUNK):
            for name, stream in streams.items():
                likelihood, latent = model[name].likelihood, rows
                if width:
                    own = torch.randn(
                        len(rows), width, generator=stream, dtype=rows.dtype, device=rows.device
                    )
                    prior = family.from_heads(torch.zeros_like(own).repeat(1, family.heads))
                    latent = torch.cat([rows, prior.rsample(own)], 1)
                if model.method.context and name != model.target:  # which is zero where nothing is observed
                    latent = torch.nn.functional.pad(latent, (0, context_width(model)))
                out = model[name].decode(latent, told)
                parts[name].append(likelihood.sample(out, stream) if noise else likelihood.mean(out))
    return {name: torch.cat(made) for name, made in parts.items()}
