"""Sessions for a model: all trials of one or of several, unpaired, binned as those of the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.arrays import assemble
from counterpoint.data.loading import entries_of
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.preparation import Preparation
from counterpoint.data.session_files import Session, load_sessions
from counterpoint.data.timing import seconds, span
from counterpoint.data.values import to_values
from counterpoint.errors import InputError, nearest


def sessions_in(source: Any, prepared: Preparation, names: Sequence[str]) -> dict[str, Any] | None:
    """Return name -> file or arrays of the sessions in a source; None if it holds rows, or the fit had none.

    Raises:
        InputError: a session that is none of the model's.

    Example:
        >>> sessions_in("A.npz", Preparation.fit({"A": [[1.0], [2.0]]}), ["A"]) is None
        True
    """
    if not any("pair_on" in found for found in prepared.origin.values()):
        return None
    if isinstance(source, Mapping):
        described = source and all(isinstance(one, (str, PathLike, Mapping)) for one in source.values())
        found = dict(source) if described else None
    elif isinstance(source, (str, PathLike)):
        path = Path(source)
        files = sorted(path.glob("*.npz")) if path.is_dir() else [path] if path.suffix == ".npz" else []
        rows = not path.is_dir() and set(entries_of(path) or ()) & set(names)
        found = None if rows or not files else {file.stem: file for file in files}
    else:
        return None
    for name in found or {}:
        if name not in names:
            raise InputError(
                f"session {name!r} is none of those that were fitted ({', '.join(names)})."
                f"{nearest(name, names)} A session is called like its file: rename it, or in Python give "
                "{'NAME': FILE}; a new one joins by adapt."
            )
    return found


def read_apart(
    source: Mapping[str, Any],
    origin: Mapping[str, Mapping[str, str]],
    window: Any = None,
    bin: Any = None,
) -> MultimodalData:
    """Read every trial of sessions, in its order in the file; a row has one session, the others are absent.

    Args:
        source: name -> file or arrays, as `session_files.load_sessions` takes them.
        origin: name -> the `window` and `bin` of the fit, if it had any.
        window: In place of that of the fit.
        bin: Likewise.

    Returns:
        The rows, with `blocks` (a block a trial); labels are those that all these sessions have, `trial of
        NAME` (-1 in rows of another), and with bins `bin`.

    Raises:
        InputError: A session cannot be read, or window and bin do not fit it.

    Example:
        >>> one = {"spikes": np.ones((2, 4, 3), int), "dt": 0.1, "odor": ["x", "y"]}
        >>> rows = read_apart({"A": one}, {"A": {"pair_on": "odor", "bin": "0.2s"}})
        >>> rows, rows.labels["trial of A"].tolist(), rows.labels["odor"].tolist()
        (MultimodalData(4 rows; A (3,)), [0, 0, 1, 1], ['x', 'x', 'y', 'y'])
    """
    loaded = load_sessions(dict(source))
    values, bins = {}, {}
    for name, one in loaded.items():
        kept = origin.get(name, {})
        cut, width = (
            kept.get(k) if given is None else given for k, given in (("window", window), ("bin", bin))
        )
        values[name], bins[name] = _rows(one, cut, width)
    counts = {name: len(v) for name, v in values.items()}
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]), strict=False))
    total = sum(counts.values())
    x, mask, trial, at = {}, {}, {}, np.zeros(total, dtype=int)
    blocks, before = np.zeros(total, dtype=int), 0
    for name, rows in values.items():
        found, here = to_values(name, rows), slice(starts[name], starts[name] + counts[name])
        x[name] = np.zeros((total, *found.x.shape[1:]), dtype=found.x.dtype)
        mask[name] = np.zeros((total, *found.mask.shape[1:]), dtype=bool)
        x[name][here], mask[name][here] = found.x, found.mask
        trial[f"trial of {name}"] = np.full(total, -1)
        trial[f"trial of {name}"][here] = np.repeat(np.arange(len(loaded[name].values)), bins[name])
        at[here] = np.tile(np.arange(bins[name]), len(loaded[name].values))
        blocks[here] = before + trial[f"trial of {name}"][here]
        before += len(loaded[name].values)
    shared = [
        k for k in next(iter(loaded.values())).labels if all(k in one.labels for one in loaded.values())
    ]
    labels = {
        k: np.concatenate([np.repeat(one.labels[k], bins[n]) for n, one in loaded.items()]) for k in shared
    }
    labels |= trial | ({"bin": at} if max(bins.values()) > 1 else {})
    labels = {k: v for k, v in labels.items() if k not in x}
    return replace(assemble(x, mask=mask, labels=labels, unobserved="keep"), blocks=blocks)


def _rows(one: Session, window: Any, bin: Any) -> tuple[np.ndarray, int]:
    """Return the rows of a session, and how many a trial has."""
    cut, width = span(window), None if bin is None else seconds("bin", bin)
    if cut is None and width is None:
        return one.values, 1
    binned = one.binned(cut, width)
    if width is None:
        return binned[:, 0], 1
    return binned.reshape(-1, *binned.shape[2:]), binned.shape[1]
