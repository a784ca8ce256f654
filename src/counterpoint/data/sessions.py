"""Sessions that share a condition but no rows: animals, days or devices, paired within a condition."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoint.data.arrays import assemble
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.values import check_name, to_values
from counterpoint.errors import InputError, choose, nearest, number


def pair_sessions(
    sessions: Mapping[str, Any], on: Mapping[str, Any], *, label: str = "condition"
) -> MultimodalData:
    """Put trials of sessions beside one another that share a condition; unequal counts are fine.

    A condition gets as many rows as the session with most of its trials has; a session with fewer is absent
    in the rest of them. So every trial stands in exactly one row, and no trial is there twice. Which trial
    stands beside which is drawn anew in every epoch of training, within the condition (`training.pairs`).

    Args:
        sessions: Modality (an animal, say) -> its trials (n_m, *event).
        on: Modality -> the condition of each of its trials, (n_m,); text or whole numbers.
        label: What the condition is called among the labels.

    Returns:
        The rows by condition; `pairs` holds the condition's number of each row.

    Raises:
        InputError: If the names differ, a session has another number of trials than conditions, a condition
            is a real number or missing, or no two sessions share one.

    Example:
        >>> rows = pair_sessions(
        ...     {"A": [[1.0], [2.0], [3.0]], "B": [[4.0], [5.0]]}, {"A": ["x", "y", "x"], "B": ["x", "x"]}
        ... )
        >>> rows.labels["condition"].tolist(), rows.x["A"].ravel().tolist(), rows.x["B"].ravel().tolist()
        (['x', 'x', 'y'], [1.0, 3.0, 2.0], [4.0, 5.0, 0.0])
        >>> rows.mask["B"].tolist(), rows.pairs.tolist()
        ([True, True, False], [0, 0, 1])
    """
    if not isinstance(sessions, Mapping) or not sessions:
        raise InputError("sessions holds nothing; give a dict, name of a session -> its trials.")
    if not isinstance(on, Mapping):
        raise InputError(
            f"pair_on is a {type(on).__name__}; give a dict, name of a session -> its conditions."
        )
    for name in on:
        choose("pair_on: session", name, sessions)
    values = {name: to_values(check_name(name), trials) for name, trials in sessions.items()}
    for name, one in values.items():
        if one.categories is not None:
            raise InputError(f"session {name!r} holds text; a session's trials are numbers.")
    given = {name: _conditions(name, on, len(one.x)) for name, one in values.items()}
    if len({type(c) for found in given.values() for c in found}) > 1:
        raise InputError("some sessions have text for conditions and some numbers; give the same of all.")
    conditions = sorted({c for found in given.values() for c in found})
    shared = [c for c in conditions if sum(c in found for found in given.values()) > 1]
    if len(sessions) > 1 and not shared:
        listed = "; ".join(f"{name} {', '.join(map(str, dict.fromkeys(f)))}" for name, f in given.items())
        raise InputError(
            f"no two sessions share a condition ({listed}), so nothing ties them. Are they spelt alike?"
        )
    rows: dict[str, list[int]] = {name: [] for name in sessions}  # -1 where a session has no trial
    codes: list[int] = []
    for code, condition in enumerate(conditions):
        trials = {name: [i for i, c in enumerate(found) if c == condition] for name, found in given.items()}
        count = max(map(len, trials.values()))
        codes += [code] * count
        for name, found in trials.items():
            rows[name] += found + [-1] * (count - len(found))
    placed = {name: np.array(found) for name, found in rows.items()}
    x, mask = {}, {}
    for name, one in values.items():
        there = placed[name] >= 0
        x[name] = one.x[np.where(there, placed[name], 0)]
        mask[name] = there.reshape(-1, *[1] * (one.mask.ndim - 1)) & one.mask[np.maximum(placed[name], 0)]
    labels = {label: np.array([conditions[c] for c in codes])}
    labels |= {f"trial of {name}": np.where(found >= 0, found, -1) for name, found in placed.items()}
    features = {name: one.features for name, one in values.items() if one.features is not None}
    made = assemble(x, mask=mask, labels=labels, features=features)
    return made.paired(np.array(codes))


def _conditions(name: str, on: Mapping[str, Any], trials: int) -> list[Any]:
    """Return the conditions of a session's trials as text or whole numbers."""
    if name not in on:
        raise InputError(
            f"pair_on has no conditions of {name!r}; give one for each of its {trials} trials."
            f"{nearest(name, on)}"
        )
    found = np.asarray(on[name])
    if found.shape != (trials,):
        raise InputError(
            f"session {name!r} has {trials} trials and conditions of shape {found.shape}; give one a trial."
        )
    if found.dtype.kind == "f" and (np.isnan(found).any() or (found != np.round(found)).any()):
        raise InputError(
            f"the conditions of {name!r} are real numbers ({found[0]:g}, ...), equal by chance only; "
            "pair on classes: round or bin them yourself, or give text."
        )
    if found.dtype.kind not in "iubfUS" and not all(isinstance(c, (str, int)) for c in found.tolist()):
        raise InputError(
            f"the conditions of {name!r} are {found.dtype}; give text or whole numbers, none missing."
        )
    if found.dtype.kind in "iubf":
        return [int(c) for c in found.tolist()]
    return [str(c) for c in found.tolist()]


def binned(
    counts: Any, times: Any, *, window: tuple[float, float] | None = None, width: float | None = None
) -> np.ndarray:
    """Sum spikes, or average a trace, in bins of time within a window: (trials, bins, neurons).

    Whole numbers are counts and are summed; real numbers are a trace and are averaged. Samples at the end
    that fill no bin are left out.

    Args:
        counts: (trials, time, neurons).
        times: (time,), seconds at the samples, ascending.
        window: From and to, in seconds, the end excluded; None takes all.
        width: Of a bin, in seconds; None takes the window as one bin.

    Raises:
        InputError: If shapes do not fit, or no sample or no whole bin lies in the window.

    Example:
        >>> spikes = np.array([[[1], [0], [2], [1]]])
        >>> binned(spikes, [0.0, 0.1, 0.2, 0.3], window=(0.0, 0.4), width=0.2).tolist()
        [[[1], [3]]]
    """
    x, t = np.asarray(counts), np.asarray(times, dtype=np.float64)
    if x.ndim != 3 or t.shape != x.shape[1:2]:
        raise InputError(
            f"counts have shape {x.shape} and times {t.shape}; give (trials, time, neurons) and (time,)."
        )
    if len(t) > 1 and not (np.diff(t) > 0).all():
        raise InputError("times must ascend, in seconds.")
    start, end = (float(t[0]), np.inf) if window is None else map(float, window)
    inside = (t >= start - 1e-9) & (t < end - 1e-9)
    if not inside.any():
        raise InputError(
            f"no sample lies in the window {start:g} to {end:g} s; times run {t[0]:g} to {t[-1]:g} s."
        )
    x, t = x[:, inside], t[inside]
    if width is None:
        bins = np.zeros(len(t), dtype=int)
    else:
        step = float(np.median(np.diff(t))) if len(t) > 1 else width
        per = round(number("width", width, open_=True) / step)
        if per < 1 or len(t) < per:
            raise InputError(
                f"a bin of {width:g} s holds {width / step:.2g} of the {len(t)} samples of {step:g} s in the "
                "window; give a width of at least one sample and at most the window."
            )
        bins = np.arange(len(t)) // per
        keep = bins < len(t) // per
        x, bins = x[:, keep], bins[keep]
    add = x.dtype.kind in "iub"
    found = [x[:, bins == b].sum(1) if add else x[:, bins == b].mean(1) for b in range(bins.max() + 1)]
    return np.stack(found, axis=1)
