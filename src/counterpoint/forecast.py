"""What a fit will take, said before it starts: memory, and time by a few steps that are thrown away."""

import copy
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from counterpoint.batch import Batch
from counterpoint.batches import prepared_batch
from counterpoint.building import new_model, prepare, train_options
from counterpoint.data import MultimodalData, Preparation
from counterpoint.data.omics_matrices import GIB, half_of_memory
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.training.footprint import CHUNK, step_bytes
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

COPIES = 6  # of the weights: themselves, gradients, Adam's two moments, the best, those handed back
WRITTEN = 12  # more where a run is written: the states of two epochs, and the file of one
LATER = 0.03 * GIB  # what libraries load at a first step
LIBRARIES = 0.6 * GIB  # what Python, torch and Lightning take themselves
SPREAD = 300  # values that a step makes of one that it reads; nets of pictures and many experts stay below
SHARE = 0.25  # of what is free: a fit that by such a guess takes less is not looked at any closer
STEPS, SECONDS, PART = 3, 1.0, 0.02  # timed steps, and what these may take: a second, or so much of the fit
CALM = 0.3  # seconds of steps that are timed where they are no larger part: other programs come and go

INSTEAD = (
    "leave the rows in their file (backed=True), or take a smaller batch_size, a smaller network (hidden, "
    "width) or fewer features"
)


@dataclass(frozen=True)
class Forecast:
    """What a fit takes.

    Args:
        memory: A part -> bytes.
        epoch: Seconds; None where it was not measured.
        options: How it trains.

    Example:
        >>> Forecast({"data": 2**30, "steps": 2**29}, 1.25, TrainOptions(epochs=200)).line()
        'about 1.5 GiB of memory, about 4 min for at most 200 epochs'
    """

    memory: dict[str, float]
    epoch: float | None
    options: TrainOptions

    @property
    def bytes(self) -> float:
        """All parts together."""
        return sum(self.memory.values())

    def line(self, done: int = 0) -> str:
        """Return it in words, of a fit that has some epochs behind it."""
        said, left = in_gib(self.bytes), self.options.epochs - done
        if self.epoch is None:
            return said
        most = "at most " if self.options.validation and (self.options.patience or left) < left else ""
        return f"{said}, {duration(self.epoch * left)} for {most}{left} epoch{'s' * (left != 1)}"


def of_fit(
    estimator: "Counterpoint",
    data: MultimodalData,
    prepared: Preparation,
    model: MultimodalVAE,
    *,
    written: bool = False,
    said: bool = True,
) -> Forecast | None:
    """Return what a fit in memory takes; refuse one that takes more memory than is free.

    Memory is what the process has now, the data as they are prepared, copies of the weights, and what a step
    or the preparing makes on its way. Model and random numbers are copies: nothing that a fit uses changes.

    Args:
        estimator: What is to be fitted.
        data: Its training rows.
        prepared: Their preparation.
        model: Its model.
        written: Whether the run is written.
        said: Whether anyone is told. If not, time is not measured, and for a fit that by a coarse guess is
            small, nothing is: the result is None.

    Raises:
        InputError: If more memory than is free is still to come.
    """
    options, free = train_options(estimator, len(data)), 2 * half_of_memory()
    copies = COPIES + (estimator.ema is not None) + WRITTEN * written
    weights = float(copies * sum(p.nbytes for p in model.parameters()))
    rows, values = data.shape
    held = round(rows * options.validation)
    size, asked = max(1, min(options.batch_size, rows - held)), min(held, CHUNK)
    if not said and 8.0 * rows * values + 4.0 * SPREAD * values * max(size, asked) + weights < SHARE * free:
        return None
    some = np.linspace(0, rows - 1, size).astype(int)  # from all over
    batch = prepared_batch(data[some], prepared, options.dtype, "cpu", keep_bytes=True)
    row = [(batch.x[name].nbytes + batch.mask[name].nbytes) / size for name in batch.names]
    memory = {
        "the process now": resident(),
        "prepared data": sum(row) * rows,
        "weights": weights,
        "steps": max(step_bytes(model, batch, options.dtype, size, asked), max(row) * rows),
        "libraries": LATER,
    }
    refuse(memory, free if estimator.device == "cpu" else float("inf"))
    if not said:
        return Forecast(memory, None, options)
    there = batch if estimator.device == "cpu" else _moved(batch, estimator.device)
    return Forecast(memory, epoch_seconds(model, there, options, rows - held, held), options)


def of_defaults(estimator: "Counterpoint", data: MultimodalData) -> str:
    """Return in words what a fit would take, or why there would be none.

    Example:
        >>> from counterpoint import Counterpoint, read
        >>> data = read({"a": np.arange(60.0).reshape(30, 2), "b": np.arange(30.0)[:, None]})
        >>> of_defaults(Counterpoint(epochs=9), data)  # doctest: +ELLIPSIS
        'about ... GiB of memory, about 1 s for 9 epochs'
        >>> of_defaults(Counterpoint(), read({"a": np.full((30, 1), 2.5)}))  # doctest: +ELLIPSIS
        "would stop: modality 'a': 1 of 1 columns are constant ..."
    """
    try:
        prepared = prepare(estimator, data)
        found = of_fit(estimator, data, prepared, new_model(estimator, prepared), written=True)
    except InputError as error:  # that is the answer
        return f"would stop: {error}"
    assert found is not None
    return found.line()


def refuse(memory: Mapping[str, float], free: float, instead: str = INSTEAD) -> None:
    """Refuse a fit of which more than is free is still to come.

    Args:
        memory: Bytes of its parts, the first of which the process has already.
        free: Bytes.
        instead: What to do about it.

    Raises:
        InputError: If it is.

    Example:
        >>> refuse({"the process now": 1e9, "prepared data": 2e9}, free=2.5e9)
        >>> refuse({"the process now": 1e9, "prepared data": 3e9}, free=2.5e9)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: the fit needs about 3.7 GiB of memory (the process now 0.93, ...
    """
    now, *coming = memory.values()
    if sum(coming) > free:
        raise InputError(
            f"the fit needs {in_gib(now + sum(coming))} ({listed(memory)}), and {free / GIB:.1f} GiB are "
            f"free; {instead}."
        )


def listed(memory: Mapping[str, float]) -> str:
    """Return the parts in GiB.

    Example:
        >>> listed({"data": 2**30, "weights": 2**29})
        'data 1.00, weights 0.50'
    """
    return ", ".join(f"{name} {size / GIB:.2f}" for name, size in memory.items())


def in_gib(size: float) -> str:
    """Return bytes in words.

    Example:
        >>> in_gib(3e8), in_gib(4e10)
        ('about 0.3 GiB of memory', 'about 37 GiB of memory')
    """
    return f"about {size / GIB:.{1 if size < 10 * GIB else 0}f} GiB of memory"


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(0.2), duration(80), duration(240), duration(9000), duration(400_000)
        ('about 1 s', 'about 80 s', 'about 4 min', 'about 2.5 h', 'about 111 h')
    """
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.{1 if seconds < 36_000 else 0}f} h"


def resident() -> float:
    """Return the bytes of memory that this process has now; what libraries take where nobody says.

    Example:
        >>> 1e7 < resident() < 1e12
        True
    """
    now = Path("/proc/self/statm")
    return float(int(now.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")) if now.exists() else LIBRARIES


def epoch_seconds(
    model: MultimodalVAE, batch: Batch, options: TrainOptions, train: int, held: int
) -> float | None:
    """Return the seconds of an epoch, by a few steps of a copy of the model; None if these cost too much.

    Args:
        model: The model; it stays as it is.
        batch: The rows of a step, on the device to train on.
        options: How to train.
        train: Training rows.
        held: Validation rows.
    """
    model, alone = copy.deepcopy(model), replace(options, validation=0.0, batch_size=batch.rows)
    tried = Population([model], batch.x, batch.mask, alone, [0], covariates=batch.covariates)
    index, noise = tried.first_batch()

    def step() -> float:
        return _seconds(lambda: tried.step(index, noise), tried.device)

    def ask() -> None:
        few = index[0, : min(held, batch.rows)]
        drawn = model.noise(len(few), noise[0], options.dtype)
        with torch.no_grad():
            tried.losses(few[None], *drawn, model.method.final())

    steps, first = -(-train // options.batch_size), step()
    part = PART * options.epochs * steps * first
    allowed = max(SECONDS, part)
    if first > allowed:
        return None
    times = [step()]
    while (len(times) < STEPS or sum(times) < min(CALM, part)) and first + sum(times) < allowed:
        times.append(step())
    asked = _seconds(ask, tried.device) * held / min(held, batch.rows) if held else 0.0
    return steps * statistics.median(times) + asked


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _moved(batch: Batch, device: str) -> Batch:
    """Return a batch on a device."""
    x, mask = ({k: v.to(device) for k, v in part.items()} for part in (batch.x, batch.mask))
    return Batch(x, mask, None if batch.covariates is None else batch.covariates.to(device))
