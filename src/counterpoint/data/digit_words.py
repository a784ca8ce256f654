"""English words of digits as a modality: eight characters, the word at a random place among blanks."""

from typing import Any

import numpy as np

from counterpoint.errors import InputError, choose

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LENGTH = 8
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALPHABETS = {
    "letters": (*_LETTERS, " "),
    # The 69 symbols of Zhang et al. 2015 (character-level convolutions), where '-' stands twice, with newline
    # and blank: 71, of which 70 differ. A lookup finds the first '-', so the second never occurs.
    "published": tuple(_LETTERS + "0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{}\n "),
}


def digit_words(labels: np.ndarray, seed: Any = 0, alphabet: str = "letters") -> np.ndarray:
    """Write every digit's word into eight blanks, starting at a random place.

        start ~ U{0 .. 7 - len(word)}, one draw a row

    so the last cell is blank always, as published; a word that could reach it would start at 8 - len too.

    Of the 71 published symbols 55 never occur in these words and only widen the one-hot coding; the default,
    "letters" (a..z and the blank), says the same with 27. Losses compare within one alphabet: a decoder that
    knows nothing pays 8 ln 27 = 26.4 nats, or 8 ln 71 = 34.1.

    Args:
        labels: (N,) digits in 0..9.
        seed: Of the places: a number or a generator of numpy, which moves on.
        alphabet: "letters" or "published", a key of `ALPHABETS`.

    Shapes: codes (N, 8) uint8, positions in the alphabet: as a modality their categories are
    `ALPHABETS[alphabet]`, their likelihood is categorical, the decoder's output (8, 27) or (8, 71).

    Raises:
        InputError: labels that are no digits, or an unknown alphabet.

    Source: Sutter et al. 2020 and 2021 (MNIST-SVHN-Text).

    Example:
        >>> spell(digit_words(np.array([7, 3, 0])))[0].strip()
        'seven'
        >>> [len(ALPHABETS[name]) for name in ("letters", "published")]
        [27, 71]
    """
    symbols = ALPHABETS[choose("alphabet", alphabet, ALPHABETS)]
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or (labels < 0).any() or (labels > 9).any():
        raise InputError(
            f"labels are {labels.dtype} of shape {labels.shape}; give whole numbers (N,) in 0..9: one a row."
        )
    blank = symbols.index(" ")
    table = np.full((10, LENGTH), blank, np.uint8)
    for digit, word in enumerate(WORDS):
        table[digit, : len(word)] = [symbols.index(letter) for letter in word]
    room = LENGTH - np.array([len(word) for word in WORDS])[labels]  # 8 - len places: 0 .. 7 - len
    start = np.floor(np.random.default_rng(seed).random(len(labels)) * room).astype(np.int64)
    return table[labels[:, None], (np.arange(LENGTH) - start[:, None]) % LENGTH]  # wraps blanks, no letter


def spell(codes: np.ndarray, alphabet: str = "letters") -> list[str]:
    """Return the text of codes (N, L), one a row.

    Example:
        >>> spell(np.array([[14, 13, 4, 26]]))
        ['one ']
    """
    symbols = ALPHABETS[choose("alphabet", alphabet, ALPHABETS)]
    return ["".join(symbols[code] for code in row) for row in codes.tolist()]
