"""The page: one file, whole or not at all, safe against what names contain, with nothing to load."""

import base64
import os
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from counterpoint.errors import InputError
from counterpoint.report.page import Notes, Picture, Section, Table, write_sections

HOSTILE = "<script>alert('1')</script> & \"quoted\""
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Reader(HTMLParser):
    """Collects tags and text and insists that every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.words = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert not reader.open
    return reader


def a_figure(label=""):
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2])
    figure.set_label(label)
    return figure


def write_page(path, *, title="t", table=(), figures=None, notes=()):
    """A page of a table, figures as pictures, and notes."""
    sections = [Section("", [Table(table)])]
    sections += [Section(heading, [Picture(figure)]) for heading, figure in (figures or {}).items()]
    return write_sections(path, title=title, sections=[*sections, Section("Notes", [Notes(notes)])])


@pytest.fixture
def page(tmp_path):
    return write_page(
        tmp_path / "deep" / "page.html",
        title=HOSTILE,
        table=[{"method": HOSTILE, "accuracy": 0.87654}, {"method": "moe", "rate": 12, "spread": "±.01"}],
        figures={HOSTILE: a_figure('what "it" shows'), "Curves": a_figure()},
        notes=["flower: vultilion on Flickr, CC BY 2.0", HOSTILE],
    )


def test_it_parses_and_holds_what_was_given(page):
    reader = read(page)
    words = "".join(reader.words)
    assert words.count(HOSTILE) == 6  # title twice, contents, cell, heading, note
    assert "0.877" in words
    assert "±.01" in words
    assert "vultilion" in words
    assert not any(tag == "script" for tag, _ in reader.tags)


def test_nothing_is_loaded_from_anywhere(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[^\"]*", "", text))
    for tag, attributes in read(page).tags:
        assert tag not in {"script", "iframe", "object"}
        assert tag != "link" or attributes["href"] == "data:,"  # no icon is asked for either
        assert attributes.get("src", "data:").startswith("data:")


def test_pictures_are_inside_and_have_words_for_those_who_cannot_see_them(page):
    pictures = [attributes for tag, attributes in read(page).tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ['what "it" shows', "Curves"]
    for picture in pictures:
        assert base64.b64decode(picture["src"].partition(",")[2]).startswith(b"\x89PNG")


def test_it_suits_phones_and_dark_rooms(page):
    text = page.read_text(encoding="utf-8")
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text


def test_absent_cells_are_dashes_and_number_columns_stand_right(page):
    reader = read(page)
    assert "".join(reader.words).count("–") == 3
    rights = [tag for tag, attributes in reader.tags if attributes.get("class") == "number"]
    assert rights == ["th", "th", "td", "td", "td", "td"]


def test_same_content_same_bytes(tmp_path):
    first, second = (
        write_page(tmp_path / name, title="t", table=[], figures={"f": a_figure()}, notes=[])
        for name in ("a", "b")
    )
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failure_leaves_the_old_page_and_nothing_else(tmp_path, monkeypatch, broken):
    path = write_page(tmp_path / "page.html", title="old", table=[], figures={})
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(InputError, match="disk full; make room"):
        write_page(path, title="new", table=[], figures={})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_figure_that_cannot_be_drawn_leaves_nothing(tmp_path):
    class Broken(Figure):
        def savefig(self, *_, **__):
            raise RuntimeError("no ink")

    with pytest.raises(RuntimeError, match="no ink"):
        write_page(tmp_path / "page.html", title="t", table=[], figures={"f": Broken()})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"title": " "}, "title is ' '"),
        ({"title": None}, "title is None"),
    ],
)
def test_bad_arguments_say_what_is_wrong(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write_page(tmp_path / "page.html", **options)


def test_a_folder_is_not_a_page(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        write_page(tmp_path, title="t", table=[], figures={})


def test_a_script_that_the_font_lacks_is_no_obstacle(tmp_path):
    figure = a_figure("音")
    figure.axes[0].set_title("音")
    text = write_page(tmp_path / "a.html", figures={"音": figure}).read_text(encoding="utf-8")
    assert 'alt="音"' in text
