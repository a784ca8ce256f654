"""Charts, latents and translations of evaluated runs: what is drawn, what is said of it, what is left out."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from counterpoint.report import charts, exhibits, latents
from counterpoint.report.page import encoded
from counterpoint.report.records import Record, read_records
from made_runs import copied, edited, runs


@pytest.fixture(scope="module")
def records():
    return read_records(runs())


@pytest.fixture(scope="module")
def one(records):
    return next(r for r in records if r.name == "mmvm-0")


def beta_run(method, beta, seed, accuracy, reconstruction):
    config = {"method": method, "beta": beta, "seed": seed, "options": None}
    nulls = {"chance": {"accuracy": 0.1}, "raw features": {"accuracy": 0.9}}
    summary = {"accuracy": accuracy, "reconstruction": reconstruction}
    return Record(Path("a"), config, {}, {}, {"summary": summary, "nulls": nulls})


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]


def drawn(figure):
    assert isinstance(figure, Figure)
    assert figure.get_label()
    assert encoded(figure, "svg").startswith(b"<?xml")
    return figure


# Rate and distortion


def test_a_curve_goes_from_small_to_large_beta():
    made = [
        beta_run("mmvm", b, s, 0.5 + 0.1 * b + 0.02 * s, 100 + b) for b in (0.1, 1.0, 3.0) for s in (0, 1)
    ]
    made += [beta_run("poe", b, 0, 0.3, 90 + b) for b in (0.1, 1.0, 3.0)]
    figure = drawn(charts.rate_distortion(made))
    said = " ".join(texts(figure))
    assert "β 0.1" in said
    assert "β 3" in said
    assert "chance" in said
    assert "raw features" in said
    assert "Pareto front" in said
    assert "mmvm (hypervolume 0." in said
    assert "beta 0.1 to 3" in figure.get_label()
    arrows = [t for t in figure.axes[0].texts if getattr(t, "arrow_patch", None) is not None]
    assert len(arrows) == 4
    assert arrows[0].xy[0] > arrows[0].get_position()[0]  # reconstruction grows with beta here


def test_the_hypervolume_ranks_and_is_that_of_the_means():
    from counterpoint.evaluation.front import box, hypervolume

    made = [beta_run(m, b, 0, q, 100 + b) for m, q in (("good", 0.8), ("bad", 0.3)) for b in (0.1, 1.0)]
    said = " ".join(texts(charts.rate_distortion(made)))
    every = np.array([[100.1, 0.8], [101.0, 0.8], [100.1, 0.3], [101.0, 0.3]])
    for name, rows in (("good", [0, 1]), ("bad", [2, 3])):
        assert f"{name} (hypervolume {hypervolume(every[rows], *box(every, 0.1, 0.9)):.3f})" in said


def test_one_beta_is_no_curve(records):
    assert charts.rate_distortion([r for r in records if not r.control]) is None
    assert charts.rate_distortion([]) is None
    several = [beta_run("a", b, 0, 0.5, float("nan")) for b in (0.1, 1.0)]
    assert charts.rate_distortion(several) is None


# Losses and matrices


def test_losses_have_a_panel_for_each_group(records):
    figure = drawn(charts.losses(records))
    assert [a.get_title() for a in figure.axes] == ["mmvm", "mmvm, pairing shuffled", "poe"]
    assert len(figure.axes[0].lines) == 4  # two seeds, training and validation
    assert charts.losses([]) is None


def test_many_groups_are_drawn_in_part_and_said(tmp_path):
    made = read_records([copied(runs() / "poe-0", tmp_path / str(i), beta=1.0 + i) for i in range(10)])
    figure = charts.losses(made)
    assert len(figure.axes) == 8
    assert "2 more are not drawn" in figure.get_label()


def test_every_matrix_has_its_numbers_in_its_cells(one):
    made = charts.matrices(one)
    assert len(made) == 4
    coherence = drawn(made["Coherence: from the row's modality into the column's"])
    numbers = [t.get_text() for t in coherence.axes[0].texts]
    assert numbers == [f"{v:.2f}" for v in np.ravel(one.sections["coherence"]["matrix"])]
    oracle = [t.get_text() for t in coherence.axes[1].texts]
    assert oracle == [f"{one.sections['coherence']['oracle'][n]:.2f}" for n in one.names]
    for figure in made.values():
        drawn(figure)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_heat_maps_of_any_size(count):
    names = [f"a rather long name {i}" for i in range(count)]
    matrix = np.linspace(0, 1, count**2).reshape(count, count)
    matrix[0, 0] = np.nan
    figure = drawn(charts.heat_map(names, matrix, "said"))
    shades = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert shades["–"] == "black"
    if count > 1:
        assert (shades["1.00"], shades[f"{matrix[0, 1]:.2f}"]) == (
            "black",
            "white" if matrix[0, 1] < 0.55 else "black",
        )


def test_latents(one):
    made = latents.latents(one)
    assert len(made) == 3
    for figure in made.values():
        drawn(figure)
    variance = made["Variance explained, by modality and latent dimension"]
    assert [t.get_text() for t in variance.axes[0].get_yticklabels()] == ["table", "<img>", "word"]
    shown = variance.axes[0].images[0].get_array()
    assert (np.diff(np.asarray(shown).sum(0)) <= 1e-12).all()  # the largest dimension first


def test_what_was_not_measured_is_not_drawn(tmp_path):
    bare = read_records(edited(runs() / "mmvm-0", tmp_path / "a", lambda s: s.update(sections={})))[0]
    assert charts.matrices(bare) == {}
    assert latents.latents(bare) == {}


# Translations


def test_translations_of_every_kind(one):
    made = exhibits.translations(one)
    assert list(made) == ["Into table", "Into <img>", "Into word"]
    for name, figure in zip(one.names, made.values(), strict=True):
        drawn(figure)
        lines = len(one.names) + 1
        assert len(figure.axes) == lines * len(one.exhibits()["shown"])
        labels = [a.get_ylabel() for a in figure.axes if a.get_ylabel()]
        assert labels[0] == "real"
        assert all(a.axison for a in figure.axes)  # or the labels would not be drawn
        assert "from itself" in labels
        assert f"from {name}" not in labels
    words = [t for t in texts(made["Into word"]) if len(t) == 6]
    assert set("".join(words)) <= set("abcd")
    real = one.exhibits()["real/2"].astype(int)
    assert words[: len(real)] == ["".join("abcd"[c] for c in row) for row in real]


def test_absent_rows_are_hatched(tmp_path, one):
    kept = one.exhibits()
    rows = kept["shown"]
    absent = [i for i in range(len(rows)) if not np.isfinite(kept["real/0"][i]).any()]
    figure = exhibits.translations(one)["Into table"]
    hatched = [a for a in figure.axes if a.patch.get_hatch()]
    # the real table, and the two translations of the table that is not there
    assert len(hatched) == 2 * len(absent)


def test_a_run_without_exhibits_shows_none(records):
    assert exhibits.translations(next(r for r in records if r.name == "poe-1")) == {}
