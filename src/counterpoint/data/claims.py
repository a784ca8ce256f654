"""What a file of arrays or a table claims to hold, looked at before memory is asked for it."""

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from counterpoint.errors import InputError

MOST_ENTRIES = 100_000  # of an archive
MOST_COLUMNS = 1_000_000  # of a table
MOST_LINE = 2**28  # bytes of a line
_MAGIC = b"\x93NUMPY"
_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_arrays(file: BinaryIO, size: int, most: float, together: bool) -> None:
    """Refuse an `.npy` or `.npz` that claims more than is there, or than fits into memory.

    Args:
        file: At its start, where it is left again.
        size: Its bytes.
        most: Bytes of one array, at most.
        together: Whether all arrays of an archive are to be read, so that `most` is for all of them.

    Raises:
        ValueError: It claims too much; or whatever numpy and zipfile raise of a damaged file.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> np.lib.format.write_array_header_1_0(
        ...     file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
        ... )
        >>> _ = file.seek(0)
        >>> check_arrays(file, 128, 1e9, together=False)
        Traceback (most recent call last):
        ValueError: its header claims 8,000,000,000,000 bytes, and 0 follow
    """
    start = file.read(len(_MAGIC))
    file.seek(0)
    if start == _MAGIC:
        _check_array(file, size)
        file.seek(0)
    elif start.startswith(b"PK"):
        with zipfile.ZipFile(file) as archive:
            _check_archive(archive, most, together)
        file.seek(0)


def _check_archive(archive: zipfile.ZipFile, most: float, together: bool) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"it has {len(entries):,} entries, allowed are {MOST_ENTRIES:,}")
    sizes = [entry.file_size for entry in entries]
    need = sum(sizes) if together else max(sizes, default=0)
    if need > most:  # whatever is packed into it: no more is unpacked than an entry says of itself
        raise ValueError(f"unpacked it takes {need:,} bytes, allowed are {int(most):,}")
    for entry in entries:
        with archive.open(entry) as member:
            if member.read(len(_MAGIC)) == _MAGIC:
                member.seek(0)
                _check_array(member, entry.file_size)


def _check_array(file: Any, size: int) -> None:
    """Check a header against what follows it."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its format {version} is that of records, not of an array of numbers or text")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        return  # refused by whoever reads it
    claimed, follow = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed > follow or min(shape, default=0) < 0:
        raise ValueError(f"its header claims {claimed:,} bytes, and {follow:,} follow")


def check_table(file: Path, separator: str, size: int, most: float) -> None:
    """Refuse a table of text with absurdly many columns, or one larger than memory.

    Args:
        file: The table.
        separator: Between its columns.
        size: Its bytes.
        most: Bytes, at most.

    Raises:
        InputError: says how much is allowed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.csv"
        ...     size = path.write_text("," * (MOST_COLUMNS + 1))
        ...     check_table(path, ",", size, 1e9)
        Traceback (most recent call last):
        counterpoint.errors.InputError: a.csv has a line of over 1,000,000 columns; it is damaged or no table.
    """
    if size > most:
        raise InputError(
            f"{file.name} has {size:,} bytes, allowed is half of the memory, {int(most):,}; save the "
            "modalities one by one as .npy, and leave them in their files (backed=True)."
        )
    between = separator.encode()
    with file.open("rb") as lines:
        while line := lines.readline(MOST_LINE):
            if len(line) == MOST_LINE or line.count(between) > MOST_COLUMNS:
                raise InputError(
                    f"{file.name} has a line of over {MOST_COLUMNS:,} columns; it is damaged or no table."
                )
