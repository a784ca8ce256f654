"""Rows that are paired anew in every epoch, within what they share: sessions that have no rows in common."""

from collections.abc import Sequence

import numpy as np
import torch

from counterpoint.seeds import generator


def codes_of(pairs: np.ndarray | None) -> torch.Tensor | None:
    """Return the `pairs` or `blocks` of data as a trainer reads them.

    Example:
        >>> codes_of(np.array([0, 0, 1]))
        tensor([0, 0, 1])
    """
    return None if pairs is None else torch.from_numpy(pairs)


class Pairs:
    """Which row of a modality stands beside which row of another, drawn anew in every epoch.

    Rows with the same code (the same stimulus, say) are interchangeable: within the training rows of a code
    every modality's values are permuted by themselves, with their masks. So each value is seen once an epoch,
    beside others of its code, and a modality that has fewer rows of a code is absent beside the rest.

    Args:
        codes: (N,) whole numbers; rows of the same code may be paired.
        names: The modalities; the first stays in place, the others move.
        device: Of the data.

    Example:
        >>> pairs = Pairs(torch.tensor([0, 0, 0, 1]), ["a", "b"], "cpu")
        >>> pairs.draw([(torch.arange(4), 5, 0)])
        >>> pairs.rows("a", torch.tensor([[0, 1, 2, 3]])).tolist()
        [0, 1, 2, 3]
        >>> moved = pairs.rows("b", torch.tensor([[0, 1, 2, 3]])).tolist()
        >>> sorted(moved[:3]), moved[3]
        ([0, 1, 2], 3)
    """

    def __init__(self, codes: torch.Tensor, names: Sequence[str], device: torch.device | str) -> None:
        self.codes, self.names, self.device = codes.cpu(), list(names), device
        self.source: dict[str, torch.Tensor] = {}

    def draw(self, models: Sequence[tuple[torch.Tensor, int, int]]) -> None:
        """Draw the pairs of an epoch: of every model its training rows, its seed and the epoch."""
        for name in self.names[1:]:
            found = torch.stack([self._drawn(name, *model) for model in models]).to(self.device)
            if name in self.source and self.source[name].shape == found.shape:
                self.source[name].copy_(found)  # where it is: a captured graph reads it there
            else:
                self.source[name] = found

    def _drawn(self, name: str, train: torch.Tensor, seed: int, epoch: int) -> torch.Tensor:
        """Return which row's values of a modality stand in each row, (N,); rows held back stay."""
        codes, found = self.codes[train], torch.arange(len(self.codes))
        mixed = torch.randperm(len(train), generator=generator(seed, f"pairs/{name}", epoch))
        # Both list the training rows code by code, one in order and one mixed.
        placed = torch.argsort(codes, stable=True)
        drawn = mixed[torch.argsort(codes[mixed], stable=True)]
        found[train[placed]] = train[drawn]
        return found

    def rows(self, name: str, index: torch.Tensor) -> torch.Tensor:
        """Return the rows (E B,) whose values of a modality stand in rows `index` (E, B)."""
        if name == self.names[0] or not self.source:
            return index.reshape(-1)
        return self.source[name].gather(1, index).reshape(-1)
