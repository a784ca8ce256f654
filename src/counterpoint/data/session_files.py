"""Sessions from files: a recording and what was shown in each trial, one `.npz` an animal or a day.

A file holds `spikes` or `traces` (or one other array of numbers), (trials, time, neurons) or (trials,
neurons); labels (trials,); and for windows and bins `times` or `t` (time,) in seconds, or one number, `rate`
in Hz or `dt` in seconds: then the first sample is at 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.loading import entries
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.sessions import binned, pair_sessions, unfold
from counterpoint.data.timing import seconds, span
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, choose, nearest, number

RECORDINGS = ("spikes", "traces")
TIMES = ("times", "t", "time")
STEPS = ("rate", "dt")


@dataclass(frozen=True, eq=False)
class Session:
    """One animal, day or device.

    Attributes:
        name: What the modality is called.
        values: (trials, time, neurons) or (trials, neurons); counts are whole numbers.
        entry: What the recording is called in the file.
        labels: name -> (trials,).
        times: (time,) in seconds, or None where nothing says.
        counts: Whether the values are counts: whole numbers of at least 0 that are not called traces.
    """

    name: str
    values: np.ndarray
    entry: str
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    times: np.ndarray | None = None
    counts: bool = False

    def binned(self, window: tuple[float, float] | None, width: float | None) -> np.ndarray:
        """Return the bins (trials, bins, neurons) of a window.

        Raises:
            InputError: If there is no time, or nothing says which, or no whole bin lies in the window.
        """
        if self.values.ndim < 3:
            raise InputError(
                f"session {self.name!r} is (trials, neurons), which has no time to cut; leave window and bin "
                "out, or save (trials, time, neurons)."
            )
        if self.times is None:
            raise InputError(
                f"session {self.name!r} does not say when its {self.values.shape[1]} samples were taken; "
                "save `times` (time,) in seconds beside them, or `rate` in Hz or `dt` in seconds (the first "
                "sample is then at 0)."
            )
        try:
            return binned(self.values, self.times, window=window, width=width, add=self.counts)
        except InputError as error:
            late = self.times[-1] > 60 and len(self.times) > 1
            hint = " Are its times milliseconds? They must be seconds." if late else ""
            raise InputError(f"session {self.name!r}: {error}{hint}") from error


def read_sessions(
    source: Any,
    pair_on: str | Mapping[str, Any] | None,
    *,
    window: tuple[float, float] | str | None = None,
    bin: float | str | None = None,
    aligned: bool = True,
    modalities: Iterable[str] | None = None,
) -> MultimodalData:
    """Read sessions that share a condition but no rows; `counterpoint.data.read` describes the arguments.

    Without `bin` a row is a trial, summed (counts) or averaged over the window if there is one. With it a row
    is a bin, and the bins of a trial are a block, which no split parts.

    Raises:
        InputError: If a file cannot be read or holds no recording, a label is missing, no two sessions share
            a condition, or window and bin do not fit.

    Example:
        >>> one = {"spikes": np.ones((2, 4, 3), int), "dt": 0.1, "odor": ["x", "y"]}
        >>> rows = read_sessions({"A": one, "B": one}, "odor", window="0:400ms", bin="200ms")
        >>> rows, rows.x["A"][0].tolist(), rows.blocks.tolist(), rows.labels["odor"].tolist()
        (MultimodalData(4 rows; A (3,), B (3,)), [2, 2, 2], [0, 0, 1, 1], ['x', 'x', 'y', 'y'])
    """
    if pair_on is None:
        raise InputError("window and bin are for sessions; say what these share: pair_on=LABEL.")
    cut, width = span(window), None if bin is None else seconds("bin", bin)
    if isinstance(source, Mapping) and isinstance(pair_on, Mapping) and not _described(source):
        if cut is not None or width is not None:
            raise InputError(
                "window and bin need times; give every session as its arrays: {'A': {'spikes': ..., 'times': "
                "..., 'odor': ...}, ...} and pair_on='odor'."
            )
        wanted = list(source) if modalities is None else check_names("modalities", modalities, source)
        on = {n: c for n, c in pair_on.items() if n in wanted or n not in source}
        return pair_sessions({n: source[n] for n in wanted}, on)
    every = load_sessions(source)
    wanted = list(every) if modalities is None else check_names("modalities", modalities, every)
    sessions = {name: every[name] for name in wanted}
    if isinstance(pair_on, Mapping):
        on, label = {n: c for n, c in pair_on.items() if n in sessions or n not in every}, "condition"
    else:
        on, label = conditions(sessions, pair_on), pair_on
    values = {name: one.values for name, one in sessions.items()}
    if cut is not None or width is not None:
        values = {name: one.binned(cut, width) for name, one in sessions.items()}
        if width is None:
            values = {name: one[:, 0] for name, one in values.items()}
    rows = pair_sessions(values, on, label=label)
    rows = rows if width is None else unfold(rows, aligned=aligned)
    how = {"pair_on": label} | ({} if cut is None else {"window": f"{cut[0]:.9g}:{cut[1]:.9g}s"})
    how |= ({} if width is None else {"bin": f"{width:.9g}s"}) | ({} if aligned else {"aligned": "false"})
    likelihoods: dict[str, str | None] = {n: "poisson" if s.counts else None for n, s in sessions.items()}
    return replace(rows, likelihoods=likelihoods, origin={n: how for n in sessions})


def load_sessions(source: Any) -> dict[str, Session]:
    """Load sessions: a list of `.npz`, a folder of them, or name -> file or arrays.

    Raises:
        InputError: If there is none, two have the same name, or one cannot be read.

    Example:
        >>> load_sessions({"A": {"traces": [[0.5, 1.5]], "odor": [1]}})["A"].values.shape
        (1, 2)
    """
    found: dict[str, Any] = {}
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        source = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if isinstance(source, Mapping):
        found = {check_name(name): one for name, one in source.items()}
    elif isinstance(source, Iterable) and all(isinstance(one, (str, PathLike)) for one in source):
        for path in map(Path, source):
            if path.stem in found:
                raise InputError(
                    f"two sessions are called {path.stem!r} ({found[path.stem]}, {path}); rename a file."
                )
            found[check_name(path.stem)] = path
    else:
        raise InputError(
            f"sessions are a {type(source).__name__}; give a list of .npz files, one a session, or a dict, "
            "name -> file or arrays."
        )
    if not found:
        raise InputError("there is no session; give .npz files, one a session, or a folder of them.")
    return {name: load_session(name, one) for name, one in found.items()}


def load_session(name: str, source: Any) -> Session:
    """Load one session from an `.npz`, or from its arrays by name.

    Raises:
        InputError: If there is no such file, it is pickled, or does not say which array is the recording.

    Example:
        >>> load_session("A", {"spikes": np.ones((2, 4, 3)), "rate": 10, "odor": ["x", "y"]}).times.tolist()
        [0.0, 0.1, 0.2, 0.3]
    """
    arrays = _arrays(name, source)
    entry = _recording(name, arrays)
    values = arrays[entry]
    labels = {k: v for k, v in arrays.items() if v.shape == values.shape[:1] and k not in (*TIMES, entry)}
    times = _times(name, arrays, values.shape[1]) if values.ndim == 3 else None
    seen = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    counts = entry != "traces" and bool((seen >= 0).all() and (seen == np.rint(seen)).all())
    if counts and seen.size == values.size and seen.size:
        values = values.astype(np.int32 if seen.max() < 2**31 else np.int64)  # bytes would pass for pictures
    return Session(name, values, entry, labels, times, counts)


def conditions(sessions: Mapping[str, Session], label: str) -> dict[str, np.ndarray]:
    """Return the label by which sessions are paired, session -> (trials,).

    Raises:
        InputError: If a session does not have it; the nearest is told.

    Example:
        >>> conditions(load_sessions({"A": {"traces": [[0.5]], "odor": [1]}}), "odour")
        Traceback (most recent call last):
        counterpoint.errors.InputError: pair_on: label is 'odour'; allowed are odor. Did you mean 'odor'?
    """
    known = list(dict.fromkeys(k for one in sessions.values() for k in one.labels))
    if not known:
        raise InputError(
            f"the sessions have no label: none holds an array with one entry a trial; save {label!r} "
            "(trials,) beside the recording."
        )
    choose("pair_on: label", label, known)
    for name, one in sessions.items():
        if label not in one.labels:
            has = ", ".join(one.labels) or "none"
            raise InputError(
                f"session {name!r} has no label {label!r} with one entry for each of its {len(one.values)} "
                f"trials; it has {has}.{nearest(label, one.labels)}"
            )
    return {name: one.labels[label] for name, one in sessions.items()}


def _described(source: Mapping[Any, Any]) -> bool:
    """Tell sessions given by file or by arrays with names from those given as their trials alone."""
    return any(isinstance(one, (str, PathLike, Mapping)) for one in source.values())


def _arrays(name: str, source: Any) -> dict[str, np.ndarray]:
    """Return what a session holds."""
    if isinstance(source, Mapping):
        try:
            return {str(k): np.asarray(v) for k, v in source.items()}
        except ValueError:
            raise InputError(
                f"session {name!r} is ragged: its trials differ in samples or neurons; give an array, NaN "
                "where nothing was recorded."
            ) from None
    path = Path(source)
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.npz")] if path.parent.is_dir() else []
        raise InputError(f"there is no session {str(path)!r}; give an .npz.{nearest(path.name, beside)}")
    if path.suffix.lower() != ".npz":
        raise InputError(
            f"{path.name} is no .npz; save a session as numpy.savez(FILE, spikes=..., times=..., odor=...)."
        )
    try:
        return entries(path)
    except InputError as error:
        if "Python objects" not in str(error):
            raise
        raise InputError(
            f"{error} Trials of unequal size are such objects: save one array (trials, time, neurons), NaN "
            "where nothing was recorded."
        ) from error


def _recording(name: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return which array is the recording: by its name, or the only one of 3 axes, or of 2."""
    fit = {k: v.ndim for k, v in arrays.items() if v.dtype.kind in "iufb" and v.ndim in (2, 3)}
    named = [k for k in RECORDINGS if k in arrays]
    alike = named[:1] or [k for k, n in fit.items() if n == 3] or [k for k, n in fit.items() if n == 2]
    if len(alike) == 1 and alike[0] in fit:
        return alike[0]
    listed = ", ".join(f"{k} {v.shape}" for k, v in arrays.items()) or "nothing"
    raise InputError(
        f"session {name!r} holds {listed}; call its recording, (trials, time, neurons) or (trials, neurons), "
        "`spikes` or `traces`."
    )


def _times(name: str, arrays: Mapping[str, np.ndarray], samples: int) -> np.ndarray | None:
    """Return when the samples were taken, in seconds, if the session says."""
    for key in TIMES:
        if key in arrays and arrays[key].dtype.kind in "iuf":
            if arrays[key].shape != (samples,):
                raise InputError(
                    f"session {name!r}: {key} has shape {arrays[key].shape} for {samples} samples; give one "
                    "number a sample, in seconds."
                )
            return arrays[key].astype(np.float64)
    for key in STEPS:
        if key in arrays and arrays[key].size == 1:
            step = number(f"{key} of session {name!r}", arrays[key].item(), open_=True)
            return np.arange(samples) / step if key == "rate" else np.arange(samples) * step
    return None
