"""One optimiser step of a `Population` as a CUDA graph: captured once, then replayed.

A step of small networks is hundreds of kernels of a few microseconds each, and launching them from Python
takes longer than running them. A graph launches all of them at once. It reads and writes the same memory at
every replay, so whatever changes from step to step lies in buffers: which rows, the noise, hyperparameters
and learning rates that move. Noise is drawn outside, with every model's own generator, so that a model sees
what it would see without a graph.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.overrides import TorchFunctionMode

from counterpoint.errors import InputError, whole
from counterpoint.seeds import generator

if TYPE_CHECKING:
    from counterpoint.training.population import Population

Function = Callable[[], None]


class Capture(Protocol):
    """What can take a function apart into work that is repeated without Python."""

    def warm_up(self, function: Function, times: int) -> None:
        """Run the function some times as it will be captured, so that nothing is set up later."""
        ...

    def capture(self, function: Function) -> None:
        """Take up what the function does to tensors, without its being done."""
        ...

    def replay(self) -> None:
        """Do it."""
        ...


class CudaCapture:
    """Capture into a `torch.cuda.CUDAGraph`.

    Args:
        device: Where the tensors are.

    Raises:
        InputError: If that is no CUDA device.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs

    Example:
        >>> CudaCapture(torch.device("cpu"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: graph is asked for, and the data are on 'cpu'; CUDA graphs need ...
    """

    def __init__(self, device: torch.device) -> None:
        if device.type != "cuda":
            raise InputError(
                f"graph is asked for, and the data are on {device.type!r}; CUDA graphs need a CUDA device: "
                "move the data to one, or train without graph."
            )
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._graph = torch.cuda.CUDAGraph()

    def warm_up(self, function: Function, times: int) -> None:
        """Run the function on a side stream: cuDNN chooses, libraries allocate, compilers compile."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            for _ in range(times):
                function()
        here.wait_stream(self._stream)
        torch.cuda.synchronize(self._device)

    def capture(self, function: Function) -> None:
        """Record on the stream of the warm-up: what autograd keeps for a leaf belongs to a stream."""
        with torch.cuda.graph(self._graph, stream=self._stream):
            function()

    def replay(self) -> None:
        """Launch all of it on the current stream."""
        self._graph.replay()


@dataclass(frozen=True)
class Graph:
    """How a population's step is captured; `Population(..., graph=True)` takes this as it comes.

    Args:
        backend: Compile the loss for `torch.compile` with this backend before it is captured, such as
            `"inductor"`; None does not compile. Compiled sums may differ in their last bits. A loss that
            makes small tensors of Python numbers (moe, mopoe, mvae, poe, weights of modalities) is refused.
        warm_up: Steps that are taken, and taken back, before capture; at least 1.
        capture: Makes what captures, from the device.

    Raises:
        InputError: If `warm_up` is not a whole number of at least 1.

    Example:
        >>> Graph().warm_up
        3
    """

    backend: str | None = None
    warm_up: int = 3
    capture: Callable[[torch.device], Capture] = CudaCapture

    def __post_init__(self) -> None:
        whole("warm_up", self.warm_up)


class Constants(TorchFunctionMode):
    """Within, small tensors that a model makes of Python numbers are made once and then kept.

    Making one copies from the host, which a capture does not allow. A step asks for the same ones in the same
    order every time: the first run keeps them, the others get what was kept.

    Example:
        >>> mode, x = Constants(), torch.zeros(3)
        >>> kept = []
        >>> for _ in range(2):
        ...     with mode:
        ...         kept.append(x.new_tensor([1.0, 2.0]))
        >>> kept[0] is kept[1], kept[0].tolist()
        (True, [1.0, 2.0])
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[object, torch.Tensor]] = []
        self._at = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __enter__(self) -> "Constants":
        self._at = 0
        return super().__enter__()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Stand in for the functions that would copy."""
        given = dict(kwargs or {})
        if func is torch.Tensor.new_tensor:
            like, data = args
            return self._constant(data, given.get("dtype", like.dtype), like.device)
        if func is torch.Tensor.__getitem__:
            args = (args[0], self._index(args[1], args[0].device))
        return func(*args, **given)

    def _index(self, index: Any, device: torch.device) -> Any:
        """Return an index with a tensor in the place of every list."""
        if isinstance(index, list):
            return self._constant(index, torch.long, device)
        return tuple(self._index(i, device) for i in index) if isinstance(index, tuple) else index

    def _constant(self, data: Any, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        if self._at == len(self._kept):
            self._kept.append(((data, dtype), torch.tensor(data, dtype=dtype, device=device)))
        asked, found = self._kept[self._at]
        assert asked == (data, dtype), "a step that is captured asks for the same constants every time"
        self._at += 1
        return found


class StepGraph:
    """A population's optimiser step for batches of full size, captured anew whenever its stack has changed.

    Args:
        population: Whose step it is; its weights must have been made for graphs.
        how: How to capture.

    Raises:
        InputError: If the device has no graphs.
    """

    def __init__(self, population: "Population", how: Graph) -> None:
        how.capture(population.device)  # refuses the device before any work
        self._population, self._how = population, how
        self._of: torch.Tensor | None = None  # the gradients of the stack that was captured

    def step(
        self, index: torch.Tensor, noise: Sequence[torch.Generator], hypers: Sequence[Mapping[str, float]]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Take a step; nothing waits for the device.

        Args:
            index: Rows of every running model, (E, B).
            noise: Every running model's generator.
            hypers: Every running model's hyperparameters.

        Returns:
            The total (E, B) and the terms, name -> (E, B), of this step.
        """
        fresh = self._of is not self._population.weights.G  # made anew with every stack
        if fresh:
            self._allocate(index)
        self._index.copy_(index)
        for normal, uniform, g in zip(self._normal, self._uniform, noise, strict=True):
            normal.normal_(generator=g)  # what `MultimodalVAE.noise` draws, in its order
            uniform.uniform_(generator=g)
        self._set(hypers)
        self._population.weights.set_rates(self._population.taken())
        if fresh:
            self._capture()
        self._captured.replay()
        total, *terms = self._out.clone().unbind()  # type: ignore[union-attr]
        return total, dict(zip(self._names, terms, strict=True))

    def _allocate(self, index: torch.Tensor) -> None:
        """Make the buffers for the stack as it is now."""
        p = self._population
        self._of, self._out, self._names = p.weights.G, None, ()
        self._index = torch.empty_like(index, memory_format=torch.contiguous_format)
        models, dtype = [p.models[e] for e in p.running], p.options[0].dtype
        like = models[0].noise(index.shape[1], generator(0, "shape", device=p.device), dtype)
        self._normal, self._uniform = (n.new_empty(len(models), *n.shape) for n in like)
        self._last: dict[str, list[float]] = {}
        self._hyper: dict[str, Any] = {}
        for name, schedule in models[0].method.hyper.items():
            if p.stacked:
                self._hyper[name] = p.weights.P.new_empty(len(models))
            elif schedule.kind != "constant":
                # In double precision, as Python's numbers: a tensor without axes does not widen the others.
                self._hyper[name] = torch.empty((), dtype=torch.float64, device=p.device)

    def _set(self, hypers: Sequence[Mapping[str, float]]) -> None:
        """Bring the hyperparameters up to date; only what has moved."""
        for name in hypers[0]:
            values, buffer = [h[name] for h in hypers], self._hyper.get(name)
            if buffer is None or isinstance(buffer, float):
                self._hyper[name] = values[0]
            elif values != self._last.get(name):
                new = torch.tensor(values, dtype=buffer.dtype).view(buffer.shape)
                buffer.copy_(new, non_blocking=True)
            self._last[name] = values

    def _capture(self) -> None:
        """Warm up, take that back, and capture."""
        self._constants, self._losses = Constants(), self._population.losses
        if self._how.backend is not None:
            with torch.no_grad(), self._constants:
                self._losses(self._index, *self._drawn(), self._hyper)
            if len(self._constants):
                name = self._population.models[0].method.name
                raise InputError(
                    f"graph has backend {self._how.backend!r}, and the loss of {name} (or a weight of a "
                    "modality) makes tensors of Python numbers, which a compiled step would copy from the "
                    "host each time; leave backend out."
                )
            self._losses = torch.compile(self._losses, backend=self._how.backend, dynamic=False)
        self._captured = self._how.capture(self._population.device)  # the old one's memory goes here
        back = self._population.weights.remember()
        self._captured.warm_up(self._body, self._how.warm_up)
        back()
        self._captured.capture(self._body)

    def _body(self) -> None:
        """Do what is captured: from the buffers to new weights and the rows of the losses."""
        with nullcontext() if self._how.backend is not None else self._constants:
            total, terms = self._losses(self._index, *self._drawn(), self._hyper)
        rows = torch.stack([total, *terms.values()]).detach()
        if self._out is None:
            self._out, self._names = torch.empty_like(rows), tuple(terms)
        self._out.copy_(rows)
        self._population.weights.descend(total)

    def _drawn(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the noise as `losses` takes it."""
        if self._population.stacked:
            return self._normal, self._uniform
        return self._normal[0], self._uniform[0]
