"""What of a run tells of single rows: left out where it is given away, or refused where it cannot be."""

from collections.abc import Mapping
from typing import Any

from counterpoint.densities import unpack
from counterpoint.errors import InputError
from counterpoint.manifest import EXHIBITS, SCORES

KNOWN = ("task", "summary", "interval", "nulls", "sections", "split", "control", "tuning", "published")
PER_COMPONENT = 10  # rows, at least, that a component of a density stands for
LONG = 100  # a list as long as there are rows is a list of rows, from this length on


def check_card(about: dict[str, Any]) -> None:
    """Refuse categories that nearly every row has one of its own of: they are names of rows."""
    prepared, training = about["preparation"], about["training"]
    rows = training["rows"]
    told = {one["name"]: one["categories"] for one in prepared["modalities"]}
    told |= {f"covariate {one['name']}": one["categories"] for one in prepared.get("covariates") or []}
    told["the target"] = training.get("classes")
    for name, categories in told.items():
        if categories and 2 * len(categories) > rows:
            raise InputError(
                f"{name!r} has {len(categories)} categories in {rows} rows, and data_card.json lists them: "
                "they are nearly names of rows. Leave that modality out, or pass include_rows=True if you "
                "may give them away."
            )


def without_rows(scores: Mapping[str, Any], trained: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return scores with what is known to tell of no single row, and what was left out."""
    from counterpoint.measures.listed import MEASURES  # they know the estimator, which knows this

    kept = {k: v for k, v in scores.items() if k in KNOWN}
    withheld = {f"scores.json: {k}": "not one of the measures" for k in scores if k not in KNOWN}
    if isinstance(sections := kept.get("sections"), dict):
        kept["sections"] = {k: v for k, v in sections.items() if k in MEASURES}
        withheld |= {f"scores.json: {k}": "not one of the measures" for k in sections if k not in MEASURES}
    task = kept.get("task") if isinstance(kept.get("task"), dict) else {}
    rows = {trained, *((task or {}).get(k) for k in ("train_rows", "test_rows"))}
    waiting: list[tuple[str, Any]] = [("scores", kept)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, list) and len(value) >= LONG and len(value) in rows:
            raise InputError(
                f"{SCORES} holds a list as long as there are rows ({len(value)}, at {where}); take it out, "
                "or pass include_rows=True if you may give it away."
            )
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        waiting += [(f"{where}/{k}", v) for k, v in inner]
    return kept, withheld


def tells_of_rows(name: str, content: bytes, rows: int) -> str:
    """Return why a file tells of single rows, or nothing if it does not."""
    if name == EXHIBITS:
        return "it holds embeddings of single rows, and some real rows with their translations"
    components = unpack(content, name).settings.get("components")
    if isinstance(components, int) and components * PER_COMPONENT > rows:
        return f"its {components} components stand for fewer than {PER_COMPONENT} of {rows} rows each"
    return ""
