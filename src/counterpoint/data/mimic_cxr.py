"""MIMIC-CXR-JPG as it is published: frontal and lateral chest X-rays of the same study."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import groupby, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.mimic_tables import FINDINGS, URL, Image, checksums, findings, images
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import Parts, asked
from counterpoint.data.radiographs import check_memory, radiographs
from counterpoint.errors import InputError, whole

TRAIN = 0.8  # of the subjects; tuning and test share the rest
LEAST = 8  # pixels of a side


class _Pair(NamedTuple):
    frontal: Image
    lateral: Image


def mimic_cxr(
    folder: str | Path,
    *,
    size: int = 224,
    equalise: bool = True,
    rows: int | None = None,
    tuning_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> Parts:
    """Read pairs of X-rays from `folder/files/p10/p10000032/s50414267/DICOM.jpg` and two tables.

    The tables are `folder/mimic-cxr-2.0.0-metadata.csv.gz` (image, study, subject, view) and
    `...-chexpert.csv.gz`, unpacked or not. A row is a frontal image (AP, PA) and a lateral one (LL, LATERAL)
    of one study, in all combinations: an image may stand in several rows. Subjects are parted 80 : 10 : 10,
    so that nobody is in two parts. All that is read is checked by `SHA256SUMS.txt`, if it lies there.

    An image is cropped to the square in its middle, resized (bicubic) and, as the published code does though
    the paper does not say so, its histogram equalised.

    Args:
        folder: Where the tables and `files` lie.
        size: Pixels of a side.
        equalise: Whether to equalise the histograms.
        rows: How many training pairs; None takes all. All parts are 128,212 pairs, 12 GiB at 224 pixels.
        tuning_rows: How many for tuning.
        test_rows: How many test pairs.
        seed: Of the parts and the subjects' order; fewer rows are the first of more.
        cache: A folder in which the arrays are kept and from which they are memory-mapped. Without it they
            are read anew each time, and refused if they took more than half of the memory that is left.

    Shapes: frontal and lateral (N, 1, size, size) uint8; labels `findings` (N, 14) uint8, 1 where `FINDINGS`
    is positive and 0 where it is negative, uncertain or not mentioned, and `subject` and `study` (N,). A
    subject's rows are a block, so that no further split parts them.

    Raises:
        InputError: a missing or damaged file, table or image, which is named; too few subjects, pairs or
            memory.
        ImportError: Pillow is not installed.

    Source: Johnson et al. 2019 (the data); Irvin et al. 2019 (CheXpert, the labels); Sutter et al. 2024
    (MMVM), appendix B.7 (pairs, parts, labels). Which subjects its parts have is not known. Credentialed
    access: nothing of it may be passed on.

    Example:
        >>> mimic_cxr("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/mimic-cxr-2.0.0-metadata.csv.gz is missing ...
    """
    wanted = asked(rows=rows, tuning_rows=tuning_rows, test_rows=test_rows)
    size, rng = whole("size", size, least=LEAST), np.random.default_rng(whole("seed", seed, least=0))
    if not isinstance(equalise, bool):
        raise InputError(f"equalise is {equalise!r}; it must be True or False.")
    base = Path(folder)
    sums = checksums(base)
    pairs = _pairs(images(base, sums))
    told = findings(base, sums)
    without = {one.frontal.study for one in pairs} - told.keys()
    if without:
        warnings.warn(
            f"{base}: {len(without)} studies with both views have no row in the table of findings (such as "
            f"{min(without)}) and are left out.",
            stacklevel=2,
        )
    parts = _parts(base, [one for one in pairs if one.frontal.study not in without], rng)
    for i, (what, count) in enumerate(zip(("rows", "tuning_rows", "test_rows"), wanted, strict=True)):
        if count is not None and count > len(parts[i]):
            raise InputError(f"{what} is {count}; there are {len(parts[i])} pairs in that part: take fewer.")
        parts[i] = parts[i][:count]
    _check_files(base, parts)
    place = None if cache is None else Path(cache)
    if place is None:
        check_memory(sum(map(len, parts)) * len(_Pair._fields), size)
    held = {base / path: found for path, found in sums.items() if path.suffix == ".jpg"}
    get = partial(radiographs, size=size, equalise=equalise, checksums=held, cache=place)
    return Parts(*(_rows(base, part, told, get) for part in parts))


def _rows(
    base: Path, part: list[_Pair], told: dict[int, np.ndarray], get: Callable[[list[Path]], np.ndarray]
) -> MultimodalData:
    """Read the images of a part, and put their labels beside them."""
    x = {view: get([base / getattr(one, view).path for one in part]) for view in _Pair._fields}
    subjects = np.array([one.frontal.subject for one in part])
    labels = {
        "findings": np.stack([told[one.frontal.study] for one in part]),
        "subject": subjects,
        "study": np.array([one.frontal.study for one in part]),
    }
    return replace(read(x, labels=labels), blocks=subjects)


def _pairs(found: list[Image]) -> list[_Pair]:
    """Return every frontal image of a study beside every lateral one, in order of subject and study."""
    pairs: list[_Pair] = []
    for _, group in groupby(found, lambda one: (one.subject, one.study)):
        of_study = list(group)
        views = ([one for one in of_study if one.view == view] for view in _Pair._fields)
        pairs += [_Pair(*both) for both in product(*views)]
    return pairs


def _parts(base: Path, pairs: list[_Pair], rng: np.random.Generator) -> list[list[_Pair]]:
    """Part the pairs by subject: training, tuning and test, subjects in shuffled order."""
    of: dict[int, list[_Pair]] = {}
    for one in pairs:
        of.setdefault(one.frontal.subject, []).append(one)
    order = rng.permutation(sorted(of)).tolist()
    train = round(TRAIN * len(order))
    tuning = (len(order) - train) // 2
    cuts = order[:train], order[train : train + tuning], order[train + tuning :]
    if not all(cuts):
        raise InputError(
            f"{base}: {len(order)} subjects have a study with both views and findings; 80 : 10 : 10 "
            "needs about ten of them."
        )
    return [[one for subject in part for one in of[subject]] for part in cuts]


def _check_files(base: Path, parts: list[list[_Pair]]) -> None:
    """Check that all images are there before the first one is read, which may take an hour."""
    needed = dict.fromkeys(one.path for part in parts for pair in part for one in pair)
    missing = [path for path in needed if not (base / path).is_file()]
    if missing:
        raise InputError(
            f"{base / missing[0]} is missing, and {len(missing) - 1} more of {len(needed)} images; get "
            f"access at {URL} and put them there, or ask for fewer rows."
        )


__all__ = ["FINDINGS", "mimic_cxr"]
