"""Agreement: do the modalities of a row tell the same; does disagreement find rows put together wrongly?"""

import numpy as np

from counterpoint.batch import Batch
from counterpoint.evaluation.agreement import disagreement, pair_divergences, typical
from counterpoint.evaluation.mispairing import mispair, mispaired_auroc, mispaired_auroc_pairs
from counterpoint.measures.asked import Asked, Section

SHARE = 0.1  # of the test rows, re-paired


def agreement(asked: Asked) -> Section:
    """Measure how far apart the posteriors of a row's modalities are, and re-pair a tenth of the rows.

    `agreement` is the AUROC with which disagreement finds rows of which one modality was exchanged,
    `auroc_all` in the detail that of rows of which all were: 0.5 is chance. What is typical of a pair of
    modalities comes from the training rows. `divergence` holds every test row's nats.

    Source: the project's own; see docs/conventions.md.
    """
    if not asked.density:
        return Section({}, {"why_not": f"the posteriors of {asked.model.method.name} have no density"})
    known = _divergences(asked, asked.train)
    if np.isnan(known[~np.eye(len(known), dtype=bool)]).all():
        return Section({}, {"why_not": "no training row has two modalities"})
    here = np.stack([asked.there[name] for name in asked.names])
    if (here.sum(0) > 1).sum() <= len(here) or round(SHARE * here.shape[1]) <= len(here):
        return Section({}, {"why_not": f"{here.shape[1]} test rows are too few to exchange modalities among"})
    unit = typical(known)
    found = disagreement(_divergences(asked, asked.test), unit)
    made = mispair(here, SHARE, asked.seed)
    mixed = _mixed(asked, made.take)
    auroc = mispaired_auroc(disagreement(mixed, unit).score, made.mispaired)
    every = mispair(here, SHARE, asked.seed, which="all")
    auroc_all = mispaired_auroc(disagreement(_mixed(asked, every.take), unit).score, every.mispaired)
    detail = {
        "names": list(asked.names),
        "matrix": found.matrix.tolist(),
        "typical": unit.tolist(),
        "auroc": auroc,
        "auroc_all": auroc_all,
        "auroc_pairs": mispaired_auroc_pairs(mixed, made.take).tolist(),
        "share": SHARE,
    }
    return Section({"agreement": auroc}, detail, {"divergence": found.nats})


def _mixed(asked: Asked, take: np.ndarray) -> np.ndarray:
    """Return the divergences (M, M, N') of the test rows with modalities taken from other rows."""
    loc, scale = (np.take_along_axis(v, take[..., None], 1) for v in asked.posteriors)
    here = np.stack([asked.there[name] for name in asked.names])
    return pair_divergences(loc, scale, np.take_along_axis(here, take, 1))


def _divergences(asked: Asked, batch: Batch) -> np.ndarray:
    """Return the divergence of every pair of a row's modalities, (M, M, N)."""
    present = batch.present[asked.members].cpu().numpy()
    return pair_divergences(*asked.posteriors_of(batch), present)
