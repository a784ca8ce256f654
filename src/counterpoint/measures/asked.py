"""What a measure asks: one fitted model on one task, with the answers that several measures need."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint import estimates, inference
from counterpoint.asking import prepared_batch
from counterpoint.batch import Batch
from counterpoint.data import MultimodalData
from counterpoint.distributions import Point
from counterpoint.estimator import Counterpoint
from counterpoint.model import MultimodalVAE
from counterpoint.protocol import Task
from counterpoint.seeds import generator


@dataclass(frozen=True)
class Section:
    """What one measure found.

    Args:
        summary: Headline numbers by name; NaN where they cannot be measured.
        detail: All of it, as JSON holds it.
        rows: The numbers (N',) behind a headline, a test row each, NaN where a row has none; from them come
            bootstrap intervals.
        nulls: What the same measure gives for something that knows nothing, or nothing but one thing: name of
            the null -> headline numbers.
    """

    summary: dict[str, float]
    detail: dict[str, Any]
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    nulls: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Asked:
    """A fitted model and a task; what is computed once is kept.

    Args:
        estimator: Fitted on the training rows of the task.
        on: The task.
        seed: Of draws, probes and controls.
        most: Test rows, at most, of measures that would take minutes on all; their sections say how many.
        inception: Weights of Inception, for distances between pictures; the oracle's features unless given.
        kept: What a measure made that exhibits may show: `samples`, name -> rows.
    """

    estimator: Counterpoint
    on: Task
    seed: int = 0
    most: int = 1000
    inception: str | Path | None = None
    kept: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities."""
        return self.estimator.modalities_

    @property
    def members(self) -> list[int]:
        """Where the modalities stand among the model's, of which a target is one."""
        return [self.model.names.index(name) for name in self.names]

    @property
    def model(self) -> MultimodalVAE:
        """The model."""
        return self.estimator.model_

    @property
    def dtype(self) -> torch.dtype:
        """Of the model's numbers."""
        return next(self.model.parameters()).dtype

    @cached_property
    def train(self) -> Batch:
        """The training rows as the model reads them."""
        return self.batch(self.on.train)

    @cached_property
    def test(self) -> Batch:
        """The test rows as the model reads them."""
        return self.batch(self.on.test)

    @cached_property
    def some(self) -> np.ndarray:
        """At most `most` test rows, in order."""
        return self.few(self.most)

    def few(self, most: int) -> np.ndarray:
        """Return at most so many test rows at random, in order; the same for every model of a seed."""
        count = len(self.on.test)
        if count <= most:
            return np.arange(count)
        return np.sort(np.random.default_rng(self.seed).permutation(count)[:most])

    @cached_property
    def there(self) -> dict[str, np.ndarray]:
        """Name -> which test rows have it, (N',)."""
        present = self.on.test.present()
        return {name: present[name] for name in self.names}

    @cached_property
    def known(self) -> dict[str, np.ndarray]:
        """Posterior means of the training rows, name -> (N, D)."""
        return self.means(self.train)

    @cached_property
    def held(self) -> dict[str, np.ndarray]:
        """Posterior means of the test rows, name -> (N', D)."""
        return self.means(self.test)

    @cached_property
    def posteriors(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of the test rows' posteriors, (M, N', D) each; NaN where absent."""
        return self.posteriors_of(self.test)

    def posteriors_of(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of every modality's posterior, (M, N, D) each."""
        loc, scale = (v[self.members] for v in estimates.unimodal(self.model, batch))
        return loc.double().cpu().numpy(), scale.double().cpu().numpy()

    @property
    def density(self) -> bool:
        """Whether the posteriors have a density: those of an autoencoder are points."""
        return self.model.method.posterior is not Point

    def means(self, batch: Batch) -> dict[str, np.ndarray]:
        """Return every modality's posterior means, name -> (N, D); NaN where it is absent."""
        means = inference.unimodal_mean(self.model, batch).double().cpu().numpy()
        return {name: means[self.model.names.index(name)] for name in self.names}

    def batch(self, data: MultimodalData) -> Batch:
        """Return rows as the model reads them.

        Raises:
            InputError: If the model was fitted on other modalities.
        """
        return prepared_batch(data, self.estimator.preparation_, self.dtype, self.estimator.device)

    def noise(self, use: str) -> torch.Generator:
        """Return a stream of random numbers for one use."""
        return generator(self.seed, use, device=self.estimator.device)

    def units(self, name: str, mean: torch.Tensor) -> np.ndarray:
        """Return a modality's means in the data's units."""
        return self.estimator.preparation_.inverse(name, mean.double().cpu().numpy())

    def translate(
        self, sources: Sequence[str], target: str, *, batch: Batch | None = None, draws: int = 1
    ) -> np.ndarray:
        """Return the mean of `target` given only `sources`, (N, *event) in the data's units."""
        given = (self.test if batch is None else batch).given(tuple(sources))
        noise = self.noise(f"decode/{target}")
        mean = inference.reconstruct(self.model, given, target, draws=draws, noise=noise)
        return self.units(target, mean)


def rows_of(batch: Batch, rows: np.ndarray) -> Batch:
    """Return some rows of a batch."""
    return batch.at(torch.from_numpy(rows))


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of modalities that are given: all of them, beyond five one, all but one, and all.

    Example:
        >>> [len(subsets("abcdefgh"[:m])) for m in (1, 2, 3, 5, 6)]
        [1, 3, 7, 31, 13]
    """
    from itertools import combinations

    count = len(names)
    sizes = range(1, count + 1) if count <= 5 else (1, count - 1, count)
    return [given for size in sizes for given in combinations(names, size)]


def mean(values: Any) -> float:
    """Return the mean of what is not NaN; NaN if nothing is."""
    array = np.asarray(list(values) if not isinstance(values, np.ndarray) else values, dtype=np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else float("nan")
