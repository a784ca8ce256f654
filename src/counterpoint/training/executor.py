"""How many models train together: measured, not guessed.

Small networks spend their time on calling, large ones on arithmetic and memory, convolutions lose when they
are batched: only the machine knows. Which models share a stack does not change them, so that the measurement
decides about time alone.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from counterpoint.training.population import Population

SIZES = (1, 2, 4, 8, 16, 32)
_GAIN = 0.05  # a larger stack must be faster by so much
_COPIES = 11  # of the weights: values, gradients, moments, best, means, what a checkpoint holds


@dataclass(frozen=True)
class Measured:
    """What a stack costs.

    Args:
        size: Models that train together.
        seconds: Per model and optimiser step.
        bytes: Memory per model while it trains, without the data.
        tried: Size -> seconds per model and step.
    """

    size: int
    seconds: float
    bytes: int
    tried: dict[int, float]


def measure(
    build: Callable[[int], Population],
    most: int,
    *,
    only: int | None = None,
    memory: float | None = None,
    steps: int = 3,
) -> Measured:
    """Grow a stack while the time per model and step falls by more than 5 %, within memory.

    Args:
        build: From a number of models to a population of that many, which is thrown away.
        most: Models that there are.
        only: A size that is settled, and measured for its time alone.
        memory: Bytes that a stack may take; a quarter of what is free unless given.
        steps: Steps that are timed at each size, after one that is not; the fastest counts.
    """
    allowed = _free() / 4 if memory is None else memory
    need = _bytes(build(1))
    tried: dict[int, float] = {}
    best = only or 1
    sizes = [s for s in SIZES if s <= most and (s == 1 or s * need <= allowed)]
    for size in [only] if only else sizes:
        tried[size] = _seconds(build(size), steps) / size
        if tried[size] < (1 - _GAIN) * tried[best]:
            best = size
        elif size >= 4 * best:  # two larger ones in a row did not pay
            break
    return Measured(best, tried[best], need, tried)


def _seconds(population: Population, steps: int) -> float:
    """Return the time of a population's optimiser step."""
    index, noise = population.first_batch()
    times = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        population.step(index, noise)
        if population.device.type == "cuda":
            torch.cuda.synchronize(population.device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _bytes(population: Population) -> int:
    """Return the memory of one model: copies of its weights, and what a step keeps for its gradient."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    index, noise = population.first_batch()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        population.step(index, noise)
    weights = population.weights.P
    return _COPIES * weights.numel() * weights.element_size() + sum(kept.values())


def _free() -> float:
    """Return the bytes of memory that are free."""
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_AVPHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    return 4e9
