"""Variance explained: by each modality's whole latent, and by every dimension of it alone."""

import numpy as np
import torch

from counterpoint import inference
from counterpoint.evaluation.variance import variance_explained
from counterpoint.measures.asked import Asked, Section, mean, rows_of
from counterpoint.measures.imputation import as_numbers


def variance(asked: Asked) -> Section:
    """Measure R2 of every modality decoded from its own posterior mean, in the units that the model reads.

    Real-valued tables are standardised there, so that columns count alike; categories count as indicators.

    Source: Argelaguet et al. 2018 (MOFA), variance explained per factor and modality.
    """
    modalities = {}
    for name in asked.names:
        rows = asked.some[asked.there[name][asked.some]]
        if len(rows) > 1:
            modalities[name] = _explained(asked, name, rows)
    total = mean(v["total"] for v in modalities.values())
    return Section({"variance_explained": total}, {"modalities": modalities, "rows": len(asked.some)})


def _explained(asked: Asked, name: str, rows: np.ndarray) -> dict[str, object]:
    """Decode one modality from the posterior means of rows that have it, whole and dimension by dimension."""
    batch = rows_of(asked.test, rows)
    truth, seen = as_numbers(asked, batch.x[name], batch.mask[name], name)
    sizes = inference.exposure_of(asked.model, batch, name)
    modality = asked.model[name]

    def decode(z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            latent = torch.as_tensor(z, dtype=asked.dtype, device=asked.estimator.device)
            out = modality.decode(latent, batch.covariates)
            return modality.likelihood.mean(out, sizes).double().cpu().numpy()

    found = variance_explained(truth, decode, asked.held[name][rows], seen)
    return {"total": found.total, "latent": found.latent.tolist(), "at_mean": found.at_mean}
