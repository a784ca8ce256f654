"""Collapse: how many dimensions of each modality's latent say nothing about the row."""

import numpy as np

from counterpoint.evaluation.collapse import collapse_curve, normal_kl
from counterpoint.measures.asked import Asked, Section, mean
from counterpoint.priors import StandardNormal


def collapse(asked: Asked) -> Section:
    """Count collapsed dimensions by the KL of every test row's posterior to what is known without the row.

    What is known without the row is the prior N(0, 1), where the method was trained against it; where the
    prior depends on the data (mmvm) it is the normal with the moments of the aggregated posterior, since such
    a method fixes no scale. A dimension is collapsed when the KL stays below the threshold in 99 % of rows.

    Source: Lucas et al. 2019, as used by Mancisidor et al. 2024 (CMMD), section 4.2.
    """
    if not asked.density:
        return Section({}, {"why_not": f"the posteriors of {asked.model.method.name} have no density"})
    standard = isinstance(asked.model.method.prior, StandardNormal)
    curves = {}
    for name, loc, scale in zip(asked.names, *asked.posteriors, strict=True):
        here = asked.there[name]
        if here.sum() < 2:
            continue
        loc, scale = loc[here], scale[here]
        prior = {}
        if not standard:
            spread = np.sqrt(loc.var(0) + (scale**2).mean(0))
            prior = {
                "prior_loc": np.broadcast_to(loc.mean(0), loc.shape),
                "prior_scale": np.broadcast_to(spread, loc.shape),
            }
        curve = collapse_curve(normal_kl(loc, scale, **prior))
        curves[name] = {
            "epsilon": curve.epsilon.tolist(),
            "share": curve.share.tolist(),
            "collapsed": curve.collapsed,
            "dimensions": curve.dimensions,
        }
    against = "N(0, 1)" if standard else "moments of the aggregated posterior"
    share = mean(c["collapsed"] / c["dimensions"] for c in curves.values())
    return Section({"collapsed": share}, {"modalities": curves, "against": against})
