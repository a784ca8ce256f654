"""Sessions: is the label read from one session by a probe that the others taught?"""

import numpy as np

from counterpoint.evaluation.decoding import Decoding, block_means, decoding
from counterpoint.evaluation.shuffles import shuffled_labels
from counterpoint.measures.asked import Asked, Section, mean
from counterpoint.protocol import Task

PERMUTATIONS = 20  # latents that fall into classes get whole classes right or wrong by chance
MOST = 2000  # training rows of a probe of shuffled labels


def sessions(asked: Asked) -> Section:
    """Decode the label from each session's latents by its own probe (own) and by that of all others (other).

    Of data whose rows are paired by condition alone. Headlines are means over sessions. Where a trial has
    several rows, `own_trial` and `other_trial` decode the means of whole trials. The null permutes the
    training labels, those of a trial together; the other one, shuffled pairing, is a model of its own
    (`fit --control`).

    Source: Sutter et al. 2024 (MMVM), the experiment on rats; the probe of the others is ours.
    """
    on = asked.on
    if on.train.pairs is None or on.train_y.ndim > 1 or len(asked.names) < 2:
        return Section({}, {"why_not": "the rows are not sessions that are paired by a condition"})
    found = {"session": told(asked.known, asked.held, on, asked.seed)}
    if on.train.blocks is not None and on.test.blocks is not None:
        blocks = on.train.blocks, on.test.blocks
        found["trial"] = told(asked.known, asked.held, on, asked.seed, trials=blocks)
    summary, shuffled, detail = {}, {}, {}
    for of, (result, permuted) in found.items():
        for part in ("own", "other"):
            summary[f"{part}_{of}"] = mean(getattr(result, part).values())
            shuffled[f"{part}_{of}"] = mean(mean(getattr(p, part).values()) for p in permuted)
        detail["trial" if of == "trial" else "row"] = {
            "own": result.own,
            "other": result.other,
            "chance": result.chance,
            "labels_shuffled": {n: mean(p.other[n] for p in permuted) for n in result.other},
        }
    detail["label"] = on.label
    chance = mean(found["session"][0].chance.values())
    nulls = {"chance": dict.fromkeys(summary, chance), "labels shuffled": shuffled}
    return Section(summary, detail, {}, nulls)


def told(
    known: dict[str, np.ndarray],
    held: dict[str, np.ndarray],
    on: Task,
    seed: int,
    *,
    trials: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Decoding, list[Decoding]]:
    """Return the decoding of a task's label, and what shuffled training labels give.

    Args:
        known: Latents of the training rows.
        held: Those of the test rows.
        on: The task.
        seed: Of permutations and probes.
        trials: Blocks of training and test rows whose means are decoded; None for the rows themselves.
    """
    here, there = on.train.present(), on.test.present()
    y, truth = on.train_y, on.test_y
    blocks = on.train.blocks
    if trials is not None:
        known, here = block_means(known, trials[0], {n: here[n] for n in known})
        held, there = block_means(held, trials[1], {n: there[n] for n in held})
        y, truth = (v[np.unique(b, return_index=True)[1]] for v, b in zip((y, truth), trials, strict=True))
        blocks = None
    of = np.arange(len(y)) if blocks is None else np.unique(blocks, return_inverse=True)[1]
    first = np.unique(of, return_index=True)[1]
    given = {"train_present": {n: here[n] for n in known}, "test_present": {n: there[n] for n in held}}
    kind = {**given, "size": on.probe_size, "seed": seed}
    few = {**kind, "size": min(on.probe_size or MOST, MOST)}
    permuted = [
        decoding(known, shuffled_labels(y[first], seed + i)[of], held, truth, **few)
        for i in range(PERMUTATIONS)
    ]
    return decoding(known, y, held, truth, **kind), permuted
