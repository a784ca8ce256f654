"""Files for papers and talks."""

import csv

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.report.export import as_latex, export
from counterpoint.report.records import read_records
from made_runs import runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "new"
    return folder, export(read_records(runs()), folder, ("svg", "png", "csv", "latex", "markdown"))


def test_every_figure_and_table_is_there(made):
    folder, paths = made
    assert sorted(folder.iterdir()) == sorted(paths)
    assert len(set(paths)) == len(paths)
    kinds = {
        kind: {p.stem for p in paths if p.suffix == kind} for kind in (".svg", ".png", ".csv", ".tex", ".md")
    }
    assert kinds[".svg"] == kinds[".png"]
    assert {"losses", "into-word-mmvm-seed-0", "embedding-mmvm-seed-0"} <= kinds[".png"]
    assert kinds[".tex"] == kinds[".md"] == kinds[".csv"] - {"scores"}
    for path in paths:
        content = path.read_bytes()
        assert content
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG")


def test_scores_are_tidy(made):
    folder, _ = made
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    records = {r.name: r for r in read_records(runs())}
    assert {row["run"] for row in rows} == set(records)
    assert {r["run"]: r["control"] for r in rows} == {name: r.control or "" for name, r in records.items()}
    for row in rows:
        assert float(row["value"]) == records[row["run"]].summary[row["measure"]]


def test_again_gives_the_same_bytes(made, tmp_path):
    folder, _ = made
    for path in export(read_records(runs()), tmp_path, ("svg", "csv")):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_latex_is_escaped_and_nulls_stand_below_a_rule():
    rows = [
        {"method": "a & b_c", "x": "0.5 ± 0.1", "_null": False, "_best": ["x"]},
        {"method": "chance 100 %", "x": None, "_null": True},
    ]
    lines = as_latex(rows).splitlines()
    assert r"a \& b\_c & \textbf{0.5 $\pm$ 0.1} \\" in lines
    assert lines[lines.index(r"chance 100 \% & -- \\") - 1] == r"\midrule"


def test_headings_that_look_alike_become_files_of_their_own(tmp_path, monkeypatch):
    from counterpoint.report import export as module
    from counterpoint.report.charts import heat_map

    headings = ["Into a+b", "Into a b", "Into a b 2", "Into 音", "Into 画"]
    figures = {h: heat_map(["a"], np.ones((1, 1)), h) for h in headings}
    monkeypatch.setattr(module, "pictures", lambda records: figures)
    paths = export(read_records(runs()), tmp_path / "out", ("png",))
    assert len(set(paths)) == len(headings)


@pytest.mark.parametrize(
    ("formats", "message"), [(("pdf",), "format is 'pdf'; allowed are svg"), ((), "formats is empty")]
)
def test_unknown_formats_are_refused(formats, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export(read_records(runs()), tmp_path / "a", formats)
    assert not (tmp_path / "a").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(InputError, match="is a file"):
        export(read_records(runs()), tmp_path / "f")
