"""Charts of a report: rate and distortion, losses, matrices between modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.evaluation.front import Curve, box, curve, hypervolume, pareto
from counterpoint.report.figures import COLOURS, INK, MARKERS, plain
from counterpoint.report.tables import COLUMNS, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from counterpoint.report.records import Record

LESS_IS_BETTER = {"fid"}
LINES, PANELS = 12, 8  # runs drawn one by one in a panel of losses, and panels


def rate_distortion(
    records: Sequence[Record], y: str = "accuracy", x: str = "reconstruction"
) -> Figure | None:
    """Show a quality against reconstruction, a curve over beta for each method; None if there are no curves.

    A point is the mean over seeds, its bars are one standard deviation; arrows go from small to large beta.
    The step line is the Pareto front of all points, the dashes are what knows nothing and the raw features.
    For qualities the legend gives each method's hypervolume, see `evaluation.front.box`.
    """
    from matplotlib.figure import Figure

    curves = _over_beta(records, x, y)
    if not any(len(c.beta) > 1 for c in curves.values()):
        return None
    chance, ceiling = _ends(records, y)
    every = np.concatenate([c.mean for c in curves.values()])
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.add_subplot()
    covers = _covered(curves, every, chance, ceiling) if y not in LESS_IS_BETTER else {}
    for i, (name, c) in enumerate(curves.items()):
        said = plain(name) + (f" (hypervolume {covers[name]:.3f})" if name in covers else "")
        _curve(axes, c, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], said)
    front = every[pareto(every, (True, y in LESS_IS_BETTER))]
    front = front[np.argsort(front[:, 0])]
    axes.step(*front.T, where="post", color=INK, linewidth=0.8, label="Pareto front", zorder=1)
    below = _levels(axes, every[:, 1], {"chance": chance, "raw features": ceiling})
    axes.set_xlabel("reconstruction, nats a row (less is better)", color=INK)
    axes.set_ylabel(COLUMNS[y][0] + (" (less is better)" if y in LESS_IS_BETTER else "") + below, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    betas = sorted({float(b) for c in curves.values() for b in c.beta})
    figure.set_label(
        f"{COLUMNS[y][0]} against reconstruction for {', '.join(curves)}, beta {betas[0]:g} to {betas[-1]:g}."
    )
    return figure


def _levels(axes: Axes, values: np.ndarray, levels: Mapping[str, float | None]) -> str:
    """Draw what nulls reach as dashes; return in words those so far away that they would flatten curves."""
    far, reach = [], 1.5 * (values.max() - values.min())
    for said, value in levels.items():
        if value is None:
            continue
        if values.min() - reach <= value <= values.max() + reach:
            axes.axhline(value, color="#666666", linewidth=0.8, linestyle="--" if said == "chance" else ":")
            place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom", "fontsize": 8}
            axes.annotate(said, (1, value), **place)
        else:
            far.append(f"{said} {value:.2f}")
    return f"\n(not drawn: {', '.join(far)})" if far else ""


def _over_beta(records: Sequence[Record], x: str, y: str) -> dict[str, Curve]:
    """Return each method's curve over beta, where both were measured."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if {x, y} <= record.summary.keys() and np.isfinite([record.summary[x], record.summary[y]]).all():
            found.setdefault(record.label, []).append(record)
    return {
        name: curve([r.beta for r in group], [[r.summary[x], r.summary[y]] for r in group])
        for name, group in found.items()
    }


def _ends(records: Sequence[Record], y: str) -> tuple[float | None, float | None]:
    """Return what chance and the raw features reach."""
    for record in records:
        nulls = record.scores.get("nulls", {})
        chance, raw = (nulls.get(name, {}).get(y) for name in ("chance", "raw features"))
        if chance is not None and np.isfinite(chance):
            return chance, raw if raw is not None and np.isfinite(raw) else None
    return None, None


def _covered(
    curves: Mapping[str, Curve], every: np.ndarray, chance: float | None, ceiling: float | None
) -> dict[str, float]:
    """Return each method's hypervolume in the box of all runs."""
    top = max(1.0 if ceiling is None else ceiling, float(every[:, 1].max()))
    if chance is None or top <= chance or np.ptp(every[:, 0]) == 0:
        return {}  # there is no box
    worst, best = box(every, chance, top)
    return {name: hypervolume(c.mean, worst, best) for name, c in curves.items()}


def _curve(axes: Axes, c: Curve, colour: str, marker: str, said: str) -> None:
    """Draw one method: points with bars, arrows along beta, the first and the last beta beside them."""
    bars = np.nan_to_num(c.sd)
    axes.errorbar(*c.mean.T, xerr=bars[:, 0], yerr=bars[:, 1], color=colour, marker=marker, linestyle="",
                  markersize=7, elinewidth=1, label=said, zorder=3)  # fmt: skip
    for start, end in zip(c.mean[:-1], c.mean[1:], strict=True):
        axes.annotate(
            "", end, start, arrowprops={"arrowstyle": "->", "color": colour, "shrinkA": 5, "shrinkB": 5}
        )
    for i in (0, len(c.beta) - 1) if len(c.beta) > 1 else ():
        axes.annotate(
            f"β {c.beta[i]:.2g}", c.mean[i], xytext=(6, 6), textcoords="offset points", fontsize=8, color=INK
        )


def losses(records: Sequence[Record]) -> Figure | None:
    """Show training and validation loss over epochs, a panel for each group; None if nothing was logged."""
    from matplotlib.figure import Figure

    found = {name: [r for r in group if r.history] for name, group in groups(records).items()}
    found = {name: group for name, group in found.items() if group}
    shown = dict(list(found.items())[:PANELS])
    if not shown:
        return None
    across = min(len(shown), 3)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(3.2 * across + 0.4, 2.4 * down + 0.5), layout="constrained")
    for i, (name, group) in enumerate(shown.items()):
        axes = figure.add_subplot(down, across, i + 1)
        for record in group[:LINES]:
            epochs = [row["epoch"] for row in record.history]
            for key, colour, line in (("train", COLOURS[0], "-"), ("validation", COLOURS[3], "--")):
                if f"{key}/total" in record.history[0]:
                    label = {"train": "training"}.get(key, key) if record is group[0] else None
                    values = [row.get(f"{key}/total", np.nan) for row in record.history]
                    dot = "o" if len(values) == 1 else ""  # a line of one point is not seen
                    axes.plot(
                        epochs, values, color=colour, linestyle=line, linewidth=1, marker=dot, label=label
                    )
        low, high = _range(group[:LINES])
        if high > low:
            axes.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        part = f" ({LINES} of {len(group)} runs)" if len(group) > LINES else ""
        axes.set_title(plain(name + part), fontsize=9, color=INK)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=8, frameon=False)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("loss, nats a row", fontsize=9)
    left = f"; {len(found) - len(shown)} more are not drawn" if len(found) > len(shown) else ""
    figure.set_label(f"Loss over epochs of {', '.join(shown)}{left}.")
    return figure


def _range(group: Sequence[Record]) -> tuple[float, float]:
    """Return what a panel of losses spans: the first epochs, which would flatten all others, may leave it."""
    parts = [
        np.array([row[key] for row in r.history if key in row])
        for r in group
        for key in ("train/total", "validation/total")
    ]
    parts = [p[np.isfinite(p)] for p in parts]
    parts = [p for p in parts if len(p)]
    if not parts:
        return 0.0, 0.0
    low = min(float(p.min()) for p in parts)
    return low, max(float(max(np.quantile(p, 0.98), p[len(p) // 2 :].max())) for p in parts)


MATRICES = {
    "coherence": ("coherence", "matrix", "Coherence: from the row's modality into the column's"),
    "fid": ("generation", "fid", "Frechet distance: from the row's modality into the column's"),
    "agreement": ("agreement", "matrix", "Divergence between posteriors, nats"),
    "consistency": ("consistency", "matrix", "Consistency: R² from the row's latent to the column's"),
}


def matrices(record: Record) -> dict[str, Figure]:
    """Show every matrix between modalities as an annotated heat map, heading -> figure."""
    out = {}
    for section, key, heading in MATRICES.values():
        told = record.sections.get(section, {})
        if told.get(key) and len(told["names"]) > 1:
            below = (
                {"oracle on real rows": [told["oracle"][n] for n in told["names"]]}
                if key == "matrix" and "oracle" in told
                else {}
            )
            out[heading] = heat_map(told["names"], np.array(told[key], dtype=float), heading, below)
    return out


def heat_map(
    names: Sequence[str],
    matrix: np.ndarray,
    said: str,
    below: Mapping[str, Any] | None = None,
) -> Figure:
    """Show a matrix (M, M) with its numbers in the cells, and rows of numbers set apart below it.

    Example:
        >>> figure = heat_map(["a", "b"], np.eye(2), "unity")
        >>> figure.get_label()
        'unity: a, b.'
    """
    from matplotlib.figure import Figure

    count, extra = len(names), list((below or {}).items())
    side = 0.62 * count
    left = 0.35 + 0.085 * max(len(str(n)) for n in [*names, *(k for k, _ in extra)])
    figure = Figure(
        figsize=(max(side + left + 0.3, 3.2), side + 0.62 * len(extra) + 0.9), layout="constrained"
    )
    heights = [count, *(1 for _ in extra)]
    parts = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    rows = [matrix, *(np.array([v], dtype=float) for _, v in extra)]
    known = np.concatenate([r[np.isfinite(r)] for r in rows]) if len(rows) else matrix
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    for axes, values, labels in zip(parts, rows, [list(names), *([k] for k, _ in extra)], strict=True):
        axes.imshow(
            np.ma.masked_invalid(values), cmap="cividis", vmin=low, vmax=max(high, low + 1e-9), aspect="auto"
        )
        axes.set_facecolor("#dddddd")
        for i, j in np.ndindex(values.shape):
            v = values[i, j]
            # at 0.47 of cividis white and black stand out alike, both by more than 4.5 to 1
            dark = np.isfinite(v) and (v - low) / max(high - low, 1e-9) < 0.47
            text = (f"{v:.2f}" if abs(v) < 10 else f"{v:.1f}") if np.isfinite(v) else "–"
            axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
        axes.set_yticks(range(len(labels)), [plain(n) for n in labels], fontsize=9)
        slant = 0 if max(len(str(n)) for n in names) < 7 else 30
        shown = [plain(n) for n in names] if axes is parts[-1] else [""] * count
        place = {"rotation": slant, "rotation_mode": "anchor", "ha": "right" if slant else "center"}
        axes.set_xticks(range(count), shown, fontsize=9, **place)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.set_label(f"{said}: {', '.join(map(str, names))}.")
    return figure
