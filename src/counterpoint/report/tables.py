"""Tables of a report: rows of text from records, seeds as mean and spread, nulls marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from counterpoint.evaluation.spread import Spread, mean_and_spread

if TYPE_CHECKING:
    from counterpoint.report.records import Record

Row = dict[str, object]
COLUMNS = {
    "accuracy": ("probe accuracy", 3),
    "coherence": ("coherence", 3),
    "coherence_subsets": ("subset coherence", 3),
    "accuracy_subsets": ("subset probe", 3),
    "own_trial": ("own, trial", 3),
    "other_trial": ("other, trial", 3),
    "reconstruction": ("reconstruction", 1),
    "self_reconstruction": ("self-reconstr.", 1),
    "rate": ("rate", 1),
    "imputation_r2": ("imputation R²", 3),
    "agreement": ("agreement AUROC", 3),
    "fid": ("FID", 2),
    "joint_coherence": ("joint coherence", 3),
    "joint_coherence_prior": ("… of the prior", 3),
    "log_likelihood": ("log p", 1),
    "seconds": ("fit s", 1),
}
NULLS = ("chance", "labels shuffled", "pairing shuffled", "linear (PLS)", "raw features")  # in this order
SMALLER = {"reconstruction", "self_reconstruction", "fid"}  # is better; of rate and seconds neither is
JUDGED = {
    *(
        "accuracy",
        "coherence",
        "coherence_subsets",
        "accuracy_subsets",
        "own_trial",
        "other_trial",
        "imputation_r2",
        "agreement",
        "joint_coherence",
    ),
    *SMALLER,
}


def groups(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return runs that differ in seed alone under one name, with beta in it where several occur."""
    several = len({record.beta for record in records}) > 1
    order = {label: i for i, label in enumerate(dict.fromkeys(record.label for record in records))}
    out: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: (order[r.label], r.beta, r.seed)):
        name = f"{record.label}, beta {record.beta:g}" if several else record.label
        out.setdefault(name, []).append(record)
    return out


def main_table(records: Sequence[Record]) -> list[Row]:
    """Return one row a group and then the nulls; columns that no run has are left out.

    A cell is `mean ± sd` over seeds; of one seed it is the value with its bootstrap interval over test rows.
    A row of what knows nothing, or one thing only, has `_null`. `_best` names the columns in which a row is
    better than every other by more than a standard deviation of either.
    """
    found = groups([r for r in records if r.summary])
    tables = {name: _cells([r.summary for r in group]) for name, group in found.items()}
    nulls = {name for name, group in found.items() if group[0].control}
    for name, cells in _null_cells(records).items():
        tables[name], nulls = cells, nulls | {name}
    keys = [key for key in COLUMNS if any(key in cells for cells in tables.values())]
    best = _best({name: cells for name, cells in tables.items() if name not in nulls})
    rows: list[Row] = []
    for name, cells in sorted(tables.items(), key=lambda pair: pair[0] in nulls):
        group = found.get(name, [])
        row: Row = {"method": name, "runs": len(group) or None}
        interval = group[0].scores.get("interval", {}) if len(group) == 1 else {}
        for key in keys:
            title, digits = COLUMNS[key]
            row[title] = written(cells.get(key), digits, interval.get(key))
        row["_null"] = name in nulls
        row["_best"] = [COLUMNS[key][0] for key, winner in best.items() if winner == name]
        rows.append(row)
    return rows


def _cells(summaries: Iterable[Mapping[str, float]]) -> dict[str, Spread]:
    """Return mean and spread of every measure over runs."""
    listed = list(summaries)
    keys = dict.fromkeys(key for one in listed for key in one if key in COLUMNS)
    return {key: mean_and_spread([one[key] for one in listed if key in one]) for key in keys}


def _null_cells(records: Sequence[Record]) -> dict[str, dict[str, Spread]]:
    """Return the nulls; what depends on the model is averaged over the runs of mmvm, if there are."""
    own = [r for r in records if r.scores.get("nulls") and not r.control]
    own = [r for r in own if r.method == "mmvm"] or own
    there = {name for r in own for name in r.scores["nulls"]}
    names = [*(name for name in NULLS if name in there), *sorted(there - set(NULLS))]
    return {name: _cells(r.scores["nulls"].get(name, {}) for r in own) for name in names}


def _best(tables: Mapping[str, Mapping[str, Spread]]) -> dict[str, str]:
    """Return measure -> the one group that is better than every other by more than either's sd."""
    out = {}
    for key in JUDGED if len(tables) > 1 else ():
        sign = -1 if key in SMALLER else 1
        known = {name: cells[key] for name, cells in tables.items() if key in cells and cells[key].n}
        ranked = sorted(known, key=lambda name: -sign * known[name].mean)
        if len(ranked) > 1:
            first, second = known[ranked[0]], known[ranked[1]]
            apart = max((s.sd for s in (first, second) if s.sd == s.sd), default=0.0)
            if abs(first.mean - second.mean) > apart:
                out[key] = ranked[0]
    return out


def written(spread: Spread | None, digits: int, interval: Sequence[float] | None = None) -> str | None:
    """Write a cell: mean ± sd, or the value with its interval."""
    if spread is None or not spread.n:
        return None
    text = f"{spread.mean:.{digits}f}"
    if spread.sd == spread.sd:
        return f"{text} ± {spread.sd:.{digits}f}"
    return f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else text
