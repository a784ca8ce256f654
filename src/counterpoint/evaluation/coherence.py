"""Coherence: does what was translated from one modality into another still show the same class?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, choose
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import derived_seed, fit, stratified

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Oracle:
    """A classifier of one modality, trained on real data, with its own accuracy on real held-out rows.

    Attributes:
        name: the modality.
        kind: "linear", "mlp" or "conv".
        accuracy: share of the held-out rows it gets right: the ceiling of coherence; NaN if there are none.
        n_train: rows it was trained on.
        n_test: held-out rows.
        converged: whether its training reached the tolerance.
        classes: (C,) the labels it can answer.
        event: shape of one row.

    Example:
        >>> oracle = train_oracles({"a": [[-1], [-2], [1], [2]]}, [0, 0, 1, 1], {"a": [[3]]}, [1])["a"]
        >>> oracle.kind, oracle.accuracy, oracle.predict([[-4.0]]).tolist()
        ('linear', 1.0, [0])
    """

    name: str
    kind: str
    accuracy: float
    n_train: int
    n_test: int
    converged: bool
    classes: np.ndarray
    event: tuple[int, ...]
    _model: Any
    _center: Any
    _scale: Any

    def predict(self, x: Any) -> np.ndarray:
        """Return the label of every row; `x` (N, *event), result (N,).

        Raises:
            InputError: if a row has another shape or a value is not finite.
        """
        what = f"what the oracle of {self.name!r} reads"
        x = checks.finite(what, checks.numbers(what, x))
        if x.shape[1:] != self.event:
            raise InputError(f"{what} has rows of shape {x.shape[1:]}; it was trained on {self.event}.")
        return self._model.predict((x.reshape(len(x), -1) - self._center) / self._scale)


def train_oracles(
    train_x: Mapping[str, Any],
    train_y: Any,
    test_x: Mapping[str, Any],
    test_y: Any,
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
    kind: str = "auto",
    seed: int = 0,
) -> dict[str, Oracle]:
    """Train one classifier per modality on real training rows and state its accuracy on real held-out rows.

    Tables ("auto"): logistic regression or a network of 64 hidden units, whichever is better on a fifth of
    the *training* rows; the simpler one on a tie or where a class has fewer than five rows. Images (C, H, W)
    of at least 8 x 8: a small convolutional network; other arrays of two or more axes: a network of 128
    hidden units on the flattened values. Test rows decide nothing.

    Args:
        train_x: modality name to (N, *event), in the units of the translations; absent rows hold anything.
        train_y: (N,) whole numbers or text.
        test_x: the same names to (N', *event).
        test_y: (N',) labels.
        train_present: modality name to bool (N,); a modality that is not named is present everywhere.
        test_present: the same for the test rows.
        kind: "auto", "linear", "mlp" or, for images, "conv".
        seed: decides the split and the network's start; each modality has its own stream.

    Raises:
        InputError: for NaN in a present row, unequal rows, one class only, a modality without training rows.

    Source: Shi et al. 2019; Sutter et al. 2021 (classifiers trained on real data judge generated data).

    Example:
        >>> x, held = {"a": [[-1], [-2], [1], [2]]}, {"a": [[3], [-3]]}
        >>> oracles = train_oracles(x, list("xxyy"), held, list("yx"))
        >>> oracles["a"].accuracy, oracles["a"].classes.tolist()
        (1.0, ['x', 'y'])
    """
    choose("kind", kind, ["auto", "linear", "mlp", "conv"])
    checks.same_names("test_x", test_x, train_x)
    for what, present in (("train_present", train_present), ("test_present", test_present)):
        if present is not None:
            checks.same_names(what, {**dict.fromkeys(train_x), **present}, train_x)
    y, truth = checks.labels("train_y", train_y), checks.labels("test_y", test_y)
    oracles = {}
    for name in train_x:
        try:
            x, held = checks.numbers("train_x", train_x[name]), checks.numbers("test_x", test_x[name])
            checks.same_rows(train_x=x, train_y=y)
            checks.same_rows(test_x=held, test_y=truth)
            here = checks.presence("train_present", train_present, name, len(y))
            there = checks.presence("test_present", test_present, name, len(truth))
            if not here.any():
                raise InputError("no training row has it; leave the modality out.")
            rows = (checks.finite("train_x", x[here]), y[here])
            oracles[name] = _train(name, rows, (held[there], truth[there]), kind, derived_seed(seed, name))
        except InputError as error:
            raise InputError(f"modality {name!r}: {error}") from error
    return oracles


def _train(
    name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], kind: str, seed: int
) -> Oracle:
    """Choose, fit and score the classifier of one modality from its present rows."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    x, y = train
    found = checks.classes("train_y", y)
    event, wide = x.shape[1:], x.ndim > 2
    x = x.reshape(len(x), -1)
    if wide:  # one scale for all pixels: a nearly constant corner must not shout when a decoder blurs it
        center, scale = float(x.mean()), float(x.std()) or 1.0
    else:
        scaler = StandardScaler().fit(x)
        center, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    x = (x - center) / scale
    if kind == "auto":
        kind = ("conv" if _is_image(event) else "mlp") if wide else _better_kind(x, y, seed)
    model = _classifier(kind, event, seed)
    converged = fit(model, x, y)
    held, truth = test
    oracle = Oracle(
        name, kind, float("nan"), len(y), len(truth), converged, found, event, model, center, scale
    )
    if not len(truth):
        return oracle
    checks.comparable("train_y", y, "test_y", truth)
    return Oracle(**{**vars(oracle), "accuracy": float(np.mean(oracle.predict(held) == truth))})


def _better_kind(x: np.ndarray, y: np.ndarray, seed: int) -> str:
    """Compare both classifiers on a stratified fifth of the training rows; the simpler one wins a tie."""
    import numpy as np

    found, counts = np.unique(y, return_counts=True)
    if counts.min() < 5:
        return "linear"
    held = np.zeros(len(y), dtype=bool)
    held[stratified(y, max(len(y) // 5, len(found)), seed)] = True
    right = {}
    for kind in ("linear", "mlp"):
        model = _classifier(kind, x.shape[1:], seed)
        fit(model, x[~held], y[~held])
        right[kind] = int(np.sum(model.predict(x[held]) == y[held]))
    return "mlp" if right["mlp"] > right["linear"] else "linear"


def _is_image(event: tuple[int, ...]) -> bool:
    return len(event) == 3 and min(event[1:]) >= 8


def _classifier(kind: str, event: tuple[int, ...], seed: int) -> Any:
    """Make an unfitted classifier."""
    if kind == "conv":
        if not _is_image(event):
            raise InputError(f"kind 'conv' needs images (C, H, W) of at least 8 x 8; the rows are {event}.")
        from counterpoint.evaluation.conv_oracle import ConvClassifier

        return ConvClassifier(event, seed)
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    if kind == "linear":
        return LogisticRegression(max_iter=10_000)
    # Stopping by the training loss keeps all rows for training: on 8,000 rows of MNIST .944 and, with a
    # tenth held out to stop by, .933.
    width = 128 if len(event) > 1 else 64
    return MLPClassifier((width,), alpha=1e-2, tol=1e-3, max_iter=2_000, random_state=seed)


@dataclass(frozen=True, eq=False)
class CoherenceTable:
    """Accuracies of translations, source by target; shares between 0 and 1.

    Attributes:
        names: the M modalities, in the order of the matrix.
        matrix: (M, M); row: source, column: target; NaN for a source that no row has.
        rows: rows counted per source.
        left_out: rows left out per source, because the source is absent in them.
        oracle: accuracy of each target's oracle on real rows, the ceiling to read the column against.

    Example:
        >>> import numpy as np
        >>> matrix = np.array([[1.0, 0.5], [0.7, 0.8]])
        >>> count = {"a": 9, "b": 9}
        >>> table = CoherenceTable(("a", "b"), matrix, count, {"a": 0, "b": 0}, {"a": 1.0, "b": 0.9})
        >>> round(table.off_diagonal, 3), round(table.full, 3)
        (0.6, 0.75)
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    rows: dict[str, int]
    left_out: dict[str, int]
    oracle: dict[str, float]

    @property
    def off_diagonal(self) -> float:
        """Mean over the pairs source != target; NaN for a single modality."""
        import numpy as np

        return _mean(self.matrix[~np.eye(len(self.names), dtype=bool)])

    @property
    def full(self) -> float:
        """Mean over all pairs, the diagonal included, as the official rats code reports it."""
        return _mean(self.matrix.ravel())


def _mean(values: np.ndarray) -> float:
    """Mean of the entries that are not NaN; NaN if there are none."""
    import numpy as np

    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")


def coherence(
    translate: Callable[[str, str], Any],
    oracles: Mapping[str, Oracle],
    labels: Any,
    names: Sequence[str],
    present: Mapping[str, Any] | None = None,
) -> CoherenceTable:
    """Accuracy with which the target's oracle finds the source's label in every translation.

        C[s, t] = 1/|P_s| sum_{n in P_s} [oracle_t(translate(s, t)_n) = y_n],   P_s = the rows that have s

    Args:
        translate: (source, target) to (N, *event of the target), the location of the likelihood; rows without
            the source are not looked at.
        oracles: target name to its classifier, see `train_oracles`.
        labels: (N,) labels of the rows.
        names: the modalities, each source and target.
        present: modality name to bool (N,); a modality that is not named is present everywhere.

    Raises:
        InputError: for a modality without an oracle, a wrong number of rows, values that are not finite.

    Source: Shi et al. 2019 (cross coherence); papers differ in whether the diagonal counts, so both are told.

    Example:
        >>> x = {"a": [[-1], [-2], [1], [2]], "b": [[5], [6], [-5], [-6]]}
        >>> y = [0, 0, 1, 1]
        >>> table = coherence(lambda source, target: x[target], train_oracles(x, y, x, y), y, ["a", "b"])
        >>> table.matrix.tolist(), table.left_out
        ([[1.0, 1.0], [1.0, 1.0]], {'a': 0, 'b': 0})
    """
    import numpy as np

    names = tuple(names)
    y = checks.labels("labels", labels)
    if not names or len(set(names)) < len(names):
        raise InputError(f"names is {names!r}; give every modality once, at least one.")
    checks.same_names("oracles", [name for name in oracles if name in names], names)
    if present is not None:
        checks.same_names("present", {**dict.fromkeys(names), **present}, names)
    matrix = np.full((len(names), len(names)), np.nan)
    here = {name: checks.presence("present", present, name, len(y)) for name in names}
    for row, source in enumerate(names):
        for column, target in enumerate(names):
            if here[source].any():
                made = checks.numbers(f"translate({source!r}, {target!r})", translate(source, target))
                checks.same_rows(**{f"translate({source!r}, {target!r})": made, "labels": y})
                checks.comparable("the oracle's classes", oracles[target].classes, "labels", y)
                answer = oracles[target].predict(made[here[source]])
                matrix[row, column] = np.mean(answer == y[here[source]])
    rows = {name: int(here[name].sum()) for name in names}
    ceiling = {name: oracles[name].accuracy for name in names}
    return CoherenceTable(names, matrix, rows, {name: len(y) - rows[name] for name in names}, ceiling)
