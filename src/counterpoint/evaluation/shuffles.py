"""Two controls: labels that belong to nothing, and modalities that do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, whole
from counterpoint.evaluation.fitting import derived_seed

if TYPE_CHECKING:
    import numpy as np


def shuffled_labels(y: Any, seed: int = 0) -> np.ndarray:
    """Return the labels in another order: a probe trained on them is at chance, or its test rows leak.

    The classes keep their shares; several labels of a row stay together. Shuffle the training labels only.

    Args:
        y: (N,) or (N, L) labels.
        seed: decides the order.

    Raises:
        InputError: if there is no row.

    Source: Ojala & Garriga 2010 (permuted labels); Hewitt & Liang 2019 (control tasks for probes).

    Example:
        >>> shuffled_labels(["a", "a", "b", "b"], seed=0).tolist()
        ['a', 'b', 'b', 'a']
    """
    import numpy as np

    labels = np.asarray(y)
    if labels.ndim == 0 or not len(labels):
        raise InputError(f"y has shape {labels.shape}; give at least one row.")
    return labels[np.random.default_rng(derived_seed(seed, "shuffled labels")).permutation(len(labels))]


def shuffled_pairs(rows: int, names: Sequence[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Return for every modality the rows to take, so that nothing but their distributions is shared.

    The first keeps its order; each other gets an order of its own in which no row is in its place (a random
    derangement; with one row there is none). Two uses. *Trained* on `x[name][order[name]]`, a method shows
    what it makes of modalities that tell nothing of each other: translations have no information to give,
    so a coherence above chance comes from elsewhere. *Scored* on translations against the labels of other
    rows, a trained method shows the coherence of answers that fit any row. Masks travel with their values.

    Args:
        rows: N.
        names: the modalities, each once; adding one changes no order of another.
        seed: decides the orders.

    Raises:
        InputError: for no modality or one named twice.

    Source: a permutation test of independence, as Ojala & Garriga 2010 for labels.

    Example:
        >>> {name: order.tolist() for name, order in shuffled_pairs(4, ["a", "b"], seed=0).items()}
        {'a': [0, 1, 2, 3], 'b': [3, 2, 0, 1]}
    """
    import numpy as np

    count, names = whole("rows", rows), list(names)
    if not names or len(set(names)) < len(names):
        raise InputError(f"names is {names!r}; give every modality once, at least one.")
    place = np.arange(count)
    orders = {names[0]: place.copy()}
    for name in names[1:]:
        generator = np.random.default_rng(derived_seed(seed, "shuffled pairs", name))
        order = generator.permutation(count)
        while count > 1 and (order == place).any():  # 1 in e is a derangement: 2.7 draws on average
            order = generator.permutation(count)
        orders[name] = order
    return orders
