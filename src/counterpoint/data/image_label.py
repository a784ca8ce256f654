"""MNIST, FashionMNIST and SVHN with their labels as a second modality."""

from pathlib import Path

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.digit_words import WORDS
from counterpoint.data.mnist import mnist_pictures
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import asked, some
from counterpoint.data.polymnist_files import MNIST_FILES, download_mnist
from counterpoint.data.svhn import svhn
from counterpoint.errors import InputError, choose, whole

IMAGES = ("mnist", "fashion", "svhn")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"),
    "Ankle boot",
)
FASHION_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_MD5 = (  # published beside the files, in the order of MNIST's, whose names they have
    *("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe"),
    *("bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
)
FASHION_FILES = {name: f"md5:{md5}" for name, md5 in zip(MNIST_FILES, _MD5, strict=True)}


def image_label(
    folder: str | Path,
    *,
    images: str = "mnist",
    rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> tuple[MultimodalData, MultimodalData]:
    """Read images, and what they show as a word of ten, from the published training and test parts.

    Args:
        folder: Where `mnist/{train,test}.npz` (`polymnist.download_mnist`), `fashion/mnist/{train,test}.npz`
            (`download_fashion`) or `svhn/{train,test}_32x32.mat` (see `svhn.svhn`) lie.
        images: Which of `IMAGES`.
        rows: How many training rows; None takes all: 60,000, of SVHN 73,257.
        test_rows: How many test rows; None takes all: 10,000, of SVHN 26,032.
        seed: Of which, and of their order.

    Shapes: image (N, 1, 28, 28), of SVHN (N, 3, 32, 32), uint8; label (N, 1), categories `digit_words.WORDS`
    or `CLOTHES`; the label `class` (N,) in 0..9.

    Raises:
        InputError: a missing or damaged file, which is named; another name; more rows than there are.

    Source: LeCun, Cortes and Burges 1998; Xiao, Rasul and Vollgraf 2017 (FashionMNIST); Netzer et al. 2011.
    With labels as a modality: Wu and Goodman 2018 (MVAE).

    Example:
        >>> image_label("nowhere", images="fashion")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/fashion/mnist/train.npz is missing; \
counterpoint.data.image_label.download_fashion('nowhere') fetches it.
    """
    name = choose("images", images, IMAGES)
    wanted = asked(rows=rows, test_rows=test_rows)
    generators = np.random.default_rng(whole("seed", seed, least=0)).spawn(2)
    words = np.array(CLOTHES if name == "fashion" else WORDS)
    made = []
    for split, what, count, rng in zip(
        ("train", "test"), ("rows", "test_rows"), wanted, generators, strict=True
    ):
        x, labels = _read(Path(folder), name, split)
        chosen = some(what, count, len(labels), rng)
        label = labels[chosen]
        made.append(read({"image": x[chosen], "label": words[label]}, labels={"class": label}))
    return made[0], made[1]


def download_fashion(
    folder: str | Path, *, base_url: str = FASHION_URL, registry: dict[str, str] = FASHION_FILES
) -> Path:
    """Download FashionMNIST and write `folder/fashion/mnist/train.npz` and `test.npz`; see `download_mnist`.

    Raises:
        InputError: no connection, a wrong checksum, a damaged file, a folder that cannot be written to.
        ImportError: pooch is not installed.

    Source: Xiao, Rasul and Vollgraf 2017, under the MIT licence.

    Example:
        >>> download_fashion("data", base_url="ftp://example.org")
        Traceback (most recent call last):
        counterpoint.errors.InputError: base_url is 'ftp://example.org'; it must start with http:// or https://.
    """
    return download_mnist(Path(folder) / "fashion", base_url=base_url, registry=registry)


def _read(folder: Path, name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of one part."""
    if name == "svhn":
        return svhn(folder, split)
    if name == "mnist":
        return mnist_pictures(folder, split)
    path = folder / "fashion" / "mnist" / f"{split}.npz"
    if not path.is_file():
        raise InputError(
            f"{path} is missing; counterpoint.data.image_label.download_fashion({str(folder)!r}) fetches it."
        )
    return mnist_pictures(folder / "fashion", split)
