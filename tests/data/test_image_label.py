"""Images with their labels as a modality, from small files in the published layouts."""

import gzip
import hashlib
import http.server
import struct
import threading
from functools import partial

import numpy as np
import pytest

from counterpoint.data.digit_words import WORDS
from counterpoint.data.image_label import CLOTHES, FASHION_FILES, download_fashion, image_label
from counterpoint.data.named import named
from counterpoint.errors import InputError
from published import number, write_mnist, write_svhn

TRAIN, TEST = np.arange(30) % 10, np.arange(20)[::-1] % 10


@pytest.fixture
def folder(tmp_path):
    write_mnist(tmp_path, TRAIN, TEST)
    write_mnist(tmp_path / "fashion", TRAIN, TEST)
    return write_svhn(tmp_path, TRAIN, TEST)


@pytest.mark.parametrize(
    ("images", "event", "words"),
    [("mnist", (1, 28, 28), WORDS), ("fashion", (1, 28, 28), CLOTHES), ("svhn", (3, 32, 32), WORDS)],
)
def test_the_word_is_what_the_image_shows(folder, images, event, words):
    parts = image_label(folder, images=images)
    for part, labels, first in zip(parts, (TRAIN, TEST), (0, len(TRAIN)), strict=True):
        shown = number(part.x["image"]) - first
        assert sorted(shown) == list(range(len(labels)))
        assert (part.x["image"].shape[1:], part.x["image"].dtype) == (event, np.uint8)
        np.testing.assert_array_equal(part.labels["class"], labels[shown])
        names = np.array(part.categories["label"])[part.x["label"][:, 0]]
        assert names.tolist() == [words[i] for i in labels[shown]]


def test_fewer_rows_are_a_part(folder):
    more, fewer = image_label(folder), image_label(folder, rows=7, test_rows=3)
    assert [len(part) for part in fewer] == [7, 3]
    for a, b in zip(more, fewer, strict=True):
        np.testing.assert_array_equal(a.x["image"][: len(b)], b.x["image"])
    train, test = named({"name": "image_label", "folder": str(folder), "images": "fashion", "rows": 12})
    assert (len(train), len(test)) == (12, 20)
    with pytest.raises(InputError, match="rows is 31; there are 30"):
        image_label(folder, rows=31)


@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_and_cut_files_are_named(folder, split):
    path = folder / "fashion" / "mnist" / f"{split}.npz"
    content = path.read_bytes()
    for share in (0, 0.5, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=rf"{split}\.npz cannot be read"):
            image_label(folder, images="fashion")
    path.unlink()
    with pytest.raises(InputError, match=rf"fashion/mnist/{split}\.npz is missing; .*download_fashion"):
        image_label(folder, images="fashion")
    with pytest.raises(InputError, match="images is 'kmnist'; allowed are mnist, fashion, svhn"):
        image_label(folder, images="kmnist")


def test_downloads_are_checked_by_the_published_checksums(tmp_path, monkeypatch):
    assert all(len(one) == 36 and one.startswith("md5:") for one in FASHION_FILES.values())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "site").mkdir()
    rng, registry = np.random.default_rng(0), {}
    for name in FASHION_FILES:
        shape = (20, 28, 28) if "images" in name else (20,)
        header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
        content = gzip.compress(header + rng.integers(0, 10, shape, np.uint8).tobytes())
        (tmp_path / "site" / name).write_bytes(content)
        registry[name] = f"md5:{hashlib.md5(content).hexdigest()}"
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            with pytest.raises(InputError, match=r"could not be downloaded.*hash"):
                download_fashion(tmp_path / "data", base_url=url)
            assert download_fashion(tmp_path / "data", base_url=url, registry=registry).is_dir()
        finally:
            server.shutdown()
            thread.join()
    assert len(image_label(tmp_path / "data", images="fashion")[0]) == 20


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server without a log."""

    def log_message(self, *_):
        pass
