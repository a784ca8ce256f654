"""The embedding as a scatter plot that can be hovered: what scatter.js reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from counterpoint.report.figures import COLOURS, INK, MARKERS, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from counterpoint.report.records import Record

# Nine steps of a ramp from dark blue to yellow whose lightness rises evenly, for any colour vision (cividis).
RAMP = (
    (0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115),
    (138, 134, 120), (165, 156, 116), (195, 179, 105), (254, 232, 56),
)  # fmt: skip
VIEWS = {"tsne": "t-SNE", "pca": "principal components"}


def scatter(record: Record) -> str | None:
    """Return the data of a plot as JSON that is safe inside a script tag; None if the run has no embedding.

    A point is a modality of a test row, in a plane common to the modalities. Places are whole numbers from 0
    to 1000; agreement is the rank of the row's divergence, from 0 to 1, so that one outlier does not take all
    of the ramp.
    """
    kept = record.exhibits()
    names = record.names
    present = [m for m in range(len(names)) if f"pca/{m}" in kept]
    if not present:
        return None
    places = {key: np.concatenate([kept[f"{key}/{m}"] for m in present])
              for key in VIEWS if all(f"{key}/{m}" in kept for m in present)}  # fmt: skip
    count = len(kept["row"])
    seen = np.isfinite(next(iter(places.values()))).all(1)
    of = np.repeat(present, count)[seen]
    rows = np.tile(np.arange(count), len(present))[seen]
    nats = kept["agreement"].astype(float) if "agreement" in kept else np.full(count, np.nan)
    task = record.scores.get("task", {})
    known = nats[np.isfinite(nats)]
    data = {
        "said": f"Scatter plot of {len(of)} embeddings of {record.label}: every point is a modality of a "
        "test row. Arrow keys go from point to point.",
        "names": names,
        "classes": task.get("classes", []),
        "label_name": task.get("label", "label"),
        "row": kept["row"][rows].tolist(),
        "label": kept["label"][rows].tolist(),
        "of": of.tolist(),
        "score": [None if r is None else round(r, 3) for r in _ranks(nats)[rows].tolist()],
        "nats": [None if v != v else round(v, 2) for v in nats[rows].tolist()],
        "range": f"{known.min():.1f} to {known.max():.1f}" if known.size else "",
        "order": np.random.default_rng(0).permutation(len(of)).tolist(),  # so that no group hides the others
        "views": [{"key": k, "title": VIEWS[k], "points": _whole(v[seen])} for k, v in places.items()],
        "by": ["label", "modality", *(["agreement"] if known.size else [])],
        "colours": COLOURS,
        "ramp": RAMP,
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")


def plane(record: Record) -> Figure | None:
    """Show the embedding as a still picture: by label, and by modality; None if the run has none."""
    from matplotlib.figure import Figure

    kept, names = record.exhibits(), record.names
    key = "tsne" if "tsne/0" in kept else "pca"
    present = [m for m in range(len(names)) if f"{key}/{m}" in kept]
    if not present:
        return None
    places = np.concatenate([kept[f"{key}/{m}"] for m in present])
    label = np.tile(kept["label"], len(present))
    of = np.repeat(present, len(kept["row"]))
    seen = np.isfinite(places).all(1)
    classes = record.scores.get("task", {}).get("classes", [])
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    for axes, group, titles, said in zip(
        figure.subplots(1, 2), (label, of), (classes, names), ("by label", "by modality"), strict=True
    ):
        scatter_groups(axes, places[seen], group[seen], titles, said)
    figure.supxlabel(f"{VIEWS[key]} of all modalities together", fontsize=10, color=INK)
    figure.set_label(f"{int(seen.sum())} embeddings of {record.label}, coloured by label and by modality.")
    return figure


def scatter_groups(axes: Axes, places: np.ndarray, group: np.ndarray, titles: list[str], said: str) -> None:
    """Scatter points (P, 2), a colour and a marker a group, in mixed order so that none hides others."""
    order = np.random.default_rng(0).permutation(len(places))
    for part in np.array_split(order, 8):
        for k in np.unique(group[part]):
            here = part[group[part] == k]
            look = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]} if k >= 0 else {}
            axes.scatter(*places[here].T, s=10, linewidths=0, alpha=0.75, **look)
    for k, title in enumerate(titles[:24]):
        axes.scatter(
            [],
            [],
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            label=f" {plain(title)}",
        )
    look = {"frameon": False, "fontsize": 9, "handletextpad": 0.1, "columnspacing": 1.0}
    columns = min(6, max(len(titles), 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=columns, **look)
    axes.set_title(said, fontsize=11, color=INK)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#bbbbbb")


def _whole(plane: np.ndarray) -> list[int]:
    """Return places as whole numbers, 0 to 1000 along each axis, x and y in turn."""
    low, high = plane.min(0), plane.max(0)
    return np.rint((plane - low) / np.where(high > low, high - low, 1.0) * 1000).astype(int).ravel().tolist()


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0 to 1, None where there is no value."""
    out = np.full(len(values), None, dtype=object)
    known = np.flatnonzero(np.isfinite(values))
    if known.size:
        out[known[np.argsort(values[known], kind="stable")]] = np.linspace(0, 1, known.size)
    return out
