"""Classifier: a plain network on the modalities that are observed, and nothing of the others."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from counterpoint.baselines.base import Baseline, complete
from counterpoint.errors import InputError, choose, number, whole
from counterpoint.evaluation import checks, fitting
from counterpoint.methods.cmmd import PAPER

__all__ = ["PAPER", "Classifier"]

ACTIVATIONS = ("tanh", "relu", "logistic")


class Classifier(Baseline):
    """A network from the observed modalities to a label: the baseline M-x_o.

        L = 1/B sum_i CE(y_i, p(y | x_o,i)) + penalty / (2 B) |W|^2

    p is a softmax over the classes, or a sigmoid for each of several labels (CE is summed over them). The
    network is scikit-learn's `MLPClassifier` with Adam; it trains for all its epochs. The columns of tables
    are standardised, pictures are in [0, 1] less their mean; several modalities stand beside one another.
    Rows without a label, or that lack an observed modality, are left out and counted.

    Args:
        observed: the modalities x_o; None for all.
        hidden: units of every hidden layer.
        activation: `"tanh"`, `"relu"` or `"logistic"`.
        epochs: passes over the rows.
        learning_rate: of Adam.
        batch_size: rows of a step; fewer where there are fewer rows.
        penalty: of the squared weights.
        seed: decides weights and the order of rows.

    Attributes:
        classes_: the classes in the order of the probabilities; of several labels their columns 0 to K - 1.

    Raises:
        InputError: if an option is out of range.

    Source: Mancisidor et al. 2024, section 4.2 (M-x_o).

    Example:
        >>> x = np.random.default_rng(0).standard_normal((90, 1))
        >>> data, y = {"a": x, "b": x[::-1]}, np.where(x[:, 0] > 0, "up", "down")
        >>> model = Classifier(["a"], learning_rate=0.01).fit(data, y)
        >>> bool((model.predict({"a": x}) == y).mean() > 0.9), model.classes_.tolist()
        (True, ['down', 'up'])
    """

    def __init__(
        self,
        observed: Sequence[str] | None = None,
        *,
        hidden: Sequence[int] = (50, 50),
        activation: str = "tanh",
        epochs: int = 200,
        learning_rate: float = 1e-4,
        batch_size: int = 200,
        penalty: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(observed)
        if isinstance(hidden, (str, bytes)) or not isinstance(hidden, Sequence) or not hidden:
            raise InputError(f"hidden is {hidden!r}; give the units of every hidden layer, such as (50, 50).")
        self.hidden = tuple(whole("hidden", units) for units in hidden)
        self.activation = choose("activation", activation, ACTIVATIONS)
        self.epochs, self.batch_size = whole("epochs", epochs), whole("batch_size", batch_size)
        self.learning_rate = number("learning_rate", learning_rate, open_=True)
        self.penalty, self.seed = number("penalty", penalty), whole("seed", seed, 0)

    def fit(self, data: Any, y: Any = None) -> Self:
        """Fit the rows that have a label and all observed modalities, and return itself.

        Args:
            data: whatever `counterpoint.read` reads.
            y: (N,) classes, or (N, K) of 0 and 1; a row without has None, NaN, or -1 among whole numbers. Of
                several labels a row must have all.

        Raises:
            InputError: if there is no label, it does not fit the rows or has one class only, or fewer than
                five rows can be used.
        """
        found = self.training(data, least=1)
        values, known = _label(y, len(found))
        chosen = self.observed or self.names
        kept = complete(found, chosen) & known
        found = self.keep(found, kept, f"a label and {', '.join(map(repr, chosen))}")
        if values.ndim == 1:
            y = checks.labels("y", values[kept])
            self.classes_ = checks.classes("y", y)
        else:
            y = _bits(values[kept])
            self.classes_ = np.arange(y.shape[1])
        self.columns = self.read_as(found, chosen)
        self._several = values.ndim == 2
        self._train(np.concatenate([one.apply(found) for one in self.columns.values()], 1), y)
        return self

    def predict_proba(self, data: Any) -> np.ndarray:
        """Return the probabilities of the classes (N, C), or of the several labels (N, K).

        A row that lacks a value of an observed modality gets NaN; no other modality is read.

        Raises:
            InputError: if it was not fitted, or the data lack an observed modality.
        """
        chosen, found = self.asking(data)
        x = np.concatenate([self.columns[name].apply(found) for name in chosen], 1)
        fine = complete(found, chosen)
        out = np.full((len(x), len(self.classes_)), np.nan)
        if fine.any():
            out[fine] = self.network.predict_proba(x[fine])
        return out

    def predict(self, data: Any) -> np.ndarray:
        """Return the most probable class (N,); of several labels 1 where more probable than not, (N, K).

        A row that lacks a value of an observed modality gets None, and then the array is one of objects.
        """
        p = self.predict_proba(data)
        lacks = np.isnan(p).any(1)
        made = (p > 0.5).astype(np.int64) if self._several else self.classes_[np.nan_to_num(p).argmax(1)]
        if lacks.any():
            made = made.astype(object)
            made[lacks] = None
        return made

    def _train(self, x: np.ndarray, y: np.ndarray) -> None:
        """Train the network; it never stops early, which would have to look at rows kept apart."""
        from sklearn.neural_network import MLPClassifier

        self.network = MLPClassifier(
            self.hidden,
            activation=self.activation,  # type: ignore[arg-type]
            alpha=self.penalty,
            batch_size=min(self.batch_size, len(x)),  # type: ignore[arg-type]
            learning_rate_init=self.learning_rate,
            max_iter=self.epochs,
            n_iter_no_change=self.epochs + 1,
            random_state=fitting.derived_seed(self.seed, "classifier"),
        )
        fitting.fit(self.network, x, y)  # which would warn that epochs were the end, as they shall be


def _label(y: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the label, (N,) or (N, K), and which rows have it, all of it."""
    values = np.asarray(y)
    if y is None or values.ndim not in (1, 2) or len(values) != rows or values.size == 0:
        what = "None" if y is None else f"of shape {values.shape}"
        raise InputError(f"y is {what}; give a label, or a row of labels, for each of {rows} rows.")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    return values, checks.whole_known(values)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return several labels as whole numbers, which must be 0 and 1 in rows that have them."""
    if values.dtype.kind not in "fiubO" or not np.isin(values, (0, 1)).all():
        raise InputError(f"y has {values.shape[1]} columns; each must hold 0, 1, or NaN where not known.")
    return values.astype(np.int64)
