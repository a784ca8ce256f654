"""Collapse: how many dimensions of each modality's latent say nothing about the row."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from counterpoint import inference
from counterpoint.batch import Batch
from counterpoint.conditional import readable, recognised
from counterpoint.distributions import DiagNormal
from counterpoint.evaluation.collapse import collapse_curve, normal_kl
from counterpoint.measures.asked import Asked, Section, mean, rows_of
from counterpoint.model import MultimodalVAE
from counterpoint.priors import StandardNormal
from counterpoint.targets import known, with_target


def collapse(asked: Asked) -> Section:
    """Count collapsed dimensions by the KL of every test row's posterior to what is known without the row.

    What is known without the row is the prior N(0, 1), where the method was trained against it; where the
    prior depends on the data (mmvm) it is the normal with the moments of the aggregated posterior, since such
    a method fixes no scale. A dimension is collapsed when the KL stays below the threshold in 99 % of rows.

    Methods with one latent have three more curves for every observed set x_o, under `pairs`:
    KL(p || q), KL(p || N(0, I)) and KL(q || N(0, I)), p given x_o and q given everything. Of `cmmd` p is
    p(z | x_o) and q is q(z | x_o, x_m, y) with the test row's true label; of the others both are the joint
    posterior, and no label is read. Curves of a mixture, or of Laplace experts, are of the normal with its
    mean and variance (`moments`), and so is the prior that stands for N(0, I), where it is another.

    Source: Lucas et al. 2019, as used by Mancisidor et al. 2024 (CMMD), section 4.2 and Figure 2.
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
    return Section({"collapsed": share}, {"modalities": curves, "against": against, "pairs": _pairs(asked)})


class _Said(NamedTuple):
    """What is said of the latent: means and standard deviations, (N, D) each."""

    loc: np.ndarray
    scale: np.ndarray


def _pairs(asked: Asked) -> dict[str, Any]:
    """Return the curves of p, given an observed set, and q, given everything, by set."""
    model = asked.model
    if not model.method.aggregation.shared:
        return {"why_not": f"{model.method.name} has a latent for every modality, and none for all"}
    recognises = model.method.conditional and model.joint is not None
    readers = set(readable(model)) if model.method.conditional else set(asked.members)
    names = tuple(n for n, m in zip(asked.names, asked.members, strict=True) if m in readers)
    sets = [(name,) for name in names]
    if recognises:  # of one set, or of any
        sets = [names] if model.method.observed else list(dict.fromkeys([*sets, names]))
    batch = _labelled(asked) if recognises else asked.test
    every = _said(model, batch, _recognised) if recognises else _said(model, batch.given(names), _posterior)
    present = batch.present.cpu().numpy()
    count = present.sum(0) if recognises else present[[model.names.index(n) for n in names]].sum(0)
    loc, unit = _said(model, rows_of(asked.test, np.zeros(1, int)).given(()), _posterior)  # the prior
    cells = []
    for given in sets:
        there = np.logical_and.reduce([asked.there[name] for name in given])
        more = recognises or given != names  # else p and q are the same
        rows = there & (count > len(given)) if more else there
        if rows.sum() < 2:
            continue
        p = _Said(*(v[rows] for v in _said(model, batch.given(given), _posterior)))
        prior = [np.broadcast_to(v, p.loc.shape) for v in (loc, unit)]
        kls = {"p_standard": normal_kl(*p, *prior)}
        if more:
            q = _Said(*(v[rows] for v in every))
            kls |= {"p_q": normal_kl(*p, *q), "q_standard": normal_kl(*q, *prior)}
        curves = {pair: collapse_curve(kl) for pair, kl in kls.items()}
        told = {k: {"share": c.share.tolist(), "collapsed": c.collapsed} for k, c in curves.items()}
        cells.append({"given": list(given), "rows": int(rows.sum()), **told})
    said = ("p(z | x_o)", "q(z | x_o, x_m, y)") if recognises else ("q(z | x_o)", "q(z | x), all of a row")
    curve = collapse_curve(np.zeros((1, model.latent_dim)))  # for its thresholds
    return {
        **dict(zip(("p", "q"), said, strict=True)),
        "moments": model.method.posterior is not DiagNormal or _experts(model) > 1,
        "prior_scale": unit[0].tolist(),
        "dimensions": curve.dimensions,
        "epsilon": curve.epsilon.tolist(),
        "sets": cells,
    }


def _experts(model: MultimodalVAE) -> int:
    return model.method.aggregation.experts(len(model.names))


def _said(model: MultimodalVAE, batch: Batch, ask: Callable[[MultimodalVAE, Batch], torch.Tensor]) -> _Said:
    """Ask chunk by chunk for means and variances (2, N, D)."""
    loc, variance = inference.by_chunk(batch, lambda part: ask(model, part), axis=1).double().cpu().numpy()
    return _Said(loc, np.sqrt(variance))


def _posterior(model: MultimodalVAE, batch: Batch) -> torch.Tensor:
    """Return mean and variance of the joint posterior given what rows have, a mixture's by its moments."""
    mixture = inference.joint(model, batch).mixture
    weight, each = mixture.weight.unsqueeze(-1), mixture.components
    loc = (weight * each.mean).sum(0)
    return torch.stack([loc, (weight * (each.variance + (each.mean - loc).square())).sum(0)])


def _recognised(model: MultimodalVAE, batch: Batch) -> torch.Tensor:
    """Return mean and variance of q(z | x_o, x_m, y)."""
    q = recognised(model, model.read(batch), batch.present)
    return torch.stack([q.mean, q.variance])


def _labelled(asked: Asked) -> Batch:
    """Return the test rows with their labels, where the model was given a target and they have one.

    Classes that no training row has are left out: the model has no code for them.
    """
    target, test = asked.estimator.target, asked.on.test
    if target is None or target not in test.labels:
        return asked.test
    values, classes = np.asarray(test.labels[target]), asked.estimator.data_summary_["classes"]
    if classes is None:
        return asked.batch(with_target(test, target))
    values = values.reshape(len(test))
    code = {label: i for i, label in enumerate(classes)}
    codes = np.array([code.get(label, -1) for label in values.tolist()])
    mask = known(values) & (codes >= 0)
    categories = asked.estimator.preparation_[target].categories
    data = replace(
        test,
        x={**test.x, target: np.where(mask, codes, 0)[:, None]},
        mask={**test.mask, target: mask},
        features={**test.features, target: None},
        categories={**test.categories, target: categories},
    )
    return asked.batch(data)
