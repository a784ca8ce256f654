"""A convolutional classifier of small images: trained with torch, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional as F

from counterpoint.nn.build import build
from counterpoint.nn.channels_last import channels_first, is_channels_last, view_first
from counterpoint.nn.conv import ConvEncoder
from counterpoint.seeds import generator

HIDDEN, WIDTH = 128, 16
EPOCHS, LEAST_STEPS = 15, 500


def train_conv(x: np.ndarray, y: np.ndarray, event: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """Train three strided convolutions and a hidden layer with cross-entropy; return the weights by layer.

    Args:
        x: (N, C * H * W) flattened images, already centred and scaled; (N, H * W * C) of channels last.
        y: (N,) labels, or (N, L) of 0 and 1: binary cross-entropy.
        event: (C, H, W), or (H, W, C) with C at most 4; the network is the same.
        seed: Of initial weights and row order.

    Source: the coherence classifiers of Sutter et al. 2021 (MoPoE) are of this size.

    Example:
        >>> x = np.zeros((8, 64)); x[4:] = 1.0
        >>> weights = train_conv(x, np.repeat([3, 7], 4), (1, 8, 8), seed=0)
        >>> weights["out.weight"].shape, conv_features(weights, x, (1, 8, 8)).shape
        ((2, 128), (8, 128))
    """
    several = y.ndim == 2
    codes = y.astype(np.float32) if several else np.unique(y, return_inverse=True)[1]
    count = y.shape[1] if several else int(codes.max()) + 1
    images, target = _images(x, event), torch.from_numpy(codes)
    draw = generator(seed, "oracle")
    net = build(lambda: _net(event, count), draw)
    loss = F.binary_cross_entropy_with_logits if several else F.cross_entropy
    adam = torch.optim.Adam(net.parameters(), lr=2e-3, fused=True)
    for _ in range(max(EPOCHS, LEAST_STEPS // -(-len(images) // 64))):
        for rows in torch.randperm(len(images), generator=draw).split(64):
            adam.zero_grad(set_to_none=True)
            loss(net(images[rows]), target[rows]).backward()
            adam.step()
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    last = max(int(name.split(".")[1]) for name in weights)
    for part in ("weight", "bias"):
        weights[f"out.{part}"] = weights.pop(f"layers.{last}.{part}")
    return weights


def conv_features(weights: Mapping[str, np.ndarray], x: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
    """Return the last hidden layer (N, 128) of images x (N, C * H * W)."""
    with torch.device("meta"):
        body = _net(event, 1).layers[:-1]
    own = {name.removeprefix("layers."): torch.from_numpy(v) for name, v in weights.items() if name[0] != "o"}
    body.load_state_dict(own, assign=True)
    with torch.no_grad():
        found = [body(part) for part in _images(x, event).split(512)]
    return torch.cat(found).double().numpy()


def _net(event: tuple[int, ...], count: int) -> ConvEncoder:
    shape = channels_first(event) if is_channels_last(event) else event
    return ConvEncoder(shape, count, heads=1, hidden=HIDDEN, width=WIDTH)


def _images(x: np.ndarray, event: tuple[int, ...]) -> torch.Tensor:
    """Return images as the network reads them, (N, C, H, W); of channels last a view."""
    images = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).reshape(len(x), *event)
    return view_first(images) if is_channels_last(event) else images
