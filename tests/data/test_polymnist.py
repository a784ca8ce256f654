"""PolyMNIST: the recipe against a naive one, what its seed fixes, and a cache that is whole or rebuilt."""

from collections import Counter
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from counterpoint.data import polymnist as module
from counterpoint.data.polymnist import polymnist

NAMES = ("rocket", "flower", "coffee", "china", "chelsea")
SHAPES = ((40, 50), (33, 29), (30, 30), (28, 60), (45, 28))


def save(folder: Path, images: dict, labels: dict, photos: dict) -> Path:
    for part in ("mnist", "photos"):
        (folder / part).mkdir(parents=True)
    for split in images:
        np.savez(folder / "mnist" / f"{split}.npz", images=images[split], labels=labels[split])
    np.savez(folder / "photos" / "photos.npz", **photos)
    return folder


@pytest.fixture(scope="module")
def made():
    """Noise instead of digits and photographs: every pixel is a case of its own. Class 9 is rare."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (n, 28, 28), np.uint8) for name, n in (("train", 230), ("test", 60))}
    labels = {"train": rng.permutation(np.repeat(np.arange(10), [25] * 9 + [5])), "test": np.arange(60) % 10}
    photos = {name: rng.integers(0, 256, (*s, 3), np.uint8) for name, s in zip(NAMES, SHAPES, strict=True)}
    return images, {name: each.astype(np.uint8) for name, each in labels.items()}, photos


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    return save(tmp_path_factory.mktemp("made"), *made)


def equal(one, other) -> bool:
    """Whether two sets hold the same."""
    same = [one.train.keys() == other.train.keys(), one.test.keys() == other.test.keys()]
    for split in ("train", "test"):
        for what in (f"{split}_labels", f"{split}_digits"):
            same.append(np.array_equal(getattr(one, what), getattr(other, what)))
        pairs = zip(getattr(one, split).values(), getattr(other, split).values(), strict=True)
        same += [np.array_equal(a, b) for a, b in pairs]
    return all(same)


def naive_mask(image: np.ndarray, side: int) -> list[list[bool]]:
    """Bilinear scaling with pixel areas aligned, pixel by pixel, in exact fractions."""

    def between(at: int) -> tuple[int, int, Fraction]:
        place = min(max((at + Fraction(1, 2)) * 28 / side - Fraction(1, 2), Fraction(0)), Fraction(27))
        low = floor(place)
        return low, min(low + 1, 27), place - low

    mask = []
    for row in range(side):
        top, bottom, down = between(row)
        mask.append([])
        for column in range(side):
            left, right, along = between(column)
            upper = (1 - along) * int(image[top, left]) + along * int(image[top, right])
            lower = (1 - along) * int(image[bottom, left]) + along * int(image[bottom, right])
            mask[-1].append((1 - down) * upper + down * lower > 128)
    return mask


@pytest.mark.parametrize(
    ("options", "side"),
    [({}, 21), ({"scale": 0.5}, 14), ({"scale": 1.0}, 28), ({"translated": False}, 28)],
)
def test_rows_are_those_of_a_naive_recipe(folder, made, options, side):
    images, labels, photos = made
    sets = polymnist(folder, modalities=5, rows=40, seed=3, **options)
    children = np.random.default_rng(3).spawn(12)
    for s, split in enumerate(("train", "test")):
        order, classes = module._order(labels[split], (40, None)[s], children[6 * s])
        np.testing.assert_array_equal(getattr(sets, f"{split}_labels"), classes)
        for m, name in enumerate(NAMES):
            photo = photos[name]
            plan = module._plan(labels[split], photo.shape, side, order, children[6 * s + 1 + m])
            np.testing.assert_array_equal(getattr(sets, f"{split}_digits")[:, m], plan.digits)
            for row in (0, 7, 39):
                (y, x), (down, along) = plan.crops[row], plan.offsets[row]
                wanted = photo[y : y + 28, x : x + 28].copy()
                mask = naive_mask(images[split][plan.digits[row]], side)
                for i in range(side):
                    for j in range(side):
                        if mask[i][j]:
                            wanted[down + i, along + j] = 255 - wanted[down + i, along + j]
                np.testing.assert_array_equal(getattr(sets, split)[f"m{m}"][row], wanted)


def test_masks_are_those_of_torch_on_mnist(real_data):
    images = np.load(real_data / "mnist" / "test.npz")["images"][:500]
    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(images).double()[:, None], size=(21, 21), mode="bilinear", align_corners=False
    )[:, 0].numpy()
    clear = np.abs(scaled - 128) > 1e-6  # torch rounds; at exactly 128 that decides
    np.testing.assert_array_equal(module._masks(images, 21)[clear] == 255, scaled[clear] > 128)
    assert clear.mean() > 0.99


def test_what_is_brighter_than_128_belongs_to_the_digit():
    for side in (8, 14, 21, 27, 28):
        for value, inside in ((128, 0), (129, 255)):
            assert (module._masks(np.full((1, 28, 28), value, np.uint8), side) == inside).all()


def test_shapes_types_and_order_in_memory(folder):
    sets = polymnist(folder)
    for images, labels, digits, rows in (
        (sets.train, sets.train_labels, sets.train_digits, 230),
        (sets.test, sets.test_labels, sets.test_digits, 60),
    ):
        assert list(images) == ["m0", "m1", "m2"]
        assert (labels.shape, labels.dtype, digits.shape, digits.dtype) == ((rows,), "u1", (rows, 3), "i4")
        for each in images.values():
            assert (each.shape, each.dtype, each.flags.c_contiguous) == ((rows, 28, 28, 3), np.uint8, True)


def test_every_image_is_used_once_per_modality_and_labels_agree(real_data):
    sets = polymnist(real_data, rows=50)
    for split, digits, labels in (
        ("train", sets.train_digits, sets.train_labels),
        ("test", sets.test_digits, sets.test_labels),
    ):
        known = np.load(real_data / "mnist" / f"{split}.npz")["labels"]
        np.testing.assert_array_equal(known[digits], np.repeat(labels[:, None], 3, axis=1))
    assert len(sets.test_digits) == 10_000
    np.testing.assert_array_equal(np.sort(sets.test_digits, axis=0).T, np.tile(np.arange(10_000), (3, 1)))
    assert (sets.test_digits[:, 0] == sets.test_digits[:, 1]).mean() < 0.01  # permuted afresh
    known = np.load(real_data / "mnist" / "train.npz")["labels"]
    order, classes = module._order(known, None, np.random.default_rng(0))
    digits = module._plan(known, (300, 300, 3), 21, order, np.random.default_rng(1)).digits
    np.testing.assert_array_equal(np.sort(digits), np.arange(60_000))
    np.testing.assert_array_equal(known[digits], classes)


def test_rows_are_shuffled(folder):
    steps = np.diff(polymnist(folder).train_labels.astype(int))
    assert (steps != 0).mean() > 0.7  # not by class
    assert (steps % 10 != 1).mean() > 0.7  # nor class after class in turns


def test_digits_reach_every_offset_independently(made, tmp_path):
    """White squares on black photographs show where they lie."""
    _, labels, photos = made
    white = {split: np.full((len(each), 28, 28), 255, np.uint8) for split, each in labels.items()}
    sets = polymnist(save(tmp_path, white, labels, {name: 0 * photo for name, photo in photos.items()}))
    places = []
    for each in sets.train.values():
        assert (each.reshape(230, -1).sum(axis=1, dtype=int) == 255 * 3 * 21 * 21).all()
        lit = each[..., 0] > 0
        places += [lit.any(axis=2).argmax(axis=1), lit.any(axis=1).argmax(axis=1)]
    for place in places:
        assert set(place.tolist()) == set(range(8))
    apart = np.corrcoef(places) - np.eye(6)
    assert np.abs(apart).max() < 0.25  # of 230 rows; 4 standard errors are 0.26


def test_outside_the_digit_is_a_crop_and_crops_come_from_everywhere(folder, made):
    """m2's photograph has room for nine crops: each image fits just one, inverted within 21 x 21 pixels."""
    photo = made[2]["coffee"]
    crops = {(y, x): photo[y : y + 28, x : x + 28] for y in range(3) for x in range(3)}
    found: Counter = Counter()
    for image in polymnist(folder).train["m2"]:
        fits = [key for key, c in crops.items() if ((image == c) | (image == 255 - c)).all()]
        assert len(fits) == 1
        rows, columns = np.nonzero((image != crops[fits[0]]).all(axis=2))
        assert (image == crops[fits[0]]).sum() > 3 * (784 - 441)
        assert max(np.ptp(rows), np.ptp(columns)) <= 20
        found.update(fits)
    assert len(found) == 9
    assert min(found.values()) > 8  # 25.6 expected


def test_untranslated_digits_are_not_scaled(folder, made):
    sets = polymnist(folder, translated=False, scale=0.5)
    assert equal(sets, polymnist(folder, translated=False))
    digits = made[0]["test"][sets.test_digits[:, 3 - 1]] > 128
    restored = np.where(digits[..., None], 255 - sets.test["m2"], sets.test["m2"])
    photo = made[2]["coffee"]
    crops = [photo[y : y + 28, x : x + 28] for y in range(3) for x in range(3)]
    assert all(any((image == crop).all() for crop in crops) for image in restored)


def test_same_seed_same_data_other_seed_other_data(folder):
    before = np.random.get_state()[1].copy()
    sets = polymnist(folder, seed=1)
    assert equal(sets, polymnist(folder, seed=1))
    other = polymnist(folder, seed=2)
    assert not np.array_equal(sets.train_digits, other.train_digits)
    assert not any(np.array_equal(sets.train[m], other.train[m]) for m in sets.train)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_the_first_modalities_do_not_depend_on_how_many_there_are(folder):
    three, five = polymnist(folder, rows=30), polymnist(folder, modalities=5, rows=30)
    assert list(five.train) == ["m0", "m1", "m2", "m3", "m4"]
    np.testing.assert_array_equal(three.train_digits, five.train_digits[:, :3])
    for split in ("train", "test"):
        for m in ("m0", "m1", "m2"):
            np.testing.assert_array_equal(getattr(three, split)[m], getattr(five, split)[m])


def test_fewer_rows_are_rows_of_the_whole_and_classes_stay_even(folder):
    whole, part = polymnist(folder), polymnist(folder, rows=73, test_rows=34)
    at = {tuple(digits): row for row, digits in enumerate(whole.train_digits.tolist())}
    rows = [at[tuple(digits)] for digits in part.train_digits.tolist()]
    assert len(set(rows)) == 73
    for m in part.train:
        np.testing.assert_array_equal(part.train[m], whole.train[m][rows])
    counts = np.bincount(part.train_labels)
    assert counts[9] == 5  # there are no more
    assert sorted(counts[:9]) == [7] * 4 + [8] * 5
    assert sorted(np.bincount(part.test_labels)) == [3] * 6 + [4] * 4


def test_digits_can_be_read(real_data):
    """Linear, on grey, untranslated images; measured .80, .61, .50 (chance .10)."""
    sets = polymnist(real_data, rows=3000, test_rows=500, translated=False)
    for name, least in {"m0": 0.7, "m1": 0.5, "m2": 0.38}.items():
        train, test = (images[name].mean(axis=3).reshape(-1, 784) / 255 for images in (sets.train, sets.test))
        score = RidgeClassifier(100.0).fit(train, sets.train_labels).score(test, sets.test_labels)
        assert score > least, name
