"""What the side-by-side benchmarks train: networks, data, sizes of a round; and the machine, described."""

import os
import platform
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from step import machine
from torch import Tensor, nn

from counterpoint.likelihoods import Laplace, Normal
from counterpoint.methods import METHODS
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import MLPDecoder, MLPEncoder, networks
from counterpoint.nn.build import build
from counterpoint.seeds import generator

LEARNING_RATE = 1e-3
SCALE = 0.75  # of the Laplace likelihood, as published


@dataclass(frozen=True)
class Workload:
    """One task for every contender: an epoch is `steps` optimiser steps of `batch` complete rows.

    Args:
        name: As on the command line.
        shapes: Event shape of every modality.
        kind: "mlp", "conv" or "resnet" (kinds of `counterpoint.nn.networks`) or "animals".
        hidden: Hidden layers of "mlp", input side first.
        latent: D.
        laplace: Whether the likelihood is Laplace with scale 0.75, else Normal with scale 1.
        steps: Optimiser steps of an epoch; a round is an epoch of each contender.
        rounds: Rounds of a full run, the first of which is dropped.
        stacks: Sizes of the stacks to measure.
        bfloat16: Whether ours runs in bfloat16 as well, where the processor has it.
        memory: Whether peak memory is measured.
        batch: Rows of a step.
        method: Name of the method; the rivals know "mmvm" only.
        usual: Whether it is measured without being named.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    kind: str
    hidden: tuple[int, ...]
    latent: int
    laplace: bool
    steps: int
    rounds: int
    stacks: tuple[int, ...] = ()
    bfloat16: bool = False
    memory: bool = False
    batch: int = 128
    method: str = "mmvm"
    usual: bool = True

    @property
    def rows(self) -> int:
        return self.steps * self.batch

    def quick(self) -> "Workload":
        """A round or two of the same networks: to see that it runs, not to know how fast."""
        images = self.kind in ("conv", "resnet")
        steps = {"conv": 1, "resnet": 1, "animals": 2}.get(self.kind, 8)
        return replace(
            self,
            steps=min(self.steps, steps),
            rounds=3,
            batch=16 if images else self.batch,
            stacks=tuple(s for s in self.stacks if s <= 8),
        )

    def last(self) -> "Workload":
        """The same pictures with their channels last, (H, W, C)."""
        return replace(self, shapes=tuple((h, w, c) for c, h, w in self.shapes))

    def nets(self, seed: int = 0) -> list[tuple[nn.Module, nn.Module]]:
        """Encoder and decoder of every modality; the same weights for the same seed."""
        made = []
        for m, shape in enumerate(self.shapes):
            draw = generator(seed, "init", m)
            if self.kind == "animals":
                d = shape[0]
                leaky = {"activation": "leaky_relu"}
                encoder = build(
                    partial(MLPEncoder, shape, self.latent, hidden=(d, d, self.latent), **leaky), draw
                )
                decoder = build(partial(MLPDecoder, self.latent, shape, hidden=(d, d), **leaky), draw)
                made.append((encoder, decoder))
            else:
                made.append(
                    networks(self.kind, shape, shape, self.latent, generator=draw, hidden=self.hidden)
                )
        return made

    def model(self, seed: int = 0) -> MultimodalVAE:
        parts = {}
        for name, shape, nets in zip(self.names, self.shapes, self.nets(seed), strict=True):
            parts[name] = Modality(*nets, Laplace(shape, SCALE) if self.laplace else Normal(shape))
        return MultimodalVAE(parts, METHODS[self.method](), self.latent)

    @property
    def names(self) -> list[str]:
        return [f"m{m}" for m in range(len(self.shapes))]

    def data(self) -> dict[str, Tensor]:
        """Complete rows, name -> (rows, *shape), single precision."""
        g = torch.Generator().manual_seed(1)
        return {
            k: torch.randn(self.rows, *s, generator=g) for k, s in zip(self.names, self.shapes, strict=True)
        }

    def arrays(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The data and their masks, name -> (rows,), all true."""
        x = self.data()
        return x, {k: torch.ones(self.rows, dtype=torch.bool) for k in x}

    def described(self) -> str:
        """One line for a table."""
        sizes = [" x ".join(map(str, s)) for s in self.shapes]
        said = f"{len(sizes)} x ({sizes[0]})" if len(set(sizes)) == 1 else ", ".join(sizes)
        likelihood = "Laplace" if self.laplace else "Normal"
        return f"{said}; latent {self.latent}, batch {self.batch}, {likelihood}"


IMAGES = ((3, 28, 28),) * 3
ANIMALS = tuple((d,) for d in (920, 790, 1040, 490, 460))
STACKS = (8, 22, 32)
ALL = [
    Workload("tables-small", ((20,), (50,)), "mlp", (64, 64), 5, False, 24, 21, STACKS),
    Workload("tables-medium", ((200,), (500,)), "mlp", (128, 128), 10, False, 12, 15, STACKS, memory=True),
    # 22 of these would need more than 5 GB for weights, gradients and moments alone.
    Workload("five-animals", ANIMALS, "animals", (), 2, True, 8, 9, (8,), bfloat16=True),
    Workload("plain-conv", IMAGES, "conv", (), 64, True, 4, 11, bfloat16=True),
    Workload("resnet", IMAGES, "resnet", (), 512, True, 2, 6, bfloat16=True, memory=True),
    Workload("resnet-64", IMAGES, "resnet", (), 64, True, 2, 6, bfloat16=True, memory=True, usual=False),
]
WORKLOADS = {w.name: w for w in ALL}


def has_bfloat16() -> bool:
    """Whether the processor has a matrix unit for bfloat16."""
    return bool(torch.cpu._is_amx_tile_supported())


def card() -> dict:
    """The machine and the versions that a measurement was made with."""
    return {
        **machine(),
        "system": f"{platform.system()} {platform.machine()}",
        "logical cpus": os.cpu_count(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "bfloat16 matrix unit": has_bfloat16(),
        "lightning": version("lightning"),
    }


def peak_memory() -> float:
    """Peak resident memory of this process so far, in MB.

    Not `getrusage`: its ru_maxrss starts from that of the parent, which a child takes over at fork.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(v.split()[1]) for v in lines if v.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
