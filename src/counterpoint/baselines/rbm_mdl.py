"""RBM-MDL: a restricted Boltzmann machine for every modality, and one over what they say together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from counterpoint.baselines.base import Baseline, complete
from counterpoint.data import MultimodalData
from counterpoint.errors import number, whole
from counterpoint.methods._papers import Paper
from counterpoint.seeds import derive

if TYPE_CHECKING:
    from sklearn.neural_network import BernoulliRBM

PAPER = Paper(
    ("Ngiam, Jiquan", "Khosla, Aditya", "Kim, Mingyu", "Nam, Juhan", "Lee, Honglak", "Ng, Andrew Y."),
    "Multimodal Deep Learning",
    "ICML",
    2011,
    "https://icml.cc/2011/papers/399_icmlpaper.pdf",
)


class RestrictedBoltzmann(Baseline):
    """Restricted Boltzmann machines in two layers, the upper one shared by the modalities.

        h_m = s(x_m W_m^T + c_m),    g = s([h_1 .. h_M] V^T + d),    s(a) = 1 / (1 + exp(-a))

    Every modality is scaled to [0, 1] by its range in the training rows. The lower machines are trained on
    the rows that have their modality; the upper one on all rows, of which in every epoch a random non-empty
    set of the modalities is kept and the others stand at h_m = 0: with two modalities a third of the rows
    has both, a third the first alone, a third the second. So g can be had from one modality. Absent
    modalities stand at 0 as well, in training as in questions.

    The machines are scikit-learn's `BernoulliRBM`: persistent contrastive divergence with as many chains as
    a batch has rows. It compares sums over the batch with sums over the chains, so a batch that is not whole
    would push the weights down: the few rows that are over in an epoch wait for the next one's order.

    Args:
        hidden: units of every h_m.
        joint: units of g.
        epochs: passes of each machine's training.
        learning_rate: of every machine.
        batch_size: rows of a step, and chains; fewer where there are fewer rows.
        seed: decides weights, order of rows, which modalities are kept, and every draw.
        observed: the modalities that are read by default.

    Raises:
        InputError: if an option is out of range.

    Source: Ngiam et al. 2011, section 3 (bimodal RBM on top, zeroed modalities); without their unrolled
        autoencoder.

    Example:
        >>> bits = np.random.default_rng(0).integers(0, 2, (50, 1)).astype(float)
        >>> data = {"a": np.tile(bits, 4), "b": np.tile(1 - bits, 3)}
        >>> RestrictedBoltzmann(hidden=4, joint=2, epochs=1).fit(data).embed(data, ["a"]).shape
        (50, 2)
    """

    def __init__(
        self,
        *,
        hidden: int = 256,
        joint: int = 256,
        epochs: int = 20,
        learning_rate: float = 0.05,
        batch_size: int = 20,
        seed: int = 0,
        observed: Sequence[str] | None = None,
    ) -> None:
        super().__init__(observed)
        self.hidden, self.joint = whole("hidden", hidden), whole("joint", joint)
        self.epochs, self.batch_size = whole("epochs", epochs), whole("batch_size", batch_size)
        self.learning_rate = number("learning_rate", learning_rate, open_=True)
        self.seed = whole("seed", seed, 0)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the rows that have at least one modality, and return itself; `y` is not read.

        Raises:
            InputError: if there is one modality only, or fewer than five rows have one of them.
        """
        found = self.training(data)
        for name in self.names:
            self.keep(found, complete(found, [name]), f"modality {name!r}")
        found = self.keep_some(found)
        self.columns = self.read_as(found, self.names, "range")
        self.machines: dict[str, BernoulliRBM] = {}
        here = np.stack([complete(found, [name]) for name in self.names], 1)
        for m, name in enumerate(self.names):
            x = self.columns[name].apply(found)[here[:, m]].clip(0, 1)
            self.machines[name] = self._train(x, self.hidden, None, name)
        h, _ = self._hidden(found, self.names)
        self.shared = self._train(h, self.joint, here)
        return self

    def embed(self, data: Any, given: Sequence[str] | None = None) -> np.ndarray:
        """Return g from the modalities that are given, (N, joint); NaN where a row lacks one of them.

        Raises:
            InputError: if a name is unknown, or the data lack a modality.
        """
        chosen, found = self.asking(data, given)
        h, fine = self._hidden(found, chosen)
        out = np.full((len(h), self.joint), np.nan)
        if fine.any():
            out[fine] = self.shared.transform(h[fine])
        return out

    def _hidden(self, found: MultimodalData, chosen: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, M * hidden), 0 for what is absent or not chosen, and which rows have all the chosen."""
        h = np.zeros((len(found), len(self.names), self.hidden))
        for name in chosen:
            here = complete(found, [name])
            if here.any():
                x = self.columns[name].apply(found)[here].clip(0, 1)
                h[here, self.names.index(name)] = self.machines[name].transform(x)
        return h.reshape(len(h), -1), complete(found, chosen)

    def _train(self, x: np.ndarray, units: int, here: np.ndarray | None, *use: str) -> "BernoulliRBM":
        """Return a trained machine; with `here` (N, M) a random set of these is kept of every row."""
        from sklearn.neural_network import BernoulliRBM

        seed = derive(self.seed, "rbm_mdl", *use)
        rng, size = np.random.default_rng(seed), min(self.batch_size, len(x))
        machine = BernoulliRBM(
            units, learning_rate=self.learning_rate, batch_size=size, random_state=seed % 2**32
        )
        for _ in range(self.epochs):
            order = rng.permutation(len(x))
            kept = None if here is None else some_of(here, rng)
            for start in range(0, len(x) - size + 1, size):
                rows = order[start : start + size]
                v = x[rows]
                if kept is not None:
                    width = x.shape[1] // kept.shape[1]
                    v = np.where(np.repeat(kept[rows], width, 1), v, 0.0)
                machine.partial_fit(v)
        return machine


def some_of(here: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for every row a random set of the modalities it has; every non-empty set is equally probable.

    Shapes: here (N, M) bool, at least one a row; result (N, M) bool.

    Example:
        >>> here = np.array([[True, True], [True, False]])
        >>> some_of(here, np.random.default_rng(0))[1].tolist()
        [True, False]
    """
    kept = np.zeros_like(here)
    while (empty := ~kept.any(1)).any():
        kept[empty] = here[empty] & (rng.random((int(empty.sum()), here.shape[1])) < 0.5)
    return kept
