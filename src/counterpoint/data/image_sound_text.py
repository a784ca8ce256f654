"""Image, sound, text: a stand-in for MNIST-SVHN-Text with spoken digits in the place of SVHN."""

from pathlib import Path

import numpy as np

from counterpoint.data.loading import entries
from counterpoint.data.mnist import mnist_pictures
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.pairing import Source, build
from counterpoint.errors import InputError, choose

MODALITIES = ("image", "sound", "text", "rotated")
HELD = 5  # repetitions 0 to 4 of every speaker and digit are the official test recordings
_GET = "make it from github.com/Jakobovski/free-spoken-digit-dataset as docs/data.md says"


def image_sound_text(
    folder: str | Path,
    *,
    modalities: tuple[str, ...] | list[str] = ("image", "sound", "text"),
    repetitions: int = 20,
    alphabet: str = "letters",
    rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> tuple[MultimodalData, MultimodalData]:
    """Build rows of one digit from `folder/mnist/{train,test}.npz` and `folder/fsdd_audio/fsdd.npz`.

    **A stand-in**: built as MNIST-SVHN-Text is, with recordings of spoken digits (log-mel pictures) where
    that has SVHN. Nothing that is measured on it compares with what was published for MNIST-SVHN-Text. There
    are 2,700 training and 300 test recordings, each of which is in one row of every repetition: 54,000 and
    6,000 rows by 20 repetitions. The speakers of both parts are the same six.

    Args:
        folder: Where `mnist/` and `fsdd_audio/` lie.
        modalities: Which of image, sound, text, rotated, in this order.
        repetitions: How often every class is paired.
        alphabet: Of the text, "letters" (27 symbols) or "published" (71), see `digit_words`.
        rows: How many training rows.
        test_rows: How many test rows.
        seed: Of the pairing, the order, the places of the words and the angles.

    Shapes: image and rotated (N, 1, 28, 28), sound (N, 1, 32, 32) (mel bands, frames), text (N, 8) codes, all
    uint8; the label `digit` (N,) in 0..9.

    Raises:
        InputError: a missing or damaged file, which is named; an unknown modality; more rows than there are.

    Source: pairing of Sutter et al. 2020 (MNIST-SVHN-Text); Free Spoken Digit Dataset, Z. Jackson et al.
    (CC BY-SA 4.0); MNIST (CC BY-SA 3.0).

    Example:
        >>> image_sound_text("nowhere", modalities=("text",))
        Traceback (most recent call last):
        counterpoint.errors.InputError: modalities are text alone; name a set whose digits it writes, too.
    """

    def source(name: str, split: str) -> Source:
        return spoken_digits(folder, split) if name == "sound" else mnist_pictures(folder, split)

    return build(
        source,
        MODALITIES,
        modalities,
        repetitions=repetitions,
        alphabet=alphabet,
        rows=rows,
        test_rows=test_rows,
        seed=seed,
    )


def spoken_digits(folder: str | Path, split: str) -> Source:
    """Read the recordings of `folder/fsdd_audio/fsdd.npz`; those of repetition 0 to 4 are the test part.

    The file holds `logmel` (N, 32, 32) uint8 (mel bands by frames), `digit` (N,) in 0..9 and `rep` (N,) in
    0..49, the repetition: the last number in the name of a recording. `docs/data.md` says how it is made.

    Shapes: sounds (N, 1, 32, 32) uint8, labels (N,) uint8.

    Raises:
        InputError: a missing, damaged or unfit file; the message names it.

    Source: Free Spoken Digit Dataset, Z. Jackson et al. (CC BY-SA 4.0), with its official split.

    Example:
        >>> spoken_digits("nowhere", "test")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/fsdd_audio/fsdd.npz is missing; make it from \
github.com/Jakobovski/free-spoken-digit-dataset as docs/data.md says.
    """
    path = Path(folder) / "fsdd_audio" / "fsdd.npz"
    if not path.is_file():
        raise InputError(f"{path} is missing; {_GET}.")
    found = entries(path, ["logmel", "digit", "rep"])
    sounds, digit, rep = (found.get(name, np.empty(0)) for name in ("logmel", "digit", "rep"))
    fine = sounds.dtype == np.uint8 and sounds.shape[1:] == (32, 32) and len(sounds) > 0
    fine = fine and all(one.shape == sounds.shape[:1] and one.dtype.kind in "ui" for one in (digit, rep))
    if not fine or digit.min() < 0 or digit.max() > 9:
        has = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in found.items())
        raise InputError(
            f"{path} holds {has or 'nothing'}; it must hold logmel uint8 (N, 32, 32), and whole numbers "
            f"(N,) as digit (0-9) and rep: {_GET}."
        )
    chosen = (rep < HELD) == (choose("split", split, ("train", "test")) == "test")
    if not chosen.any():
        raise InputError(
            f"{path} has no recording of the {split} part; rep 0 to {HELD - 1} is test, the rest is train: "
            f"{_GET}."
        )
    return np.ascontiguousarray(sounds[chosen][:, None]), digit[chosen].astype(np.uint8)
