"""What the verbs show of sessions: trials by condition, and what is decoded across them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import names, say_next

if TYPE_CHECKING:
    from counterpoint.data import MultimodalData

MOST_CLASSES = 8  # whose trials are counted one by one


def show_sessions(
    data: Sequence[str], found: "MultimodalData", how: Mapping[str, Any], modalities: str | None
) -> None:
    """Print what is in sessions, and how they would be modelled.

    Args:
        data: Their files.
        found: Their rows.
        how: As `sources.pairing` returns it.
        modalities: Only these sessions, with commas.
    """
    import numpy as np

    from counterpoint.commands.train import fit
    from counterpoint.data import infer
    from counterpoint.data.session_files import load_sessions
    from counterpoint.estimator import Counterpoint
    from counterpoint.forecast import of_defaults
    from counterpoint.parsing import as_typed
    from counterpoint.report.screen import show_table

    label, only = how["pair_on"], names(modalities)
    sessions = load_sessions(list(data) if len(data) > 1 else data[0])
    sessions = {name: one for name, one in sessions.items() if only is None or name in only}
    on: dict[str, list[str]] = {}
    for name in sessions:  # as they were read: a row a trial, or a block of rows
        trial = found.labels[f"trial of {name}"]
        first = np.unique(trial, return_index=True)[1]
        on[name] = [str(c) for c in found.labels[label][first[trial[first] >= 0]].tolist()]
    classes = list(dict.fromkeys(str(c) for c in found.labels[label].tolist()))
    few = len(classes) <= MOST_CLASSES
    bins = 1 if found.blocks is None else int(np.bincount(found.blocks).max())
    print(
        f"{len(sessions)} sessions as {len(found.names)} modalities · {sum(map(len, on.values()))} trials · "
        f"{len(classes)} conditions of {label}"
    )
    cells = [["session", "trials", "time", "neurons", f"{label} {'/'.join(classes) if few else ''}".strip(),
              "looks like", "likelihood"]]  # fmt: skip
    for name, one in sessions.items():
        counts = [on[name].count(c) for c in classes]
        said = "/".join(map(str, counts)) if few else f"{min(counts)} to {max(counts)} each"
        time = "" if one.values.ndim < 3 else str(one.values.shape[1])
        kind = infer(found.x[name], found.mask[name], found.categories[name])
        looks = "whole numbers: counts" if one.counts else kind.looks_like
        word = found.likelihoods[name] or kind.likelihood
        cells.append([name, str(len(one.values)), time, str(one.values.shape[-1]), said, looks, word])
    show_table(cells)
    print(_rows(found, how, bins))
    print(f"pairs      across sessions with the same {label}, anew in every epoch; unequal trials are fine")
    print("split      training, validation and test rows are parted by whole trials (no window leaks)")
    print(f"a fit      {as_typed(of_defaults(Counterpoint(), found), fit)}")
    say_next("fit", *data, modalities=modalities, **how, test=0.25)


def _rows(found: "MultimodalData", how: Mapping[str, Any], bins: int) -> str:
    """Say what a row is."""
    row = "a trial" if "bin" not in how else f"a bin of {how['bin']}"
    cut = f", {how['window']} of it" if "window" in how and "bin" not in how else ""
    within = f", {bins} a trial" if "bin" in how else ""
    within += f" in {how['window']}" if "bin" in how and "window" in how else ""
    at = (
        ""
        if "bin" not in how
        else ", paired at " + ("any" if how.get("aligned") == "false" else "the same") + " time"
    )
    return f"rows       {len(found)}, {row}{cut}{within}{at}"


def decoding_cells(told: Mapping[str, Any], control: Mapping[str, Any] | None = None) -> list[list[str]]:
    """Return the `sessions` section of an evaluation as a table: means ± sd over sessions.

    Args:
        told: The section.
        control: That of a model trained on shuffled pairs.

    Example:
        >>> part = {"own": {"A": 0.5, "B": 0.7}, "other": {"A": 0.4, "B": 0.4}, "chance": {"A": 0.2}}
        >>> part["labels_shuffled"] = {"A": 0.2, "B": 0.3}
        >>> for row in decoding_cells({"label": "odor", "row": part}):
        ...     print(row)
        ['decoding odor', 'own', 'other', 'labels shuffled', 'chance']
        ['of a row', '0.600 ± 0.141', '0.400 ± 0.000', '0.250 ± 0.071', '0.200']
    """
    from counterpoint.evaluation.spread import mean_and_spread

    def spread(values: Mapping[str, float]) -> str:
        found = mean_and_spread(v for v in values.values() if v == v)
        return f"{found.mean:.3f} ± {found.sd:.3f}"

    shuffled = [] if control is None else ["pairing shuffled"]
    cells = [[f"decoding {told['label']}", "own", "other", *shuffled, "labels shuffled", "chance"]]
    for of, title in (("row", "of a row"), ("trial", "of a whole trial")):
        if of in told:
            part = told[of]
            null = [] if control is None else [spread(control[of]["other"])]
            parts = [spread(part["own"]), spread(part["other"]), *null, spread(part["labels_shuffled"])]
            known = [v for v in part["chance"].values() if v == v]
            cells.append([title, *parts, f"{sum(known) / max(len(known), 1):.3f}"])
    return cells
