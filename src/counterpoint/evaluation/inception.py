"""The Inception network of published Frechet distances, for weights that its user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from counterpoint.errors import InputError
from counterpoint.evaluation import checks

SIDE, WIDTH, CLASSES = 299, 2048, 1008


def unit(inputs: int, outputs: int, kernel: Any, stride: int = 1, padding: Any = 0) -> nn.Module:
    """Return a convolution without bias, a normalisation with stored moments, and what is above zero."""
    layer = nn.Module()
    layer.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    layer.bn = nn.BatchNorm2d(outputs, eps=0.001)
    layer.forward = lambda x: F.relu(layer.bn(layer.conv(x)))  # type: ignore[method-assign]
    return layer


def average(x: Tensor) -> Tensor:
    """Average over 3 x 3, of the pixels that are there."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Block(nn.Module):
    """Branches side by side, each a chain of units; a list in a chain splits it once more."""

    def __init__(self, inputs: int, chains: dict[str, list[Any]], pool: Any = None) -> None:
        super().__init__()
        self.pool, self.plan = pool, chains
        for name, chain in chains.items():
            width = inputs
            for step, one in enumerate(chain, 1):
                parts = one if isinstance(one, list) else [one]
                for part, letter in zip(parts, "ab", strict=False):
                    self.add_module(
                        self._key(name, chain, step, letter if isinstance(one, list) else ""),
                        unit(width, *part),
                    )
                width = parts[0][0]

    @staticmethod
    def _key(name: str, chain: list[Any], step: int, letter: str) -> str:
        return name if len(chain) == 1 else f"{name}_{step}{letter}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches one behind the other, (B, C', H', W')."""
        out = []
        for name, chain in self.plan.items():
            y = self.pool(x) if name == "branch_pool" else x
            for step, one in enumerate(chain, 1):
                keys = [self._key(name, chain, step, c) for c in ("ab" if isinstance(one, list) else [""])]
                y = torch.cat([getattr(self, key)(y) for key in keys], 1)
            out.append(y)
        if "branch_pool" not in self.plan:
            out.append(F.max_pool2d(x, 3, 2))
        return torch.cat(out, 1)


def _a(inputs: int, pooled: int) -> Block:
    return Block(inputs, {
        "branch1x1": [(64, 1)],
        "branch5x5": [(48, 1), (64, 5, 1, 2)],
        "branch3x3dbl": [(64, 1), (96, 3, 1, 1), (96, 3, 1, 1)],
        "branch_pool": [(pooled, 1)],
    }, average)  # fmt: skip


def _c(width: int) -> Block:
    across, down = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    return Block(768, {
        "branch1x1": [(192, 1)],
        "branch7x7": [(width, 1), (width, *across), (192, *down)],
        "branch7x7dbl": [(width, 1), (width, *down), (width, *across), (width, *down), (192, *across)],
        "branch_pool": [(192, 1)],
    }, average)  # fmt: skip


def _e(inputs: int, pool: Any) -> Block:
    both = [(384, (1, 3), 1, (0, 1)), (384, (3, 1), 1, (1, 0))]
    return Block(inputs, {
        "branch1x1": [(320, 1)],
        "branch3x3": [(384, 1), both],
        "branch3x3dbl": [(448, 1), (384, 3, 1, 1), both],
        "branch_pool": [(192, 1)],
    }, pool)  # fmt: skip


class Inception(nn.Module):
    """Inception v3 as published Frechet distances use it: 2048 features after the last pooling.

    Averages are over the pixels that are there, and the last block takes the maximum instead: both as in the
    TensorFlow model of 2015-12-05 with its 1008 outputs.

    Source: Szegedy et al. 2016 (arXiv:1512.00567), table 1 and figures 5-7; Heusel et al. 2017.

    Example:
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in Inception().parameters())
        23850960
    """

    def __init__(self) -> None:
        super().__init__()
        stem = {"1a_3x3": (3, 32, 3, 2), "2a_3x3": (32, 32, 3), "2b_3x3": (32, 64, 3, 1, 1),
                "3b_1x1": (64, 80, 1), "4a_3x3": (80, 192, 3)}  # fmt: skip
        self.stem = [f"Conv2d_{name}" for name in stem]
        for name, sizes in stem.items():
            self.add_module(f"Conv2d_{name}", unit(*sizes))
        blocks = {
            "5b": _a(192, 32), "5c": _a(256, 64), "5d": _a(288, 64),
            "6a": Block(288, {"branch3x3": [(384, 3, 2)],
                              "branch3x3dbl": [(64, 1), (96, 3, 1, 1), (96, 3, 2)]}),
            "6b": _c(128), "6c": _c(160), "6d": _c(160), "6e": _c(192),
            "7a": Block(768, {"branch3x3": [(192, 1), (320, 3, 2)],
                              "branch7x7x3": [(192, 1), (192, (1, 7), 1, (0, 3)),
                                              (192, (7, 1), 1, (3, 0)), (192, 3, 2)]}),
            "7b": _e(1280, average), "7c": _e(2048, lambda x: F.max_pool2d(x, 3, 1, 1)),
        }  # fmt: skip
        self.blocks = [f"Mixed_{name}" for name in blocks]
        for name, block in blocks.items():
            self.add_module(f"Mixed_{name}", block)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, 2048) of pictures (B, 3, 299, 299) in [-1, 1]."""
        for name in self.stem:
            x = getattr(self, name)(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = F.max_pool2d(x, 3, 2)
        for name in self.blocks:
            x = getattr(self, name)(x)
        return x.mean((2, 3))

    def features(self, images: Any, batch: int = 32) -> np.ndarray:
        """Return features (N, 2048) of pictures (N, C, H, W) or (N, H, W, C) in [0, 1], C 1 or 3.

        One channel is repeated; pictures are resized bilinearly. Values outside [0, 1] are refused, not
        wrapped around: clamp what a decoder made.

        Raises:
            InputError: for another shape, NaN, values outside [0, 1].
        """
        x = checks.finite("images", checks.numbers("images", images))
        if x.ndim == 4 and x.shape[1] not in (1, 3):  # of channels last a view
            x = x.transpose(0, 3, 1, 2)
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise InputError(
                f"images has shape {np.shape(images)}; give (N, C, H, W) or (N, H, W, C), C 1 or 3."
            )
        if x.min() < 0 or x.max() > 1:
            raise InputError(f"images has values from {x.min():g} to {x.max():g}; clamp them to [0, 1].")
        out = []
        with torch.no_grad():
            for part in torch.from_numpy(x).float().split(batch):
                part = part.contiguous().expand(-1, 3, -1, -1)  # one layout, one way of summing
                part = F.interpolate(part, (SIDE, SIDE), mode="bilinear", align_corners=False)
                out.append(self(2 * part - 1))
        return torch.cat(out).double().numpy()


def inception(path: str | Path) -> Inception:
    """Return the network with weights from a safetensors file; nothing is downloaded.

    The names are those of the common PyTorch ports (`Mixed_5b.branch1x1.conv.weight`, `...bn.running_mean`,
    `fc.weight`). A `.pth` of theirs is converted once, by whoever trusts it:

        weights = torch.load("fid.pth", weights_only=True)
        safetensors.torch.save_file({k: v.contiguous() for k, v in weights.items()}, "fid.safetensors")

    Raises:
        InputError: If the file is missing or damaged, or a tensor is missing, unknown or of another shape.

    Example:
        >>> inception("no/such/file.safetensors")
        Traceback (most recent call last):
        counterpoint.errors.InputError: no/such/file.safetensors does not exist; give a .safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a .safetensors file.")
    try:
        given = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no intact safetensors file ({error}); see how to make one.") from error
    with torch.device("meta"):
        net = Inception()
    counters = "num_batches_tracked"  # of training; some ports keep them
    wanted = {k: v for k, v in net.state_dict().items() if not k.endswith(counters)}
    given = {k: v for k, v in given.items() if not k.endswith(counters)}
    for name in sorted(wanted.keys() | given.keys()):
        if name not in given or name not in wanted:
            what = "lacks" if name in wanted else "has an unknown tensor"
            raise InputError(
                f"{path} {what} {name}; it must hold the Inception v3 of 1008 outputs, no other."
            )
        if given[name].shape != wanted[name].shape:
            shapes = f"{tuple(given[name].shape)}, not {tuple(wanted[name].shape)}"
            raise InputError(f"{path}: {name} is {shapes}; it must hold the Inception v3 of 1008 outputs.")
    rest = {k: torch.zeros((), dtype=torch.long) for k in net.state_dict() if k.endswith(counters)}
    net.load_state_dict({**{k: v.float() for k, v in given.items()}, **rest}, assign=True)
    return net.eval()
