"""Translations to look at: for every target the real rows, and what each source makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.report.figures import COLOURS, INK, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from counterpoint.report.records import Record

MOST_SHOWN, MOST_MODALITIES, MOST_COLUMNS = 8, 6, 60


def translations(record: Record) -> dict[str, Figure]:
    """Show the rows that were kept, heading -> figure: a grid for each target.

    A column is a test row. On top stands the real target, below it what is decoded from the posterior mean of
    each modality. Pictures are pictures; tables are strips of standardised values, or curves where there are
    few columns; text is text. What is absent in a row is hatched.
    """
    kept = record.exhibits()
    if "shown" not in kept:
        return {}
    names, out = record.names, {}
    prepared = record.card["preparation"]["modalities"]
    for t, target in enumerate(names[:MOST_MODALITIES]):
        lines = {"real": kept[f"real/{t}"][:MOST_SHOWN]}
        for s, source in enumerate(names[:MOST_MODALITIES]):
            said = f"from {source}" if s != t else "from itself"
            lines[said] = kept[f"made/{s}/{t}"][:MOST_SHOWN]
        out[f"Into {target}"] = _grid(lines, prepared[t], target, len(names))
    return out


def samples(record: Record) -> dict[str, Figure]:
    """Show rows from nothing, heading -> figure, if there are any: one column a sample, one line a modality.

    All of a column is decoded from one latent.
    """
    from matplotlib.figure import Figure

    kept = record.exhibits()
    names = record.names[:MOST_MODALITIES]
    if "sampled/0" not in kept:
        return {}
    prepared = record.card["preparation"]["modalities"]
    lines = [kept[f"sampled/{m}"][:MOST_SHOWN] for m in range(len(names))]
    draws = [_drawn_as(one) for one in prepared[: len(names)]]
    heights = [_HEIGHTS[draw] for draw in draws]
    width = max(_WIDTHS[draw] for draw in draws)
    size = (len(lines[0]) * width + 1.3, sum(heights) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), len(lines[0]), squeeze=False, height_ratios=heights)
    for m, (row, name, draw, values) in enumerate(zip(grid, names, draws, lines, strict=True)):
        _line(row, name, values, draw, _about(draw, kept.get(f"real/{m}", values), prepared[m]))
    left = f"; of {len(record.names)} modalities {len(names)} are drawn" * (len(record.names) > len(names))
    said = "rows from nothing, a column each, all its modalities decoded from one latent"
    figure.set_label(f"{len(lines[0])} {said}{left}.")
    return {"From nothing": figure}


def _grid(lines: dict[str, np.ndarray], one: dict[str, Any], target: str, modalities: int) -> Figure:
    """Draw one target: a line of small axes for the real rows, and one for each source."""
    from matplotlib.figure import Figure

    draw, event = _drawn_as(one), tuple(one["event"])
    count = len(lines["real"])
    size = (count * _WIDTHS[draw] + 1.3, len(lines) * _HEIGHTS[draw] + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), count, squeeze=False)
    about = _about(draw, lines["real"], one)
    for row, (said, values) in zip(grid, lines.items(), strict=True):
        _line(row, said, values, draw, about)
    left = f"; of {modalities} modalities {MOST_MODALITIES} are drawn" if modalities > MOST_MODALITIES else ""
    size = int(np.prod(event))
    columns = f"; {MOST_COLUMNS} of {size} columns" if draw is _strip and size > MOST_COLUMNS else ""
    figure.set_label(
        f"{target}: {count} real test rows, and {', '.join(k for k in lines if k != 'real')}{columns}{left}."
    )
    return figure


def _line(row: Any, said: str, values: np.ndarray, draw: Callable[..., None], about: dict[str, Any]) -> None:
    """Draw one line of small axes, what is absent hatched."""
    for axes, value in zip(row, values, strict=True):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("#bbbbbb")
        if np.isfinite(value).any():
            draw(axes, value, about)
        else:
            axes.patch.set(hatch="////", edgecolor="#999999", facecolor="#f2f2f2")
    weight = "bold" if said == "real" else "normal"
    row[0].set_ylabel(
        plain(said), rotation=0, ha="right", va="center", fontsize=9, color=INK, fontweight=weight
    )


def _drawn_as(one: dict[str, Any]) -> Callable[..., None]:
    """Return what draws a modality."""
    return _text if one["n_categories"] else _picture if _is_picture(tuple(one["event"])) else _strip


def _is_picture(event: tuple[int, ...]) -> bool:
    """Tell pictures (C, H, W), (H, W, C) and (H, W) from tables."""
    last = len(event) == 3 and event[2] in (1, 3) and min(event[:2]) >= 8
    return last or (len(event) == 3 and event[0] in (1, 3)) or (len(event) == 2 and min(event) >= 8)


def _about(draw: object, real: np.ndarray, one: dict[str, Any]) -> dict[str, Any]:
    """Return what all cells of a grid share: the range of values, the columns that are drawn, the letters."""
    if draw is _text:
        names = one["categories"] or [str(c) for c in range(one["n_categories"])]
        return {"names": names, "event": tuple(one["event"])}
    if draw is _picture:
        seen = real[np.isfinite(real)]
        return {
            "low": float(seen.min()) if seen.size else 0.0,
            "high": float(seen.max()) if seen.size else 1.0,
        }
    size = int(np.prod(one["event"]))
    given = {"scale": one["scale"] or 1.0, "shift": one["shift"] or 0.0}
    scale, shift = (np.broadcast_to(np.ravel(v).astype(float), size) for v in given.values())
    flat = (np.nan_to_num(real.reshape(len(real), size)) - shift) / scale
    columns = np.sort(np.argsort(-flat.var(0), kind="stable")[:MOST_COLUMNS])
    if one["scale"] is None and np.abs(flat).max() > 3:  # counts, which the model reads as they are
        mine = real.reshape(len(real), size)[:, columns]
        mine = mine[np.isfinite(mine).all(1)].astype(float)
        if len(mine):
            spread = mine.std(0)
            least = max(float(spread.mean()), 1e-9)  # of a column that hardly varies among these few rows
            return {"scale": np.maximum(spread, least), "shift": mine.mean(0), "columns": columns}
    return {"scale": scale[columns], "shift": shift[columns], "columns": columns}


def _picture(axes: Axes, value: np.ndarray, about: dict[str, Any]) -> None:
    """Draw (C, H, W), (H, W, C) or (H, W) in the range of the real ones."""
    shown = np.clip((value - about["low"]) / max(about["high"] - about["low"], 1e-9), 0, 1)
    if shown.ndim == 3:
        shown = shown.transpose(1, 2, 0) if len(shown) in (1, 3) else shown
        shown = shown[..., 0] if shown.shape[2] == 1 else shown
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    axes.spines[:].set_visible(False)


def _strip(axes: Axes, value: np.ndarray, about: dict[str, Any]) -> None:
    """Draw standardised columns as bars around their mean."""
    shown = (value.reshape(-1)[about["columns"]] - about["shift"]) / about["scale"]
    shown = np.clip(np.nan_to_num(shown), -3, 3)
    edges, heights = np.arange(len(shown) + 1) - 0.5, np.append(shown, shown[-1:])
    axes.fill_between(edges, heights, step="post", color=COLOURS[0], linewidth=0)
    axes.axhline(0, color="#888888", linewidth=0.5)
    axes.set(ylim=(-3.2, 3.2), xlim=(-0.6, len(shown) - 0.4))


def _text(axes: Axes, value: np.ndarray, about: dict[str, Any]) -> None:
    """Write codes (L,), or the most probable of probabilities (L, V)."""
    names = about["names"]
    codes = value if value.shape == about["event"] else value.argmax(-1)
    letters = [str(names[int(c)]) for c in np.asarray(codes).reshape(-1)]
    said = ("" if all(len(letter) == 1 for letter in letters) else " ").join(letters)
    said = plain(said if len(said) <= 24 else said[:23] + "…")
    place = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, said, fontsize=8, family="monospace", **place)
    axes.spines[:].set_visible(False)


_WIDTHS = {_picture: 1.0, _strip: 1.35, _text: 1.35}  # of a cell, in inches
_HEIGHTS = {_picture: 1.0, _strip: 0.75, _text: 0.3}
