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


def with_nulls(chance, raw):
    made = [beta_run("mmvm", b, 0, 0.5 + 0.1 * b, 100 + b) for b in (0.1, 1.0, 3.0)]
    for record in made:
        record.scores["nulls"] = {"chance": {"accuracy": chance}, "raw features": {"accuracy": raw}}
    return made


@pytest.mark.parametrize(("chance", "raw"), [(float("nan"), 0.9), (0.1, float("nan")), (1.2, 0.9)])
def test_nulls_that_were_not_measured_or_beat_all_runs_do_not_stop_the_chart(chance, raw):
    said = " ".join(texts(drawn(charts.rate_distortion(with_nulls(chance, raw)))))
    assert "nan" not in said
    assert ("hypervolume" in said) == (chance == 0.1)


def test_a_null_that_is_far_off_is_named_and_does_not_flatten_the_curves():
    made = [beta_run("mmvm", b, 0, 0.85 + 0.01 * b, 100 + b) for b in (0.1, 1.0, 3.0)]
    axes = drawn(charts.rate_distortion(made)).axes[0]
    assert "not drawn: chance 0.10" in axes.get_ylabel()
    assert axes.get_ylim()[0] > 0.8
    assert charts.rate_distortion(with_nulls(0.4, 0.9)).axes[0].get_ylim()[0] < 0.4


# Losses and matrices


def logged(*columns, seed=0):
    made = beta_run("mmvm", 1.0, seed, 0.5, 100)
    made.__dict__["history"] = [
        {"epoch": i, "train/total": a, "validation/total": b}
        for i, (a, b) in enumerate(zip(*columns, strict=True))
    ]
    return made


def test_a_validation_loss_that_runs_away_stays_in_sight():
    made = logged(np.linspace(500, 100, 20), np.linspace(500, 5000, 20))
    low, high = drawn(charts.losses([made])).axes[0].get_ylim()
    assert low < 100
    assert high > 5000


def test_one_epoch_is_a_dot():
    lines = drawn(charts.losses([logged([5.0], [6.0])])).axes[0].lines
    assert [line.get_marker() for line in lines] == ["o", "o"]


def test_runs_that_are_left_out_of_a_panel_are_counted():
    made = [logged([5.0, 4.0], [6.0, 5.0], seed=s) for s in range(15)]
    axes = charts.losses(made).axes[0]
    assert axes.get_title() == "mmvm (12 of 15 runs)"
    assert len(axes.lines) == 24


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
            "white" if matrix[0, 1] < 0.47 else "black",
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


def shown_run(event, real, made, categories=None, scale=None):
    one = {"name": "a", "event": list(event), "categories": categories, "scale": scale, "shift": None}
    one["n_categories"] = len(categories) if categories else None
    config = {"method": "mmvm", "beta": 1.0, "seed": 0, "options": None}
    record = Record(Path("a"), config, {"preparation": {"modalities": [one]}}, {}, {})
    kept = {"shown": np.arange(len(real)), "real/0": np.asarray(real), "made/0/0": np.asarray(made)}
    object.__setattr__(record, "exhibits", lambda: kept)
    return record


def areas(axes):
    return [path for shape in axes.collections for path in shape.get_paths()]


def test_a_table_of_one_column_is_seen():
    figure = drawn(
        exhibits.translations(shown_run((1,), [[1.0], [-2.0]], [[0.5], [1.0]], scale=[1.0]))["Into a"]
    )
    boxes = [areas(a)[0].get_extents() for a in figure.axes]
    assert all(box.width == 1 for box in boxes)
    assert [box.height for box in boxes] == [1.0, 2.0, 0.5, 1.0]


def test_counts_differ_between_rows():
    rng = np.random.default_rng(0)
    real = rng.poisson(200, (6, 5)).astype(float)
    figure = drawn(exhibits.translations(shown_run((5,), real, real + 5))["Into a"])
    tops = [areas(a)[0].get_extents().y1 for a in figure.axes[:6]]
    assert len(set(tops)) > 3  # all would be cut off at the same height


def test_codes_are_told_from_probabilities_by_their_shape():
    real = np.array([[[0, 1, 2, 3], [3, 2, 1, 0]]], dtype=float)  # (1, 2, 4) of four categories
    record = shown_run((2, 4), real, np.eye(4)[real.astype(int)], list("abcd"))
    assert [s for s in texts(exhibits.translations(record)["Into a"]) if len(s) == 8] == ["abcddcba"] * 2


def test_columns_that_are_left_out_are_counted_over_all_axes():
    values = np.random.default_rng(0).normal(size=(2, 4, 40))
    figure = exhibits.translations(shown_run((4, 40), values, values, scale=np.ones((4, 40)).tolist()))[
        "Into a"
    ]
    assert "60 of 160 columns" in figure.get_label()


def test_variance_that_could_not_be_told_is_a_dash(tmp_path):
    def change(scores):
        told = scores["sections"]["variance"]["modalities"]["word"]
        told |= {"total": float("nan"), "latent": [float("nan")] * len(told["latent"])}

    record = read_records(edited(runs() / "mmvm-0", tmp_path / "a", change))[0]
    figure = drawn(latents.latents(record)["Variance explained, by modality and latent dimension"])
    assert [s.get_text() for s in figure.axes[1].texts][-1] == "–"
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), 0)
    assert (np.diff(shown.sum(0)) <= 1e-12).all()
