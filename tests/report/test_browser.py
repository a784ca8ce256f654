"""Reports in a browser: no error, nothing loaded, every figure there, points that can be hovered, phones."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import counterpoint as cp
from counterpoint.protocol import hold_out
from counterpoint.report.build import report
from counterpoint.report.records import read_records
from counterpoint.report.scatter import scatter
from made_runs import runs
from test_real_data import example

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(
                "there is no Chromium, and reports are looked at in one: install Debian's `chromium`."
            )
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    return report(runs(), tmp_path_factory.mktemp("browser") / "report.html")


@pytest.fixture
def opened(browser, page_file):
    """A function that opens a file at a width; at the end nothing may have gone wrong."""
    pages, wrong = [], []

    def open_(width=1280, file=page_file):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on(
            "request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None
        )
        page.goto(f"file://{file}")
        pages.append(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert wrong == []


@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_present_and_nothing_sticks_out(width, opened):
    page = opened(width)
    seen = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.alt])")
    assert len(seen) > 20
    assert all(pixels > 0 and alt for pixels, alt in seen)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("canvas").count() == 3


@pytest.mark.parametrize(
    "name",
    [
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("mfeat", "spoken_digits", "mouse_gratings")
        ),
        "breast_tcga",
    ],
)
def test_reports_on_real_data(name, real_data, tmp_path, opened):
    """A short training on each of the gallery's sets: the whole page, on a screen and on a phone."""
    train, test, label, kind = sets(real_data, name)
    short = {"epochs": 3, "validation": 0.0, "latent_dim": 8}
    cp.compare(
        train,
        ["mmvm"],
        test_data=test,
        label=label,
        seeds=1,
        out=tmp_path / "runs",
        measures="all",
        **kind,
        **short,
    )
    file = report(tmp_path / "runs", tmp_path / "report.html", title=name)
    assert file.stat().st_size < 5_000_000
    record = read_records(tmp_path / "runs")[0]
    data = json.loads(scatter(record))
    for width in (1280, 390):
        page = opened(width, file)
        seen = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.alt])")
        assert len(seen) > 10
        assert all(pixels > 0 and alt for pixels, alt in seen)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for heading in (
            "Remarks",
            "Scores",
            "Training",
            "Embeddings",
            "Translations",
            "Between the modalities",
        ):
            assert page.get_by_role("heading", name=heading, exact=True).is_visible()
        canvas = page.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box, view = canvas.bounding_box(), data["views"][0]["points"]
        x = box["x"] + 14 + view[0] / 1000 * (box["width"] - 28)
        page.mouse.move(x, box["y"] + 14 + (1 - view[1] / 1000) * (box["height"] - 28))
        assert page.locator(".tip").first.text_content().startswith("row ")


def sets(folder: Path, name: str):
    """Training and test rows of a real set, its label, and how it is modelled."""
    if name == "mfeat":
        data = cp.read(folder / "mfeat" / "mfeat.npz", labels=["labels"])[np.arange(0, 2000, 4)]
        train, test = hold_out(data, 150, "labels")
        return train, test, "labels", {"likelihood": "normal"}
    made = example(name)
    if name == "spoken_digits":
        parts = [made.read(folder, part)[np.arange(n)] for part, n in (("train", 400), ("test", 200))]
        return *parts, "digit", {"likelihood": "bernoulli", "network": "conv", "width": 4}
    if name == "mouse_gratings":
        data = made.read(folder)
        late = data.labels["repetition"] >= 12
        return data[~late], data[late], "direction", {"likelihood": "normal"}
    data, complete = made.read(folder)
    held = np.arange(len(data)) % 5 == 0
    held[complete:] = False
    return data[~held], data[held], "subtype", {"likelihood": "normal"}


def test_contents_lead_to_their_sections(opened):
    page = opened()
    links = page.locator("nav a")
    assert links.count() >= 8
    for i in range(links.count()):
        target = links.nth(i).get_attribute("href")
        assert page.locator(f"section{target} h2").text_content() == links.nth(i).text_content()


def test_points_are_hovered(opened):
    page = opened()
    record = next(r for r in read_records(runs()) if r.name == "mmvm-0")
    data = json.loads(scatter(record))
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    view = data["views"][0]["points"]
    for i in (0, 5, len(data["of"]) - 1):
        x = box["x"] + 14 + view[2 * i] / 1000 * (box["width"] - 28)
        y = box["y"] + 14 + (1 - view[2 * i + 1] / 1000) * (box["height"] - 28)
        page.mouse.move(x, y)
        tip = page.locator(".tip").first
        assert tip.is_visible()
        found = re.fullmatch(
            r"row (\d+) · kind (.*?) · (.*?)( · divergence [\d.]+ nats)?", tip.text_content()
        )
        row, label, name = int(found[1]), found[2], found[3]
        # The point itself, or one that lies on it
        near = [
            k
            for k in range(len(data["of"]))
            if abs(view[2 * k] - view[2 * i]) + abs(view[2 * k + 1] - view[2 * i + 1]) <= 4
        ]
        told = {
            (data["row"][k], data["classes"][data["label"][k]], data["names"][data["of"][k]]) for k in near
        }
        assert (row, label, name) in told
    page.mouse.move(1, 1)
    assert tip.is_hidden()


def test_keys_go_from_point_to_point(opened):
    page = opened()
    canvas = page.locator("canvas").first
    canvas.focus()
    seen = set()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        seen.add(page.locator(".tip").first.text_content())
    assert len(seen) == 4
    page.keyboard.press("Escape")
    assert page.locator(".tip").first.is_hidden()


def test_buttons_change_plane_and_colour(opened):
    page = opened()
    plot = page.locator(".plot").first

    def picture():
        return plot.locator("canvas").evaluate("c => c.toDataURL()")

    shots = {picture()}
    for name in ("modality", "agreement", "principal components"):
        button = plot.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        shots.add(picture())
    assert len(shots) == 4
    assert "disagree" in plot.locator(".legend").text_content()
    plot.get_by_role("button", name="label").click()
    assert "<b>top" in plot.locator(".legend").text_content()
    assert plot.locator(".legend b").count() == 0


def test_it_prints(opened):
    page = opened()
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator("canvas").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_dark_rooms(opened):
    page = opened()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
