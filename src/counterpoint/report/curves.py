"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.errors import InputError
from counterpoint.report.figures import COLOURS, INK, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Show how training went: one small panel per quantity, training and validation values in one panel.

    `history` has one dict per epoch. Every key with numbers is drawn; `epoch`, if there, is the axis; keys
    that differ only by a leading `train_` or `val_` share a panel.

    Raises:
        InputError: there is no epoch, or no number in any.

    Example:
        >>> figure = curves([{"epoch": 0, "loss": 2.0, "val_loss": 3.0}, {"epoch": 1, "loss": 1.0}])
        >>> [axes.get_title() for axes in figure.axes]
        ['loss']
    """
    from matplotlib.figure import Figure

    keys = dict.fromkeys(key for row in history for key, value in row.items() if isinstance(value, Real))
    panels: dict[str, list[str]] = {}
    for key in keys:
        if key != "epoch":
            panels.setdefault(_without_split(key), []).append(key)
    if not panels:
        raise InputError(
            "history holds no numbers; give one dict per epoch, such as {'epoch': 0, 'loss': 1.5}."
        )
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.4 * across, 2.3 * down + 0.2), layout="constrained")
    epochs = [row.get("epoch", i) for i, row in enumerate(history)]
    for i, (quantity, members) in enumerate(panels.items()):
        axes = figure.add_subplot(down, across, i + 1)
        for key in members:
            held_out = key.startswith("val")
            values = [row.get(key, np.nan) for row in history]
            colour, line = (COLOURS[3], "--") if held_out else (COLOURS[0], "-")
            marker = "o" if len(history) == 1 else ""
            label = "validation" if held_out else "training"
            axes.plot(epochs, values, color=colour, linestyle=line, marker=marker, label=label)
        axes.set_title(plain(quantity), fontsize=10, color=INK)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        if len(members) > 1:
            axes.legend(fontsize=8, frameon=False)
    figure.supxlabel("epoch", fontsize=10)
    figure.set_label(f"Curves over {len(history)} epochs of {', '.join(panels)}.")
    return figure


def _without_split(key: str) -> str:
    """Return a quantity's name without the split it was measured on.

    Example:
        >>> _without_split("val_loss"), _without_split("train/rate"), _without_split("value")
        ('loss', 'rate', 'value')
    """
    for start in ("train_", "train/", "val_", "val/"):
        if key.startswith(start):
            return key[len(start) :]
    return key
