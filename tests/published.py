"""Small files in the layouts in which benchmark sets are published; every picture says which one it is."""

import numpy as np
from scipy.io import savemat

BITS = 12  # pictures are numbered up to 4095; bit b fills a row of pixels, so that noise cannot hide it


def pictures(numbers, size=28, channels=()):
    """Pictures that show numbers: bit b is row b + 2, 255 or 0; (N, *channels, size, size)."""
    numbers = np.asarray(numbers)
    out = np.zeros((len(numbers), *channels, size, size), np.uint8)
    for b in range(BITS):
        out[..., b + 2, :] = 255 * ((numbers >> b) & 1).reshape(-1, *[1] * (len(channels) + 1)).astype(
            np.uint8
        )
    return out


def number(images):
    """Which picture it is: a bit is on where a whole row of pixels is 255."""
    flat = images.reshape(len(images), -1, *images.shape[-2:])[:, 0]
    return sum((flat[:, b + 2] == 255).all(1).astype(int) << b for b in range(BITS))


def write_mnist(folder, train, test):
    """MNIST with these labels; the training pictures are numbered from 0, the test pictures go on."""
    (folder / "mnist").mkdir(parents=True, exist_ok=True)
    start = 0
    for split, labels in (("train", train), ("test", test)):
        images = pictures(start + np.arange(len(labels)))
        np.savez(folder / "mnist" / f"{split}.npz", images=images, labels=np.asarray(labels, np.uint8))
        start += len(labels)
    return folder


def write_svhn(folder, train, test, **options):
    """SVHN as published, with these digits; numbered like MNIST."""
    (folder / "svhn").mkdir(parents=True, exist_ok=True)
    start = 0
    for split, labels in (("train", train), ("test", test)):
        images = pictures(start + np.arange(len(labels)), 32, (3,))
        y = np.where(np.asarray(labels) == 0, 10, labels).astype(np.uint8)[:, None]
        contents = {"X": images.transpose(2, 3, 1, 0), "y": y}
        savemat(folder / "svhn" / f"{split}_32x32.mat", contents, do_compression=True, **options)
        start += len(labels)
    return folder
