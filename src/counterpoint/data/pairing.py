"""Rows that show one class in every modality, made of sets that share nothing but their classes."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from counterpoint.data.arrays import read
from counterpoint.data.digit_words import ALPHABETS, digit_words
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.parts import asked, some
from counterpoint.data.rotation import rotate
from counterpoint.errors import InputError, choose, whole

Source = tuple[np.ndarray, np.ndarray]  # x (N, *event) and labels (N,)
MOST = 10_000  # of one class in one repetition, as published
DEGREES = 45.0


def pair(
    labels: Mapping[str, np.ndarray], repetitions: int, rngs: Mapping[str, np.random.Generator]
) -> dict[str, np.ndarray]:
    """Pair sets by their labels: which entry of each set is in which row.

        n = min(entries of the class in every set, 10,000)
        row = (permutation of the class in set a)[i], (permutation of it in set b)[i], ...  for i < n

    for every class and repetition, with fresh permutations of all entries of the class each time.

    Args:
        labels: set -> (N,) classes of its entries.
        repetitions: How often every class is paired, the `dm` of the published scripts.
        rngs: set -> the generator of its permutations.

    Shapes: set -> (R,) indices, R = repetitions times the sum of n; rows are sorted by class.

    Raises:
        InputError: the sets have no class in common.

    Source: Shi et al. 2019 (MNIST-SVHN); Sutter et al. 2020, 2021.

    Example:
        >>> labels = {"a": np.array([0, 0, 1]), "b": np.array([0, 1, 1, 1])}
        >>> found = pair(labels, 2, {name: np.random.default_rng(0) for name in labels})
        >>> labels["a"][found["a"]].tolist(), labels["b"][found["b"]].tolist()
        ([0, 0, 1, 1], [0, 0, 1, 1])
    """
    common = sorted(set.intersection(*(set(one.tolist()) for one in labels.values())))
    if not common:
        raise InputError(f"{', '.join(labels)} have no class in common, so no row can be made of them.")
    found: dict[str, list[np.ndarray]] = {name: [] for name in labels}
    for label in common:
        members = {name: np.flatnonzero(one == label) for name, one in labels.items()}
        count = min(MOST, *(len(one) for one in members.values()))
        for _ in range(repetitions):
            for name, one in members.items():
                found[name].append(rngs[name].permutation(one)[:count])
    return {name: np.concatenate(many) for name, many in found.items()}


def build(
    read_split: Callable[[str, str], Source],
    allowed: tuple[str, ...],
    modalities: tuple[str, ...] | list[str],
    *,
    repetitions: int,
    alphabet: str,
    rows: int | None,
    test_rows: int | None,
    seed: int,
) -> tuple[MultimodalData, MultimodalData]:
    """Make training and test rows of sets that share classes; "text" is written, "rotated" turned, here.

    Args:
        read_split: (modality, "train" or "test") -> its values and labels.
        allowed: Modalities that there are.
        modalities: Which are wanted.
        repetitions: See `pair`.
        alphabet: See `digit_words`.
        rows: How many training rows; None takes all.
        test_rows: How many test rows.
        seed: Of everything.
    """
    names = check_names("modalities", modalities, allowed)
    sources = [name for name in names if name != "text"]
    if not sources:
        raise InputError("modalities are text alone; name a set whose digits it writes, too.")
    repetitions, choice = whole("repetitions", repetitions), choose("alphabet", alphabet, ALPHABETS)
    wanted = asked(rows=rows, test_rows=test_rows)
    made = []
    for split, what, count, rng in zip(
        ("train", "test"),
        ("rows", "test_rows"),
        wanted,
        np.random.default_rng(whole("seed", seed, least=0)).spawn(2),
        strict=True,
    ):
        # One generator each, whether used or not: no modality's draws depend on which others are wanted.
        for_rows, for_angles, for_text, *for_sets = rng.spawn(3 + len(allowed))
        sets = {name: read_split(name, split) for name in sources}
        rngs = dict(zip(allowed, for_sets, strict=True))
        index = pair({name: labels for name, (_, labels) in sets.items()}, repetitions, rngs)
        chosen = some(what, count, len(index[sources[0]]), for_rows)
        x = {name: sets[name][0][index[name][chosen]] for name in sources}
        digit = sets[sources[0]][1][index[sources[0]][chosen]].astype(np.int64)
        if "rotated" in x:
            turned = rotate(x["rotated"][:, 0], for_angles.uniform(-DEGREES, DEGREES, len(chosen)))
            x["rotated"] = turned[:, None]
        if "text" in names:
            x["text"] = digit_words(digit, for_text, choice)
        made.append(_rows({name: x[name] for name in names}, digit, choice))
    return made[0], made[1]


def _rows(x: dict[str, np.ndarray], digit: np.ndarray, alphabet: str) -> MultimodalData:
    """Make rows; text has all of its alphabet as categories, though most symbols never occur."""
    data = read(x, labels={"digit": digit})
    return replace(data, categories={"text": ALPHABETS[alphabet]}) if "text" in x else data
