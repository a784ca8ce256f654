"""The documentation site: public names are described, blocks run or parse, the built pages hold."""

import doctest
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import blocks as blocks_module
import docstrings
import numpy as np
import pytest
import site_pages
import yaml
from blocks import blocks, follow

from counterpoint import METHODS, cli, commands, parsing
from counterpoint.sweeps.grid import read_grid
from test_floors import FLOORS, NAMES, room

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

MADE = ("maths", "api")
PAGES = sorted(p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in MADE)
TEXTS = {
    str(p.relative_to(ROOT)): p.read_text() for p in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
}


# What is described.


def exported():
    """Every (module, name) that some `__all__` exports, and the public names of floors 0 to 4."""
    modules = set(site_pages.packages())
    for file in NAMES:
        path = file.removesuffix(".py").removesuffix("/__init__").split("/")
        if any(room(file) in FLOORS[f] for f in range(4)) and not any(p.startswith("_") for p in path):
            # Modules of a package are described where the package exports them.
            modules.add(f"counterpoint.{path[0]}")
    return [(m, n) for m in sorted(modules) for n in site_pages.public(import_module(m))]


# Packages that other parts of the library use, not people; what they export is not in the reference.
INSIDE = ("counterpoint.commands", "counterpoint.report", "counterpoint.training", "counterpoint.measures")


@pytest.mark.parametrize(("module", "name"), [e for e in exported() if not e[0].startswith(INSIDE)])
def test_every_public_name_is_in_the_reference(module, name):
    thing = getattr(import_module(module), name)
    assert id(thing) in site_pages.documented(), (
        f"{module} exports {name}, which the reference does not describe: add {module} to REFERENCE in "
        "docs/_ext/site_pages.py, or take the name out of what the module exports"
    )


@pytest.mark.parametrize("module", site_pages.listed())
def test_everything_in_the_reference_has_words(module):
    made = import_module(module)
    assert inspect.getdoc(made), f"{module} has no docstring"
    for name in site_pages.public(made):
        thing = getattr(made, name)
        own = str(getattr(thing, "__module__", "")).startswith("counterpoint")
        if own and (inspect.isclass(thing) or inspect.isroutine(thing)):
            assert inspect.getdoc(thing), (
                f"{module}.{name} has no docstring; the reference would be empty there"
            )
        if own and inspect.isclass(thing):
            bare = [
                n
                for n, member in inspect.getmembers(thing, inspect.isroutine)
                if not n.startswith("_")
                and n != "forward"
                and str(getattr(member, "__module__", "")).startswith("counterpoint")
                and not inspect.getdoc(getattr(thing, n))
            ]
            assert not bare, f"{module}.{name}: {', '.join(bare)} have no docstring"


def test_the_reference_has_no_module_that_is_gone():
    gone = {m for names in site_pages.REFERENCE.values() for m in names} - set(site_pages.listed())
    assert gone <= {"counterpoint.locks"}, f"REFERENCE in docs/_ext/site_pages.py names {sorted(gone)}"


@pytest.mark.parametrize("name", METHODS)
def test_the_page_of_a_method_has_its_equation_and_its_code(name):
    page = site_pages.maths_page(name)
    said = inspect.getdoc(METHODS[name])
    equation = re.search(r"^    (\S.*)$", said, re.MULTILINE)
    before = page[: page.index("The recipe")]
    if equation and equation.start() < said.index("Source:"):
        assert equation[1].strip() in before
    assert "**Source:**" in before
    file = Path(inspect.getfile(METHODS[name])).name
    assert f"methods/{file}\n" in page
    for path in re.findall(r"literalinclude:: (\S+)", page):
        assert Path(os.path.normpath(DOCS / "maths" / path)).is_file(), (
            path
        )  # the folder is made by the build
    for part in ("objective", "aggregation", "prior"):
        made = type(getattr(METHODS[name](), part))
        assert (
            made is type(None)
            or made.__module__ == METHODS[name].__module__
            or f"pyobject: {made.__name__}" in page
        )


@pytest.mark.parametrize("module", [docstrings, blocks_module])
def test_examples_of_the_pages_tools(module):
    assert doctest.testmod(module).failed == 0


def test_docstrings_become_pages():
    made = docstrings.to_rst(
        [
            "Return |x_| of `a`s.",
            "",
            "    L = a * b",
            "        + c",
            "",
            "- one",
            "  more",
            "- two",
            "",
            "Args:",
            "    x: What `f` reads,",
            "        on two lines.",
            "    **more: Others.",
            "",
            "Example:",
            "    >>> f(1)",
            "    2",
        ]
    )
    assert made == [
        r"Return \|x\_\| of ``a``\ s.",
        "",
        ".. code-block:: text",
        "",
        "   L = a * b",
        "       + c",
        "",
        "- one",
        "  more",
        "- two",
        "",
        "**Arguments**",
        "",
        "``x``",
        "   What ``f`` reads,",
        "   on two lines.",
        "``**more``",
        "   Others.",
        "",
        "**Example**",
        "",
        ".. code-block:: pycon",
        "",
        "   >>> f(1)",
        "   2",
        "",
    ]


# What pages show.

EVERY = [(page, b) for page, text in TEXTS.items() for b in blocks(text)]
LANGUAGES = {
    "",
    "python",
    "sh",
    "console",
    "yaml",
    "diff",
    "{toctree}",
    "{include}",
    "{code-cell}",
    "text",
    "bibtex",
}


def test_every_block_says_what_it_is():
    odd = {(page, b.language) for page, b in EVERY if b.language not in LANGUAGES}
    assert not odd, f"blocks in a language that no test runs: {sorted(odd)}"


def typed():
    """Every `counterpoint` line of every page: of shell blocks and screens, and of blocks without a name."""
    for page, block in EVERY:
        code = block.code.replace("\\\n", " ")
        if block.language in ("sh", "console", ""):
            lines = [line.removeprefix("$ ") for line in code.splitlines()]
            for line in lines:
                if re.match(r"counterpoint [a-z]", line):
                    yield page, line


@pytest.mark.parametrize(("page", "line"), sorted(set(typed())))
def test_every_command_parses(page, line, capsys):
    _, verb, *rest = shlex.split(line, comments=True)
    assert verb in cli.VERBS, f"{page}: {line}"
    if rest != ["--help"]:
        assert parsing.parse(verb, getattr(commands, verb), rest) is not None


@pytest.mark.parametrize(
    ("page", "code"), [(page, b.code) for page, b in EVERY if b.language in ("python", "{code-cell}")]
)
def test_all_python_compiles(page, code):
    compile(code, page, "exec")


@pytest.mark.parametrize(("page", "code"), [(page, b.code) for page, b in EVERY if b.language == "yaml"])
def test_every_grid_is_read(page, code, tmp_path):
    assert yaml.safe_load(code)
    if "method:" in code and "tides" not in code:  # a set that the guide adds, and its test follows
        (tmp_path / "grid.yaml").write_text(code)
        assert read_grid(tmp_path / "grid.yaml")


def test_every_link_in_the_sources_leads_somewhere():
    missing = [
        f"{page}: {target}"
        for page, text in TEXTS.items()
        for target in re.findall(
            r"\]\((?!\w+:|#)([^)#\s]+)", re.sub(r"(?s)^ *```.*?^ *```|`[^`\n]+`", "", text, flags=re.M)
        )
        if not (ROOT / page).parent.joinpath(target).exists()
        and not re.match(r"(\.\./)?(maths|api)/\w", target)  # made when the site is built
    ]
    assert not missing, missing


# Pages that are run from their first block to their last, as a reader would, in an empty folder.
RUN = [
    "index",
    *(f"start/{p.stem}" for p in (DOCS / "start").glob("[!i]*.md")),
    "guides/missing",
    "guides/faq",
    "baselines",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_a_page_runs(name, tmp_path):
    follow(blocks((DOCS / f"{name}.md").read_text()), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "which"), [("sampling", [0]), ("data", [0]), ("data", [1]), ("data", [2])])
def test_blocks_that_need_data_run_with_some(page, which, tmp_path):
    """Blocks that begin with 'your data': here with made-up ones of that kind."""
    made = [b for b in blocks((DOCS / f"{page}.md").read_text()) if b.language == "python"]
    cells = next(
        b for b in blocks((DOCS / "start" / "cells.md").read_text()) if b.file == "make_cells.py"
    ).code
    before = {
        "sampling": "import numpy as np\nfrom counterpoint import Counterpoint\n"
        "rng = np.random.default_rng(0)\nx = rng.normal(size=(80, 4))\n"
        "data = {'a': x, 'b': x @ rng.normal(size=(4, 3))}\n",
        "data": "import os\nimport numpy as np\nos.makedirs('CUB_200_2011/attributes')\n"
        "open('CUB_200_2011/attributes/image_attribute_labels.txt', 'w').write('1 2 1 3 0.5\\n')\n"
        f"import counterpoint as cp\nimport mudata\n{cells}\nimport shutil\n"
        "mdata = md.read_h5mu('cells.h5mu')\nfor name in ('rna', 'prot'):\n"
        "    mdata[name].layers['counts'] = mdata[name].X\n"
        "for name in ('pbmc', 'atlas'):\n    mdata.write(f'{name}.h5mu')\n",
    }[page]
    code = "".join(made[i].code for i in which)
    code = code.replace('Counterpoint("mmvm"', 'Counterpoint("mmvm", epochs=2').replace(", epochs=30", "")
    (tmp_path / "page.py").write_text(before + code)
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def views(path, rows=580):
    """Two views of ten kinds in an `.npz`, large enough for the 500 test rows of the pages' grids."""
    rng = np.random.default_rng(0)
    kind = np.arange(rows) % 10
    planted = np.eye(10)[kind] + rng.normal(size=(rows, 10))
    made = {name: planted @ rng.normal(size=(10, wide)) for name, wide in (("a", 5), ("b", 4))}
    np.savez(path, **made, labels=kind, kind=kind)


def run(line, folder):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    program = "import sys; from counterpoint.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, *shlex.split(line)[1:]]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("page", "count"), [("sweeps", 88), ("results", 48)])
def test_a_grid_runs_on_small_rows(page, count, tmp_path):
    """As it stands, with one epoch; that of the results in the place of these lines of its example."""
    (grid,) = (b.code for b in blocks((DOCS / f"{page}.md").read_text()) if b.language == "yaml")
    given = yaml.safe_load((ROOT / "examples" / "mfeat_sweep.yaml").read_text()) if page == "results" else {}
    given |= {"method": ["mmvm"]} if page == "results" else {}
    given |= {**yaml.safe_load(grid), "data": "mfeat.npz", "epochs": 1, "hidden": [4], "measures": ["probe"]}
    given |= {"seed": [0]} if page == "results" else {}
    views(tmp_path / "mfeat.npz")
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(given))
    run("counterpoint sweep grid.yaml", tmp_path)
    assert len(list((tmp_path / "runs" / "grid").glob("*/scores.json"))) == count


@pytest.mark.slow
def test_the_command_that_finds_a_method_runs_on_small_rows(tmp_path):
    page = (DOCS / "guides" / "which-method.md").read_text()
    (line,) = (b.code.removeprefix("$ ") for b in blocks(page) if b.language == "console")
    views(tmp_path / "data.npz", rows=80)
    said = run(f"{line.strip()} --labels labels --epochs 1", tmp_path)
    assert all(name in said for name in ("mmvm", "mopoe", "jmvae", "independent"))


# The built site.


class Page(HTMLParser):
    """What a page links to and what in it can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.names = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {v for k, v in attrs if k in ("id", "name") and v}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loaded.add(given["src"])
        if tag == "link" and given.get("href") and given.get("rel") not in ("canonical",):
            self.loaded.add(given["href"])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site as `make docs` builds it: any warning is an error."""
    if "COUNTERPOINT_DATA" not in os.environ and os.environ.get("CI"):
        pytest.fail("COUNTERPOINT_DATA is not set; CI must execute the tutorials")
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    built = subprocess.run(words, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


@pytest.mark.slow
def test_links_within_the_site_hold_and_nothing_is_fetched(site):
    pages = {p.resolve(): Page(p.read_text()) for p in site.rglob("*.html") if "_static" not in p.parts}
    assert len(pages) > 2 * len(METHODS)
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            where = urllib.parse.urlsplit(link)
            if where.scheme or where.netloc:
                if link in page.loaded and where.scheme != "data":
                    broken.append(f"{path.name} loads {link}")
                continue
            target = (path.parent / urllib.parse.unquote(where.path)).resolve() if where.path else path
            if not target.exists():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif (
                where.fragment
                and target in pages
                and urllib.parse.unquote(where.fragment) not in pages[target].names
            ):
                broken.append(f"{path.relative_to(site)}: {link} has no such place")
    assert not broken, "\n".join(sorted(set(broken))[:40])


@pytest.mark.slow
def test_tutorials_show_what_they_printed(site):
    if "COUNTERPOINT_DATA" not in os.environ:
        pytest.skip("COUNTERPOINT_DATA is not set: the tutorials were not executed")
    for name in ("cells", "animals", "images-sound"):
        page = (site / "tutorials" / f"{name}.html").read_text()
        assert page.count("cell_output") >= 4, name
        assert "<img" in page, name


# Text that a reader would not see all of; tables and listings scroll by themselves.
CUT = """[...document.querySelectorAll("article h1, article h2, article h3, article p, article dt")]
    .some(e => !e.closest("table, pre") && e.clientWidth && e.scrollWidth > e.clientWidth + 1)"""
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_their_screen_and_run_without_an_error(site, width):
    if CHROMIUM is None:
        pytest.fail("no Chromium: install Debian's `chromium`.") if os.environ.get("CI") else pytest.skip(
            "no Chromium"
        )
    from playwright.sync_api import sync_playwright

    wrong, wide = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
        for path in sorted(p for p in site.rglob("*.html") if not {"_static", "_modules"} & set(p.parts)):
            page.goto(path.as_uri())
            if page.evaluate("document.documentElement.scrollWidth") > width + 1 or page.evaluate(CUT):
                wide.append(str(path.relative_to(site)))
        browser.close()
    assert not wrong, wrong[:10]
    assert not wide, f"wider than {width}: {wide}"
