"""Two-modality MNIST: parts that share no image, partners of one class, noise, angles; the published file."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array
from scipy.io import savemat
from sklearn.linear_model import LogisticRegression

from counterpoint.data import two_view_mnist as module
from counterpoint.data.rotation import rotate
from counterpoint.data.two_view_mnist import two_view_mnist, two_view_mnist_mat
from counterpoint.errors import InputError
from published import number, write_mnist

ALL = ("rotated", "noisy", "plain")
RNG = np.random.default_rng(1)
LABELS = [RNG.permutation(np.arange(n) % 5) for n in (600, 90)]
CLASS = np.concatenate(LABELS)  # of a picture, by its number


@pytest.fixture
def folder(tmp_path):
    return write_mnist(tmp_path, *LABELS)


@settings(max_examples=40, deadline=None)
@given(any_array(np.uint8, (2, 7, 7)), st.tuples(st.floats(-45, 45), st.floats(-45, 45)))
def test_rotation_is_that_of_scipy(images, degrees):
    for image, angle, found in zip(images, degrees, rotate(images, np.array(degrees)), strict=True):
        true = scipy.ndimage.rotate(
            image.astype(float), angle, reshape=False, order=1, mode="grid-constant", prefilter=False
        )
        assert np.abs(found - true).max() <= 0.501


def test_rotation_goes_in_chunks(monkeypatch):
    images, degrees = RNG.integers(0, 256, (10, 28, 28), np.uint8), RNG.uniform(-45, 45, 10)
    whole = rotate(images, degrees)
    monkeypatch.setattr("counterpoint.data.rotation.CHUNK", 3)
    np.testing.assert_array_equal(rotate(images, degrees), whole)
    np.testing.assert_array_equal(rotate(images, np.zeros(10)), images)


def test_parts_share_no_image_and_partners_share_the_class(folder, monkeypatch):
    angles = []
    monkeypatch.setattr(module, "rotate", lambda images, degrees: angles.append(degrees) or images)
    sets = two_view_mnist(folder, modalities=ALL)
    assert [len(part) for part in sets] == [500, 100, 90]
    seen = []
    for part in sets:
        ids = {name: number(part.x[name]) for name in ALL}
        assert len(set(ids["rotated"])) == len(part), "every image is turned once"
        for one in ids.values():
            np.testing.assert_array_equal(CLASS[one], part.labels["digit"])
        assert (ids["rotated"] != ids["noisy"]).all()
        assert (ids["rotated"] != ids["plain"]).all()
        assert (ids["noisy"] != ids["plain"]).all()
        assert len(set(ids["noisy"])) < len(part), "partners are drawn with replacement"
        seen.append(set().union(*(one.tolist() for one in ids.values())))
        assert (np.diff(ids["rotated"]) > 0).mean() < 0.7, "rows are shuffled"
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(600))
    assert seen[2] == set(range(600, 690))
    every = np.concatenate(angles)
    assert (np.abs(every) <= 45).all()
    assert (every.min() < -43, every.max() > 43, abs(every.mean()) < 4) == (True, True, True)


def test_noise_is_uniform_and_cut(folder):
    noisy = two_view_mnist(folder, modalities=("noisy",)).train.x["noisy"][:, 0]
    assert noisy.dtype == np.uint8
    dark = noisy[:, 15:] / 255  # no picture has a bit there
    assert abs(dark.mean() - 0.5) < 0.003
    assert abs(dark.var() - 1 / 12) < 0.001
    ids = number(noisy)
    for b in range(10):
        assert (noisy[(ids >> b) & 1 == 1, b + 2] == 255).all()
    assert len(np.unique(dark.reshape(len(dark), -1)[:, 0])) > 150, "every image has noise of its own"


def test_the_same_seed_the_same_rows_and_fewer_are_a_part(folder):
    sets, again = two_view_mnist(folder, modalities=ALL), two_view_mnist(folder, modalities=ALL)
    fewer = two_view_mnist(
        folder, modalities=["noisy", "rotated"], flat=True, rows=70, tuning_rows=20, test_rows=9
    )
    other = two_view_mnist(folder, seed=1)
    for a, b, c, d in zip(sets, again, fewer, other, strict=True):
        for name in ALL:
            np.testing.assert_array_equal(a.x[name], b.x[name])
        assert c.names == ("noisy", "rotated")
        for name in c.names:
            assert c.x[name].shape == (len(c), 784)
            np.testing.assert_array_equal(c.x[name], a.x[name][: len(c)].reshape(len(c), 784))
            assert (d.x[name] != a.x[name]).any()
        np.testing.assert_array_equal(c.labels["digit"], a.labels["digit"][: len(c)])
    assert [len(part) for part in fewer] == [70, 20, 9]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modalities": ("rotatd",)}, "Did you mean 'rotated'"),
        ({"modalities": "rotated"}, "give a list"),
        ({"flat": 1}, "flat is 1"),
        ({"rows": 501}, "rows is 501; there are 500"),
        ({"tuning_rows": 101}, "tuning_rows is 101; there are 100"),
        ({"test_rows": 0}, "test_rows is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_are_checked(folder, options, says):
    with pytest.raises(InputError, match=says):
        two_view_mnist(folder, **options)


def test_sources_are_checked(folder):
    write_mnist(folder, [0] * 60 + [1] * 2, [0] * 5)
    with pytest.raises(InputError, match=r"images of digit 1; it needs three"):
        two_view_mnist(folder)
    path = folder / "mnist" / "test.npz"
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(InputError, match=r"test\.npz cannot be read"):
        two_view_mnist(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"test\.npz is missing; .*download_mnist"):
        two_view_mnist(folder)


def test_of_real_digits_both_modalities_can_be_read(real_data):
    sets = two_view_mnist(real_data, flat=True, rows=3000, test_rows=1000, tuning_rows=10)
    for name, least in (("rotated", 0.75), ("noisy", 0.75)):
        fit = LogisticRegression(C=0.01, max_iter=60, tol=1e-2)
        fit.fit(sets.train.x[name] / 255, sets.train.labels["digit"])
        assert fit.score(sets.test.x[name] / 255, sets.test.labels["digit"]) > least, name


def published(path, **change):
    """MNIST.mat with 6, 3 and 4 rows; pixel 0 of a row is its number / 10."""
    contents = {}
    for part, name, rows in (("", "train", 6), ("V", "tune", 3), ("Te", "test", 4)):
        for view in (1, 2):
            x = np.random.default_rng(view).random((rows, 784))
            x[:, 0] = np.arange(rows) / 10
            contents[f"X{part}{view}"] = x
        contents[f"{name}Label"] = (np.arange(rows) % 10 + 5.0)[:, None]
    contents["trainLabel"][5] = 10
    savemat(path / "MNIST.mat", {**contents, **change})
    return contents


def test_the_published_file_is_read(tmp_path):
    contents = published(tmp_path)
    sets = two_view_mnist_mat(tmp_path)
    assert [len(part) for part in sets] == [6, 3, 4]
    for part, key, name in zip(sets, ("", "V", "Te"), ("train", "tune", "test"), strict=True):
        rows = np.rint(part.x["rotated"][:, 0] * 10).astype(int)
        assert sorted(rows) == list(range(len(part)))
        np.testing.assert_array_equal(part.x["rotated"], contents[f"X{key}1"][rows].astype(np.float32))
        np.testing.assert_array_equal(part.x["noisy"], contents[f"X{key}2"][rows].astype(np.float32))
        np.testing.assert_array_equal(part.labels["digit"], contents[f"{name}Label"][rows, 0] % 10)
    assert sorted(sets.train.labels["digit"]) == [0, 5, 6, 7, 8, 9]
    fewer = two_view_mnist_mat(tmp_path, rows=2)
    np.testing.assert_array_equal(fewer.train.x["noisy"], sets.train.x["noisy"][:2])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X1": np.zeros((6, 783))}, r"X1 \(N, 784\) \(it has shape \(6, 783\)\)"),
        ({"XV2": np.zeros((4, 784))}, "XV1 has 3 rows, XV2 4"),
        ({"testLabel": np.array([[1], [2], [11], [3]])}, "testLabel holds 11 in row 2"),
        ({"tuneLabel": np.array([[0], [1], [2]])}, "tuneLabel holds 0 in row 0"),
        ({"trainLabel": np.ones((5, 1))}, "trainLabel has shape"),
    ],
)
def test_an_unfit_published_file_is_refused(tmp_path, change, says):
    published(tmp_path, **change)
    with pytest.raises(InputError, match=rf"MNIST\.mat.*{says}"):
        two_view_mnist_mat(tmp_path)


def test_a_cut_published_file_is_refused(tmp_path):
    published(tmp_path)
    path = tmp_path / "MNIST.mat"
    content = path.read_bytes()
    for part in (0, 0.1, 0.5, 0.99):
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(InputError, match=r"MNIST\.mat"):
            two_view_mnist_mat(tmp_path)
