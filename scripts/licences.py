"""Write docs/licences.md: what an installation brings, with its version, its licence, and what it is for.

It reads pyproject.toml and the metadata of what is installed beside the interpreter that runs it.
"""

import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CORE = "core"
# What a package is needed for: of the core by its name, of an extra by the extra.
WHY = {
    "jsonargparse": "the command line and its configurations, from signatures",
    "lightning": "the trainer for several devices",
    "numpy": "arrays of data, before and after the models",
    "pyyaml": "configurations, grids, recipes",
    "rich": "progress and tables on a screen",
    "safetensors": "weights on disk, without pickle",
    "scikit-learn": "probes, clusters, baselines, splits",
    "scipy": "sparse matrices, statistics, rotations",
    "threadpoolctl": "one thread where the number of threads would change numbers",
    "torch": "models and their training",
    "torchmetrics": "distances between sets of pictures",
    "omics": "AnnData, MuData, zarr and HDF5 files",
    "tables": "tables of text, Parquet and Feather",
    "plots": "figures, tables of pandas, pictures",
    "report": "the HTML page",
    "data": "downloads, with checksums",
    "tune": "adaptive search",
    "flow": "normalising flows over latents",
    "cca": "variants of canonical correlation",
    "slurm": "the Slurm engine",
    "ray": "the Ray engine",
    "hub": "runs on the Hugging Face Hub",
    "docs": "the documentation site",
    "dev": "tests and checks",
}


def direct() -> dict[str, dict[str, Requirement]]:
    """Return what pyproject.toml asks for by name, under the core and every extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {CORE: project["dependencies"], **project["optional-dependencies"]}
    return {
        group: {canonicalize_name(r.name): r for r in map(Requirement, lines) if r.name != project["name"]}
        for group, lines in groups.items()
    }


def licence(found: Distribution) -> str:
    """Return the licence that the metadata states: an SPDX expression, classifiers, or a name."""
    data = found.metadata
    stated = data.get("License-Expression")
    if stated:
        return stated
    classes = [c.split(" :: ")[-1] for c in data.get_all("Classifier", []) if c.startswith("License ::")]
    classes = [c for c in classes if c != "OSI Approved"]
    text = (data.get("License") or "").strip()
    if classes:
        return ", ".join(classes)
    return text.splitlines()[0] if text else "not stated"


def closure(roots: dict[str, Requirement]) -> tuple[dict[str, set[str]], set[str]]:
    """Return all that these bring, each with what asks for it, and what is not installed."""
    asked: dict[str, set[str]] = {}
    missing: set[str] = set()
    todo = [(name, frozenset(r.extras), "") for name, r in roots.items()]
    seen = set()
    while todo:
        name, extras, by = todo.pop()
        asked.setdefault(name, set()).update({by} - {""})
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        for line in found.requires or []:
            r = Requirement(line)
            if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("", *extras)):
                todo.append((canonicalize_name(r.name), frozenset(r.extras), name))
    return asked, missing


def row(*cells: str) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(c.replace("|", "/") for c in cells) + " |"


def page() -> str:
    """Return docs/licences.md."""
    groups = direct()
    table = [row("package", "version", "licence", "extra", "what for"), row(*["---"] * 5)]
    brought: dict[str, tuple[set[str], set[str]]] = {}  # the extras, and who asks
    named = {name for group in groups.values() for name in group}
    for group, roots in groups.items():
        asked, missing = closure(roots)
        if missing:
            sys.exit(f"not installed: {', '.join(sorted(missing))}; `make install`, then `make licences`")
        for name in sorted(roots):
            found = distribution(name)
            version, why = found.version.split("+")[0], name if group == CORE else group
            table.append(row(found.metadata["Name"], version, licence(found), group, WHY[why]))
        for name, by in asked.items():
            extras, who = brought.setdefault(name, (set(), set()))
            extras.add(group)
            who |= by
    rest = [row("package", "version", "licence", "comes with", "asked for by"), row(*["---"] * 5)]
    for name in sorted(set(brought) - named):
        extras, who = brought[name]
        found = distribution(name)
        where = CORE if CORE in extras else ", ".join(e for e in groups if e in extras)
        rest.append(row(found.metadata["Name"], found.version, licence(found), where, ", ".join(sorted(who))))
    return TEXT.format(direct="\n".join(table), rest="\n".join(rest))


TEXT = """# Licences of dependencies

counterpoint is under the Apache License 2.0. This page is made by `make licences` from `pyproject.toml` and
from the metadata of what is installed under `constraints.txt`; `tests/test_packaging.py` holds it to both.
A licence is what the package's own metadata states; nothing here is legal advice, and binary wheels may hold
libraries of others under licences of their own, which their authors list inside the wheel.

## Asked for by name

{direct}

## What these bring

Found on Linux with the CPU build of torch; its CUDA builds bring NVIDIA's libraries besides, under NVIDIA's
own terms. "core" stands for whatever the core brings, whether or not extras do too.

{rest}
"""


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(page(), encoding="utf-8")
