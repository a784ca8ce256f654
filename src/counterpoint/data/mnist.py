"""MNIST as it lies in a folder: what the sets that are built from it read."""

from pathlib import Path

import numpy as np

from counterpoint.data.polymnist import _mnist
from counterpoint.errors import InputError, choose


def mnist(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and labels of `folder/mnist/{train,test}.npz`; `download_mnist` fetches them.

    Shapes: images (N, 28, 28) uint8, white on black; labels (N,) uint8 in 0..9.

    Raises:
        InputError: a missing, damaged or unfit file; the message names it.

    Source: LeCun, Cortes and Burges, the MNIST database of handwritten digits, 1998 (CC BY-SA 3.0).

    Example:
        >>> mnist("nowhere", "test")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/mnist/test.npz is missing; \
counterpoint.data.polymnist.download_mnist('nowhere') fetches it.
    """
    path = Path(folder) / "mnist" / f"{choose('split', split, ('train', 'test'))}.npz"
    if not path.is_file():
        raise InputError(
            f"{path} is missing; counterpoint.data.polymnist.download_mnist({str(folder)!r}) fetches it."
        )
    return _mnist(path, None, "rows")


def mnist_pictures(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the same with a channel: images (N, 1, 28, 28), labels (N,).

    Example:
        >>> mnist_pictures("nowhere", "tset")
        Traceback (most recent call last):
        counterpoint.errors.InputError: split is 'tset'; allowed are train, test. Did you mean 'test'?
    """
    images, labels = mnist(folder, split)
    return np.ascontiguousarray(images[:, None]), labels
