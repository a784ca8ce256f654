"""Wisconsin X-ray microbeam speech (XRMB) as published: acoustics and articulation of each frame."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.matlab import arrays, codes
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import Parts, asked, some
from counterpoint.errors import InputError, whole

ACOUSTIC, ARTICULATORY, PHONES = 273, 112, 40
TEST_SPEAKERS = (7, 16, 20, 21, 23, 28, 31, 35)
FOLDS = ((1, 3), (43, 45), (10, 13), (27, 29))  # held out by the paper's cross-validation
FILES = (("XRMB1.mat", "XRMBf2KALDI_window7_single1.mat"), ("XRMB2.mat", "XRMBf2KALDI_window7_single2.mat"))
_Part = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # modalities and labels
_GET = (
    "get both files (XRMB1.mat and XRMB2.mat, or XRMBf2KALDI_window7_single1.mat and ...2.mat) from the "
    "authors of Wang et al. 2015 and put them there"
)


def xrmb(
    folder: str | Path,
    *,
    held_speakers: tuple[int, ...] | list[int] | None = None,
    rows: int | None = None,
    tuning_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> Parts:
    """Read XRMB from `folder/XRMB1.mat` and `folder/XRMB2.mat`.

    The first file holds X1, XV1, XTe1, (N, 273): 39 mel-frequency cepstral features and derivatives in 7
    frames around each frame. The second holds X2, XV2, XTe2, (N, 112): 16 coordinates of 8 pellets in 7
    frames; trainLabel, tuneLabel, testLabel: phones 0..39; and trainID, tuneID, testID: speakers. Files
    saved with -v6 and -v7 are read as they are, -v7.3 needs h5py. A file is read whole: all frames take
    several GB.

    Args:
        folder: Where the two files lie. The names under which they were distributed are known too.
        held_speakers: Test on these speakers of the training part, trained on the others (the paper's
            folds are `FOLDS`). None keeps the published parts, whose test speakers are `TEST_SPEAKERS`.
        rows: How many training rows, drawn at random; None takes all.
        tuning_rows: How many rows for tuning.
        test_rows: How many test rows.
        seed: Of the rows that are drawn, and their order.

    Shapes: acoustic (N, 273) and articulatory (N, 112) float32; labels `phone` (N,) in 0..39 and `speaker`.

    Raises:
        InputError: a missing or damaged file, other variables or shapes, labels out of range; it names the
            file. Speakers that are not there, or all of them.
        ImportError: a file was saved with -v7.3 and h5py is not installed.

    Source: Westbury 1994, X-ray Microbeam Speech Production Database User's Handbook; features of Wang,
    Arora, Livescu and Bilmes 2015. The variables' names are those that the released code of CMMD reads; that
    an ID is a speaker's number is taken from there too, as no file was at hand. Cite both.

    Example:
        >>> xrmb("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/XRMB1.mat is missing; get both files ...
    """
    wanted = asked(rows=rows, tuning_rows=tuning_rows, test_rows=test_rows)
    generators = np.random.default_rng(whole("seed", seed, least=0)).spawn(3)
    first, second = (_path(Path(folder), names) for names in FILES)
    parts = ("", "V", "Te")
    one = arrays(first, {f"X{part}1": (None, ACOUSTIC) for part in parts}, get=_GET)
    names = ("train", "tune", "test")
    layout = {f"X{part}2": (None, ARTICULATORY) for part in parts}
    marks = {f"{name}{what}": (None, None) for name in names for what in ("Label", "ID")}
    two = arrays(second, {**layout, **marks}, get=_GET)
    made: dict[str, _Part] = {}
    for part, name in zip(parts, names, strict=True):
        x = {"acoustic": one[f"X{part}1"], "articulatory": two[f"X{part}2"]}
        count = len(x["acoustic"])
        if len(x["articulatory"]) != count:
            raise InputError(
                f"{first}: X{part}1 has {count} rows, X{part}2 of {second.name} {len(x['articulatory'])}; "
                "row i must be the same frame in both: the files do not belong together, or one is damaged."
            )
        phone = codes(second, f"{name}Label", two[f"{name}Label"], count, 0, PHONES - 1)
        speaker = codes(second, f"{name}ID", two[f"{name}ID"], count, 0, None)
        made[name] = x, {"phone": phone, "speaker": speaker}
    if held_speakers is not None:
        held = _held(held_speakers, made["train"][1]["speaker"])
        inside = np.isin(made["train"][1]["speaker"], held)
        made["test"] = _take(made["train"], np.flatnonzero(inside))
        made["train"] = _take(made["train"], np.flatnonzero(~inside))
        outside = np.flatnonzero(~np.isin(made["tune"][1]["speaker"], held))
        made["tune"] = _take(made["tune"], outside)
        if not len(outside):
            raise InputError(f"held_speakers is {held}; no row for tuning is left: hold out fewer.")
    done = []
    for name, what, count, rng in zip(
        names, ("rows", "tuning_rows", "test_rows"), wanted, generators, strict=True
    ):
        x, labels = _take(made[name], some(what, count, len(made[name][1]["phone"]), rng))
        done.append(read({k: v.astype(np.float32) for k, v in x.items()}, labels=labels))
    return Parts(*done)


def by_speaker(data: MultimodalData, held: Iterable[int]) -> tuple[MultimodalData, MultimodalData]:
    """Part rows by their label `speaker`: all others first, then the held ones.

    Raises:
        InputError: no such label, speakers that are not there, or nothing left.

    Example:
        >>> data = read({"a": [[1.0], [2.0], [3.0]]}, labels={"speaker": [4, 5, 4]})
        >>> [len(part) for part in by_speaker(data, [4])]
        [1, 2]
    """
    if "speaker" not in data.labels:
        raise InputError(f"The rows have no label 'speaker'; they have {', '.join(data.labels) or 'none'}.")
    inside = np.isin(data.labels["speaker"], _held(held, data.labels["speaker"]))
    return data[~inside], data[inside]


def _path(folder: Path, names: tuple[str, ...]) -> Path:
    """Return the file under whichever name it has."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def _take(part: _Part, rows: np.ndarray) -> _Part:
    x, labels = part
    return {name: v[rows] for name, v in x.items()}, {name: v[rows] for name, v in labels.items()}


def _held(given: object, there: np.ndarray) -> list[int]:
    """Check the speakers that are held out."""
    known = np.unique(there).tolist()
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InputError(f"held_speakers is {given!r}; give a list of speakers, of {known}.")
    held = list(given)
    lacking = [one for one in held if one not in known]
    if not held or lacking or len(set(held)) == len(known):
        raise InputError(
            f"held_speakers is {held}; give some, but not all, of the speakers that are there: {known}."
        )
    return held
