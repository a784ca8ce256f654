"""Collapse: how many dimensions of each modality's latent say nothing about the row."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from counterpoint import inference
from counterpoint.batch import Batch
from counterpoint.conditional import readable, recognised
from counterpoint.distributions import DiagNormal
from counterpoint.evaluation.collapse import (
    KL_RANGE,
    POINTS,
    CollapseCurve,
    collapse_curve,
    normal_kl,
    variance_collapse,
)
from counterpoint.likelihoods import Laplace, Normal
from counterpoint.measures.asked import Asked, Section, mean, rows_of
from counterpoint.model import MultimodalVAE
from counterpoint.priors import LearnedScale, StandardNormal, Unconditional
from counterpoint.targets import with_target


def collapse(asked: Asked) -> Section:
    """Count collapsed dimensions by the KL of every test row's posterior to what is known without the row.

    What is known without the row is the prior that the method was trained against, N(0, 1) or another that
    depends on no row; where the prior depends on the data (mmvm) it is the normal with the moments of the
    aggregated posterior, since such a method fixes no scale. A dimension is collapsed when the KL stays below
    the threshold in 99 % of rows. Of Laplace posteriors, and of their prior, it is that of the normals with
    their means and variances.

    Methods with one latent have three more curves for every observed set x_o, under `pairs`:
    KL(p || q), KL(p || N(0, I)) and KL(q || N(0, I)), p given x_o and q given everything. Of `cmmd` p is
    p(z | x_o) and q is q(z | x_o, x_m, y) with the test row's true label; of the others both are the joint
    posterior, and no label is read. Curves of a mixture, or of Laplace experts, are of the normal with its
    mean and variance (`moments`), and so is the prior that stands for N(0, I), where it is another.

    Under `private` the same curves of KL(q(w_m | x_m) || p(w)) for methods with private latents, in the rows
    that have m; under `variance` those of the decoders' variances, where these are learned: then they are the
    same in every row, in the squared units that the model sees.

    Source: Lucas et al. 2019, as used by Mancisidor et al. 2024 (CMMD), section 4.2, Figure 2, Appendix E.
    """
    if not asked.density:
        return Section({}, {"why_not": f"the posteriors of {asked.model.method.name} have no density"})
    prior, curves = asked.model.prior, {}
    deviation = _deviation(asked.model, prior) if isinstance(prior, Unconditional) else None
    against = "moments of the aggregated posterior" if deviation is None else _named(asked.model)
    for name, loc, scale in zip(asked.names, *asked.posteriors, strict=True):
        here = asked.there[name]
        if here.sum() < 2:
            continue
        loc, scale = loc[here], scale[here]
        centre, spread = np.zeros(loc.shape[1]), deviation
        if spread is None:
            centre, spread = loc.mean(0), np.sqrt(loc.var(0) + (scale**2).mean(0))
        without = [np.broadcast_to(v, loc.shape) for v in (centre, spread)]
        curves[name] = _told(collapse_curve(normal_kl(loc, scale, *without)))
    share = mean(c["collapsed"] / c["dimensions"] for c in curves.values())
    more = {"pairs": _pairs(asked), "private": _private(asked), "variance": _variance(asked)}
    return Section({"collapsed": share}, {"modalities": curves, "against": against, **more})


def _deviation(model: MultimodalVAE, prior: Unconditional, width: int | None = None) -> np.ndarray:
    """Return the standard deviations of a prior of the posteriors' family, (D,) or as wide as is said."""
    one = torch.ones(width or model.latent_dim, dtype=torch.float64, device=next(model.parameters()).device)
    like: Any = model.method.posterior
    return torch.sqrt(prior.of(like(one, one)).variance).detach().double().cpu().numpy()


def _named(model: MultimodalVAE) -> str:
    """Return the prior in words that follow "the"."""
    if isinstance(model.prior, LearnedScale):
        return "prior, whose scale was learned"
    return "N(0, 1)" if model.method.posterior is DiagNormal else "standard Laplace, by its moments"


def _told(curve: CollapseCurve) -> dict[str, Any]:
    """Return a curve as JSON holds it."""
    return {
        "epsilon": curve.epsilon.tolist(),
        "share": curve.share.tolist(),
        "collapsed": curve.collapsed,
        "dimensions": curve.dimensions,
    }


def _private(asked: Asked) -> dict[str, Any]:
    """Return the curve of every modality's private latent, against its prior."""
    model, curves = asked.model, {}
    if not model.method.private_dim:
        return curves

    def ask(part: Batch) -> torch.Tensor:  # (2, M, N, W)
        q = model.encode(part, part.present).private
        assert q is not None
        return torch.stack([q.mean, q.variance])

    loc, variance = inference.by_chunk(asked.test, ask, axis=2)[:, asked.members].double().cpu().numpy()
    standard = _deviation(model, StandardNormal(), model.method.private_dim)
    for m, name in enumerate(asked.names):
        here = asked.there[name]
        if here.sum() > 1:
            prior = [np.broadcast_to(v, loc[m, here].shape) for v in (np.zeros_like(standard), standard)]
            kl = normal_kl(loc[m, here], np.sqrt(variance[m, here]), *prior)
            curves[name] = _told(collapse_curve(kl))
    return curves


def _variance(asked: Asked) -> dict[str, Any]:
    """Return the curve of every decoder whose variances are learned, one for a value of its modality."""
    curves = {}
    for name in asked.names:
        likelihood = asked.model[name].likelihood
        if isinstance(likelihood, (Normal, Laplace)) and likelihood.learned:
            output = torch.zeros(1, *likelihood.shape, dtype=asked.dtype, device=asked.estimator.device)
            with torch.no_grad():
                variance = likelihood.variance(output).flatten(1).double().cpu().numpy()
            curves[name] = _told(variance_collapse(variance))
    return curves


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
    epsilon, cells = np.linspace(0, KL_RANGE, POINTS), []
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
        curves = {pair: collapse_curve(kl, epsilon) for pair, kl in kls.items()}
        told = {k: {"share": c.share.tolist(), "collapsed": c.collapsed} for k, c in curves.items()}
        cells.append({"given": list(given), "rows": int(rows.sum()), **told})
    said = ("p(z | x_o)", "q(z | x_o, x_m, y)") if recognises else ("q(z | x_o)", "q(z | x), all of a row")
    return {
        **dict(zip(("p", "q"), said, strict=True)),
        "moments": model.method.posterior is not DiagNormal or _experts(model) > 1,
        "prior_scale": unit[0].tolist(),
        "dimensions": model.latent_dim,
        "epsilon": epsilon.tolist(),
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
    return asked.batch(with_target(test, target, classes=asked.estimator.data_summary_["classes"]))
