"""Folders of photographs as one array of bytes, read one by one and kept in a file on request."""

import hashlib
import io
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.omics_matrices import half_of_memory
from counterpoint.errors import InputError

FORMAT = 1  # of the kept files; raised whenever the same photographs come to give other bytes
BLOCK = 512  # pictures that are written at a time
THREADS = 8
Make = Callable[[Any], Any]  # from one image of Pillow in RGB to another


def pictures(
    paths: Sequence[Path],
    make: Make,
    event: tuple[int, int, int],
    *,
    get: str,
    recipe: Mapping[str, Any],
    cache: str | Path | None = None,
) -> np.ndarray:
    """Read photographs into one array, (N, H, W, 3) uint8.

    That every file is there is looked up before the first is read. With `cache`, a folder, the array is
    written there block by block and mapped into memory, copy on write; a later call with the same recipe and
    files (their paths, sizes and times) reads no photograph. Without it the array is made in memory, and
    refused if that would take more than half of what is available.

    Args:
        paths: The files, one a row; the same one may stand in several rows.
        make: From an image of Pillow in RGB to one of the size of `event`; it raises `InputError` where a
            photograph does not suit it.
        event: (H, W, 3).
        get: What to do where a file is missing, for the message.
        recipe: All that decides what `make` does, for the name of the kept file.
        cache: A folder, or None.

    Raises:
        InputError: a missing, cut off or damaged photograph, too little memory, a cache folder that
            cannot be written to; it names the file.
        ImportError: Pillow is not installed.

    Example:
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.png"
        ...     Image.new("RGB", (9, 8), (1, 2, 3)).save(path)
        ...     pictures([path], lambda image: image, (8, 9, 3), get="", recipe={}).shape
        (1, 8, 9, 3)
    """
    need_pillow("photographs")
    files = [identity(path, get) for path in paths]
    shape = (len(paths), *event)
    if cache is not None:
        told = json.dumps([FORMAT, dict(recipe), event, files], sort_keys=True)
        key = hashlib.sha256(told.encode()).hexdigest()
        return kept(Path(cache) / f"pictures-{key[:32]}.npy", shape, lambda: _read(paths, make, event))
    need = int(np.prod(shape))
    if need > half_of_memory():
        raise InputError(
            f"{len(paths)} pictures of {event} need {need:,} bytes, more than half of the memory that is "
            "available; give a folder to keep them in (cache=FOLDER), or take fewer rows."
        )
    found, start = np.empty(shape, np.uint8), 0
    for block in _read(paths, make, event):
        found[start : start + len(block)] = block
        start += len(block)
    return found


def need_pillow(what: str) -> None:
    """Refuse to begin where Pillow is not installed.

    Args:
        what: What would be read, for the message.

    Raises:
        ImportError: Pillow is not installed.

    Example:
        >>> need_pillow("photographs")
    """
    if find_spec("PIL") is None:
        raise ImportError(f"Reading {what} needs Pillow; pip install 'counterpoint[plots]'.")


def identity(path: Path, get: str) -> tuple[str, int, int]:
    """Return what tells a file from another one without reading it: its path, size and time.

    Args:
        path: The file.
        get: What to do where it is missing, for the message.

    Raises:
        InputError: it is missing.

    Example:
        >>> identity(Path("a.jpg"), "download it")
        Traceback (most recent call last):
        counterpoint.errors.InputError: a.jpg is missing; download it.
    """
    try:
        told = path.stat()
    except OSError as error:
        raise InputError(f"{path} is missing; {get}.") from error
    return os.path.abspath(path), told.st_size, told.st_mtime_ns


def _read(paths: Sequence[Path], make: Make, event: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Read photographs, a block of pictures at a time; Pillow decodes in threads side by side."""
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(paths), BLOCK):
            part = paths[start : start + BLOCK]
            block = np.empty((len(part), *event), np.uint8)
            for i, picture in enumerate(pool.map(_picture, part, repeat(make))):  # in order
                block[i] = picture
            yield block


def _picture(path: Path, make: Make) -> np.ndarray:
    """Read one photograph."""
    from PIL import Image

    damage = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
            whole = image.convert("RGB")
    except (*damage, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as JPEG or PNG: cut off, damaged or of another kind ({error}). Download "
            "or copy it again."
        ) from error
    try:
        return np.asarray(make(whole))
    except InputError as error:
        raise InputError(f"{path} {error}") from error


def kept(path: Path, shape: tuple[int, ...], read: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
    """Map an array of bytes that is kept in a file, copy on write; make the file first unless it is whole.

    Args:
        path: The `.npy` file; its folder is made.
        shape: Of the array.
        read: Called if there is no such file; yields the array block by block.

    Raises:
        InputError: the file cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept(Path(folder) / "a.npy", (2,), lambda: iter([np.array([3, 4], np.uint8)])).tolist()
        [3, 4]
    """
    if (found := _mapped(path, shape)) is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unfit(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            _write(path, file, lambda: np.lib.format.write_array_header_1_0(file, header))
            for block in read():
                _write(path, file, lambda block=block: file.write(block.data))
            _write(path, file, lambda: os.fsync(file.fileno()))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    found = _mapped(path, shape)
    assert found is not None, "what was just written must be readable"
    return found


def _write(path: Path, file: Any, act: Callable[[], Any]) -> None:
    """Write, and say which file it was where that fails."""
    try:
        act()
        file.flush()
    except OSError as error:
        raise _unfit(path, error) from error


def _unfit(path: Path, error: OSError) -> InputError:
    """Return the error of a cache that cannot be written."""
    return InputError(
        f"cache is {path.parent}: {error.strerror}; choose a folder that can be written to and has room."
    )


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Map a kept array, or return None if it is not there, cut off or another one."""
    try:
        # Copy on write: torch warns of arrays that cannot be written to, and the file stays as it is.
        array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    except (OSError, ValueError, EOFError):  # damaged in whatever way: it is made again
        return None
    return array if (array.shape, array.dtype) == (shape, np.uint8) else None
