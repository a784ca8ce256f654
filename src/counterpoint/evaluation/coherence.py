"""Coherence: does what was translated from one modality into another still show the same class?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks
from counterpoint.evaluation.oracles import Oracle, labels_of
from counterpoint.evaluation.scores import classifier_scores

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class CoherenceTable:
    """Accuracies of translations, source by target; shares between 0 and 1.

    Attributes:
        names: the M modalities, in the order of the matrix.
        matrix: (M, M); row: source, column: target; NaN for a source that no row has.
        rows: rows counted per source.
        left_out: rows left out per source, because the source is absent in them.
        oracle: accuracy of each target's oracle on real rows, the ceiling to read the column against.
        shuffled: mean off the diagonal when every translation is judged by another row's label: what answers
            that know nothing of their row would get.
        hits: (N,) share of a row's translations off the diagonal that are right; NaN where it has none.

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
    shuffled: float = float("nan")
    hits: np.ndarray | None = None

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

    Of several labels a row it is the average precision of the oracle's probabilities, the mean over labels.

    Args:
        translate: (source, target) to (N, *event of the target), the location of the likelihood; rows without
            the source are not looked at.
        oracles: target name to its classifier, see `train_oracles`.
        labels: (N,) labels of the rows, or (N, L) of 0 and 1.
        names: the modalities, each source and target.
        present: modality name to bool (N,); a modality that is not named is present everywhere.

    Raises:
        InputError: for a modality without an oracle, a wrong number of rows, values that are not finite.

    Source: Shi et al. 2019 (cross coherence); papers differ in whether the diagonal counts, so both are told.
        Several labels: Sutter et al. 2024 (CelebA, CUB).

    Example:
        >>> from counterpoint.evaluation.oracles import train_oracles
        >>> x = {"a": [[-1], [-2], [1], [2]], "b": [[5], [6], [-5], [-6]]}
        >>> y = [0, 0, 1, 1]
        >>> table = coherence(lambda source, target: x[target], train_oracles(x, y, x, y), y, ["a", "b"])
        >>> table.matrix.tolist(), table.left_out
        ([[1.0, 1.0], [1.0, 1.0]], {'a': 0, 'b': 0})
    """
    import numpy as np

    names, y, here = _checked(oracles, labels, names, present)
    matrix = np.full((len(names), len(names)), np.nan)
    hits = np.full((len(names), len(names), len(y)), np.nan)
    wrongly = matrix.copy()
    other = y[np.random.default_rng(0).permutation(len(y))]
    for i, source in enumerate(names):
        rows = here[source]
        for j, target in enumerate(names):
            if rows.any():
                what = f"translate({source!r}, {target!r})"
                judged = _judged(what, translate(source, target), oracles[target], y, rows)
                matrix[i, j], hits[i, j, rows] = judged(y)
                wrongly[i, j] = judged(other)[0]
    off = ~np.eye(len(names), dtype=bool)
    count = {name: int(here[name].sum()) for name in names}
    return CoherenceTable(
        names,
        matrix,
        count,
        {name: len(y) - count[name] for name in names},
        {name: oracles[name].accuracy for name in names},
        _mean(wrongly[off]),
        np.array([_mean(row) for row in hits[off].T]) if off.any() else np.full(len(y), np.nan),
    )


@dataclass(frozen=True)
class SubsetCell:
    """Coherence of one target given one set of modalities.

    Attributes:
        given: the modalities that were given.
        target: the modality that was generated.
        accuracy: share of the rows in which its oracle finds the label; see `coherence`.
        rows: rows that have all of `given`, and count.

    Example:
        >>> SubsetCell(("a", "b"), "c", 0.9, rows=500).accuracy
        0.9
    """

    given: tuple[str, ...]
    target: str
    accuracy: float
    rows: int


def subset_coherence(
    translate: Callable[[tuple[str, ...], str], Any],
    oracles: Mapping[str, Oracle],
    labels: Any,
    names: Sequence[str],
    subsets: Sequence[tuple[str, ...]],
    present: Mapping[str, Any] | None = None,
) -> list[SubsetCell]:
    """Coherence of every target given every subset, on the rows that have all of the subset.

    Args:
        translate: (given names, target) to (N, *event of the target).
        oracles: target name to its classifier.
        labels: (N,) labels of the rows, or (N, L) of 0 and 1.
        names: the modalities, each a target.
        subsets: the sets that are given, each of `names`.
        present: modality name to bool (N,).

    Raises:
        InputError: as `coherence`; for an empty subset or an unknown name in one.

    Source: Sutter et al. 2021 (MoPoE), all subsets to all modalities.

    Example:
        >>> from counterpoint.evaluation.oracles import train_oracles
        >>> x = {"a": [[-1], [-2], [1], [2]], "b": [[5], [6], [-5], [-6]]}
        >>> oracles = train_oracles(x, [0, 0, 1, 1], x, [0, 0, 1, 1])
        >>> subset_coherence(lambda given, target: x[target], oracles, [0, 0, 1, 1], ["a"], [("a",)])
        [SubsetCell(given=('a',), target='a', accuracy=1.0, rows=4)]
    """
    import numpy as np

    names, y, here = _checked(oracles, labels, names, present)
    cells = []
    for given in subsets:
        if not given or set(given) - set(names):
            raise InputError(f"a subset is {given!r}; give names out of {', '.join(names)}, at least one.")
        rows = np.logical_and.reduce([here[name] for name in given])
        for target in names:
            found = float("nan")
            if rows.any():
                what = f"translate({given!r}, {target!r})"
                found = _judged(what, translate(given, target), oracles[target], y, rows)(y)[0]
            cells.append(SubsetCell(tuple(given), target, found, int(rows.sum())))
    return cells


def _checked(
    oracles: Mapping[str, Oracle], labels: Any, names: Sequence[str], present: Mapping[str, Any] | None
) -> tuple[tuple[str, ...], np.ndarray, dict[str, np.ndarray]]:
    """Return names, labels, and which rows have each modality."""
    names = tuple(names)
    y = labels_of("labels", labels)
    if not names or len(set(names)) < len(names):
        raise InputError(f"names is {names!r}; give every modality once, at least one.")
    checks.same_names("oracles", [name for name in oracles if name in names], names)
    if present is not None:
        checks.same_names("present", {**dict.fromkeys(names), **present}, names)
    return names, y, {name: checks.presence("present", present, name, len(y)) for name in names}


def _judged(
    what: str, made: Any, oracle: Oracle, y: np.ndarray, rows: np.ndarray
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Return what scores the oracle's answers in some rows against labels: the score, and a share a row."""
    import numpy as np

    made = checks.numbers(what, made)
    checks.same_rows(**{what: made, "labels": y})
    if oracle.several != (y.ndim == 2):
        raise InputError("labels has other axes than those that the oracles were trained on; give the same.")
    if oracle.several:
        found = oracle.proba(made[rows])
        return lambda truth: (
            classifier_scores(truth[rows], found).average_precision,
            ((found > 0.5) == truth[rows]).mean(1),
        )
    checks.comparable("the oracle's classes", oracle.classes, "labels", y)
    answer = oracle.predict(made[rows])
    return lambda truth: (float(np.mean(answer == truth[rows])), (answer == truth[rows]).astype(float))


def agreeing(made: Mapping[str, Any], oracles: Mapping[str, Oracle]) -> float:
    """Share of the rows for which all oracles give the same answer: coherence of joint samples.

    Args:
        made: modality name to generated rows (N, *event), row i of each from one latent.
        oracles: modality name to its classifier.

    Raises:
        InputError: for a modality without an oracle, unequal rows.

    Source: Shi et al. 2019 (joint coherence); Sutter et al. 2021 (random generation).

    Example:
        >>> from counterpoint.evaluation.oracles import train_oracles
        >>> x = {"a": [[-1], [-2], [1], [2]], "b": [[5], [6], [-5], [-6]]}
        >>> oracles = train_oracles(x, [0, 0, 1, 1], x, [0, 0, 1, 1])
        >>> agreeing({"a": [[-3], [3]], "b": [[9], [9]]}, oracles)
        0.5
    """
    import numpy as np

    checks.same_names("oracles", [name for name in oracles if name in made], made)
    checks.same_rows(**{name: np.asarray(rows) for name, rows in made.items()})
    answers = np.stack([np.asarray(oracles[name].predict(rows)) for name, rows in made.items()])
    same = answers == answers[:1]
    return float(same.reshape(len(same), same.shape[1], -1).all((0, 2)).mean())
