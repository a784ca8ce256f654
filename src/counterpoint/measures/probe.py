"""Probes: what a logistic regression reads from each modality's own latent, and from the joint one."""

import numpy as np

from counterpoint import inference
from counterpoint.evaluation.probes import ProbeResult, linear_probe, probe_modalities
from counterpoint.evaluation.shuffles import shuffled_labels
from counterpoint.measures import linear
from counterpoint.measures.asked import Asked, Section, mean

PERMUTATIONS = 5  # of the labels: a probe of one gets whole classes right or wrong by chance
MEASURED = ("accuracy", "auroc", "average_precision", "chance", "n_train", "n_test", "converged")


def probe(asked: Asked) -> Section:
    """Probe the posterior means of every modality alone, and of the joint posterior.

    Headlines are means over modalities. Beside them: always the most frequent class; the same probe on raw
    features, on the linear baseline's latents, and on shuffled training labels.

    Source: Sutter et al. 2024, section 5 (unimodal latent classification by logistic regression).
    """
    on, seed = asked.on, asked.seed
    seen = {"train_present": on.train.present(), "test_present": on.test.present()}
    kind = {**seen, "size": on.probe_size, "seed": seed}
    found = probe_modalities(asked.known, on.train_y, asked.held, on.test_y, **kind)
    z, held = (inference.joint_mean(asked.model, b).double().cpu().numpy() for b in (asked.train, asked.test))
    joint = linear_probe(z, on.train_y, held, on.test_y, size=on.probe_size, seed=seed)
    permuted = [shuffled_labels(on.train_y, seed + i) for i in range(PERMUTATIONS)]
    each = [probe_modalities(asked.known, y, asked.held, on.test_y, **kind) for y in permuted]

    def over(results: dict[str, ProbeResult], key: str) -> float:
        return mean(getattr(r, key) for r in results.values())

    shuffled = [over(results, "accuracy") for results in each]
    summary = {key: over(found, key) for key in ("accuracy", "auroc", "average_precision", "chance")}
    summary |= {"accuracy_joint": joint.accuracy, "raw": mean(r.accuracy for r in on.raw.values())}
    detail = {
        "modalities": {name: told(r) for name, r in found.items()},
        "joint": told(joint),
        "raw": {name: told(r) for name, r in on.raw.items()},
    }
    nulls = {
        "chance": {"accuracy": summary["chance"], "accuracy_joint": joint.chance},
        "raw features": {"accuracy": summary["raw"]},
        linear.NAME: {"accuracy": linear.linear(on, asked.estimator.latent_dim).accuracy},
        "labels shuffled": {"accuracy": mean(shuffled), "accuracy_sd": float(np.std(shuffled, ddof=1))},
    }
    return Section(summary, detail, {"accuracy": _rows(asked, found), "accuracy_joint": joint.hits}, nulls)


def told(result: ProbeResult) -> dict[str, object]:
    """Return a probe's numbers as JSON holds them."""
    return {key: getattr(result, key) for key in MEASURED}


def _rows(asked: Asked, found: dict[str, ProbeResult]) -> np.ndarray:
    """Return the share of a test row's modalities that are right, (N',); NaN where it has none."""
    hits = np.full((len(found), len(asked.on.test)), np.nan)
    for m, (name, result) in enumerate(found.items()):
        if len(result.hits):
            hits[m, asked.there[name]] = result.hits
    known = np.isfinite(hits)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, hits, 0).sum(0) / np.maximum(count, 1), np.nan)
