"""The model card of a run that is given away: what it is for, what it was made of, what it reaches."""

import html
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from counterpoint.methods import METHODS

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint


@dataclass(frozen=True)
class Said:
    """What only whoever gives a run away can say of it.

    Args:
        repo_id: Where it goes, `OWNER/NAME`.
        license: Of the weights, as the Hub spells it, such as `"cc-by-4.0"`; left out unless given.
        dataset: What the rows are, in a few words.
        about: A paragraph for the card.
        withheld: File or part -> why it is not given away.
        rows: Whether embeddings of rows are given away with it.
    """

    repo_id: str
    license: str | None = None
    dataset: str | None = None
    about: str | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)
    rows: bool = False


def card(estimator: "Counterpoint", scores: Mapping[str, Any], said: Said) -> str:
    """Return the README.md of a run on the Hub: YAML for machines, then text.

    Args:
        estimator: Fitted.
        scores: What evaluations kept, as `scores.json` holds it.
        said: What only its owner knows.

    Example:
        >>> import numpy as np
        >>> from counterpoint import Counterpoint
        >>> x = np.random.default_rng(0).normal(size=(40, 3))
        >>> m = Counterpoint(latent_dim=2, epochs=1).fit({"a": x, "b": x @ x[:3]})
        >>> card(m, {}, Said("lab/model", license="cc-by-4.0")).splitlines()[1:3]
        ['library_name: counterpoint', 'license: cc-by-4.0']
    """
    head = yaml.safe_dump(metadata(estimator, scores, said), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{head}---",
        f"# {_text(said.repo_id)}",
        *([_text(said.about)] if said.about else []),
        _use(estimator),
        _data(estimator, said),
        _measured(scores),
        _limits(estimator, scores),
        _load(estimator, said),
    ]
    return "\n\n".join(parts) + "\n"


def metadata(estimator: "Counterpoint", scores: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """Return what the Hub reads of a card, the headline numbers as its `model-index` among it."""
    found: dict[str, Any] = {"library_name": "counterpoint"}
    if said.license is not None:
        found["license"] = said.license
    found["tags"] = [
        "counterpoint",
        "multimodal",
        "variational-autoencoder",
        "missing-data",
        estimator.method,
    ]
    metrics = [
        {"type": name, "name": name.replace("_", " "), "value": float(value)}
        for name, value in scores.get("summary", {}).items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
    if metrics:
        task = {"type": "feature-extraction", "name": "multimodal representation"}
        dataset = {"type": "private", "name": said.dataset or "held-out rows of the training data"}
        results = [{"task": task, "dataset": dataset, "metrics": metrics}]
        found["model-index"] = [{"name": said.repo_id.rpartition("/")[2], "results": results}]
    return found


def _use(estimator: "Counterpoint") -> str:
    """Say what the model is for, and what not."""
    target = f", and tells `{_text(estimator.target)}`" if estimator.target else ""
    return (
        "## Intended use\n\n"
        f"A multimodal variational autoencoder (`{estimator.method}`, {estimator.latent_dim} latent "
        "dimensions). It embeds rows of the modalities below, any of which may be missing, translates one "
        f"modality into another, and imputes what is missing with its spread{target}. It is for research on "
        "data that were measured as the training data were. What it imputes is an estimate and no "
        "measurement; decisions on single persons are not what it was made or evaluated for."
    )


def _data(estimator: "Counterpoint", said: Said) -> str:
    """Tell what the data card tells, and what was kept back."""
    summary, prepared = estimator.data_summary_, estimator.preparation_
    lines = ["## Training data", "", _text(said.dataset) + "." if said.dataset else "Not named by its owner."]
    lines += [f"{summary['rows']} rows, of which a share of {summary['validation']} chose the epoch.", ""]
    lines += ["| modality | shape | likelihood | looked like | rows that have it |", "|" + " --- |" * 5]
    for name in prepared.names:
        one = prepared[name]
        shape = " x ".join(str(s) for s in one.event)
        cells = (name, shape, one.likelihood, one.looks_like, summary["present"][name])
        lines.append(f"| {' | '.join(_text(cell) for cell in cells)} |")
    if prepared.covariates is not None:
        told = (f"{_text(one.name)} ({len(one.categories)})" for one in prepared.covariates.each)
        lines += ["", f"Covariates that encoders and decoders are told: {', '.join(told)}."]
    kept = "\n".join(f"- {_text(name)}: {_text(why)}" for name, why in said.withheld.items())
    rows = "embeddings of single rows, and real rows with their translations, as its owner asked for"
    lines += ["", f"This repository holds {rows if said.rows else 'no rows of the data and no embeddings'}."]
    lines += ["Not given away:", "", kept] if kept else []
    lines += [
        "",
        "`data_card.json` holds what the model needs to read further rows: names of modalities, columns and "
        "categories, means and standard deviations, smallest and largest values.",
    ]
    return "\n".join(lines)


def _measured(scores: Mapping[str, Any]) -> str:
    """Put the headline numbers beside chance and the other nulls."""
    summary, nulls = scores.get("summary", {}), scores.get("nulls", {})
    if not summary:
        return "## Evaluation\n\nNot evaluated."
    lines = ["## Evaluation", ""]
    if task := scores.get("task"):
        lines += [
            f"On {task.get('test_rows')} rows that no fit saw; label: {_text(task.get('label'))}, "
            f"{len(task.get('classes') or [])} classes. Columns beside the value are what something reaches "
            "that knows nothing, or one thing alone.",
            "",
        ]
    lines += [f"| measure | value | 95 % interval | {' | '.join(_text(n) for n in nulls)} |"]
    lines += ["|" + " --- |" * (3 + len(nulls))]
    for name, value in summary.items():
        low, high = scores.get("interval", {}).get(name, (None, None))
        beside = [_number(values.get(name)) for values in nulls.values()]
        around = "" if low is None else f"{_number(low)} to {_number(high)}"
        lines.append(f"| {' | '.join([_text(name), _number(value), around, *beside])} |")
    if scores.get("control"):
        lines += ["", f"This run is a control: {_text(scores['control'])}."]
    return "\n".join(lines)


def _limits(estimator: "Counterpoint", scores: Mapping[str, Any]) -> str:
    """Say what is known not to work, and what nobody looked at."""
    lines = [
        "## Limits",
        "",
        "- One fit, one seed, one data set: how far it carries to other instruments, sites or people was not "
        "measured here.",
        "- Weights can remember rows. No privacy was guaranteed in training; whoever must not see the data "
        "should not get the weights.",
    ]
    chance = scores.get("nulls", {}).get("chance", {})
    for name, value in scores.get("summary", {}).items():
        if name in chance and isinstance(value, (int, float)) and not value > chance[name]:
            lines.append(f"- {_text(name)} is not above chance ({_number(value)}, {_number(chance[name])}).")
    r2 = scores.get("summary", {}).get("imputation_r2")
    if isinstance(r2, (int, float)) and r2 <= 0:
        lines.append(f"- Imputation is no better than the column means (R2 {_number(r2)}).")
    if not scores.get("summary"):
        lines.append("- No number here says how good it is: it was not evaluated.")
    return "\n".join(lines)


def _load(estimator: "Counterpoint", said: Said) -> str:
    """Say how to load and how to cite."""
    paper = sys.modules[METHODS[estimator.method].__module__].PAPER  # type: ignore[attr-defined]
    return (
        "## How to load\n\n```python\nfrom counterpoint import Counterpoint\n\n"
        f'model = Counterpoint.from_pretrained("{said.repo_id}")\nz = model.transform(data)\n```\n\n'
        "Every file is checked against the hashes in `manifest.json`; there is no pickle and no code among "
        f"them.\n\n## How to cite\n\n```bibtex\n{paper.bibtex()}\n```"
    )


def _text(value: object) -> str:
    """Return text as a card can show it: no markup of its own, one line."""
    return html.escape(" ".join(str(value).split()), quote=False).replace("|", "\\|")


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
