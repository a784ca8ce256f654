"""MIMIC-CXR-JPG from a small tree in the published layout: pairs, labels, parts, images, damage."""

import csv
import gzip
import hashlib
import io
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counterpoint.data.mimic_cxr import FINDINGS, mimic_cxr
from counterpoint.data.named import named
from counterpoint.data.pictures import pictures
from counterpoint.data.radiographs import radiographs
from counterpoint.errors import InputError

METADATA = [  # the published columns, in their order
    *(
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
        "Rows",
        "Columns",
    ),
    *("StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning"),
    "PatientOrientationCodeSequence_CodeMeaning",
]
PATTERNS = [  # views of a study, in the order of the file
    ["PA", "LATERAL"],
    ["AP", "LL", "PA"],  # two pairs
    ["LATERAL", "AP", "PA", "LL"],  # four
    ["AP"],
    ["LATERAL", "LL"],
    ["PA", "LATERAL", "", "LAO"],
]
SUBJECTS = 20
VALUES = ["1.0", "0.0", "-1.0", ""]


def plan():
    """The rows of both tables: 20 subjects of two studies each; an image's number is its level of grey."""
    rng, images, found = np.random.default_rng(0), [], []
    for s in range(SUBJECTS):
        for k in range(2):
            subject, study = 10_000_032 + 480_000 * s, 50_414_267 + 2 * s + k
            found.append([subject, study, *rng.choice(VALUES, len(FINDINGS))])
            for view in PATTERNS[(2 * s + k) % len(PATTERNS)]:
                images.append((f"{rng.integers(2**32):08x}-{len(images):08x}", subject, study, view))
    return images, found


def path_of(folder, dicom, subject, study):
    return folder / "files" / f"p{str(subject)[:2]}" / f"p{subject}" / f"s{study}" / f"{dicom}.jpg"


def table(folder, kind, header, rows, packed=True):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    path = folder / f"mimic-cxr-2.0.0-{kind}.csv{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(text.getvalue().encode()) if packed else text.getvalue().encode())
    return path


def written(folder, packed=True, sums=False):
    """The tree; images are 60 x 44 or 44 x 60, their middle square of one grey, the rest white."""
    images, found = plan()
    rows = []
    for number, (dicom, subject, study, view) in enumerate(images):
        wide = number % 2
        size = (60, 44) if wide else (44, 60)
        picture = np.full(size[::-1], 255, np.uint8)
        picture[:, 8:52] = number if wide else picture[:, 8:52]
        picture[8:52, :] = picture[8:52, :] if wide else number
        path = path_of(folder, dicom, subject, study)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=100)
        rows.append(
            [
                dicom,
                subject,
                study,
                "CHEST (PA AND LAT)",
                view,
                size[1],
                size[0],
                21800506,
                213014.5,
                "",
                "",
                "",
            ]
        )
    table(folder, "metadata", METADATA, rows, packed)
    table(folder, "chexpert", ["subject_id", "study_id", *FINDINGS], found, packed)
    if sums:
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.relative_to(folder)}" for p in paths]
        (folder / "SHA256SUMS.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def whole_tree(tmp_path_factory):
    return written(tmp_path_factory.mktemp("mimic"))


@pytest.fixture
def tree(tmp_path):
    return written(tmp_path)


def wanted_pairs():
    """Every frontal beside every lateral of a study, by loops: (study, frontal grey, lateral grey)."""
    images, _ = plan()
    pairs = []
    for (f, front), (s, side) in product(enumerate(images), enumerate(images)):
        if front[2] == side[2] and front[3] in ("AP", "PA") and side[3] in ("LL", "LATERAL"):
            pairs.append((front[2], f, s))
    return sorted(pairs)


def refuse(*_, **__):
    pytest.fail("an image was decoded")


def told(part):
    greys = [part.x[view][:, 0].astype(int) for view in ("frontal", "lateral")]
    return [
        (int(study), *(round(float(x[i].mean())) for x in greys))
        for i, study in enumerate(part.labels["study"])
    ]


def test_pairs_are_all_combinations_of_a_study(whole_tree):
    parts = mimic_cxr(whole_tree, size=28, equalise=False)
    assert sorted(pair for part in parts for pair in told(part)) == wanted_pairs()
    for part in parts:
        assert part.names == ("frontal", "lateral")
        for x in part.x.values():
            assert (x.shape[1:], x.dtype) == ((1, 28, 28), np.uint8)
            assert (
                np.ptp(x.reshape(len(x), -1).astype(int), axis=1) <= 2
            ).all()  # white borders are cut away


def test_a_finding_is_positive_or_not(whole_tree):
    _, found = plan()
    wanted = {study: [int(value == "1.0") for value in values] for _, study, *values in found}
    for part in mimic_cxr(whole_tree, size=28):
        assert part.labels["findings"].dtype == np.uint8
        for study, row in zip(part.labels["study"], part.labels["findings"], strict=True):
            assert row.tolist() == wanted[study]
    assert list(FINDINGS) == sorted(FINDINGS)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nobody_is_in_two_parts(whole_tree, seed):
    parts = mimic_cxr(whole_tree, size=28, seed=seed)
    subjects = [set(part.labels["subject"].tolist()) for part in parts]
    both = {s for _, s, study, _ in plan()[0] if study in {pair[0] for pair in wanted_pairs()}}
    assert set.union(*subjects) == both
    assert sum(map(len, subjects)) == len(both)
    assert len(subjects[0]) == round(0.8 * len(both))
    assert abs(len(subjects[1]) - len(subjects[2])) <= 1
    for part in parts:
        assert part.blocks.tolist() == part.labels["subject"].tolist()
    if seed:
        assert subjects[0] != set(mimic_cxr(whole_tree, size=28).train.labels["subject"].tolist())


def test_fewer_rows_are_the_first_of_more(whole_tree):
    more, fewer = (
        mimic_cxr(whole_tree, size=28),
        mimic_cxr(whole_tree, size=28, rows=5, tuning_rows=1, test_rows=2),
    )
    assert [len(part) for part in fewer] == [5, 1, 2]
    for a, b in zip(more, fewer, strict=True):
        for name in a.names:
            np.testing.assert_array_equal(a.x[name][: len(b)], b.x[name])
        np.testing.assert_array_equal(a.labels["findings"][: len(b)], b.labels["findings"])
    with pytest.raises(InputError, match="test_rows is 99; there are"):
        mimic_cxr(whole_tree, size=28, test_rows=99)


def test_an_image_is_cut_resized_and_equalised(tree):
    dicom, subject, study, _ = first_pair(tree)
    pixels = np.random.default_rng(1).integers(40, 200, (50, 90, 3)).astype(np.uint8)
    path = path_of(tree, dicom, subject, study)
    Image.fromarray(pixels).resize((270, 150)).save(path, quality=95)
    with Image.open(path) as image:
        grey = image.convert("L").crop((60, 0, 210, 150)).resize((32, 32), Image.Resampling.BICUBIC)
    plain = np.asarray(grey)
    for equalise in (False, True):
        part = next(p for p in mimic_cxr(tree, size=32, equalise=equalise) if study in p.labels["study"])
        row = np.flatnonzero(part.labels["study"] == study)[0]
        np.testing.assert_array_equal(part.x["frontal"][row, 0], equalised(plain) if equalise else plain)


def equalised(image):
    """Histogram equalisation in whole numbers, as Pillow documents it by its behaviour."""
    counts = np.bincount(image.ravel(), minlength=256).tolist()
    step = (sum(counts) - [n for n in counts if n][-1]) // 255
    table, seen = [], step // 2
    for n in counts:
        table.append(min(seen // step, 255))
        seen += n
    return np.array(table, np.uint8)[image]


def first_pair(tree):
    """The frontal image of the first study, which has one of either view."""
    return plan()[0][0]


def test_tables_may_be_unpacked(tmp_path, whole_tree):
    for a, b in zip(
        mimic_cxr(whole_tree, size=28), mimic_cxr(written(tmp_path, packed=False), size=28), strict=True
    ):
        np.testing.assert_array_equal(a.x["lateral"], b.x["lateral"])
        np.testing.assert_array_equal(a.labels["findings"], b.labels["findings"])


def test_a_cache_is_made_once_and_is_the_same(tree, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache") / "new"
    plain, first = mimic_cxr(tree, size=28), mimic_cxr(tree, size=28, cache=cache)
    files = sorted(cache.iterdir())
    assert len(files) == 6
    assert {path.suffix for path in files} == {".npy"}
    before = [path.stat().st_mtime_ns for path in files]
    monkeypatch.setattr("counterpoint.data.radiographs._image", refuse)  # nothing is decoded again
    second = mimic_cxr(tree, size=28, cache=cache)
    monkeypatch.undo()
    assert [path.stat().st_mtime_ns for path in files] == before
    for parts in (first, second):
        for a, b in zip(plain, parts, strict=True):
            for name in a.names:
                np.testing.assert_array_equal(a.x[name], b.x[name])
                assert isinstance(b.x[name].base, np.memmap)
    files[0].write_bytes(files[0].read_bytes()[:-1])
    third = mimic_cxr(tree, size=28, cache=cache)
    assert sorted(cache.iterdir()) == files
    for a, b in zip(plain, third, strict=True):
        np.testing.assert_array_equal(a.x["frontal"], b.x["frontal"])
    mimic_cxr(tree, size=28, cache=cache, equalise=False)
    assert len(list(cache.iterdir())) == 12


def test_blocks_are_put_in_their_places(whole_tree, tmp_path, monkeypatch):
    one = mimic_cxr(whole_tree, size=28, equalise=False)
    monkeypatch.setattr("counterpoint.data.radiographs.BLOCK", 4)
    for parts in (mimic_cxr(whole_tree, size=28, equalise=False, cache=c) for c in (None, tmp_path)):
        for a, b in zip(one, parts, strict=True):
            for name in a.names:
                np.testing.assert_array_equal(a.x[name], b.x[name])


def test_a_cache_that_fails_leaves_nothing(tree, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    paths = sorted(tree.rglob("*.jpg"))
    for path in paths:
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cannot be read as JPEG"):
        mimic_cxr(tree, size=28, cache=cache)
    assert not list(cache.iterdir())
    with pytest.raises(InputError, match=r"cache is .*choose a folder that can be written to"):
        mimic_cxr(tree, size=28, cache=paths[0])


def test_memory_is_asked_for_before_anything_is_read(whole_tree, monkeypatch):
    monkeypatch.setattr("counterpoint.data.radiographs.half_of_memory", lambda: 1e4)
    monkeypatch.setattr("counterpoint.data.radiographs._image", refuse)
    with pytest.raises(
        InputError, match=r"images of 28 x 28 take 0\.0 GiB, and half of the memory.*cache=FOLDER"
    ):
        mimic_cxr(whole_tree, size=28)


def test_by_name(whole_tree):
    train, test = named({"name": "mimic_cxr", "folder": str(whole_tree), "size": 28, "rows": 4})
    assert (len(train), train.names, "findings" in test.labels) == (4, ("frontal", "lateral"), True)


def test_a_cut_image_is_named(tree):
    path = path_of(tree, *first_pair(tree)[:3])
    content = path.read_bytes()
    for end in (0, 1, 20, len(content) // 2, len(content) - 30, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=rf"{path.name} cannot be read as JPEG: .*Download it again"):
            mimic_cxr(tree, size=28)
    Image.new("L", (40, 40)).save(path, format="PNG")
    with pytest.raises(InputError, match=rf"{path.name} cannot be read as JPEG"):
        mimic_cxr(tree, size=28)


def test_a_missing_image_is_named_before_any_is_read(tree, monkeypatch):
    monkeypatch.setattr("counterpoint.data.radiographs._image", refuse)
    path = path_of(tree, *first_pair(tree)[:3])
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} is missing, and 0 more of .*physionet"):
        mimic_cxr(tree, size=28)


def test_an_image_of_another_view_may_be_missing(tree):
    images, _ = plan()
    for image in images:
        if image[3] in ("", "LAO"):
            path_of(tree, *image[:3]).unlink()
    mimic_cxr(tree, size=28)


def test_checksums_find_what_decoding_does_not(tmp_path):
    tree = written(tmp_path, sums=True)
    mimic_cxr(tree, size=28)
    path = path_of(tree, *first_pair(tree)[:3])
    content = path.read_bytes()
    with Image.open(path) as image:
        size = image.size
    Image.new("L", size, 99).save(path)
    with pytest.raises(InputError, match=rf"{path.name} is not what SHA256SUMS.txt says"):
        mimic_cxr(tree, size=28)
    path.write_bytes(content)
    _, found = plan()
    table(tree, "chexpert", ["subject_id", "study_id", *FINDINGS], found[:-1])
    with pytest.raises(InputError, match=r"chexpert\.csv\.gz is not what SHA256SUMS.txt says"):
        mimic_cxr(tree, size=28)
    (tree / "SHA256SUMS.txt").write_text("what is this\n")
    with pytest.raises(InputError, match=r"SHA256SUMS\.txt, line 1, is no checksum"):
        mimic_cxr(tree, size=28)


@pytest.mark.parametrize("kind", ["metadata", "chexpert"])
@pytest.mark.parametrize("packed", [True, False])
def test_missing_and_cut_tables_are_named(tmp_path, kind, packed):
    tree = written(tmp_path, packed=packed)
    path = next(tree.glob(f"*{kind}.csv*"))
    content = path.read_bytes()
    for end in (0, 10, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=f"{kind}.csv"):
            mimic_cxr(tree, size=28)
    path.unlink()
    with pytest.raises(InputError, match=rf"{kind}\.csv\.gz is missing .*physionet"):
        mimic_cxr(tree, size=28)


def damaged(column, value, row=0):
    """A change of one value of a table."""

    def change(header, rows):
        rows[row][header.index(column)] = value

    return change


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (
            "chexpert",
            damaged("Edema", "2.0"),
            r"line 2, has '2\.0' as 'Edema'; it must be 1\.0, 0\.0, -1\.0 or empty",
        ),
        ("chexpert", damaged("Fracture", "yes", 3), "line 5, has 'yes' as 'Fracture'"),
        ("chexpert", damaged("study_id", ""), "line 2, has the study_id ''"),
        (
            "chexpert",
            damaged("study_id", "50414268"),
            "line 3, has study 50414268, which stands there before",
        ),
        ("metadata", damaged("subject_id", "1e7"), "line 2, has the subject_id '1e7'"),
        (
            "metadata",
            damaged("subject_id", "99", 1),
            "line 3, has study 50414267 of subject 99, before it was",
        ),
        ("metadata", damaged("dicom_id", "../x"), r"line 2, has the dicom_id '\.\./x'"),
        ("metadata", lambda header, rows: rows.append(rows[0]), "which stands there before"),
        ("metadata", lambda header, rows: rows[2].pop(), "line 4, has 11 values for 12 columns"),
    ],
)
def test_wrong_rows_are_named(tree, kind, change, says):
    header, rows = content_of(tree, kind)
    change(header, rows)
    table(tree, kind, header, rows)
    with pytest.raises(InputError, match=rf"{kind}\.csv\.gz.*{says}"):
        mimic_cxr(tree, size=28)


def content_of(tree, kind):
    text = gzip.decompress((tree / f"mimic-cxr-2.0.0-{kind}.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


@pytest.mark.parametrize(
    ("kind", "column"), [("metadata", "ViewPosition"), ("metadata", "dicom_id"), ("chexpert", "Lung Lesion")]
)
def test_a_missing_column_is_named(tree, kind, column):
    header, rows = content_of(tree, kind)
    place = header.index(column)
    table(tree, kind, header[:place] + header[place + 1 :], [row[:place] + row[place + 1 :] for row in rows])
    with pytest.raises(InputError, match=rf"{kind}\.csv\.gz has no column '{column}'"):
        mimic_cxr(tree, size=28)


def test_studies_without_findings_are_left_out_and_counted(tree):
    header, rows = content_of(tree, "chexpert")
    study = next(pair[0] for pair in wanted_pairs())
    table(tree, "chexpert", header, [row for row in rows if int(row[1]) != study])
    with pytest.warns(UserWarning, match=rf"1 studies with both views .*{study}"):
        parts = mimic_cxr(tree, size=28, equalise=False)
    assert sorted(pair for part in parts for pair in told(part)) == [
        p for p in wanted_pairs() if p[0] != study
    ]


def test_too_few_subjects(tree):
    header, rows = content_of(tree, "metadata")
    few = sorted({row[1] for row in rows})[:3]
    table(tree, "metadata", header, [row for row in rows if row[1] in few])
    with pytest.raises(InputError, match="subjects have a study with both views and findings"):
        mimic_cxr(tree, size=28)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 0}, "size is 0"),
        ({"equalise": "no"}, "equalise is 'no'"),
        ({"rows": 0}, "rows is 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options(whole_tree, options, says):
    with pytest.raises(InputError, match=says):
        mimic_cxr(whole_tree, **options)


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"JPEG needs Pillow; pip install 'counterpoint\[plots\]'"):
        radiographs([], size=28, equalise=False, checksums={})
    with pytest.raises(ImportError, match=r"photographs needs Pillow; pip install 'counterpoint\[plots\]'"):
        pictures([], lambda image: image, (8, 9, 3), get="", recipe={})


def test_nothing_there():
    with pytest.raises(InputError, match=r"mimic-cxr-2\.0\.0-metadata\.csv\.gz is missing"):
        mimic_cxr(Path("nowhere"))
