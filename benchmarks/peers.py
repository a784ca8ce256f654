"""What a contender is, and the race between contenders: interleaved rounds in an order that turns.

Another library is measured by a file with a class `Peer` that satisfies the protocol here; see
`peer_example.py`, and `python benchmarks/side_by_side.py --peer path/to/file.py`.
"""

import gc
import importlib.util
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from step import turns
from workloads import Workload

from counterpoint.errors import InputError


@runtime_checkable
class Contender(Protocol):
    """Something that trains a workload, an epoch at a call.

    `models` (1 if there is none) is how many models an epoch trains: time is per model and step. A state may
    have `close()`, which is called after the race.
    """

    name: str

    def prepare(self, workload: Workload) -> Any:
        """Make nets, data and optimiser; not timed."""
        ...

    def epoch(self, state: Any) -> None:
        """Take `workload.steps` optimiser steps of `workload.batch` rows."""
        ...

    def version(self) -> str:
        """Name and version of what is measured."""
        ...


def load(path: str | Path) -> Contender:
    """Return the `Peer()` of a Python file.

    Raises:
        InputError: If there is no such file, or its `Peer` is no contender.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"--peer is {path}, which is no file; give a Python file with a class Peer.")
    spec = importlib.util.spec_from_file_location(f"peer_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"--peer is {path}, which is no Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    peer = module.Peer() if hasattr(module, "Peer") else None
    if not isinstance(peer, Contender):
        raise InputError(
            f"--peer is {path}, whose Peer lacks something; it must have name, prepare, epoch and version."
        )
    return peer


class _Enough(Exception):
    """Ends a run that was paused between epochs."""


class Paused:
    """A training run that blocks, such as `Population.run`, taken an epoch at a time.

    It runs in a thread of its own, which moves only while `epoch` waits for it: never two at once, so
    process CPU time is that of the one that moves.

    Args:
        run: Called with a function that it must call after every epoch.
    """

    def __init__(self, run: Callable[[Callable[..., None]], object]) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._over = False
        self._thread = threading.Thread(target=self._body, args=(run,), daemon=True)

    def _body(self, run: Callable[[Callable[..., None]], object]) -> None:
        self._go.acquire()
        try:
            run(self._pause)
        except _Enough:
            pass
        except BaseException as error:  # handed to the thread that waits
            self._error = error
        self._over = True
        self._done.release()

    def _pause(self, *_: object) -> None:
        self._done.release()
        self._go.acquire()
        if self._over:
            raise _Enough

    def epoch(self) -> None:
        if self._over:
            raise RuntimeError("the run is over")
        if not self._thread.is_alive():
            self._thread.start()
        self._go.release()
        self._done.acquire()
        if self._error is not None:
            raise RuntimeError("the run failed") from self._error

    def close(self) -> None:
        if self._thread.is_alive() and not self._over:
            self._over = True
            self._go.release()
            self._thread.join()


def _paused(contender: Contender, state: Any) -> Paused:
    """Let everybody run in a thread: memory is handed out a little differently there."""
    if isinstance(state, Paused):
        return state

    def run(pause: Callable[[], None]) -> None:
        while True:
            contender.epoch(state)
            pause()

    return Paused(run)


class Entry(NamedTuple):
    """A contender in a race, under the name that its row has."""

    name: str
    contender: Contender
    workload: Workload


def race(entries: Sequence[Entry], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of process CPU time per model and step, name -> one number a round.

    Args:
        entries: With names that differ.
        rounds: At least 3; the first warms up and is dropped.
    """
    names = [e.name for e in entries]
    assert len(set(names)) == len(names)
    assert rounds >= 3
    states = {e.name: e.contender.prepare(e.workload) for e in entries}
    runs = {e.name: _paused(e.contender, states[e.name]) for e in entries}
    took: dict[str, list[float]] = {k: [] for k in runs}
    order = turns(names)
    try:
        for turn in range(rounds):
            for k in next(order):
                gc.collect()  # so that nobody pays for another's rubbish
                start = time.process_time()
                runs[k].epoch()
                took[k].append(time.process_time() - start)
            if turn == 0:
                gc.freeze()  # what is there now stays: later collections need not look at it
    finally:
        gc.unfreeze()
        for k, run in runs.items():
            run.close()
            if states[k] is not run and hasattr(states[k], "close"):
                states[k].close()
    per = {e.name: 1e3 / (e.workload.steps * getattr(e.contender, "models", 1)) for e in entries}
    return {k: [t * per[k] for t in v[1:]] for k, v in took.items()}


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles, to four digits."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {
        k: float(f"{v:.4g}") for k, v in (("median", middle), ("quartile_low", low), ("quartile_high", high))
    }


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of the ratios of rounds."""
    return quartiles([a / b for a, b in zip(above, below, strict=True)])
