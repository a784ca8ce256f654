"""Files of AnnData and MuData: opened and written, with one clear error."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from counterpoint import atomic
from counterpoint.data.columns import is_a
from counterpoint.data.hdf5 import check_hdf5
from counterpoint.data.omics_matrices import half_of_memory
from counterpoint.errors import InputError

SUFFIXES = (".h5ad", ".h5mu", ".zarr")
WRITTEN = {"anndata.AnnData": ".h5ad", "mudata.MuData": ".h5mu"}


def is_object(source: Any) -> bool:
    """Tell whether this is an AnnData or a MuData, without importing either."""
    return is_a(source, *WRITTEN)


def is_file(source: Any) -> bool:
    """Tell whether this is the path of an AnnData or a MuData, by its name.

    Example:
        >>> is_file("pbmc.h5mu"), is_file("pbmc.csv")
        (True, False)
    """
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() in SUFFIXES


def package(name: str) -> Any:
    """Import a package of single cells.

    Raises:
        InputError: it is not installed.

    Example:
        >>> package("no_such_package")
        Traceback (most recent call last):
        counterpoint.errors.InputError: this needs no_such_package, which is not installed; pip install \
'counterpoint[omics]'.
    """
    try:
        with quiet():
            return import_module(name)
    except ImportError as error:
        lacks = (error.name or name).split(".")[0]
        raise InputError(
            f"this needs {lacks}, which is not installed; pip install 'counterpoint[omics]'."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what these packages warn of, such as old formats; our own errors say what matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_file(path: Path) -> Any:
    """Return the AnnData or MuData of a file, or of a folder written by zarr; what it holds decides which.

    Raises:
        InputError: a package is missing, or the file is damaged or holds something else.
    """
    zarr = path.suffix.lower() == ".zarr"
    anndata, h5py = package("anndata"), package("h5py")
    with readable(path):
        if zarr:
            package("zarr")
            several = (path / "mod").is_dir()
            return package("mudata").read_zarr(path) if several else anndata.read_zarr(path)
        with h5py.File(path, "r") as file:
            check_hdf5(path, file, half_of_memory())
            several = holds_cells(path, file)
        return package("mudata").read_h5mu(path) if several else anndata.read_h5ad(path)


def holds_cells(path: Path, group: Any) -> bool:
    """Tell a MuData from an AnnData by what lies in the file.

    Raises:
        InputError: it is neither.
    """
    if "obs" not in group:
        raise InputError(
            f"{path.name} holds no cells (no 'obs'), so it is neither AnnData nor MuData; save it "
            "with adata.write_h5ad or mdata.write_h5mu."
        )
    return "mod" in group


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever these packages stumble over into one error.

    Raises:
        InputError: the file is damaged or holds something else.
    """
    try:
        with quiet():
            yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # these packages raise whatever the file made them stumble over
        said = str(error).strip().splitlines()
        kind = "zarr" if path.suffix.lower() == ".zarr" else "HDF5"
        raise InputError(
            f"{path.name} cannot be read: it is cut off, damaged or not {kind} "
            f"({said[0] if said else type(error).__name__}). Save or copy it again."
        ) from error


def check_suffix_of(out: str | Path, source: Any, source_path: str | Path | None = None) -> None:
    """Refuse to write an object under another kind's name, or over the file that it came from.

    Raises:
        InputError: says which name would do.
    """
    out = Path(out)
    needs = next((suffix for kind, suffix in WRITTEN.items() if is_a(source, kind)), None)
    if needs is None:
        raise InputError(
            f"out is {str(out)!r}, and the data are no AnnData or MuData that could be written there; give a "
            "name that ends in .npz."
        )
    if out.suffix.lower() != needs:
        raise InputError(f"out is {str(out)!r}; a {type(source).__name__} is written to a name in {needs}.")
    if source_path is not None and out.exists() and out.samefile(source_path):
        raise InputError(
            f"out is the data's own file, {str(out)!r}, which is never written; give another name."
        )


def write_file(out: str | Path, source: Any) -> Path:
    """Write an AnnData to `.h5ad`, a MuData to `.h5mu`: the file appears whole or not at all.

    Raises:
        InputError: the name is another kind's, or the folder cannot be written to.
    """
    check_suffix_of(out, source)
    # pandas 3 holds text in arrays of its own, which anndata writes only if told so: 0.11 and later read them
    text = package("anndata").settings.override(allow_write_nullable_strings=True)
    with tempfile.TemporaryDirectory() as folder, quiet(), text:
        made = Path(folder) / Path(out).name
        if is_a(source, "mudata.MuData"):
            package("mudata").write_h5mu(made, source)
        else:
            source.write_h5ad(made)
        return atomic.write(out, made.read_bytes())
