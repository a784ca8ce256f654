"""CUB image-captions in its published layout: pairs, vocabulary, colours, and files that are damaged."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data import Preparation, pictures
from counterpoint.data.cub import COLOURS, cub
from counterpoint.data.cub_text import caption_codes, vocabulary, words
from counterpoint.data.named import NAMED, named
from counterpoint.errors import InputError
from counterpoint.training.options import split

BIRDS = 6
TRAIN, TEST = (0, 2, 3, 5), (4, 1)  # by numbers from 0
NAMES = [f"{1 + i // 2:03d}.Some_bird/Some_Bird_{i:04d}_{7 * i}.jpg" for i in range(BIRDS)]
ATTRIBUTES = (np.random.default_rng(1).random((BIRDS, 312)) < 0.2).astype(int)
PRIMARY = ("blue", "brown", "iridescent", "purple", "rufous", "grey", "yellow", "olive", "green", "pink")
PRIMARY += ("orange", "black", "white", "red", "buff")
JOINED = {  # by name, from the paper's appendix; rufous is in the published code alone
    "blue2red": {"blue", "iridescent", "purple", "green", "pink", "red", "rufous"},
    **{"brown": {"brown"}, "grey": {"grey"}, "yellow": {"yellow", "olive", "orange", "buff"}},
    **{"black": {"black"}, "white": {"white"}},
}


def photograph(bird, size=(50, 30)):
    noise = np.random.default_rng(bird).integers(0, 30, (size[1], size[0], 3))
    return Image.fromarray((noise + np.array([30 * bird, 90, 200])).clip(0, 255).astype(np.uint8))


def caption(bird, n):
    return f"bird number {bird} has {n} feathers, and it is ."


def written(place):
    for i, name in enumerate(NAMES):
        path = place / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(i).save(path, quality=90)
        path = (place / "captions" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{caption(i, n)}\n" for n in range(10)))
    (place / "idx2name.txt").write_text("".join(f"{i + 1} {name}\n" for i, name in enumerate(NAMES)))
    (place / "labels.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in ATTRIBUTES))
    for name, numbers in (("train", TRAIN), ("test", TEST)):
        (place / f"{name}_idx.txt").write_text("".join(f"{i}\n" for i in numbers))
    return place


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "cub")


def birds_of(data):
    """Which bird a row shows, by its red; JPEG changes it by little."""
    return np.rint((data.x["image"][..., 0].mean((1, 2)) - 14.5) / 30).astype(int).tolist()


def said(data):
    known = data.categories["text"]
    return [" ".join(known[code] for code in row) for row in data.x["text"]]


def test_every_caption_is_a_row_with_its_image_and_colours(folder):
    for part, birds in zip(cub(folder), (TRAIN, TEST), strict=True):
        shown = birds_of(part)
        assert part.labels["bird"].tolist() == part.blocks.tolist() == shown
        assert (part.x["image"].dtype, part.x["image"].shape[1:]) == (np.uint8, (64, 64, 3))
        assert sorted(shown) == sorted(10 * birds)
        for bird, colours in zip(shown, part.labels["colours"], strict=True):
            has = {name for name, one in zip(PRIMARY, ATTRIBUTES[bird, 248:263], strict=True) if one}
            assert colours.tolist() == [bool(has & joined) for joined in JOINED.values()]
    assert tuple(COLOURS) == tuple(JOINED)
    train, _ = cub(folder, least_count=1)
    texts = said(train)
    assert len(set(texts)) == 40
    for bird, text in zip(birds_of(train), texts, strict=True):
        n = int(text.split()[4])
        assert text == f"{caption(bird, n).replace(',', ' ,')} <eos>" + " <pad>" * (32 - 12)


def test_the_vocabulary_is_that_of_the_training_captions(folder):
    train, test = cub(folder)
    known = train.categories["text"]
    assert known == test.categories["text"]
    #  4 images x 10 captions: every number of feathers 4 times, every bird's own number 10 times and more
    assert known[:8] == ("<exc>", "<pad>", "<eos>", "bird", "number", "0", "has", "feathers")
    assert set(known[8:]) == {",", "and", "it", "is", ".", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
    few = cub(folder, least_count=11)[0].categories["text"]
    assert set("235") & set(few) == {"2", "3", "5"}, "10 of the bird and 4 of the feathers"
    assert not set("14") & set(few), "these birds are test birds"
    assert {
        int(t.split()[2]) if t.split()[2] != "<exc>" else None for t in said(cub(folder, least_count=11)[1])
    } == {None}


def test_pixels_are_resized_as_torch_resizes_them(folder):
    for size in ((50, 30), (500, 375), (64, 64)):
        photograph(1, size).save(folder / "images" / NAMES[1], format="PNG")
        _, test = cub(folder)
        image = test.x["image"][birds_of(test).index(1)].astype(float)
        given = torch.from_numpy(np.asarray(photograph(1, size)).astype(np.float64)).permute(2, 0, 1)
        want = torch.nn.functional.interpolate(given[None], (64, 64), mode="bilinear", antialias=True)[0]
        np.testing.assert_allclose(image, want.permute(1, 2, 0).numpy(), atol=1.01)


def test_fewer_rows_are_whole_images_among_more(folder):
    more, _ = cub(folder)
    fewer, one = cub(folder, rows=20, test_rows=10)
    assert (len(fewer), len(one)) == (20, 10)
    assert len(set(birds_of(fewer))) == 2
    assert set(said(fewer)) <= set(said(more))
    assert fewer.categories == more.categories, "the vocabulary is that of all training captions"
    assert len({tuple(birds_of(cub(folder, seed=seed)[0])) for seed in range(3)}) == 3
    for options, says in (
        ({"rows": 25}, "rows is 25; an image has 10 rows"),
        ({"rows": 50}, "rows is 50; that part has 40 rows"),
        ({"test_rows": 0}, "test_rows is 0"),
        ({"least_count": 0}, "least_count is 0"),
        ({"tokens": "words"}, "tokens is 'words'; allowed are plain, nltk"),
    ):
        with pytest.raises(InputError, match=says):
            cub(folder, **options)


def test_a_split_for_validation_parts_no_image(folder):
    train, _ = cub(folder)
    kept, held = split(len(train), 0.25, 0, torch.from_numpy(train.blocks))
    birds = np.array(birds_of(train))
    assert (len(held), set(birds[kept.numpy()]) & set(birds[held.numpy()])) == (10, set())


def test_rows_are_prepared_as_pictures_and_categories(folder):
    train, test = cub(folder)
    preparation = Preparation.fit(train)
    assert preparation.likelihoods == {"image": "laplace", "text": "categorical"}
    assert preparation["text"].n_categories == len(train.categories["text"])
    x, _ = preparation.apply(test, keep_bytes=True)
    np.testing.assert_array_equal(x["text"], test.x["text"])
    assert x["image"].dtype == np.uint8


def test_words_are_parted():
    for given, want in (
        ("a black-and-white bird.", ["a", "black-and-white", "bird", "."]),
        ('it\'s "big", 12cm (long)', ["it", "'s", '"', "big", '"', ",", "12cm", "(", "long", ")"]),
        ("A beak; the Wing/tail...", ["A", "beak", ";", "the", "Wing", "/", "tail", ".", ".", "."]),
        ("", []),
    ):
        assert words([given]) == [want]


def test_captions_are_cut_ended_and_filled():
    known = vocabulary([["w"] * 4, ["v", "<pad>"] * 4, ["u"] * 3])
    assert known == ("<exc>", "<pad>", "<eos>", "w", "v")
    cases = {0: [2] + [1] * 31, 3: [3] * 3 + [2] + [1] * 28, 31: [3] * 31 + [2], 40: [3] * 31 + [2]}
    for length, want in cases.items():
        assert caption_codes([["w"] * length], known).tolist() == [want]
    assert caption_codes([["u", "v"]], known)[0, :3].tolist() == [0, 4, 2]


def test_nltk_is_asked_where_it_is_wanted(folder, monkeypatch):
    module, tokenize = ModuleType("nltk"), ModuleType("nltk.tokenize")
    tokenize.word_tokenize = str.split
    monkeypatch.setitem(sys.modules, "nltk", module)
    monkeypatch.setitem(sys.modules, "nltk.tokenize", tokenize)
    assert "feathers," in cub(folder, tokens="nltk")[0].categories["text"]

    def lacking(_):
        raise LookupError("punkt")

    tokenize.word_tokenize = lacking
    with pytest.raises(InputError, match=r"nltk is installed without .*punkt_tab"):
        cub(folder, tokens="nltk")
    monkeypatch.setitem(sys.modules, "nltk.tokenize", None)
    with pytest.raises(ImportError, match=r"pip install nltk, or take 'plain'"):
        cub(folder, tokens="nltk")


def test_it_has_a_name_and_its_options(folder):
    train, test = named({"name": "cub", "folder": str(folder), "rows": 30, "least_count": 2})
    assert (len(train), len(test)) == (30, 20)
    assert "cub" in NAMED


@pytest.mark.parametrize("name", ["idx2name.txt", "labels.txt", "train_idx.txt", "test_idx.txt"])
def test_missing_cut_or_damaged_lists_are_named(folder, name, monkeypatch):
    monkeypatch.setattr(pictures, "_picture", lambda *_: np.zeros((64, 64, 3), np.uint8))
    path, want = folder / name, cub(folder)
    content = path.read_bytes()
    read, said = [], []
    for end in range(0, len(content), 1 if len(content) < 300 else 11):
        path.write_bytes(content[:end])
        try:
            found = cub(folder)
        except InputError as error:
            said.append(str(error))
        else:
            read.append(end)
            for a, b in zip(found, want, strict=True):
                np.testing.assert_array_equal(a.labels["colours"], b.labels["colours"])
    assert set(read) <= {len(content) - 1}, "only the last line's end may lack"
    assert all(name in one and f"{folder}/" in one for one in said)
    for bad in (b"<html>quota</html>\n", b"\xff\xfe" + content, content + b"9999\n"):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=name):
            cub(folder)
    path.unlink()
    with pytest.raises(InputError, match=rf"cub/{name} is missing; put it there as docs/data\.md says"):
        cub(folder)


@pytest.mark.parametrize(
    ("name", "line", "new", "says"),
    [
        ("idx2name.txt", 2, "4 x/y.jpg", r"idx2name\.txt, line 3: '4 x/y\.jpg'; it must be 3 and the name"),
        ("idx2name.txt", 2, "3 x/y.png", "line 3: .*the name of an image"),
        ("idx2name.txt", 2, "3 ../../y.jpg", "line 3: .*the name of an image"),
        (
            "labels.txt",
            1,
            " ".join(["1"] * 311),
            r"labels\.txt, line 2: 311 numbers; it must be 312 times 0 or 1",
        ),
        (
            "labels.txt",
            1,
            " ".join(["1"] * 311 + ["2"]),
            r"labels\.txt, line 2: '2'; .*attributes of image 1",
        ),
        ("labels.txt", 5, "", r"labels\.txt has 5 lines and idx2name\.txt 6 images"),
        ("train_idx.txt", 1, "6", r"train_idx\.txt, line 2: '6'; .*0 to 5"),
        ("train_idx.txt", 1, "-1", r"train_idx\.txt, line 2: '-1'"),
        ("train_idx.txt", 1, "0", r"train_idx\.txt, line 2: '0'; .*each number once"),
        ("train_idx.txt", 1, "4", r"train_idx\.txt and test_idx\.txt both name image 4"),
        ("test_idx.txt", 1, "", r"train_idx\.txt and test_idx\.txt lack 1 of 6 images, 1 first"),
    ],
)
def test_wrong_lines_are_named(folder, name, line, new, says):
    path = folder / name
    lines = path.read_text().splitlines()
    lines[line] = new
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=says):
        cub(folder)


def test_missing_and_damaged_captions_are_named(folder):
    path = (folder / "captions" / NAMES[3]).with_suffix(".txt")
    text = path.read_text()
    for count in (9, 11):
        path.write_text("a bird\n" * count)
        with pytest.raises(
            InputError, match=rf"Some_Bird_0003_21\.txt has {count} captions; it must have 10"
        ):
            cub(folder)
    path.write_text(text.rstrip("\n"))
    assert len(cub(folder)[0]) == 40
    path.write_bytes(text.encode() + b"\xe9")
    with pytest.raises(InputError, match=r"Some_Bird_0003_21\.txt is no text in UTF-8"):
        cub(folder)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"Some_Bird_0003_21\.txt is empty"):
        cub(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"captions/002\.Some_bird/Some_Bird_0003_21\.txt is missing"):
        cub(folder)


def test_missing_and_damaged_photographs_are_named(folder, tmp_path):
    path = folder / "images" / NAMES[4]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"Some_Bird_0004_28\.jpg cannot be read as JPEG or PNG"):
        cub(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"images/003\.Some_bird/Some_Bird_0004_28\.jpg is missing"):
        cub(folder)
    path.write_bytes(content)
    photograph(0).convert("L").save(folder / "images" / NAMES[0])
    assert cub(folder)[0].x["image"].shape == (40, 64, 64, 3)
    (folder / "images").rename(tmp_path / "aside")
    with pytest.raises(InputError, match=r"images/.*is missing"):
        cub(folder)


def test_pictures_are_kept_and_not_read_again(folder, monkeypatch):
    want, cache = cub(folder), folder / "cache"
    first = cub(folder, cache=cache)
    monkeypatch.setattr(pictures, "_picture", lambda *_: pytest.fail("read again"))
    for found in (first, cub(folder, cache=cache)):
        for a, b in zip(found, want, strict=True):
            np.testing.assert_array_equal(a.x["image"], b.x["image"])
            np.testing.assert_array_equal(a.x["text"], b.x["text"])
