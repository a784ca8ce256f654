"""A label that is to be told from the modalities: it becomes one more of them, known in training alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoint.asking import Mask
from counterpoint.data import MultimodalData
from counterpoint.errors import InputError
from counterpoint.evaluation.checks import known


def with_target(
    data: MultimodalData, target: str, y: Any = None, *, classes: Sequence[Any] | None = None
) -> MultimodalData:
    """Return rows with the label as a modality named `target`, the last one.

    Classes (N,), of any kind, become codes of the sorted classes; several labels (N, K) of 0 and 1 stay what
    they are. Rows without a label have NaN or None, or -1 among whole numbers (as in scikit-learn).

    Args:
        data: Rows; the label is among their labels or their modalities.
        target: Its name.
        y: The label itself, if it is not there.
        classes: Of a model that is asked (`classes_of` its training rows): codes are theirs, and a row of
            another class counts as one without a label. Those of the rows unless given.

    Raises:
        InputError: If there is no such label, it does not fit the rows, or it has fewer than two classes.

    Example:
        >>> from counterpoint.data import read
        >>> data = read({"a": np.ones((3, 2))}, labels={"diet": np.array(["fat", "lean", "fat"])})
        >>> made = with_target(data, "diet")
        >>> made.names, made.x["diet"].ravel().tolist(), made.categories["diet"]
        (('a', 'diet'), [0, 1, 0], ('fat', 'lean'))
    """
    values = _values(data, target, y)
    if values.ndim == 2 and values.shape[1] > 1:
        x, mask, categories = _several(target, values)
    else:
        flat = values.reshape(len(values))
        x, mask, categories = _codes(target, flat, classes_of(flat) if classes is None else classes)
    rest = [name for name in data.names if name != target]
    if not rest:
        raise InputError(f"there is nothing beside the target {target!r} to tell it from.")
    data = data.select(rest)
    return replace(
        data,
        x={**data.x, target: x},
        mask={**data.mask, target: mask},
        categories={**data.categories, target: categories},
        labels={**data.labels, target: values},
    )


def likelihoods(
    data: MultimodalData, target: str | None, given: str | Mapping[str, str]
) -> str | Mapping[str, str]:
    """Return the likelihood of every modality: the target's by what it is, for `"auto"` what the reader knew.

    Example:
        >>> from counterpoint.data import read
        >>> data = read({"a": np.ones((3, 2))}, labels={"diet": np.array([0, 1, 0])})
        >>> likelihoods(with_target(data, "diet"), "diet", "auto")
        {'a': 'auto', 'diet': 'categorical'}
    """
    known = {name: word for name, word in data.likelihoods.items() if word is not None}
    if target is None and not known:
        return given
    named = dict(given) if isinstance(given, Mapping) else dict.fromkeys(data.names, given)
    named |= {name: word for name, word in known.items() if named.get(name, "auto") == "auto"}
    if target is None:
        return named
    return {**named, target: "bernoulli" if data.categories[target] is None else "categorical"}


def classes_of(values: np.ndarray) -> list[Any] | None:
    """Return the classes of a label, sorted, as JSON holds them; None for several labels (N, K).

    Example:
        >>> classes_of(np.array([7, 3, -1, 7]))
        [3, 7]
    """
    if values.ndim == 2 and values.shape[1] > 1:
        return None
    flat = values.reshape(len(values))
    return np.unique(flat[known(flat)].tolist()).tolist()


def _values(data: MultimodalData, target: str, y: Any) -> np.ndarray:
    """Return the label's values, from where it is."""
    if y is not None:
        values = np.asarray(y)
        if values.ndim not in (1, 2) or len(values) != len(data):
            raise InputError(
                f"y has shape {values.shape}; the target {target!r} needs a label, or a row of labels, for "
                f"each of {len(data)} rows."
            )
        return values
    if target in data.labels:
        return np.asarray(data.labels[target])
    if target in data.x:
        codes, categories = data.x[target], data.categories[target]
        seen = data.present()[target]
        if categories is None:
            found = codes.astype(object)
            found[~seen] = None
            return found
        named = np.array([*categories, None], dtype=object)
        return named[np.where(seen, codes.reshape(len(codes)).astype(int), len(categories))]
    listed = ", ".join(data.labels) or "none"
    raise InputError(
        f"target is {target!r}, and the data's labels are: {listed}; read the data with labels=[{target!r}], "
        "or hand it to fit as y."
    )


def _codes(
    target: str, values: np.ndarray, classes: Sequence[Any] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return codes (N, 1), which rows have one, and what they stand for."""
    assert classes is not None
    if len(classes) < 2:
        raise InputError(f"the target {target!r} has {len(classes)} classes; it needs at least two.")
    place = {label: code for code, label in enumerate(classes)}
    there, codes = known(values), np.full(len(values), -1)
    codes[there] = [place.get(label, -1) for label in np.array(values[there].tolist()).tolist()]
    mask = codes >= 0
    return np.where(mask, codes, 0)[:, None], mask, tuple(str(c) for c in classes)


def _several(target: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
    """Return labels (N, K) of 0 and 1, and which are known."""
    mask = known(values)
    x = np.where(mask, values, 0).astype(np.float64)
    if not np.isin(x, (0.0, 1.0)).all():
        raise InputError(f"the target {target!r} has {x.shape[1]} columns; each must hold 0, 1 or NaN.")
    return x, mask, None


class Predictions:
    """Verbs of an estimator that was given a target: the label of rows that come without.

    Beside `Questions`, whose verbs they use; `self` is the estimator.
    """

    @property
    def classes_(self: Any) -> np.ndarray:
        """The classes of the target, sorted; for several labels the column numbers."""
        name = self._target()
        found = self.data_summary_["classes"]
        width = self.preparation_[name].event[0]
        return np.arange(width) if found is None else np.array(found)

    def _target(self: Any) -> str:
        self._fitted_model()
        if self.target is None:
            raise InputError(
                f"this {type(self).__name__} was given no target; fit Counterpoint(..., target='label')."
            )
        return self.target

    def predict_proba(
        self: Any,
        X: Any,
        given: Sequence[str] | None = None,
        *,
        draws: int = 0,
        how: str = "mixture",
        seed: int | None = None,
        mask: Mask = None,
    ) -> np.ndarray:
        """Return the probabilities of the target's classes, (N, C), or of its several labels, (N, K).

        The target is never read, whatever X holds of it. A row with nothing observed gets what the prior's
        mean says. Arguments are those of `reconstruct`.
        """
        name, batch = self._target(), self._batch(X, mask, self.modalities_ if given is None else given)
        p = self._decoded(batch, name, draws, how, seed)
        return p[:, 0] if self.data_summary_["classes"] is not None else p

    def predict(
        self: Any,
        X: Any,
        given: Sequence[str] | None = None,
        *,
        draws: int = 0,
        how: str = "mixture",
        seed: int | None = None,
        mask: Mask = None,
    ) -> np.ndarray:
        """Return the most probable class, (N,); of several labels 1 where more probable than not, (N, K)."""
        return self.answers(self.predict_proba(X, given, draws=draws, how=how, seed=seed, mask=mask))

    def answers(self: Any, p: np.ndarray) -> np.ndarray:
        """Return what `predict` makes of the probabilities that `predict_proba` gave."""
        if self.data_summary_["classes"] is None:
            return (p > 0.5).astype(np.int64)
        return self.classes_[p.argmax(1)]
