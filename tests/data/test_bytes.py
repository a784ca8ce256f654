"""Pictures that stay bytes until a trainer reads them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from counterpoint.asking import prepared_batch
from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.errors import InputError


def pictures(rows: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, 9, 8, 3)).astype(np.uint8)


def mixed(rows: int = 6) -> MultimodalData:
    x = np.linspace(0, 1, rows)
    return read({"image": pictures(rows), "table": np.stack([x, -x], 1), "word": ["a", "b"] * (rows // 2)})


def test_every_byte_is_read_as_apply_reads_it():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    preparation = Preparation.fit({"a": every})
    wanted, _ = preparation.apply({"a": every})
    kept, _ = preparation.apply({"a": every}, keep_bytes=True)
    assert kept["a"].dtype == np.uint8
    rows = torch.from_numpy(kept["a"])
    assert torch.equal(rows.to(torch.float32).div_(255), torch.from_numpy(wanted["a"]))


def test_only_pictures_of_bytes_are_kept():
    data = mixed()
    preparation = Preparation.fit(data)
    floats, mask = preparation.apply(data)
    kept, same = preparation.apply(data, keep_bytes=True)
    assert kept["image"] is data.x["image"]
    assert np.array_equal((kept["image"] / 255).astype(np.float32), floats["image"])
    for name in ("table", "word"):
        assert kept[name].dtype == floats[name].dtype
        assert np.array_equal(kept[name], floats[name])
    assert all(np.array_equal(mask[name], same[name]) for name in data.names)


def test_bytes_that_are_no_pictures_or_have_holes_are_read_as_before():
    counts = np.random.default_rng(0).poisson(3, (30, 6)).astype(np.uint8)
    kept, _ = Preparation.fit({"a": counts}).apply({"a": counts}, keep_bytes=True)
    assert kept["a"].dtype == np.float32
    seen = np.ones((6, 9, 8, 3), dtype=bool)
    seen[2, 3] = False  # single values
    holes = read({"a": pictures()}, mask={"a": seen})
    x, mask = Preparation.fit(holes).apply(holes, keep_bytes=True)
    assert (x["a"].dtype, mask["a"].shape) == (np.float32, seen.shape)


def test_pictures_of_bytes_that_come_as_floats_are_read_as_before():
    preparation = Preparation.fit({"a": pictures()})
    x, _ = preparation.apply({"a": pictures().astype(float)}, keep_bytes=True)
    assert x["a"].dtype == np.float32
    with pytest.raises(InputError, match="Multiply it by 255"):
        preparation.apply({"a": pictures() / 255}, keep_bytes=True)


def test_absent_rows_are_zero_and_the_data_are_left_alone():
    given = pictures()
    mask = np.arange(6) != 2
    dirty = MultimodalData({"a": given, "b": given}, {"a": mask, "b": np.ones(6, dtype=bool)})
    before = given.copy()
    preparation = Preparation.fit(dirty)
    x, _ = preparation.apply(dirty, keep_bytes=True)
    assert not x["a"][2].any()
    assert np.array_equal(x["a"][mask], given[mask])
    assert np.array_equal(given, before)
    absent, seen = preparation.apply({"b": given}, keep_bytes=True)
    assert (absent["a"].dtype, absent["a"].shape, absent["a"].any()) == (np.uint8, given.shape, False)
    assert not seen["a"].any()


def test_other_shapes_are_refused_as_before():
    preparation = Preparation.fit({"a": pictures()})
    with pytest.raises(InputError, match=r"it was fitted on \(9, 8, 3\)"):
        preparation.apply({"a": pictures()[:, :8]}, keep_bytes=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_leaves_bytes_alone(dtype):
    data = mixed()
    preparation = Preparation.fit(data)
    kept = prepared_batch(data, preparation, dtype, "cpu", keep_bytes=True)
    floats = prepared_batch(data, preparation, dtype, "cpu")
    assert {name: v.dtype for name, v in kept.x.items()} == {
        "image": torch.uint8,
        "table": dtype,
        "word": torch.int64,
    }
    assert floats.x["image"].dtype == dtype
    torch.testing.assert_close(kept.x["image"].to(dtype).div_(255), floats.x["image"])


def test_pictures_that_may_not_be_written_to_and_lie_apart_are_copied():
    whole = pictures(12)
    whole.flags.writeable = False
    preparation = Preparation.fit({"a": whole})
    for given in (whole, whole[::2], whole.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3)):
        batch = prepared_batch(read({"a": given}), preparation, torch.float32, "cpu", keep_bytes=True)
        assert batch.x["a"].is_contiguous()
        assert np.array_equal(batch.x["a"].numpy(), given)


PROGRAM = """
import resource, numpy as np, torch
from counterpoint.asking import prepared_batch
from counterpoint.data import Preparation, read
x = np.zeros((12_000, 28, 28, 3), dtype=np.uint8)
x[:] = np.arange(84, dtype=np.uint8).reshape(28, 3)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
prepared_batch(read({"m": x[:8]}), Preparation.fit({"m": x[:8]}), torch.float32, "cpu", keep_bytes=True)
before = peak()
data = read({"m": x})
batch = prepared_batch(data, Preparation.fit(data), torch.float32, "cpu", keep_bytes=True)
assert batch.x["m"].dtype == torch.uint8
print((peak() - before) / x.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts kilobytes on Linux")
def test_no_copy_in_floats_is_made():
    """A float32 copy would take four times the bytes of the pictures; what is taken, copies of bytes."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2.5
