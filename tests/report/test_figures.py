"""Figures: what they show, that they clamp, that they leave matplotlib's and numpy's global state alone."""

import subprocess
import sys

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.report.curves import curves
from counterpoint.report.figures import embedding_plot, translation_grid


def images(n=4, channels=3, fill=0.5):
    return np.full((n, channels, 8, 8), fill)


def embeddings(rows=40, width=5, names=("a", "b")):
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % 3
    centre = 4 * rng.normal(size=(3, width))
    return {name: centre[labels] + rng.normal(size=(rows, width)) for name in names}, labels


def draw(figure):
    figure.canvas.draw()
    return figure


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_grid_has_one_strip_for_the_given_and_one_per_target():
    figure = draw(
        translation_grid(
            {"x": images(), "y": images()}, {("x", "y"): images(), ("x", "x"): images(), ("y", "x"): images()}
        )
    )
    assert texts(figure) == ["x", "→ y", "→ x", "y", "→ x"]


def test_grid_clamps_and_shows_grey_images_of_other_sizes():
    real = {"x": np.full((3, 8, 8), 7.0)}
    figure = translation_grid(real, {("x", "y"): np.full((3, 1, 16, 16), -2.0)}, columns=2)
    given, made = (axes.images[0].get_array() for axes in figure.axes)
    assert given.shape == (10, 20, 3)
    assert made.shape == (18, 36, 3)
    assert given.max() == 1
    assert made.min() == 0


def test_grid_cuts_all_strips_to_the_fewest_examples():
    figure = translation_grid(
        {"x": images(3), "y": images(5)}, {("x", "y"): images(3), ("y", "x"): images(5)}
    )
    assert {axes.images[0].get_array().shape for axes in figure.axes} == {(10, 30, 3)}


@pytest.mark.parametrize(
    ("real", "translated", "message"),
    [
        ({"x": images()}, {}, "translated is empty"),
        ({"x": images()}, {("z", "x"): images()}, "source 'z'"),
        ({"x": images()}, {("x", "y"): images(3)}, "real has 4 images"),
        ({"x": images()}, {("x", "y"): images(channels=2)}, r"shape \(4, 2, 8, 8\)"),
        ({"x": images(0)}, {("x", "y"): images(0)}, "n at least 1"),
    ],
)
def test_grid_says_what_is_wrong(real, translated, message):
    with pytest.raises(InputError, match=message):
        translation_grid(real, translated)


def points(figure, panel):
    return np.concatenate([drawn.get_offsets() for drawn in figure.axes[panel].collections])


def test_both_panels_show_the_same_plane_and_the_seed_decides_it():
    z, labels = embeddings()
    figure, again = embedding_plot(z, labels), embedding_plot(z, labels)
    assert len(points(figure, 0)) == 80
    assert sorted(map(tuple, points(figure, 0))) == sorted(map(tuple, points(figure, 1)))
    np.testing.assert_array_equal(points(figure, 0), points(again, 0))
    assert "t-SNE" in draw(figure).get_supxlabel()


@pytest.mark.parametrize("width", [1, 2, 5])
def test_many_points_or_few_dimensions_are_projected_linearly(width):
    z, labels = embeddings(width=width)
    figure = draw(embedding_plot(z, labels, most=10))
    assert "t-SNE" not in figure.get_supxlabel()


def test_two_dimensions_keep_their_distances():
    z, labels = embeddings(width=2)
    plane = points(embedding_plot(z, labels), 0)
    spread = np.concatenate(list(z.values())).var(axis=0).sum()
    assert plane.var(axis=0).sum() == pytest.approx(spread)


def test_every_group_has_a_look_of_its_own():
    rows = 24 * 3
    z = {"a": np.random.default_rng(0).normal(size=(rows, 2))}
    figure = draw(embedding_plot(z, [f"class {i % 24}" for i in range(rows)]))
    handles = figure.axes[0].get_legend().legend_handles
    assert len({(handle.get_color(), handle.get_marker()) for handle in handles}) == 24


def test_odd_names_and_missing_rows_are_drawn():
    z, _ = embeddings(names=("_hidden", r"$\frac$"))
    z["_hidden"][3] = np.nan
    labels = np.array([None, "$", "b", "_c"], dtype=object)[np.arange(40) % 4]
    figure = draw(embedding_plot(z, labels, most=0))
    assert len(points(figure, 0)) == 79


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [
        ({}, [0], "z is empty"),
        ({"a": np.zeros((4, 2))}, [0, 1], r"z\['a'\] has shape \(4, 2\)"),
        ({"a": np.zeros((4, 2)), "b": np.zeros((4, 3))}, [0] * 4, "one D for all"),
        ({"a": np.zeros((40, 2))}, range(40), "40 classes"),
        ({"a": np.full((4, 2), np.nan)}, [0] * 4, "0 rows of finite"),
    ],
)
def test_embedding_plot_says_what_is_wrong(z, labels, message):
    with pytest.raises(InputError, match=message):
        embedding_plot(z, labels)


def test_curves_pair_training_with_validation():
    history = [
        {"epoch": i, "loss": 1.0 / (i + 1), "val_loss": 2.0, "rate/a": np.float32(i), "name": "x"}
        for i in range(3)
    ]
    figure = draw(curves(history))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "rate/a"]
    assert len(figure.axes[0].lines) == 2
    with pytest.raises(InputError, match="no numbers"):
        curves([])


def test_no_global_state_is_touched():
    code = """
import sys, numpy as np
from counterpoint.report.figures import embedding_plot
assert "matplotlib" not in sys.modules, "matplotlib must be imported lazily"
before = np.random.get_state()[1].copy()
embedding_plot({"a": np.random.default_rng(0).normal(size=(40, 4))}, [0, 1] * 20)
assert (before == np.random.get_state()[1]).all()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
