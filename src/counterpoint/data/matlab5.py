"""Numeric arrays of MATLAB's files of version 5 (saved with -v6 or -v7), every length in them checked.

scipy.io.loadmat reads these files too, but it trusts them: one changed byte in a damaged file can end the
whole process (seen with scipy 1.17.1). Benchmark sets come by hand, so what is read may be anything.
"""

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

_HEADER = 128  # bytes; the last four are the version and the order of bytes
_LITTLE = b"\x00\x01IM"
_MATRIX, _COMPRESSED = 14, 15
_STORED = {
    **{1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4"},
    **{7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"},
}
_CLASSES = {  # what the array was in MATLAB, which may have stored it in fewer bytes
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
_OTHERS = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}
_COMPLEX = 0x0800
_HEAD = 512  # bytes of a variable that are unpacked to see its name


def read_matlab5(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read the variables of these names; others are passed over.

    Raises:
        ValueError: the file is no such file, is cut off or damaged, or a wanted variable is not real numbers.
        OSError: it cannot be read.

    Source: MAT-File Format, The MathWorks: level 5.

    Example:
        >>> import tempfile
        >>> from scipy.io import savemat
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     savemat(Path(folder) / "a.mat", {"X": np.array([[1.0, 2.0]]), "s": {"a": 1}})
        ...     read_matlab5(Path(folder) / "a.mat", ["X"])
        {'X': array([[1., 2.]])}
    """
    found: dict[str, np.ndarray] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(_HEADER)[-4:] != _LITTLE:
            raise ValueError("its first bytes are not those of a file of version 5, 7 or 7.3")
        while tag := file.read(8):
            kind, length = struct.unpack("<II", _full(tag, 8))
            if length > size - file.tell():
                raise ValueError("it ends within a variable")
            if kind not in (_MATRIX, _COMPRESSED):
                raise ValueError(f"a part of it is of the unknown kind {kind}")
            body = _body(file, kind, length, names)
            if body is not None:
                name, array = _variable(body)
                found[name] = array
    return found


def _full(content: bytes, length: int) -> bytes:
    if len(content) != length:
        raise ValueError(f"it ends where {length} bytes are wanted")
    return content


def _body(file: BinaryIO, kind: int, length: int, names: Collection[str]) -> bytes | None:
    """Return what a variable consists of, or None if nobody wants it."""
    content = _full(file.read(length), length)
    if kind == _MATRIX:
        return content if _name(content) in names else None
    try:
        unpack = zlib.decompressobj()
        kind, length = struct.unpack("<II", _full(unpack.decompress(content, 8), 8))
        if kind != _MATRIX:
            raise ValueError(f"a packed part of it is of the unknown kind {kind}")
        head = unpack.decompress(unpack.unconsumed_tail, min(_HEAD, length))
        if _name(head) not in names:
            return None
        # One byte more than there may be: then the end is seen, and with it the checksum.
        rest = unpack.decompress(unpack.unconsumed_tail, length - len(head) + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpack.eof:
        raise ValueError("a packed variable does not end where it should")
    return _full(head + rest, length)


def _element(content: bytes, at: int) -> tuple[int, memoryview, int]:
    """Return kind and bytes of the part that begins at a place, and where the next begins."""
    if at + 8 > len(content):
        raise ValueError("a variable ends too early")
    kind, length = struct.unpack_from("<II", content, at)
    start = at + 8
    if kind >> 16:  # up to four bytes stand in the tag itself
        kind, length, start = kind & 0xFFFF, kind >> 16, at + 4
        if length > 4:
            raise ValueError("the length of a short part is above 4")
    if start + length > len(content):
        raise ValueError("a variable ends too early")
    following = at + 8 if start == at + 4 else start + -(-length // 8) * 8
    return kind, memoryview(content)[start : start + length], following


def _head(content: bytes) -> tuple[int, bytes, str, int]:
    """Return the flags, the bytes of the sizes, the name, and where the values begin."""
    kind, flags, at = _element(content, 0)
    if kind != 6 or len(flags) != 8:
        raise ValueError("a variable has no flags")
    kind, sizes, at = _element(content, at)
    if kind != 5 or len(sizes) < 8 or len(sizes) % 4:
        raise ValueError("a variable has no sizes")
    kind, name, at = _element(content, at)
    if kind != 1:
        raise ValueError("a variable has no name")
    return struct.unpack("<II", flags)[0], bytes(sizes), bytes(name).decode("latin-1"), at


def _name(content: bytes) -> str:
    """Return the name of a variable; MATLAB's own unnamed ones (function workspaces) have none."""
    return _head(content)[2]


def _variable(content: bytes) -> tuple[str, np.ndarray]:
    """Return the name and the values of a variable that is wanted."""
    flags, raw, name, at = _head(content)
    what = flags & 0xFF
    if what not in _CLASSES:
        raise ValueError(f"{name} is {_OTHERS.get(what, 'of an unknown kind')}, not an array of numbers")
    if flags & _COMPLEX:
        raise ValueError(f"{name} is complex")
    sizes = struct.unpack(f"<{len(raw) // 4}i", raw)
    kind, values, _ = _element(content, at)
    if kind not in _STORED:
        raise ValueError(f"the values of {name} are of the unknown type {kind}")
    stored = np.dtype(_STORED[kind])
    if min(sizes) < 0 or math.prod(sizes) * stored.itemsize != len(values):
        raise ValueError(f"{name} has {len(values)} bytes of values, which its sizes {sizes} do not need")
    with np.errstate(invalid="ignore"):  # a damaged type; what does not fit is seen by whoever checks values
        array = np.frombuffer(values, stored).astype(_CLASSES[what])
    return name, array.reshape(sizes, order="F")
