"""Where a model stands in its training, and the sums of its loss terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from counterpoint.errors import TrainingDivergedError
from counterpoint.training.options import TrainOptions

Row = dict[str, float]
_TOGETHER = 32  # batches


@dataclass
class Progress:
    """Where one model stands.

    Args:
        epoch: Finished epochs.
        step: Optimiser steps taken.
        best: Best validation loss so far, in nats per row.
        best_epoch: The epoch it was reached after, 0 for none.
        stopped: Whether the model has finished.
        history: One row an epoch: every term, for training and validation.
        error: What was no longer finite, if training diverged; the best state is the last good one.

    Example:
        >>> progress = Progress()
        >>> progress.close_epoch({"train/total": float("nan")}, {}, 0.1, TrainOptions())
        False
        >>> progress.stopped, progress.error
        (True, 'after epoch 1 these loss terms are not finite: train/total')
    """

    epoch: int = 0
    step: int = 0
    best: float = float("inf")
    best_epoch: int = 0
    stopped: bool = False
    history: list[Row] = field(default_factory=list)
    error: str | None = None

    def close_epoch(
        self, now: Row, hyper: Row, seconds: float, options: TrainOptions, sound: bool = True
    ) -> bool:
        """Take an epoch's terms into the history and decide whether to stop.

        Args:
            now: The epoch's terms.
            hyper: The hyperparameters at its end.
            seconds: What it took.
            options: How to train.
            sound: Whether all weights are finite.

        Returns:
            Whether this state is the best so far.
        """
        self.epoch += 1
        self.history.append({"epoch": self.epoch, "step": self.step, **hyper, **now, "seconds": seconds})
        bad = [k for k, v in now.items() if not abs(v) < float("inf")]
        if bad or not sound:
            what = (
                f"these loss terms are not finite: {', '.join(bad)}" if bad else "the weights are not finite"
            )
            self.error, self.stopped = f"after epoch {self.epoch} {what}", True
            return False
        loss = now.get("validation/total")
        better = loss is None or loss < self.best
        if better:
            self.best, self.best_epoch = self.best if loss is None else loss, self.epoch
        waited = (
            loss is not None
            and options.patience is not None
            and self.epoch - self.best_epoch >= options.patience
        )
        self.stopped = waited or self.epoch >= options.epochs
        return better

    def refuse_divergence(self, learning_rate: float) -> None:
        """Raise `TrainingDivergedError` if training diverged."""
        if self.error:
            raise TrainingDivergedError(
                f"{self.error}. Lower learning_rate (now {learning_rate:g}), set clip=1.0, or look for "
                "extreme values in that modality."
            )


class Sums:
    """Running sums over rows of the total and every term, one tensor (terms, E) for all of them.

    Example:
        >>> sums = Sums()
        >>> sums.add(torch.ones(1, 4), {"rate": torch.zeros(1, 4)})
        >>> {k: v.tolist() for k, v in sums.mean(4).items()}
        {'total': [1.0], 'rate': [0.0]}
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: torch.Tensor | None = None
        self._held: list[list[torch.Tensor]] = []  # summed together: one operation for many small steps

    def add(self, total: torch.Tensor, terms: Mapping[str, torch.Tensor]) -> None:
        """Add the rows of a batch, (B,) or (E, B) each."""
        self._names = ("total", *terms)
        self._held.append([total.detach(), *(v.detach() for v in terms.values())])
        if len(self._held) == _TOGETHER:
            self._close()

    def _close(self) -> None:
        parts = [torch.cat(rows, -1).sum(-1) for rows in zip(*self._held, strict=True)]
        rows = torch.stack(parts)
        self._sums, self._held = rows if self._sums is None else self._sums + rows, []

    def mean(self, rows: int) -> dict[str, torch.Tensor]:
        """Return the mean over all rows, name -> (E,)."""
        if self._held:
            self._close()
        assert self._sums is not None
        means = (self._sums / rows).view(len(self._names), -1)
        return dict(zip(self._names, means, strict=True))
