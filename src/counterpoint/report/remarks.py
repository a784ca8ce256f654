"""Remarks in words, with a light each: what a reader should know before the numbers.

A rule is a function of a record that returns remarks; its thresholds stand at its top. `good` is green,
`fair` amber, `poor` red: each also says so in a word, for those who cannot tell the colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from counterpoint.report.records import Record

WORDS = {"good": "good", "fair": "look", "poor": "problem"}


class Remark(NamedTuple):
    """A sentence with its light.

    Example:
        >>> Remark("poor", "nothing was learned").word
        'problem'
    """

    light: str
    text: str

    @property
    def word(self) -> str:
        """The light in a word."""
        return WORDS[self.light]


def remarks(record: Record) -> list[Remark]:
    """Return every rule's remarks, the worst first."""
    found = [remark for rule in RULES for remark in rule(record)]
    return sorted(found, key=lambda remark: ["poor", "fair", "good"].index(remark.light))


def probes(record: Record) -> Iterator[Remark]:
    """The latent against raw features and chance; a margin of two standard errors counts as a difference."""
    probe = record.sections.get("probe")
    if not probe:
        return
    lost, kept, blind = [], [], []
    for name, found in probe["modalities"].items():
        accuracy, raw, chance = found["accuracy"], probe["raw"][name]["accuracy"], found["chance"]
        if accuracy != accuracy:
            continue
        margin = 2 * sqrt(max(accuracy * (1 - accuracy), 1e-4) / max(found["n_test"], 1))
        if accuracy <= chance + margin:
            blind.append(f"{name} {accuracy:.3f} (raw features {raw:.3f})")
        elif accuracy < raw - margin:
            lost.append(f"{name} {accuracy:.3f} against {raw:.3f}")
        else:
            kept.append(name)
    if blind:
        level = next(iter(probe["modalities"].values()))["chance"]
        said = "the latent tells the label no better than chance"
        yield Remark("poor", f"{said} ({level:.3f}): {', '.join(blind)}.")
    if lost:
        yield Remark(
            "fair", f"a probe reads less from the latent than from the raw features: {', '.join(lost)}."
        )
    if kept:
        yield Remark(
            "good",
            f"the latent tells the label as well as the raw features do, or better: {', '.join(kept)}.",
        )


def translations(record: Record) -> Iterator[Remark]:
    """Coherence between chance and the oracles' own accuracy; below a tenth of the way is chance."""
    summary, nulls = record.summary, record.scores.get("nulls", {})
    value, chance = summary.get("coherence"), nulls.get("chance", {}).get("coherence")
    ceiling = nulls.get("raw features", {}).get("coherence")
    if value is None or chance is None or ceiling is None or value != value:
        return
    way = (value - chance) / max(ceiling - chance, 1e-9)
    said = f"translations show the right label in {value:.1%} of the rows"
    said += f" (chance {chance:.1%}, real rows {ceiling:.1%})"
    light = "poor" if way < 0.1 else "fair" if way < 0.6 else "good"
    yield Remark(light, f"{said}{': they carry next to nothing' if light == 'poor' else ''}.")
    linear = nulls.get("linear (PLS)", {}).get("coherence", float("nan"))
    if linear > value:
        yield Remark(
            "fair",
            f"linear translations (least squares) are more coherent: {linear:.3f} against {value:.3f}.",
        )


def oracles(record: Record) -> Iterator[Remark]:
    """An oracle that is right in less than 0.7 of the rows is no judge."""
    told = record.sections.get("coherence", {}).get("oracle", {})
    weak = [f"{name} {accuracy:.2f}" for name, accuracy in told.items() if accuracy < 0.7]
    if weak:
        said = f"the classifier that judges translations is weak itself on real rows: {', '.join(weak)}"
        yield Remark("fair", f"{said}; read coherence into these against that.")


def collapse(record: Record) -> Iterator[Remark]:
    """Collapsed dimensions: none is good, half of a modality's or more is a problem."""
    told = record.sections.get("collapse", {}).get("modalities", {})
    for name, found in told.items():
        count, dimensions = found["collapsed"], found["dimensions"]
        if count:
            light = "poor" if count >= dimensions / 2 else "fair"
            yield Remark(light, f"the {name} posterior has collapsed in {count} of {dimensions} dimensions.")
    if told and not any(found["collapsed"] for found in told.values()):
        yield Remark("good", "no dimension of any posterior has collapsed.")


def intervals(record: Record) -> Iterator[Remark]:
    """Coverage within 5 points of its level is good, more than 10 below it a problem."""
    cells = record.sections.get("imputation", {}).get("cells", [])
    most = max((len(cell["given"]) for cell in cells), default=0)
    told = [c for c in cells if len(c["given"]) == most and c["coverage"] == c["coverage"]]
    if not told:
        return
    level = told[0]["level"]
    for light, how, odd in (
        ("poor", "far too narrow", [c for c in told if c["coverage"] < level - 0.1]),
        ("fair", "too narrow", [c for c in told if level - 0.1 <= c["coverage"] < level - 0.05]),
        ("fair", "too wide", [c for c in told if c["coverage"] > level + 0.05]),
    ):
        if odd:
            held = ", ".join(f"{c['target']} {c['coverage']:.1%}" for c in odd)
            yield Remark(light, f"{level:.0%} intervals of imputed values are {how}: they hold {held}.")
    if all(abs(c["coverage"] - level) <= 0.05 for c in told):
        yield Remark("good", f"{level:.0%} intervals of imputed values hold what they promise.")


def imputation(record: Record) -> Iterator[Remark]:
    """Imputation no better than the column means is a problem."""
    cells = record.sections.get("imputation", {}).get("cells", [])
    most = max((len(cell["given"]) for cell in cells), default=0)
    bad = [f"{c['target']} (R² {c['r2']:.2f})" for c in cells if len(c["given"]) == most and c["r2"] <= 0]
    if bad:
        yield Remark(
            "poor", f"imputed from all the others, no better than the column means: {', '.join(bad)}."
        )


def pairing(record: Record) -> Iterator[Remark]:
    """Does disagreement find mispaired rows? 0.9 is good, below 0.6 it does not."""
    value = record.summary.get("agreement")
    if value is None or value != value:
        return
    light = "good" if value >= 0.9 else "fair" if value >= 0.6 else "poor"
    yield Remark(
        light, f"rows of which one modality was exchanged are found by disagreement with AUROC {value:.3f}."
    )


def leaks(record: Record) -> Iterator[Remark]:
    """Shuffled labels must be at chance: within three standard deviations over permutations and rows."""
    nulls = record.scores.get("nulls", {})
    shuffled, chance = (nulls.get(name, {}).get("accuracy") for name in ("labels shuffled", "chance"))
    rows = record.scores.get("task", {}).get("test_rows")
    if shuffled is None or chance is None or not rows:
        return
    spread = nulls["labels shuffled"].get("accuracy_sd", 0.0)
    if shuffled > chance + 3 * sqrt(max(chance * (1 - chance), 1e-4) / rows + spread**2):
        said = f"with shuffled labels the probe reaches {shuffled:.3f}, above chance ({chance:.3f})"
        yield Remark("poor", f"{said}: test rows leak into training.")


def precision(record: Record) -> Iterator[Remark]:
    """An interval wider than a tenth says that there are few test rows."""
    low, high = record.scores.get("interval", {}).get("accuracy", (0.0, 0.0))
    if high - low > 0.1:
        rows = record.scores["task"]["test_rows"]
        yield Remark("fair", f"{rows} test rows leave the probe's accuracy between {low:.3f} and {high:.3f}.")


def training(record: Record) -> Iterator[Remark]:
    """Did it end by itself? A best epoch in the last twentieth, or a gap of 15 % to training, is told."""
    held = [row["validation/total"] for row in record.history if "validation/total" in row]
    epochs, asked = len(record.history), record.config.get("epochs")
    best = record.card.get("training", {}).get("best_epoch")
    if len(held) >= 10 and asked == epochs and best and best > 0.95 * epochs:
        yield Remark(
            "fair", f"training stopped at its limit of {epochs} epochs while validation still improved."
        )
    if len(held) >= 10 and record.history:
        last = record.history[best - 1] if best else record.history[-1]
        gap = last["validation/total"] - last["train/total"]
        if gap > 0.15 * abs(last["train/total"]):
            two = f"{last['validation/total']:.1f} against {last['train/total']:.1f}"
            yield Remark("fair", f"validation loss is {gap:.1f} nats above training ({two}): it overfits.")


def unscored(record: Record) -> Iterator[Remark]:
    """A run without an evaluation."""
    if not record.sections:
        yield Remark("fair", f"{record.name} was not evaluated: counterpoint evaluate {record.name} DATA.")


RULES = (
    unscored,
    leaks,
    probes,
    translations,
    oracles,
    collapse,
    imputation,
    intervals,
    pairing,
    precision,
    training,
)
