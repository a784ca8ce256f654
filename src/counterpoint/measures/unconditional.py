"""Rows from nothing: do the modalities of one latent show the same class, are all classes there?"""

from typing import Any

import numpy as np
import torch

from counterpoint import generating
from counterpoint.batches import average_of
from counterpoint.densities import Density
from counterpoint.evaluation.coherence import agreeing
from counterpoint.evaluation.distances import frechet
from counterpoint.evaluation.oracles import Oracle
from counterpoint.measures.asked import Asked, Section, mean
from counterpoint.measures.generation import top_of

SAMPLES = 1000
DEFAULT = "gmm"  # the density that every method can have, so that methods compare
PRIOR = "standard"
KEPT = 8  # samples of every density that a report shows


def unconditional(asked: Asked) -> Section:
    """Draw 1,000 latents from each density, decode all modalities from each, and ask their oracles.

    `joint_coherence` is the share of samples of which the oracles of all modalities give the same class,
    `class_balance` the entropy of their answers over log C, `fid_joint` the Frechet distance to real test
    rows in the oracles' features, each a mean over modalities: of the Gaussian mixture over the training
    rows' latents, which every method can have. `joint_coherence_prior` is that of the method's own prior,
    where it has one. In the detail, besides: agreement of pairs of modalities, log p of the test rows'
    latents, and all densities that were fitted with the model.

    Nulls: the oracles on real rows that have all modalities (raw features: the ceiling), and the same samples
    with their rows permuted in every modality by itself (pairing shuffled), as if each had its own latent.

    Source: Shi et al. 2019 (joint coherence); Sutter et al. 2021 (random generation); Ghosh et al. 2020
        (ex-post density).
    """
    real = _real(asked)
    held, _ = generating.latents(asked.model, asked.test, asked.seed)
    found: dict[str, dict[str, Any]] = {}
    kept = {}
    for kind, density in _densities(asked).items():
        rows = _rows(asked, density)
        found[kind] = _judged(asked, rows, real)
        found[kind]["log_prob"] = mean(density.log_prob(held).numpy())
        found[kind]["settings"] = density.settings
        kept[kind] = {name: values[:KEPT] for name, values in rows.items()}
    asked.kept["samples"] = kept[DEFAULT]
    told = found[DEFAULT]
    summary = {"class_balance": told["class_balance"], "fid_joint": mean(told["fid"].values())}
    nulls: dict[str, dict[str, float]] = {}
    if len(asked.names) > 1:
        summary["joint_coherence"] = found[DEFAULT]["joint_coherence"]
        nulls["pairing shuffled"] = {"joint_coherence": found[DEFAULT]["shuffled"]}
        if PRIOR in found:
            summary["joint_coherence_prior"] = found[PRIOR]["joint_coherence"]
            nulls["pairing shuffled"]["joint_coherence_prior"] = found[PRIOR]["shuffled"]
        if real is not None:
            nulls["raw features"] = {"joint_coherence": agreeing(real, asked.on.oracles)}
    detail = {
        "names": list(asked.names),
        "samples": SAMPLES,
        "densities": found,
    }
    return Section({k: v for k, v in summary.items() if v == v}, detail, {}, nulls)


def _densities(asked: Asked) -> dict[str, Density]:
    """Return the mixture (fitted on the task's training rows unless it was), the prior, and all fitted."""
    found = dict(asked.estimator.densities_)
    if DEFAULT not in found:
        found[DEFAULT] = generating.fit(asked.model, asked.train, DEFAULT, seed=asked.seed)
    prior = generating.prior_of(asked.model)
    return found if prior is None else {**found, PRIOR: prior}


def _rows(asked: Asked, density: Density) -> dict[str, np.ndarray]:
    """Return samples in the data's units, name -> (n, *event); pictures are clamped to what one can be."""
    z = density.sample(SAMPLES, torch.Generator().manual_seed(asked.noise("samples").initial_seed()))
    streams = {name: asked.noise(f"samples/{name}") for name in asked.names}
    told = average_of(asked.estimator.preparation_)
    made = generating.decode(asked.model, z, streams, covariates=told)
    out = {}
    for name, values in made.items():
        top = top_of(asked, name)
        rows = asked.units(name, values)
        out[name] = rows if top is None else np.clip(rows, 0.0, top)
    return out


def _real(asked: Asked) -> dict[str, np.ndarray] | None:
    """Return the test rows that have all modalities, as oracles read them; None if there is none."""
    complete = np.logical_and.reduce(list(asked.there.values()))
    return {name: asked.on.features[1][name][complete] for name in asked.names} if complete.any() else None


def _judged(asked: Asked, rows: dict[str, np.ndarray], real: dict[str, np.ndarray] | None) -> dict[str, Any]:
    """Ask the oracles about samples, and measure how far from real rows they are."""
    oracles = asked.on.oracles
    generator = np.random.default_rng(asked.seed)
    apart = {name: values[generator.permutation(SAMPLES)] for name, values in rows.items()}
    names = asked.names
    pairs = np.eye(len(names))
    for i, one in enumerate(names):
        for j in range(i):
            pairs[i, j] = pairs[j, i] = agreeing({n: rows[n] for n in (one, names[j])}, oracles)
    balance = {name: _balance(oracles[name], rows[name]) for name in names}
    fid = {}
    for name in names:
        truth = asked.on.features[1][name][asked.there[name]]
        if len(truth) > 1:
            fid[name] = frechet(oracles[name].features(truth), oracles[name].features(rows[name]))
    return {
        "joint_coherence": agreeing(rows, oracles),
        "shuffled": agreeing(apart, oracles),
        "pairs": pairs.tolist(),
        "class_balance": mean(balance.values()),
        "balance": balance,
        "fid": fid,
        "fid_joint": mean(fid.values()),
    }


def _balance(oracle: Oracle, rows: np.ndarray) -> float:
    """Return the entropy of an oracle's answers, 1 where all classes come alike; a mean over several labels.

    Of several labels each has two answers, so the ceiling is that of its own shares, below 1.
    """
    answers = oracle.predict(rows)
    columns = answers.T if oracle.several else [answers]
    classes = 2 if oracle.several else len(oracle.classes)
    found = []
    for column in columns:
        share = np.unique(column, return_counts=True)[1] / len(column)
        found.append(float(np.abs((share * np.log(share)).sum()) / np.log(classes)))
    return mean(found)
