"""What the models of a population are between two epochs: kept, resumed, and gone back to."""

import json
from collections.abc import Mapping
from dataclasses import replace

import torch

from counterpoint.errors import InputError
from counterpoint.training.bookkeeping import Progress
from counterpoint.training.options import TrainOptions
from counterpoint.training.weights import Weights

Tensors = Mapping[str, torch.Tensor]


class States:
    """The part of a `Population` that knows its state; row order and noise follow from seed and epoch."""

    options: list[TrainOptions]
    seeds: list[int]
    progress: list[Progress]
    running: list[int]
    weights: Weights
    _given: list[TrainOptions]  # before any retry

    def taken(self) -> list[int]:
        """Return the optimiser steps that every running model has taken."""
        return [self.progress[e].step for e in self.running]

    def state(self, e: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        """Return what a running model needs for an exact resume: tensors, and text for the file's header."""
        tensors, progress = self.snapshot(e)
        return tensors, self.position(progress, e)

    def position(self, progress: Progress, e: int = 0) -> dict[str, str]:
        """Return a position of model e as text."""
        return {"progress": json.dumps(vars(progress)), "seed": str(self.seeds[e])}

    def snapshot(self, e: int = 0) -> tuple[dict[str, torch.Tensor], Progress]:
        """Return the tensors of `state` and the position, as they are now: training may go on meanwhile."""
        tensors = self.weights.state(self.running.index(e))
        progress = replace(self.progress[e], history=list(self.progress[e].history))
        return {k: v.clone().cpu() for k, v in tensors.items()}, progress

    def restore(self, states: Mapping[int, tuple[Tensors, Mapping[str, str]]]) -> None:
        """Continue models, place -> what `state` returned; before `run`.

        Raises:
            InputError: If a state is of another model or seed.
        """
        for e, (_, text) in states.items():
            if text["seed"] != str(self.seeds[e]):
                raise InputError(
                    "the checkpoint is of another model or seed; resume with the same configuration and data."
                )
        self._take_up(
            {e: (found, Progress(**json.loads(text["progress"]))) for e, (found, text) in states.items()}
        )

    def _before(self) -> dict[int, tuple[Tensors, Progress]]:
        """Return the states of the running models that have retries left."""
        left = [e for e in self.running if len(self.progress[e].retried) < self.options[e].retries]
        return {e: self.snapshot(e) for e in left}

    def _go_back(self, before: Mapping[int, tuple[Tensors, Progress]]) -> None:
        """Bring models whose loss is not finite back to where their epoch began, to go on more slowly."""
        states = {}
        for e in self.running:
            error = self.progress[e].error
            if error is not None and e in before:
                tensors, progress = before[e]
                states[e] = tensors, replace(progress, retried=[*progress.retried, error])
        if states:
            self._take_up(states)

    def _take_up(self, states: Mapping[int, tuple[Tensors, Progress]]) -> None:
        """Go on with running models from these states."""
        for e, (_, progress) in states.items():
            self.progress[e] = progress
            self.options[e] = self._given[e].slower(len(progress.retried))
        tensors = {self.running.index(e): found for e, (found, _) in states.items()}
        self.weights.restore(tensors, self.taken(), [self.options[e] for e in self.running])
