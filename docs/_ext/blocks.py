"""The code blocks of a page, and a way to run them in their order: for the tests, and for the screens."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"^( *)```(\S*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\A(?:#|//|<!--) (\S+\.(?:py|yaml|md|npz|csv))\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and where in the page its text lies."""

    language: str
    code: str
    start: int
    end: int

    @property
    def file(self) -> str | None:
        """The file that its first line, a comment, names: the block is to be written there."""
        found = FILE.match(self.code)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """What is typed: lines behind `$` of a screen, all lines of a shell block."""
        if self.language == "console":
            return [line[2:] for line in self.code.splitlines() if line.startswith("$ ")]
        return [line for line in self.code.splitlines() if line.strip() and not line.startswith("#")]


def blocks(text: str) -> list[Block]:
    r"""Return the fenced blocks of a page in their order.

    Example:
        >>> [(b.language, b.code) for b in blocks("a\n```sh\nls\n```\n")]
        [('sh', 'ls\n')]
    """
    return [
        Block(f[2], re.sub(rf"^{f[1]}", "", f[4], flags=re.M), f.start(4), f.end(4))
        for f in FENCE.finditer(text)
    ]


def insert(path: Path, code: str) -> None:
    """Do what a `diff` block says, line by line.

    A line of the file (a blank in front) must stand there once; one with a - too, and goes; one with a +
    comes behind the line before it. There are no line numbers, so a block holds as long as the lines that it
    names.
    """
    text, at = path.read_text(), None
    for line in code.splitlines()[1:]:
        mark, words = line[:1], f"{line[1:]}\n"
        if mark == "+":
            assert at is not None, f"{path}: a line is to be added before any line of the file was named"
            text, at = text[:at] + words + text[at:], at + len(words)
            continue
        assert f"\n{text}".count(f"\n{words}") == 1, f"{path} must hold the line {line[1:]!r} once"
        start = f"\n{text}".index(f"\n{words}")
        text, at = (
            (text[:start] + text[start + len(words) :], start) if mark == "-" else (text, start + len(words))
        )
    path.write_text(text)


def environment() -> dict[str, str]:
    """Return an environment in which `counterpoint` and `python` are those of this process."""
    beside = str(Path(sys.executable).parent)
    source = str(ROOT / "src")
    return {
        **os.environ,
        "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")]),
        "PYTHONPATH": source,
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",  # so that lines come in the order in which they were written
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }


def run(command: str, folder: Path, env: dict[str, str] | None = None) -> str:
    """Run a command in a folder; return what it prints, and fail with it if the command fails."""
    made = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env or environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, f"{command}\n{made.stdout}"
    return made.stdout


def follow(
    all_blocks: Iterable[Block], folder: Path, env: dict[str, str] | None = None
) -> list[tuple[Block, str]]:
    """Do what the blocks of a page say, one after another, in a folder; return what each printed.

    A block whose first line is a comment that names a file is written there; `diff` blocks change the file
    that their first line names; Python without a file runs, the blocks up to the next command as one program;
    what is typed is typed.
    """
    said, program = [], ""

    def python() -> str:
        if not program:
            return ""
        (folder / "page.py").write_text(program)
        return run("python page.py", folder, env)

    for block in all_blocks:
        out = ""
        if block.language == "diff":
            insert(folder / block.code.splitlines()[0].removeprefix("--- "), block.code)
        elif block.file is not None:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.code)
        elif block.language == "python":
            program += block.code
        elif block.language in ("console", "sh"):
            before, program = python(), ""
            out = before + "".join(f"$ {command}\n{run(command, folder, env)}" for command in block.commands)
        said.append((block, out))
    return [*said, (Block("python", "", 0, 0), python())]
