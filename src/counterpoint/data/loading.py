"""One file with arrays or a table, read without pickle."""

import re
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from counterpoint import bounded
from counterpoint.data.arrow_tables import BINARY, read_binary
from counterpoint.data.claims import check_arrays, check_table
from counterpoint.data.omics_matrices import half_of_memory
from counterpoint.data.rows import by_id
from counterpoint.errors import InputError

TABLES = (".csv", ".tsv", *BINARY)
_UNREADABLE = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, IndexError, OverflowError),
    *(RuntimeError, SyntaxError, tokenize.TokenError),  # encrypted or unknown packing; damaged headers
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
_AGAIN = "save or copy it again."


def load(path: Path) -> np.ndarray:
    """Load the array of an `.npy`, without pickle."""
    with _file(path) as file:
        loaded = _open(path, file)
        if isinstance(loaded, np.ndarray):
            return loaded
    raise InputError(f"{path.name} is an archive with the name of an array; call it .npz.")


def entries(path: Path, wanted: list[str] | None = None) -> dict[str, np.ndarray]:
    """Load the arrays of an `.npz`, without pickle; objects among those that nobody wants are passed over."""
    found: dict[str, np.ndarray] = {}
    with _file(path) as file:  # numpy leaves a damaged file open, so it is opened here
        archive = _open(path, file, together=wanted is None)
        if isinstance(archive, np.ndarray):
            raise InputError(f"{path.name} is one array with the name of an archive; call it .npy.")
        for name in archive.files:
            try:
                found[name] = _array(archive[name])
            except _UNREADABLE as error:
                unwanted = wanted is not None and name not in wanted
                if unwanted and ("Object arrays" in str(error) or "holds no array" in str(error)):
                    continue
                raise _damaged(path, error, name) from error
    return found


def _array(found: Any) -> np.ndarray:
    """Return an entry; of one that does not begin as an array does, numpy gives the bytes."""
    if not isinstance(found, np.ndarray):
        raise ValueError("it holds no array")
    return found


def entries_of(path: Path) -> tuple[str, ...] | None:
    """Return what the arrays of an `.npz` or of a folder are called; None where nothing is named so.

    Raises:
        InputError: an `.npz` that cannot be read.

    Example:
        >>> entries_of(Path("table.csv")) is None
        True
    """
    if path.is_dir() and path.suffix.lower() != ".zarr":
        return tuple(p.stem for p in sorted(path.iterdir()) if p.suffix.lower() in (".npy", ".npz", *TABLES))
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    with _file(path) as file:
        archive = _open(path, file)
        return None if isinstance(archive, np.ndarray) else tuple(archive.files)


def load_entries(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Load some arrays of an `.npz`, without pickle.

    Raises:
        InputError: it cannot be read.
    """
    with _file(path) as file:
        archive = _open(path, file)
        try:
            return {name: _array(archive[name]) for name in names}
        except _UNREADABLE as error:
            raise _damaged(path, error, names[0]) from error


def _file(path: Path) -> BinaryIO:
    """Open a file, which must not be a device or a pipe: these may never end."""
    try:
        bounded.ordinary(path, _AGAIN)
        return path.open("rb")
    except OSError as error:
        raise _damaged(path, error) from error


def _open(path: Path, file: BinaryIO, together: bool = False) -> Any:
    """Open an array or an archive of arrays, all of which are to be read or some; no more than fits."""
    try:
        check_arrays(file, path.stat().st_size, half_of_memory(), together)
        return np.load(file, allow_pickle=False)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def load_one(file: Path, id: str | None = None) -> Any:
    """Read the one array or table of a file; with `id`, a table whose rows that column names.

    Raises:
        InputError: the file cannot be read, holds several arrays, or has no such column.
    """
    if id is not None:
        return by_id(file.name, load_table(file, id) if file.suffix.lower() in TABLES else None, id)
    suffix = file.suffix.lower()
    if suffix in TABLES:
        return load_table(file, id)
    if suffix == ".npy":
        return load(file)
    arrays = entries(file)
    if len(arrays) != 1:
        raise InputError(
            f"{file.name} holds {len(arrays)} arrays ({', '.join(arrays)}); in a folder each file holds one "
            "modality. Give the "
            "path of the .npz itself, or save the arrays one by one."
        )
    return next(iter(arrays.values()))


def load_table(file: Path, id: str | None = None) -> Any:
    """Read a table with pandas; `id` is a column that stays as it is, text.

    Raises:
        InputError: the file cannot be read, or a package for it is missing.
    """
    try:
        import pandas as pd
    except ImportError:
        raise InputError(
            f"Reading {file.name} needs pandas; pip install 'counterpoint[tables]', or save .npy."
        ) from None
    if file.suffix.lower() in BINARY:
        return _named(read_binary(file), id)
    separator = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        check_table(file, separator, bounded.ordinary(file, _AGAIN), half_of_memory())
        table = pd.read_csv(file, sep=separator, low_memory=False, dtype=None if id is None else {id: str})
    except InputError:
        raise
    except (
        ValueError,
        OSError,
        OverflowError,
        pd.errors.ParserError,
    ) as error:  # empty files and wrong encodings are ValueErrors
        raise InputError(
            f"{file.name} cannot be read as a table ({error}); it needs one line of names and then lines of "
            "equal length, in UTF-8."
        ) from error
    table = _named(table, id)
    heads = [str(column) for column in table.columns]
    if (
        heads
        and all(re.fullmatch(r"-?\d*\.?\d+", head) for head in heads)
        and any("." in head for head in heads)
    ):
        raise InputError(
            f"The first line of {file.name} holds numbers ({heads[0]}, ...); it must hold the names of the "
            "columns."
        )
    return table


def _named(table: Any, id: str | None) -> Any:
    """Take a first column that names the rows as the index, unless another column does."""
    if id is None and len(table.columns) and str(table.columns[0]).lower() in ("unnamed: 0", "id", "index"):
        table = table.set_index(table.columns[0])
        table.index.name = None
    return table


def _damaged(path: Path, error: Exception, entry: str = "") -> InputError:
    """Return the error for a file that numpy cannot read."""
    where = f"{path.name}, entry {entry!r}," if entry else path.name
    if "pickle" in str(error) and "Object arrays" in str(error):
        return InputError(
            f"{where} holds Python objects, which are not loaded because loading them can run code; save "
            "numbers or text "
            "(array.astype(str)) instead."
        )
    return InputError(
        f"{where} cannot be read: it is cut off, damaged or not a numpy file ({error}). Save or copy it "
        "again."
    )
