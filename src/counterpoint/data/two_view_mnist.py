"""Two-modality MNIST: a rotated digit and a noisy one of the same class; built, or as published."""

from pathlib import Path

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.matlab import arrays, codes
from counterpoint.data.mnist import mnist
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.parts import Parts, asked, some
from counterpoint.data.rotation import rotate
from counterpoint.errors import InputError, whole

MODALITIES = ("rotated", "noisy", "plain")
DEGREES = 45.0  # at most, to either side
CHUNK = 4096  # images at a time: 13 MB of noise
_COUNT = ("rows", "tuning_rows", "test_rows")
_GET = (
    "ask the authors of the paper for the file, or build the set from MNIST with two_view_mnist, which needs "
    "no such file"
)


def two_view_mnist(
    folder: str | Path,
    *,
    modalities: tuple[str, ...] | list[str] = ("rotated", "noisy"),
    flat: bool = False,
    rows: int | None = None,
    tuning_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> Parts:
    """Build two-modality MNIST from `folder/mnist/{train,test}.npz` (see `polymnist.download_mnist`).

        rotated = image i turned by U[-45, 45] degrees
        noisy   = min(image j + U[0, 1], 1) per pixel, j another image of the class of i
        plain   = image k as it is, a third image of the class (not of the paper, see below)

    The 60,000 training images are shuffled and parted into 50,000 and 10,000 for tuning; the 10,000 test
    images stay apart. i is every image of a part once; j and k come from the same part, with replacement.
    Pixels are bytes (255ths, the noise too). Rows come in shuffled order, and `rows`, `tuning_rows` and
    `test_rows` take the first of them (None: all): fewer rows are a part of more rows.

    The paper's *three-modality MNIST* is MNIST, rotated MNIST and SVHN (`mnist_svhn_text`). With all three
    `modalities` this is a stand-in that needs MNIST alone.

    Args:
        folder: Where `mnist/` lies.
        modalities: Which of rotated, noisy, plain; the images of one do not depend on the others.
        flat: Rows of 784 pixels, not pictures of one channel.
        rows: How many training rows.
        tuning_rows: How many rows for tuning.
        test_rows: How many test rows.
        seed: Of the parts, the angles, the noise and the pairing.

    Shapes: (N, 1, 28, 28), or (N, 784) if `flat`, uint8; the label `digit` (N,) in 0..9.

    Raises:
        InputError: a missing or damaged file, an unknown modality, more rows than there are, a class with
            fewer than three images in a part.

    Source: Wang, Arora, Livescu and Bilmes 2015 (DCCAE), as used for CMMD. The angles, the noise's range and
    the sizes of the parts are those of that work; how its images were interpolated is not known: bilinearly.

    Example:
        >>> import tempfile
        >>> rng, labels = np.random.default_rng(0), np.arange(60, dtype=np.uint8) % 2
        >>> with tempfile.TemporaryDirectory() as place:
        ...     (Path(place) / "mnist").mkdir()
        ...     for split in ("train", "test"):
        ...         images = rng.integers(0, 256, (60, 28, 28), np.uint8)
        ...         np.savez(Path(place) / "mnist" / f"{split}.npz", images=images, labels=labels)
        ...     sets = two_view_mnist(place, rows=40)
        >>> sets.train, len(sets.tuning), len(sets.test)
        (MultimodalData(40 rows; rotated (1, 28, 28), noisy (1, 28, 28)), 10, 60)
    """
    names = check_names("modalities", modalities, MODALITIES)
    if not isinstance(flat, bool):
        raise InputError(f"flat is {flat!r}; it must be True or False.")
    wanted = asked(rows=rows, tuning_rows=tuning_rows, test_rows=test_rows)
    order, *generators = np.random.default_rng(whole("seed", seed, least=0)).spawn(4)
    (images, labels), held = mnist(folder, "train"), mnist(folder, "test")
    shuffled = order.permutation(len(labels))
    cut = len(labels) - len(labels) // 6  # 50,000 of 60,000
    parts = [(images[i], labels[i]) for i in (shuffled[:cut], shuffled[cut:])] + [held]
    made = [
        _part(*part, names, flat, (what, count), rng)
        for part, what, count, rng in zip(parts, _COUNT, wanted, generators, strict=True)
    ]
    return Parts(*made)


def _part(
    images: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    flat: bool,
    count: tuple[str, int | None],
    rng: np.random.Generator,
) -> MultimodalData:
    """Make the rows of one part. Whatever is drawn has a generator of its own and is drawn for all rows."""
    for_order, for_partners, for_angles, for_noise = rng.spawn(4)
    chosen = some(*count, len(labels), for_order)
    partners = _partners(labels, for_partners)[chosen]
    x: dict[str, np.ndarray] = {}
    for name in names:
        if name == "rotated":
            x[name] = rotate(images[chosen], for_angles.uniform(-DEGREES, DEGREES, len(chosen)))
        else:
            x[name] = images[partners[:, 0 if name == "noisy" else 1]]
        if name == "noisy":
            _add_noise(x[name], for_noise)
        x[name] = x[name].reshape(len(chosen), -1) if flat else x[name][:, None]
    return read(x, labels={"digit": labels[chosen].astype(np.int64)})


def _partners(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for every image two others of its class, unlike each other: (N, 2) indices."""
    found = np.empty((len(labels), 2), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        size = len(members)
        if size < 3:
            raise InputError(
                f"A part has {size} images of digit {label}; it needs three, of which a row may show: give "
                "more images of MNIST."
            )
        first, second = rng.integers(1, size, size), rng.integers(1, size - 1, size)
        steps = np.stack((first, second + (second >= first)), 1)  # of 1 .. size - 1, unlike each other
        found[members] = members[(np.arange(size)[:, None] + steps) % size]
    return found


def _add_noise(images: np.ndarray, rng: np.random.Generator) -> None:
    """Add U[0, 1] to every pixel and cut at 1, in 255ths, in place."""
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        noise = rng.random(part.shape, np.float32) * np.float32(255)
        part[...] = np.minimum(np.rint(part + noise), 255).astype(np.uint8)


def two_view_mnist_mat(
    folder: str | Path,
    *,
    rows: int | None = None,
    tuning_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> Parts:
    """Read two-modality MNIST as published: `folder/MNIST.mat`.

    The file holds X1, XV1, XTe1 (rotated) and X2, XV2, XTe2 (noisy), each (N, 784), and trainLabel,
    tuneLabel, testLabel in 1..10, where 10 is the digit 0. Whether the 784 pixels run along rows or columns
    of a picture is not known, so they stay flat. `rows` and the others take that many rows at random, by
    `seed`.

    Shapes: (N, 784) float32; the label `digit` (N,) in 0..9.

    Raises:
        InputError: a missing or damaged file, other variables or shapes, labels out of range; it names the
            file.
        ImportError: the file was saved with -v7.3 and h5py is not installed.

    Source: Wang, Arora, Livescu and Bilmes 2015 (DCCAE); layout of the released code of CMMD. The file is not
    freely to be had any more. Licence: MNIST's, CC BY-SA 3.0.

    Example:
        >>> two_view_mnist_mat("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/MNIST.mat is missing; ask the authors of the paper for the \
file, or build the set from MNIST with two_view_mnist, which needs no such file.
    """
    path = Path(folder) / "MNIST.mat"
    wanted = asked(rows=rows, tuning_rows=tuning_rows, test_rows=test_rows)
    generators = np.random.default_rng(whole("seed", seed, least=0)).spawn(3)
    layout = {f"X{part}{view}": (None, 784) for part in ("", "V", "Te") for view in (1, 2)}
    labels = ("trainLabel", "tuneLabel", "testLabel")
    found = arrays(path, {**layout, **dict.fromkeys(labels, (None, None))}, get=_GET)
    made = []
    for part, label, what, count, rng in zip(
        ("", "V", "Te"), labels, _COUNT, wanted, generators, strict=True
    ):
        first, second = found[f"X{part}1"], found[f"X{part}2"]
        if len(first) != len(second):
            raise InputError(
                f"{path}: X{part}1 has {len(first)} rows, X{part}2 {len(second)}; row i must be the same "
                "thing in both: this is another file, or damaged."
            )
        digit = codes(path, label, found[label], len(first), 1, 10) % 10
        chosen = some(what, count, len(digit), rng)
        x = {"rotated": first, "noisy": second}
        kept = {name: values[chosen].astype(np.float32) for name, values in x.items()}
        made.append(read(kept, labels={"digit": digit[chosen]}))
    return Parts(*made)
