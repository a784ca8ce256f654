"""Tables of a report: rows of text from records, seeds as mean and spread, nulls marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.evaluation.spread import Spread, mean_and_spread

if TYPE_CHECKING:
    from counterpoint.report.records import Record

Row = dict[str, object]
COLUMNS = {
    "accuracy": ("probe accuracy", 3),
    "coherence": ("coherence", 3),
    "coherence_subsets": ("subset coherence", 3),
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
    *("accuracy", "coherence", "coherence_subsets", "imputation_r2", "agreement", "joint_coherence"),
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
            row[title] = _written(cells.get(key), digits, interval.get(key))
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


def _written(spread: Spread | None, digits: int, interval: Sequence[float] | None = None) -> str | None:
    """Write a cell: mean ± sd, or the value with its interval."""
    if spread is None or not spread.n:
        return None
    text = f"{spread.mean:.{digits}f}"
    if spread.sd == spread.sd:
        return f"{text} ± {spread.sd:.{digits}f}"
    return f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else text


def detail_tables(records: Sequence[Record]) -> dict[str, list[Row]]:
    """Return tables by heading: what the headlines are made of, a row each group and modality or pair."""
    shown = {name: group for name, group in groups(records).items() if group[0].sections}
    made = {
        "Probes, by modality": _by_modality(shown, _probes),
        "Reconstruction and rate, by modality (nats a row)": _by_modality(shown, _costs),
        "Coherence, by what is given": _by_size(shown),
        "Imputation, by what is given": _imputation(shown),
        "Generated against real": _generation(shown),
        "Samples from nothing, by density": _unconditional(shown),
        "Log-likelihood (nats a row)": _likelihood(shown),
        "Clusters": _clusters(shown),
    }
    return {heading: rows for heading, rows in made.items() if rows}


def _over(group: Sequence[Record], pick: Callable[[Mapping[str, Any]], Any], digits: int = 3) -> str | None:
    """Return mean ± sd over a group of what `pick` takes from a record's sections; None if nothing."""
    values = []
    for record in group:
        try:
            values.append(float(pick(record.sections)))
        except (KeyError, TypeError, IndexError):
            continue  # this run was not asked for it
    return _written(mean_and_spread(values), digits) if values else None


def _by_modality(
    shown: Mapping[str, Sequence[Record]], row_of: Callable[[Sequence[Record], str], Row]
) -> list[Row]:
    rows = []
    for name, group in shown.items():
        for modality in group[0].names:
            cells = row_of(group, modality)
            if any(value is not None for value in cells.values()):
                rows.append({"method": name, "modality": modality, **cells})
    return rows


def _probes(group: Sequence[Record], name: str) -> Row:
    keys = {"accuracy": "accuracy", "auroc": "AUROC", "average_precision": "average precision"}
    row: Row = {t: _over(group, lambda s, k=k: s["probe"]["modalities"][name][k]) for k, t in keys.items()}
    row["raw features"] = _over(group[:1], lambda s: s["probe"]["raw"][name]["accuracy"])
    row["chance"] = _over(group[:1], lambda s: s["probe"]["modalities"][name]["chance"])
    return row


def _costs(group: Sequence[Record], name: str) -> Row:
    keys = {
        "given_all": "given all",
        "given_itself": "given itself",
        "given_others": "given the others",
        "rate": "rate",
    }
    return {
        t: _over(group, lambda s, k=k: s["reconstruction"]["modalities"][name][k], 1) for k, t in keys.items()
    }


def _by_size(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Coherence of targets that were not given, by how many modalities were."""
    rows = []
    for name, group in shown.items():
        cells = group[0].sections.get("coherence", {}).get("subsets", [])
        row: Row = {"method": name}
        for size in sorted({len(cell["given"]) for cell in cells}):

            def pick(s: Mapping[str, Any], size: int = size) -> float:
                found = [c["accuracy"] for c in s["coherence"]["subsets"]
                         if len(c["given"]) == size and c["target"] not in c["given"]]  # fmt: skip
                known = [v for v in found if v == v]
                return sum(known) / len(known) if known else float("nan")

            if size < len(group[0].names):
                row[f"{size} given"] = _over(group, pick)
        if any(value is not None for key, value in row.items() if key != "method"):
            rows.append(row)
    return rows


def _imputation(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Imputation of each modality from all others, and from the best and the worst single one."""
    rows = []
    for name, group in shown.items():
        cells = group[0].sections.get("imputation", {}).get("cells", [])
        for target in dict.fromkeys(cell["target"] for cell in cells):
            mine = [c for c in cells if c["target"] == target]
            most = max(len(c["given"]) for c in mine)
            single = sorted((c["r2"], c["given"][0]) for c in mine if len(c["given"]) == 1)

            def pick(s: Mapping[str, Any], key: str, target: str = target, most: int = most) -> float:
                return next(c[key] for c in s["imputation"]["cells"]
                            if c["target"] == target and len(c["given"]) == most)  # fmt: skip

            row: Row = {"method": name, "target": target}
            row["R² from all others"] = _over(group, lambda s, pick=pick: pick(s, "r2"))
            row["rmse"] = _over(group, lambda s, pick=pick: pick(s, "rmse"))
            row["rmse of the mean"] = _over(group, lambda s, pick=pick: pick(s, "baseline_rmse"))
            row["90 % intervals hold"] = _over(group, lambda s, pick=pick: pick(s, "coverage"))
            if most > 1 and single:
                row["best single"] = f"{single[-1][0]:.3f} ({single[-1][1]})"
                row["worst single"] = f"{single[0][0]:.3f} ({single[0][1]})"
            rows.append(row)
    return rows


def _generation(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    rows = []
    for name, group in shown.items():
        for target, read in group[0].sections.get("generation", {}).get("features", {}).items():
            at = group[0].sections["generation"]["names"].index(target)
            row: Row = {"method": name, "target": target}
            for key, title in {
                "fid": "FID",
                "kid": "KID",
                "f8": "recall (F8)",
                "f1_8": "precision (F1/8)",
            }.items():
                row[title] = _over(group, lambda s, key=key, at=at: _into(s["generation"][key], at))
            row["features"] = read
            rows.append(row)
    return rows


def _into(matrix: Sequence[Sequence[float]], at: int) -> float:
    """Return the mean of a column off the diagonal."""
    found = [row[at] for i, row in enumerate(matrix) if i != at and row[at] == row[at]]
    return sum(found) / len(found) if found else float("nan")


def _unconditional(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    rows = []
    titles = {
        "joint_coherence": "joint coherence",
        "shuffled": "latents apart",
        "class_balance": "class balance",
        "fid_joint": "FID",
        "log_prob": "log p(z), nats",
    }
    for name, group in shown.items():
        for kind in group[0].sections.get("unconditional", {}).get("densities", {}):
            row: Row = {"method": name, "density": kind}
            for key, title in titles.items():
                row[title] = _over(
                    group,
                    lambda s, kind=kind, key=key: s["unconditional"]["densities"][kind][key],
                )
            rows.append(row)
    return rows


def _likelihood(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    rows: list[Row] = []
    for name, group in shown.items():
        told = group[0].sections.get("log_likelihood", {})
        if told.get("why_not"):
            rows.append({"method": name, "log p(X)": None, "remark": told["why_not"]})
        elif told:
            row: Row = {"method": name, "log p(X)": _over(group, lambda s: s["log_likelihood"]["joint"], 1)}
            for m in told["modalities"]:
                row[f"log p({m})"] = _over(group, lambda s, m=m: s["log_likelihood"]["modalities"][m], 1)
            rows.append({**row, "remark": f"{told['draws']} draws, {told.get('effective', 0):.0f} effective"})
    return rows


def _clusters(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    rows = []
    for name, group in shown.items():
        row: Row = {"method": name}
        for of in ("label", "modality"):
            for key in ("silhouette", "ari", "nmi"):
                row[f"{key} of {of}"] = _over(group, lambda s, of=of, key=key: s["clusters"][of][key])
        if any(value is not None for key, value in row.items() if key != "method"):
            rows.append(row)
    return rows
