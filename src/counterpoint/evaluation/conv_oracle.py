"""A convolutional classifier of small images, in scikit-learn's manners."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from counterpoint.nn.build import build
from counterpoint.nn.conv import ConvEncoder
from counterpoint.seeds import generator


class ConvClassifier:
    """Three strided convolutions and a hidden layer, trained with cross-entropy.

    Rows are flattened images (N, C * H * W), already centred and scaled.

    Args:
        event: (C, H, W).
        seed: Of initial weights and row order.
        epochs: Passes over the rows.
        width: Channels after the first convolution.

    Source: the coherence classifiers of Sutter et al. 2021 (MoPoE) are of this size.

    Example:
        >>> x = np.zeros((8, 64)); x[4:] = 1.0
        >>> model = ConvClassifier((1, 8, 8), seed=0, epochs=30).fit(x, np.repeat([3, 7], 4))
        >>> model.predict(x).tolist()
        [3, 3, 3, 3, 7, 7, 7, 7]
    """

    def __init__(self, event: tuple[int, ...], seed: int, epochs: int = 15, width: int = 16) -> None:
        self.event, self.seed, self.epochs, self.width = event, seed, epochs, width

    def fit(self, x: Any, y: Any) -> ConvClassifier:
        """Train on rows x (N, C * H * W) with labels y (N,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        images, target = self._images(x), torch.from_numpy(codes)
        draw = generator(self.seed, "oracle")
        count = len(self.classes_)
        self.net = build(lambda: ConvEncoder(self.event, count, heads=1, hidden=128, width=self.width), draw)
        adam = torch.optim.Adam(self.net.parameters(), lr=2e-3, fused=True)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(images), generator=draw).split(64):
                adam.zero_grad(set_to_none=True)
                F.cross_entropy(self.net(images[rows]), target[rows]).backward()
                adam.step()
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Return the label of every row, (N,)."""
        with torch.no_grad():
            answers = [self.net(part).argmax(1) for part in self._images(x).split(512)]
        return self.classes_[torch.cat(answers).numpy()]

    def _images(self, x: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).reshape(len(x), *self.event)
