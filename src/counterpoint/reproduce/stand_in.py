"""Small files in the published layouts, made of pictures that installed packages bring along.

The digits are the 1,797 of scikit-learn (8 x 8, real handwriting), the photographs those of scikit-learn and
scikit-image. The readers take these files as they take the real ones; what is measured on them compares with
nothing that was published.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint import atomic
from counterpoint.data.photo_digits import PHOTOGRAPHS, _bilinear, _photograph, _split
from counterpoint.errors import InputError

SIDE, INNER = 28, 20  # of a picture of MNIST, and of the digit in its middle
SVHN_SIDE = 32
CREDITS = tuple(one.credit for one in PHOTOGRAPHS.values())


def digits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return scikit-learn's digits as MNIST has its own: split -> images (N, 28, 28) uint8, labels (N,).

    Bilinearly 20 pixels wide in the middle of 28, white on black; a quarter of every class is the test part.

    Example:
        >>> images, labels = digits()["test"]
        >>> images.shape, images.dtype, sorted(set(labels.tolist())) == list(range(10))
        ((450, 28, 28), dtype('uint8'), True)
    """
    from sklearn.datasets import load_digits

    small, targets = load_digits(return_X_y=True)
    upscale, edge = _bilinear(INNER, 8), (SIDE - INNER) // 2
    inner = upscale @ (np.asarray(small).reshape(-1, 8, 8) * 255 / 16) @ upscale.T
    images = np.zeros((len(inner), SIDE, SIDE), np.uint8)
    images[:, edge : SIDE - edge, edge : SIDE - edge] = np.rint(inner)
    labels = np.asarray(targets, np.uint8)
    chosen = zip(("train", "test"), _split(labels, np.random.default_rng(0)), strict=True)
    return {split: (images[rows], labels[rows]) for split, rows in chosen}


def _mnist(folder: Path) -> None:
    """Write `folder/mnist/{train,test}.npz`."""
    for split, (images, labels) in digits().items():
        _npz(folder / "mnist" / f"{split}.npz", {"images": images, "labels": labels})


def _photos(folder: Path) -> None:
    """Write `folder/photos/photos.npz`."""
    photographs = {name: np.rint(255 * _photograph(name)).astype(np.uint8) for name in PHOTOGRAPHS}
    _npz(folder / "photos" / "photos.npz", photographs)


def _svhn(folder: Path) -> None:
    """Write `folder/svhn/{train,test}_32x32.mat`: a digit in a colour of its own on part of a photograph."""
    from scipy.io import savemat

    photographs = [np.rint(255 * _photograph(name)).astype(np.uint8) for name in PHOTOGRAPHS]
    for s, (split, (images, labels)) in enumerate(digits().items()):
        rng = np.random.default_rng([1, s])
        out = np.empty((len(images), SVHN_SIDE, SVHN_SIDE, 3), np.uint8)
        for i, image in enumerate(images):
            photograph = photographs[rng.integers(len(photographs))]
            top, left = (rng.integers(n - SVHN_SIDE + 1) for n in photograph.shape[:2])
            out[i] = photograph[top : top + SVHN_SIDE, left : left + SVHN_SIDE] // 2
            inside = np.pad(image, (SVHN_SIDE - SIDE) // 2) > 128
            out[i][inside] = rng.integers(160, 256, 3)
        y = np.where(labels == 0, 10, labels)[:, None]
        content = io.BytesIO()
        savemat(content, {"X": out.transpose(1, 2, 3, 0), "y": y.astype(np.uint8)})
        atomic.write(folder / "svhn" / f"{split}_32x32.mat", content.getvalue())


# What a data set is built from -> who writes it; the last file that he writes.
_SOURCES: dict[str, tuple[Callable[[Path], None], str]] = {
    "mnist": (_mnist, "mnist/test.npz"),
    "photos": (_photos, "photos/photos.npz"),
    "svhn": (_svhn, "svhn/test_32x32.mat"),
}
# Name of a data set -> the sources that its reader looks for.
STAND_INS: dict[str, tuple[str, ...]] = {
    "polymnist": ("mnist", "photos"),
    "two_view_mnist": ("mnist",),
    "mnist_svhn_text": ("mnist", "svhn"),
}


def write_stand_in(name: str, folder: str | Path) -> Path:
    """Write the files that the reader of a data set looks for, unless they are there; return the folder.

    Args:
        name: Of the data set, one of `STAND_INS`.
        folder: Where to; it is made.

    Raises:
        InputError: If nothing stands in for this set.
        ImportError: If scikit-image or Pillow is not installed.

    Example:
        >>> write_stand_in("xrmb", "nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nothing stands in for 'xrmb' (there is something for polymnist, \
two_view_mnist, mnist_svhn_text); give the folder of its data with data=DIR.
    """
    if name not in STAND_INS:
        raise InputError(
            f"nothing stands in for {name!r} (there is something for {', '.join(STAND_INS)}); give the "
            "folder of its data with data=DIR."
        )
    folder = Path(folder)
    for source in STAND_INS[name]:
        write, last = _SOURCES[source]
        if not (folder / last).exists():
            write(folder)
    return folder


def _npz(path: Path, arrays: dict[str, Any]) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    atomic.write(path, content.getvalue())
