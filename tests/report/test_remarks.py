"""Remarks: every rule on both sides of its threshold."""

from pathlib import Path

import pytest

from counterpoint.report import remarks as rules
from counterpoint.report.records import Record

CONFIG = {"method": "mmvm", "beta": 1.0, "seed": 0, "options": None, "epochs": 100}


def record(scores=None, history=(), card=None):
    made = Record(Path("runs/a"), CONFIG, card or {}, {}, scores or {})
    made.__dict__["history"] = list(history)
    return made


def found(rule, scores=None, **parts):
    return [(r.light, r.text) for r in rule(record(scores, **parts))]


def probe(accuracy, raw=0.9, chance=0.1, n_test=1000):
    one = {"accuracy": accuracy, "chance": chance, "n_test": n_test}
    return {"sections": {"probe": {"modalities": {"a": one}, "raw": {"a": {"accuracy": raw}}}}}


@pytest.mark.parametrize(
    ("accuracy", "light", "text"),
    [
        (0.11, "poor", "tells the label no better than chance (0.100): a 0.110 (raw features 0.900)."),
        (0.80, "fair", "less from the latent than from the raw features: a 0.800 against 0.900."),
        (0.89, "good", "as well as the raw features do, or better: a."),
        (0.95, "good", "or better: a."),
    ],
)
def test_probes(accuracy, light, text):
    ((seen, said),) = found(rules.probes, probe(accuracy))
    assert seen == light
    assert text in said


def test_few_test_rows_make_no_difference_certain():
    assert found(rules.probes, probe(0.80, n_test=20))[0][0] == "good"
    assert found(rules.probes, probe(float("nan"))) == []


def coherent(value, linear=0.0):
    nulls = {
        "chance": {"coherence": 0.1},
        "raw features": {"coherence": 0.9},
        "linear (PLS)": {"coherence": linear},
    }
    return {"summary": {"coherence": value}, "nulls": nulls}


@pytest.mark.parametrize(("value", "light"), [(0.17, "poor"), (0.19, "fair"), (0.57, "fair"), (0.59, "good")])
def test_translations(value, light):
    ((seen, said),) = found(rules.translations, coherent(value))
    assert seen == light
    assert f"{value:.1%}" in said
    assert "(chance 10.0%, real rows 90.0%)" in said
    assert ("next to nothing" in said) == (light == "poor")


def test_linear_translations_may_be_better():
    assert len(found(rules.translations, coherent(0.5, linear=0.6))) == 2
    assert len(found(rules.translations, coherent(0.5, linear=0.4))) == 1
    assert (
        found(rules.translations, {"summary": {"coherence": float("nan")}, "nulls": coherent(0)["nulls"]})
        == []
    )


def test_weak_oracles():
    told = {"sections": {"coherence": {"oracle": {"a": 0.69, "b": 0.71}}}}
    ((light, said),) = found(rules.oracles, told)
    assert light == "fair"
    assert "a 0.69" in said
    assert "b 0.71" not in said


@pytest.mark.parametrize(
    ("count", "light", "text"),
    [
        (0, "good", "no dimension of any posterior has collapsed."),
        (7, "fair", "the audio posterior has collapsed in 7 of 16 dimensions."),
        (14, "poor", "the audio posterior has collapsed in 14 of 16 dimensions."),
    ],
)
def test_collapse(count, light, text):
    told = {"sections": {"collapse": {"modalities": {"audio": {"collapsed": count, "dimensions": 16}}}}}
    assert found(rules.collapse, told) == [(light, text)]


def imputed(coverage, r2=0.5):
    cell = {"given": ["a"], "target": "b", "coverage": coverage, "level": 0.9, "r2": r2}
    return {"sections": {"imputation": {"cells": [cell]}}}


@pytest.mark.parametrize(
    ("coverage", "light", "text"),
    [
        (0.79, "poor", "far too narrow: they hold b 79.0%"),
        (0.84, "fair", "too narrow: they hold b 84.0%"),
        (0.86, "good", "hold what they promise"),
        (0.94, "good", "hold what they promise"),
        (0.96, "fair", "too wide: they hold b 96.0%"),
    ],
)
def test_intervals(coverage, light, text):
    ((seen, said),) = found(rules.intervals, imputed(coverage))
    assert seen == light
    assert text in said
    assert found(rules.intervals, imputed(float("nan"))) == []


def test_imputation_beats_the_column_means():
    assert found(rules.imputation, imputed(0.9, r2=0.01)) == []
    ((light, said),) = found(rules.imputation, imputed(0.9, r2=-0.2))
    assert light == "poor"
    assert "b (R² -0.20)" in said


@pytest.mark.parametrize(("value", "light"), [(0.95, "good"), (0.7, "fair"), (0.55, "poor")])
def test_pairing(value, light):
    assert found(rules.pairing, {"summary": {"agreement": value}})[0][0] == light


def test_leaks():
    def told(value, sd=0.0):
        nulls = {"labels shuffled": {"accuracy": value, "accuracy_sd": sd}, "chance": {"accuracy": 0.1}}
        return {"nulls": nulls, "task": {"test_rows": 900}}

    assert found(rules.leaks, told(0.12)) == []
    assert found(rules.leaks, told(0.14, sd=0.02)) == []
    ((light, said),) = found(rules.leaks, told(0.14))
    assert light == "poor"
    assert "leak" in said


def test_few_test_rows():
    told = {"interval": {"accuracy": [0.6, 0.75]}, "task": {"test_rows": 40}}
    assert (
        "40 test rows leave the probe's accuracy between 0.600 and 0.750"
        in found(rules.precision, told)[0][1]
    )
    assert found(rules.precision, {**told, "interval": {"accuracy": [0.6, 0.65]}}) == []


def epochs(count, gap=0.0):
    return [{"epoch": i, "train/total": 100.0, "validation/total": 100.0 + gap} for i in range(count)]


def test_training():
    limit = {"history": epochs(100), "card": {"training": {"best_epoch": 99}}}
    assert "stopped at its limit of 100 epochs" in found(rules.training, **limit)[0][1]
    assert found(rules.training, history=epochs(100), card={"training": {"best_epoch": 60}}) == []
    assert found(rules.training, history=epochs(80), card={"training": {"best_epoch": 80}}) == []
    over = found(rules.training, history=epochs(80, gap=20.0), card={"training": {"best_epoch": 50}})
    assert "20.0 nats above training (120.0 against 100.0)" in over[0][1]


def test_a_run_without_scores_says_what_to_type():
    ((light, said),) = found(rules.unscored)
    assert light == "fair"
    assert "counterpoint evaluate" in said


def test_the_worst_comes_first_and_every_light_is_a_word():
    scores = {**probe(0.95), **coherent(0.12)}
    made = rules.remarks(record(scores))
    assert [r.light for r in made] == ["poor", "good"]
    assert {r.word for r in made} == {"problem", "good"}
