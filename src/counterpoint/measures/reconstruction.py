"""Reconstruction and rate: what it costs to say each modality, given all, itself, the others, any subset."""

import numpy as np

from counterpoint import costs
from counterpoint.errors import InputError
from counterpoint.measures.asked import Asked, Section, mean, rows_of, subsets


def reconstruction(asked: Asked) -> Section:
    """Measure -E log p(x_m | z) and the rate, in nats a row of the standardised data.

        given A:  mean over the rows that have m and all of A of -log p(x_m | z),  one z ~ q(z | x_A) a row

    Headlines: `reconstruction` sums `given_all` over modalities, `self_reconstruction` sums `given_itself`,
    `rate` sums the rates. Constants of the likelihoods are included, modality weights are not.

    Source: Sutter et al. 2024, section 5 (reconstruction; self-reconstruction of their Figure 7).
    """
    there = asked.there
    modalities: dict[str, dict[str, float]] = {}
    rows = []
    for name in asked.names:
        if not there[name].any():
            raise InputError(
                f"no row has {name!r}, so it cannot be scored; give rows that do, or leave it out of the "
                "data."
            )
        others = tuple(n for n in asked.names if n != name)
        asks = {"given_all": None, "given_itself": (name,)}
        values = {key: _cost(asked, given, name, f"score/{key}/{name}") for key, given in asks.items()}
        modalities[name] = {key: mean(cost) for key, cost in values.items()}
        modalities[name]["given_others"] = mean(_cost(asked, others, name, f"score/others/{name}"))
        rows.append(values["given_all"])
    joint = None
    rates = costs.rates(asked.model, asked.test, generator=asked.noise("score/rate"))
    for name, rate in rates.items():
        if name == "rate":
            joint = rate.double().mean().item()
        elif name in modalities:
            modalities[name]["rate"] = mean(rate.double().cpu().numpy()[there[name]])
    detail = {"modalities": modalities, "joint_rate": joint, "subsets": _subsets(asked)}
    summary = {
        "reconstruction": sum(v["given_all"] for v in modalities.values()),
        "self_reconstruction": sum(v["given_itself"] for v in modalities.values()),
        "rate": joint if joint is not None else sum(v["rate"] for v in modalities.values()),
    }
    complete = np.logical_and.reduce(list(there.values()))
    per_row = np.where(complete, np.sum(rows, axis=0), np.nan)
    return Section(summary, detail, {"reconstruction": per_row} if complete.all() else {})


def _cost(asked: Asked, given: tuple[str, ...] | None, target: str, use: str) -> np.ndarray:
    """Return the cost of a modality in every row that has it and, of `given`, anything; NaN elsewhere."""
    known = asked.there[target].copy()
    if given is not None:
        known &= np.logical_or.reduce([np.zeros_like(known), *(asked.there[n] for n in given)])
    batch = asked.test if given is None else asked.test.given(given)
    cost = costs.distortion(asked.model, batch, target, asked.test, generator=asked.noise(use))
    return np.where(known, cost.double().cpu().numpy(), np.nan)


def _subsets(asked: Asked) -> list[dict[str, object]]:
    """Return the cost of every modality given every subset, on at most `most` rows that have all of it."""
    batch, cells = rows_of(asked.test, asked.some), []
    there = {name: here[asked.some] for name, here in asked.there.items()}
    for given in subsets(asked.names):
        for target in asked.names:
            known = np.logical_and.reduce([there[target], *(there[n] for n in given)])
            if known.any():
                noise = asked.noise(f"score/{'+'.join(given)}/{target}")
                cost = costs.distortion(asked.model, batch.given(given), target, batch, generator=noise)
                nats = mean(cost.double().cpu().numpy()[known])
                cells.append({"given": list(given), "target": target, "nats": nats, "rows": int(known.sum())})
    return cells
