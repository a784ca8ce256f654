"""Benchmark sets by name: training and test rows, made from files that a user has."""

import inspect
import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from counterpoint.data.arrays import read
from counterpoint.data.celeba import celeba
from counterpoint.data.cub import cub
from counterpoint.data.image_label import image_label
from counterpoint.data.image_sound_text import image_sound_text
from counterpoint.data.mimic_cxr import mimic_cxr
from counterpoint.data.mir_flickr import Flickr, mir_flickr
from counterpoint.data.mnist_svhn_text import mnist_svhn_text
from counterpoint.data.mouse_gratings import mouse_gratings
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import Parts
from counterpoint.data.polymnist import polymnist
from counterpoint.data.polymnist_files import PolyMNIST, read_polymnist_folders
from counterpoint.data.rats import rats
from counterpoint.data.two_view_mnist import two_view_mnist, two_view_mnist_mat
from counterpoint.data.xrmb import xrmb
from counterpoint.errors import InputError, choose

Split = tuple[MultimodalData, MultimodalData]


def _digits(make: Callable[..., PolyMNIST]) -> Callable[..., Split]:
    """Let a function that makes PolyMNIST return rows; its options stay to be seen."""

    @wraps(make)
    def rows(*args: Any, **options: Any) -> Split:
        sets = make(*args, **options)
        train = read(sets.train, labels={"digit": sets.train_labels})
        return train, read(sets.test, labels={"digit": sets.test_labels})

    return rows


def _two(make: Callable[..., Parts | Flickr]) -> Callable[..., Split]:
    """Let a function that makes more parts return training and test rows; its options stay to be seen."""

    @wraps(make)
    def rows(*args: Any, **options: Any) -> Split:
        sets = make(*args, **options)
        return sets.train, sets.test

    return rows


# Name -> a function from a folder and options to training and test rows.
NAMED: dict[str, Callable[..., Split]] = {
    "polymnist": _digits(polymnist),
    "polymnist_folders": _digits(read_polymnist_folders),
    "two_view_mnist": _two(two_view_mnist),
    "two_view_mnist_mat": _two(two_view_mnist_mat),
    "mnist_svhn_text": mnist_svhn_text,
    "image_sound_text": image_sound_text,
    "xrmb": _two(xrmb),
    "mir_flickr": _two(mir_flickr),
    "celeba": _two(celeba),
    "cub": cub,
    "image_label": image_label,
    "rats": rats,
    "mouse_gratings": mouse_gratings,
    "mimic_cxr": _two(mimic_cxr),
}


def named(given: Mapping[str, Any]) -> Split:
    """Return the training and test rows of a benchmark set.

    Args:
        given: `name`, one of `NAMED`; `folder`, where its files lie; and further options of its function.

    Raises:
        InputError: If there is no such set or option, or its files cannot be used.

    Example:
        >>> named({"name": "polymnst", "folder": "."})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: data: name is 'polymnst'; allowed are polymnist, ... \
Did you mean 'polymnist'?
    """
    options = check_named(given)
    return NAMED[str(given["name"])](options.pop("folder"), **options)


def check_named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a benchmark set, checked by name; nothing is read.

    Raises:
        InputError: If there is no such set or option, or no folder.
    """
    name = choose("data: name", given.get("name"), NAMED)
    _, *allowed = inspect.signature(NAMED[name]).parameters  # the first is the folder
    options = {k: v for k, v in given.items() if k != "name"}
    for key in options:
        choose(f"data: option of {name}", key, ["folder", *allowed])
    if not isinstance(options.get("folder"), str):
        raise InputError(f"data names {name!r} without a folder; give where its files lie: folder: PATH.")
    return options


def place(given: Any, base: Path) -> Any:
    """Return data as a grid names them, paths absolute, `~` and the environment's variables put in.

    Args:
        given: A path, or a mapping with paths at `folder` and `cache`.
        base: What relative paths are meant from.

    Raises:
        InputError: If a path names a variable that is not set.
    """
    if isinstance(given, Mapping):
        paths = {k: place(v, base) for k, v in given.items() if k in ("folder", "cache")}
        return {**given, **paths}
    if not isinstance(given, str):
        return given
    found = os.path.expandvars(given)
    if "$" in found:
        raise InputError(
            f"data is {given!r}, which names a variable that is not set; set it, or write the path."
        )
    return str((base / Path(found).expanduser()).resolve())
