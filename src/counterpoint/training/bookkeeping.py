"""Where a model stands in its training, and the sums of its loss terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from counterpoint.errors import TrainingDivergedError
from counterpoint.training.options import TrainOptions

Row = dict[str, float]
_TOGETHER = 32  # batches
_NAMED = 5  # rows of a batch that a message names


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
        retried: The same of every time that training went back an epoch to a lower learning rate.

    Example:
        >>> progress = Progress()
        >>> progress.close_epoch({"train/total": float("nan")}, {}, 0.1, TrainOptions())
        False
        >>> progress.stopped, progress.error
        (True, 'in epoch 1 these loss terms are not finite: train/total')
    """

    epoch: int = 0
    step: int = 0
    best: float = float("inf")
    best_epoch: int = 0
    stopped: bool = False
    history: list[Row] = field(default_factory=list)
    error: str | None = None
    retried: list[str] = field(default_factory=list)

    def close_epoch(
        self,
        now: Row,
        hyper: Row,
        seconds: float,
        options: TrainOptions,
        sound: bool = True,
        where: str | None = None,
    ) -> bool:
        """Take an epoch's terms into the history and decide whether to stop.

        Args:
            now: The epoch's terms.
            hyper: The hyperparameters at its end.
            seconds: What it took.
            options: How to train.
            sound: Whether all weights are finite.
            where: What is said of the first batch with a term that is not finite, see `Trouble.said`.

        Returns:
            Whether this state is the best so far.
        """
        self.epoch += 1
        self.history.append({"epoch": self.epoch, "step": self.step, **hyper, **now, "seconds": seconds})
        bad = [k for k, v in now.items() if not abs(v) < float("inf")]
        if bad or not sound:
            terms = f"these loss terms are not finite: {', '.join(bad)}"
            what = where or (terms if bad else "the weights are not finite after the last step")
            self.error, self.stopped = f"in epoch {self.epoch} {what}", True
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
                f"{self.error}. Lower learning_rate (now {learning_rate:g}), set clip=1.0 or retries=3, or "
                "look for extreme values in that modality."
            )


@dataclass(frozen=True)
class Trouble:
    """The first batch of an epoch in which a loss is not finite; the weights were sound until then.

    Args:
        batch: Which one, counted from 0.
        start: How many rows of the epoch come before it.
        places: Its rows with a term that is not finite, counted from 0.
        terms: Those terms.

    Example:
        >>> Trouble(batch=2, start=8, places=(0, 3), terms=("total", "rate")).said("train", "its rows")
        'the loss terms train/total, train/rate of batch 3 are not finite (its rows 0, 3)'
    """

    batch: int
    start: int
    places: tuple[int, ...]
    terms: tuple[str, ...]

    def said(self, part: str, of: str, rows: Sequence[int] | None = None) -> str:
        """Return it as a part of a sentence.

        Args:
            part: `train` or `validation`.
            of: What rows are numbered in.
            rows: The numbers of its `places` there; the places themselves unless given.
        """
        numbers = list(self.places if rows is None else rows)
        listed = ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")
        terms = ", ".join(f"{part}/{term}" for term in self.terms)
        return f"the loss terms {terms} of batch {self.batch + 1} are not finite ({of} {listed})"


class Sums:
    """Running sums over rows of the total and every term, one tensor (terms, E) for all of them.

    Example:
        >>> sums = Sums()
        >>> sums.add(torch.ones(1, 4), {"rate": torch.zeros(1, 4)})
        >>> {k: v.tolist() for k, v in sums.mean(4).items()}
        {'total': [1.0], 'rate': [0.0]}
    """

    trouble: dict[int, Trouble]  # place of a model -> where its loss was first not finite

    def __init__(self) -> None:
        self.trouble, self._batches, self._rows = {}, 0, 0
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
        joined = [torch.cat(rows, -1) for rows in zip(*self._held, strict=True)]
        sums = torch.stack([rows.sum(-1) for rows in joined])
        sizes = [rows[0].shape[-1] for rows in self._held]
        if not sums.isfinite().all():
            self._look(joined, sizes)
        self._batches, self._rows = self._batches + len(sizes), self._rows + sum(sizes)
        self._sums, self._held = sums if self._sums is None else self._sums + sums, []

    def where(self, part: str, rows: torch.Tensor) -> dict[int, str]:
        """Return in words where losses were not finite, place of a model -> `Trouble.said`.

        Args:
            part: `train` or `validation`.
            rows: (E, N), the epoch's rows of every model in their order.
        """
        return {
            e: found.said(part, "rows", rows[e, [found.start + place for place in found.places]].tolist())
            for e, found in self.trouble.items()
        }

    def _look(self, joined: list[torch.Tensor], sizes: list[int]) -> None:
        """Note the first batch with a term that is not finite, for every model that has none noted."""
        bad = ~torch.stack(joined).view(len(joined), -1, sum(sizes)).isfinite()  # (terms, E, rows)
        for e in set(bad.any(2).any(0).nonzero().flatten().tolist()) - self.trouble.keys():
            split = bad[:, e].split(sizes, 1)
            batch = next(i for i, part in enumerate(split) if part.any())
            found = split[batch]
            self.trouble[e] = Trouble(
                batch=self._batches + batch,
                start=self._rows + sum(sizes[:batch]),
                places=tuple(found.any(0).nonzero().flatten().tolist()),
                terms=tuple(self._names[i] for i in found.any(1).nonzero().flatten().tolist()),
            )

    def mean(self, rows: int) -> dict[str, torch.Tensor]:
        """Return the mean over all rows, name -> (E,)."""
        if self._held:
            self._close()
        assert self._sums is not None
        means = (self._sums / rows).view(len(self._names), -1)
        return dict(zip(self._names, means, strict=True))
