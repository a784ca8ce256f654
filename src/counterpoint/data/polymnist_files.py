"""Files around PolyMNIST: the authors' folders of PNG images, and the four original files of MNIST."""

import gzip
import io
import math
import re
import struct
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from counterpoint import atomic
from counterpoint.data.pictures import need_pillow
from counterpoint.errors import InputError, whole

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_FILES = {  # the checksums that are published for the files of LeCun, Cortes and Burges
    "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
SIZE = 28  # pixels, of a side
SPLITS = ("train", "test")
MOST_ROWS = 200_000  # a file may claim any number; memory is taken for at most so many images
MOST_BYTES = 100_000_000  # of a download; the largest of the four has 10 million
_IMAGE = re.compile(r"([0-9]+)\.([0-9])\.png")
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_BY_HAND = (
    "Check the address and the connection, or put train.npz and test.npz (images: uint8 (N, 28, 28), labels: "
    "uint8 (N,)) into {folder} by hand."
)


@dataclass(frozen=True)
class PolyMNIST:
    """Images of digits on photographs by modality, and their labels; rows come first, channels last.

    Shapes: `train["m0"]` is (N, 28, 28, 3) uint8, `train_labels` (N,) uint8 in 0..9, `train_digits` (N, M)
    int32: which MNIST image each modality of each row shows (None where only PNG files are known).

    Example:
        >>> image, label = np.zeros((1, 28, 28, 3), np.uint8), np.array([7], np.uint8)
        >>> PolyMNIST({"m0": image}, label, {"m0": image}, label).train_digits is None
        True
    """

    train: dict[str, np.ndarray]
    train_labels: np.ndarray
    test: dict[str, np.ndarray]
    test_labels: np.ndarray
    train_digits: np.ndarray | None = None
    test_digits: np.ndarray | None = None


def read_polymnist_folders(base: str | Path, *, modalities: int = 3) -> PolyMNIST:
    """Read PolyMNIST as its authors store it: `base/{train,test}/m{0,1,2}/{i}.{digit}.png`.

    Rows are in the order of (digit, i) as numbers, whatever order the file system has, so the images of a row
    are those with the same name in every folder. Files that do not end in `.png` are passed over.

    Shapes: images (N, 28, 28, 3) uint8, labels (N,) uint8; the two `digits` are None.

    Raises:
        InputError: a missing folder or image, a name that is not `{i}.{digit}.png` with a digit of 0-9, a
            file that is damaged or no PNG, an image that is not 28 x 28 in RGB; the message names it.
        ImportError: Pillow is not installed.

    Source: layout of the data that Sutter et al. 2021 (MoPoE) and 2024 (MMVM) published.

    Example:
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as base:
        ...     for split in ("train", "test"):
        ...         for m in ("m0", "m1"):
        ...             (Path(base) / split / m).mkdir(parents=True)
        ...             Image.new("RGB", (28, 28)).save(Path(base) / split / m / "0.7.png")
        ...     sets = read_polymnist_folders(base, modalities=2)
        >>> sets.train["m1"].shape, sets.test_labels
        ((1, 28, 28, 3), array([7], dtype=uint8))
    """
    count, base = whole("modalities", modalities), Path(base)
    need_pillow("PNG")
    names = tuple(f"m{m}" for m in range(count))
    tuples = {
        split: _tuples(base / split, names) for split in ("train", "test")
    }  # all names before any image
    images = {
        split: {name: _images([base / split / name / file for file in found.values()]) for name in names}
        for split, found in tuples.items()
    }
    labels = {split: np.array([digit for digit, _ in found], np.uint8) for split, found in tuples.items()}
    return PolyMNIST(images["train"], labels["train"], images["test"], labels["test"])


def _tuples(folder: Path, names: tuple[str, ...]) -> dict[tuple[int, int], str]:
    """Return the files that every modality of a split has, by (digit, i) and in that order."""
    found = {name: _listed(folder / name) for name in names}
    everywhere = dict(sorted((key, file) for files in found.values() for key, file in files.items()))
    for name, files in found.items():
        for key, file in everywhere.items():
            if files.get(key) != file:
                raise InputError(
                    f"{folder / name / file} is missing, though another modality has {file}; every image "
                    "needs its counterpart in all modalities: restore it, or remove the others."
                )
    return everywhere


def _listed(folder: Path) -> dict[tuple[int, int], str]:
    """Return the images of a folder by (digit, i)."""
    if not folder.is_dir():
        raise InputError(
            f"The folder {folder} is missing; images lie in BASE/{{train,test}}/m{{0,1,2}}/ and are called "
            f"{{i}}.{{digit}}.png: give BASE, and as many modalities as there are."
        )
    found: dict[tuple[int, int], str] = {}
    for path in folder.iterdir():
        if path.suffix.lower() != ".png" or path.name.startswith("."):
            continue
        match = _IMAGE.fullmatch(path.name)
        if match is None:
            raise InputError(
                f"{path} has another name than {{i}}.{{digit}}.png with a digit of 0-9, so its label is not "
                "known; rename or remove it."
            )
        key = int(match[2]), int(match[1])
        if key in found:
            raise InputError(f"{path} and {found[key]} have the same number and digit; remove one of them.")
        found[key] = path.name
    if not found:
        raise InputError(
            f"The folder {folder} holds no PNG image; it needs files called {{i}}.{{digit}}.png."
        )
    return found


def _images(paths: list[Path]) -> np.ndarray:
    """Read PNG images: (N, 28, 28, 3) uint8."""
    images = np.empty((len(paths), SIZE, SIZE, 3), np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[...] = _image(path)
    return images


def _image(path: Path) -> np.ndarray:
    """Read one PNG image, every checksum in it checked."""
    from PIL import Image

    try:
        content = path.read_bytes()
        if not content.endswith(_PNG_END):  # Pillow is content with a file that lacks only its end
            raise OSError("its end is missing")
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size, mode = image.size, image.mode
            if (size, mode) == ((SIZE, SIZE), "RGB"):
                image.verify()  # Pillow does not look at the checksums of pixels when it loads them
                with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
                    return np.asarray(again)
    except (
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),  # it claims billions of pixels
    ) as error:
        raise InputError(
            f"{path} cannot be read as PNG: truncated, damaged or of another kind ({error}). Copy it again."
        ) from error
    raise InputError(
        f"{path} is an image of {size[0]} x {size[1]} pixels in mode {mode}; it must be {SIZE} x {SIZE} in "
        "RGB: this is no PolyMNIST, or another build of it."
    )


def download_mnist(
    folder: str | Path, *, base_url: str = MNIST_URL, registry: Mapping[str, str] = MNIST_FILES
) -> Path:
    """Download MNIST and write `folder/mnist/train.npz` and `test.npz`; return `folder/mnist`.

    The four gzip files are checked against their checksums, parsed, and only then written; what was there
    is replaced. `registry` gives the checksum of each file as pooch writes them (`"sha256:..."`).

    Shapes: `images` (N, 28, 28) uint8, `labels` (N,) uint8 in 0..9; 60,000 and 10,000 rows.

    Raises:
        InputError: no connection, a wrong checksum, a file that is truncated or no such IDX file, a registry
            that lacks one of the files, a folder that cannot be written to. The message names the address.
        ImportError: pooch is not installed.

    Source: LeCun, Cortes and Burges, the MNIST database; the default address is the mirror of PyTorch.

    Example:
        >>> download_mnist("data", base_url="ftp://example.org")
        Traceback (most recent call last):
        counterpoint.errors.InputError: base_url is 'ftp://example.org'; it must start with http:// or https://.
    """
    if not isinstance(base_url, str) or not base_url.startswith(("https://", "http://")):
        raise InputError(f"base_url is {base_url!r}; it must start with http:// or https://.")
    if missing := [name for name in MNIST_FILES if name not in registry]:
        raise InputError(f"registry lacks {', '.join(missing)}; it needs a checksum for each file.")
    place, base_url = Path(folder) / "mnist", base_url.rstrip("/") + "/"
    content: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as aside:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            arrays: dict[str, np.ndarray] = {}
            for what, kind, event in (("images", "idx3", (SIZE, SIZE)), ("labels", "idx1", ())):
                name = f"{prefix}-{what}-{kind}-ubyte.gz"
                path = _fetch(base_url + name, registry[name], Path(aside) / name, place)
                arrays[what] = _idx(path, base_url + name, event)
            if len(arrays["images"]) != len(arrays["labels"]) or arrays["labels"].max() > 9:
                raise InputError(
                    f"{base_url}{prefix}-... holds {len(arrays['images'])} images, {len(arrays['labels'])} "
                    f"labels up to {arrays['labels'].max()}; each image needs one label of 0-9. Take another "
                    "base_url."
                )
            buffer = io.BytesIO()
            np.savez_compressed(buffer, images=arrays["images"], labels=arrays["labels"])
            content[split] = buffer.getvalue()
    for split, data in content.items():
        atomic.write(place / f"{split}.npz", data)
    return place


def _fetch(url: str, checksum: str, path: Path, place: Path) -> Path:
    """Download one file and check it."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError("Downloading needs pooch; pip install 'counterpoint[data]'.") from error
    log, stream = pooch.get_logger(), cast(Any, _stream)
    level = log.level
    log.setLevel("ERROR")  # pooch tells of every download on the screen
    try:
        pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=stream)
    except (OSError, ValueError) as error:  # errors of requests are OSErrors, a wrong checksum a ValueError
        what = " ".join(str(error).split())
        raise InputError(f"{url} could not be downloaded: {what} {_BY_HAND.format(folder=place)}") from error
    finally:
        log.setLevel(level)
    return path


def _stream(url: str, path: str, _: Any) -> None:
    """Download to a file. Pooch's own way leaves a connection open that failed, and takes what has no end."""
    import requests

    with requests.get(url, stream=True, timeout=30) as response, open(path, "wb") as file:
        response.raise_for_status()
        for piece in response.iter_content(1 << 16):
            if file.tell() + len(piece) > MOST_BYTES:
                raise OSError(f"it has more than {MOST_BYTES} bytes.")
            file.write(piece)


def _idx(path: Path, url: str, event: tuple[int, ...]) -> np.ndarray:
    """Parse a gzip IDX file of bytes: (N, *event). No more is unpacked than its header allows."""
    fields = 2 + len(event)
    try:
        with gzip.open(path) as file:
            header = file.read(4 * fields)
            if len(header) < 4 * fields:
                raise EOFError("it ends within its header")
            magic, count, *sizes = struct.unpack(f">{fields}I", header)
            if magic != 0x0801 + len(event) or tuple(sizes) != event or not 1 <= count <= MOST_ROWS:
                raise InputError(
                    f"{url} has the header {[magic, count, *sizes]}; an IDX file of MNIST has "
                    f"{[0x0801 + len(event), f'1 to {MOST_ROWS} rows', *event]}. Take another base_url."
                )
            size = count * math.prod(event)
            content = file.read(size + 1)  # one more than there may be, so that the end is seen and checked
            if len(content) != size:
                raise EOFError(
                    f"{'more' if len(content) > size else 'fewer'} bytes than the {size} it claims"
                )
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{url} is truncated or damaged ({error}); download it again or take another base_url."
        ) from error
    return np.frombuffer(content, np.uint8).reshape(count, *event)


def find_sources(folder: Path) -> dict[str, Path]:
    """Return the three files that are built from."""
    paths = {split: folder / "mnist" / f"{split}.npz" for split in SPLITS}
    paths["photos"] = folder / "photos" / "photos.npz"
    for name, path in paths.items():
        if not path.is_file():
            todo = (
                "save one with numpy.savez: an array uint8 (H, W, 3) for each of rocket, flower, ..."
                if name == "photos"
                else f"counterpoint.data.polymnist.download_mnist({str(folder)!r}) fetches it"
            )
            raise InputError(f"{path} is missing; {todo}.")
    return paths
