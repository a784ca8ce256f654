"""JPEG images as one array of grey squares, read block by block, each checked, kept in a file on request."""

import io
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from counterpoint.data.omics_matrices import GIB, half_of_memory
from counterpoint.data.pictures import identity, kept, need_pillow
from counterpoint.errors import InputError

BLOCK = 256  # rows that are read together, by as many threads as Python thinks fit
FORMAT = 1  # of the kept files; raised whenever the same images come to give other bytes
_END = b"\xff\xd9"


def radiographs(
    paths: Sequence[Path],
    *,
    size: int,
    equalise: bool,
    checksums: Mapping[Path, str],
    cache: Path | None = None,
) -> np.ndarray:
    """Read images as grey squares: cut to the middle, resized (bicubic), their histogram equalised or not.

    With `cache` the array is written there block by block and memory-mapped copy on write; a later call with
    the same settings and files (their paths, sizes and times) reads no image.

    Args:
        paths: The image of each row; one that stands in rows close to one another is read once.
        size: Pixels of a side.
        equalise: Whether to equalise the histogram, after resizing.
        checksums: path -> SHA-256 that its file must have; those that are not named are only decoded.
        cache: A folder, which is made.

    Shapes: (N, 1, size, size) uint8.

    Raises:
        InputError: a file that is missing, cut off, damaged or no JPEG, or has another checksum; it is named.
            A cache that cannot be written to.
        ImportError: Pillow is not installed.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.jpg"
        ...     Image.new("L", (60, 40), 9).save(path)
        ...     x = radiographs([path, path], size=28, equalise=False, checksums={})
        >>> x.shape, x.dtype, int(x.max())
        ((2, 1, 28, 28), dtype('uint8'), 9)
    """
    need_pillow("JPEG")
    files = [identity(path, "restore it") for path in paths]
    shape, make = (len(paths), 1, size, size), partial(_image, size=size, equalise=equalise)
    blocks = partial(_blocks, paths, make, checksums)
    if cache is not None:
        told = json.dumps([FORMAT, size, equalise, files])
        return kept(cache / f"radiographs-{sha256(told.encode()).hexdigest()[:32]}.npy", shape, blocks)
    found = np.empty(shape, np.uint8)
    for i, block in enumerate(blocks()):
        found[i * BLOCK : i * BLOCK + len(block)] = block
    return found


def check_memory(images: int, size: int) -> None:
    """Refuse to begin where the arrays would not fit.

    Raises:
        InputError: they take more than half of the memory that is left.

    Example:
        >>> check_memory(10, 28)
    """
    needed, most = images * size**2, half_of_memory()
    if needed > most:
        raise InputError(
            f"{images} images of {size} x {size} take {needed / GIB:.1f} GiB, and half of the memory that is "
            f"left is {most / GIB:.1f}; give cache=FOLDER to keep them in files there, fewer rows, or a "
            "smaller size."
        )


def check(path: Path, content: bytes, checksum: str) -> None:
    """Check the SHA-256 of a file.

    Raises:
        InputError: it is another one.

    Example:
        >>> check(Path("a.jpg"), b"", "0" * 64)
        Traceback (most recent call last):
        counterpoint.errors.InputError: a.jpg is not what SHA256SUMS.txt says: cut off, damaged or changed; \
download it again, or remove SHA256SUMS.txt if it was changed on purpose.
    """
    if sha256(content).hexdigest() != checksum:
        raise InputError(
            f"{path} is not what SHA256SUMS.txt says: cut off, damaged or changed; download it again, or "
            "remove SHA256SUMS.txt if it was changed on purpose."
        )


def _blocks(paths: Sequence[Path], make: partial, checksums: Mapping[Path, str]) -> Iterator[np.ndarray]:
    """Read images, a block of rows at a time."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            once = list(dict.fromkeys(block))
            found = dict(zip(once, pool.map(make, once, map(checksums.get, once)), strict=True))
            yield np.stack([found[path] for path in block])[:, None]


def _image(path: Path, checksum: str | None, *, size: int, equalise: bool) -> np.ndarray:
    """Read one image: (size, size) uint8."""
    from PIL import Image, ImageOps

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if checksum is not None:
        check(path, content, checksum)
    damage = (OSError, SyntaxError, ValueError, IndexError, struct.error, Image.DecompressionBombError)
    try:
        if not content.rstrip(b"\0").endswith(_END):  # Pillow is content where only the end is missing
            raise OSError("its end is missing")
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            grey = image.convert("L")
    except damage as error:
        raise InputError(
            f"{path} cannot be read as JPEG: cut off, damaged or of another kind ({error}). "
            "Download it again."
        ) from error
    side = min(grey.size)
    left, top = ((length - side) // 2 for length in grey.size)
    small = grey.crop((left, top, left + side, top + side)).resize((size, size))
    return np.asarray(ImageOps.equalize(small) if equalise else small)
