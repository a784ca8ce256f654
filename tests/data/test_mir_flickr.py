"""MIR-Flickr in the layout that docs/data.md describes: parts, labels, and what is left out and told."""

import warnings

import numpy as np
import pytest
from scipy.io import savemat

from counterpoint.data.mir_flickr import mir_flickr
from counterpoint.errors import InputError

RNG = np.random.default_rng(0)


def contents():
    """Nine labelled images and six without, two of which have too few tags; feature 0 is the row."""
    found = {
        "image": RNG.normal(size=(9, 3857)).astype(np.float32),
        "tags": (RNG.random((9, 2000)) < 0.01).astype(np.uint8),
        "labels": (RNG.random((9, 38)) < 0.2).astype(np.uint8),
        "unlabelled_image": RNG.normal(size=(6, 3857)).astype(np.float32),
        "unlabelled_tags": np.zeros((6, 2000), np.uint8),
    }
    for name in ("image", "unlabelled_image"):
        found[name][:, 0] = np.arange(len(found[name]))
    found["tags"][4] = 0
    for row, count in enumerate((2, 0, 5, 1, 3, 2)):
        found["unlabelled_tags"][row, row : row + count] = 1
    return found


def written(folder, kind="npz", **change):
    arrays = {k: v for k, v in {**contents(), **change}.items() if v is not None}
    if kind == "npz":
        np.savez(folder / "mir_flickr.npz", **arrays)
    else:
        savemat(folder / "mir_flickr.mat", arrays, do_compression=True)
    return folder


@pytest.mark.parametrize("kind", ["npz", "mat"])
def test_parts_and_what_is_left_out(tmp_path, kind):
    given = contents()
    written(tmp_path, kind, **given)
    with pytest.warns(UserWarning, match=r"2 of 6 unlabelled images have fewer than 2 tags and are left out"):
        found = mir_flickr(tmp_path, test_rows=3)
    assert (len(found.train), len(found.test), len(found.unlabelled), found.dropped) == (6, 3, 4, 2)
    seen = []
    for part in (found.train, found.test):
        rows = part.x["image"][:, 0].astype(int)
        for name, theirs in (("image", part.x["image"]), ("tags", part.x["tags"])):
            np.testing.assert_array_equal(theirs, given[name][rows])
        np.testing.assert_array_equal(part.labels["classes"], given["labels"][rows])
        seen += rows.tolist()
    assert sorted(seen) == list(range(9)), "an image without a tag stays"
    rows = found.unlabelled.x["image"][:, 0].astype(int)
    assert sorted(rows) == [0, 2, 4, 5]
    np.testing.assert_array_equal(found.unlabelled.x["tags"], given["unlabelled_tags"][rows])
    assert not found.unlabelled.labels


def test_fewer_rows_and_seeds(tmp_path):
    written(tmp_path)
    with pytest.warns(UserWarning, match="left out"):
        found = mir_flickr(tmp_path, rows=2, test_rows=4, unlabelled_rows=3)
    with pytest.warns(UserWarning, match="left out"):
        more = mir_flickr(tmp_path, test_rows=4)
    assert (len(found.train), len(found.test), len(found.unlabelled)) == (2, 4, 3)
    for a, b in ((found.train, more.train), (found.test, more.test), (found.unlabelled, more.unlabelled)):
        np.testing.assert_array_equal(a.x["image"], b.x["image"][: len(a)])
    with pytest.warns(UserWarning, match="left out"):
        assert (mir_flickr(tmp_path, test_rows=4, seed=1).test.x["image"] != more.test.x["image"]).any()


def test_nothing_is_said_where_nothing_is_left_out(tmp_path):
    full = np.ones((6, 2000), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mir_flickr(written(tmp_path, unlabelled_tags=full), test_rows=1).dropped == 0
        none = {"unlabelled_image": None, "unlabelled_tags": None}
        assert mir_flickr(written(tmp_path, **none), test_rows=1).unlabelled is None
        with pytest.raises(InputError, match=r"unlabelled_rows is 3; .*no unlabelled_image"):
            mir_flickr(tmp_path, test_rows=1, unlabelled_rows=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": np.ones((9, 3856))}, r"image \(N, 3857\) \(it has shape \(9, 3856\)\)"),
        ({"labels": None}, r"labels \(N, 38\) \(not there\)"),
        ({"labels": np.full((9, 38), 2)}, "labels holds other values than 0 and 1"),
        ({"tags": np.full((9, 2000), 0.5)}, "tags holds other values"),
        ({"tags": np.zeros((8, 2000))}, "unequal length: image 9, tags 8, labels 9"),
        ({"unlabelled_tags": None}, "holds only one of unlabelled_image and unlabelled_tags"),
        ({"unlabelled_tags": np.ones((5, 2000))}, "unequal length: unlabelled_image 6, unlabelled_tags 5"),
        ({"image": np.full((9, 3857), np.inf)}, "NaN or inf"),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "mat"])
def test_unfit_files_are_refused(tmp_path, kind, change, says):
    with pytest.raises(InputError, match=rf"mir_flickr\.{kind}.*{says}"):
        mir_flickr(written(tmp_path, kind, **change), test_rows=2)


def test_missing_damaged_and_doubled_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"mir_flickr\.npz is missing; .*docs/data\.md"):
        mir_flickr(tmp_path)
    for kind in ("mat", "npz"):
        path = written(tmp_path, kind) / f"mir_flickr.{kind}"
        path.write_bytes(path.read_bytes()[:9000])
        with pytest.raises(InputError, match=rf"mir_flickr\.{kind}"):
            mir_flickr(tmp_path)
        path.unlink()
    written(written(tmp_path, "mat"), "npz")
    with pytest.raises(InputError, match="are both there"):
        mir_flickr(tmp_path)
    (tmp_path / "mir_flickr.mat").unlink()
    with pytest.raises(InputError, match=r"test_rows is 10000; .* has 9 labelled rows"):
        mir_flickr(tmp_path)
