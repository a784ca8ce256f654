"""What is packed, what is installed with it, and under which licences."""

import ast
import re
import shutil
import sys
import tarfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from counterpoint import cli

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
DIRECT = {
    group: {canonicalize_name(r.name): r for r in map(Requirement, lines) if r.name != PROJECT["name"]}
    for group, lines in GROUPS.items()
}
EVERY = {name: r for group in DIRECT.values() for name, r in group.items()}


# What is packed.


def wheel(root: Path, folder: Path) -> set[str]:
    """The files of the wheel that the sources at `root` make."""
    made = next(WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"]))
    return set(zipfile.ZipFile(made).namelist())


def sdist(root: Path, folder: Path) -> Path:
    """The sources that are handed out, unpacked again."""
    made = next(SdistBuilder(str(root)).build(directory=str(folder), versions=["standard"]))
    with tarfile.open(made) as archive:
        archive.extractall(folder, filter="data")
    return folder / Path(made).name.removesuffix(".tar.gz")


def files(root: Path) -> set[str]:
    """The files of the package, as a wheel names them."""
    source = root / "src" / "counterpoint"
    found = [p.relative_to(source) for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {f"counterpoint/{p.as_posix()}" for p in found}


WHY = "pyproject.toml or .gitignore keeps these out"


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    assert len(files(ROOT)) > 100
    assert sorted(files(ROOT) - wheel(ROOT, tmp_path)) == [], WHY


def test_a_wheel_made_from_the_sdist_holds_them_too(tmp_path):
    assert sorted(files(ROOT) - wheel(sdist(ROOT, tmp_path), tmp_path)) == [], WHY


def test_the_wheel_has_its_licence_and_its_command(tmp_path):
    names = wheel(ROOT, tmp_path)
    assert {"licenses/LICENSE", "entry_points.txt"} <= {
        n.split("/", 1)[1] for n in names if ".dist-info/" in n
    }
    assert all(n.startswith(("counterpoint/", "counterpoint-")) for n in names)


def test_a_file_that_the_wheel_lacks_is_noticed(tmp_path):
    """The build leaves out what .gitignore names: `runs/` and `build/`, wherever they are."""
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("py.typed", "runs/card.txt"):
        file = tmp_path / "src" / "counterpoint" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    assert files(tmp_path) - wheel(tmp_path, tmp_path / "dist") == {"counterpoint/runs/card.txt"}


# What is installed with it.

# Modules are not always called as the packages that bring them.
BROUGHT_BY = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "markupsafe": "jinja2",  # parts of the other's interface
    "requests": "pooch",
}
BY_NAME_ALONE = {"nltk"}  # tokens="nltk" says how to get it; nothing else needs it


@cache
def imported() -> set[str]:
    """What the package imports by name, at whatever depth, but for itself and the standard library."""
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").split(".")[0])
    return found - set(sys.stdlib_module_names) - {"counterpoint"}


def test_everything_that_is_imported_is_asked_for():
    assert {"torch", "yaml", "optuna"} <= imported()
    wanted = {canonicalize_name(BROUGHT_BY.get(m, m)) for m in imported() - BY_NAME_ALONE}
    assert sorted(wanted - set(EVERY)) == [], "imported in src, but pyproject.toml does not ask for them"


def test_the_extras_that_errors_name_exist():
    assert set(cli.EXTRAS) <= set(PROJECT["optional-dependencies"])


def pins(name: str) -> dict[str, Version]:
    """The pinned versions of a file of constraints."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    found = {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in lines}
    assert len(found) == len(lines)
    return found


def test_the_constraints_pin_every_dependency_at_a_version_that_is_allowed():
    pinned = pins("constraints.txt")
    missing = sorted(set(EVERY) - set(pinned))
    assert not missing, f"constraints.txt does not pin {', '.join(missing)}"
    for name, asked in EVERY.items():
        assert asked.specifier.contains(pinned[name]), f"{asked} forbids what constraints.txt pins"


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_the_compromised_releases_of_lightning_are_refused(version):
    assert not EVERY["lightning"].specifier.contains(version)
    assert str(pins("constraints.txt")["pytorch-lightning"]) != version


# torch: only one build is at hand. cca-zoo wants newer packages than counterpoint does. The last two
# read code; nothing of them is imported. docs/quality.md says so.
NOT_AT_THEIR_LOWEST = {"torch", "cca-zoo", "pyright", "ruff"}


def lower(asked: Requirement) -> Version:
    """The lowest version that is allowed."""
    found = [Version(s.version) for s in asked.specifier if s.operator == ">="]
    assert len(found) == 1, f"{asked} has no lower bound"
    return found[0]


def test_the_lowest_constraints_are_the_lower_bounds():
    expected = {n: lower(r) for n, r in EVERY.items() if n not in NOT_AT_THEIR_LOWEST}
    assert pins("constraints-lowest.txt") == expected, "constraints-lowest.txt and pyproject.toml differ"


def test_the_lowest_python_is_what_the_classifiers_say():
    said = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert PROJECT["requires-python"] == f">={min(said, key=Version)}"


# Under which licences.

LICENCES = ROOT / "docs" / "licences.md"
COPYLEFT = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
TOOLS = {"docs", "dev"}  # not loaded by the library


def rows() -> list[dict[str, str]]:
    """The rows of both tables; `extra` is who brings a package, with commas."""
    found, head = [], []
    for line in LICENCES.read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not line.startswith("|") or set(cells) == {"---"}:
            continue
        if cells[0] == "package":
            head = ["package", "version", "licence", "extra", "why"]
        else:
            found.append(dict(zip(head, cells, strict=True)))
    return found


def unfree(table: list[dict[str, str]]) -> list[str]:
    """Packages under the GPL or AGPL, or under nothing that is known, that the library itself may load."""
    return [
        f"{r['package']}: {r['licence']}"
        for r in table
        if set(r["extra"].split(", ")) - TOOLS
        and (COPYLEFT.search(r["licence"]) or r["licence"] in ("", "not stated", "UNKNOWN"))
    ]


def test_every_dependency_has_a_row_with_its_licence():
    listed = {(r["extra"], canonicalize_name(r["package"])) for r in rows()}
    missing = sorted({(g, n) for g, names in DIRECT.items() for n in names} - listed)
    assert not missing, f"docs/licences.md has no row for {missing}: run `make licences`"


def test_the_licences_are_those_of_the_versions_that_are_pinned():
    pinned = pins("constraints.txt")
    other = [
        r["package"] for r in rows() if pinned.get(canonicalize_name(r["package"])) != Version(r["version"])
    ]
    assert not other, f"constraints.txt pins none or other versions of {other}: run `make licences`"


def test_no_licence_binds_who_uses_the_library():
    assert len(rows()) > len(EVERY)
    assert unfree(rows()) == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "GNU General Public License v2 (GPLv2)", "AGPL-3.0", ""])
def test_a_licence_that_binds_is_noticed(licence):
    assert unfree([{"package": "x", "licence": licence, "extra": "core, docs"}])
    assert not unfree([{"package": "x", "licence": licence, "extra": "docs, dev"}])
    assert not unfree([{"package": "x", "licence": "LGPL-2.1", "extra": "core"}])
