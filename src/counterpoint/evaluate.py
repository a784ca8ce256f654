"""Evaluation of a fitted model: every measure of the papers' protocol, beside what knows nothing."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.errors import choose
from counterpoint.estimator import Counterpoint
from counterpoint.evaluation.spread import bootstrap_interval
from counterpoint.measures.asked import Asked, Section
from counterpoint.measures.exhibits import exhibits
from counterpoint.measures.listed import MEASURES, PAPER
from counterpoint.protocol import Task, features, label_of, task

__all__ = ["Evaluation", "Task", "evaluate", "features", "label_of", "task"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on one task.

    Args:
        sections: Measure -> what it found.
        task: Rows, label and classes, as `Task.to_dict` tells them.
        interval: Headline -> 95 % bootstrap interval over test rows, where it is a mean over rows.
        seconds: Of training, if known.
        exhibits: Arrays for a report, see `measures.exhibits`; empty unless they were asked for.
        took: Measure -> seconds.
    """

    sections: Mapping[str, Section]
    task: Mapping[str, Any]
    interval: Mapping[str, tuple[float, float]]
    seconds: float | None = None
    exhibits: Mapping[str, torch.Tensor] = field(default_factory=dict)
    took: Mapping[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, float]:
        """The headline numbers of all measures."""
        found = {k: v for section in self.sections.values() for k, v in section.summary.items()}
        return found if self.seconds is None else {**found, "seconds": self.seconds}

    @property
    def nulls(self) -> dict[str, dict[str, float]]:
        """Name of a null -> its headline numbers."""
        out: dict[str, dict[str, float]] = {}
        for section in self.sections.values():
            for name, values in section.nulls.items():
                out.setdefault(name, {}).update(values)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return as JSON holds it all that model and task decide: neither the exhibits nor times."""
        return {
            "task": dict(self.task),
            "summary": {k: v for k, v in self.summary.items() if k != "seconds"},
            "interval": {k: list(v) for k, v in self.interval.items()},
            "nulls": self.nulls,
            "sections": {name: section.detail for name, section in self.sections.items()},
        }


def evaluate(
    estimator: Counterpoint,
    on: Task,
    *,
    measures: Sequence[str] | str = PAPER,
    seed: int = 0,
    seconds: float | None = None,
    show: bool = False,
    inception: str | Path | None = None,
) -> Evaluation:
    """Evaluate a fitted estimator.

    Probes are logistic regressions on posterior means; coherence translates with one latent draw a row and
    asks the target's oracle; reconstruction takes one draw, given all and given itself. The other measures
    are told in their modules in `counterpoint.measures`.

    Args:
        estimator: Fitted on the training rows of the task.
        on: The task.
        measures: Names in `MEASURES`, or `"all"`; the papers' own unless given.
        seed: Of draws, probes and controls.
        seconds: Training time, to be shown along.
        inception: Weights for Frechet distances of pictures, a .safetensors file: see `evaluation.inception`.
        show: Keep exhibits for a report: an embedding plane and translations of a few rows.

    Raises:
        InputError: If the estimator was fitted on other modalities, or a measure is unknown.

    Source: Sutter et al. 2024 (MMVM), section 5: unimodal latent classification, coherence, reconstruction.
    """
    estimator._fitted_model()
    wanted = list(MEASURES) if measures == "all" else [measures] if isinstance(measures, str) else measures
    for name in wanted:
        choose("measure", name, MEASURES)
    asked = Asked(estimator, on, seed, inception=inception)
    sections, took = {}, {}
    for name in dict.fromkeys(wanted):
        started = time.perf_counter()
        sections[name] = MEASURES[name](asked)
        took[name] = time.perf_counter() - started
    interval = {}
    for section in sections.values():
        for key, rows in section.rows.items():
            known = rows[~np.isnan(rows)]
            if key in section.summary and len(known) > 1:
                interval[key] = bootstrap_interval(known, seed)
    shown: Mapping[str, torch.Tensor] = {}
    if show:
        agreement = sections["agreement"].rows.get("divergence") if "agreement" in sections else None
        shown = exhibits(asked, agreement)
    found = {k: v for k, v in interval.items() if all(map(math.isfinite, v))}
    return Evaluation(sections, on.to_dict(), found, seconds, shown, took)
