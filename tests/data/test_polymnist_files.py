"""PolyMNIST from the authors' folders, and MNIST from a loopback server: whole, damaged, not there."""

import gzip
import http.server
import socket
import struct
import sys
import threading
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counterpoint.data import polymnist_files
from counterpoint.data.polymnist import MNIST_FILES, download_mnist, polymnist, read_polymnist_folders
from counterpoint.errors import InputError

ROWS = [(10, 0), (2, 0), (1, 7), (0, 7), (11, 7)]  # (i, digit): as text, 10 comes before 2


@pytest.fixture
def base(tmp_path):
    """Two splits, three modalities; the colour of an image says where it belongs."""
    for s, split in enumerate(("train", "test")):
        for m in range(3):
            folder = tmp_path / split / f"m{m}"
            folder.mkdir(parents=True)
            for i, digit in ROWS if m % 2 else ROWS[::-1]:  # written in unlike orders
                picture(folder / f"{i}.{digit}.png", 100 * s + i, digit, m)
    return tmp_path


def picture(path: Path, *colour: int, size=(28, 28), mode="RGB") -> None:
    Image.new("RGB", size, colour).convert(mode).save(path, format="PNG")


def test_folders_are_read_by_digit_and_number(base):
    sets = read_polymnist_folders(base)
    wanted = [(2, 0), (10, 0), (0, 7), (1, 7), (11, 7)]
    for s, (images, labels) in enumerate(((sets.train, sets.train_labels), (sets.test, sets.test_labels))):
        assert labels.tolist() == [digit for _, digit in wanted]
        assert labels.dtype == np.uint8
        assert list(images) == ["m0", "m1", "m2"]
        for m, each in enumerate(images.values()):
            assert (each.shape, each.dtype, each.flags.c_contiguous) == ((5, 28, 28, 3), np.uint8, True)
            for image, (i, digit) in zip(each, wanted, strict=True):
                assert (image == [100 * s + i, digit, m]).all()
    assert (sets.train_digits, sets.test_digits) == (None, None)


def test_pixels_come_back_as_they_were_saved(base):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    Image.fromarray(pixels).save(base / "test" / "m1" / "1.7.png")
    np.testing.assert_array_equal(read_polymnist_folders(base).test["m1"][3], pixels)


def test_other_files_and_further_modalities_are_passed_over(base):
    for m, name in enumerate(("Thumbs.db", "._1.7.png", "1.7.png")):
        (base / "train" / f"m{m}" / name).write_bytes(b"x")
    assert list(read_polymnist_folders(base, modalities=2).train) == ["m0", "m1"]


def test_every_missing_folder_or_counterpart_is_named(base):
    for split in ("train", "test"):
        for m in ("m0", "m1", "m2"):
            path = base / split / m / "11.7.png"
            content = path.read_bytes()
            path.unlink()
            with pytest.raises(InputError, match=f"{split}/{m}/11.7.png is missing"):
                read_polymnist_folders(base)
            path.write_bytes(content)
    with pytest.raises(InputError, match=r"test/m3|train/m3"):
        read_polymnist_folders(base, modalities=4)
    for path in (base / "test" / "m1").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"test/m1 holds no PNG"):
        read_polymnist_folders(base)
    with pytest.raises(InputError, match="modalities is 0"):
        read_polymnist_folders(base, modalities=0)


@pytest.mark.parametrize(
    "name", ["3.10.png", "3.x.png", "3.-1.png", "3.png", "x.3.png", "3.7.PNG", "3.٧.png"]
)
def test_names_without_a_label_are_refused(base, name):
    for m in range(3):
        picture(base / "train" / f"m{m}" / name, 1, 2, 3)
    with pytest.raises(InputError, match="digit of 0-9") as caught:
        read_polymnist_folders(base)
    assert name in str(caught.value)


def test_two_names_of_one_image_are_refused(base):
    picture(base / "train" / "m0" / "001.7.png", 1, 2, 3)
    with pytest.raises(InputError, match=r"same number and digit"):
        read_polymnist_folders(base)


@pytest.mark.parametrize("options", [{"size": (28, 27)}, {"size": (56, 56)}, {"mode": "L"}, {"mode": "RGBA"}])
def test_images_of_another_shape_are_refused(base, options):
    picture(base / "test" / "m2" / "2.0.png", 1, 2, 3, **options)
    with pytest.raises(InputError, match=r"test/m2/2\.0\.png is an image of .* must be 28 x 28 in RGB"):
        read_polymnist_folders(base)


def test_no_cut_or_changed_png_is_read(base):
    path = base / "test" / "m2" / "2.0.png"
    content = path.read_bytes()
    cut = [content[:end] for end in range(len(content))]
    changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]
    Image.new("RGB", (28, 28)).save(path, format="JPEG")
    for bad in (*cut, *changed, path.read_bytes(), path.read_bytes() + content[-12:]):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=r"test/m2/2\.0\.png cannot be read as PNG"):
            read_polymnist_folders(base)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server without a log; a file whose name ends in `.cut` is promised whole and sent by half."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        short = Path(self.translate_path(self.path + ".cut"))
        if not short.exists():
            return super().do_GET()
        content = short.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return self.wfile.write(content[: len(content) // 2])


@contextmanager
def served(folder: Path):
    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Four small files as MNIST has them, their checksums, and what they hold."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rng, arrays = np.random.default_rng(0), {}
    (tmp_path / "site").mkdir()
    for name, rows in zip(MNIST_FILES, (30, 30, 20, 20), strict=True):
        shape = (rows, 28, 28) if "images" in name else (rows,)
        arrays[name] = rng.integers(0, 10, shape, np.uint8)
        put(tmp_path, name, idx(arrays[name]))
    return tmp_path, arrays


def idx(array: np.ndarray, magic: int | None = None, shape: tuple[int, ...] | None = None) -> bytes:
    shape = array.shape if shape is None else shape
    header = struct.pack(f">{1 + len(shape)}I", magic or 0x0800 + len(shape), *shape)
    return header + array.tobytes()


def put(folder: Path, name: str, content: bytes) -> None:
    (folder / "site" / name).write_bytes(gzip.compress(content))


def checksums(folder: Path) -> dict[str, str]:
    return {p.name: f"sha256:{sha256(p.read_bytes()).hexdigest()}" for p in (folder / "site").iterdir()}


def fetch(folder: Path, **options) -> Path:
    with served(folder / "site") as url:
        return download_mnist(folder / "data", **{"base_url": url, "registry": checksums(folder), **options})


def refused(folder: Path, message: str, **options) -> str:
    """The download fails with this message and leaves nothing."""
    with pytest.raises(InputError, match=message) as caught:
        fetch(folder, **options)
    assert not (folder / "data").exists()
    return str(caught.value)


def test_download_writes_what_was_served_and_says_nothing(site, capfd):
    folder, arrays = site
    place = fetch(folder)
    assert place == folder / "data" / "mnist"
    assert sorted(path.name for path in place.iterdir()) == ["test.npz", "train.npz"]
    for split, prefix in (("train", "train"), ("test", "t10k")):
        found = np.load(place / f"{split}.npz", allow_pickle=False)
        assert sorted(found.files) == ["images", "labels"]
        np.testing.assert_array_equal(found["images"], arrays[f"{prefix}-images-idx3-ubyte.gz"])
        np.testing.assert_array_equal(found["labels"], arrays[f"{prefix}-labels-idx1-ubyte.gz"])
    assert capfd.readouterr() == ("", "")
    (folder / "data" / "photos").mkdir()
    np.savez(folder / "data" / "photos" / "photos.npz", rocket=np.zeros((28, 28, 3), np.uint8))
    assert polymnist(folder / "data", modalities=1).train["m0"].shape == (30, 28, 28, 3)


def test_a_wrong_checksum_leaves_nothing(site):
    name = "t10k-labels-idx1-ubyte.gz"
    text = refused(site[0], "hash", registry={**checksums(site[0]), name: "sha256:" + "0" * 64})
    assert f"/{name} could not be downloaded" in text
    assert "train.npz and test.npz" in text
    refused(site[0], "train-images-idx3-ubyte.gz could not", registry=MNIST_FILES)


def test_a_failed_download_leaves_what_was_there(site):
    place = fetch(site[0])
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    put(site[0], "t10k-labels-idx1-ubyte.gz", b"nothing")
    with pytest.raises(InputError):
        fetch(site[0])
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_a_connection_that_breaks_off(site):
    path = site[0] / "site" / "train-images-idx3-ubyte.gz"
    path.with_name(path.name + ".cut").write_bytes(path.read_bytes())
    refused(site[0], r"http://127\.0\.0\.1:\d+/train-images-idx3-ubyte\.gz could not be downloaded")


def test_a_file_that_is_not_served_or_is_too_large(site, monkeypatch):
    monkeypatch.setattr(polymnist_files, "MOST_BYTES", 1000)
    refused(site[0], r"train-images-idx3-ubyte\.gz could not be downloaded: it has more than 1000 bytes")
    (site[0] / "site" / "train-images-idx3-ubyte.gz").unlink()
    refused(site[0], "404", registry=MNIST_FILES)


def test_no_server(site):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        refused(site[0], rf"{url}/train-.* could not be downloaded: .* by hand", base_url=url)


LABELS = np.arange(30, dtype=np.uint8) % 10
IMAGES = np.zeros((30, 28, 28), np.uint8)
UNFIT = {
    "images, other magic": (idx(IMAGES, magic=0x0D03), "has the header"),
    "images, labels instead": (idx(LABELS), "has the header|ends within its header"),
    "images, other size": (idx(IMAGES[:, 1:]), "has the header"),
    "images, none": (idx(IMAGES[:0]), "has the header"),
    "images, a huge claim": (idx(IMAGES, shape=(2**32 - 1, 28, 28)), "1 to 200000 rows"),
    "images, a false claim": (idx(IMAGES, shape=(200_000, 28, 28)), "fewer bytes"),
    "images, cut": (idx(IMAGES)[:-1], "fewer bytes"),
    "images, longer": (idx(IMAGES) + b"\0", "more bytes"),
    "images, too few": (idx(IMAGES[:29]), "29 images, 30 labels"),
    "images, header cut": (idx(IMAGES)[:10], "ends within its header"),
    "labels, other magic": (idx(LABELS, magic=0x0803), "has the header"),
    "labels, no digits": (idx(LABELS + 1), "labels up to 10"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_files_that_are_no_such_idx(site, case):
    content, message = UNFIT[case]
    what = {"i": "images-idx3", "l": "labels-idx1"}[case[0]]
    put(site[0], f"train-{what}-ubyte.gz", content)
    assert "base_url" in refused(site[0], message)


def test_gzip_that_is_cut_or_none_though_its_checksum_is_right(site):
    path = site[0] / "site" / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:5], b"", b"plain", whole + b"x"):
        path.write_bytes(content)
        refused(site[0], "truncated or damaged")


def test_a_bomb_is_not_unpacked(site, monkeypatch):
    """30 images and then 50 MB of zeros in 50 KB: no more is read than the header claims, and a byte."""
    put(site[0], "train-images-idx3-ubyte.gz", idx(IMAGES) + bytes(50_000_000))
    read, sizes = gzip.GzipFile.read, []
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: sizes.append(size) or read(self, size))
    refused(site[0], "more bytes")
    assert sizes == [16, 30 * 784 + 1]


@pytest.mark.parametrize("name", ["base_url", "registry"])
def test_bad_arguments_of_a_download(site, name):
    refused(site[0], name, **{name: {}})


def test_without_pooch_or_pillow_the_error_says_what_to_install(site, base, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'counterpoint\[data\]'"):
        fetch(site[0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install 'counterpoint\[plots\]'"):
        read_polymnist_folders(base)
