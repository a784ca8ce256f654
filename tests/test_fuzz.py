"""Damaged copies of every kind of file: one clear error or a success, in little time."""

import os
import signal

import pytest

import fuzz

# On some damaged files HDF5's own C code ends the process or loops for ever: docs/security.md.
MAY_END = {"h5ad"}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return fuzz.kinds(tmp_path_factory.mktemp("fuzz"))


def check(found):
    assert not found.crashes, "\n".join(found.crashes[:5])
    assert found.inputs > 0
    assert found.ended + found.hung == 0 or found.kind in MAY_END


def test_a_few_of_each_kind(kinds):
    each = [fuzz.tried(kind, most=200, seconds=0.8, seed=1) for kind in kinds]
    assert {"config.yaml", "model.safetensors", "manifest.json", "npz", "csv", "sweep.yaml"} <= {
        f.kind for f in each
    }
    for found in each:
        check(found)
        assert found.accepted < found.inputs, f"{found.kind}: no damage was seen"


def test_a_crash_would_be_seen(tmp_path):
    (tmp_path / "in").mkdir()

    def read():
        content = (tmp_path / "in" / "a").read_bytes()
        if content != b"fine":
            raise KeyError(content)

    found = fuzz.tried(fuzz.Kind("a", tmp_path / "in" / "a", b"fine", read), most=20, seconds=5)
    assert found.crashes
    assert "KeyError" in found.crashes[0]


def test_what_is_written_elsewhere_would_be_seen(tmp_path):
    (tmp_path / "in").mkdir()
    read = (tmp_path / "elsewhere").touch
    found = fuzz.tried(fuzz.Kind("a", tmp_path / "in" / "a", b"fine", lambda: None), most=2, seconds=5)
    assert not found.crashes
    kind = fuzz.Kind(
        "a", tmp_path / "in" / "a", b"fine", lambda: None, lambda content: content != b"fine" and read()
    )
    assert "wrote" in fuzz.tried(kind, most=20, seconds=5).crashes[0]


@pytest.mark.slow
def test_thousands_of_each_kind(kinds):
    for kind in kinds:
        check(fuzz.tried(kind, most=5000, seconds=5, seed=2))


def test_what_ends_the_process_or_never_comes_back_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SLOW", 0.5)
    (tmp_path / "in").mkdir()

    def read():
        first = (tmp_path / "in" / "a").read_bytes()[:1]
        if first == b"k":
            os.kill(os.getpid(), signal.SIGKILL)
        while first == b"h":
            pass

    for content, expected in ((b"k", (1, 0)), (b"h", (0, 1)), (b"f", (0, 0))):
        monkeypatch.setattr(fuzz, "damaged", lambda intact, draw, content=content: content)
        kind = fuzz.Kind("a", tmp_path / "in" / "a", b"fine", read, forked=True)
        found = fuzz.tried(kind, most=1, seconds=20)
        assert (found.ended, found.hung) == expected
        assert not found.crashes
