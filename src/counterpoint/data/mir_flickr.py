"""MIR-Flickr: features of photographs and their tags, 38 labels, and images without labels."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.matlab import arrays
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.parts import asked, some
from counterpoint.errors import InputError, whole

FEATURES, TAGS, LABELS = 3857, 2000, 38
LEAST_TAGS = 2  # of an image without labels
LAYOUT = {
    "image": (None, FEATURES),
    "tags": (None, TAGS),
    "labels": (None, LABELS),
    "unlabelled_image": (None, FEATURES),
    "unlabelled_tags": (None, TAGS),
}
_OPTIONAL = ("unlabelled_image", "unlabelled_tags")
_GET = "make it from the published features as docs/data.md says"


class Flickr(NamedTuple):
    """Training, test and unlabelled rows, and how many unlabelled images had too few tags.

    Example:
        >>> one = read({"image": [[1.0]], "tags": [[0.0]]})
        >>> Flickr(one, one, None, 0).unlabelled is None
        True
    """

    train: MultimodalData
    test: MultimodalData
    unlabelled: MultimodalData | None
    dropped: int


def mir_flickr(
    folder: str | Path,
    *,
    rows: int | None = None,
    test_rows: int = 10_000,
    unlabelled_rows: int | None = None,
    seed: int = 0,
) -> Flickr:
    """Read MIR-Flickr from `folder/mir_flickr.npz` or `folder/mir_flickr.mat`.

    There is no public reader, and the published features come in many small files, so this layout is ours:
    `image` (N, 3857) features, `tags` (N, 2000) of 0 and 1, `labels` (N, 38) of 0 and 1, and, if there are
    images without labels, `unlabelled_image` (U, 3857) and `unlabelled_tags` (U, 2000). `docs/data.md` says
    how to make it. The file is read whole: 23 kB a row in float32.

    Unlabelled images with fewer than 2 tags are left out, as in the papers; a warning says how many, and
    `dropped` has the number. Labelled images without a tag stay: no tag is what was observed. Whoever takes
    it for missing hides it: `data.with_mask({"tags": data.x["tags"].any(axis=1)})`. Features are not
    standardised here; `Preparation` does it with the training rows.

    Args:
        folder: Where the file lies.
        rows: How many training rows; None takes all that are no test rows.
        test_rows: How many labelled rows are held out, at random (published: 10,000 of 25,000).
        unlabelled_rows: How many unlabelled rows; None takes all.
        seed: Of the parts and the rows that are drawn.

    Shapes: image (N, 3857) float32, tags (N, 2000) uint8; the label `classes` (N, 38) uint8.

    Raises:
        InputError: a missing or damaged file, other arrays or shapes, tags or labels that are not 0 or 1,
            more rows than there are; it names the file.
        ImportError: a `.mat` was saved with -v7.3 and h5py is not installed.

    Source: Huiskes and Lew 2008 (the images; redistributable for research, each under a licence of its own);
    features, tags and protocol of Srivastava and Salakhutdinov 2012.

    Example:
        >>> mir_flickr("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/mir_flickr.npz is missing; make it from the published \
features as docs/data.md says.
    """
    count, held, more = asked(rows=rows, test_rows=test_rows, unlabelled_rows=unlabelled_rows)
    for_parts, for_unlabelled = np.random.default_rng(whole("seed", seed, least=0)).spawn(2)
    path = Path(folder) / "mir_flickr.npz"
    other = path.with_suffix(".mat")
    if path.is_file() and other.is_file():
        raise InputError(f"{path} and {other.name} are both there; keep the one that is meant.")
    path = other if other.is_file() else path
    found = arrays(path, LAYOUT, optional=_OPTIONAL, get=_GET)
    _check(path, found)
    assert held is not None, "test_rows has a default"
    order = for_parts.permutation(len(found["labels"]))
    if held >= len(order):
        raise InputError(
            f"test_rows is {held}; {path} has {len(order)} labelled rows, and some must be left to train on: "
            "take fewer."
        )
    left = order[held:]
    train = left[some("rows", count, len(left), for_parts)]
    parts = [
        read(
            {"image": found["image"][i].astype(np.float32), "tags": found["tags"][i].astype(np.uint8)},
            labels={"classes": found["labels"][i].astype(np.uint8)},
        )
        for i in (train, order[:held])
    ]
    unlabelled, dropped = _unlabelled(path, found, more, for_unlabelled)
    return Flickr(parts[0], parts[1], unlabelled, dropped)


def _check(path: Path, found: dict[str, np.ndarray]) -> None:
    """Check that the arrays fit one another and that tags and labels are 0 or 1."""
    if len({name in found for name in _OPTIONAL}) > 1:
        raise InputError(f"{path} holds only one of {' and '.join(_OPTIONAL)}; give both or none: {_GET}.")
    for first, *others in (("image", "tags", "labels"), _OPTIONAL):
        lengths = {name: len(found[name]) for name in (first, *others) if name in found}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise InputError(f"{path} has arrays of unequal length: {told}; row i must be one image: {_GET}.")
    for name in ("tags", "labels", "unlabelled_tags"):
        if name in found and not np.isin(found[name], (0, 1)).all():
            raise InputError(f"{path}: {name} holds other values than 0 and 1: {_GET}.")


def _unlabelled(
    path: Path, found: dict[str, np.ndarray], count: int | None, rng: np.random.Generator
) -> tuple[MultimodalData | None, int]:
    """Return the rows without labels that have tags enough, and how many have not."""
    if "unlabelled_image" not in found:
        if count is not None:
            raise InputError(f"unlabelled_rows is {count}; {path} has no unlabelled_image: leave it None.")
        return None, 0
    tags = found["unlabelled_tags"]
    enough = np.flatnonzero(tags.sum(axis=1, dtype=np.int64) >= LEAST_TAGS)
    dropped = len(tags) - len(enough)
    if dropped:
        warnings.warn(
            f"{path}: {dropped} of {len(tags)} unlabelled images have fewer than {LEAST_TAGS} tags and are "
            "left out, as in the papers.",
            stacklevel=3,
        )
    chosen = enough[some("unlabelled_rows", count, len(enough), rng)]
    if not len(chosen):
        return None, dropped
    image = found["unlabelled_image"][chosen].astype(np.float32)
    return read({"image": image, "tags": tags[chosen].astype(np.uint8)}), dropped
