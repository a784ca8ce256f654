"""Files appear whole or not at all."""

import os
import re
import tempfile
from collections.abc import Container
from pathlib import Path

from counterpoint.errors import InputError

_HALF = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # what `tempfile` calls the temporary file of a name


def write(path: str | Path, content: bytes | str) -> Path:
    """Write a file through a temporary one beside it: written, synced, renamed.

    Raises:
        InputError: If the folder cannot be written to, or is full; what stood there stays.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder) / "a.txt", "whole").read_text()
        'whole'
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose a folder that can be written to."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; make room, or choose another folder. What "
            "stood there stays."
        ) from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def tidy(folder: Path, names: Container[str]) -> None:
    """Remove what writers of these files left that were killed; the folder must be held, see `locks.alone`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     for name in (".a.txt.x7k_2q9z", ".b.txt.x7k_2q9z", ".a.txt"):
        ...         (Path(place) / name).touch()
        ...     tidy(Path(place), {"a.txt"})
        ...     sorted(p.name for p in Path(place).iterdir())
        ['.a.txt', '.b.txt.x7k_2q9z']
    """
    for path in halves(folder, names):
        path.unlink(missing_ok=True)


def halves(folder: Path, names: Container[str]) -> list[Path]:
    """Return what writers of these files left that were killed, or are at work."""
    found = ((path, _HALF.fullmatch(path.name)) for path in folder.glob(".*"))
    return [path for path, half in found if half and half[1] in names]
