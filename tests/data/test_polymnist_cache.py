"""PolyMNIST's cache is whole or built again, and what cannot be used is refused in words."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint import atomic
from counterpoint.data import polymnist as module
from counterpoint.data.polymnist import polymnist
from counterpoint.errors import InputError

NAMES = ("rocket", "flower", "coffee", "china", "chelsea")
ARRAYS = [f"{s}_{what}" for s in ("train", "test") for what in ("m0", "m1", "labels", "digits")]


@pytest.fixture
def folder(tmp_path):
    """Forty rows of noise a split."""
    rng = np.random.default_rng(0)
    for part in ("mnist", "photos"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for split in ("train", "test"):
        write(tmp_path / "data", split, rng.integers(0, 256, (40, 28, 28), np.uint8), np.arange(40) % 10)
    photos = {name: rng.integers(0, 256, (40, 50, 3), np.uint8) for name in NAMES}
    np.savez(tmp_path / "data" / "photos" / "photos.npz", **photos)
    return tmp_path / "data"


def write(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(folder / "mnist" / f"{split}.npz", images=images, labels=labels)


def make(folder: Path, **options):
    return polymnist(folder, **{"modalities": 2, "rows": 20, "cache": folder.parent / "cache", **options})


def kept(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").iterdir())


def assert_equal(one, other) -> None:
    for name in ("train_labels", "test_labels", "train_digits", "test_digits"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for split in ("train", "test"):
        assert getattr(one, split).keys() == getattr(other, split).keys()
        for m, images in getattr(one, split).items():
            np.testing.assert_array_equal(images, getattr(other, split)[m])


def refuse_to_build(monkeypatch):
    def build(*_):
        pytest.fail("built again")

    monkeypatch.setattr(module, "_build", build)


def test_what_is_kept_equals_what_is_built_and_is_not_built_again(folder, monkeypatch):
    built, first = make(folder, cache=None), make(folder)
    refuse_to_build(monkeypatch)
    again = make(folder)
    assert_equal(built, first)
    assert_equal(built, again)
    assert again.train["m0"].flags.c_contiguous
    assert again.train["m0"].dtype == np.uint8
    assert sorted(path.name for path in kept(folder)[0].iterdir()) == sorted(
        ["polymnist.json", *(f"{name}.npy" for name in ARRAYS)]
    )


def test_a_change_to_the_arrays_stays_out_of_the_files(folder):
    sets = make(folder)
    torch.from_numpy(sets.train["m0"]).zero_()  # would warn of an array that cannot be written to
    assert not sets.train["m0"].any()
    assert make(folder).train["m0"].any()


def test_the_description_tells_parameters_hashes_and_credits(folder):
    make(folder, seed=5)
    (place,) = kept(folder)
    told = json.loads((place / "polymnist.json").read_text())
    sources = told["parameters"].pop("sources")
    assert told["parameters"] == {
        **{"modalities": 2, "translated": True, "scale": 0.75, "rows": 20, "test_rows": None, "seed": 5},
        "format": module.FORMAT,
    }
    for name, file in (("train", "mnist/train"), ("test", "mnist/test"), ("photos", "photos/photos")):
        assert sources[name] == sha256((folder / f"{file}.npz").read_bytes()).hexdigest()
    assert sorted(told["files"]) == sorted(ARRAYS)
    for name, file in told["files"].items():
        content = (place / f"{name}.npy").read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert "CC BY 2.0" in told["credits"][1]


def cut(place: Path) -> None:
    path = place / "train_m1.npy"
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(place: Path) -> None:
    path = place / "train_m1.npy"
    path.write_bytes(path.read_bytes() + b"x")


def swap(place: Path) -> None:
    """As many bytes, but of another shape."""
    path = place / "test_m0.npy"
    path.write_bytes(path.read_bytes().replace(b"(40, 28, 28, 3)", b"(28, 40, 28, 3)"))


def tell_other_parameters(place: Path) -> None:
    path = place / "polymnist.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))


DAMAGE = {
    "cut": cut,
    "longer": lengthen,
    "other shape": swap,
    "no header": lambda place: (place / "train_m0.npy").write_bytes(
        bytes((place / "train_m0.npy").stat().st_size)
    ),
    "no array": lambda place: (place / "test_digits.npy").unlink(),
    "no description": lambda place: (place / "polymnist.json").unlink(),
    "half a description": lambda place: (place / "polymnist.json").write_text('{"files": {'),
    "another description": lambda place: (place / "polymnist.json").write_text("[1, 2]"),
    "no files": lambda place: (place / "polymnist.json").write_text(
        json.dumps(json.loads((place / "polymnist.json").read_text()) | {"files": {}})
    ),
    "other parameters": tell_other_parameters,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_built_again(folder, damage, monkeypatch):
    whole = make(folder)
    whole = {name: np.array(images) for name, images in whole.train.items()}
    (place,) = kept(folder)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    DAMAGE[damage](place)
    assert {path.name: path.read_bytes() for path in place.iterdir()} != before
    again = make(folder)
    for name, images in again.train.items():
        np.testing.assert_array_equal(images, whole[name])
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    refuse_to_build(monkeypatch)
    make(folder)


def test_what_was_stopped_half_way_is_built_again(folder, monkeypatch):
    """A stop while a damaged result is repaired: the old description may not vouch for what is there."""
    whole = make(folder, cache=None)
    make(folder)
    (place,) = kept(folder)
    cut(place)
    real, calls = atomic.write, []

    def stop(path, content):
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(path, content)

    monkeypatch.setattr(atomic, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        make(folder)
    assert not (place / "polymnist.json").exists()
    monkeypatch.setattr(atomic, "write", real)
    assert_equal(make(folder), whole)


OTHERS = (
    {"seed": 1},
    {"rows": 19},
    {"test_rows": 40},
    {"scale": 0.7},
    {"translated": False},
    {"modalities": 1},
)


def test_other_parameters_have_another_place(folder):
    make(folder)
    for count, options in enumerate(OTHERS, start=2):
        assert_equal(make(folder, **options), make(folder, cache=None, **options))
        assert len(kept(folder)) == count


def test_other_sources_have_another_place(folder):
    make(folder)
    write(folder, "test", np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10)
    assert_equal(make(folder), make(folder, cache=None))
    assert len(kept(folder)) == 2


def test_a_cache_that_cannot_be_written_to(folder):
    (folder.parent / "file").write_text("")
    with pytest.raises(InputError, match="choose a folder that can be written to"):
        make(folder, cache=folder.parent / "file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": 0}, "modalities is 0"),
        ({"modalities": 6}, "there are 5 photographs"),
        ({"modalities": "3"}, "modalities is '3'"),
        ({"translated": 1}, "translated is 1"),
        ({"scale": 0}, "scale is 0"),
        ({"scale": 1.5}, "at most 1"),
        ({"scale": 0.1}, "3 pixels wide"),
        ({"rows": 0}, "rows is 0"),
        ({"rows": 2.5}, "rows is 2.5"),
        ({"rows": 41}, "has 40 images"),
        ({"test_rows": -1}, "test_rows is -1"),
        ({"test_rows": 41}, "test_rows is 41"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_arguments_say_what_is_wrong(folder, options, message):
    with pytest.raises(InputError, match=message):
        make(folder, **options)
    if "images" not in message and "41" not in message:
        assert not (folder.parent / "cache").exists()  # refused before any work


@pytest.mark.parametrize("file", ["mnist/train.npz", "mnist/test.npz", "photos/photos.npz"])
def test_sources_that_are_missing_or_damaged_are_named(folder, file):
    path = folder / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=path.name):
        make(folder)
    path.unlink()
    with pytest.raises(
        InputError, match=r"is missing; (save one|counterpoint\.data\.polymnist\.download_mnist)"
    ):
        make(folder)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((40, 28, 28)), np.arange(40) % 10),
        (np.zeros((40, 784), np.uint8), np.arange(40) % 10),
        (np.zeros((40, 28, 28), np.uint8), np.arange(39) % 10),
        (np.zeros((40, 28, 28), np.uint8), np.arange(40)),
        (np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10 - 1),
        (np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10 / 2),
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0, int)),
        (np.uint8(3), np.uint8(3)),
    ],
)
def test_unfit_digits_are_refused(folder, images, labels):
    write(folder, "train", images, labels)
    with pytest.raises(InputError, match=r"train\.npz holds images .* it must hold images uint8"):
        make(folder, rows=1)


@pytest.mark.parametrize(
    "photo", [np.zeros((40, 50, 3)), np.zeros((40, 50), np.uint8), np.zeros((27, 50, 3), np.uint8), None]
)
def test_unfit_photographs_are_refused(folder, photo):
    given = {"flower": photo} if photo is not None else {}
    np.savez(folder / "photos" / "photos.npz", rocket=np.zeros((40, 50, 3), np.uint8), **given)
    with pytest.raises(InputError, match=r"as 'flower'; it must be uint8"):
        make(folder)
    assert list(make(folder, modalities=1).train) == ["m0"]  # what is not used is not asked for
