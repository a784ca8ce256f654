"""Decoding every modality from every other one's shared latent, with private latents in their places."""

import torch

from counterpoint.batch import Batch
from counterpoint.distributions import Unimodal
from counterpoint.model import MultimodalVAE
from counterpoint.shapes import Float, Tensor


def auxiliary_priors(model: MultimodalVAE) -> Unimodal:
    """Return r_d(w), the learned auxiliary prior of every modality's private latent, (M, W).

    Standard at the start of training; `Method.auxiliary` says whether its loc is learned or stays 0.
    """
    heads = torch.stack([modality.auxiliary for modality in model.modalities])
    if model.method.auxiliary == "scale":
        heads = torch.cat([torch.zeros_like(heads), heads], -1)
    return model.method.posterior.from_heads(heads)


def cross_log_prob(
    model: MultimodalVAE,
    batch: Batch,
    z: Float[Tensor, "K R B D"],
    w: Float[Tensor, "K R B W"],
    noise: Float[Tensor, "K R M B W"],
) -> Float[Tensor, "K R M B"]:
    """Return log p(x_d | z_r, w) for every source r and target d, in nats; 0 where the target is absent.

    A source explains itself with its own private latent w_r, and another modality d with w' ~ r_d(w): what is
    private to d cannot be learned from r, and must not pass through z.

    Args:
        model: A model with private latents and auxiliary priors.
        batch: What is to be explained.
        z: Shared latents of the M sources.
        w: Private latents of the M sources.
        noise: Standard normal, of w'.

    Source: Palumbo et al. 2023 (MMVAE+), eq. 6, from its description.
    """
    auxiliary = auxiliary_priors(model)
    found = []
    for d, (name, modality) in enumerate(zip(model.names, model.modalities, strict=True)):
        drawn = auxiliary[d].rsample(noise[:, :, d])
        own = torch.arange(z.shape[1], device=z.device) == d
        beside = torch.where(own[:, None, None], w, drawn)
        both = torch.cat([z, beside], -1)
        log_p = modality.log_prob(both, batch.x[name], batch.mask[name], batch.covariates)
        found.append(log_p)
    return torch.where(batch.present, torch.stack(found, 2), 0.0)
