"""Tables of what the headlines of a report are made of, a row each group and modality, pair or set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.evaluation.spread import mean_and_spread
from counterpoint.report.tables import Row, groups, written

if TYPE_CHECKING:
    from counterpoint.report.records import Record


def detail_tables(records: Sequence[Record]) -> dict[str, list[Row]]:
    """Return tables by heading: what the headlines are made of, a row each group and modality or pair."""
    shown = {name: group for name, group in groups(records).items() if group[0].sections}
    made = {
        "Probes, by modality": _by_modality(shown, _probes),
        "Reconstruction and rate, by modality (nats a row)": _by_modality(shown, _costs),
        "Probes, by what is given": _given(shown),
        "Decoding across sessions": _sessions(shown),
        "Coherence, by what is given": _by_size(shown),
        "Coherence, of each modality from each set": _from_sets(shown),
        "Imputation, by what is given": _imputation(shown),
        "Generated against real": _generation(shown),
        "Samples from nothing, by density": _unconditional(shown),
        "Log-likelihood (nats a row)": _likelihood(shown),
        "Clusters": _clusters(shown),
        "Collapse, by modality (share of dimensions)": _by_modality(shown, _collapsed),
    }
    return {heading: rows for heading, rows in made.items() if rows}


def _over(group: Sequence[Record], pick: Callable[[Mapping[str, Any]], Any], digits: int = 3) -> str | None:
    """Return mean ± sd over a group of what `pick` takes from a record's sections; None if nothing."""
    values = []
    for record in group:
        try:
            values.append(float(pick(record.sections)))
        except (KeyError, TypeError, IndexError, StopIteration):
            continue  # this run was not asked for it
    return written(mean_and_spread(values), digits) if values else None


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


def _given(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Probes of the joint latent, a column each set of modalities."""
    told = {n: g[0].sections.get("probe_subsets", {}).get("cells", []) for n, g in shown.items()}
    sets = dict.fromkeys(tuple(cell["given"]) for cells in told.values() for cell in cells)
    rows: list[Row] = []
    for name, group in shown.items():

        def pick(s: Mapping[str, Any], given: tuple[str, ...]) -> float:
            return next(c["accuracy"] for c in s["probe_subsets"]["cells"] if tuple(c["given"]) == given)

        if told[name]:
            cells = {", ".join(given): _over(group, lambda s, given=given: pick(s, given)) for given in sets}
            rows.append({"method": name, **cells})
    return rows


def _sessions(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Label read from each session by its own probe and by that of the others, one row a session."""
    rows: list[Row] = []
    titles = {"own": "own probe", "other": "others' probe", "labels_shuffled": "labels shuffled"}
    for name, group in shown.items():
        told = group[0].sections.get("sessions", {})
        for of in [of for of in ("row", "trial") if of in told]:
            for session in told[of]["own"]:
                row: Row = {
                    "method": name,
                    "session": session,
                    "of a": "row" if of == "row" else "whole trial",
                }
                for key, title in {**titles, "chance": "chance"}.items():
                    row[title] = _over(group, lambda s, k=key, n=session, of=of: s["sessions"][of][k][n])
                rows.append(row)
    return rows


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


def _collapsed(group: Sequence[Record], name: str) -> Row:
    keys = {
        "modalities": "latent",
        "private": "private latent",
        "variance": "learned variance of the decoder",
    }

    def pick(s: Mapping[str, Any], key: str) -> float:
        curve = s["collapse"][key][name]
        return curve["collapsed"] / curve["dimensions"]

    return {title: _over(group, lambda s, key=key: pick(s, key)) for key, title in keys.items()}


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


def _from_sets(shown: Mapping[str, Sequence[Record]]) -> list[Row]:
    """Coherence of every target from every set without it, a column each; of more than three too many."""
    rows: list[Row] = []
    for name, group in shown.items():
        cells = group[0].sections.get("coherence", {}).get("subsets", [])
        row: Row = {"method": name}
        for cell in sorted(cells, key=lambda c: group[0].names.index(c["target"])):
            given, target = cell["given"], cell["target"]
            if target not in given:

                def pick(s: Mapping[str, Any], given: list[str] = given, target: str = target) -> float:
                    found = s["coherence"]["subsets"]
                    return next(c["accuracy"] for c in found if c["given"] == given and c["target"] == target)

                row[f"{target} from {', '.join(given)}"] = _over(group, pick)
        if len(row) > 1 and len(group[0].names) <= 3:
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
