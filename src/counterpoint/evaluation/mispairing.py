"""Mispaired rows, made on purpose: does a score find the rows whose modalities do not belong together?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError, choose, number
from counterpoint.evaluation import checks
from counterpoint.evaluation.agreement import pairs_of
from counterpoint.evaluation.fitting import derived_seed

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Mispairing:
    """Rows put together wrongly, as row numbers.

    Attributes:
        take: (M, N) for every modality the row whose value (and mask) stands in row n.
        mispaired: bool (N,), which rows hold values of different rows.

    Example:
        >>> import numpy as np
        >>> made = Mispairing(np.array([[0, 1, 2], [1, 0, 2]]), np.array([True, True, False]))
        >>> made.take[1].tolist()
        [1, 0, 2]
    """

    take: np.ndarray
    mispaired: np.ndarray


def mispair(present: Any, share: float = 0.1, seed: int = 0, *, which: str = "one") -> Mispairing:
    """Choose a share of the rows and exchange modalities among them.

    `"one"`: every chosen row gets one of its modalities, at random, from another chosen row that has it and
    gives it away: a cycle through the rows that exchange the same modality. (A chosen row that shares
    modalities with no other chosen row copies one from any row.) The rows keep their presence.
    `"all"`: no two modalities of a chosen row are from the same row; presence travels along.

    Args:
        present: bool (M, N). Rows with fewer than two modalities are not chosen, nor are rows of which no
            other row has any modality.
        share: of the N rows, above 0 and at most 1.
        seed: decides rows and exchanges.
        which: `"one"` or `"all"` modalities; one is the harder to find.

    Raises:
        InputError: for another shape, or if there are too few rows to exchange among.

    Source: a control of our own. `"all"` is the pairing that a shuffled control is trained on.

    Example:
        >>> import numpy as np
        >>> made = mispair(np.ones((2, 10), bool), share=0.4)
        >>> int(made.mispaired.sum()), int((made.take != np.arange(10)).sum())
        (4, 4)
    """
    import numpy as np

    choose("which", which, ("one", "all"))
    here = np.asarray(present)
    if here.ndim != 2 or here.dtype != bool or len(here) < 2:
        raise InputError(
            f"present is {here.dtype} of shape {here.shape}; give bools (M, N), M of at least 2."
        )
    if number("share", share, open_=True) > 1:
        raise InputError(f"share is {share:g}; it must be above 0 and at most 1.")
    modalities, rows = here.shape
    draw = np.random.default_rng(derived_seed(seed, "mispair", which))
    fit = draw.permutation(np.flatnonzero((here.sum(0) > 1) & here[here.sum(1) > 1].any(0)))
    least = 2 if which == "one" else modalities
    chosen = fit[: max(least, round(share * rows))]
    if len(chosen) < least:
        raise InputError(
            f"{len(chosen)} rows have two modalities that others have too; to exchange {which} there must be "
            f"at least {least}."
        )
    take = np.tile(np.arange(rows), (modalities, 1))
    if which == "one":
        for m, group in enumerate(_exchanging(here, chosen, draw)):
            if len(group) == 1:  # nobody to exchange with: a copy from any row that has it
                take[m, group] = draw.choice(np.setdiff1d(np.flatnonzero(here[m]), group))
            else:
                take[m, group] = np.roll(group, 1)
    else:
        for m in range(modalities):
            take[m, chosen] = np.roll(chosen, m)
    return Mispairing(take, (take != np.arange(rows)).any(0))


def _exchanging(here: np.ndarray, chosen: np.ndarray, draw: np.random.Generator) -> list[np.ndarray]:
    """Deal the chosen rows out to modalities that they and others have, (M) row numbers; few stand alone."""
    import numpy as np

    may = here[:, chosen] & (here.sum(1) > 1)[:, None]
    dealt = np.where(may, draw.random(may.shape), -1.0).argmax(0)
    for m in range(len(here)):
        alone = np.flatnonzero(dealt == m)
        if len(alone) == 1:
            others = [k for k in np.flatnonzero(may[:, alone[0]]) if k != m and (dealt == k).any()]
            dealt[alone] = others[0] if others else m
    return [chosen[dealt == m] for m in range(len(here))]


def mispaired_auroc(score: Any, mispaired: Any) -> float:
    """Chance that a mispaired row has a higher score than a paired one; 0.5 is chance, 1 is perfect.

    Rows without a score (fewer than two modalities) cannot be told to be either and do not count.

    Args:
        score: (N,) such as `Disagreement.score`; NaN where a row has none.
        mispaired: bool (N,), from `mispair`.

    Raises:
        InputError: for other shapes, infinite scores, or if all rows with a score are of one kind.

    Source: Hanley & McNeil 1982 (area under the ROC curve), through scikit-learn.

    Example:
        >>> mispaired_auroc([0.1, 0.4, 0.3, float("nan")], [False, True, False, True])
        1.0
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    score, wrong = checks.numbers("score", score), np.asarray(mispaired)
    if score.ndim != 1 or wrong.shape != score.shape or wrong.dtype != bool:
        raise InputError(
            f"score has shape {score.shape} and mispaired is {wrong.dtype} of {wrong.shape}; give (N,) twice."
        )
    held = ~np.isnan(score)
    if not wrong[held].any() or wrong[held].all():
        raise InputError("all rows with a score are of one kind; there must be paired and mispaired rows.")
    return float(roc_auc_score(wrong[held], checks.finite("score", score[held])))


def mispaired_auroc_pairs(divergences: Any, take: Any) -> np.ndarray:
    """`mispaired_auroc` of every pair of modalities by its own divergence, (M, M).

    A row is mispaired for a pair if its two values come from different rows.

    Args:
        divergences: (M, M, N) from `pair_divergences` of the re-paired rows.
        take: (M, N) row numbers, from `mispair`.

    Returns:
        (M, M), symmetric; NaN on the diagonal and for a pair whose rows are all of one kind.

    Raises:
        InputError: for other shapes, or if no row has two modalities.

    Example:
        >>> import numpy as np
        >>> d = np.zeros((2, 2, 4))
        >>> d[0, 1] = d[1, 0] = [5.0, 0.1, 7.0, 0.2]
        >>> mispaired_auroc_pairs(d, [[0, 1, 2, 3], [2, 1, 0, 3]])[0, 1].item()
        1.0
    """
    import numpy as np

    pairs, count = pairs_of(divergences)
    rows = np.asarray(take)
    if rows.shape != pairs.shape[1:] or rows.dtype.kind not in "iu":
        raise InputError(f"take is {rows.dtype} of shape {rows.shape}; give row numbers, {pairs.shape[1:]}.")
    found = np.full((count, count), np.nan)
    for a in range(count):
        for b in range(a):
            wrong = (rows[a] != rows[b])[~np.isnan(pairs[a, b])]
            if wrong.any() and not wrong.all():
                found[a, b] = found[b, a] = mispaired_auroc(pairs[a, b], rows[a] != rows[b])
    return found
