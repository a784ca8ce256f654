"""Figures of a report. Each function returns a matplotlib Figure; pyplot and its state are never used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.errors import InputError, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision can tell apart, with a grey and a brown for
# ten digits; the yellow comes last, it is weak on white.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#8C8C8C",
    "#6B3E00",
    "#F0E442",
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
MOST_CLASSES = 24
INK = "#222222"


def translation_grid(
    real: Mapping[str, np.ndarray],
    translated: Mapping[tuple[str, str], np.ndarray],
    *,
    columns: int = 10,
) -> Figure:
    """Show images of every modality and what each of them was translated into.

    One block per source modality: its real images, and under each of them its translation into every
    target, in the order of `translated`. A source in `real` of which nothing was translated is left out.

    Shapes: images are (n, C, H, W) or (n, H, W), C one of 1 and 3; values are clamped to [0, 1]. The first
    `columns` images are shown.

    Raises:
        InputError: nothing to show, a source without real images, unequal numbers of images, a wrong shape.

    Example:
        >>> images = np.zeros((4, 3, 28, 28))
        >>> figure = translation_grid({"a": images, "b": images}, {("a", "b"): images, ("b", "a"): images})
        >>> len(figure.axes)
        4
    """
    from matplotlib.figure import Figure

    columns = whole("columns", columns)
    blocks = _blocks(real, translated, columns)
    strips = [(source, text, strip) for source, block in blocks.items() for text, strip in block]
    longest = max(len(text) for _, text, _ in strips)
    shown = min(columns, *(len(real[source]) for source in blocks))
    left, cell, gap = 0.3 + 0.09 * longest, 0.68, 0.26  # inches
    width = left + shown * cell + 0.1
    heights = [cell * shown * strip.shape[0] / strip.shape[1] for _, _, strip in strips]
    height = sum(heights) + gap * (len(blocks) - 1) + 0.2
    figure = Figure(figsize=(width, height))
    top, previous = 0.1, strips[0][0]
    for (source, text, strip), tall in zip(strips, heights, strict=True):
        top += gap if source != previous else 0.0
        previous = source
        place = (left / width, 1 - (top + tall) / height, shown * cell / width, tall / height)
        axes = figure.add_axes(place)
        axes.imshow(strip, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        given = not text.startswith("→")
        style = "bold" if given else "normal"
        axes.text(-0.1 / (shown * cell), 0.5, text, transform=axes.transAxes, ha="right", va="center",
                  fontsize=11, color=INK, fontweight=style, parse_math=False)  # fmt: skip
        top += tall
    figure.set_label(
        f"Grid of images, {shown} examples side by side. For each of {', '.join(blocks)}: the given "
        "images, then their translations, one row per target modality."
    )
    return figure


def _blocks(
    real: Mapping[str, np.ndarray], translated: Mapping[tuple[str, str], np.ndarray], columns: int
) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return per source the labelled strips: the real one first, then one per target."""
    if not translated:
        raise InputError("translated is empty; give images for at least one (source, target).")
    blocks: dict[str, list[tuple[str, np.ndarray]]] = {}
    for source, target in translated:
        if source not in real:
            raise InputError(
                f"translated has source {source!r}, of which real has no images; it has {', '.join(real)}."
            )
        if len(translated[source, target]) != len(real[source]):
            raise InputError(
                f"real has {len(real[source])} images of {source!r}, but {len(translated[source, target])} "
                f"were translated into {target!r}; give one translation for each real image."
            )
    columns = min(columns, *(len(real[source]) for source, _ in translated))
    for source, target in translated:
        if source not in blocks:
            blocks[source] = [(source, _strip(real[source], source, columns))]
        blocks[source].append(
            (f"→ {target}", _strip(translated[source, target], f"{source} → {target}", columns))
        )
    return blocks


def _strip(images: np.ndarray, name: str, columns: int) -> np.ndarray:
    """Put images side by side with a white rim around each: (H + 2, n * (W + 2), 3) in [0, 1]."""
    images = np.asarray(images, dtype=np.float64)[:columns]
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.size:
        raise InputError(
            f"the images of {name!r} have shape {images.shape}; allowed are (n, C, H, W) with C 1 or 3, "
            "and (n, H, W), n at least 1."
        )
    images = np.clip(np.nan_to_num(np.broadcast_to(images, (len(images), 3, *images.shape[2:]))), 0, 1)
    rimmed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1.0)
    return np.concatenate(list(rimmed.transpose(0, 2, 3, 1)), axis=1)


def embedding_plot(
    z: Mapping[str, np.ndarray], labels: Sequence[Any] | np.ndarray, *, most: int = 3000, seed: int = 0
) -> Figure:
    """Show the embeddings of all modalities in one plane, once coloured by label and once by modality.

    The plane is the same in both panels: principal components of all embeddings together, then t-SNE if
    there are at most `most` points. If the modalities share a space, every label forms one cloud in which
    the modalities mix. Rows with a value that is not finite are left out.

    Shapes: `z[name]` is (N, D), one D for all; `labels` is (N,).

    Raises:
        InputError: no modality, shapes that do not fit, too many classes, or fewer than 3 finite points.

    Example:
        >>> z = {"a": np.eye(6), "b": np.eye(6) + 0.1}
        >>> figure = embedding_plot(z, [0, 0, 0, 1, 1, 1], most=0)
        >>> [axes.get_title() for axes in figure.axes]
        ['by label', 'by modality']
    """
    from matplotlib.figure import Figure

    points, classes, origin = _stack(z, labels)
    known = np.unique(classes)
    if len(known) > MOST_CLASSES:
        raise InputError(
            f"labels has {len(known)} classes; at most {MOST_CLASSES} can be told apart: give coarser labels."
        )
    plane, how = _project(points, whole("most", most, least=0), seed)
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    first, second = figure.subplots(1, 2)
    _scatter(first, plane, classes, list(known), "by label")
    _scatter(second, plane, np.asarray(origin), list(z), "by modality")
    figure.supxlabel(f"{how} of all modalities together", fontsize=10, color=INK)
    figure.set_label(
        f"Two scatter plots of the same {len(plane)} embeddings ({how}): on the left coloured by label "
        f"({len(known)} classes), on the right by modality ({', '.join(z)})."
    )
    return figure


def _stack(
    z: Mapping[str, np.ndarray], labels: Sequence[Any] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stack the modalities' finite rows: points (P, D), their labels (P,) and their modalities (P,)."""
    if not z:
        raise InputError("z is empty; give the embeddings of at least one modality.")
    classes = np.asarray(labels)
    classes = classes.astype(str) if classes.dtype.kind == "O" else classes
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in z.items()}
    width = next(iter(arrays.values())).shape[-1:]
    for name, array in arrays.items():
        if array.ndim != 2 or classes.ndim != 1 or array.shape != (len(classes), *width) or not array.size:
            raise InputError(
                f"z[{name!r}] has shape {array.shape} and labels {classes.shape}; allowed are "
                "(N, D) with one D for all modalities, and (N,)."
            )
    points = np.concatenate(list(arrays.values()))
    origin = np.repeat(np.array(list(arrays)), len(classes))
    finite = np.isfinite(points).all(axis=1)
    if finite.sum() < 3:
        raise InputError(f"z has {finite.sum()} rows of finite numbers; a plot needs at least 3.")
    return points[finite], np.tile(classes, len(arrays))[finite], origin[finite]


def _project(points: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, str]:
    """Project points (P, D) on a plane (P, 2) and say how."""
    from sklearn.decomposition import PCA

    components = min(*points.shape, 30)
    plane = PCA(components, svd_solver="full").fit_transform(points)
    if components > 2 and 30 <= len(points) <= most:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        # One thread: sums then have one order, so the seed decides; spinning threads stall on a busy machine.
        with threadpool_limits(1):
            tsne = TSNE(init="pca", perplexity=min(30, len(points) / 4), random_state=seed)
            return tsne.fit_transform(plane), "t-SNE"
    plane = np.pad(plane, ((0, 0), (0, max(0, 2 - components))))
    return plane[:, :2], "principal components" if components > 2 else "latent space"


def _scatter(axes: Axes, plane: np.ndarray, group: np.ndarray, names: list[Any], title: str) -> None:
    """Scatter points, a colour and a marker per group, in mixed order so that none hides the others."""
    from matplotlib.lines import Line2D

    # Labels of one sign are their own marker: shape tells them apart where colours cannot.
    signs = all(len(str(name)) == 1 and str(name).isalnum() for name in names)
    looks = {
        name: (
            COLOURS[i % len(COLOURS)],
            f"${name}$" if signs else MARKERS[(i // len(COLOURS) + i) % len(MARKERS)],
        )
        for i, name in enumerate(names)
    }
    area = float(np.clip(24000 / len(plane), 9, 60)) * (2.6 if signs else 1.0)
    part = np.arange(len(plane)) % 8  # eight layers; within one, group by group
    for layer in range(8):
        for name in names:
            here = (group == name) & (part == layer)
            colour, marker = looks[name]
            axes.scatter(*plane[here].T, s=area, c=colour, marker=marker, linewidths=0, alpha=0.75)
    handles = [
        # A sign needs no caption; elsewhere a leading space keeps a name such as "_x" from being left out.
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=10 if signs else 7,
               label="" if signs else f" {plain(name)}")
        for name, (colour, marker) in looks.items()
    ]  # fmt: skip
    longest = 1 if signs else max(len(str(name)) for name in names) + 4
    lines = -(-len(names) * longest // 60)
    columns = -(-len(names) // lines)
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=columns,
                frameon=False, fontsize=10, handletextpad=0.0, columnspacing=0.8)  # fmt: skip
    axes.set_title(title, fontsize=12, color=INK)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#bbbbbb")


def plain(text: object) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(text).replace("$", r"\$")
