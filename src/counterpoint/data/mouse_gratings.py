"""Visual cortex of seven mice that saw the same drifting gratings: every mouse is a modality."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from counterpoint.data.loading import entries
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.sessions import binned, pair_sessions, unfold
from counterpoint.errors import InputError, number, whole

URL = "https://github.com/surlab/Park_et_al (commit bdff7ce60297, sample-data/glm)"
FILE = "mouse_gratings.npz"
WINDOW = (0.25, 2.0)  # seconds after the grating came on
DIRECTIONS, STEP = 8, 45  # degrees between two of them


def mouse_gratings(
    folder: str | Path,
    *,
    mice: tuple[str, ...] | list[str] | None = None,
    width: float = 0.25,
    blocks: int = 4,
    held: int = 0,
) -> tuple[MultimodalData, MultimodalData]:
    """Read the mice from `folder/mouse_gratings.npz`, trials paired by the direction of the grating alone.

    Of every trial the calcium traces from 0.25 to 2 s after the grating came on are averaged in windows, and
    the mean before it came on is taken off; a window is a row. All mice saw one sequence, so that their
    trials could be paired by number; here they are not: a window stands beside one of the same direction at
    the same time in every other mouse, drawn anew in every epoch, as of animals that share no trial.

    Args:
        folder: Where the file lies.
        mice: Which, in this order; all unless given.
        width: Of a window, in seconds.
        blocks: Parts of the repetitions of a direction, in the order in which they were shown.
        held: Which of these is held out, from 0.

    Shapes: of a mouse (N, cells) float32. Labels `direction` (N,) in degrees, `window` and `trial of MOUSE`,
    its number in the file. `blocks` of the rows keeps the windows of a trial together in every further split.

    Raises:
        InputError: the file is missing or damaged, an array in it is missing or has another shape, a value
            is not finite, a direction is none of the eight; it names the file.

    Source: the sample data of Park et al. (MIT). The pairing is that of Sutter et al. 2024 (MMVM), who paired
    rats by odour.

    Example:
        >>> mouse_gratings("nowhere")
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/mouse_gratings.npz is missing; make it from \
https://github.com/surlab/Park_et_al (commit bdff7ce60297, sample-data/glm) as docs/data.md says.
    """
    width, blocks = number("width", width, open_=True), whole("blocks", blocks, least=2)
    part = whole("held", held, least=0)
    if part >= blocks:
        raise InputError(f"held is {part} of {blocks} blocks; they are numbered from 0 to {blocks - 1}.")
    path = Path(folder) / FILE
    if not path.is_file():
        raise InputError(f"{path} is missing; make it from {URL} as docs/data.md says.")
    arrays = entries(path)
    codes, times, names = (_array(path, arrays, key, 1) for key in ("direction", "t", "animals"))
    wrong = np.flatnonzero(~np.isin(codes, range(DIRECTIONS)))
    if len(wrong):
        raise InputError(
            f"{path} has the direction {codes[wrong[0]]} in trial {wrong[0]}; directions are 0 to 7, times "
            f"{STEP} degrees."
        )
    chosen = check_names("mice", tuple(map(str, names)) if mice is None else mice, tuple(map(str, names)))
    windows = {mouse: _windows(path, arrays, mouse, (len(codes), times), width) for mouse in chosen}
    repetition = np.array([(codes[:i] == code).sum() for i, code in enumerate(codes)])
    there = repetition * blocks // (repetition.max() + 1) == part
    degrees = STEP * codes.astype(np.int64)
    train, test = (_rows(windows, degrees, np.flatnonzero(kept)) for kept in (~there, there))
    return train, test


def _rows(windows: Mapping[str, np.ndarray], degrees: np.ndarray, kept: np.ndarray) -> MultimodalData:
    """Pair some trials by direction and make a row of every window."""
    on = {mouse: degrees[kept] for mouse in windows}
    rows = pair_sessions({mouse: x[kept] for mouse, x in windows.items()}, on, label="direction")
    for mouse in windows:  # its number in the file, not among those that were kept
        trial = rows.labels[f"trial of {mouse}"]
        rows.labels[f"trial of {mouse}"] = np.where(trial < 0, -1, kept[trial])
    made = unfold(rows)
    return replace(made, labels={"window" if name == "bin" else name: v for name, v in made.labels.items()})


def _array(path: Path, arrays: Mapping[str, np.ndarray], key: str, axes: int) -> np.ndarray:
    """Return an array of the file, of so many axes and not empty."""
    found = arrays.get(key)
    if found is None or found.ndim != axes or not found.size:
        said = "nothing" if found is None else f"{found.dtype} {found.shape}"
        raise InputError(
            f"{path} holds {said} as {key!r}; it must hold an array of {axes} axes: make it again."
        )
    return found


def _windows(
    path: Path, arrays: Mapping[str, np.ndarray], mouse: str, like: tuple[int, np.ndarray], width: float
) -> np.ndarray:
    """Return the windows (trials, windows, cells) of a mouse, above its mean before the grating."""
    trials, times = like
    traces = _array(path, arrays, f"traces_{mouse}", 3)
    if traces.dtype.kind not in "iuf" or traces.shape[::2] != (trials, len(times)):
        raise InputError(
            f"{path} holds {traces.dtype} {traces.shape} as 'traces_{mouse}'; it must hold numbers (trials, "
            f"cells, samples), here ({trials}, cells, {len(times)}): make it again."
        )
    bad = np.argwhere(~np.isfinite(traces))
    if len(bad):
        trial, cell, sample = bad[0]
        raise InputError(
            f"{path}: traces_{mouse} is not finite in trial {trial}, cell {cell}, sample {sample}."
        )
    if not (times < 0).any():
        raise InputError(f"{path}: no time in 't' is below 0, so there is nothing before the grating.")
    before = traces[:, :, times < 0].mean(2)[:, None]
    made = binned(traces.transpose(0, 2, 1), times, window=WINDOW, width=width, add=False) - before
    return made.astype(np.float32)
