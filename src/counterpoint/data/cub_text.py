"""Captions of birds as codes of words: parted into words, a vocabulary, 32 words a caption."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from counterpoint.errors import InputError, choose, whole

LENGTH = 32
UNKNOWN, PAD, END = SPECIAL = ("<exc>", "<pad>", "<eos>")
TOKENS = ("plain", "nltk")
_WORD = re.compile(r"\w+(?:-\w+)*|'\w+|[^\w\s]")


def words(captions: Iterable[str], tokens: str = "plain") -> list[list[str]]:
    """Part captions into words; letters keep their case.

    "plain" takes letters and digits with hyphens inside as one word, an apostrophe with what follows it as
    another, and every other sign by itself. "nltk" takes `nltk.word_tokenize`, as published, which differs in
    contractions, in full stops inside a caption and in signs like "...".

    Raises:
        InputError: an unknown word, or nltk lacks its model of sentences.
        ImportError: nltk is not installed.

    Example:
        >>> words(["a black-and-white bird, it's small."])
        [['a', 'black-and-white', 'bird', ',', 'it', "'s", 'small', '.']]
    """
    if choose("tokens", tokens, TOKENS) == "plain":
        return [_WORD.findall(caption) for caption in captions]
    try:
        from nltk.tokenize import word_tokenize
    except ImportError as error:
        raise ImportError("tokens='nltk' needs nltk; pip install nltk, or take 'plain'.") from error
    try:
        return [word_tokenize(caption) for caption in captions]
    except LookupError as error:
        raise InputError(
            "nltk is installed without its model of sentences; run `python -m nltk.downloader punkt_tab` "
            "(punkt for old versions), or take tokens='plain'."
        ) from error


def vocabulary(captions: Iterable[Sequence[str]], least_count: int = 4) -> tuple[str, ...]:
    """Return the special words and those that occur often enough, in the order of their first occurrence.

        ("<exc>", "<pad>", "<eos>", w_1, w_2, ...)    where w_i occurs at least `least_count` times

    Raises:
        InputError: `least_count` is no whole number of at least 1.

    Source: after Shi et al. 2019; "more than 3 times" in the code of Sutter et al. 2024, 1,868 words with
    nltk's parting.

    Example:
        >>> vocabulary([["a", "bird"], ["a", "nest"]], least_count=2)
        ('<exc>', '<pad>', '<eos>', 'a')
    """
    least = whole("least_count", least_count)
    counts = Counter(word for caption in captions for word in caption)
    return (*SPECIAL, *(word for word, count in counts.items() if count >= least and word not in SPECIAL))


def caption_codes(captions: Sequence[Sequence[str]], known: Sequence[str]) -> np.ndarray:
    """Return captions as positions in the vocabulary `known`, (N, 32) uint16.

    The first 31 words, "<eos>", and "<pad>" up to 32; a word that is not known is "<exc>".

    Example:
        >>> caption_codes([["a", "rare", "bird"]], (*SPECIAL, "a", "bird"))[0][:6].tolist()
        [3, 0, 4, 2, 1, 1]
    """
    code = {word: i for i, word in enumerate(known)}
    found = np.full((len(captions), LENGTH), code[PAD], np.uint16)
    for row, caption in zip(found, captions, strict=True):
        kept = [code.get(word, code[UNKNOWN]) for word in caption[: LENGTH - 1]]
        row[: len(kept) + 1] = [*kept, code[END]]
    return found
