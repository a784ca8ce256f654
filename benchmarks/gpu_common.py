"""What the parts of the GPU benchmark share: what was asked, until when, how a step is timed."""

import gc
import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.atomic import write
from counterpoint.seeds import generator

PARTS = {"ceiling": 1, "resnet": 6, "plain": 3, "tables": 3, "train": 9}  # and their shares of the time
GFLOP = {"resnet": 4.145, "plain": 0.127}  # a sample of three pictures, forward and backward
OFFICIAL = "official-like"
ENDLESS = 10**9
GRACE = 20  # seconds after a part's time before its process is ended


@dataclass
class Bench:
    """What was asked, what is known, and until when."""

    device: torch.device
    tiny: bool
    out: Path
    data: Path
    methods: list[str]
    results: dict[str, Any] = field(default_factory=dict)
    part_until: float = 0.0

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def save(self) -> None:
        write(self.out, json.dumps(short(self.results), indent=1) + "\n")

    def sync(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def short(value: Any) -> Any:
    """Five digits are enough; not a number is null."""
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [short(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if abs(value) < float("inf") else None
    return value


@contextmanager
def told(bench: Bench, where: dict[str, Any]) -> Iterator[None]:
    """Tell an error in its place and go on; write the file in any case."""
    try:
        yield
    except Exception as error:
        where["error"] = f"{type(error).__name__}: {error}"[:2000]
        where["traceback"] = traceback.format_exc()[-3000:]
        print(f"  failed: {where['error'][:300]}", flush=True)
    bench.save()


def seconds(bench: Bench, step: Callable[[], object], times: int) -> float:
    """Return the time of a step, the mean of so many."""
    bench.sync()
    if not bench.cuda:
        start = time.perf_counter()
        for _ in range(times):
            step()
        return (time.perf_counter() - start) / times
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(times):
        step()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / times / 1e3


# ---- the ceiling


def ceiling(bench: Bench, found: dict[str, Any]) -> None:
    n, m = (128, 2**16) if bench.tiny else (8192, 2**30)
    g = generator(0, "ceiling", device=bench.device)
    for name, dtype, tf32 in (("bf16", torch.bfloat16, False), ("tf32", torch.float32, True),
                              ("fp32", torch.float32, False)):  # fmt: skip
        a, b = (torch.randn(n, n, generator=g, device=bench.device).to(dtype) for _ in range(2))
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        for _ in range(3):
            torch.mm(a, b)
        took = [seconds(bench, lambda a=a, b=b: torch.mm(a, b), 1 if bench.tiny else 10) for _ in range(5)]
        torch.set_float32_matmul_precision(before)
        found[f"{name}_tflops"] = 2 * n**3 / float(np.median(took)) / 1e12
    x = torch.randn(m, generator=g, device=bench.device)
    y = torch.empty_like(x)
    y.copy_(x)
    took = [seconds(bench, lambda: y.copy_(x), 3) for _ in range(5)]
    found["copy_GB_per_s"] = 2 * x.nbytes / float(np.median(took)) / 1e9


# ---- what is trained


def release(bench: Bench) -> None:
    gc.collect()
    if bench.cuda:
        torch.cuda.empty_cache()


# ---- a fit, and what it is worth
