"""What an HDF5 file leads to and claims: nothing outside itself, and no more than fits into memory."""

from pathlib import Path
from typing import Any

from counterpoint.errors import InputError

MOST_OBJECTS = 1_000_000


def check_hdf5(path: Path, file: Any, most: float) -> None:
    """Refuse an open HDF5 file that would have other files read, or claims more than there is room for.

    HDF5 has three ways to make a file's values those of another one: external links, external storage and
    virtual arrays. A file from elsewhere has no use for them here, but could show what it should not.

    Args:
        path: Its name, for the message.
        file: An open `h5py.File`.
        most: Bytes of its largest array; a packed array of nothing claims any size in a few bytes.

    Raises:
        InputError: says what there is, and where.

    Example:
        >>> import h5py, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, h5py.File(f"{folder}/a.h5", "w") as file:
        ...     file["x"] = h5py.ExternalLink("/etc/passwd", "/")
        ...     check_hdf5(Path("a.h5"), file, 1e9)
        Traceback (most recent call last):
        counterpoint.errors.InputError: a.h5 leads to another file at 'x'; copy what is there into it.
    """
    import h5py

    seen = 0

    def look(name: str, link: Any) -> InputError | None:  # h5py stops where something is returned
        nonlocal seen
        seen += 1
        if seen > MOST_OBJECTS:
            return InputError(f"{path.name} has over {MOST_OBJECTS:,} parts; it is damaged.")
        if isinstance(link, h5py.ExternalLink):
            return _elsewhere(path, name)
        found = file.get(name) if isinstance(link, h5py.HardLink) else None
        if not isinstance(found, h5py.Dataset):
            return None
        if found.external or found.is_virtual:
            return _elsewhere(path, name)
        if found.nbytes > most:
            return InputError(
                f"{path.name} claims {found.nbytes:,} bytes at {name!r}, allowed are {int(most):,}; it is "
                "damaged, or has to stay in its file (backed=True)."
            )
        return None

    if (wrong := file.visititems_links(look)) is not None:
        raise wrong


def _elsewhere(path: Path, name: str) -> InputError:
    return InputError(f"{path.name} leads to another file at {name!r}; copy what is there into it.")
