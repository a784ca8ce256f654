"""The tables of MIMIC-CXR-JPG: which images there are of which study, what was found, and checksums."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counterpoint.data.radiographs import check
from counterpoint.errors import InputError

URL = "https://physionet.org/content/mimic-cxr-jpg/"
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
VIEWS = {"AP": "frontal", "PA": "frontal", "LL": "lateral", "LATERAL": "lateral"}
MOST_BYTES = 2**30  # of a table, unpacked; the largest has a twentieth of that
_GET = f"get access at {URL} and download it again"
_SUM = re.compile(r"([0-9a-f]{64})[ *]+(?:\./)?(\S.*)")
_NUMBER = re.compile(r"[1-9][0-9]*")
_DICOM = re.compile(r"[0-9A-Za-z-]+")


@dataclass(frozen=True, order=True)
class Image:
    """One image: whose it is, of which study, its name, and whether it is frontal or lateral.

    Example:
        >>> Image(10000032, 50414267, "02aa804e", "frontal").path
        PosixPath('files/p10/p10000032/s50414267/02aa804e.jpg')
    """

    subject: int
    study: int
    dicom: str
    view: str

    @property
    def path(self) -> Path:
        """Where its file lies, from the folder of the tables."""
        folder = f"p{str(self.subject)[:2]}/p{self.subject}/s{self.study}"
        return Path("files") / folder / f"{self.dicom}.jpg"


def images(folder: Path, sums: Mapping[Path, str]) -> list[Image]:
    """Return the frontal and lateral images of `mimic-cxr-2.0.0-metadata.csv`, sorted, and no others.

    Raises:
        InputError: a missing or damaged file, a column that is missing, an image that stands there twice, a
            study of two subjects; it names the file.
    """
    found: dict[str, Image] = {}
    owners: dict[int, int] = {}
    columns = ("subject_id", "study_id", "dicom_id", "ViewPosition")
    for where, subject, study, dicom, view in _table(folder, "metadata", columns, sums):
        if not _DICOM.fullmatch(dicom):
            raise InputError(f"{where} has the dicom_id {dicom!r}; it must be letters, digits or -: {_GET}.")
        if dicom in found:
            raise InputError(f"{where} has the image {dicom}, which stands there before: {_GET}.")
        one = Image(
            _whole(where, "subject_id", subject), _whole(where, "study_id", study), dicom, view.upper()
        )
        if owners.setdefault(one.study, one.subject) != one.subject:
            raise InputError(
                f"{where} has study {one.study} of subject {one.subject}, before it was one of subject "
                f"{owners[one.study]}: {_GET}."
            )
        found[dicom] = one
    known = [one for one in found.values() if one.view in VIEWS]
    return sorted(Image(one.subject, one.study, one.dicom, VIEWS[one.view]) for one in known)


def findings(folder: Path, sums: Mapping[Path, str]) -> dict[int, np.ndarray]:
    """Return study -> (14,) uint8 of `mimic-cxr-2.0.0-chexpert.csv`: 1 where a finding is positive.

    Negative (0), uncertain (-1) and what was not mentioned (empty) are 0.

    Raises:
        InputError: a missing or damaged file, a column that is missing, another value, a study that stands
            there twice; it names the file.
    """
    found: dict[int, np.ndarray] = {}
    for where, number, *values in _table(folder, "chexpert", ("study_id", *FINDINGS), sums):
        study, row = _whole(where, "study_id", number), np.zeros(len(FINDINGS), np.uint8)
        if study in found:
            raise InputError(f"{where} has study {study}, which stands there before: {_GET}.")
        for i, value in enumerate(values):
            if value not in ("", "1.0", "1", "0.0", "0", "-1.0", "-1"):
                raise InputError(
                    f"{where} has {value!r} as {FINDINGS[i]!r}; it must be 1.0, 0.0, -1.0 or empty: {_GET}."
                )
            row[i] = value in ("1.0", "1")
        found[study] = row
    return found


def checksums(folder: Path) -> dict[Path, str]:
    """Return path -> SHA-256 of `SHA256SUMS.txt`, paths as the tables give them; none if it is not there.

    Raises:
        InputError: a line of another kind.
    """
    path, found = folder / "SHA256SUMS.txt", {}
    if not path.is_file():
        return {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        match = _SUM.fullmatch(line.strip())
        if match is None:
            raise InputError(
                f"{path}, line {number}, is no checksum and name of a file: {_GET}, or remove it to go "
                "without."
            )
        found[Path(match[2])] = match[1]
    return found


def _whole(where: str, column: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise InputError(f"{where} has the {column} {value!r}; it must be a whole number: {_GET}.")
    return int(value)


def _table(
    folder: Path, kind: str, columns: tuple[str, ...], sums: Mapping[Path, str]
) -> Iterator[tuple[str, ...]]:
    """Yield where a row is, for messages, and its values of some columns, as text."""
    packed = folder / f"mimic-cxr-2.0.0-{kind}.csv.gz"
    path = packed if packed.is_file() else packed.with_suffix("")
    if not path.is_file():
        raise InputError(f"{packed} is missing (and {path.name}); get access at {URL} and put it there.")
    content = path.read_bytes()
    if Path(path.name) in sums:
        check(path, content, sums[Path(path.name)])
    try:
        if path == packed:
            with gzip.open(path) as file:  # a small file may be packed that would fill the memory
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise EOFError(f"unpacked it has more than {MOST_BYTES:,} bytes")
        text = content.decode("utf-8-sig")
        if not text.endswith("\n"):  # or the last value may be a part of one
            raise EOFError("its last line has no end")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        names = next(rows, [])
        lacking = [column for column in columns if column not in names]
        if lacking:
            raise InputError(
                f"{path} has no column {', '.join(map(repr, lacking))}; it has "
                f"{', '.join(names) or 'none'}: {_GET}."
            )
        places = [names.index(column) for column in columns]
        for values in rows:
            if values and len(values) != len(names):
                raise InputError(
                    f"{path}, line {rows.line_num}, has {len(values)} values for {len(names)} columns; the "
                    f"file is cut off or damaged: {_GET}."
                )
            if values:
                yield f"{path}, line {rows.line_num},", *(values[i].strip() for i in places)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: cut off or damaged ({error}); {_GET}.") from error
