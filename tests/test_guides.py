"""The guides are followed to the letter, in a copy of the repository."""

import shutil
from pathlib import Path

import pytest
from blocks import blocks, environment, follow, insert

ROOT = Path(__file__).parent.parent
GUIDES = ROOT / "docs" / "guides"


def copied(folder: Path) -> Path:
    """A copy of what a contributor changes."""
    leave = shutil.ignore_patterns("__pycache__", "*.png", "_build", "maths", "api")
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def followed(name: str, folder: Path) -> str:
    """Follow a guide in a copy of the repository; return all that was printed."""
    made = blocks((GUIDES / f"{name}.md").read_text())
    env = {**environment(), "PYTHONPATH": str(copied(folder) / "src")}
    return "".join(out for _, out in follow(made, folder, env))


@pytest.mark.slow
def test_a_method_is_added(tmp_path):
    said = followed("add-a-method", tmp_path)
    assert said.count(" passed") == 2, said
    assert "(120, 2) True" in said


@pytest.mark.slow
def test_a_data_set_is_added(tmp_path):
    said = followed("add-a-data-set", tmp_path)
    assert " passed" in said
    assert len(list((tmp_path / "runs" / "grid").glob("*/scores.json"))) == 2, said


@pytest.mark.slow
def test_a_likelihood_is_added(tmp_path):
    said = followed("add-a-likelihood", tmp_path)
    assert " passed" in said
    assert "'student'" in said


@pytest.mark.parametrize("name", sorted(p.stem for p in GUIDES.glob("add-a-*.md")))
def test_the_lines_that_a_guide_names_are_there(name, tmp_path):
    """Cheap, and what goes stale first: every line of a `diff` block stands once in the file it names."""
    found = [b for b in blocks((GUIDES / f"{name}.md").read_text()) if b.language == "diff"]
    assert found
    for i, block in enumerate(found):
        file = block.code.splitlines()[0].removeprefix("--- ")
        copy = tmp_path / str(i)
        shutil.copy(ROOT / file, copy)
        before = copy.read_text()
        insert(copy, block.code)
        added = sum(line.startswith("+") for line in block.code.splitlines())
        taken = sum(line.startswith("-") for line in block.code.splitlines()[1:])
        assert copy.read_text().count("\n") == before.count("\n") + added - taken


def test_a_line_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "a").write_text("one\ntwo\n")
    with pytest.raises(AssertionError, match="once"):
        insert(tmp_path / "a", "--- a\n three\n+four\n")
    insert(tmp_path / "a", "--- a\n one\n+half\n-two\n+three\n")
    assert (tmp_path / "a").read_text() == "one\nhalf\nthree\n"
