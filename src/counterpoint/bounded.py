"""Text that others wrote, read within limits: no more bytes, levels or references than it can need.

What a stranger's file claims is looked at before anything is made of it: docs/security.md has the limits.
"""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError

MOST_TEXT = 2**28  # bytes of a JSON or CSV file of a run
MOST_YAML = 2**18  # bytes of a YAML file; PyYAML takes seconds for more
# What PyYAML raises beside its own errors: of `!!bool x` a KeyError, of `!!int ''` an IndexError.
_STUMBLES = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError, RecursionError)


def content(path: Path, remedy: str, most: int = MOST_TEXT) -> bytes:
    """Return the bytes of an ordinary file that is not too large.

    Args:
        path: The file.
        remedy: What to do about one that cannot be read; ends the message.
        most: Bytes, at most.

    Raises:
        InputError: It is not there, is a device or a pipe (which may never end), or is too large.

    Example:
        >>> content(Path("/no/such"), "give another.")
        Traceback (most recent call last):
        counterpoint.errors.InputError: /no/such cannot be read (No such file or directory); give another.
    """
    try:
        ordinary(path, remedy, most)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {remedy}") from error


def ordinary(path: Path, remedy: str, most: int | None = None) -> int:
    """Return the size of a file in bytes.

    Raises:
        InputError: It is no ordinary file, or larger than `most`.
        OSError: It is not there, or cannot be looked at.

    Example:
        >>> ordinary(Path("/dev/null"), "give a file.")
        Traceback (most recent call last):
        counterpoint.errors.InputError: /dev/null is no ordinary file; give a file.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is no ordinary file; {remedy}")
    if most is not None and found.st_size > most:
        raise InputError(f"{path} has {found.st_size:,} bytes, allowed are {most:,}; {remedy}")
    return found.st_size


def json_of(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: It cannot be read, is too large, too deep, or no JSON.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.json"
        ...     _ = path.write_text("[" * 100_000)
        ...     try:
        ...         json_of(path, "give another.")
        ...     except InputError as error:
        ...         str(error).removeprefix(folder)
        '/a.json is damaged; give another.'
    """
    try:
        return json.loads(content(path, remedy).decode())
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # wrong UTF-8 is a ValueError too
        raise InputError(f"{path} is damaged; {remedy}") from error


def plain_yaml(text: str, loader: Any = None) -> Any:
    r"""Return what YAML text holds: plain values without references, of which few can stand for billions.

    Args:
        text: The text.
        loader: A loader of plain values; `yaml.SafeLoader` unless given.

    Raises:
        ValueError: It is no YAML, or holds a reference (`*name`); the message says what and where.

    Example:
        >>> plain_yaml("method: mmvm")
        {'method': 'mmvm'}
        >>> plain_yaml("a: &x [1]\nb: *x")
        Traceback (most recent call last):
        ValueError: line 2 refers to '*x', and references are not read; write the value itself
    """
    import yaml

    base: Any = loader or yaml.SafeLoader

    class Loader(base):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()
                raise ValueError(
                    f"line {event.start_mark.line + 1} refers to '*{event.anchor}', and references are not "
                    "read; write the value itself"
                )
            return super().compose_node(parent, index)

    try:
        return yaml.load(text, Loader=Loader)  # a SafeLoader underneath
    except (yaml.YAMLError, *_STUMBLES) as error:
        said = " ".join(str(error).split())
        if isinstance(error, (RecursionError, ValueError, yaml.YAMLError)) and said:
            raise ValueError(said) from error
        raise ValueError(f"a value that its tag does not allow: {error!r}") from error


def yaml_text(path: Path, remedy: str) -> str:
    """Return the text of a YAML file.

    Raises:
        InputError: It cannot be read, is too large, or no text.

    Example:
        >>> yaml_text(Path("/dev/zero"), "give a YAML file.")
        Traceback (most recent call last):
        counterpoint.errors.InputError: /dev/zero is no ordinary file; give a YAML file.
    """
    try:
        return content(path, remedy, MOST_YAML).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as YAML (it is not text); {remedy}") from error


def keys_of(value: Any) -> Iterator[str]:
    """Yield every key of every mapping in a plain value, and those of mappings that its strings spell.

    A parser that reads a string as YAML again finds such a mapping, so whoever forbids a key looks there too.

    Example:
        >>> list(keys_of({"a": ["{b: 1}", {"c": 2}]}))
        ['a', 'c', 'b']
    """
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            yield from (str(key) for key in one)
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, str) and any(mark in one for mark in "{[:"):
            try:
                again = plain_yaml(one)
            except ValueError:
                continue  # a parser cannot read it either
            waiting += [again] if isinstance(again, (dict, list)) else []
