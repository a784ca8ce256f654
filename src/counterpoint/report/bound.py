"""The objective over beta below the vanilla autoencoder's, which bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counterpoint.report.figures import COLOURS, INK, MARKERS, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from counterpoint.report.records import Record

BOUNDED = ("mmvm", "independent")  # every modality is decoded from its own latent alone, as by `ae`


@dataclass(frozen=True)
class Bound:
    """What autoencoders reach, and what objectives reach below it, in nats a row; means over seeds.

    Args:
        top: Of the autoencoder: test rows, training rows.
        curves: Label of a method -> beta -> the same two of its objective.
    """

    top: tuple[float, float]
    curves: dict[str, dict[float, tuple[float, float]]]


def bound(records: Sequence[Record]) -> Bound | None:
    """Return the objective of every beta and the autoencoder's, or None if either was not measured.

        E = sum_m E_{q_m} log p(x_m|z_m) - beta R  <=  sum_m log p(x_m|e_m(x_m)),    at the optima of both

    e_m is the encoder of the vanilla autoencoder. On test rows from reconstruction and rate, one draw a row;
    on training rows minus the loss of the last epoch, a mean over its steps. Runs that weigh modalities
    differently, or whose beta is a schedule, are left out.

    Source: Sutter et al. 2024 (MMVM), Figure 5 and appendix A.1, eq. 3-5.
    """
    found = [r for r in records if _scored(r)]
    top = [r for r in found if r.method == "ae"]
    groups: dict[str, dict[float, list[Record]]] = {}
    for record in found:
        if record.method in BOUNDED:
            groups.setdefault(record.label, {}).setdefault(record.beta, []).append(record)
    curves = {
        label: {beta: _mean(group) for beta, group in sorted(over.items())}
        for label, over in groups.items()
        if len(over) > 1
    }
    return Bound(_mean(top), curves) if top and curves else None


def objective_over_beta(records: Sequence[Record]) -> Figure | None:
    """Show the objective over beta below the autoencoder's; None where `bound` has nothing."""
    found = bound(records)
    if found is None:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for said, at, line in (("test rows", 0, "-"), ("training rows", 1, ":")):
        axes.axhline(found.top[at], color=INK, linestyle=line, linewidth=1, label=f"autoencoder, {said}")
        for i, (name, curve) in enumerate(found.curves.items()):
            axes.plot(
                list(curve),
                [pair[at] for pair in curve.values()],
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)],
                linestyle=line,
                label=f"{plain(name)}, {said}",
            )
    axes.set_xscale("log", base=2)
    axes.set_xlabel("beta", color=INK)
    axes.set_ylabel("objective, nats a row (more is better)", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.set_label(f"Objective over beta of {', '.join(found.curves)}, and the autoencoder's.")
    return figure


def _scored(record: Record) -> bool:
    """Return whether both numbers of a run can be read off what was kept, in the same nats."""
    same = record.config.get("weights") is None and isinstance(record.config["beta"], (int, float))
    there = {"reconstruction", "rate"} <= record.summary.keys() and record.history
    return bool(same and not record.control and there and "train/total" in record.history[-1])


def _mean(records: Sequence[Record]) -> tuple[float, float]:
    test = [-r.summary["reconstruction"] - r.beta * r.summary["rate"] for r in records]
    return sum(test) / len(test), -sum(r.history[-1]["train/total"] for r in records) / len(records)
