"""One process at a time in a folder."""

import errno
import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counterpoint.errors import InputError

_NO_LOCKS = {
    errno.EBADF,
    errno.EINVAL,
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.ENOSYS,
}  # some network file systems


@contextmanager
def alone(folder: str | Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder against other processes within the block; it is made, and goes again if it stays empty.

    The lock is the system's, on the folder itself: it goes with the process, however that ends, and leaves
    no file. Where the file system has no locks a warning says so.

    Args:
        folder: The folder.
        what: What another process would be doing there, for its error.
        wait: Wait for it instead.

    Raises:
        InputError: If another process holds it (and `wait` is not set), or it cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place, alone(place, "fit"):
        ...     with alone(place, "fit"):  # doctest: +ELLIPSIS
        ...         pass
        Traceback (most recent call last):
        counterpoint.errors.InputError: another fit is at work in ...; wait for it, or give another folder.
    """
    folder = Path(folder)
    fresh = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; give another folder.") from error
    try:
        _lock(handle, folder, what, wait)
        yield
    finally:
        os.close(handle)
        if fresh and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _lock(handle: int, folder: Path, what: str, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"another {what} is at work in {folder}; wait for it, or give another folder."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"{folder} is on a file system without locks; see to it that no other {what} writes there.",
            stacklevel=4,
        )
