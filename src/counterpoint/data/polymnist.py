"""PolyMNIST and translated PolyMNIST, built from MNIST and five photographs, or read from files."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint import atomic
from counterpoint.data.loading import entries
from counterpoint.data.photo_digits import CLASSES, PHOTOGRAPHS, _bilinear
from counterpoint.data.polymnist_files import (
    MNIST_FILES,
    MNIST_URL,
    SIZE,
    SPLITS,
    PolyMNIST,
    download_mnist,
    find_sources,
    read_polymnist_folders,
)
from counterpoint.errors import InputError, number, whole

__all__ = ["MNIST_FILES", "MNIST_URL", "PolyMNIST", "download_mnist", "polymnist", "read_polymnist_folders"]

FORMAT = 1  # of the cache; raised whenever the same parameters come to give other images
THRESHOLD = 128  # of 255: what is brighter belongs to the digit
CHUNK = 2048  # images at a time: 5 MB an array
LEAST_SIDE = 8  # pixels; a smaller digit cannot be read


def polymnist(
    folder: str | Path,
    *,
    modalities: int = 3,
    translated: bool = True,
    scale: float = 0.75,
    rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> PolyMNIST:
    """Build (translated) PolyMNIST from `folder/mnist/{train,test}.npz` and `folder/photos/photos.npz`.

    A row shows one class, in modality m by an MNIST image of its own on a photograph of its own (`m0` rocket,
    `m1` flower, `m2` coffee, `m3` china, `m4` chelsea; flower and china ask to be credited, see
    `photo_digits.PHOTOGRAPHS`). Per class and modality the MNIST images are permuted afresh and the i-th ones
    form a row, so every MNIST image is used once per modality. image = 255 - crop inside the digit, crop
    outside it, where crop is a random 28 x 28 part of the photograph; digit = MNIST image > 128 of 255, after
    it was scaled bilinearly (pixel areas aligned, no antialias). If `translated`, it is `round(28 * scale)`
    pixels wide and lies at offsets U{0..28 - width}, independent per modality and image; else 28 and 0.

    `rows` and `test_rows` take a part of the same rows, classes as even as they can be (None: 60,000 and
    10,000), in shuffled order. `m0` to `m2` do not depend on `modalities`, a row's images not on `rows`.
    `cache` is a folder where the result is kept; then its arrays are memory-mapped from there, copy
    on write, and building takes the memory of one modality instead of all.

    Shapes: images (N, 28, 28, 3) uint8, labels (N,) uint8, digits (N, M) int32.

    Raises:
        InputError: a missing, damaged or unfit source file, a number out of its range, a cache folder that
            cannot be written to.

    Source: Sutter et al. 2021 (MoPoE), translated as in Sutter et al. 2024 (MMVM). Offsets are 0..7: the
    published code has 0..20, which reaches out of the image.

    Example:
        >>> import tempfile
        >>> rng, labels = np.random.default_rng(0), np.arange(20, dtype=np.uint8) % 10
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in ("mnist", "photos"):
        ...         (Path(folder) / part).mkdir()
        ...     for split in ("train", "test"):
        ...         images = rng.integers(0, 256, (20, 28, 28), np.uint8)
        ...         np.savez(Path(folder) / "mnist" / f"{split}.npz", images=images, labels=labels)
        ...     photo = rng.integers(0, 256, (40, 50, 3), np.uint8)
        ...     np.savez(Path(folder) / "photos" / "photos.npz", rocket=photo, flower=photo)
        ...     sets = polymnist(folder, modalities=2, rows=10)
        >>> sets.train["m1"].shape, sets.test_digits.shape, sorted(sets.train_labels.tolist())
        ((10, 28, 28, 3), (20, 2), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    count = whole("modalities", modalities)
    if count > len(PHOTOGRAPHS):
        raise InputError(f"modalities is {count}; there are {len(PHOTOGRAPHS)} photographs: take 1 to 5.")
    if not isinstance(translated, bool):
        raise InputError(f"translated is {translated!r}; it must be True or False.")
    scale = number("scale", scale, most=1.0, open_=True)
    side = round(SIZE * scale) if translated else SIZE
    if side < LEAST_SIDE:
        raise InputError(
            f"scale is {scale}: digits would be {side} pixels wide; take at least {LEAST_SIDE / SIZE:.2f}."
        )
    asked = (("rows", rows), ("test_rows", test_rows))
    wanted = [given if given is None else whole(name, given) for name, given in asked]
    seed = whole("seed", seed, least=0)
    sources = find_sources(Path(folder))
    if cache is None:
        return _gather(dict(_build(sources, count, side, wanted, seed)), count)
    parameters = {
        **{"modalities": count, "translated": translated, "scale": scale, "rows": wanted[0]},
        **{"test_rows": wanted[1], "seed": seed, "format": FORMAT},
        "sources": {name: sha256(path.read_bytes()).hexdigest() for name, path in sources.items()},
    }
    place = _place_of(Path(cache), parameters)
    arrays = _load(place, parameters)
    if arrays is None:
        _store(place, parameters, _build(sources, count, side, wanted, seed))
        arrays = _load(place, parameters)
        assert arrays is not None, "what was just written must be readable"
    return _gather(arrays, count)


def _gather(arrays: dict[str, np.ndarray], count: int) -> PolyMNIST:
    """Put the arrays of `_build` in their places."""
    train, test = ({f"m{m}": arrays[f"{split}_m{m}"] for m in range(count)} for split in SPLITS)
    labels, digits = ([arrays[f"{split}_{what}"] for split in SPLITS] for what in ("labels", "digits"))
    return PolyMNIST(train, labels[0], test, labels[1], *digits)


def _mnist(path: Path, rows: int | None, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Read and check images (N, 28, 28) and labels (N,) of one split."""
    found = entries(path)
    images, labels = (found.get(name, np.empty(0)) for name in ("images", "labels"))
    fine = labels.shape == images.shape[:1] != (0,) and images.shape[1:] == (SIZE, SIZE)
    types = images.dtype == np.uint8 and labels.dtype.kind in "ui"
    if not fine or not types or labels.min() < 0 or labels.max() >= CLASSES:
        has = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in found.items())
        raise InputError(
            f"{path} holds {has or 'nothing'}; it must hold images uint8 (N, 28, 28) and labels (N,) of 0-9: "
            "download or save it again."
        )
    if rows is not None and rows > len(labels):
        raise InputError(f"{what} is {rows}; {path} has {len(labels)} images: take at most that many.")
    return images, labels.astype(np.uint8)


def _photographs(path: Path, count: int) -> list[np.ndarray]:
    """Read and check the first photographs, (H, W, 3) uint8 each."""
    found, photographs = entries(path), []
    for name in tuple(PHOTOGRAPHS)[:count]:
        photo = found.get(name, np.empty(0))
        if photo.dtype != np.uint8 or photo.shape[2:] != (3,) or min(photo.shape[:2]) < SIZE:
            has = f"{photo.dtype} {photo.shape}" if name in found else "nothing"
            raise InputError(
                f"{path} has {has} as {name!r}; it must be uint8 (H, W, 3), {SIZE} high and wide or more: "
                "save it again."
            )
        photographs.append(np.ascontiguousarray(photo))
    return photographs


def _build(
    sources: dict[str, Path], count: int, side: int, wanted: Sequence[int | None], seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Make the arrays one by one, so that whoever stores them needs no room for all."""
    photographs = _photographs(sources["photos"], count)
    asked = zip(SPLITS, wanted, ("rows", "test_rows"), strict=True)
    mnist = [_mnist(sources[split], rows, what) for split, rows, what in asked]
    each = 1 + len(PHOTOGRAPHS)  # one generator for the order, and one per modality whether it is used or not
    generators = np.random.default_rng(seed).spawn(len(SPLITS) * each)
    for s, (split, (images, labels), rows) in enumerate(zip(SPLITS, mnist, wanted, strict=True)):
        for_order, *for_modality = generators[s * each : (s + 1) * each]
        order, classes = _order(labels, rows, for_order)
        digits = np.empty((len(order), count), np.int32)
        for m, photograph in enumerate(photographs):
            plan = _plan(labels, photograph.shape, side, order, for_modality[m])
            assert (labels[plan.digits] == classes).all(), "the modalities of a row must show one class"
            digits[:, m] = plan.digits
            yield f"{split}_m{m}", _compose(photograph, images, plan, side)
        yield f"{split}_labels", classes
        yield f"{split}_digits", digits


@dataclass(frozen=True)
class _Plan:
    """What is drawn for the rows of one modality: image, and (row, column) of crop and digit, (N, 2)."""

    digits: np.ndarray
    crops: np.ndarray
    offsets: np.ndarray


def _order(labels: np.ndarray, rows: int | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the rows that could be made are taken, in shuffled order, and their labels (N,) uint8.

    Row j of all that could be made, (class, i) in that order, shows the i-th image of its class. Those with
    the lowest i are taken, which is as even as the sizes of the classes allow.
    """
    sizes = np.bincount(labels, minlength=CLASSES)
    classes = np.repeat(np.arange(CLASSES, dtype=np.uint8), sizes)
    ranks = np.concatenate([np.arange(size) for size in sizes])
    order = rng.permutation(np.lexsort((classes, ranks))[:rows])
    return order, classes[order]


def _plan(
    labels: np.ndarray, shape: tuple[int, ...], side: int, order: np.ndarray, rng: np.random.Generator
) -> _Plan:
    """Draw for every row that could be made, then take some: so a row's images do not depend on `rows`."""
    digits = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in range(CLASSES)])
    height, width = shape[0] - SIZE + 1, shape[1] - SIZE + 1
    crops = rng.integers(0, (height, width), size=(len(labels), 2))
    offsets = rng.integers(0, SIZE - side + 1, size=(len(labels), 2))
    return _Plan(digits[order], crops[order], offsets[order])


def _masks(images: np.ndarray, side: int) -> np.ndarray:
    """Return digits scaled to (N, side, side): 255 inside, 0 outside.

    All weights are multiples of 1 / (2 * side). In these units everything is a whole number below 2^24, which
    float32 holds exactly: the threshold means the same everywhere, in whatever order a sum is taken.
    """
    unit = 2 * side
    weights = np.rint(_bilinear(side, SIZE) * unit).astype(np.float32)
    scaled = weights @ images.astype(np.float32) @ weights.T
    return (scaled > THRESHOLD * unit**2).astype(np.uint8) * np.uint8(255)


def _compose(photograph: np.ndarray, images: np.ndarray, plan: _Plan, side: int) -> np.ndarray:
    """Make the images of one modality, (N, 28, 28, 3) uint8."""
    out = np.empty((len(plan.digits), SIZE, SIZE, 3), np.uint8)
    flat = photograph.reshape(len(photograph), -1)  # a crop then has 28 pieces to copy, not 784
    windows = np.lib.stride_tricks.sliding_window_view(flat, (SIZE, 3 * SIZE))
    along = np.arange(side)
    for start in range(0, len(out), CHUNK):
        part = slice(start, start + CHUNK)
        masks = _masks(images[plan.digits[part]], side)
        row, column = plan.offsets[part].T[:, :, None] + along  # (n, side) each
        inside = np.zeros((len(masks), SIZE, SIZE), np.uint8)
        inside[np.arange(len(masks))[:, None, None], row[:, :, None], column[:, None, :]] = masks
        top, left = plan.crops[part].T
        crops = windows[top, 3 * left] ^ np.repeat(inside, 3, axis=2)  # v ^ 255 = 255 - v
        out[part] = crops.reshape(-1, SIZE, SIZE, 3)
    return out


def _place_of(cache: Path, parameters: dict[str, Any]) -> Path:
    """Return the folder for a result with these parameters inside the cache folder, which is made."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cache is {cache}: {error.strerror}; choose a folder that can be written to."
        ) from error
    key = sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return cache / f"polymnist-{key[:16]}"


def _store(place: Path, parameters: dict[str, Any], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write arrays as `.npy` and, once all are there, the description that makes them valid."""
    about = place / "polymnist.json"
    about.unlink(missing_ok=True)  # of a damaged result: it must not vouch for a mixture of old and new
    files = {}
    for name, array in arrays:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
        content = b"".join((header.getvalue(), array.data))  # one copy; np.save would hold three
        atomic.write(place / f"{name}.npy", content)
        files[name] = {
            **{"bytes": len(content), "sha256": sha256(content).hexdigest()},
            **{"shape": list(array.shape), "dtype": str(array.dtype)},
        }
        del array, content  # before the next one is made
    told = {
        **{"parameters": parameters, "files": files, "numpy": np.__version__},
        "credits": [one.credit for one in list(PHOTOGRAPHS.values())[: parameters["modalities"]]],
    }
    atomic.write(about, json.dumps(told, indent=1, sort_keys=True) + "\n")


def _load(place: Path, parameters: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """Map the arrays of a stored result, or return None if it is not there, not whole, or another one."""
    kinds = [*(f"m{m}" for m in range(parameters["modalities"])), "labels", "digits"]
    names = [f"{split}_{kind}" for split in SPLITS for kind in kinds]
    arrays = {}
    try:
        told = json.loads((place / "polymnist.json").read_bytes())
        if told["parameters"] != parameters:
            return None
        for name in names:
            path, file = place / f"{name}.npy", told["files"][name]
            if path.stat().st_size != file["bytes"]:
                return None
            # Copy on write: torch warns of arrays that cannot be written to, and the file stays as it is.
            array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
            if [list(array.shape), str(array.dtype)] != [file["shape"], file["dtype"]]:
                return None
            arrays[name] = array
    except (OSError, ValueError, KeyError, TypeError):  # damaged in whatever way: it is built again
        return None
    return arrays
