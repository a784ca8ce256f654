"""The tables of CelebA: attributes, parts and texts of its images, each checked against the others."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from counterpoint.data.celeba_text import ATTRIBUTES
from counterpoint.errors import InputError

URL = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
TEXT_URL = "https://drive.google.com/drive/folders/1lr-laYwjDq3AzalaIe9jN4shpt1wBsYM"
_LABEL = {"1": 1, "-1": 0}
_Line = tuple[int, list[str]]  # its number, counted from 1, and its fields


def attributes(folder: Path) -> tuple[Path, list[str], np.ndarray]:
    """Read `list_attr_celeba.csv`, or `.txt` as first published.

    Returns:
        Its path, the images' names, and what each of them has, (N, 40) of 0 and 1.

    Raises:
        InputError: a missing file, other columns, a row that is cut off, values other than 1 and -1, an
            image that stands twice; it names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with (Path(folder) / "list_attr_celeba.csv").open("w") as file:
        ...         print("image_id", *ATTRIBUTES, sep=",", file=file)
        ...         print("000001.jpg", *[-1] * 39, 1, sep=",", file=file)
        ...     _, names, found = attributes(Path(folder))
        >>> names, int(found[0, 39])
        (['000001.jpg'], 1)
    """
    path = _either(folder, "list_attr_celeba")
    lines = _lines(path)
    plain = path.suffix == ".txt"
    count = _next(path, lines)[1] if plain else None  # first how many images there are
    _, header = _next(path, lines)
    if tuple(header if plain else header[1:]) != ATTRIBUTES:
        raise InputError(
            f"{path} has other columns than an image's name and the 40 attributes of CelebA (they begin with "
            f"{', '.join(header[:3])}); download it again from {URL}."
        )
    names: list[str] = []
    found: list[list[int]] = []
    for number, (name, *values) in lines:
        if len(values) != len(ATTRIBUTES) or not set(values) <= _LABEL.keys():
            wrong = next((repr(v) for v in values if v not in _LABEL), f"{len(values)} values")
            raise InputError(
                f"{path}, line {number} ({name}): {wrong}; it must be an image's name and 40 times 1 or -1. "
                f"The file is cut off or damaged: download it again from {URL}."
            )
        names.append(name)
        found.append([_LABEL[value] for value in values])
    _check_names(path, names)
    if count is not None and count != [str(len(names))]:
        raise InputError(
            f"{path} says that it has {' '.join(count)} images and has {len(names)}; it is cut off: download "
            f"it again from {URL}."
        )
    return path, names, np.array(found, np.uint8)


def partitions(folder: Path, first: Path, names: list[str]) -> np.ndarray:
    """Read `list_eval_partition.csv` or `.txt`: 0, 1, 2 for training, validation and test, (N,) uint8.

    Raises:
        InputError: a missing file, other values, or other images than `first` has; it names file and line.
    """
    path = _either(folder, "list_eval_partition")
    lines = _lines(path)
    if path.suffix == ".csv":
        _header(path, lines, ["image_id", "partition"])
    here: list[str] = []
    found: list[int] = []
    for number, fields in lines:
        if len(fields) != 2 or fields[1] not in ("0", "1", "2"):
            raise InputError(
                f"{path}, line {number}: {' '.join(fields)!r}; it must be an image's name and 0, 1 or 2. The "
                f"file is cut off or damaged: download it again from {URL}."
            )
        here.append(fields[0])
        found.append(int(fields[1]))
    _check_same(path, here, first, names)
    return np.array(found, np.uint8)


def texts(folder: Path, order: str, start: str, first: Path, names: list[str]) -> tuple[Path, list[str]]:
    """Read `list_attr_text_256_{order}_{start}_celeba.csv`, True for random: its path and N texts.

    Raises:
        InputError: a missing file, other columns, or other images than `first` has; it names file and line.
    """
    path = folder / f"list_attr_text_256_{order == 'random'}_{start == 'random'}_celeba.csv"
    if not path.is_file():
        raise InputError(
            f"{path} is missing; get celeba_data.zip from {TEXT_URL}, or have the texts written from the "
            "attributes (text='made'), in the same manner but not the same ones."
        )
    lines = _lines(path)
    _header(path, lines, ["image_id", "text"])
    here: list[str] = []
    found: list[str] = []
    for number, fields in lines:
        if len(fields) != 2:
            raise InputError(
                f"{path}, line {number}: {len(fields)} fields; it must be an image's name and its text. The "
                f"file is cut off or damaged: get it again from {TEXT_URL}."
            )
        here.append(fields[0])
        found.append(fields[1])
    _check_same(path, here, first, names)
    return path, found


def _either(folder: Path, stem: str) -> Path:
    """Return the table under whichever name it has."""
    paths = [folder / f"{stem}{suffix}" for suffix in (".csv", ".txt")]
    for path in paths:
        if path.is_file():
            return path
    raise InputError(f"{paths[0]} is missing, and so is {paths[1].name}; download either from {URL}.")


def _lines(path: Path) -> Iterator[_Line]:
    """Yield the lines of a table that are not empty; `.txt` is parted at blanks."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            if path.suffix == ".csv":
                yield from ((reader.line_num, fields) for fields in reader if fields)
            else:
                yield from ((n, line.split()) for n, line in enumerate(file, 1) if line.strip())
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} is cut off, damaged or no table ({error}); download it again from {URL}."
        ) from error


def _next(path: Path, lines: Iterator[_Line]) -> _Line:
    """Return the next line."""
    line = next(lines, None)
    if line is None:
        raise InputError(f"{path} ends in its header; it is cut off: download it again from {URL}.")
    return line


def _header(path: Path, lines: Iterator[_Line], wanted: list[str]) -> None:
    """Check the names of the columns."""
    _, header = _next(path, lines)
    if header != wanted:
        raise InputError(
            f"{path} has the columns {', '.join(header)[:80]}; they must be {', '.join(wanted)}: it is "
            "another file, or damaged."
        )


def _check_names(path: Path, names: list[str]) -> None:
    """Check that there are images, that each stands once, and that no name leads out of their folder."""
    if not names:
        raise InputError(f"{path} names no image; it is cut off: download it again from {URL}.")
    seen: set[str] = set()
    for name in names:
        if name in seen or "/" in name or "\\" in name:
            what = "stands twice" if name in seen else "is no name of a file"
            raise InputError(f"{path}: the image {name!r} {what}; download it again from {URL}.")
        seen.add(name)


def _check_same(path: Path, here: list[str], first: Path, names: list[str]) -> None:
    """Check that two tables have the same images in the same order."""
    if here == names:
        return
    for row, (one, other) in enumerate(zip(here, names, strict=False)):
        if one != other:
            raise InputError(
                f"{path}: image {row} is {one!r}, in {first.name} it is {other!r}; row i must be the same "
                "image in both: one of them is damaged, or they do not belong together."
            )
    raise InputError(
        f"{path} has {len(here)} images, {first.name} {len(names)}; one of them is cut off: download it "
        "again."
    )
