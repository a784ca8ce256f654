"""Tables of `.parquet` and `.feather`, read by pyarrow within limits.

pyarrow trusts what it reads: pandas is given a table only after every offset in it was checked, or a damaged
one can end the process.
"""

from pathlib import Path
from typing import Any

from counterpoint.data.omics_matrices import half_of_memory
from counterpoint.errors import InputError

BINARY = (".parquet", ".feather")
LEAST = 17  # the oldest release that is tested; those before 14.0.1 could run code that a file holds


def read_binary(file: Path) -> Any:
    """Read a `.parquet` or `.feather`; its index, where pandas saved one, is the table's.

    Raises:
        InputError: pyarrow is missing or too old, or the file is damaged or claims more than half of the
            free memory.
    """
    kind = file.suffix.lower()[1:]
    try:
        import pyarrow
    except ImportError:
        raise InputError(
            f"Reading {file.name} needs pyarrow, which is not installed; pip install "
            "'counterpoint[tables]', or save .csv."
        ) from None
    if int(pyarrow.__version__.split(".")[0]) < LEAST:
        raise InputError(
            f"Reading {file.name} needs pyarrow {LEAST} or newer, and {pyarrow.__version__} is installed; "
            "pip install --upgrade pyarrow, or save .csv."
        )
    try:
        return _parquet(file) if kind == "parquet" else _feather(file)
    except (
        *(ValueError, OSError, KeyError, TypeError, IndexError, AttributeError, OverflowError),
        *(MemoryError, RuntimeError, pyarrow.ArrowException),
    ) as error:  # what pyarrow raises of its own part, and of what a file says of pandas
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{file.name} cannot be read: it is cut off, damaged or not {kind} ({said}). Save or copy it "
            "again."
        ) from error


def _parquet(file: Path) -> Any:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        told = opened.metadata
        _check(told.num_rows, told.num_columns)
        table = opened.read()
    table.validate(full=True)
    return table.to_pandas()


def _feather(file: Path) -> Any:
    from pyarrow import feather

    table = feather.read_table(file, memory_map=False)
    _check(table.num_rows, table.num_columns)
    table.validate(full=True)
    return table.to_pandas()


def _check(rows: int, columns: int) -> None:
    """Refuse a table that would not fit: a few bytes can stand for billions of equal values."""
    need, most = 8 * rows * columns, half_of_memory()
    if need > most:
        raise ValueError(
            f"it claims {rows:,} rows of {columns:,} columns, {need:,} bytes; allowed is half of the free "
            f"memory, {int(most):,}"
        )
