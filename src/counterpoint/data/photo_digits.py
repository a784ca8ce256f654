"""Digits on photographs: a small PolyMNIST out of files that come inside scikit-learn and scikit-image."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counterpoint.errors import InputError, choose, number, whole

CLASSES = 10
TEST_SHARE = 0.25  # of the 1,797 digit images; the test rows are made of these alone
SHORT_SIDE = 640  # pixels; a 28 pixel crop then is smooth enough for a digit to be seen on it


@dataclass(frozen=True)
class Photograph:
    """Where a photograph lies inside an installed package, and whom to thank for it."""

    package: str
    file: str
    credit: str


# In order of how well digits are learnt on them; `modalities=3` takes the first three.
PHOTOGRAPHS = {
    "rocket": Photograph("skimage", "data/rocket.jpg", "rocket: SpaceX, public domain"),
    "flower": Photograph(
        "sklearn",
        "datasets/images/flower.jpg",
        "flower: vultilion on Flickr, CC BY 2.0, cropped and inverted",
    ),
    "coffee": Photograph("skimage", "data/coffee.png", "coffee: Rachel Michetti, CC0"),
    "china": Photograph(
        "sklearn",
        "datasets/images/china.jpg",
        "china: danielbuechele on Flickr, CC BY 2.0, cropped and inverted",
    ),
    "chelsea": Photograph("skimage", "data/chelsea.png", "chelsea: Stefan van der Walt, CC0"),
}


@dataclass(frozen=True)
class PhotoDigits:
    """Images of digits on photographs, one modality per photograph, and their labels.

    Shapes: `train[name]` is (N, 3, size, size) float32 in [0, 1]; `train_labels` is (N,) int64 in 0..9.
    """

    train: dict[str, np.ndarray]
    train_labels: np.ndarray
    test: dict[str, np.ndarray]
    test_labels: np.ndarray
    names: tuple[str, ...]
    train_digits: np.ndarray  # (N, M): which image of `load_digits` each modality of each row shows
    test_digits: np.ndarray

    @property
    def credits(self) -> tuple[str, ...]:
        """One line per photograph: who took it and under which licence it may be shown."""
        return tuple(PHOTOGRAPHS[name].credit for name in self.names)


def photo_digits(
    rows: int = 4000,
    test_rows: int = 1000,
    modalities: int | Sequence[str] = 3,
    *,
    scale: float = 0.75,
    translate: bool = True,
    size: int = 28,
    seed: int = 0,
) -> PhotoDigits:
    """Return digits on photographs: one class per row, a digit image and a photograph per modality.

    image = crop outside the digit, 1 - crop inside it, where crop is a random `size` x `size` part of the
    modality's photograph and the digit, `scale * size` pixels wide, lies at a random place (in the middle
    if not `translate`). Train and test rows share no digit image. `modalities` is how many, or the
    photographs' names. Nothing is downloaded and numpy's global generator is not touched.

    Shapes: images (N, 3, size, size) float32 in [0, 1]; labels (N,) int64, classes as even as N allows.

    Raises:
        InputError: a number out of its range, or an unknown or repeated photograph.
        ImportError: scikit-image (or Pillow) is not installed.

    Source: the recipe of PolyMNIST (Sutter et al. 2021) with the translation of Sutter et al. 2024 (MMVM).

    Example:
        >>> sets = photo_digits(20, 10, ["flower", "china"], seed=1)
        >>> sets.train["flower"].shape, sets.test_labels.shape
        ((20, 3, 28, 28), (10,))
        >>> bool((sets.train_digits[:, 0] != sets.train_digits[:, 1]).all())
        True
    """
    names = _names(modalities)
    rows, test_rows = whole("rows", rows), whole("test_rows", test_rows)
    size = whole("size", size, least=8)
    side = round(size * number("scale", scale, most=1.0, open_=True))
    if side < 8:
        raise InputError(
            f"scale is {scale!r}: digits would be {side} pixels wide; take one of at least {8 / size:.2f}."
        )
    if size > SHORT_SIDE:
        raise InputError(
            f"size is {size}; the photographs are {SHORT_SIDE} pixels high: take a size of at most that."
        )
    for_split, for_train, for_test = np.random.default_rng(whole("seed", seed, least=0)).spawn(3)

    masks, targets = _digit_masks(side)
    photographs = [_photograph(name) for name in names]
    in_train, in_test = _split(targets, for_split)

    def make(
        count: int, pool: np.ndarray, rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        labels = rng.permutation(np.arange(count) % CLASSES)
        digits = _pick(labels, targets, pool, len(names), rng)  # (N, M)
        assert (targets[digits] == labels[:, None]).all(), "the modalities of a row must show one class"
        images = {
            name: _compose(photograph, masks[digits[:, m]], size, translate, rng)
            for m, (name, photograph) in enumerate(zip(names, photographs, strict=True))
        }
        return images, labels, digits

    train, train_labels, train_digits = make(rows, in_train, for_train)
    test, test_labels, test_digits = make(test_rows, in_test, for_test)
    return PhotoDigits(train, train_labels, test, test_labels, names, train_digits, test_digits)


def _names(modalities: int | Sequence[str]) -> tuple[str, ...]:
    """Return the photographs that are asked for, by number or by name."""
    if isinstance(modalities, str):
        modalities = [modalities]
    if not isinstance(modalities, Sequence):
        count = whole("modalities", modalities)
        if count > len(PHOTOGRAPHS):
            raise InputError(
                f"modalities is {count}; there are {len(PHOTOGRAPHS)} photographs: {', '.join(PHOTOGRAPHS)}."
            )
        return tuple(PHOTOGRAPHS)[:count]
    names = tuple(choose("modalities", name, PHOTOGRAPHS) for name in modalities)
    if not names or len(set(names)) < len(names):
        raise InputError(f"modalities is {list(names)}; name at least one photograph, and each only once.")
    return names


def _photograph(name: str) -> np.ndarray:
    """Read a packaged photograph, its short side shrunk to SHORT_SIDE pixels: (H, W, 3) in [0, 1]."""
    where = PHOTOGRAPHS[name]
    spec = importlib.util.find_spec(where.package)  # finds the folder without importing the package
    install = "install it with: pip install 'counterpoint[plots]'"
    if spec is None or spec.origin is None:
        raise ImportError(f"The photograph {name!r} comes with the package {where.package}; {install}.")
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"Reading photographs needs Pillow; {install}.") from error
    path = Path(spec.origin).parent / where.file
    if not path.is_file():
        raise InputError(
            f"{path} is missing: this build of {where.package} has no {name!r}; take other modalities."
        )
    with Image.open(path) as image:
        factor = SHORT_SIDE / min(image.size)
        small = image.convert("RGB").resize(
            [round(length * factor) for length in image.size], Image.Resampling.BOX
        )
    return np.asarray(small, dtype=np.float32) / 255


def _digit_masks(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits of scikit-learn as masks (1797, side, side) and their classes (1797,)."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    strength = np.asarray(images).reshape(-1, 8, 8) / 16
    upscale = _bilinear(side, 8)
    return upscale @ strength @ upscale.T > 0.5, np.asarray(targets, dtype=np.int64)


def _bilinear(outputs: int, inputs: int) -> np.ndarray:
    """Return the matrix (outputs, inputs) that resizes bilinearly, pixel areas aligned, edges repeated.

    Example:
        >>> _bilinear(4, 2)
        array([[1.  , 0.  ],
               [0.75, 0.25],
               [0.25, 0.75],
               [0.  , 1.  ]])
    """
    place = np.clip((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0, inputs - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(inputs)), 0)


def _split(targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split the digit images into those for training and those for testing, class by class."""
    train, test = [], []
    for label in range(CLASSES):
        images = rng.permutation(np.flatnonzero(targets == label))
        cut = round(len(images) * TEST_SHARE)
        test.append(images[:cut])
        train.append(images[cut:])
    return np.concatenate(train), np.concatenate(test)


def _pick(
    labels: np.ndarray, targets: np.ndarray, pool: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Pick for every row `count` different images of its class out of the pool: (N, count) indices."""
    picked = np.empty((len(labels), count), dtype=np.int64)
    for label in range(CLASSES):
        here = np.flatnonzero(labels == label)
        images = pool[targets[pool] == label]
        picked[here] = images[rng.random((len(here), len(images))).argsort(axis=1)[:, :count]]
    return picked


def _compose(
    photograph: np.ndarray, masks: np.ndarray, size: int, translate: bool, rng: np.random.Generator
) -> np.ndarray:
    """Invert random crops (N, 3, size, size) of a photograph inside digits (N, side, side)."""
    count, side = len(masks), masks.shape[1]
    room = size - side
    places = rng.integers(0, room + 1, size=(2, count)) if translate else np.full((2, count), room // 2)
    inside = np.zeros((count, size, size), dtype=bool)
    row, column = places[:, :, None] + np.arange(side)  # (N, side) each
    inside[np.arange(count)[:, None, None], row[:, :, None], column[:, None, :]] = masks

    windows = np.lib.stride_tricks.sliding_window_view(
        photograph, (size, size), axis=(0, 1)
    )  # (y, x, 3, size, size)
    crops = windows[rng.integers(0, windows.shape[0], count), rng.integers(0, windows.shape[1], count)]
    return np.where(inside[:, None], 1 - crops, crops)
