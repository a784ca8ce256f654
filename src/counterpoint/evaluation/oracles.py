"""Oracles: classifiers trained on real data, one a modality, that judge what a model generates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, choose
from counterpoint.evaluation import checks, oracle_nets
from counterpoint.evaluation.fitting import derived_seed, stratified
from counterpoint.evaluation.scores import indicators

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Oracle:
    """A classifier of one modality, trained on real data, with its own accuracy on real held-out rows.

    Attributes:
        name: the modality.
        kind: "linear", "mlp", "conv", or the name of a published judge.
        accuracy: share of the held-out rows it gets right (of several labels, the mean over labels): the
            ceiling of coherence; NaN if there are none.
        n_train: rows it was trained on.
        n_test: held-out rows.
        converged: whether its training reached the tolerance.
        classes: (C,) the labels it can answer; of several labels a row, their numbers.
        event: shape of one row.
        several: whether every row has several labels of 0 and 1.
        weights: the classifier itself, by layer.

    Example:
        >>> oracle = train_oracles({"a": [[-1], [-2], [1], [2]]}, [0, 0, 1, 1], {"a": [[3]]}, [1])["a"]
        >>> oracle.kind, oracle.accuracy, oracle.predict([[-4.0]]).tolist()
        ('linear', 1.0, [0])
        >>> oracle.proba([[0.0]]).round(2).tolist(), oracle.features([[2.0]]).round(2).tolist(), oracle.read
        ([[0.5, 0.5]], [[1.26]], 'standardised values, 1 features')
    """

    name: str
    kind: str
    accuracy: float
    n_train: int
    n_test: int
    converged: bool
    classes: np.ndarray
    event: tuple[int, ...]
    several: bool
    weights: dict[str, np.ndarray]
    _center: Any
    _scale: Any

    def predict(self, x: Any) -> np.ndarray:
        """Return the label of every row, x (N, *event) to (N,); of several labels 0 and 1, (N, L).

        Raises:
            InputError: if a row has another shape or a value is not finite.
        """
        scores = self._logits(x)
        return (scores > 0).astype(int) if self.several else self.classes[scores.argmax(1)]

    def proba(self, x: Any) -> np.ndarray:
        """Return the probability of every class, (N, C), or of every label, (N, L)."""
        from scipy.special import expit, softmax

        scores = self._logits(x)
        return expit(scores) if self.several else softmax(scores, axis=1)

    def features(self, x: Any) -> np.ndarray:
        """Return what the classifier makes of a row before its last layer, (N, F): see `read`."""
        return oracle_nets.forward(self.kind, self.weights, self._standardised(x), self.event)[0]

    @property
    def read(self) -> str:
        """What `features` are, in words."""
        width = self.weights["out.weight"].shape[1]
        what = {"linear": "standardised values", "mlp": "hidden units of the oracle"}
        return f"{what.get(self.kind, f'last hidden layer of the {self.kind} oracle')}, {width} features"

    def _logits(self, x: Any) -> np.ndarray:
        return oracle_nets.forward(self.kind, self.weights, self._standardised(x), self.event)[1]

    def _standardised(self, x: Any) -> np.ndarray:
        what = f"what the oracle of {self.name!r} reads"
        x = checks.finite(what, checks.numbers(what, x))
        if x.shape[1:] != self.event:
            raise InputError(f"{what} has rows of shape {x.shape[1:]}; it was trained on {self.event}.")
        return (x.reshape(len(x), -1) - self._center) / self._scale


def train_oracles(
    train_x: Mapping[str, Any],
    train_y: Any,
    test_x: Mapping[str, Any],
    test_y: Any,
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
    kind: str | Mapping[str, str] = "auto",
    seed: int = 0,
    cache: Path | None = None,
) -> dict[str, Oracle]:
    """Train one classifier per modality on real training rows and state its accuracy on real held-out rows.

    Tables ("auto"): logistic regression or a network of 64 hidden units, whichever is better on a fifth of
    the *training* rows; the simpler one on a tie or where a class has fewer than five rows. Images (C, H, W)
    or (H, W, C), C at most 4, of at least 8 x 8: a small convolutional network; other arrays of two or more
    axes: a network of 128 hidden units on the flattened values. Test rows decide nothing. Several labels a
    row are trained by binary cross-entropy, one answer each.

    Args:
        train_x: modality name to (N, *event), in the units of the translations; absent rows hold anything.
        train_y: (N,) whole numbers or text, or (N, L) of 0 and 1.
        test_x: the same names to (N', *event).
        test_y: (N',) or (N', L) labels.
        train_present: modality name to bool (N,); a modality that is not named is present everywhere.
        test_present: the same for the test rows.
        kind: "auto", "linear", "mlp" or, for images, "conv"; or a published judge, by the data that it reads:
            "resnet" (PolyMNIST, MMVM), "strided" (PolyMNIST, MoPoE), "mnist", "svhn" and "text"
            (MNIST-SVHN-Text, MoPoE), "lenet" (MNIST and SVHN, MMVAE), "portrait" and "characters" (CelebA),
            "dcgan" and "words" (CUB), "spikes" (rats). One for all, or modality name -> one, "auto" for those
            that are not named.
        seed: decides the split and the network's start; each modality has its own stream.
        cache: a folder where trained classifiers are kept, and found again by the SHA-256 of what they were
            trained on; a damaged file there is made anew.

    Raises:
        InputError: for NaN in a present row, unequal rows, one class only, a modality without training rows.

    Source: Shi et al. 2019; Sutter et al. 2021 (classifiers trained on real data judge generated data). The
        released code of CelebA and CUB puts cross-entropy over sigmoids; not reproduced.

    Example:
        >>> x, held = {"a": [[-1], [-2], [1], [2]]}, {"a": [[3], [-3]]}
        >>> oracles = train_oracles(x, list("xxyy"), held, list("yx"))
        >>> oracles["a"].accuracy, oracles["a"].classes.tolist()
        (1.0, ['x', 'y'])
    """
    kinds = kinds_of("kind", kind, train_x)
    checks.same_names("test_x", test_x, train_x)
    for what, present in (("train_present", train_present), ("test_present", test_present)):
        if present is not None:
            checks.same_names(what, {**dict.fromkeys(train_x), **present}, train_x)
    y, truth = labels_of("train_y", train_y), labels_of("test_y", test_y)
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
            one = _train(name, rows, kinds[name], derived_seed(seed, name), cache)
            oracles[name] = _scored(one, held[there], truth[there])
        except InputError as error:
            raise InputError(f"modality {name!r}: {error}") from error
    return oracles


def kinds_of(what: str, given: str | Mapping[str, str], names: Iterable[str] | None = None) -> dict[str, str]:
    """Return what classifier each modality gets: one for all, or by name, "auto" for those left out.

    Without names only the words are checked.

    Example:
        >>> kinds_of("judges", {"image": "resnet"}, ["image", "text"])
        {'image': 'resnet', 'text': 'auto'}
        >>> kinds_of("judges", "resnt", ["image"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: judges is 'resnt'; allowed are auto, ... Did you mean 'resnet'?
    """
    for kind in given.values() if isinstance(given, Mapping) else [given]:
        choose(what, kind, ["auto", *oracle_nets.PLAIN, *oracle_nets.JUDGES])
    listed = [] if names is None else list(names)
    if not isinstance(given, Mapping):
        return dict.fromkeys(listed, given)
    for name in given if names is not None else ():
        choose(f"{what}: modality", name, listed)
    return {name: given.get(name, "auto") for name in listed}


def labels_of(what: str, values: Any) -> np.ndarray:
    """Return one label a row (N,), or several of 0 and 1, (N, L).

    Example:
        >>> labels_of("train_y", [[0, 1], [1, 1]]).shape
        (2, 2)
        >>> labels_of("train_y", [[0, 2]])
        Traceback (most recent call last):
        counterpoint.errors.InputError: train_y has two axes and holds 2; several labels a row are 0 or 1.
    """
    import numpy as np

    return indicators(what, values) if np.ndim(values) == 2 else checks.labels(what, values)


def _train(
    name: str, train: tuple[np.ndarray, np.ndarray], kind: str, seed: int, cache: Path | None
) -> Oracle:
    """Choose and fit the classifier of one modality from its present rows, or find it in the cache."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    x, y = train
    several = y.ndim == 2
    found = np.arange(y.shape[1]) if several else checks.classes("train_y", y)
    event, wide = x.shape[1:], x.ndim > 2
    x = x.reshape(len(x), -1)
    if wide:  # one scale for all pixels: a nearly constant corner must not shout when a decoder blurs it
        center, scale = float(x.mean()), float(x.std()) or 1.0
    else:
        scaler = StandardScaler().fit(x)
        center, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    x = (x - center) / scale
    key = None if cache is None else oracle_nets.key_of(x, y, event, kind, seed)
    kept = None if cache is None or key is None else oracle_nets.load(cache, key)
    if kept is None:
        if kind == "auto":
            image = oracle_nets.is_image(event)
            kind = ("conv" if image else "mlp") if wide else _better_kind(x, y, seed)
        weights, converged = oracle_nets.train(kind, x, y, event, seed)
        if cache is not None and key is not None:
            oracle_nets.save(cache, key, kind, weights, converged)
    else:
        kind, weights, converged = kept
    parts = (len(y), 0, converged, found, event, several, weights, center, scale)
    return Oracle(name, kind, float("nan"), *parts)


def _scored(oracle: Oracle, held: np.ndarray, truth: np.ndarray) -> Oracle:
    """Return the oracle with its accuracy on held-out rows."""
    import numpy as np

    if not len(truth):
        return oracle
    if oracle.several != (truth.ndim == 2):
        raise InputError("test_y has other axes than train_y; give both as (N,) or both as (N, L).")
    if not oracle.several:
        checks.comparable("train_y", oracle.classes, "test_y", truth)
    return replace(oracle, accuracy=float(np.mean(oracle.predict(held) == truth)), n_test=len(truth))


def _better_kind(x: np.ndarray, y: np.ndarray, seed: int) -> str:
    """Compare both classifiers on a stratified fifth of the training rows; the simpler one wins a tie."""
    import numpy as np

    held = np.zeros(len(y), dtype=bool)
    if y.ndim == 2:
        held[np.random.default_rng(seed).permutation(len(y))[: len(y) // 5]] = True
        if not held.any():
            return "linear"
    else:
        found, counts = np.unique(y, return_counts=True)
        if counts.min() < 5:
            return "linear"
        held[stratified(y, max(len(y) // 5, len(found)), seed)] = True
    right = {}
    for kind in ("linear", "mlp"):
        weights, _ = oracle_nets.train(kind, x[~held], y[~held], x.shape[1:], seed)
        logits = oracle_nets.forward(kind, weights, x[held], x.shape[1:])[1]
        answers = logits > 0 if y.ndim == 2 else np.unique(y[~held])[logits.argmax(1)]
        right[kind] = int(np.sum(answers == y[held]))
    return "mlp" if right["mlp"] > right["linear"] else "linear"
