"""DBM: a multimodal deep Boltzmann machine, a hidden layer for every modality and a joint one on top."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from counterpoint.baselines.base import Baseline, complete
from counterpoint.baselines.boltzmann import Machine, contrastive, drawn, mean_field, moments, sweep
from counterpoint.data import MultimodalData
from counterpoint.errors import choose, number, whole
from counterpoint.methods._papers import Paper
from counterpoint.seeds import derive

PAPER = Paper(
    ("Srivastava, Nitish", "Salakhutdinov, Ruslan"),
    "Multimodal Learning with Deep Boltzmann Machines",
    "NeurIPS",
    2012,
    "https://papers.nips.cc/paper/4683-multimodal-learning-with-deep-boltzmann-machines",
)
CHUNK = 2_000  # rows that are asked about at a time


class DeepBoltzmann(Baseline):
    """A deep Boltzmann machine over two or more modalities.

        -E(v, h, g) = sum_m [ v_m W_m h_m + h_m U_m g + b_m v_m + c_m h_m ] + d g

    Every modality is scaled to [0, 1] by its range in the training rows and its values are taken as
    probabilities of bits; counts and real values have no visible units of their own here, and there is one
    hidden layer a modality, where the paper has two.

    Layer by layer at first, by contrastive divergence: the lower ones on the rows that have the modality, the
    joint one on rows that have all of them. So that each layer stands for half of what reaches h_m in the
    whole, the lower ones have their input doubled, the joint one what it says downwards, and c_m is the
    mean of both layers' biases. Then all together on all rows: gradients between mean-field means
    and persistent chains, absent modalities inferred. Rates fall to 0 along a line in every stage.

    Args:
        hidden: units of every h_m.
        joint: units of g.
        epochs: passes of each layer's training.
        joint_epochs: passes of the training of all layers; 0 for none.
        learning_rate: of the layers, at the beginning.
        joint_rate: of all layers together, at the beginning.
        batch_size: rows of a step.
        steps: k of CD-k.
        chains: persistent chains.
        inference: steps of mean-field inference.
        seed: decides weights, order of rows and every draw.
        observed: the modalities that are read by default.

    Raises:
        InputError: if an option is out of range.

    Source: Srivastava & Salakhutdinov 2012; Salakhutdinov & Hinton 2009 (learning).

    Example:
        >>> bits = np.random.default_rng(0).integers(0, 2, (200, 1)).astype(float)
        >>> data = {"a": np.tile(bits, 4), "b": np.tile(1 - bits, 3)}
        >>> machine = DeepBoltzmann(hidden=8, joint=8, batch_size=10, learning_rate=0.5).fit(data)
        >>> machine.embed(data, ["a"]).shape
        (200, 8)
        >>> bool((machine.translate(data, ["a"], "b").round() == data["b"]).all())
        True
    """

    def __init__(
        self,
        *,
        hidden: int = 500,
        joint: int = 500,
        epochs: int = 10,
        joint_epochs: int = 10,
        learning_rate: float = 0.05,
        joint_rate: float = 0.005,
        batch_size: int = 100,
        steps: int = 1,
        chains: int = 100,
        inference: int = 10,
        seed: int = 0,
        observed: Sequence[str] | None = None,
    ) -> None:
        super().__init__(observed)
        self.hidden, self.joint = whole("hidden", hidden), whole("joint", joint)
        self.epochs, self.joint_epochs = whole("epochs", epochs), whole("joint_epochs", joint_epochs, 0)
        self.learning_rate = number("learning_rate", learning_rate, open_=True)
        self.joint_rate = number("joint_rate", joint_rate, open_=True)
        self.batch_size, self.steps = whole("batch_size", batch_size), whole("steps", steps)
        self.chains, self.inference = whole("chains", chains), whole("inference", inference)
        self.seed = whole("seed", seed, 0)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the rows that have at least one modality, and return itself; `y` is not read.

        Raises:
            InputError: if there is one modality only, or fewer than five rows have all of them.
        """
        found = self.training(data)
        self.keep(found, complete(found, self.names), "all modalities")  # on which the joint layer begins
        found = self.keep_some(found)
        self.columns = self.read_as(found, self.names, "range")
        x, seen = self._read(found, self.names)
        rng = np.random.default_rng(derive(self.seed, "dbm", "weights"))
        self.machine = Machine.random(list(self.dimensions.values()), self.hidden, self.joint, rng)
        self._layers(x, seen)
        self._together(x, seen)
        return self

    def embed(self, data: Any, given: Sequence[str] | None = None) -> np.ndarray:
        """Return the mean-field means of the joint layer, (N, joint); NaN where a row lacks what is read.

        Raises:
            InputError: if a name is unknown, or the data lack a modality.
        """
        return self._asked(data, given, None)

    def translate(self, data: Any, given: Sequence[str] | None, target: str) -> np.ndarray:
        """Return the target as mean-field inference has it, (N, *event) in the units of the data.

        Shapes: as `embed`; of a modality of categories the most probable code.

        Raises:
            InputError: as `embed`; for an unknown target.
        """
        u = self._asked(data, given, target)
        fine = ~np.isnan(u).any(1)
        made = self.columns[target].inverse(u[fine])
        out = np.full((len(u), *made.shape[1:]), np.nan)
        out[fine] = made
        return out

    def _read(
        self, found: MultimodalData, chosen: Sequence[str]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return every modality in [0, 1], 0 where absent, and which rows have it; M arrays each."""
        x, seen = [], []
        for name in self.names:
            if name not in chosen:
                x.append(np.zeros((len(found), self.dimensions[name]), np.float32))
                seen.append(np.zeros(len(found), bool))
                continue
            values = self.columns[name].apply(found).astype(np.float32)
            seen.append(~np.isnan(values).any(1))
            x.append(np.where(seen[-1][:, None], values.clip(0, 1), 0))
        return x, seen

    def _asked(self, data: Any, given: Sequence[str] | None, target: str | None) -> np.ndarray:
        """Return the joint layer, or the target's visible units, (N, ...); NaN where a row lacks a given."""
        chosen, found = self.asking(data, given)
        x, seen = self._read(found, chosen)
        m = None if target is None else self.names.index(choose("target", target, self.names))
        made = []
        for start in range(0, len(found), CHUNK):
            rows = slice(start, start + CHUNK)
            _, h, g = mean_field(self.machine, [v[rows] for v in x], [s[rows] for s in seen], self.inference)
            made.append(g if m is None else expit(h[m] @ self.machine.w[m].T + self.machine.b[m]))
        lacks = ~np.logical_and.reduce([seen[self.names.index(name)] for name in chosen])
        out = np.concatenate(made).astype(np.float64)
        out[lacks] = np.nan
        return out

    def _layers(self, x: list[np.ndarray], seen: list[np.ndarray]) -> None:
        """Train layer by layer, in place."""
        machine = self.machine
        for m, name in enumerate(self.names):
            rbm = machine.w[m], machine.b[m], machine.c[m]
            rows = np.flatnonzero(seen[m])
            rbm[1][:] = logit(x[m][rows].mean(0).clip(0.01, 0.99))
            rng = np.random.default_rng(derive(self.seed, "dbm", "layer", name))
            for chosen, rate in self._batches(rows, self.epochs, self.learning_rate, rng):
                step = contrastive(x[m][chosen], *rbm, rng, steps=self.steps, up=2.0)
                _move(rbm, step, rate)
        rows = np.flatnonzero(np.logical_and.reduce(seen))
        below = [expit(2 * (v[rows] @ w) + c) for v, w, c in zip(x, machine.w, machine.c, strict=True)]
        h = np.concatenate(below, 1)
        rbm = np.concatenate(machine.u), logit(h.mean(0).clip(0.01, 0.99)), machine.d
        rng = np.random.default_rng(derive(self.seed, "dbm", "joint layer"))
        for chosen, rate in self._batches(np.arange(len(h)), self.epochs, self.learning_rate, rng):
            _move(rbm, contrastive(h[chosen], *rbm, rng, steps=self.steps, down=2.0), rate)
        for m in range(len(x)):
            part = slice(m * self.hidden, (m + 1) * self.hidden)
            machine.u[m][:] = rbm[0][part]
            machine.c[m][:] = (machine.c[m] + rbm[1][part]) / 2

    def _together(self, x: list[np.ndarray], seen: list[np.ndarray]) -> None:
        """Train all layers together, in place: dTheta = <.> under mean field - <.> under the chains."""
        rng = np.random.default_rng(derive(self.seed, "dbm", "together"))
        start = rng.integers(0, len(seen[0]), self.chains)
        means = mean_field(self.machine, [v[start] for v in x], [s[start] for s in seen], self.inference)
        v, g = [drawn(p, rng) for p in means[0]], drawn(means[2], rng)
        every = np.arange(len(seen[0]))
        for rows, rate in self._batches(every, self.joint_epochs, self.joint_rate, rng):
            found = mean_field(self.machine, [a[rows] for a in x], [s[rows] for s in seen], self.inference)
            v, h, g = sweep(self.machine, v, g, rng)
            pairs = zip(moments(*found), moments(v, h, g), strict=True)
            _move(self.machine.parameters, [a - b for a, b in pairs], rate)

    def _batches(
        self, rows: np.ndarray, epochs: int, rate: float, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Yield batches of about equal size in another order every epoch, each with its learning rate."""
        count = -(-len(rows) // self.batch_size)
        for epoch in range(epochs):
            for i, chosen in enumerate(np.array_split(rng.permutation(rows), count)):
                yield chosen, rate * (1 - (epoch * count + i) / (epochs * count))


def _move(parameters: Sequence[np.ndarray], directions: Sequence[np.ndarray], rate: float) -> None:
    """Take a step upwards, in place."""
    for parameter, direction in zip(parameters, directions, strict=True):
        parameter += np.asarray(rate * direction, parameter.dtype)
