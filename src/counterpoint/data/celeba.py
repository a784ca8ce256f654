"""Bimodal CelebA: photographs of faces, and their attributes written as a text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.celeba_tables import URL, attributes, partitions, texts
from counterpoint.data.celeba_text import ALPHABET, ATTRIBUTES, ORDERS, STARTS, attribute_texts, text_codes
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import Parts, asked, some
from counterpoint.data.pictures import pictures
from counterpoint.errors import InputError, choose, whole

__all__ = ["ALPHABET", "ATTRIBUTES", "celeba"]

PUBLISHED, CROP, SIDE = (
    (178, 218),
    148,
    64,
)  # pixels: width and height as published, what is cut out, the result
TESTS = {"test": 2, "validation": 1}  # their number in list_eval_partition


def celeba(
    folder: str | Path,
    *,
    text: str = "file",
    order: str = "fixed",
    start: str = "random",
    test: str = "test",
    rows: int | None = None,
    tuning_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> Parts:
    """Read bimodal CelebA from `folder/img_align_celeba/*.jpg` and the tables beside it.

    Download by hand, see `docs/data.md`: the aligned images, `list_attr_celeba.csv` and
    `list_eval_partition.csv` (or both as `.txt`), and the texts. image = the middle 148 x 148 pixels of
    178 x 218, resized to 64 x 64 (bicubic); text = what attributes the face has, in 256 characters.

    Args:
        folder: Where all this lies.
        text: "file" reads the published texts, `list_attr_text_256_{order}_{start}_celeba.csv` with True for
            random; "made" writes texts in their manner from the attributes, see `celeba_text`.
        order: Of the attributes in a text: "fixed", which the published code reads, or "random", which
            the papers describe.
        start: Where a text starts: "random" as in both, or "fixed" at the first character.
        test: Which published part the test rows are: "test", or "validation", on which the papers'
            numbers were measured. The rows for tuning are the other one.
        rows: How many training rows, drawn at random; None takes all, 162,770.
        tuning_rows: How many rows for tuning.
        test_rows: How many test rows.
        seed: Of the rows that are drawn and their order, and of the texts that are made.
        cache: A folder where the pictures are kept once they are read, 12 kB each, and mapped into memory.

    Shapes: image (N, 64, 64, 3) uint8, text (N, 256) uint8 codes of `ALPHABET`; the label `attributes`
    (N, 40) of 0 and 1, columns as `ATTRIBUTES`.

    Raises:
        InputError: a missing, cut off or damaged file, an image of another size, tables that do not fit one
            another, more rows than there are; it names the file.
        ImportError: Pillow is not installed.

    Source: Liu et al. 2015 (CelebA; for non-commercial research); Sutter et al. 2020 (bimodal); settings of
    Sutter et al. 2024 (MMVM).

    Example:
        >>> celeba("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/list_attr_celeba.csv is missing, and so is \
list_attr_celeba.txt; download either from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html.
    """
    choose("text", text, ("file", "made"))
    choose("order", order, ORDERS)
    choose("start", start, STARTS)
    tested = TESTS[choose("test", test, TESTS)]
    wanted = asked(rows=rows, tuning_rows=tuning_rows, test_rows=test_rows)
    for_text, *for_rows = np.random.default_rng(whole("seed", seed, least=0)).spawn(4)
    folder = Path(folder)
    first, names, labels = attributes(folder)
    part = partitions(folder, first, names)
    images = _folder(folder)
    chosen = []
    for number, what, count, rng in zip(
        (0, 3 - tested, tested), ("rows", "tuning_rows", "test_rows"), wanted, for_rows, strict=True
    ):
        there = np.flatnonzero(part == number)
        if not len(there):
            raise InputError(
                f"{folder / 'list_eval_partition'}.* has no image of part {number}; it is cut off: download "
                f"it again from {URL}."
            )
        chosen.append(there[some(what, count, len(there), rng)])
    codes = _codes(folder, text, order, start, first, names, labels, for_text)
    made = []
    for index in chosen:
        paths = [images / names[i] for i in index]
        shown = pictures(paths, _face, (SIDE, SIDE, 3), get=_GET, recipe={"celeba": CROP}, cache=cache)
        made.append(_rows(shown, codes[index], labels[index]))
    return Parts(*made)


_GET = f"unpack img_align_celeba.zip, from {URL}, beside the tables"


def _codes(
    folder: Path,
    text: str,
    order: str,
    start: str,
    first: Path,
    names: list[str],
    labels: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the texts of all images; of few rows, too, so that a row's text does not depend on how many."""
    if text == "made":
        return text_codes(attribute_texts(labels, rng, order=order, start=start))
    path, found = texts(folder, order, start, first, names)
    try:
        return text_codes(found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _folder(folder: Path) -> Path:
    """Return where the images lie; some archives unpack into a folder of the same name once more."""
    images = folder / "img_align_celeba"
    if not images.is_dir():
        raise InputError(f"The folder {images} is missing; {_GET}.")
    return images / images.name if (images / images.name).is_dir() else images


def _face(image: Any) -> Any:
    """Cut out and resize a face, as published."""
    from PIL import Image

    if image.size != PUBLISHED:
        raise InputError(
            f"is an image of {image.size[0]} x {image.size[1]} pixels; it must be {PUBLISHED[0]} x "
            f"{PUBLISHED[1]}: take the aligned images (img_align_celeba)."
        )
    left, top = ((side - CROP) // 2 for side in PUBLISHED)
    return image.crop((left, top, left + CROP, top + CROP)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _rows(image: np.ndarray, text: np.ndarray, labels: np.ndarray) -> MultimodalData:
    """Make rows; text has all of its alphabet as categories, though some symbols never occur."""
    data = read({"image": image, "text": text}, labels={"attributes": labels})
    return replace(data, categories={"text": ALPHABET})
