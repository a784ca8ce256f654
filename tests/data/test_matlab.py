"""Named arrays of .mat and .npz: as they were saved, and never anything out of a damaged file."""

import re
import sys
import types

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as any_array
from scipy.io import loadmat, savemat

from counterpoint.data.matlab import arrays, codes
from counterpoint.data.matlab5 import read_matlab5
from counterpoint.errors import InputError

LAYOUT = {"X": (None, 3), "y": (None, None)}
HDF5 = b"\x89HDF\r\n\x1a\n"
X, Y = np.arange(12.0).reshape(4, 3), np.arange(4, dtype=np.uint8)[:, None]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(folder, do_compression=False, **change):
    path = folder / "a.mat"
    aside = {"text": "aside", "cell": np.array([1, "b"], object), "s": {"a": 1}, "z": X + 1j}
    savemat(path, {**aside, "X": X, "y": Y, **change}, do_compression=do_compression)
    return path


def read(path, layout=LAYOUT, **options):
    return arrays(path, layout, get="ask for it", **options)


def refused(path, says, **options):
    with pytest.raises(InputError, match=says) as caught:
        read(path, **options)
    text = str(caught.value)
    assert str(path) in text or path.name in text
    assert text.endswith(("ask for it.", "again."))
    assert "\n" not in text


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_arrays_come_as_they_were_saved(tmp_path, options):
    path = tmp_path / "a.mat"
    savemat(path, {"X": X, "y": Y, "z": X}, **options)
    found = read(path)
    assert list(found) == ["X", "y"]
    np.testing.assert_array_equal(found["X"], X)
    np.testing.assert_array_equal(found["y"], Y)


SIGNED = [f"int{bits}" for bits in (8, 16, 32, 64)]
NUMBERS = ["bool", *SIGNED, *(f"u{name}" for name in SIGNED), "float32", "float64"]


@quick
@given(st.data(), st.sampled_from(NUMBERS), st.booleans(), st.text("xyzXYZ_", min_size=1, max_size=30))
def test_arrays_are_those_that_scipy_reads(tmp_path, data, dtype, compressed, name):
    shape = data.draw(array_shapes(min_dims=2, max_dims=4, max_side=5))
    values = data.draw(any_array(dtype, shape))
    path = tmp_path / "a.mat"
    savemat(path, {"aside": X, "a" + name: values}, do_compression=compressed)
    found = read_matlab5(path, ["a" + name])["a" + name]
    true = loadmat(path)["a" + name]
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)
    np.testing.assert_array_equal(found, values)


def test_doubles_that_are_stored_in_bytes_are_doubles(tmp_path):
    """MATLAB stores whole numbers in the smallest type that holds them; scipy does not write such files."""
    path = tmp_path / "a.mat"
    savemat(path, {"X": Y})
    content = bytearray(path.read_bytes())
    assert content[144] == 9, "the class of the array: uint8"
    content[144] = 6
    path.write_bytes(content)
    found = read_matlab5(path, ["X"])["X"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, Y)


def test_npz_is_read_alike(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y, aside=np.array([{}], object))
    np.testing.assert_array_equal(read(tmp_path / "a.npz")["X"], X)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    refused(tmp_path / "b.npz", "cut off, damaged")
    np.savez(tmp_path / "c.npz", X=np.array([[{}] * 3], object), y=Y)
    with pytest.raises(InputError, match=r"c\.npz.*Python objects"):
        read(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X": X[:, :2]}, r"must hold X \(N, 3\) \(it has shape \(4, 2\)\)"),
        ({"X": X[:0]}, r"shape \(0, 3\)"),
        ({"X": X[None]}, r"shape \(1, 4, 3\)"),
        ({"X": np.where(X == 5, np.nan, X)}, r"X \(N, 3\) \(it holds NaN or inf\)"),
        ({"X": X + 1j}, r"cut off, damaged .*\(X is complex\)"),
        ({"X": np.array([[1, "b", 2]], object)}, "X is a cell array, not an array of numbers"),
        ({"y": "text"}, "y is text"),
        ({"X": {"field": X}}, "X is a struct"),
        ({"X": scipy.sparse.csc_matrix(X)}, "X is a sparse matrix"),
    ],
)
def test_other_contents_are_refused(tmp_path, change, says):
    refused(saved(tmp_path, **change), says)


def test_what_is_lacking_is_named_unless_it_may(tmp_path):
    path = saved(tmp_path)
    refused(path, r"must hold Z \(1\) \(not there\)", layout={**LAYOUT, "Z": (1,)})
    assert list(read(path, {**LAYOUT, "Z": (1,)}, optional=["Z"])) == ["X", "y"]
    refused(tmp_path / "b.mat", r"b\.mat is missing; ask for it\.")
    refused(tmp_path, "is missing")


@pytest.mark.parametrize("compressed", [False, True])
def test_no_cut_file_is_read(tmp_path, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"X": X, "y": Y}, do_compression=compressed)
    content = path.read_bytes()
    for end in range(
        len(content) - (0 if compressed else 4)
    ):  # of y's four bytes and padding, the data count
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"a\.mat"):
            read(path)


def test_a_packed_variable_without_its_checksum_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"X": X}, do_compression=True)
    content = path.read_bytes()
    assert int.from_bytes(content[132:136], "little") == len(content) - 136
    path.write_bytes(content[:132] + (len(content) - 140).to_bytes(4, "little") + content[136:-4])
    refused(path, "does not end where it should", layout={"X": (None, 3)})
    path.write_bytes(content[:132] + b"\xf0\xff\xff\xff" + content[136:])  # no memory is taken for 4 GB
    refused(path, "ends within a variable", layout={"X": (None, 3)})
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(path, "incorrect data check", layout={"X": (None, 3)})


@quick
@given(st.data())
def test_a_changed_byte_gives_an_error_or_the_layout(tmp_path, data):
    path = saved(tmp_path, do_compression=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = read(path)
    except InputError as error:
        found, said = None, str(error)
    else:
        said = ""
    if found is None:
        assert "a.mat" in said
    else:
        assert found["X"].shape[1] == 3
        assert all(np.isfinite(one).all() for one in found.values())


@quick
@example(b"")
@example(b"MATLAB 5.0 MAT-file" + bytes(200))
@example(b"PK\x03\x04" + bytes(100))
@given(st.binary(max_size=400))
def test_any_bytes_are_one_error(tmp_path, content):
    assume(HDF5 not in (content[:8], content[512:520]))
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mat"):
        read(path)


def hdf5(folder):
    """What MATLAB's -v7.3 begins with."""
    path = folder / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + HDF5 + bytes(100))
    return path


def test_hdf5_without_its_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'counterpoint[omics]'") + ".*-v7") as caught:
        read(hdf5(tmp_path))
    assert "a.mat" in str(caught.value)


def test_hdf5_has_its_axes_reversed(tmp_path, monkeypatch):
    class Dataset(np.ndarray):
        """What h5py gives for an array, as far as it is used here."""

    class File(dict):
        def __init__(self, path, mode):
            assert mode == "r"
            super().__init__(X=X.T.view(Dataset), y=Y.T.view(Dataset), group={})

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.clear()

        def visititems_links(self, look):
            """No links but its own arrays."""

    monkeypatch.setitem(sys.modules, "h5py", types.SimpleNamespace(File=File, Dataset=Dataset))
    found = read(hdf5(tmp_path))
    np.testing.assert_array_equal(found["X"], X)
    assert found["y"].shape == (4, 1)
    refused(hdf5(tmp_path), "not there", layout={**LAYOUT, "group": (None,)})
    with monkeypatch.context() as m:
        m.setattr(File, "__init__", lambda *_: (_ for _ in ()).throw(OSError("truncated file")))
        refused(hdf5(tmp_path), r"cut off, damaged .*truncated file")


def test_real_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["X"], file["y"] = X.T, Y.T
    np.testing.assert_array_equal(read(path)["X"], X)
    path.write_bytes(path.read_bytes()[:700])
    refused(path, "cut off, damaged")


@given(st.lists(st.integers(0, 39), min_size=1, max_size=9), st.sampled_from([(1, -1), (-1, 1), (-1,)]))
def test_labels_come_as_a_row_or_a_column(labels, shape):
    path = "a.mat"
    for dtype in (np.uint8, np.float64):
        found = codes(path, "y", np.array(labels, dtype).reshape(shape), len(labels), 0, 39)
        assert (found.dtype, found.tolist()) == (np.int64, labels)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([1, 2], r"y has shape \(2,\).*each of the 3 rows"),
        ([[1, 2], [3, 4]], r"shape \(2, 2\)"),
        ([1, 2, 11], "holds 11 in row 2.*from 1 to 10"),
        ([1, 0, 3], "holds 0 in row 1"),
        ([1, 1.5, 3], r"holds 1\.5 in row 1"),
    ],
)
def test_labels_out_of_range_are_refused(labels, says):
    with pytest.raises(InputError, match=rf"a\.mat: .*{says}|a\.mat: {says}"):
        codes("a.mat", "y", np.array(labels), 3, 1, 10)
