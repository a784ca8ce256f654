"""The papers' own judges of generated data: trained with torch, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from counterpoint.evaluation.judge_nets import NETS
from counterpoint.nn.channels_last import channels_first, is_channels_last, view_first
from counterpoint.seeds import generator

EPOCHS, LEAST_STEPS = 10, 500
BATCH, LEARNING_RATE = 256, 1e-3
COUNTER = "num_batches_tracked"  # of a batch normalisation; it decides nothing here


def train_judge(
    kind: str, x: np.ndarray, y: np.ndarray, event: tuple[int, ...], seed: int
) -> dict[str, np.ndarray]:
    """Train a published judge with cross-entropy; return its weights by layer, the last one as `out`.

    Ten epochs of Adam, at least 500 steps, on the GPU where there is one.

    Args:
        kind: One of `judge_nets.NETS`.
        x: (N, *) flattened rows, already centred and scaled; pictures may have channels last.
        y: (N,) labels, or (N, L) of 0 and 1: binary cross-entropy.
        event: Shape of a row.
        seed: Of initial weights, row order and dropout.

    Raises:
        InputError: If the network does not read rows of this shape.

    Source: the released code of Sutter et al. 2024 (MMVM): batch 256, rate 1e-3, 10 epochs.

    Example:
        >>> x = np.zeros((8, 256)); x[4:] = 1.0
        >>> weights = train_judge("strided", x, np.repeat([3, 7], 4), (1, 16, 16), seed=0)
        >>> weights["out.weight"].shape, judge_features("strided", weights, x, (1, 16, 16)).shape
        ((2, 128), (8, 128))
    """
    several = y.ndim == 2
    codes = y.astype(np.float32) if several else np.unique(y, return_inverse=True)[1]
    rows, target = _rows(x, event), torch.from_numpy(codes)
    draw = generator(seed, "oracle")
    loss = F.binary_cross_entropy_with_logits if several else F.cross_entropy
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():  # torch has no dropout that takes a generator
        torch.manual_seed(int(torch.randint(2**31, (), generator=draw)))
        net = _net(kind, event, y.shape[1] if several else int(codes.max()) + 1).to(device)
        adam = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
        for _ in range(max(EPOCHS, -(-LEAST_STEPS // -(-len(rows) // BATCH)))):
            for part in torch.randperm(len(rows), generator=draw).tensor_split(-(-len(rows) // BATCH)):
                adam.zero_grad(set_to_none=True)
                loss(net(rows[part].to(device)), target[part].to(device)).backward()
                adam.step()
    weights = {name: value.cpu().numpy() for name, value in net.state_dict().items()}
    last = f"{len(net) - 1}."
    found = {n: v for n, v in weights.items() if not n.startswith(last) and not n.endswith(COUNTER)}
    return found | {f"out.{part}": weights[last + part] for part in ("weight", "bias")}


def judge_features(
    kind: str, weights: Mapping[str, np.ndarray], x: np.ndarray, event: tuple[int, ...]
) -> np.ndarray:
    """Return what the last layer of a judge reads of rows x (N, *): (N, F)."""
    with torch.device("meta"):
        body = _net(kind, event, 1)[:-1]
    own = {name: torch.from_numpy(v) for name, v in weights.items() if not name.startswith("out.")}
    own |= {name: torch.tensor(0) for name in body.state_dict() if name.endswith(COUNTER)}
    body.load_state_dict(own, assign=True)
    body.eval()
    with torch.no_grad():
        found = [body(part) for part in _rows(x, event).split(512)]
    return torch.cat(found).double().numpy()


def _net(kind: str, event: tuple[int, ...], count: int) -> nn.Sequential:
    return NETS[kind](channels_first(event) if is_channels_last(event) else event, count)


def _rows(x: np.ndarray, event: tuple[int, ...]) -> torch.Tensor:
    """Return rows as a judge reads them; pictures of channels last as a view, channels first."""
    rows = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).reshape(len(x), *event)
    return view_first(rows) if is_channels_last(event) else rows
