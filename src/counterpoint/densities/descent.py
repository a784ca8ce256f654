"""Gradient descent for the small networks of a density: seeded, stopped on rows held back."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from counterpoint.seeds import generator

HELD = 10  # one row in so many is held back
STEPS, EPOCHS = 12_000, 500
Loss = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def descend(
    network: nn.Module,
    loss: Loss,
    x: torch.Tensor,
    seed: int,
    use: str,
    *,
    rate: float,
    patience: int = 30,
    most: int = STEPS,
) -> dict[str, float]:
    """Train a network in place, and leave it with the weights that suit the rows held back best.

    Adam; a tenth of the rows (at least one) is held back, and training stops after `patience` epochs without
    a better loss there, 500 epochs or `most` steps. The noise for the rows held back is the same every time.

    Args:
        network: What is trained.
        loss: (rows (B, L), generator) -> (B,) nats.
        x: (N, L) rows.
        seed: Of order and noise.
        use: Name of the stream of random numbers.
        rate: Learning rate.
        patience: Epochs to wait for a better loss.
        most: Steps, at most (but one epoch).

    Returns:
        `epochs` that were trained, and `held_out`, the best loss there in nats a row.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> x = torch.linspace(-1, 1, 50).unsqueeze(1)
        >>> told = descend(net, lambda r, g: (net(r) - 2 * r).square().sum(1), x, 0, "doc", rate=0.1)
        >>> told["held_out"] < 0.01
        True
    """
    order = generator(seed, use, "order")
    shuffled = x[torch.randperm(len(x), generator=order)]
    held, rows = shuffled[: max(1, len(x) // HELD)], shuffled[max(1, len(x) // HELD) :]
    size = max(16, min(256, len(rows) // 4))
    steps = -(-len(rows) // size)
    noise = generator(seed, use, "noise")
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)

    def now() -> float:
        with torch.no_grad():
            return loss(held, generator(seed, use, "held")).mean().item()

    best, weights, waited, epochs = now(), copy.deepcopy(network.state_dict()), 0, 0
    while epochs < min(EPOCHS, max(1, most // steps)) and waited < patience:
        epochs += 1
        for batch in rows[torch.randperm(len(rows), generator=order)].split(size):
            optimiser.zero_grad()
            loss(batch, noise).mean().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
        waited, found = waited + 1, now()
        if found < best:
            best, weights, waited = found, copy.deepcopy(network.state_dict()), 0
    network.load_state_dict(weights)
    return {"epochs": epochs, "held_out": best}
