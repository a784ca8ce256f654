"""The task that models are compared on: rows, labels, and all that does not depend on the model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint import atomic
from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.errors import InputError, choose, whole
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import stratified
from counterpoint.evaluation.oracles import Oracle, labels_of, train_oracles
from counterpoint.evaluation.probes import ProbeResult, probe_modalities

_PROBES = 1  # raised whenever the same features come to give another result


@dataclass(frozen=True, eq=False)
class Task:
    """Data split into training and test rows, with labels, and all that does not depend on the model.

    Made once by `task`, used for every model that is compared.

    Args:
        train: Training rows.
        test: Test rows.
        label: Name of the label.
        train_y: (N,) labels, or (N, L) of 0 and 1.
        test_y: (N',) or (N', L) labels.
        oracles: Per modality a classifier trained on the real training rows, with its accuracy on the real
            test rows.
        raw: Per modality the linear probe on the raw features.
        features: Of the training and of the test rows: what probes and oracles read, in the data's units.
        probe_size: Training rows of every probe, at most; None for all.
        memo: What measures made of the task alone, to be used for the next model.
    """

    train: MultimodalData
    test: MultimodalData
    label: str
    train_y: np.ndarray
    test_y: np.ndarray
    oracles: Mapping[str, Oracle]
    raw: Mapping[str, ProbeResult]
    features: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
    probe_size: int | None = None
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def classes(self) -> np.ndarray:
        """The classes of the training rows, sorted; of several labels, their numbers."""
        if self.train_y.ndim == 2:
            return np.arange(self.train_y.shape[1])
        return np.unique(self.train_y)

    def to_dict(self) -> dict[str, Any]:
        """Return what a report says of the task."""
        return {
            "train_rows": len(self.train),
            "test_rows": len(self.test),
            "label": self.label,
            "classes": [str(c) for c in self.classes],
            "probe_size": self.probe_size,
        }


def task(
    train: Any,
    test: Any,
    label: str | None = None,
    *,
    seed: int = 0,
    probe_size: int | None = None,
    judges: str | Mapping[str, str] = "auto",
    cache: str | Path | None = None,
) -> Task:
    """Prepare a task: labels, probes on raw features, oracles trained on real data.

    Args:
        train: Training rows with labels.
        test: Test rows with the same modalities and labels.
        label: Which label; needed if there are several.
        seed: Of the oracles.
        probe_size: Training rows of every probe, at most; all unless given.
        judges: What oracles are, one for all or modality -> one; see `kind` of `train_oracles`.
        cache: A folder where trained oracles and the probes on raw features are kept, and found again by the
            hash of what they were trained on.

    Raises:
        InputError: If there is no such label, or the rows do not fit.
    """
    train, test = read(train), read(test)
    key = label_of(train, label)
    if key not in test.labels:
        raise InputError(
            f"the test rows have no label {key!r}; they have {', '.join(test.labels) or 'none'}."
        )
    train_y = labels_of(f"label {key!r} of the training rows", train.labels[key])
    test_y = labels_of(f"label {key!r} of the test rows", test.labels[key])
    if train_y.ndim == 1:
        checks.classes(f"label {key!r} of the training rows", train_y)
    kinds = {n: "normal" if c is None else "categorical" for n, c in train.categories.items()}
    prepared = Preparation.fit(train, kinds, constant="keep")
    x, held = features(prepared, train), features(prepared, test)
    present, there = train.present(), test.present()
    kept = None if cache is None else Path(cache)
    seen = {"train_present": present, "test_present": there}
    oracles = train_oracles(x, train_y, held, test_y, **seen, kind=judges, seed=seed, cache=kept)
    raw = {
        name: _raw_probe(name, (x, train_y, present), (held, test_y, there), probe_size, seed, kept)
        for name in x
    }
    return Task(train, test, key, train_y, test_y, oracles, raw, (x, held), probe_size)


_Rows = tuple[Mapping[str, np.ndarray], np.ndarray, Mapping[str, np.ndarray]]  # features, labels, presence


def _raw_probe(
    name: str, train: _Rows, test: _Rows, size: int | None, seed: int, kept: Path | None
) -> ProbeResult:
    """Probe the raw features of one modality, or find in a folder what that gave: pixels take minutes."""
    path = None
    if kept is not None:
        key = hashlib.sha256(f"{_PROBES}/{name}/{size}/{seed}/{version('scikit-learn')}".encode())
        for features_of, y, present in (train, test):
            for array in (features_of[name], y.astype("U") if y.dtype == object else y, present[name]):
                key.update(f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        path = kept / f"probe-{key.hexdigest()}.json"
        try:
            found = json.loads(path.read_text())
            return ProbeResult(**{**found, "hits": np.array(found["hits"], dtype=np.float64)})
        except (OSError, ValueError, TypeError, KeyError):
            pass  # not there, or damaged: made anew
    (x, y, present), (held, truth, there) = train, test
    seen = {"train_present": {name: present[name]}, "test_present": {name: there[name]}}
    result = probe_modalities({name: x[name]}, y, {name: held[name]}, truth, **seen, size=size, seed=seed)[
        name
    ]
    if path is not None:
        atomic.write(path, json.dumps({**vars(result), "hits": result.hits.tolist()}))
    return result


def hold_out(
    data: MultimodalData, test: int | float, label: str, seed: int = 0
) -> tuple[MultimodalData, MultimodalData]:
    """Split rows into training and test rows, stratified by a label.

    Rows of one block (windows of a trial) come to the same side; a block's label is that of its first row.

    Args:
        data: The rows.
        test: Number of test rows, or their share; of data with blocks the nearest number of whole ones.
        label: Name of the label.
        seed: Of the split.

    Raises:
        InputError: If that leaves no training or no test row.
    """
    share = isinstance(test, float) and not test.is_integer()
    count = (
        (round(len(data) * test) if 0 < test < 1 else -1)
        if share
        else whole("test", int(test) if isinstance(test, float) else test)
    )
    if not 0 < count < len(data):
        raise InputError(
            f"test is {test} of {len(data)} rows; give a number of rows below that, or a share between 0 and "
            "1."
        )
    y = checks.labels(f"label {label!r}", data.labels[choose("label", label, data.labels)])
    blocks = np.arange(len(data)) if data.blocks is None else data.blocks
    _, first, of = np.unique(blocks, return_index=True, return_inverse=True)
    count, what = round(count * len(first) / len(data)), "row" if data.blocks is None else "block"
    if count < len(checks.classes(f"label {label!r}", y[first])):
        raise InputError(
            f"test is {test}, which makes {count} {what}s for the {len(np.unique(y))} classes of {label!r}; "
            f"give one {what} a class."
        )
    if count == len(first):
        raise InputError(f"test is {test}, which leaves no {what} of {count} to train on; give less.")
    held = np.zeros(len(first), dtype=bool)
    held[stratified(y[first], count, seed)] = True
    return data[~held[of]], data[held[of]]


def label_of(data: MultimodalData, label: str | None) -> str:
    """Return the name of the label to use.

    Raises:
        InputError: If the data have none, or several and none was named.
    """
    if not data.labels:
        raise InputError(
            "the data have no labels; pass labels={'name': array}, or keep a 1-D array beside the modalities."
        )
    if label is None:
        if len(data.labels) > 1:
            raise InputError(
                f"the data have several labels ({', '.join(data.labels)}); say which with label=NAME."
            )
        return next(iter(data.labels))
    return choose("label", label, data.labels)


def features(prepared: Preparation, data: MultimodalData) -> dict[str, np.ndarray]:
    """Return real data as probes and oracles read them: own units, holes at the mean, categories one-hot."""
    x, mask = prepared.apply(data)
    out = {}
    for name, values in x.items():
        one = prepared[name]
        if one.n_categories is not None:
            hot = values[..., None] == np.arange(one.n_categories)
            seen = mask[name].reshape(*mask[name].shape, *[1] * (hot.ndim - mask[name].ndim))
            out[name] = (hot & seen).astype(np.float32)
        else:
            out[name] = prepared.inverse(name, values)
    return out
