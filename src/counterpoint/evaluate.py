"""The first evaluation: what the latents know, what translations keep, what reconstruction and rate cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.errors import InputError, choose
from counterpoint.estimator import Counterpoint
from counterpoint.evaluation import checks
from counterpoint.evaluation.coherence import CoherenceTable, Oracle, coherence, train_oracles
from counterpoint.evaluation.probes import ProbeResult, probe_modalities


@dataclass(frozen=True)
class Task:
    """Data split into training and test rows, with labels, and all that does not depend on the model.

    Made once by `task`, used for every model that is compared.

    Args:
        train: Training rows.
        test: Test rows.
        train_y: (N,) labels.
        test_y: (N',) labels.
        oracles: Per modality a classifier trained on the real training rows, with its accuracy on the real
            test rows.
        raw: Per modality the linear probe on the raw features.
        probe_size: Training rows of every probe, at most; None for all.
    """

    train: MultimodalData
    test: MultimodalData
    train_y: np.ndarray
    test_y: np.ndarray
    oracles: Mapping[str, Oracle]
    raw: Mapping[str, ProbeResult]
    probe_size: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """One model on one task.

    Args:
        probe: Per modality the linear probe on posterior means.
        raw: The same on raw features.
        coherence: Accuracy of every translation under the target's oracle.
        terms: Per modality reconstruction and rate, in nats; see `Questions.score_terms`.
        seconds: Of training, if known.
    """

    probe: Mapping[str, ProbeResult]
    raw: Mapping[str, ProbeResult]
    coherence: CoherenceTable
    terms: Mapping[str, Mapping[str, float]]
    seconds: float | None = None
    summary: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        per_modality = [t for t in self.terms.values() if "given_all" in t]
        summary = {
            "accuracy": _mean([p.accuracy for p in self.probe.values()]),
            "raw": _mean([p.accuracy for p in self.raw.values()]),
            "chance": _mean([p.chance for p in self.probe.values()]),
            "coherence": self.coherence.off_diagonal,
            "coherence_full": self.coherence.full,
            "reconstruction": sum(t["given_all"] for t in per_modality),
            "self_reconstruction": sum(t["given_itself"] for t in per_modality),
            "rate": sum(t.get("rate", 0.0) for t in self.terms.values()),
        }
        if self.seconds is not None:
            summary["seconds"] = self.seconds
        object.__setattr__(self, "summary", summary)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""
        return {
            "summary": self.summary,
            "probe": {k: vars(p) for k, p in self.probe.items()},
            "raw": {k: vars(p) for k, p in self.raw.items()},
            "coherence": {
                "names": list(self.coherence.names),
                "matrix": self.coherence.matrix.tolist(),
                "oracle": self.coherence.oracle,
            },
            "terms": {k: dict(v) for k, v in self.terms.items()},
        }


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def task(
    train: Any, test: Any, label: str | None = None, *, seed: int = 0, probe_size: int | None = None
) -> Task:
    """Prepare a task: labels, probes on raw features, oracles trained on real data.

    Args:
        train: Training rows with labels.
        test: Test rows with the same modalities and labels.
        label: Which label; needed if there are several.
        seed: Of the oracles.
        probe_size: Training rows of every probe, at most; all unless given.

    Raises:
        InputError: If there is no such label, or the rows do not fit.
    """
    train, test = read(train), read(test)
    key = label_of(train, label)
    if key not in test.labels:
        raise InputError(
            f"the test rows have no label {key!r}; they have {', '.join(test.labels) or 'none'}."
        )
    train_y = checks.labels(f"label {key!r} of the training rows", train.labels[key])
    test_y = checks.labels(f"label {key!r} of the test rows", test.labels[key])
    checks.classes(f"label {key!r} of the training rows", train_y)
    kinds = {n: "normal" if c is None else "categorical" for n, c in train.categories.items()}
    prepared = Preparation.fit(train, kinds, constant="keep")
    x, held = features(prepared, train), features(prepared, test)
    present, there = train.present(), test.present()
    oracles = train_oracles(x, train_y, held, test_y, train_present=present, test_present=there, seed=seed)
    seen = {"train_present": present, "test_present": there}
    raw = probe_modalities(x, train_y, held, test_y, **seen, size=probe_size, seed=seed)
    return Task(train, test, train_y, test_y, oracles, raw, probe_size)


def label_of(data: MultimodalData, label: str | None) -> str:
    """Return the name of the label to use.

    Raises:
        InputError: If the data have none, or several and none was named.
    """
    if not data.labels:
        raise InputError(
            "the data have no labels; pass labels={'name': array}, or keep a 1-D array beside the modalities."
        )
    if label is None:
        if len(data.labels) > 1:
            raise InputError(
                f"the data have several labels ({', '.join(data.labels)}); say which with label=NAME."
            )
        return next(iter(data.labels))
    return choose("label", label, data.labels)


def features(prepared: Preparation, data: MultimodalData) -> dict[str, np.ndarray]:
    """Return real data as probes and oracles read them: own units, holes at the mean, categories one-hot."""
    x, mask = prepared.apply(data)
    out = {}
    for name, values in x.items():
        one = prepared[name]
        if one.n_categories is not None:
            hot = values[..., None] == np.arange(one.n_categories)
            seen = mask[name].reshape(*mask[name].shape, *[1] * (hot.ndim - mask[name].ndim))
            out[name] = (hot & seen).astype(np.float32)
        else:
            out[name] = prepared.inverse(name, values)
    return out


def evaluate(estimator: Counterpoint, on: Task, *, seed: int = 0, seconds: float | None = None) -> Evaluation:
    """Evaluate a fitted estimator.

    Probes are logistic regressions on posterior means of each modality alone; coherence translates from each
    modality alone, with one latent draw a row, and asks the target's oracle; reconstruction takes one draw,
    given all and given itself.

    Args:
        estimator: Fitted on the training rows of the task.
        on: The task.
        seed: Of draws and probes.
        seconds: Training time, to be shown along.

    Raises:
        InputError: If the estimator was fitted on other modalities.

    Source: Sutter et al. 2024 (MMVM), section 5: unimodal latent classification, coherence, reconstruction.
    """
    names = estimator.modalities_
    known, asked = estimator.embed_each(on.train), estimator.embed_each(on.test)
    seen = {"train_present": on.train.present(), "test_present": on.test.present()}
    probe = probe_modalities(known, on.train_y, asked, on.test_y, **seen, size=on.probe_size, seed=seed)

    def translate(source: str, target: str) -> np.ndarray:
        return estimator.translate(on.test, source, target, draws=1, seed=seed)

    table = coherence(translate, on.oracles, on.test_y, names, on.test.present())
    return Evaluation(probe, on.raw, table, estimator.score_terms(on.test, seed=seed), seconds)
