"""Named arrays of a published file, `.mat` or `.npz`: without pickle, checked by name and shape."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from counterpoint import bounded
from counterpoint.data.hdf5 import check_hdf5
from counterpoint.data.loading import entries
from counterpoint.data.matlab5 import read_matlab5
from counterpoint.data.omics_matrices import half_of_memory
from counterpoint.errors import InputError

Layout = Mapping[str, tuple[int | None, ...]]  # name -> shape; None is any size of at least 1
_HDF5 = b"\x89HDF\r\n\x1a\n"  # MATLAB's -v7.3 is HDF5 behind 512 bytes of its own
_BLOCK = 512
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, SystemError)  # what h5py raises


def arrays(path: Path, layout: Layout, *, optional: Iterable[str] = (), get: str) -> dict[str, np.ndarray]:
    """Read the arrays that `layout` names from a `.mat` or `.npz`; others in the file are passed over.

    Args:
        path: the file. What is in it decides how it is read, not what it is called, but for `.npz`.
        layout: name -> shape, None where any size will do.
        optional: names that may be lacking.
        get: what to do if the file is missing or unfit: where to get it. Ends without a full stop.

    Returns:
        Name -> array of finite real numbers, in the order of axes that MATLAB shows.

    Raises:
        InputError: no such file, one that is cut off or damaged, an array that is lacking, has another shape,
            or holds anything but finite real numbers; the message names the file.
        ImportError: the file is MATLAB's -v7.3 and h5py is not installed.

    Example:
        >>> import tempfile
        >>> from scipy.io import savemat
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.mat"
        ...     savemat(path, {"X": np.ones((5, 2)), "other": np.ones(3)})
        ...     arrays(path, {"X": (None, 2)}, get="copy it again")["X"].shape
        (5, 2)
        >>> arrays(Path("b.mat"), {"X": (None, 2)}, get="get it from its authors")
        Traceback (most recent call last):
        counterpoint.errors.InputError: b.mat is missing; get it from its authors.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing; {get}.")
    found = entries(path, list(layout)) if path.suffix.lower() == ".npz" else _mat(path, layout, get)
    wrong = [
        f"{name} {_shown(layout[name])} ({_fault(found[name], layout[name])})"
        for name in layout
        if name in found and _fault(found[name], layout[name])
    ]
    wrong += [f"{name} {_shown(layout[name])} (not there)" for name in _lacking(layout, found, optional)]
    if wrong:
        raise InputError(f"{path} must hold {', '.join(wrong)}; it is another file or cut off: {get}.")
    return {name: found[name] for name in layout if name in found}


def codes(path: Path, name: str, array: np.ndarray, rows: int, least: int, most: int | None) -> np.ndarray:
    """Return labels as int64 (rows,): whole numbers from `least` to `most`, given as a row or a column.

    Raises:
        InputError: another number of labels, or a label out of range; the message names the file.

    Example:
        >>> codes(Path("a.mat"), "y", np.array([[10.0], [1.0]]), 2, 1, 10)
        array([10,  1])
        >>> codes(Path("a.mat"), "y", np.array([[0], [1]]), 2, 1, 10)
        Traceback (most recent call last):
        counterpoint.errors.InputError: a.mat: y holds 0 in row 0; it must hold whole numbers from 1 to 10: \
this is another file, or damaged.
    """
    if array.ndim > 2 or array.size != max(array.shape, default=0) or array.size != rows:
        raise InputError(
            f"{path}: {name} has shape {array.shape}; it must hold one label for each of the {rows} rows: "
            "this is another file, or damaged."
        )
    flat = array.ravel()
    bad = (flat != np.rint(flat)) | (flat < least)
    if most is not None:
        bad |= flat > most
    if bad.any():
        row = int(np.argmax(bad))
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(
            f"{path}: {name} holds {flat[row]} in row {row}; it must hold whole numbers {allowed}: this is "
            "another file, or damaged."
        )
    return flat.astype(np.int64)


def _shown(shape: tuple[int | None, ...]) -> str:
    """Write a shape; what may be any size is N."""
    return f"({', '.join('N' if size is None else str(size) for size in shape)})"


def _lacking(layout: Layout, found: Mapping[str, np.ndarray], optional: Iterable[str]) -> list[str]:
    return [name for name in layout if name not in found and name not in set(optional)]


def _fault(array: np.ndarray, shape: tuple[int | None, ...]) -> str:
    """Say what is wrong with an array, or nothing."""
    if array.dtype.kind not in "iufb":
        return f"it holds {array.dtype}"
    fits = array.ndim == len(shape) and all(
        size > 0 and wanted in (None, size) for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        return f"it has shape {array.shape}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "it holds NaN or inf"
    return ""


def _mat(path: Path, layout: Layout, get: str) -> dict[str, np.ndarray]:
    """Read a `.mat`, whichever version it has."""
    bounded.ordinary(path, f"{get}.")
    with path.open("rb") as file:
        head = file.read(_BLOCK + len(_HDF5))
    if head.startswith(_HDF5) or head[_BLOCK:] == _HDF5:
        return _hdf5(path, layout, get)
    try:
        return read_matlab5(path, list(layout))
    except (OSError, ValueError) as error:
        raise _damaged(path, error, get) from error


def _hdf5(path: Path, layout: Layout, get: str) -> dict[str, np.ndarray]:
    """Read a `.mat` of MATLAB's -v7.3, whose arrays lie with their axes reversed."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path} was saved by MATLAB with -v7.3; reading it needs h5py: pip install "
            "'counterpoint[omics]', or save it again with -v7."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            check_hdf5(path, file, half_of_memory())
            there = [name for name in layout if isinstance(file.get(name), h5py.Dataset)]
            return {name: np.asarray(file[name]).T for name in there}
    except InputError:
        raise
    except _UNREADABLE as error:
        raise _damaged(path, error, get) from error


def _damaged(path: Path, error: Exception, get: str) -> InputError:
    what = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return InputError(f"{path} cannot be read: it is cut off, damaged or no MATLAB file ({what}); {get}.")
