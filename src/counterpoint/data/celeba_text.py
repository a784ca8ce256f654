"""Texts of CelebA: the attributes that a face has, in 256 characters of an alphabet of 41."""

from collections.abc import Sequence

import numpy as np

from counterpoint.errors import InputError, choose

LENGTH = 256
PAD = "*"
ALPHABET = tuple('abcdefghijklmnopqrstuvwxyz0123456789," ' + PAD + "\n")
ORDERS, STARTS = ("fixed", "random"), ("random", "fixed")
ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips"),
    *("Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby"),
    *("Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male"),
    *("Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin"),
    *("Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair"),
    *("Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace"),
    *("Wearing_Necktie", "Young"),
)
WORDS = tuple(name.lower().replace("_", " ") for name in ATTRIBUTES)


def attribute_texts(
    attributes: np.ndarray, rng: np.random.Generator, *, order: str = "fixed", start: str = "random"
) -> list[str]:
    """Write the attributes that each row has; what it lacks is not said.

        text = "*" n + "arched eyebrows, smiling, young" + "*" (256 - n - len),    n ~ U{0 .. 256 - len}

    What is longer than 256 characters is cut there. A reconstruction: the published texts are made, but the
    program that made them is not public.

    Args:
        attributes: (N, 40) of 0 and 1, columns as `ATTRIBUTES`.
        rng: Draws order and start of every row, whether they are used or not.
        order: "fixed", that of `ATTRIBUTES`, or "random", another one a row.
        start: "random", or "fixed" with n = 0.

    Returns:
        N texts of 256 characters of `ALPHABET`.

    Raises:
        InputError: an unknown order or start.

    Source: Sutter et al. 2020 (bimodal CelebA); Sutter et al. 2024 (MMVM), appendix B.5.

    Example:
        >>> has = np.isin(ATTRIBUTES, ["Young", "Smiling"])[None].astype(np.uint8)
        >>> attribute_texts(has, np.random.default_rng(0), start="fixed")[0][:20]
        'smiling, young******'
    """
    choose("order", order, ORDERS)
    choose("start", start, STARTS)
    mixed = np.argsort(rng.random(attributes.shape), axis=1)
    places = rng.random(len(attributes))
    found = []
    for has, columns, place in zip(attributes, mixed, places, strict=True):
        chosen = columns[has[columns] > 0] if order == "random" else np.flatnonzero(has)
        text = ", ".join(WORDS[column] for column in chosen)[:LENGTH]
        before = int(place * (LENGTH - len(text) + 1)) if start == "random" else 0
        found.append((PAD * before + text).ljust(LENGTH, PAD))
    return found


def text_codes(texts: Sequence[str]) -> np.ndarray:
    """Return texts as positions in `ALPHABET`, (N, 256) uint8.

    A short text is filled with "*", a long one is cut. A program that coded the end of a short text as
    nothing at all would score it as the letter a.

    Raises:
        InputError: a character that the alphabet lacks; the message names it and its text.

    Example:
        >>> text_codes(["bald"])[0][:6].tolist()
        [1, 0, 11, 3, 39, 39]
    """
    code = np.full(128, len(ALPHABET), np.uint8)
    code[[ord(symbol) for symbol in ALPHABET]] = np.arange(len(ALPHABET), dtype=np.uint8)
    found = np.empty((len(texts), LENGTH), np.uint8)
    for row, text in enumerate(texts):
        points = np.frombuffer(text[:LENGTH].ljust(LENGTH, PAD).encode("utf-32-le"), np.uint32)
        found[row] = code[np.minimum(points, 127)]
        if (found[row] == len(ALPHABET)).any():
            bad = text[int(np.argmax(found[row] == len(ALPHABET)))]
            raise InputError(
                f"text {row} holds {bad!r}, which is none of the {len(ALPHABET)} symbols a-z, 0-9, comma, "
                "quotation mark, space, * and newline; take the published texts, or write it in these."
            )
    return found
