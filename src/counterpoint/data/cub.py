"""CUB image-captions: photographs of birds, ten captions each, and their primary colours."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.cub_text import TOKENS, caption_codes, vocabulary, words
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import asked
from counterpoint.data.pictures import pictures
from counterpoint.errors import InputError, choose, whole

CAPTIONS, ATTRIBUTES, SIDE = 10, 312, 64  # of an image; of an image; pixels
FIRST = 248  # of the 15 attributes has_primary_color
COLOURS = {  # the labels, and which of the 15 colours each of them joins
    "blue2red": (0, 2, 3, 4, 8, 9, 13),  # blue, iridescent, purple, rufous, green, pink, red
    "brown": (1,),
    "grey": (5,),
    "yellow": (6, 7, 10, 14),  # yellow, olive, orange, buff
    "black": (11,),
    "white": (12,),
}
_GET = "put it there as docs/data.md says"


def cub(
    folder: str | Path,
    *,
    tokens: str = "plain",
    least_count: int = 4,
    rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> tuple[MultimodalData, MultimodalData]:
    """Read CUB image-captions from `folder`, a row for each caption, with its image.

    `idx2name.txt` names the images ("1 001.Black_footed_Albatross/....jpg"), `images/` and `captions/` hold
    them and their captions (the same name as `.txt`, ten lines), `labels.txt` has their 312 attributes,
    `train_idx.txt` and `test_idx.txt` say by numbers from 0 which of them are in which part. `docs/data.md`
    says how to come by all this. image = resized to 64 x 64 (bilinear, its aspect not kept); text = 32 words
    of a vocabulary that is made of all training captions.

    The ten rows of an image share a block, so a split for validation never parts them.

    Args:
        folder: Where all this lies.
        tokens: How captions are parted into words: "plain", or "nltk" as published, see `cub_text.words`.
        least_count: How often a word must occur in the training captions to be known.
        rows: How many training rows, ten for each image that is drawn; None takes all, 88,550.
        test_rows: How many test rows; None takes all, 29,330.
        seed: Of the images that are drawn, and the order of the rows.
        cache: A folder where the pictures are kept once they are read.

    Shapes: image (N, 64, 64, 3) uint8, text (N, 32) codes; labels `colours` (N, 6) of 0 and 1, columns as
    `COLOURS`, and `bird` (N,), the image's number.

    Raises:
        InputError: a missing, cut off or damaged file, other numbers of captions or attributes, an image in
            both parts, numbers of rows that are not divisible by ten; it names the file.
        ImportError: Pillow, or nltk where it is asked for, is not installed.

    Source: Wah et al. 2011 (images, attributes), Reed et al. 2016 (captions), Shi et al. 2019 (as two
    modalities), Sutter et al. 2024 (MMVM, appendix B.6: labels).

    Example:
        >>> cub("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/idx2name.txt is missing; put it there as docs/data.md says.
    """
    choose("tokens", tokens, TOKENS)
    least_count = whole("least_count", least_count)
    wanted = asked(rows=rows, test_rows=test_rows)
    for what, count in zip(("rows", "test_rows"), wanted, strict=True):
        if count is not None and count % CAPTIONS:
            raise InputError(f"{what} is {count}; an image has {CAPTIONS} rows: give a multiple of that.")
    generators = np.random.default_rng(whole("seed", seed, least=0)).spawn(2)
    folder = Path(folder)
    names = _names(folder / "idx2name.txt")
    colours = _colours(folder / "labels.txt", len(names))
    files = {split: folder / f"{split}_idx.txt" for split in ("train", "test")}
    parts = {split: _numbers(path, len(names)) for split, path in files.items()}
    if both := set(parts["train"].tolist()) & set(parts["test"].tolist()):
        raise InputError(
            f"{files['train']} and {files['test'].name} both name image {min(both)}; no image may be in both "
            "parts."
        )
    if missing := set(range(len(names))) - set(np.concatenate(list(parts.values())).tolist()):
        raise InputError(
            f"{files['train']} and {files['test'].name} lack {len(missing)} of {len(names)} images, "
            f"{min(missing)} first; every image must be in one part: one of them is cut off."
        )
    told = {split: _captions(folder, names, part, tokens) for split, part in parts.items()}
    known = vocabulary(told["train"], least_count)
    made = []
    for split, what, count, rng in zip(parts, ("rows", "test_rows"), wanted, generators, strict=True):
        part = parts[split]
        chosen = _chosen(what, count, len(part), rng)
        paths = [folder / "images" / names[i] for i in part[chosen]]
        shown = pictures(paths, _bird, (SIDE, SIDE, 3), get=_GET, recipe={"cub": SIDE}, cache=cache)
        order = rng.permutation(len(chosen) * CAPTIONS)
        of, which = np.divmod(order, CAPTIONS)
        captions = caption_codes(
            [told[split][CAPTIONS * chosen[i] + n] for i, n in zip(of, which, strict=True)], known
        )
        made.append(_rows(shown[of], captions, known, colours, part[chosen[of]]))
    return made[0], made[1]


def _names(path: Path) -> list[str]:
    """Read the images' names by their number from 0."""
    names: list[str] = []
    for number, line in _lines(path):
        fields = line.split()
        if len(fields) != 2 or fields[0] != str(len(names) + 1) or not _is_name(fields[1]):
            raise InputError(
                f"{path}, line {number}: {line!r}; it must be {len(names) + 1} and the name of an image, as "
                "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg. The file is cut off or "
                "damaged."
            )
        names.append(fields[1])
    return names


def _is_name(name: str) -> bool:
    """Return whether a name is that of a JPEG below the folder."""
    return Path(name).suffix.lower() == ".jpg" and not name.startswith("/") and ".." not in Path(name).parts


def _colours(path: Path, images: int) -> np.ndarray:
    """Read the attributes and join the primary colours, (images, 6) of 0 and 1."""
    found: list[list[int]] = []
    for number, line in _lines(path):
        fields = line.split()
        if len(fields) != ATTRIBUTES or not set(fields) <= {"0", "1"}:
            wrong = next((repr(f) for f in fields if f not in ("0", "1")), f"{len(fields)} numbers")
            raise InputError(
                f"{path}, line {number}: {wrong}; it must be {ATTRIBUTES} times 0 or 1, the attributes of "
                f"image {number - 1}. The file is cut off or damaged."
            )
        primary = fields[FIRST : FIRST + 15]
        found.append([max(int(primary[i]) for i in joined) for joined in COLOURS.values()])
    if len(found) != images:
        raise InputError(
            f"{path} has {len(found)} lines and idx2name.txt {images} images; line i must be about image i: "
            "one of them is cut off."
        )
    return np.array(found, np.uint8)


def _numbers(path: Path, images: int) -> np.ndarray:
    """Read which images are in a part, by their number from 0."""
    found: dict[int, None] = {}
    for number, line in _lines(path):
        fine = line.isascii() and line.isdigit() and int(line) < images
        if not fine or int(line) in found:
            raise InputError(
                f"{path}, line {number}: {line!r}; it must be the number of an image, 0 to {images - 1}, and "
                "each number once."
            )
        found[int(line)] = None
    return np.array(list(found), np.int64)


def _captions(folder: Path, names: list[str], part: np.ndarray, tokens: str) -> list[list[str]]:
    """Read the ten captions of each image of a part, in words."""
    found: list[str] = []
    for name in (names[i] for i in part):
        path = (folder / "captions" / name).with_suffix(".txt")
        lines = [line for _, line in _lines(path)]
        if len(lines) != CAPTIONS:
            raise InputError(
                f"{path} has {len(lines)} captions; it must have {CAPTIONS}, one a line: it is cut off or "
                "damaged."
            )
        found += lines
    return words(found, tokens)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines of a text file that are not empty, with their numbers from 1."""
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error}); it is damaged: copy it again.") from error
    except OSError as error:
        raise InputError(f"{path} is missing; {_GET}.") from error
    found = [(n, line.strip()) for n, line in enumerate(content.split("\n"), 1) if line.strip()]
    if not found:
        raise InputError(f"{path} is empty; it is cut off: copy it again.")
    return iter(found)


def _chosen(what: str, count: int | None, images: int, rng: np.random.Generator) -> np.ndarray:
    """Draw images; fewer are the first ones of more."""
    if count is not None and count > CAPTIONS * images:
        raise InputError(
            f"{what} is {count}; that part has {CAPTIONS * images} rows: take at most that many."
        )
    return rng.permutation(images)[: None if count is None else count // CAPTIONS]


def _bird(image: Any) -> Any:
    """Resize an image, as published."""
    from PIL import Image

    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def _rows(
    image: np.ndarray, text: np.ndarray, known: tuple[str, ...], colours: np.ndarray, bird: np.ndarray
) -> MultimodalData:
    """Make rows; text has the whole vocabulary as categories, though a part may lack some of its words."""
    data = read({"image": image, "text": text}, labels={"colours": colours[bird], "bird": bird})
    return replace(data, categories={"text": known}, blocks=bird)
