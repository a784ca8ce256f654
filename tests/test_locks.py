"""One process at a time in a folder: what holds it, and what is left."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from counterpoint.errors import InputError
from counterpoint.locks import alone

HOLD = """
import sys
from counterpoint.locks import alone
with alone(sys.argv[1], "fit"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_ends_however_it_ends(tmp_path):
    place = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(InputError, match=rf"another fit is at work in {place}; wait for it"),
        alone(place, "fit"),
    ):
        pass
    other.kill()
    other.wait()
    other.stdin.close(), other.stdout.close()
    with alone(place, "fit"):
        assert not list(place.iterdir())


def test_a_folder_that_was_made_and_stayed_empty_goes_again(tmp_path):
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "a" / "b", "fit"):
        _ = 1 / 0
    assert not (tmp_path / "a" / "b").exists()
    (tmp_path / "c").mkdir()
    with alone(tmp_path / "c", "fit"):
        pass
    assert (tmp_path / "c").is_dir()
    with alone(tmp_path / "d", "fit"):
        (tmp_path / "d" / "file").touch()
    assert (tmp_path / "d" / "file").exists()


def test_a_file_in_the_way_is_one_error(tmp_path):
    (tmp_path / "f").touch()
    with (
        pytest.raises(InputError, match=r"cannot write .*; give another folder"),
        alone(tmp_path / "f" / "g", "fit"),
    ):
        pass


def test_without_locks_there_is_a_warning_and_other_errors_are_raised(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match="file system without locks"), alone(tmp_path, "fit"):
        pass

    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), alone(tmp_path, "fit"):
        pass
