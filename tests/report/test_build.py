"""The whole report: one file, safe, small, the same twice; of one run and of hundreds."""

import json
import re
from html import unescape

import pytest

from counterpoint.errors import InputError
from counterpoint.report.build import report
from counterpoint.report.records import read_records
from counterpoint.report.scatter import scatter
from made_runs import copied, edited, runs


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = report(runs(), tmp_path_factory.mktemp("page") / "deep" / "report.html")
    return path.read_text(encoding="utf-8")


def test_it_says_what_was_trained_on_what(text):
    assert "6 runs of mmvm · mmvm, pairing shuffled · poe" in text
    assert "102 of 102" in text
    assert "48 test rows, label kind with 3 classes" in text
    for heading in ("Remarks", "Scores", "Training", "Embeddings", "Translations", "Latents", "In detail"):
        assert f"<h2>{heading}</h2>" in text, heading


def test_nothing_is_loaded_and_names_are_escaped(text):
    bare = re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r"https?://|url\(|@import", bare)
    assert "<img>" not in re.sub(r"<img [^>]*>", "", bare)
    assert "<b>top" not in bare
    assert "script-src 'sha256-" in unescape(bare)
    assert bare.count("<script>") == 1


def test_the_same_runs_give_the_same_page(text, tmp_path):
    assert report(runs(), tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_runs_of_several_betas_have_curves(tmp_path):
    for i, beta in enumerate((0.1, 1.0, 10.0)):
        copied(runs() / "mmvm-0", tmp_path / "all" / f"r{i}", beta=beta, shift=0.01 * i)
    text = report(tmp_path / "all", tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h2>Rate and distortion</h2>" in text
    assert text.index("mmvm, beta 0.1") < text.index("mmvm, beta 1<") < text.index("mmvm, beta 10<")


def test_a_run_that_was_not_evaluated_is_still_shown(tmp_path):
    run = edited(runs() / "poe-0", tmp_path / "bare", lambda s: s.clear())
    text = report(run, tmp_path / "a.html").read_text(encoding="utf-8")
    assert "counterpoint evaluate" in text
    assert "<h2>Training</h2>" in text


def test_three_hundred_runs_are_one_small_page(tmp_path):
    made = [
        copied(
            runs() / f"{m}-0",
            tmp_path / "all" / f"{m}{b}{s}",
            beta=2.0**b,
            seed=s,
            shift=0.001 * b + 0.01 * s,
        )
        for m in ("mmvm", "poe")
        for b in range(-7, 4)
        for s in range(15)
    ]
    assert len(made) == 330
    page = report(tmp_path / "all", tmp_path / "a.html")
    assert page.stat().st_size < 5_000_000
    text = page.read_text(encoding="utf-8")
    assert "330 runs of mmvm · poe" in text
    assert "20 more groups are in the tables." in text


@pytest.mark.parametrize(("title", "message"), [(" ", "title is ' '"), ("ok", "is a folder")])
def test_what_cannot_be_written_is_refused(title, message, tmp_path):
    with pytest.raises(InputError, match=message):
        report(runs(), tmp_path, title=title) if title == "ok" else report(
            runs(), tmp_path / "a.html", title=title
        )


def test_the_plot_holds_every_point(tmp_path):
    record = read_records(runs() / "mmvm-0")[0]
    data = json.loads(scatter(record))
    kept = record.exhibits()
    there = sum(int((kept[f"pca/{m}"] == kept[f"pca/{m}"]).all(1).sum()) for m in range(3))
    assert len(data["of"]) == len(data["row"]) == len(data["label"]) == there
    for view in data["views"]:
        assert len(view["points"]) == 2 * there
        assert (min(view["points"]), max(view["points"])) == (0, 1000)
    assert sorted(data["order"]) == list(range(there))
    assert data["classes"] == ["<b>top", "low", "mid"]
    assert data["by"] == ["label", "modality", "agreement"]
    scores = [s for s in data["score"] if s is not None]
    assert (min(scores), max(scores)) == (0, 1)
    assert "<" not in scatter(record)
    assert scatter(read_records(runs() / "poe-1")[0]) is None
