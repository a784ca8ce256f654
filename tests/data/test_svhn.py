"""SVHN from files as they are published: whole, cut, of another layout."""

import numpy as np
import pytest
from scipy.io import savemat

from counterpoint.data.svhn import svhn
from counterpoint.errors import InputError
from published import number, write_svhn

TRAIN, TEST = np.array([3, 0, 9, 1, 0]), np.array([5, 0])


@pytest.fixture
def folder(tmp_path):
    return write_svhn(tmp_path, TRAIN, TEST)


def test_images_come_channels_first_and_ten_is_nought(folder):
    for split, labels, first in (("train", TRAIN, 0), ("test", TEST, 5)):
        images, found = svhn(folder, split)
        assert (images.shape, images.dtype) == ((len(labels), 3, 32, 32), np.uint8)
        assert images.flags.c_contiguous
        np.testing.assert_array_equal(found, labels)
        np.testing.assert_array_equal(number(images), first + np.arange(len(labels)))


def test_axes_are_row_column_channel_image(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), np.uint8)
    (tmp_path / "svhn").mkdir()
    savemat(tmp_path / "svhn" / "train_32x32.mat", {"X": X, "y": np.array([[1], [2]], np.uint8)})
    images, _ = svhn(tmp_path, "train")
    for i, channel, row, column in ((0, 1, 2, 30), (1, 2, 31, 0)):
        assert images[i, channel, row, column] == X[row, column, channel, i]


def test_a_cut_file_is_refused(folder):
    path = folder / "svhn" / "test_32x32.mat"
    content = path.read_bytes()
    for end in range(0, len(content), 3):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"test_32x32\.mat.*ufldl\.stanford\.edu"):
            svhn(folder, "test")
    svhn(folder, "train")


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({"y": np.array([[11], [1]])}, "y holds 11 in row 0.*from 1 to 10"),
        ({"y": np.array([[0], [1]])}, "y holds 0 in row 0"),
        ({"y": np.array([[1]])}, r"y has shape \(1, 1\).*each of the 2 rows"),
        ({"X": np.zeros((2, 32, 32, 3), np.uint8)}, r"must hold X \(32, 32, 3, N\) \(it has shape"),
        ({"X": np.zeros((32, 32, 3, 2))}, "X is float64; it must be uint8"),
        ({"X": None}, "X .*not there"),
    ],
)
def test_another_layout_is_refused(tmp_path, contents, says):
    (tmp_path / "svhn").mkdir()
    good = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[10], [1]], np.uint8)}
    kept = {k: v for k, v in {**good, **contents}.items() if v is not None}
    savemat(tmp_path / "svhn" / "train_32x32.mat", kept)
    with pytest.raises(InputError, match=rf"train_32x32\.mat.*{says}"):
        svhn(tmp_path, "train")


def test_a_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"test_32x32\.mat is missing; download test_32x32\.mat from http"):
        svhn(tmp_path, "test")
    with pytest.raises(InputError, match="split is 'extra'"):
        svhn(tmp_path, "extra")
