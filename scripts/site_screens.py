"""Make the screens of pages again: run what they say, in an empty folder, and put in what is printed.

python scripts/site_screens.py docs/start/*.md
"""

import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext")]

from blocks import blocks, follow  # noqa: E402


def tidy(said: str) -> str:
    """Return what was printed as a terminal leaves it: of the lines of progress the last one."""
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    said = re.sub(r"(?m)^\d+/\d+ epochs .*\n(?=\d+/\d+ epochs )", "", said)
    return "\n".join(line.rsplit("\r", 1)[-1].rstrip() for line in said.splitlines()) + "\n"


def main(pages: list[str]) -> None:
    """Make the screens of these pages again."""
    for name in pages:
        page = Path(name)
        text = page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            said = follow(blocks(text), Path(folder))
        for block, out in reversed(said):
            if block.language == "console":
                text = text[: block.start] + tidy(out).replace(folder, ".") + text[block.end :]
        page.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
