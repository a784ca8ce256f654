"""XRMB from files as they are published, parted as published or by speaker."""

import numpy as np
import pytest
from scipy.io import savemat

from counterpoint.data.xrmb import by_speaker, xrmb
from counterpoint.errors import InputError

ROWS = {"train": 12, "tune": 6, "test": 4}
SPEAKERS = {"train": [1, 3, 10], "tune": [1, 3, 10], "test": [7, 16]}


def contents():
    """Two files' variables; the first value of a row is its number."""
    rng, one, two = np.random.default_rng(0), {}, {}
    for part, name in (("", "train"), ("V", "tune"), ("Te", "test")):
        rows = ROWS[name]
        for view, width, into in ((1, 273, one), (2, 112, two)):
            into[f"X{part}{view}"] = rng.normal(size=(rows, width))
            into[f"X{part}{view}"][:, 0] = np.arange(rows)
        two[f"{name}Label"] = (np.arange(rows) * 3 % 40)[:, None].astype(float)
        two[f"{name}ID"] = np.resize(SPEAKERS[name], rows)[:, None].astype(float)
    return one, two


def written(folder, names=("XRMB1.mat", "XRMB2.mat"), drop=(), **change):
    for name, arrays in zip(names, contents(), strict=True):
        changed = {k: change.get(k, v) for k, v in arrays.items() if k not in drop}
        savemat(folder / name, changed, do_compression=True)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("XRMB1.mat", "XRMB2.mat"),
        ("XRMBf2KALDI_window7_single1.mat", "XRMBf2KALDI_window7_single2.mat"),
    ],
)
def test_the_published_parts(tmp_path, names):
    one, two = contents()
    sets = xrmb(written(tmp_path, names))
    for part, key, name in zip(sets, ("", "V", "Te"), ROWS, strict=True):
        assert len(part) == ROWS[name]
        rows = part.x["acoustic"][:, 0].astype(int)
        assert sorted(rows) == list(range(ROWS[name]))
        np.testing.assert_array_equal(part.x["acoustic"], one[f"X{key}1"][rows].astype(np.float32))
        np.testing.assert_array_equal(part.x["articulatory"], two[f"X{key}2"][rows].astype(np.float32))
        np.testing.assert_array_equal(part.labels["phone"], two[f"{name}Label"][rows, 0])
        np.testing.assert_array_equal(part.labels["speaker"], two[f"{name}ID"][rows, 0])


def test_labels_may_lie_in_a_row_and_fewer_rows_are_a_part(tmp_path):
    _, two = contents()
    written(tmp_path, trainID=two["trainID"].T, testLabel=two["testLabel"].T.astype(np.uint8))
    sets, fewer = xrmb(tmp_path), xrmb(tmp_path, rows=5, test_rows=2, tuning_rows=1)
    assert [len(part) for part in fewer] == [5, 1, 2]
    for a, b in zip(sets, fewer, strict=True):
        for name in a.names:
            np.testing.assert_array_equal(a.x[name][: len(b)], b.x[name])
        for name in a.labels:
            np.testing.assert_array_equal(a.labels[name][: len(b)], b.labels[name])


def test_speakers_are_held_out_of_training_and_tuning(tmp_path):
    written(tmp_path)
    train, tuning, test = xrmb(tmp_path, held_speakers=[1, 10])
    assert set(test.labels["speaker"]) == {1, 10}
    assert set(train.labels["speaker"]) == set(tuning.labels["speaker"]) == {3}
    assert (len(train), len(tuning), len(test)) == (4, 2, 8)
    rest, held = by_speaker(xrmb(tmp_path).train, [3])
    assert (set(rest.labels["speaker"]), set(held.labels["speaker"])) == ({1, 10}, {3})


@pytest.mark.parametrize(
    ("held", "says"),
    [([2], r"\[1, 3, 10\]"), ([], "but not all"), ([1, 3, 10], "not all"), (3, "give a list")],
)
def test_speakers_that_cannot_be_held_out(tmp_path, held, says):
    with pytest.raises(InputError, match=says):
        xrmb(written(tmp_path), held_speakers=held)
    with pytest.raises(InputError, match=says):
        by_speaker(xrmb(tmp_path).train, held)
    with pytest.raises(InputError, match="no label 'speaker'"):
        by_speaker(xrmb(tmp_path).train.__class__({"a": np.ones((2, 1))}, {"a": np.ones(2, bool)}), [1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X1": np.ones((12, 272))}, r"XRMB1\.mat must hold X1 \(N, 273\) \(it has shape \(12, 272\)\)"),
        ({"XTe2": np.ones((5, 112))}, r"XTe1 has 4 rows, XTe2 of XRMB2\.mat 5"),
        ({"tuneLabel": np.full((6, 1), 40)}, r"XRMB2\.mat: tuneLabel holds 40 in row 0.*0 to 39"),
        ({"testID": np.full((4, 1), -1)}, r"XRMB2\.mat: testID holds -1"),
        ({"testID": np.full((4, 2), 1)}, r"testID has shape \(4, 2\)"),
        ({"drop": ("trainID",)}, r"XRMB2\.mat must hold trainID .*not there"),
        ({"XV1": np.full((6, 273), np.nan)}, r"XRMB1\.mat.*XV1.*NaN"),
    ],
)
def test_unfit_files_are_refused(tmp_path, change, says):
    with pytest.raises(InputError, match=says):
        xrmb(written(tmp_path, **change))


def test_missing_and_cut_files_are_refused(tmp_path):
    written(tmp_path)
    for name in ("XRMB1.mat", "XRMB2.mat"):
        path = tmp_path / name
        content = path.read_bytes()
        for share in (0, 0.01, 0.5, 0.999):
            path.write_bytes(content[: int(share * len(content))])
            with pytest.raises(InputError, match=name):
                xrmb(tmp_path)
        path.unlink()
        with pytest.raises(InputError, match=f"{name} is missing; get both files"):
            xrmb(tmp_path)
        path.write_bytes(content)
    with pytest.raises(InputError, match="rows is 13; there are 12"):
        xrmb(tmp_path, rows=13)
