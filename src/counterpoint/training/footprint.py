"""How much memory a step takes: what a few rows allocate and free, carried over to as many as there are."""

import copy
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from counterpoint.batch import Batch, real
from counterpoint.model import MultimodalVAE
from counterpoint.objectives import Noise
from counterpoint.seeds import generator

SIZES = (4, 8, 12)  # rows that are tried: three, since some objectives compare all pairs of rows
CHUNK = 4096  # rows that the in-memory trainer validates together


class Ledger(TorchDispatchMode):
    """Within, every block of memory that a tensor gets is written down, and when it is given back.

    Args:
        own: Tensors that are there already, and do not count.

    Attributes:
        sizes: Bytes of every block, in the order in which they were given.
        events: (block, 1 given or -1 given back), in their order.

    Example:
        >>> x = torch.ones(8)
        >>> with Ledger([x]) as found:
        ...     y = (x + 1).exp()
        >>> found.sizes, found.events
        ([32, 32], [(0, 1), (1, 1), (0, -1)])
    """

    def __init__(self, own: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self._own = [tensor.untyped_storage() for tensor in own]  # held, or a block could get one's place
        self._known: dict[int, Any] = {storage._cdata: None for storage in self._own}
        self.sizes: list[int] = []
        self.events: list[tuple[int, int]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # or torch would load its compiler, seconds and 100 MB, to skip it
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, and look at what it returns."""
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, block = storage._cdata, len(self.sizes)
        if key in self._known:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self.events.append((block, -1))

        self._known[key] = weakref.ref(storage, gone)
        self.sizes.append(storage.nbytes())
        self.events.append((block, 1))


def step_bytes(model: MultimodalVAE, batch: Batch, dtype: torch.dtype, train: int, held: int) -> float:
    """Return the bytes that steps take at most beside data, weights and gradients of weights: an estimate.

    A step is taken on 4, 8 and 12 rows of a copy of the model, on the processor, and every block of memory
    carried over as the parabola through its three sizes: exact where blocks grow with the rows or with the
    pairs of rows. What the kernels use within an operation is not seen.

    Args:
        model: The model; it stays as it is.
        batch: At least one row, as the trainer holds them; rows are repeated as needed.
        dtype: What is computed in.
        train: Rows of a training step.
        held: Rows that are validated together; 0 for none.
    """
    model = copy.deepcopy(model).to("cpu", dtype)
    learned = [p for p in model.parameters() if p.requires_grad]

    def step(given: Batch, noise: Noise) -> None:
        total = model(given, noise, model.method.final()).total
        torch.autograd.grad(total.sum(), learned, allow_unused=True)

    def ask(given: Batch, noise: Noise) -> None:
        with torch.no_grad():
            model(given, noise, model.method.final())

    wanted = ((step, train), *([(ask, held)] if held else ()))
    return max(_peak([_ledger(model, batch, dtype, n, run) for n in SIZES], rows) for run, rows in wanted)


def _ledger(model: MultimodalVAE, batch: Batch, dtype: torch.dtype, rows: int, run: Any) -> Ledger:
    """Return what a run on so many rows writes into a ledger."""
    own = [*model.parameters(), *model.buffers(), *batch.x.values(), *batch.mask.values()]
    index = torch.arange(rows) % batch.rows
    with Ledger(own) as ledger:
        given = batch.at(index)
        told = None if given.covariates is None else given.covariates.to(dtype)
        given = Batch({k: real(v, dtype) for k, v in given.x.items()}, given.mask, told)
        run(given, model.noise(rows, generator(0, "footprint"), dtype))
    return ledger


def _peak(found: Sequence[Ledger], rows: int) -> float:
    """Return the most that is held at once with so many rows, without what does not grow with them."""
    last = found[-1]
    if any(ledger.events != last.events for ledger in found):  # own networks may branch: then in proportion
        sizes, scale = np.array(last.sizes, float), rows / SIZES[-1]
        return scale * _most(last.events, sizes)
    at = [np.array(ledger.sizes, float) for ledger in found]
    slope = (at[1] - at[0]) / 4
    bend = (at[2] - 2 * at[1] + at[0]) / 32
    sizes = (slope - bend * (SIZES[0] + SIZES[1])) * rows + bend * rows**2
    return _most(last.events, sizes)


def _most(events: Sequence[tuple[int, int]], sizes: np.ndarray) -> float:
    blocks, signs = np.array(events).T
    return float(max(np.cumsum(sizes[blocks] * signs).max(), 0.0))
