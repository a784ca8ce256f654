"""The documentation site: `make docs` builds it into `build/site`, without network and without warnings."""

import hashlib
import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]
# Notebooks run in processes of their own: one thread each, and the package as it stands here.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(HERE.parent / "src"), os.environ.get("PYTHONPATH")))
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning,ignore::FutureWarning"

import docstrings  # noqa: E402
import site_pages  # noqa: E402

import counterpoint  # noqa: E402

project = "counterpoint"
author = "The counterpoint maintainers"
copyright = author
release = version = counterpoint.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_ext"]
language = "en"

# Docstrings are plain text, which `docstrings.to_rst` turns into pages; their equations stay text too, in the
# letters of the code. So there is no MathJax: nothing is fetched, nothing is missing where scripts are off.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
add_module_names = False
toc_object_entries_show_parents = "hide"
smartquotes = False
python_use_unqualified_type_names = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Tutorials are executed when the site is built, and again when they or the library have changed.
SOURCE = sorted((HERE.parent / "src").rglob("*.py"))
digest = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCE)).hexdigest()[:16]
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "site-notebooks" / digest)
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
NO_DATA = """
:::{note}
The real data were not at hand when this page was built (`COUNTERPOINT_DATA` names their folder): it shows the
code without what it prints.
:::
"""
if not os.environ.get("COUNTERPOINT_DATA"):
    nb_execution_excludepatterns = ["tutorials/*"]

html_theme = "pydata_sphinx_theme"
html_title = "counterpoint"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "counterpoint"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages at the top have no sections to go to; listings and figures need the width.
html_sidebars = {"*": [], "tutorials/*": [], "guides/add-*": []}

# Files beside this folder that are pages of the site, and what they are called here.
BESIDE = {
    "BENCHMARKS.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def linked(app: Sphinx, page: str, source: list[str]) -> None:
    """Let links that hold in the repository hold on the site."""
    text = source[0]
    for file, name in BESIDE.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(file)}", f"]({'../' * page.count('/')}{name}", text)
    if page.startswith("tutorials/") and not os.environ.get("COUNTERPOINT_DATA"):
        text = re.sub(r"^(# .*)$", rf"\1\n{NO_DATA}", text, count=1, flags=re.MULTILINE)
    source[0] = text


def setup(app: Sphinx) -> None:
    """Make the pages that come from the code, and read docstrings in our way."""
    app.connect("builder-inited", lambda app: site_pages.write(HERE))
    app.connect("source-read", linked)

    def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        lines[:] = docstrings.to_rst(lines)

    app.connect("autodoc-process-docstring", process)

    def skip(app: Sphinx, what: str, name: str, thing: object, skipped: bool, options: object) -> bool | None:
        return site_pages.without_strangers(name, thing)

    app.connect("autodoc-skip-member", skip)
