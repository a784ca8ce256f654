"""Sessions that share a condition but no rows: animals, days or devices, paired within a condition."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
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
    trials = {name: _by_condition(found) for name, found in given.items()}
    sharing = Counter(c for of in trials.values() for c in of)  # condition -> how many sessions have it
    if len(sessions) > 1 and max(sharing.values(), default=0) < 2:
        listed = "; ".join(f"{name} {', '.join(map(str, of))}" for name, of in trials.items())
        raise InputError(
            f"no two sessions share a condition ({listed}), so nothing ties them. Are they spelt alike?"
        )
    rows: dict[str, list[int]] = {name: [] for name in sessions}  # -1 where a session has no trial
    codes: list[int] = []
    conditions = sorted(sharing)
    for code, condition in enumerate(conditions):
        count = max(len(of.get(condition, ())) for of in trials.values())
        codes += [code] * count
        for name, of in trials.items():
            found = of.get(condition, [])
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


def _by_condition(conditions: list[Any]) -> dict[Any, list[int]]:
    """Return the trials of each condition in their order, conditions in that of their first trial."""
    trials: dict[Any, list[int]] = {}
    for trial, condition in enumerate(conditions):
        trials.setdefault(condition, []).append(trial)
    return trials


def _conditions(name: str, on: Mapping[str, Any], trials: int) -> list[Any]:
    """Return the conditions of a session's trials as text or whole numbers."""
    if name not in on:
        raise InputError(
            f"pair_on has no conditions of {name!r}; give one for each of its {trials} trials."
            f"{nearest(name, on)}"
        )
    found: np.ndarray = np.asarray(on[name])
    if found.dtype.kind == "S":
        found = np.array([c.decode() for c in found.tolist()])
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


def unfold(rows: MultimodalData, *, aligned: bool = True) -> MultimodalData:
    """Make a row of every bin of trials (bins, neurons); the bins of a trial are a block that no split parts.

    The trials that stand in one row stay in one block, so every trial is on one side of a split. Bins are
    paired one by one: beyond their condition trials of two sessions have nothing in common, so that whole
    trials paired with whole trials would give every row the same distribution.

    Args:
        rows: As `pair_sessions` returns them, events (bins, ...) with equally many bins in all sessions.
        aligned: Pair a bin with bins of the same condition at the same time; else at any time.

    Raises:
        InputError: If the sessions have unequal numbers of bins, or none.

    Example:
        >>> trials = {"A": np.ones((2, 3, 4)), "B": np.ones((1, 3, 2))}
        >>> rows = unfold(pair_sessions(trials, {"A": ["x", "x"], "B": ["x"]}))
        >>> rows, rows.pairs.tolist(), rows.blocks.tolist()
        (MultimodalData(6 rows; A (4,), B (2,)), [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1])
        >>> rows.mask["B"].tolist()
        [True, True, True, False, False, False]
    """
    bins = {name: x.shape[1] if x.ndim > 2 else 0 for name, x in rows.x.items()}
    if rows.pairs is None or len(set(bins.values())) > 1 or 0 in bins.values():
        listed = ", ".join(f"{name} {count}" for name, count in bins.items())
        raise InputError(
            f"the trials have bins: {listed}; all sessions need equally many. Give a window that all of them "
            "have, and a bin."
        )
    count = next(iter(bins.values()))
    at = np.tile(np.arange(count), len(rows))
    x = {name: values.reshape(-1, *values.shape[2:]) for name, values in rows.x.items()}
    mask = {
        name: np.repeat(there, count) if there.ndim == 1 else there.reshape(-1, *there.shape[2:])
        for name, there in rows.mask.items()
    }
    labels = {name: np.repeat(label, count, axis=0) for name, label in rows.labels.items()}
    codes = np.repeat(rows.pairs, count)
    made = replace(rows, x=x, mask=mask, labels={**labels, "bin": at}, features={}, rows=None, pairs=None)
    blocks = np.repeat(np.arange(len(rows)), count)
    return made.paired(codes * count + at if aligned else codes, blocks)


def binned(
    counts: Any,
    times: Any,
    *,
    window: tuple[float, float] | None = None,
    width: float | None = None,
    add: bool | None = None,
) -> np.ndarray:
    """Sum spikes, or average a trace, in bins of time within a window: (trials, bins, neurons).

    Samples at the end that fill no bin are left out.

    Args:
        counts: (trials, time, neurons).
        times: (time,), seconds at the samples, ascending in even steps.
        window: From and to, in seconds, the end excluded; None takes all.
        width: Of a bin, in seconds, a whole number of samples; None takes the window as one bin.
        add: Whether to sum; None sums whole numbers, which are counts, and averages real ones, a trace.

    Raises:
        InputError: If shapes do not fit, the window reaches beyond the times, or no whole bin lies in it.

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
    steps = np.diff(t)
    if not (steps > 0).all():
        raise InputError("times must ascend, in seconds.")
    step = float(np.median(steps)) if len(t) > 1 else float(width or 1.0)
    near = 1e-3 * step  # single precision does not have 0.1
    start, end = (float(t[0]), float(t[-1]) + step) if window is None else map(float, window)
    inside = (t >= start - near) & (t < end - near)
    if not inside.any() or start < t[0] - step / 2 or end > t[-1] + step * 1.5:
        raise InputError(
            f"the window {start:g} to {end:g} s is not within the times, {t[0]:g} to {t[-1]:g} s."
        )
    x, t = x[:, inside], t[inside]
    per = len(t) if width is None else _samples(width, step, len(t))
    if width is not None and len(t) > 1 and np.abs(np.diff(t) - step).max() > step / 2:
        raise InputError(
            f"times are not even: steps from {np.diff(t).min():g} to {np.diff(t).max():g} s in the window, "
            "so that bins would differ in length; resample the recording."
        )
    count = len(t) // per
    parts = x[:, : count * per].reshape(len(x), count, per, x.shape[2])
    return parts.sum(2) if (x.dtype.kind in "iub" if add is None else add) else parts.mean(2)


def _samples(width: float, step: float, there: int) -> int:
    """Return how many samples of `step` seconds a bin has."""
    exact = number("width", width, open_=True) / step
    per = round(exact)
    if per < 1 or there < per:
        raise InputError(
            f"a bin of {width:g} s holds {exact:.2g} of the {there} samples of {step:g} s in the "
            "window; give a width of at least one sample and at most the window."
        )
    if abs(exact - per) > 0.02 * per:
        raise InputError(
            f"a bin of {width:g} s holds {exact:.3g} samples of {step:g} s; give whole ones, such as "
            f"{per * step:g} s."
        )
    return per
