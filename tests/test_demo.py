"""The demo, as small as it goes: a table, and one page that needs no network."""

import contextlib
import inspect
import io
import re
import shlex
from html.parser import HTMLParser

import pytest

import counterpoint as cp
from counterpoint import commands, parsing

pytest.importorskip("matplotlib")
pytest.importorskip("skimage")

from counterpoint import demo


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a demo, and what it printed."""
    folder, out = tmp_path_factory.mktemp("demo"), io.StringIO()
    with contextlib.redirect_stdout(out):
        page = demo.run(folder, seed=1, epochs=1, rows=60, workers=1)
    return folder, page, out.getvalue().splitlines()


def test_it_prints_the_comparison(shown):
    _, page, lines = shown
    assert len(lines) <= 25
    rows = {line.split("  ")[0].strip() for line in lines}
    assert {*demo.METHODS, "raw features", "chance"} <= rows
    assert any(str(page) in line for line in lines)
    assert lines[-1].startswith("next:  ")
    for command in re.split(r"\s{2,}", lines[-1].removeprefix("next:  ")):
        _, verb, *argv = shlex.split(command)
        assert parsing.parse(verb, getattr(commands, verb), argv) is not None


class Page(HTMLParser):
    """Counts pictures, collects text and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures, self.addresses, self.words = 0, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.pictures += tag in ("img", "svg")
        self.addresses += [v for k, v in found.items() if k in ("src", "href") and v]

    def handle_data(self, data):
        self.words.append(data)


def test_it_writes_one_page_with_grid_embedding_and_table(shown):
    folder, path, _ = shown
    page = Page(path.read_text())
    text = " ".join(page.words)
    assert path.parent == folder
    assert path.suffix == ".html"
    assert page.pictures >= 2
    assert re.search("translation", text, re.IGNORECASE)
    assert re.search("embedding", text, re.IGNORECASE)
    for name in demo.METHODS:
        assert name in text
    assert "photograph" in text.lower()  # whose pictures these are


def test_the_page_needs_nothing_else(shown):
    _, path, _ = shown
    loaded = [a for a in Page(path.read_text()).addresses if not a.startswith(("data:", "#"))]
    assert not loaded, f"the page loads {loaded[:3]}"
    assert "<script src" not in path.read_text()


def test_its_runs_can_be_asked(shown):
    folder, _, _ = shown
    for name in demo.METHODS:
        assert cp.load(folder / "runs" / f"{name}-1").method == name


def test_the_command_has_the_arguments_of_the_function():
    command = inspect.signature(commands.demo)
    wanted = inspect.signature(demo.run).parameters
    for name, parameter in command.parameters.items():
        assert parameter.default == wanted[name].default, name
