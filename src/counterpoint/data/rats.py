"""Recordings of the hippocampus of five rats that smell odours, as published: every rat is a modality."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from counterpoint.data.loading import load
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.sessions import pair_sessions, unfold
from counterpoint.errors import InputError, choose, number, whole

URL = "https://doi.org/10.7280/D14X30"
NEURONS = {"barat": 92, "buchanan": 79, "mitt": 104, "stella": 49, "superchris": 46}
ENTRY = 200  # the bin of 10 ms in which the nose enters the port
START = {"barat": 25, "buchanan": 25, "mitt": 50, "stella": 50, "superchris": 25}  # bins after that
LENGTH, WIDTH = 25, 10  # bins of the time that is looked at, and of a window in it
WINDOWS = LENGTH - WIDTH + 1
ODOURS = ("A", "B", "C", "D")  # there is a fifth, which was not used


def rats(
    folder: str | Path,
    *,
    animals: tuple[str, ...] | list[str] = tuple(NEURONS),
    pairing: str = "odour",
    split: str = "trials",
    test: float = 0.2,
    seed: int = 0,
) -> tuple[MultimodalData, MultimodalData]:
    """Read the rats from `folder/RAT/RAT_trial_info.npy` and `folder/RAT/RAT_spike_data_binned.npy`.

    Of every trial of the odours A to D, right or wrong and in whatever sequence, 250 ms are taken, from 250
    ms after the nose entered the port (mitt and stella: 500 ms), in bins of 10 ms. They become 16 rows:
    windows of 100 ms, each 10 ms later than the one before, so neighbours share nine tenths of their bins.
    Rats share no trials, only odours.

    Args:
        folder: Where the folders of the rats lie, in small or capital letters. The local field potentials
            beside these files are not read.
        animals: Which rats, in this order.
        pairing: "odour" keeps every trial: one beside one of the same odour in every rat, windows at the same
            time, drawn anew in every epoch; a rat with fewer trials is absent in the rest. "order" is as
            published: the k-th trial of an odour beside the k-th of the other rats, for good, and what a rat
            has more than the others is left out.
        split: "trials" holds out trials, all 16 windows of each. "published" returns all rows twice, as the
            published code trains and validates on the same: figures on its test rows are training figures.
        test: Share of the trials of every odour that is held out by "trials".
        seed: Of which.

    Shapes: of a rat (N, neurons * 10) float32, spikes by neuron, then by bin: barat 920, buchanan 790, mitt
    1040, stella 490, superchris 460. Labels `odour` (N,) of A to D, `window` in 0..15 and `trial of RAT`, the
    row of its file or -1. `blocks` keeps the windows of a trial together in every further split.

    Raises:
        InputError: a missing or damaged file, other shapes, an odour that is not 1 to 5; it names the file.
            Fewer than two trials of every odour.

    Source: Shahbaba et al. 2022, Nature Communications 13, 787 (data); Sutter et al. 2024 (MMVM), appendix
    B.8 (windows; the main text of its first version has 100 to 400 ms instead). Shapes and the meaning of the
    columns are those that released code reads, as no file was at hand.

    Example:
        >>> rats("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/barat/barat_trial_info.npy is missing; download it from \
https://doi.org/10.7280/D14X30 and put it there.
    """
    names = check_names("animals", animals, NEURONS)
    fixed = choose("pairing", pairing, ("odour", "order")) == "order"
    whole_trials = choose("split", split, ("trials", "published")) == "trials"
    share, rng = (
        number("test", test, most=0.9, open_=True),
        np.random.default_rng(whole("seed", seed, least=0)),
    )
    found = {name: _trials(Path(folder), name) for name in names}
    if fixed:
        found = _as_many(found)
    rows = pair_sessions(
        {name: _windows(spikes[kept], name) for name, (spikes, _, kept) in found.items()},
        {name: np.array(ODOURS)[odours[kept] - 1] for name, (_, odours, kept) in found.items()},
        label="odour",
    )
    for name, (_, _, kept) in found.items():  # which row of the file it is, not which of those that were kept
        trial = rows.labels[f"trial of {name}"]
        rows.labels[f"trial of {name}"] = np.where(trial < 0, -1, kept[trial])
    parts = [rows, rows]
    if whole_trials:
        held = _held(rows.labels["odour"], share, rng)
        parts = [rows[~held], rows[held]]
    train, later = (_rows(part, fixed) for part in parts)
    return train, later


def _rows(trials: MultimodalData, fixed: bool) -> MultimodalData:
    """Make a row of every window."""
    made = unfold(trials)
    labels = {"window" if name == "bin" else name: label for name, label in made.labels.items()}
    return replace(made, labels=labels, pairs=None if fixed else made.pairs)


def _trials(folder: Path, rat: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the spikes (n, neurons, bins) and odours (n,) of all trials, and which trials are taken."""
    about, recorded = (_path(folder, rat, what) for what in ("trial_info", "spike_data_binned"))
    told, spikes = load(about), load(recorded)
    if told.dtype.kind not in "iuf" or told.ndim != 2 or told.shape[1] < 4 or not len(told):
        raise InputError(
            f"{about} holds {told.dtype} {told.shape}; it must hold numbers (trials, 4 or more), the odour "
            f"in the fourth column: download it again from {URL}."
        )
    odours = told[:, 3]
    wrong = np.flatnonzero(~np.isin(odours, range(1, len(ODOURS) + 2)))
    if len(wrong):
        raise InputError(
            f"{about} has the odour {odours[wrong[0]]:g} in row {wrong[0]}; odours are 1 to 5: download it "
            f"again from {URL}."
        )
    end = ENTRY + START[rat] + LENGTH
    shape = (len(told), NEURONS[rat])
    if (
        spikes.dtype.kind not in "iufb"
        or spikes.ndim != 3
        or spikes.shape[:2] != shape
        or spikes.shape[2] < end
    ):
        raise InputError(
            f"{recorded} holds {spikes.dtype} {spikes.shape}; it must hold numbers ({shape[0]}, {shape[1]}, "
            f"{end} or more): as many trials as {about.name}, the neurons of {rat}, and bins of 10 ms, of "
            f"which {ENTRY} come before the port: download both again from {URL}."
        )
    return spikes, odours.astype(np.int64), np.flatnonzero(odours <= len(ODOURS))


def _path(folder: Path, rat: str, what: str) -> Path:
    """Return one file of a rat; older copies have capital letters in the names of the folders."""
    name = f"{rat}_{what}.npy"
    for place in sorted(folder.glob("*")):
        if place.name.lower() == rat and (place / name).is_file():
            return place / name
    raise InputError(f"{folder / rat / name} is missing; download it from {URL} and put it there.")


def _windows(spikes: np.ndarray, rat: str) -> np.ndarray:
    """Cut spikes (n, neurons, bins) into windows (n, 16, neurons * 10)."""
    start = ENTRY + START[rat]
    taken = spikes[:, :, start : start + LENGTH].astype(np.float32)
    bad = np.argwhere(~(np.isfinite(taken) & (taken >= 0)))
    if len(bad):
        raise InputError(
            f"{rat}_spike_data_binned.npy holds {taken[tuple(bad[0])]:g} for neuron {bad[0, 1]} in bin "
            f"{start + bad[0, 2]} of a trial; spikes are counts of at least 0: download it again from {URL}."
        )
    windows = np.lib.stride_tricks.sliding_window_view(taken, WIDTH, axis=2)  # (n, neurons, 16, 10)
    return windows.transpose(0, 2, 1, 3).reshape(len(taken), WINDOWS, -1)


def _as_many(
    found: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Keep of every odour the first trials, as many as the rat with fewest has."""
    codes = range(1, len(ODOURS) + 1)
    least = {code: min(int((odours == code).sum()) for _, odours, _ in found.values()) for code in codes}
    if not any(least.values()):
        raise InputError("no odour was given to all of the rats; leave some out: animals=[...].")
    kept = {}
    for name, (spikes, odours, _) in found.items():
        first = [np.flatnonzero(odours == code)[:count] for code, count in least.items()]
        kept[name] = spikes, odours, np.sort(np.concatenate(first))
    return kept


def _held(odours: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return which trials are held out, (N,) bool: a share of every odour that has two, at least one."""
    held = np.zeros(len(odours), dtype=bool)
    for odour in ODOURS:
        rows = rng.permutation(np.flatnonzero(odours == odour))
        held[rows[: min(max(1, round(share * len(rows))), max(len(rows) - 1, 0))]] = True
    if not held.any():
        raise InputError("no odour has two trials, so none can be held out; take split='published'.")
    return held
