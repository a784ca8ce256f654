"""Bimodal CelebA in its published layout: parts, pixels, both orders of the texts, damaged files."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.data import Preparation, pictures
from counterpoint.data.celeba import ALPHABET, ATTRIBUTES, celeba
from counterpoint.data.celeba_text import WORDS, attribute_texts, text_codes
from counterpoint.data.named import NAMED, named
from counterpoint.errors import InputError

PART = (0, 2, 0, 1, 0, 0, 2, 1, 0)  # of the images 000001.jpg, ...
ROWS = len(PART)
NAMES = [f"{i + 1:06d}.jpg" for i in range(ROWS)]
HAS = (np.random.default_rng(3).random((ROWS, 40)) < 0.2).astype(np.uint8)
HAS[1, 0] = 0
TABLES = ("list_attr_celeba.csv", "list_eval_partition.csv", "list_attr_text_256_False_True_celeba.csv")


def photograph(row, size=(178, 218)):
    """Noise over a colour that says which image it is."""
    noise = np.random.default_rng(row).integers(0, 40, (size[1], size[0], 3))
    pixels = noise + np.array([20 * row, 100, 200])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def text_of(row):
    """What the published file says of an image; here not what the attributes say, to tell them apart."""
    return f"{'*' * row}no {row}, a text".ljust(256, "*")


def write_csv(path, *lines):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def write_tables(folder):
    write_csv(
        folder / TABLES[0],
        ("image_id", *ATTRIBUTES),
        *((name, *(2 * has.astype(int) - 1)) for name, has in zip(NAMES, HAS, strict=True)),
    )
    write_csv(folder / TABLES[1], ("image_id", "partition"), *zip(NAMES, PART, strict=True))
    write_csv(folder / TABLES[2], ("image_id", "text"), *((n, text_of(i)) for i, n in enumerate(NAMES)))


def written(place):
    (place / "img_align_celeba").mkdir(parents=True)
    for row, name in enumerate(NAMES):
        photograph(row).save(place / "img_align_celeba" / name, quality=90)
    write_tables(place)
    return place


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "celeba")


def rows_of(data):
    """Which image a row shows, by its red; JPEG changes it by little."""
    return np.rint((data.x["image"][..., 0].mean((1, 2)) - 19.5) / 20).astype(int).tolist()


def spelled(codes):
    return ["".join(ALPHABET[code] for code in row) for row in codes]


def test_parts_labels_and_texts_belong_together(folder):
    found = celeba(folder)
    for part, number in zip(found, (0, 1, 2), strict=True):
        rows = rows_of(part)
        assert sorted(rows) == [i for i, p in enumerate(PART) if p == number]
        np.testing.assert_array_equal(part.labels["attributes"], HAS[rows])
        assert spelled(part.x["text"]) == [text_of(row) for row in rows]
        assert (part.x["image"].dtype, part.x["image"].shape[1:]) == (np.uint8, (64, 64, 3))
        assert part.categories == {"image": None, "text": ALPHABET}
    assert rows_of(found.train) != sorted(rows_of(found.train)), "rows come in shuffled order"


def test_the_validation_part_may_be_tested_on_as_in_the_papers(folder):
    honest, papers = celeba(folder), celeba(folder, test="validation")
    assert sorted(rows_of(papers.test)) == sorted(rows_of(honest.tuning)) == [3, 7]
    assert sorted(rows_of(papers.tuning)) == sorted(rows_of(honest.test)) == [1, 6]
    np.testing.assert_array_equal(honest.train.x["image"], papers.train.x["image"])


def test_fewer_rows_are_the_first_of_more_and_other_seeds_other_rows(folder):
    more, fewer = celeba(folder), celeba(folder, rows=3, tuning_rows=1, test_rows=1)
    for a, b in zip(fewer, more, strict=True):
        np.testing.assert_array_equal(a.x["image"], b.x["image"][: len(a)])
        np.testing.assert_array_equal(a.x["text"], b.x["text"][: len(a)])
    assert [len(part) for part in fewer] == [3, 1, 1]
    orders = {tuple(rows_of(celeba(folder, seed=seed).train)) for seed in range(4)}
    assert len(orders) > 1
    with pytest.raises(InputError, match="rows is 6; there are 5 rows in that part"):
        celeba(folder, rows=6)


def test_the_middle_is_cut_out_to_the_pixel(folder):
    inside = np.zeros((218, 178, 3), np.uint8)
    inside[35:183, 15:163] = 200  # 148 x 148
    for pixels, fine in ((inside, True), (np.roll(inside, 1, 0), False), (np.roll(inside, -1, 1), False)):
        Image.fromarray(pixels).save(folder / "img_align_celeba" / NAMES[3], format="PNG")  # exact
        found = celeba(folder, test="validation").test
        assert (found.x["image"] == 200).all((1, 2, 3)).any() == fine


def test_pixels_are_resized_as_torch_resizes_them(folder):
    photograph(3).save(folder / "img_align_celeba" / NAMES[3], format="PNG")
    found = celeba(folder, test="validation").test
    image = found.x["image"][rows_of(found).index(3)].astype(float)
    given = torch.from_numpy(np.asarray(photograph(3))[35:183, 15:163].astype(np.float64)).permute(2, 0, 1)
    want = torch.nn.functional.interpolate(given[None], (64, 64), mode="bicubic", antialias=True)[0]
    np.testing.assert_allclose(image, want.clamp(0, 255).permute(1, 2, 0).numpy(), atol=1.01)


def test_both_orders_and_starts_are_files_of_their_own(folder):
    for order in ("fixed", "random"):
        for start in ("fixed", "random"):
            path = folder / f"list_attr_text_256_{order == 'random'}_{start == 'random'}_celeba.csv"
            lines = [(name, f"{order} {start}") for name in NAMES]
            write_csv(path, ("image_id", "text"), *lines)
            found = spelled(celeba(folder, order=order, start=start).test.x["text"])
            assert {text.rstrip("*") for text in found} == {f"{order} {start}"}
    path.unlink()
    with pytest.raises(InputError, match=r"256_True_True_celeba\.csv is missing; .*text='made'"):
        celeba(folder, order="random")


def test_made_texts_say_what_a_face_has(folder):
    for order in ("fixed", "random"):
        found = celeba(folder, text="made", order=order).train
        for row, text in zip(rows_of(found), spelled(found.x["text"]), strict=True):
            said = text.strip("*").split(", ")
            want = [WORDS[column] for column in np.flatnonzero(HAS[row])]
            assert (sorted(said), said == want) == (sorted(want), order == "fixed" or len(want) < 2)
    assert (folder / TABLES[2]).unlink() is None
    np.testing.assert_array_equal(
        celeba(folder, text="made", order="random").train.x["text"], found.x["text"]
    )
    fewer = celeba(folder, text="made", order="random", rows=2).train
    np.testing.assert_array_equal(fewer.x["text"], found.x["text"][:2])


def test_made_texts_start_anywhere_or_at_the_first_character():
    has = np.zeros((3000, 40), np.uint8)
    has[:, 39] = 1  # young
    texts = attribute_texts(has, np.random.default_rng(0))
    starts = np.array([len(text) - len(text.lstrip("*")) for text in texts])
    assert {len(text) for text in texts} == {256}
    assert (starts.min(), starts.max()) == (0, 251)
    assert abs(starts.mean() - 125.5) < 5  # its standard deviation is 1.3
    fixed = attribute_texts(has, np.random.default_rng(0), start="fixed")
    assert set(fixed) == {"young".ljust(256, "*")}


def test_a_face_with_all_attributes_or_none_has_a_text_too():
    every, none = attribute_texts(np.eye(2, 1, dtype=np.uint8).repeat(40, 1), np.random.default_rng(0))
    assert every == ", ".join(WORDS)[:256]
    assert none == "*" * 256


def test_every_order_is_as_likely():
    has = np.zeros((2000, 40), np.uint8)
    has[:, [8, 20]] = 1
    texts = attribute_texts(has, np.random.default_rng(1), order="random", start="fixed")
    assert abs(np.mean([text.startswith("male, black hair") for text in texts]) - 0.5) < 0.05


def test_codes_are_places_in_the_published_alphabet():
    assert len(ALPHABET) == 41
    text = 'az09,"' + " *\n"
    assert text_codes([text])[0][:9].tolist() == [0, 25, 26, 35, 36, 37, 38, 39, 40]
    assert (text_codes([text])[0][9:] == 39).all(), "the end of a short text is *, not a"
    assert text_codes(["b" * 300]).tolist() == [[1] * 256]
    for bad in ("A", "-", "é", "\x00", "😀"):
        with pytest.raises(InputError, match=r"text 1 holds .*none of the 41 symbols"):
            text_codes(["fine", f"not {bad}"])


def test_rows_are_prepared_as_pictures_and_categories(folder):
    found = celeba(folder)
    preparation = Preparation.fit(found.train)
    assert preparation.likelihoods == {"image": "laplace", "text": "categorical"}
    assert preparation["text"].n_categories == 41
    x, _ = preparation.apply(found.test, keep_bytes=True)
    assert (x["image"].dtype, x["text"].dtype) == (np.uint8, np.int64)


def test_the_first_published_tables_do_too(folder):
    want = celeba(folder)
    lines = [f"{n}  {'  '.join(str(2 * int(v) - 1) for v in has)}" for n, has in zip(NAMES, HAS, strict=True)]
    (folder / "list_attr_celeba.txt").write_text(
        "\n".join((str(ROWS), " ".join(ATTRIBUTES) + " ", *lines, ""))
    )
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{n} {p}\n" for n, p in zip(NAMES, PART, strict=True))
    )
    for name in TABLES[:2]:
        (folder / name).unlink()
    for a, b in zip(celeba(folder), want, strict=True):
        np.testing.assert_array_equal(a.x["text"], b.x["text"])
        np.testing.assert_array_equal(a.labels["attributes"], b.labels["attributes"])
    path = folder / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace(f"{ROWS}\n", f"{ROWS + 1}\n", 1))
    with pytest.raises(InputError, match=r"list_attr_celeba\.txt says that it has 10 images and has 9"):
        celeba(folder)


def test_an_archive_that_unpacks_twice_is_found(folder):
    want = celeba(folder)
    images = folder / "img_align_celeba"
    images.rename(folder / "aside")
    images.mkdir()
    (folder / "aside").rename(images / "img_align_celeba")
    np.testing.assert_array_equal(celeba(folder).test.x["image"], want.test.x["image"])


def test_it_has_a_name_and_its_options(folder):
    train, test = named({"name": "celeba", "folder": str(folder), "order": "fixed", "test": "validation"})
    assert (len(train), len(test)) == (5, 2)
    assert "celeba" in NAMED


@pytest.mark.parametrize(
    "options", [{"text": "read"}, {"order": "alphabetic"}, {"start": 3}, {"test": "tuning"}]
)
def test_other_words_are_refused(folder, options):
    with pytest.raises(InputError, match=f"{next(iter(options))} is .*allowed are"):
        celeba(folder, **options)


def test_what_is_missing_is_named_before_anything_is_read(folder, monkeypatch):
    monkeypatch.setattr(pictures, "_picture", lambda *_: pytest.fail("read a photograph"))
    for name in (TABLES[2], TABLES[1], TABLES[0]):
        (folder / name).rename(folder / "aside")
        with pytest.raises(InputError, match=f"{name} is missing"):
            celeba(folder)
        (folder / "aside").rename(folder / name)
    (folder / "img_align_celeba" / NAMES[8]).unlink()
    with pytest.raises(InputError, match=r"img_align_celeba/000009\.jpg is missing; unpack"):
        celeba(folder, cache=folder / "cache")
    (folder / "img_align_celeba").rename(folder / "elsewhere")
    with pytest.raises(InputError, match=r"The folder .*img_align_celeba is missing"):
        celeba(folder)


def test_no_cut_photograph_is_read_as_another(folder):
    path = folder / "img_align_celeba" / NAMES[3]
    content, want = path.read_bytes(), celeba(folder).tuning.x["image"]
    said = []
    for end in [*range(0, len(content), len(content) // 40), *range(len(content) - 20, len(content))]:
        path.write_bytes(content[:end])
        try:
            found = celeba(folder, rows=1, test_rows=1)
        except InputError as error:
            said.append(str(error))
        else:
            np.testing.assert_array_equal(found.tuning.x["image"], want)
    assert len(said) >= 41, "what lacks nothing but its end mark has all of its pixels"
    assert all("000004.jpg cannot be read as JPEG or PNG" in one for one in said)
    for other in (b"<html>quota</html>", b"GIF89a" + content):
        path.write_bytes(other)
        with pytest.raises(InputError, match=r"000004\.jpg cannot be read"):
            celeba(folder)


@pytest.mark.parametrize("size", [(178, 217), (218, 178), (64, 64)])
def test_photographs_of_another_size_are_refused(folder, size):
    photograph(0, size).save(folder / "img_align_celeba" / NAMES[0])
    with pytest.raises(
        InputError, match=rf"000001\.jpg is an image of {size[0]} x {size[1]}.*must be 178 x 218"
    ):
        celeba(folder)


def test_a_grey_photograph_is_read_as_colours(folder):
    photograph(2).convert("L").save(folder / "img_align_celeba" / NAMES[2])
    assert celeba(folder).train.x["image"].shape == (5, 64, 64, 3)


@pytest.mark.parametrize("name", TABLES)
def test_no_cut_table_is_read_as_another(folder, name, monkeypatch):
    monkeypatch.setattr(pictures, "_picture", lambda *_: np.zeros((64, 64, 3), np.uint8))
    path = folder / name
    content, want = path.read_bytes(), celeba(folder)
    said = []
    for end in range(0, len(content), 1 if len(content) < 400 else 7):
        path.write_bytes(content[:end])
        try:
            found = celeba(folder)
        except InputError as error:
            said.append(str(error))
        else:
            for a, b in zip(found, want, strict=True):
                np.testing.assert_array_equal(a.labels["attributes"], b.labels["attributes"])
                np.testing.assert_array_equal(a.x["text"], b.x["text"])
    assert len(said) > 40
    assert all(f"{folder}/list_" in one for one in said)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (TABLES[0], "000002.jpg,", "000002.jpg,0,", r"csv, line 3 \(000002\.jpg\): '0'; .*40 times 1 or -1"),
        (TABLES[0], "000002.jpg,-1", "000002.jpg,2", r"line 3 \(000002\.jpg\): '2'"),
        (TABLES[0], "000002.jpg,-1,", "000002.jpg,", r"line 3 \(000002\.jpg\): 39 values"),
        (TABLES[0], "000003.jpg", "000002.jpg", r"'000002\.jpg' stands twice"),
        (TABLES[0], "000003.jpg", "../a.jpg", r"'\.\./a\.jpg' is no name of a file"),
        (TABLES[0], "Young", "Old", "other columns than an image's name and the 40 attributes"),
        (TABLES[1], "000002.jpg,2", "000002.jpg,3", r"list_eval_partition\.csv, line 3: '000002\.jpg 3'"),
        (TABLES[1], "000002.jpg,2", "000002.jpg", "line 3: '000002.jpg'"),
        (TABLES[1], "000002.jpg", "000003.jpg", r"image 1 is '000003\.jpg', in list_attr_celeba\.csv"),
        (TABLES[1], "partition", "split", "columns image_id, split; they must be image_id, partition"),
        (TABLES[1], "000009.jpg,0\n", "", "has 8 images, list_attr_celeba.csv 9"),
        (TABLES[2], "000002.jpg,", "000002.jpg,a,", r"_celeba\.csv, line 3: 3 fields"),
        (TABLES[2], "no 1", "NO 1", r"_celeba\.csv: text 1 holds 'N'"),
        (TABLES[2], "image_id,text", "text,image_id", "they must be image_id, text"),
        (TABLES[2], "000004.jpg", "000005.jpg", r"image 3 is '000005\.jpg'"),
    ],
)
def test_wrong_rows_are_named(folder, name, old, new, says):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=says) as caught:
        celeba(folder)
    assert str(path) in str(caught.value)


def test_tables_that_are_no_text_are_refused(folder):
    for name in TABLES:
        content = (folder / name).read_bytes()
        (folder / name).write_text("<html>\n<body>too many downloads</body>\n</html>\n")
        with pytest.raises(InputError, match=rf"{name} has (other columns|the columns <html>)"):
            celeba(folder)
        (folder / name).write_bytes(content[:1000] + b"\xff\xfe" + content[1000:])
        with pytest.raises(InputError, match=f"{name} is cut off, damaged or no table"):
            celeba(folder)
        (folder / name).write_bytes(content)
    path = folder / TABLES[1]
    path.write_text(path.read_text().replace(",2\n", ",0\n"))
    with pytest.raises(InputError, match="has no image of part 2"):
        celeba(folder)


def test_pictures_are_kept_and_not_read_again(folder, monkeypatch):
    want, cache = celeba(folder), folder / "cache"
    first = celeba(folder, cache=cache)
    assert len(list(cache.iterdir())) == 3, "one file a part, nothing half written"
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_picture", lambda *_: pytest.fail("read again"))
        again = celeba(folder, cache=cache)
        torch.from_numpy(again.train.x["image"]).zero_()  # would warn of an array that cannot be written to
        assert celeba(folder, cache=cache).train.x["image"].any()
    again = celeba(folder, cache=cache)
    for one in (first, again):
        for a, b in zip(one, want, strict=True):
            np.testing.assert_array_equal(a.x["image"], b.x["image"])


def test_other_or_damaged_photographs_are_read_again(folder):
    cache, path = folder / "cache", folder / "img_align_celeba" / NAMES[1]
    before = celeba(folder, cache=cache).test.x["image"].copy()
    for kept in cache.iterdir():
        kept.write_bytes(kept.read_bytes()[:-1])  # cut off
    np.testing.assert_array_equal(celeba(folder, cache=cache).test.x["image"], before)
    photograph(5).save(path)
    assert (celeba(folder, cache=cache).test.x["image"] != before).any()
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"000002\.jpg cannot be read"):
        celeba(folder, cache=cache)
    assert not [p for p in cache.iterdir() if p.name.startswith(".")], "nothing half written is left"


def test_a_cache_that_cannot_be_written_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache is .*file"):
        celeba(folder, cache=tmp_path / "file")


def test_too_little_memory_is_said_with_the_way_out(folder, monkeypatch):
    monkeypatch.setattr(pictures, "half_of_memory", lambda: 3 * 64 * 64 * 3)
    with pytest.raises(InputError, match=r"5 pictures of \(64, 64, 3\) need 61,440 bytes.*cache=FOLDER"):
        celeba(folder)
    assert [len(part) for part in celeba(folder, rows=3)] == [3, 2, 2]
    assert len(celeba(folder, cache=folder / "cache").train) == 5


def test_blocks_of_pictures_join_in_order(folder, monkeypatch):
    want = celeba(folder).train.x["image"]
    monkeypatch.setattr(pictures, "BLOCK", 2)
    np.testing.assert_array_equal(celeba(folder).train.x["image"], want)
    np.testing.assert_array_equal(celeba(folder, cache=folder / "cache").train.x["image"], want)


def test_a_page_of_a_website_is_no_photograph(folder):
    buffer = io.BytesIO()
    photograph(0).save(buffer, format="BMP")
    (folder / "img_align_celeba" / NAMES[0]).write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"000001\.jpg cannot be read as JPEG or PNG"):
        celeba(folder)
