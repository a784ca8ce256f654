"""The manifest of a run: a format number and the SHA-256 of every file; what makes a directory a run."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoint import atomic, bounded
from counterpoint.errors import InputError
from counterpoint.locks import alone

FORMAT = 1
FILES = (
    "config.yaml",
    "model.safetensors",
    "data_card.json",
    "metrics.csv",
    "scores.json",
    "environment.json",
    "README.md",
)
SCORES = "scores.json"
EXHIBITS = "exhibits.safetensors"  # only where an evaluation was kept
DENSITY = "density-{}.safetensors"  # only those that were fitted
MANIFEST = "manifest.json"
_RESTORE = "restore the run, or fit again."
_PLAIN = re.compile(r"\w[\w.-]*", re.ASCII)  # a name in the folder itself, not a path that leads elsewhere


def later(names: Iterable[str]) -> list[str]:
    """Return those files that a run need not have, and that come after it was fitted.

    Example:
        >>> later(["config.yaml", "density-gmm.safetensors", "exhibits.safetensors"])
        ['density-gmm.safetensors', 'exhibits.safetensors']
    """
    before, after = DENSITY.split("{}")
    return sorted(n for n in names if n == EXHIBITS or (n.startswith(before) and n.endswith(after)))


def write(folder: Path, files: Mapping[str, Any]) -> None:
    """Write the manifest: file name -> its SHA-256, or a list of those that are allowed."""
    atomic.write(folder / MANIFEST, as_json({"format": FORMAT, "files": dict(files)}))


def replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace files of a finished run.

    The manifest first allows the old and the new files, then the new ones alone: wherever the writer is
    killed, the run is whole, each file the old or the new one.

    Raises:
        InputError: If the directory is not an intact run.
    """
    if not folder.is_dir():
        verify(folder)  # says what is wrong with it
    with alone(folder, "writer", wait=True):
        files = verify(folder)["files"]
        atomic.tidy(folder, {*files, *contents, MANIFEST})
        new = {name: digest(content) for name, content in contents.items()}
        write(folder, {**files, **{name: [_digest_of(folder / name), n] for name, n in new.items()}})
        for name, content in contents.items():
            atomic.write(folder / name, content)
        write(folder, {**files, **new})


def settled(folder: Path) -> bool:
    """Return whether no writer of this finished run was killed on its way."""
    files, _ = _listed(folder)
    names = {*files, MANIFEST, SCORES, EXHIBITS}
    return all(isinstance(one, str) for one in files.values()) and not atomic.halves(folder, names)


def verify(folder: Path, *, skip: Sequence[str] = ()) -> dict[str, Any]:
    """Return the manifest of a run whose files are all there and unchanged.

    Args:
        folder: The directory.
        skip: Files that are not looked at, such as the weights where only scores are read.

    Raises:
        InputError: If the directory is missing, not a finished run, incomplete, truncated or changed.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the directory of a run, such as runs/NAME.")
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; give the directory of a run, such as runs/NAME.")
    if not (folder / MANIFEST).exists():
        raise InputError(
            f"{folder} has no {MANIFEST}, so it is not a finished run; give another, or fit with resume=True."
        )
    files, manifest = _listed(folder)
    known = manifest["format"]
    if known != FORMAT:
        raise InputError(
            f"{folder} has format {known!r}; this version reads {FORMAT}. Use the version that wrote it."
        )
    for name in files:
        if not isinstance(name, str) or not _PLAIN.fullmatch(name):
            raise InputError(f"{folder / MANIFEST} names {name!r}, no file of the run itself; {_RESTORE}")
    for name in (*FILES, *later(files)):
        if name not in skip:
            _check(folder / name, files.get(name))
    return manifest


def _listed(folder: Path) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the files of a manifest, and all of it."""
    manifest = bounded.json_of(folder / MANIFEST, _RESTORE)
    try:
        files = dict(manifest["files"])
        _ = manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged; {_RESTORE}") from error
    return files, manifest


def _check(path: Path, listed: Any) -> None:
    """Refuse a file that is not as the manifest lists it: one hash, or several that are allowed."""
    allowed = listed if isinstance(listed, list) else [listed]
    found = _digest_of(path)
    if listed is None or (found is None and None not in allowed):
        raise InputError(f"{path.parent} lacks {path.name}; restore the file, or fit again.")
    if found not in allowed:
        raise InputError(
            f"{path} is not as it was written: truncated, changed, or from another run. Restore it, or "
            "fit again."
        )


def as_json(value: Any) -> bytes:
    """Return a value as JSON with sorted keys: equal values are equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=True) + "\n").encode()


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Return the hash of a file of a run, or None if it is not there; a large one is read in parts."""
    if path.is_symlink():
        raise InputError(f"{path} is a link; a run holds its files itself. Copy what it leads to.")
    try:
        bounded.ordinary(path, _RESTORE, None if path.suffix == ".safetensors" else bounded.MOST_TEXT)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
