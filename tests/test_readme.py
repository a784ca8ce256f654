"""What the README shows runs: its Python, and every command that it names."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from counterpoint import METHODS, Counterpoint, cli, commands, parsing

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def shell() -> list[list[str]]:
    """The words of every line of every shell block, without its comment."""
    lines = [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]
    return [words for words in lines if words]


COMMANDS = [words[1:] for words in shell() if words[0] == "counterpoint"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with the data.npz that the commands name, to be in."""
    rng = np.random.default_rng(0)
    kind = np.arange(48) % 3
    state = rng.normal(size=(48, 3)) + kind[:, None]
    x = {"rna": state @ rng.normal(size=(3, 8)), "protein": state @ rng.normal(size=(3, 4))}
    x["protein"][:9] = np.nan
    np.savez(tmp_path / "data.npz", **x, kind=kind)
    np.savez(tmp_path / "later.npz", rna=x["rna"], lipids=state @ rng.normal(size=(3, 5)))
    monkeypatch.chdir(tmp_path)


def test_there_is_something_to_try():
    assert blocks("python")
    assert {words[0] for words in COMMANDS} >= {"inspect", "fit", "evaluate", "embed", "compare"}
    assert all((ROOT / path).exists() for path in ("Makefile", "constraints.txt"))


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_runs(code, here, monkeypatch):
    fit = Counterpoint.fit

    def quick(self, *args, **kwargs):
        self.epochs = min(self.epochs, 5)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Counterpoint, "fit", quick)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    if "per_modality" in names:  # what its comments say
        assert names["z"].shape == (300, 5)
        assert np.isnan(names["per_modality"]["protein"]).any(1).sum() == 100
        assert np.isfinite(names["protein"].filled).all()


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_every_command_parses(argv):
    assert argv[0] in cli.VERBS
    assert parsing.parse(argv[0], getattr(commands, argv[0]), argv[1:]) is not None


def test_the_commands_run_in_their_order(here, capsys):
    for block in blocks("yaml"):  # each says its name in its first line
        name = re.match(r"# (\w+\.yaml)", block)[1]
        Path(name).write_text(block.replace("epochs: 20", "epochs: 1"))
    for verb, *rest in COMMANDS:
        quick = ["--epochs", "1"] if verb in ("fit", "compare", "adapt") else []
        small = ["--seeds", "1", "--methods", "mmvm,ae"] if verb == "compare" else []
        small += ["--trials", "1", "--epochs", "1"] if verb == "tune" else []
        assert cli.main([verb, *rest, *quick, *small]) == 0, capsys.readouterr().err
    capsys.readouterr()


def test_every_make_target_exists():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {words[1] for words in shell() if words[0] == "make"} <= set(targets)


def test_the_table_names_every_method():
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == set(METHODS)


def test_every_file_that_is_linked_exists():
    missing = [p for p in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT) if not (ROOT / p).exists()]
    assert not missing, f"README.md links to {', '.join(missing)}: write them, or take the links out"
