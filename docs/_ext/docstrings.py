"""From a docstring as this project writes it to reStructuredText.

Docstrings are plain text in a fixed order: one line, the equation (indented), shapes and units, Args, Raises,
Source, Example. Equations stay as they are written, in the letters that the code uses: so they read the same
in an editor, in a terminal and on the page, and the site needs no script that sets formulas.
"""

import re
from collections.abc import Iterator, Sequence

LISTS = ("Args", "Attributes", "Raises")
TEXTS = ("Returns", "Yields", "Shapes", "Source", "Example", "Examples", "Note")
HEAD = re.compile(rf"({'|'.join(LISTS + TEXTS)}):(?:\s+(.*))?$")
ITEM = re.compile(r"([*\w][\w*., \[\]]*?):\s+(.*)$")
BULLET = re.compile(r"([-*]|\d+\.)\s")
CODE = re.compile(r"(`+)(.+?)\1(?!`)")
WORDS = {"Args": "Arguments", "Examples": "Example"}


def to_rst(lines: Sequence[str]) -> list[str]:
    r"""Return the lines of a docstring, without their common indentation, as reStructuredText.

    Example:
        >>> said = ["Return a product.", "", "    q(z|X) ~ prod_m q_m", "", "Source: A, p. 2."]
        >>> print("\n".join(to_rst(said)))
        Return a product.
        <BLANKLINE>
        .. code-block:: text
        <BLANKLINE>
           q(z|X) ~ prod_m q_m
        <BLANKLINE>
        **Source:** A, p. 2.
        <BLANKLINE>
    """
    made: list[str] = []
    for head, body in _sections(lines):
        if head is None:
            made += _prose(body)
        elif head in LISTS:
            made += [f"**{WORDS.get(head, head)}**", "", *_items(body)]
        elif head in ("Example", "Examples"):
            made += ["**Example**", "", *_literal(_flush(body), "pycon")]
        else:
            text = _prose(_flush(body))
            made += [f"**{head}:** {text[0]}", *text[1:]] if text and not text[0].startswith("..") else text
    return made


def inline(text: str) -> str:
    r"""Return one line of prose as reStructuredText: `code` as code, every other sign as itself.

    Example:
        >>> print(inline("`K` draws of x_ and |y|*"))
        ``K`` draws of x\_ and \|y\|\*
    """
    made, at = [], 0
    for found in CODE.finditer(text):
        # A letter may not touch code: a backslash and a space stand between them, and print nothing.
        before = "\\ " if found.start() and not text[found.start() - 1].isspace() else ""
        after = "\\ " if text[found.end() : found.end() + 1].strip() else ""
        made += [_escaped(text[at : found.start()]), f"{before}``{found[2]}``{after}"]
        at = found.end()
    return "".join([*made, _escaped(text[at:])])


def _escaped(text: str) -> str:
    text = re.sub(r"([\\*|`])", r"\\\1", text)
    return re.sub(r"_(?!\w)", r"\_", text)


def _sections(lines: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Cut a docstring where an unindented line is the head of a section."""
    head: str | None = None
    body: list[str] = []
    for line in lines:
        found = HEAD.match(line)
        if found:
            yield head, body
            head, body = found[1], [found[2]] if found[2] else []
        else:
            # Prose that follows the items of a section is no part of it.
            if head in (*LISTS, "Example", "Examples") and line and not line[0].isspace():
                yield head, body
                head, body = None, []
            body.append(line)
    yield head, body


def _flush(body: Sequence[str]) -> list[str]:
    """Take off the indentation that all lines but the first share."""
    rest = [line for line in body if line.strip() and line[0].isspace()]
    least = min((len(line) - len(line.lstrip()) for line in rest), default=0)
    return [line[least:] if line[:1].isspace() else line for line in body]


def _prose(body: Sequence[str]) -> list[str]:
    """Paragraphs, lists, and what is indented (an equation, a drawing) as it stands."""
    made: list[str] = []
    block: list[str] = []
    in_list = False
    for line in [*body, "."]:
        indented = line[:1].isspace() and line.strip() and not in_list
        if indented or (block and not line.strip()):
            block.append(line)
            continue
        if block:
            made += [*([""] if made and made[-1] else []), *_literal(_flush(block), "text")]
            block = []
        bullet = BULLET.match(line.lstrip())
        if bullet and not in_list and made and made[-1]:
            made.append("")
        in_list = bool(bullet) or (in_list and line[:1].isspace())
        lead = line[: len(line) - len(line.lstrip())]
        if bullet:
            made.append(f"{lead}{bullet[0]}{inline(line.lstrip()[bullet.end() :])}")
        elif in_list and line.strip():
            made.append(f"{lead}{inline(line.strip())}")
        else:
            if made and made[-1] and BULLET.match(made[-1].lstrip()) and line.strip():
                made.append("")
            made.append(inline(line))
    made.pop()  # the line that ended the last block
    return made if not made or not made[-1] else [*made, ""]


def _literal(block: Sequence[str], language: str) -> list[str]:
    lines = "\n".join(block).strip("\n").splitlines()
    return [f".. code-block:: {language}", "", *(f"   {line}" if line else "" for line in lines), ""]


def _items(body: Sequence[str]) -> list[str]:
    """A definition list of `name: text` items, whose further lines are indented."""
    made: list[str] = []
    for line in _flush(body):
        if not line.strip():
            continue
        found = ITEM.match(line)
        if found and not line[0].isspace():
            made += [f"``{found[1]}``", f"   {inline(found[2])}"]
        else:
            made.append(f"   {inline(line.strip())}")
    return [*made, ""]
