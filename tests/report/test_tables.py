"""Tables: seeds as mean and spread, nulls apart, what stands out, what is absent."""

from pathlib import Path

import numpy as np

from counterpoint.report.details import detail_tables
from counterpoint.report.records import Record, read_records
from counterpoint.report.tables import groups, main_table
from made_runs import runs


def record(method, accuracy, seed=0, beta=1.0, **scores):
    config = {"method": method, "beta": beta, "seed": seed, "options": None}
    summary = {"accuracy": accuracy, "reconstruction": 100 * accuracy}
    return Record(Path(f"{method}-{seed}"), config, {}, {}, {"summary": summary, **scores})


def test_seeds_are_a_mean_with_spread_and_one_seed_has_its_interval():
    rows = main_table(
        [record("a", 0.5), record("a", 0.7, 1), record("b", 0.9, interval={"accuracy": [0.8, 0.95]})]
    )
    assert rows[0]["method"] == "a"
    assert rows[0]["runs"] == 2
    assert rows[0]["probe accuracy"] == f"0.600 ± {np.std([0.5, 0.7], ddof=1):.3f}"
    assert rows[1]["probe accuracy"] == "0.900 [0.800, 0.950]"
    assert "coherence" not in rows[0]


def test_nulls_come_last_in_a_fixed_order():
    nulls = {
        "raw features": {"accuracy": 0.8},
        "chance": {"accuracy": 0.1},
        "labels shuffled": {"accuracy": 0.12},
    }
    control = record("mmvm", 0.3, control="pairing shuffled", nulls={"chance": {"accuracy": 0.99}})
    rows = main_table(
        [control, record("poe", 0.5, nulls={"chance": {"accuracy": 0.2}}), record("mmvm", 0.6, nulls=nulls)]
    )
    assert [row["method"] for row in rows] == [
        "poe", "mmvm", "mmvm, pairing shuffled", "chance", "labels shuffled", "raw features",
    ]  # fmt: skip
    assert [row["_null"] for row in rows] == [False, False, True, True, True, True]
    assert rows[3]["probe accuracy"] == "0.100"  # that of mmvm, not of the control


def test_what_stands_out_is_marked():
    def best(*values):
        rows = main_table(
            [record(name, v, s) for name, two in zip("ab", values, strict=True) for s, v in enumerate(two)]
        )
        return [row["_best"] for row in rows]

    assert best((0.5, 0.52), (0.8, 0.82)) == [
        ["reconstruction"],
        ["probe accuracy"],
    ]  # of nats less is better
    assert best((0.5, 0.7), (0.6, 0.82)) == [[], []]  # within the spread


def test_betas_are_told_apart():
    found = groups([record("a", 0.5), record("a", 0.6, beta=0.1), record("a", 0.7, seed=1)])
    assert {name: len(group) for name, group in found.items()} == {"a, beta 1": 2, "a, beta 0.1": 1}


def test_real_runs_make_every_table():
    records = read_records(runs())
    rows = {row["method"]: row for row in main_table(records)}
    assert {"mmvm", "poe", "mmvm, pairing shuffled", "chance", "raw features"} <= set(rows)
    values = [r.summary["accuracy"] for r in records if r.label == "poe"]
    assert rows["poe"]["probe accuracy"] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    tables = detail_tables(records)
    assert {"Probes, by modality", "Coherence, by what is given", "Clusters"} <= set(tables)
    for heading, lines in tables.items():
        assert lines, heading
        assert all("method" in line for line in lines)
    mine = next(r for r in records if r.name == "poe-0")
    apart = next(c for c in tables["Coherence, of each modality from each set"] if c["method"] == "poe")
    assert len(apart) == 1 + 9  # three from two single ones and from both together
    assert apart["word from table"] == _mean(records, "poe", ["table"], "word")
    sets = next(c for c in tables["Probes, by what is given"] if c["method"] == "mmvm")
    assert len(sets) == 1 + 7
    cell = next(c for c in tables["Probes, by modality"] if c["method"] == "poe" and c["modality"] == "word")
    other = next(r for r in records if r.name == "poe-1")
    two = [r.sections["probe"]["modalities"]["word"]["accuracy"] for r in (mine, other)]
    assert cell["accuracy"].startswith(f"{np.mean(two):.3f}")
    assert "prior of mmvm depends on the data" in str(tables["Log-likelihood (nats a row)"])


def _mean(records, method, given, target):
    found = [
        cell["accuracy"]
        for r in records
        if r.label == method
        for cell in r.sections["coherence"]["subsets"]
        if cell["given"] == given and cell["target"] == target
    ]
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}"


def test_nothing_scored_is_no_table():
    assert main_table([Record(Path("a"), {"method": "a", "beta": 1, "seed": 0}, {}, {}, {})]) == []
    assert detail_tables([Record(Path("a"), {"method": "a", "beta": 1, "seed": 0}, {}, {}, {})]) == {}


def test_hundreds_of_runs_are_one_table():
    rows = main_table([record(f"m{i % 6}", 0.5 + i / 1000, i, beta=float(i % 11)) for i in range(330)])
    assert len(rows) == 66
    assert all(row["runs"] == 5 for row in rows)
