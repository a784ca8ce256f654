"""Decoding across sessions: is a label read from one session's latents by what others' latents taught?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.evaluation import checks
from counterpoint.evaluation.probes import linear_probe

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Decoding:
    """Accuracy of linear probes by modality; NaN where there is nothing to fit or to ask.

    Attributes:
        own: name -> of the probe fitted on its own training rows.
        other: name -> of the probe fitted on the training rows of all others.
        chance: name -> of the most frequent class of its own training rows.

    Example:
        >>> Decoding({"A": 0.5}, {"A": float("nan")}, {"A": 0.5}).own["A"]
        0.5
    """

    own: dict[str, float]
    other: dict[str, float]
    chance: dict[str, float]


def decoding(
    train: Mapping[str, Any],
    train_y: Any,
    test: Mapping[str, Any],
    test_y: Any,
    *,
    train_present: Mapping[str, Any] | None = None,
    test_present: Mapping[str, Any] | None = None,
    size: int | None = None,
    seed: int = 0,
) -> Decoding:
    """Read a label from each modality's latents by its own probe, and by one that never saw the modality.

    The other one is fitted on the latents of all other modalities pooled, as they are: it can only answer
    where the modalities share their axes. The label of a row is that of all modalities present in it.

    Args:
        train: name -> (N, D) latents of training rows; absent rows may hold anything.
        train_y: (N,) whole numbers or text.
        test: name -> (N', D) of held-out rows.
        test_y: (N',).
        train_present: name -> bool (N,); a modality that is not named is present everywhere.
        test_present: name -> bool (N',).
        size: At most so many training rows a probe.
        seed: Decides these.

    Raises:
        InputError: If names, rows or widths differ, or a latent is not finite where it is present.

    Source: Sutter et al. 2024 (MMVM), the experiment on rats; the probe of the others is ours.

    Example:
        >>> z = {"A": [[-1.0], [1.0], [-1.0], [1.0]], "B": [[-2.0], [2.0], [-2.0], [2.0]]}
        >>> found = decoding(z, [0, 1, 0, 1], z, [0, 1, 0, 1])
        >>> found.own, found.other
        ({'A': 1.0, 'B': 1.0}, {'A': 1.0, 'B': 1.0})
    """
    import numpy as np

    checks.same_names("test", test, train)
    y, truth = checks.labels("train_y", train_y), checks.labels("test_y", test_y)
    known = _present("train", train, y, train_present)
    held = _present("test", test, truth, test_present)
    own, other, chance = {}, {}, {}
    for name in train:
        asked = held[name]
        rest = [known[n] for n in train if n != name]
        own[name], chance[name] = _accuracy(*known[name], asked, size, seed)
        x, labels = (np.concatenate(part) for part in zip(*rest, strict=True)) if rest else ([], np.array([]))
        other[name] = _accuracy(x, labels, asked, size, seed)[0]
    return Decoding(own, other, chance)


def block_means(
    z: Mapping[str, Any], blocks: Any, present: Mapping[str, Any] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the mean latents of blocks, such as the windows of a trial, and which blocks have the modality.

    Args:
        z: name -> (N, D); absent rows may hold anything.
        blocks: (N,) whole numbers.
        present: name -> bool (N,).

    Returns:
        name -> (blocks, D), NaN where absent, in the order of their numbers; name -> bool (blocks,).

    Example:
        >>> means, there = block_means({"A": [[1.0], [3.0], [5.0]]}, [0, 0, 1])
        >>> means["A"].tolist(), there["A"].tolist()
        ([[2.0], [5.0]], [True, True])
    """
    import numpy as np

    of = np.unique(np.asarray(blocks), return_inverse=True)[1]
    means, there = {}, {}
    for name, values in z.items():
        x = checks.numbers(name, values)
        here = checks.presence("present", present, name, len(x))
        count = np.bincount(of[here], minlength=of.max() + 1)
        total = np.zeros((of.max() + 1, x.shape[1]))
        np.add.at(total, of[here], x[here])
        there[name] = count > 0
        means[name] = np.where(there[name][:, None], total / np.maximum(count, 1)[:, None], np.nan)
    return means, there


_Part = tuple["np.ndarray", "np.ndarray"]  # latents, labels


def _present(
    what: str, z: Mapping[str, Any], y: np.ndarray, present: Mapping[str, Any] | None
) -> dict[str, _Part]:
    """Return latents and labels of the rows that have each modality."""
    found = {}
    for name, values in z.items():
        x = checks.numbers(f"{what}[{name!r}]", values)
        checks.same_rows(**{f"{what}[{name!r}]": x, f"{what}_y": y})
        here = checks.presence(f"{what}_present", present, name, len(y))
        if x.ndim != 2:
            raise InputError(f"{what}[{name!r}] has shape {x.shape}; give one latent a row, (N, D).")
        found[name] = x[here], y[here]
    return found


def _accuracy(x: Any, y: np.ndarray, test: _Part, size: int | None, seed: int) -> tuple[float, float]:
    """Return accuracy and chance of a probe; NaN where there is nothing to fit or to ask."""
    if not len(test[0]) or len(set(y.tolist())) < 2:
        return float("nan"), float("nan")
    found = linear_probe(x, y, *test, size=size, seed=seed)
    return found.accuracy, found.chance
