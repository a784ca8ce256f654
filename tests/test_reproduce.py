"""The papers' experiments as recipes: found by name, run once, beside what was published, all in one list."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import counterpoint as cp
from counterpoint import cli
from counterpoint.building import new_model, prepare
from counterpoint.data.named import named
from counterpoint.errors import InputError
from counterpoint.report.bound import bound, objective_over_beta
from counterpoint.report.charts import rate_distortion
from counterpoint.report.records import Record
from counterpoint.report.tables import main_table
from counterpoint.reproduce.beside import beside, cells_of
from counterpoint.reproduce.claims import check_claims, judge
from counterpoint.reproduce.experiments import STATUS, experiment_cells, listed
from counterpoint.reproduce.recipes import FOLDER, names, recipe
from counterpoint.reproduce.run import reproduce
from counterpoint.reproduce.stand_in import STAND_INS, write_stand_in
from counterpoint.sweeps.grid import lines_of, read_grid
from counterpoint.sweeps.values import read_yaml

SMALL = [name for name in names() if "small" in read_yaml(FOLDER / f"{name}.yaml")]
STOOD_IN = [name for name in SMALL if read_yaml(FOLDER / f"{name}.yaml")["data"]["name"] in STAND_INS]

TINY = """\
data: {name: polymnist, folder: $COUNTERPOINT_DATA, modalities: 2, rows: 400}
label: digit
measures: [reconstruction]
show: 0
method: [mmvm, ae]
mmvm.beta: [0.25, 1]
likelihood: normal
network: mlp
hidden: [8]
latent_dim: 2
epochs: 5
validation: 0
patience: null
claims:
  - {source: A paper, says: it is bounded, check: bound}
  - {source: A paper, says: it looks good}
published:
  - {source: A table, data: B, same_data: true, rows: {MMVM: {reconstruction: 4300.0}, XYZ: {error: 0.5}}}
small:
  data: {name: polymnist, folder: $COUNTERPOINT_DATA, modalities: 2, rows: 40, test_rows: 20}
  epochs: 1
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stand-in")
    for name in STAND_INS:
        write_stand_in(name, folder)
    return folder


# Recipes


def test_the_recipes_of_the_issue_are_there_and_ship_with_the_package():
    assert {"mmvm/figure5-bound", "mmvm/polymnist", "mopoe/mnist-svhn-text", "cmmd/table5"} <= set(names())
    assert FOLDER.is_relative_to(Path(cp.__file__).parent)
    assert "mmvm/figure5-bound" in SMALL


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_placed_in_the_folder_of_the_data(name, tmp_path):
    grid = recipe(name).grid(tmp_path)
    data = grid.once["data"]
    assert str(tmp_path) in (data["folder"] if isinstance(data, dict) else data)
    first = (FOLDER / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# "), "the first line says what the recipe is"


@pytest.mark.parametrize("name", STOOD_IN)
def test_small_settings_can_be_built_on_a_stand_in(name, stand_in):
    grid = recipe(name).grid(stand_in, small=True)
    assert len(grid.points) <= 12, "minutes"
    train, test, label = grid.rows()
    assert len(train) <= 2000
    assert set(np.unique(test.labels[label])) == set(range(10))
    for point in {p.params["method"]: p for p in grid.points}.values():
        estimator = point.estimator()
        assert estimator.device == "cpu"
        new_model(estimator, prepare(estimator, train))


def test_small_settings_of_the_mice_are_of_their_own_recordings(real_data, tmp_path, monkeypatch):
    assert set(SMALL) - set(STOOD_IN) == {"mmvm/mice"}
    grid = recipe("mmvm/mice").grid(real_data, small=True)
    assert len(grid.points) == 6
    assert [p.params["method"] for p in grid.points if p.control] == ["mmvm"]
    train, test, label = grid.rows()
    assert (len(train.names), label) == (7, "direction")
    assert not {*train.labels["trial of mrcuts24"]} & {*test.labels["trial of mrcuts24"]}
    monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    with pytest.raises(InputError, match="give their folder with data=DIR"):
        reproduce("mmvm/mice", small=True, out=tmp_path)


def test_a_sweep_passes_over_what_reproduce_reads(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace("$COUNTERPOINT_DATA", "."))
    full, small = read_grid(path), read_grid(path, small=True)
    assert [p.params["epochs"] for p in full.points] == [5] * 3
    assert [p.params["epochs"] for p in small.points] == [1] * 3
    assert full.once["data"]["folder"] == str(tmp_path)
    path.write_text("data: a.npz\n")
    with pytest.raises(InputError, match="no table 'small'"):
        lines_of(path, small=True)


def test_one_digit_more_is_another_folder_and_a_comment_is_not(tmp_path):
    def folder(text, small=False):
        (tmp_path / "tiny.yaml").write_text(text)
        return recipe(str(tmp_path / "tiny.yaml")).folder_name(small)

    same = folder(TINY)
    assert re.fullmatch(r"tiny-[0-9a-f]{8}", same)
    assert folder("# a comment\n" + TINY) == same
    assert folder(TINY.replace("epochs: 1\n", "epochs: 2\n")) == same  # of `small`, which was not asked for
    others = [
        TINY.replace("epochs: 5", "epochs: 6"),
        TINY.replace("[0.25, 1]", "[0.25, 2]"),
        TINY.replace("4300.0", "4300.1"),
        TINY.replace("it is bounded", "it is not bounded"),
    ]
    assert len({same, folder(TINY, small=True), *map(folder, others)}) == 6


# Stand-ins


def test_stand_ins_are_read_by_the_readers_of_the_real_data(stand_in, tmp_path):
    for name in STAND_INS:
        train, test = named(
            {"name": name, "folder": str(stand_in), **({"repetitions": 1} if "svhn" in name else {})}
        )
        assert len(train) > 1000
        assert len(test) > 400
        assert set(train.labels["digit"].tolist()) == set(range(10))
    again = write_stand_in("mnist_svhn_text", tmp_path)
    for file in ("mnist/train.npz", "mnist/test.npz"):
        with np.load(stand_in / file) as a, np.load(again / file) as b:
            assert all((a[k] == b[k]).all() for k in ("images", "labels"))
    kept = (again / "svhn" / "test_32x32.mat").stat().st_mtime_ns
    write_stand_in("mnist_svhn_text", tmp_path)
    assert (again / "svhn" / "test_32x32.mat").stat().st_mtime_ns == kept, "what is there is left alone"


# Claims and figures


def record(method, beta, summary, train=0.0, sections=None, label=None):
    config = {"method": method, "beta": beta, "seed": 0, "options": {"rate": label} if label else None}
    made = Record(
        Path(f"{method}-{beta}"),
        config,
        {"preparation": {"modalities": [{"name": n} for n in ("mnist", "svhn", "text")]}},
        {},
        {"summary": summary, "sections": sections or {"reconstruction": {}}},
    )
    made.__dict__["history"] = [{"train/total": train}]
    made.__dict__["summary"] = summary
    return made


def costs(reconstruction, rate=0.0, **more):
    return {"reconstruction": reconstruction, "rate": rate, **more}


BOUNDED = [
    record("ae", 1.0, costs(100.0), train=90.0),
    record("mmvm", 4.0, costs(120.0, 5.0), train=125.0),
    record("mmvm", 0.5, costs(104.0, 8.0), train=97.0),
]


def test_the_bound_holds_where_objectives_stay_below_the_autoencoder():
    found = bound(BOUNDED)
    assert found.top == (-100.0, -90.0)
    assert found.curves == {"mmvm": {0.5: (-108.0, -97.0), 4.0: (-140.0, -125.0)}}
    claim = [{"source": "A", "says": "b", "check": "bound"}]
    (verdict,) = judge(claim, BOUNDED)
    assert verdict.holds is True
    assert "8.00 nats below at beta 0.5 and 40.00 at 4" in verdict.found
    above = [BOUNDED[0], BOUNDED[1], record("mmvm", 0.5, costs(95.0, 8.0), train=97.0)]
    assert judge(claim, above)[0].holds is False
    away = [BOUNDED[0], BOUNDED[1], record("mmvm", 0.5, costs(150.0, 8.0), train=150.0)]
    assert judge(claim, away)[0].holds is False
    assert judge(claim, BOUNDED[1:])[0].holds is None
    assert "To be looked at" in judge(claim, [])[0].told()


def test_the_objective_is_drawn_over_beta_where_there_is_an_autoencoder():
    figure = objective_over_beta(BOUNDED)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(lines["mmvm, test rows"]) == [-108.0, -140.0]
    assert set(lines["autoencoder, test rows"]) == {-100.0}
    assert objective_over_beta(BOUNDED[1:]) is None
    assert objective_over_beta(BOUNDED[:2]) is None, "one beta is no curve"
    weighed = record("ae", 1.0, costs(100.0))
    weighed.config["weights"] = {"mnist": 2.0}
    assert objective_over_beta([weighed, *BOUNDED[1:]]) is None


def test_a_front_is_passed_by_whoever_is_better_at_no_more_nats():
    claim = [{"source": "A", "says": "b", "check": "front", "of": "coherence"}]
    own = [record("mmvm", b, costs(r, coherence=q)) for b, r, q in ((0.5, 100.0, 0.5), (1.0, 120.0, 0.8))]
    inside = record("poe", 1.0, costs(110.0, coherence=0.4))
    assert judge(claim, [*own, inside])[0].holds is True
    outside = record("moe", 1.0, costs(110.0, coherence=0.6))
    (verdict,) = judge(claim, [*own, inside, outside])
    assert verdict.holds is False
    assert verdict.found.startswith("best coherence of mmvm 0.800 at 120.0 nats (beta 1); of 2 points")
    assert "1 outside its front, the farthest 0.100 above it (moe, beta 1)" in verdict.found
    assert (
        ". Does not hold in the small settings: "
        in judge(claim, [*own, outside], "in the small settings")[0].told()
    )
    on = [inside, record("moe", 1.0, costs(120.0, coherence=0.8))]
    assert judge(claim, [*own, *on])[0].holds is True, "on its front is not outside"


def test_who_reconstructs_better_than_all_of_a_front_decides_nothing_unless_best():
    claim = [{"source": "A", "says": "b", "check": "front", "of": "other_trial"}]
    own = [record("mmvm", b, costs(r, other_trial=q)) for b, r, q in ((0.5, 100.0, 0.5), (1.0, 120.0, 0.8))]
    for quality, holds in ((0.1, True), (0.79, True), (0.81, False)):
        sharper = record("independent", 1.0, costs(90.0, other_trial=quality))
        (verdict,) = judge(claim, [*own, sharper])
        assert verdict.holds is holds
        assert f"1 at fewer nats than any of mmvm has, least 90.0 with {quality:.3f}" in verdict.found
    assert judge(claim, own)[0].holds is None


def test_what_the_others_taught_is_drawn_over_beta():
    runs = [record("mmvm", b, costs(r, other_trial=q)) for b, r, q in ((0.5, 100.0, 0.5), (1.0, 120.0, 0.8))]
    figure = rate_distortion(runs, y="other_trial")
    assert figure.axes[0].get_ylabel().startswith("other, trial")
    (row,) = main_table(runs[:1])
    assert row["other, trial"] == "0.500"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ("text", "give a list of claims"),
        ([{"source": "a"}], "lacks says"),
        ([{"source": "a", "says": "b", "chek": "bound"}], "Did you mean 'check'"),
        ([{"source": "a", "says": "b", "check": "bund"}], "Did you mean 'bound'"),
        ([{"source": "a", "says": "b", "check": "front", "of": "coherense"}], "Did you mean 'coherence'"),
    ],
)
def test_claims_are_checked(claims, said):
    with pytest.raises(InputError, match=said):
        check_claims(claims, "recipe")


def test_measured_stands_beside_published():
    told = [{"given": ["svhn", "text"], "target": "mnist", "accuracy": 0.7}]
    sections = {
        "coherence": {"subsets": told},
        "imputation": {"cells": [{"given": ["mnist"], "target": "svhn", "rmse": 0.3}]},
    }
    runs = [
        record("cmmd", 1.0, {"target_accuracy": 0.96, "accuracy_subsets": 0.9}, sections=sections, label="a"),
        record("cmmd", 1.0, {"target_accuracy": 0.97, "accuracy_subsets": 0.8}, sections=sections, label="b"),
    ]
    columns = {
        "error": 0.024,
        "subset probe": 0.965,
        "M from ST": 1.0,
        "rmse of svhn from mnist": 0.2,
        "x": 1,
    }
    table = {"source": "T", "data": "D", "same_data": True, "rows": {"CMMD": columns, "MoPoE-IO": {"x": 1}}}
    lines = {(one.row, one.column): one for one in beside([table], runs)}
    assert lines["CMMD", "error"].measured == "0.0300"
    assert lines["CMMD", "error"].run == "cmmd, rate b"
    assert lines["CMMD", "subset probe"].measured == "0.900"
    assert lines["CMMD", "subset probe"].run == "cmmd, rate a"
    assert lines["CMMD", "M from ST"].measured == "0.700"
    assert lines["CMMD", "rmse of svhn from mnist"].measured == "0.3000"
    assert lines["CMMD", "x"].measured == lines["MoPoE-IO", "x"].measured == "-"
    assert cells_of(list(lines.values()))[1][:4] == ["CMMD", "error", "0.024", "0.0300"]


# The whole way


def test_a_recipe_runs_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    Path("tiny.yaml").write_text(TINY)
    argv = ["reproduce", "tiny.yaml", "--small", "--out", "out"]
    assert cli.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("3 of 3 runs are there, in out/tiny-small-") for line in lines)
    assert any(re.match(r"MMVM\s+reconstruction\s+4300\s+[\d.]+", line) for line in lines), lines
    assert any(line.startswith("The small settings of tiny: ") for line in lines)
    assert any(line.startswith("A stand-in: the digits of scikit-learn") for line in lines)
    assert lines[-1].startswith("next:  counterpoint export out/tiny-small-")
    (folder,) = Path("out").glob("tiny-small-*")
    told = json.loads((folder / "reproduced.json").read_text())
    assert told["stand_in"] is True
    assert told["beside"][0]["same_data"] is False, "a stand-in is no data of a paper"
    assert [c["holds"] for c in told["claims"]][1] is None
    page = (folder / "report.html").read_text()
    assert "Objective and autoencoder" in page
    assert "it is bounded" in page
    assert "vultilion" in page, "photographs are credited"
    times = {p: p.stat().st_mtime_ns for p in folder.glob("*/model.safetensors")}
    assert len(times) == 3
    assert cli.main(argv) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[0].startswith("already done: 3 of 3 runs are there")
    assert {p: p.stat().st_mtime_ns for p in times} == times
    Path("tiny.yaml").write_text(TINY.replace("[0.25, 1]", "[0.25, 2]"))
    assert cli.main(argv) == 0
    assert len(list(Path("out").glob("tiny-small-*"))) == 2


@pytest.mark.slow
def test_a_recipe_with_a_target_ends_in_a_report_that_keeps_translations(tmp_path):
    text = """\
data: {name: two_view_mnist, folder: $COUNTERPOINT_DATA, rows: 60, test_rows: 30}
label: digit
target: digit
measures: [prediction, imputation]
method: cmmd
options.observed: [[rotated]]
options.classify: mean
likelihood: bernoulli
network: mlp
hidden: [8]
latent_dim: 2
epochs: 1
validation: 0
patience: null
published:
  - {source: A table, data: B, same_data: true, rows: {CMMD: {error: 0.02, rmse of noisy from rotated: 0.3}}}
small: {epochs: 2}
"""
    (tmp_path / "told.yaml").write_text(text)
    done = reproduce(str(tmp_path / "told.yaml"), small=True, out=tmp_path / "out")
    assert "Into noisy" in done.page.read_text()
    assert [0 < float(line.measured) < 1 for line in done.lines] == [True, True]
    again = reproduce(str(tmp_path / "told.yaml"), small=True, out=tmp_path / "out")
    assert (again.plan.todo, again.plan.there) == (0, 1), "in whatever order its options stand"


def test_data_that_are_not_there_are_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("COUNTERPOINT_DATA", raising=False)
    assert cli.main(["reproduce", "mmvm/figure5-bound", "--out", str(tmp_path)]) == 2
    assert "give their folder with --data DIR" in capsys.readouterr().err
    assert cli.main(["reproduce", "mmvm/figure5-bound", "--data", str(tmp_path / "no")]) == 2
    assert "which is no folder" in capsys.readouterr().err
    assert cli.main(["reproduce", "mmvm/figure5-bund"]) == 2
    assert "Did you mean 'mmvm/figure5-bound'" in capsys.readouterr().err
    assert cli.main(["reproduce"]) == 2
    assert "--list" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"mnist/train\.npz"):
        reproduce("mmvm/figure5-bound", data=tmp_path, out=tmp_path / "out")
    assert not [p for p in tmp_path.glob("**/*") if p.name == "manifest.json"]


# The list


def experiments(paper):
    return listed()["experiments"][paper]


def numbers(paper, kind):
    """The numbers of a paper's figures or tables that are listed, panels and columns once."""
    found = [re.findall(rf"^{kind}s? (.+)", str(one["item"])) for one in experiments(paper)]
    items = [part for texts in found for text in texts for part in re.split(r", | and ", text)]
    return {re.match(r"[A-Z]?\d+", part)[0] for part in items if re.match(r"[A-Z]?\d+", part)}


def test_every_table_and_figure_of_the_papers_is_listed():
    assert set(listed()["experiments"]) == set(listed()["papers"])
    assert numbers("MM-VAMP", "Figure") == {str(i) for i in range(1, 14)}
    assert numbers("MMVM", "Figure") == {str(i) for i in range(1, 21)}
    assert numbers("MMVM", "Table") == {"1", "2", "3"}
    assert numbers("CMMD", "Figure") == {*"12345", "C1", "F1", "G1"}
    assert numbers("CMMD", "Table") == {*"12345678", "C1", "H1", "H2", "H3", "H4", "H5"}
    assert "Lemma 4.1" in [one["item"] for one in experiments("MMVM")]


def test_every_entry_says_what_became_of_it():
    for paper in listed()["papers"]:
        for one in experiments(paper):
            where = f"{paper}, {one['item']}"
            assert set(one) <= {"item", "shows", "data", "status", "recipe", "why"}, where
            assert one["status"] in STATUS, where
            assert one.get("data") is None or one["data"] in listed()["data"], where
            assert one.get("recipe") is None or one["recipe"] in names(), where
            assert one["status"] == "reproduced" or one.get("why"), f"{where}: why?"
            if one["status"] == "runs small":
                assert one["recipe"], where
    said = " ".join(" ".join(row) for row in experiment_cells())
    assert "implement" not in said.lower()
    named_files = re.findall(r"\b((?:docs|tests|benchmarks)/[\w./-]+\w)", said)
    assert all((Path(__file__).parent.parent / file).exists() for file in named_files), named_files


def test_every_data_set_has_a_reader_and_says_how_to_get_it():
    for name, one in listed()["data"].items():
        assert set(one) == {"reader", "get", "hours", "estimate"}, name
    used = {one.get("data") for paper in listed()["papers"] for one in experiments(paper)}
    assert used - {None} == set(listed()["data"])


def test_the_page_about_recipes_names_them_all_and_says_which_run_small():
    text = (Path(__file__).parent.parent / "docs" / "reproduce.md").read_text()
    rows = dict(re.findall(r"^\| `([\w/-]+)` \|.*\| *(yes)? *\|$", text, re.MULTILINE))
    assert set(rows) == set(names()), "docs/reproduce.md has a table of recipes: a row each"
    assert {name for name, small in rows.items() if small} == set(SMALL)


def test_the_list_is_printed(capsys):
    assert cli.main(["reproduce", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*listed()["data"], "Lemma 4.1", "mmvm/figure5-bound"))
    assert out.splitlines()[-1] == "next:  counterpoint reproduce mmvm/figure5-bound --small"
