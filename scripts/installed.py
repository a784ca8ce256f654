"""Use an installed counterpoint from an empty folder, as its first user would: `scripts/wheel.sh` runs this.

`installed.py core SOURCES` needs the core alone, `installed.py report SOURCES` afterwards the extra `report`.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

import counterpoint as cp


def run(*words: str, holds: str = "") -> None:
    """Run a verb; its exit status is 0, and what it prints holds these words."""
    done = subprocess.run(["counterpoint", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"counterpoint {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    assert holds in done.stdout, f"counterpoint {' '.join(words)} does not print {holds!r}:\n{done.stdout}"
    print("ok  counterpoint", *words)


def core(sources: Path) -> None:
    """Every module is there, every name, every recipe; a model is fitted, saved, and asked."""
    package = Path(cp.__file__).parent
    assert not package.is_relative_to(sources), f"this is the checkout at {package}, not what was installed"
    there = (sources / "src" / "counterpoint").rglob("*")
    wanted = {p.relative_to(sources / "src" / "counterpoint") for p in there if p.is_file()}
    wanted = {p for p in wanted if "__pycache__" not in p.parts}
    missing = sorted(str(p) for p in wanted if not (package / p).exists())
    assert not missing, f"the wheel lacks {', '.join(missing)}"
    for name in cp.__all__:
        assert getattr(cp, name) is not None
    # Without the extras: a module that needs one says so when it is used, not when it is imported.
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package.parent).with_suffix("").parts
        if path[-1] != "__main__":
            import_module(".".join(p for p in path if p != "__init__"))
    print("ok ", len(wanted), "files, all modules imported")

    rng = np.random.default_rng(0)
    kind = np.arange(60) % 3
    state = rng.normal(size=(60, 3)) + kind[:, None]
    x = {"rna": state @ rng.normal(size=(3, 8)), "protein": state @ rng.normal(size=(3, 4))}
    x["protein"][:9] = np.nan
    np.savez("data.npz", **x, kind=kind)

    run("--help", holds="reproduce")
    run("--version", holds=cp.__version__)
    run("methods", holds="mmvm")
    run("inspect", "data.npz", "--labels", "kind", holds="60 rows")
    run(
        "fit",
        "data.npz",
        "--labels",
        "kind",
        "--test",
        "0.25",
        "--epochs",
        "2",
        "--run",
        "run",
        "--verbose",
        "0",
    )
    run("embed", "run", "data.npz")
    run("evaluate", "run", "data.npz", "--label", "kind")
    run("reproduce", "--list", holds="polymnist")
    assert cp.load("run").transform("data.npz").shape[0] == 60


def report(sources: Path) -> None:
    """What lies in the package as templates, styles and texts becomes a page."""
    run("report", "run", "--out", "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<style>" in page
    assert "mmvm" in page


if __name__ == "__main__":
    {"core": core, "report": report}[sys.argv[1]](Path(sys.argv[2]))
