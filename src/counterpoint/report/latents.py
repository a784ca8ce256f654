"""Charts of latents: collapse, variance explained, precision and recall of what is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.report.figures import COLOURS, INK, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from counterpoint.report.records import Record

STYLES = ("-", "--", "-.", ":")
PAIRS = 12  # of modalities, of which precision and recall are drawn


def latents(record: Record) -> dict[str, Figure]:
    """Show what each latent dimension carries, heading -> figure."""
    made = {
        "Variance explained, by modality and latent dimension": _variance(record),
        "Collapse: dimensions that say no more than ε about the row": _collapse(record),
        "Collapse between what is known given some modalities and given everything": _pairs(record),
        "Precision and recall of what is generated": _precision_recall(record),
    }
    return {heading: figure for heading, figure in made.items() if figure is not None}


def _variance(record: Record) -> Figure | None:
    """Heat map of modality by dimension, the largest first, beside bars of the totals."""
    from matplotlib.figure import Figure

    told: dict[str, Any] = record.sections.get("variance", {}).get("modalities", {})
    if not told:
        return None
    names = [name for name in record.names if name in told]
    single = np.clip(np.array([told[n]["latent"] for n in names], dtype=float), 0, None)
    order = np.argsort(-np.nansum(single, 0), kind="stable")
    count = len(order)
    figure = Figure(
        figsize=(min(max(3.5 + 0.28 * count, 5.6), 10), 0.42 * len(names) + 1.5), layout="constrained"
    )
    heat, bars = figure.subplots(1, 2, width_ratios=[max(count / 4, 3), 2])
    image = heat.imshow(np.ma.masked_invalid(single[:, order]), cmap="cividis", aspect="auto", vmin=0)
    heat.set_facecolor("#dddddd")  # where nothing could be said
    heat.set_yticks(range(len(names)), [plain(n) for n in names], fontsize=9)
    step = -(-count // 16)
    heat.set_xticks(range(0, count, step), [str(d + 1) for d in order[::step]], fontsize=8)
    heat.set_xlabel("latent dimension, the largest first", fontsize=9)
    figure.colorbar(image, ax=heat, fraction=0.05).ax.tick_params(labelsize=8)
    measured = [float(told[n]["total"]) for n in names]
    totals = np.nan_to_num(measured).tolist()
    bars.barh(range(len(names)), totals, color=COLOURS[0])
    bars.set_ylim(len(names) - 0.5, -0.5)
    bars.set_yticks([])
    for i, total in enumerate(measured):
        said = f"{total:.2f}" if np.isfinite(total) else "–"
        bars.text(max(totals[i], 0) + 0.02, i, said, va="center", fontsize=9)
    bars.set_xlim(min(0, *totals), max(1.0, *totals) * 1.25)
    bars.set_xlabel("R², all dimensions", fontsize=9)
    for axes in (heat, bars):
        axes.spines[["top", "right"]].set_visible(False)
    bars.tick_params(labelsize=8)
    figure.set_label(f"Variance explained by {count} latent dimensions in {', '.join(names)}.")
    return figure


def _collapse(record: Record) -> Figure | None:
    """Share of collapsed dimensions by what counts as collapsed, a line for each modality."""
    from matplotlib.figure import Figure

    told = record.sections.get("collapse", {})
    curves = {name: c for name in record.names if (c := told.get("modalities", {}).get(name))}
    if not curves:
        return None
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(curve["epsilon"], curve["share"], color=COLOURS[i % len(COLOURS)], label=plain(name),
                  linestyle=STYLES[i // len(COLOURS) % 4 if len(curves) > 10 else i % 4])  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(f"ε, nats of KL to the {told.get('against', 'prior')}", fontsize=9)
    axes.set_ylabel("share of dimensions", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    figure.set_label(f"Share of collapsed latent dimensions against the threshold, for {', '.join(curves)}.")
    return figure


def _pairs(record: Record) -> Figure | None:
    """The same of p, given an observed set, against q, given everything, and of both against N(0, I)."""
    from matplotlib.figure import Figure

    told = record.sections.get("collapse", {}).get("pairs", {})
    sets = told.get("sets", [])[:PAIRS]
    if not sets:
        return None
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    unit = "N(0, 1)" if np.allclose(told["prior_scale"], 1) else "prior"
    said = {"p_standard": f"KL(p ‖ {unit})", "q_standard": f"KL(q ‖ {unit})", "p_q": "KL(p ‖ q)"}
    for axes, (pair, title) in zip(figure.subplots(1, 3, sharey=True), said.items(), strict=True):
        for i, cell in enumerate(sets):
            if pair in cell:
                axes.plot(told["epsilon"], cell[pair]["share"], color=COLOURS[i % len(COLOURS)],
                          linestyle=STYLES[i % 4])  # fmt: skip
        axes.set_title(title, fontsize=9)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("ε, nats", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share of dimensions", fontsize=9)
    given = [", ".join(cell["given"]) for cell in sets]
    title = plain(f"p = {told['p']}\nq = {told['q']}\n\nx_o")
    labels = [plain(g) for g in given]
    lines = figure.axes[0].lines
    figure.legend(lines, labels, loc="outside right upper", frameon=False, fontsize=8, title=title,
                  title_fontsize=8)  # fmt: skip
    left = (
        f"; {len(told['sets']) - len(sets)} more sets are not drawn" if len(told["sets"]) > len(sets) else ""
    )
    figure.set_label(
        f"Share of latent dimensions in which {told['p']} and {told['q']} are within ε of each other and of "
        f"the prior, for x_o {'; '.join(given)}{left}."
    )
    return figure


def _precision_recall(record: Record) -> Figure | None:
    """One curve for each pair of modalities."""
    from matplotlib.figure import Figure

    pairs = record.sections.get("generation", {}).get("prd", [])
    shown = pairs[:PAIRS]
    if not shown:
        return None
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for i, pair in enumerate(shown):
        said = plain(f"{pair['source']} → {pair['target']}")
        axes.plot(
            pair["recall"],
            pair["precision"],
            color=COLOURS[i % len(COLOURS)],
            linestyle=STYLES[i % 4],
            label=said,
        )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_xlabel("recall: what is real is generated", fontsize=9, color=INK)
    axes.set_ylabel("precision: what is generated is real", fontsize=9, color=INK)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    part = f"{len(shown)} of {len(pairs)} pairs" if len(pairs) > len(shown) else None
    figure.legend(loc="outside right upper", frameon=False, fontsize=8, title=part, title_fontsize=8)
    left = f"; {len(pairs) - len(shown)} more pairs are not drawn" if len(pairs) > len(shown) else ""
    figure.set_label(f"Precision against recall for {len(shown)} pairs of modalities{left}.")
    return figure
