"""Probes against a naive restatement, chance, masks, and the raw features of mfeat."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from counterpoint.errors import InputError
from counterpoint.evaluation import linear_probe, probe_modalities
from counterpoint.evaluation.probes import ProbeResult, probe_stack
from counterpoint.evaluation.scores import classifier_scores


def blobs(seed, rows=120, kinds=3, apart=2.0):
    generator = np.random.default_rng(seed)
    centre = apart * np.random.default_rng(7).standard_normal((kinds, 4))
    y = generator.integers(0, kinds, rows)
    return centre[y] + generator.standard_normal((rows, 4)), y


def test_a_naive_restatement_gives_the_same_accuracy():
    (x, y), (held, truth) = blobs(0, apart=0.5), blobs(1, apart=0.5)
    mean, sd = x.mean(0), x.std(0)
    model = LogisticRegression(max_iter=10_000).fit((x - mean) / sd, y)
    right = sum(int(a == b) for a, b in zip(model.predict((held - mean) / sd), truth, strict=True))
    result = linear_probe(x, y, held, truth)
    assert 0.4 < result.accuracy < 0.95
    assert result.accuracy == right / len(truth)
    assert result.converged
    assert (result.n_train, result.n_test) == (120, 120)


def test_chance_is_the_training_majority_on_the_test_rows():
    x = np.arange(10.0)[:, None]
    result = linear_probe(x, [0] * 6 + [1] * 4, x, [0] * 3 + [1] * 7)
    assert result.chance == 0.3


def test_shuffled_labels_are_at_chance():
    (x, y), (held, truth) = blobs(0, rows=900), blobs(1, rows=900)
    shuffled = np.random.default_rng(0).permutation(y)
    assert linear_probe(x, y, held, truth).accuracy > 0.8
    assert abs(linear_probe(x, shuffled, held, truth).accuracy - 1 / 3) < 0.08


def test_text_labels_and_images_give_the_numbers_of_whole_numbers_and_tables():
    (x, y), (held, truth) = blobs(0, apart=0.5), blobs(1, apart=0.5)
    words = np.array(["ant", "bee", "cat"])
    table = linear_probe(x, y, held, truth)
    image = linear_probe(
        x.reshape(-1, 2, 2).tolist(), words[y].astype(object), held.reshape(-1, 2, 2), words[truth]
    )
    assert image == table


def test_the_seed_decides_the_subset_and_the_global_generator_is_untouched():
    (x, y), (held, truth) = blobs(0, apart=0.3), blobs(1, apart=0.3)
    before = np.random.get_state()[1].copy()
    first = linear_probe(x, y, held, truth, size=12, seed=1)
    assert np.array_equal(before, np.random.get_state()[1])
    assert first == linear_probe(x, y, held, truth, size=12, seed=1)
    assert first.n_train == 12
    assert len({linear_probe(x, y, held, truth, size=12, seed=s).accuracy for s in range(8)}) > 1
    assert linear_probe(x, y, held, truth, size=10_000).n_train == 120


def test_a_constant_and_a_separable_feature_are_fine():
    x = np.stack([np.full(40, 0.1), np.repeat([-1e3, 1e3], 20)], 1)
    result = linear_probe(x, np.repeat([0, 1], 20), x, np.repeat([0, 1], 20))
    assert result.accuracy == 1
    assert result.converged


def test_only_rows_in_which_the_modality_is_present_count():
    (x, y), (held, truth) = blobs(0), blobs(1)
    here, there = np.arange(120) % 3 > 0, np.arange(120) % 2 > 0
    holes, held_holes = x.copy(), held.copy()
    holes[~here], held_holes[~there] = np.nan, np.nan
    found = probe_modalities(
        {"whole": x, "holes": holes},
        y,
        {"holes": held_holes, "whole": held},
        truth,
        train_present={"holes": here},
        test_present={"holes": there},
    )
    assert found["whole"] == linear_probe(x, y, held, truth)
    assert found["holes"] == linear_probe(x[here], y[here], held[there], truth[there])
    assert (found["holes"].n_train, found["holes"].n_test) == (80, 60)


def test_a_modality_without_test_rows_is_told_as_nan():
    (x, y), (held, truth) = blobs(0), blobs(1)
    never = {"b": np.zeros(120, dtype=bool)}
    found = probe_modalities({"a": x, "b": x}, y, {"a": held, "b": held}, truth, test_present=never)
    assert np.isnan(found["b"].accuracy)
    assert found["b"].n_test == 0
    assert found["a"].accuracy > 0.8


def test_areas_and_hits_are_those_of_scikit_learns_probabilities():
    (x, y), (held, truth) = blobs(0, apart=0.5), blobs(1, apart=0.5)
    result = linear_probe(x, y, held, truth)
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)).fit(x, y)
    made = classifier_scores(truth, model.predict_proba(held), [0, 1, 2])
    assert result.auroc == pytest.approx(made.auroc, abs=2e-3)
    assert result.average_precision == pytest.approx(made.average_precision, abs=2e-3)
    assert np.array_equal(result.hits, model.predict(held) == truth)
    assert result.hits.mean() == result.accuracy


def test_a_result_is_short_to_read_and_equal_by_its_numbers():
    (x, y), (held, truth) = blobs(0), blobs(1)
    result = linear_probe(x, y, held, truth)
    assert "hits" not in repr(result)
    assert result == ProbeResult(**{**vars(result), "hits": np.zeros(3)})
    assert len(ProbeResult(0.5, 0.5, 1, 1).hits) == 0


def test_several_labels_get_a_regression_each():
    (x, y), (held, truth) = blobs(0, apart=0.5), blobs(1, apart=0.5)
    several = np.stack([y == 0, y == 2, np.zeros(120)], 1)
    asked = np.stack([truth == 0, truth == 2, np.zeros(120)], 1)
    asked[:4, 2] = 1  # the label that no training row has
    result = linear_probe(x, several, held, asked)
    each = [linear_probe(x, several[:, j], held, asked[:, j]) for j in (0, 1)]
    assert result.accuracy == pytest.approx(np.mean([each[0].accuracy, each[1].accuracy, 116 / 120]))
    assert result.auroc == pytest.approx(np.mean([each[0].auroc, each[1].auroc, 0.5]))
    assert result.chance == pytest.approx(np.mean([each[0].chance, each[1].chance, 116 / 120]))
    right = each[0].hits + each[1].hits + (asked[:, 2] == 0)
    np.testing.assert_allclose(result.hits, right / 3)
    assert result.converged
    half = linear_probe(x, several, held, asked, size=60, seed=1)
    assert half.n_train == 60
    assert half == linear_probe(x, several, held, asked, size=60, seed=1)
    found = probe_modalities({"a": x}, several, {"a": held}, asked)
    assert found["a"] == result
    stacked = probe_stack([x, x[:, :2]], several, [held, held[:, :2]], asked)
    assert stacked[0] == result != stacked[1]


def near(seed, rows=1500, width=16, kinds=10, count=4):
    """Latents of several runs: classes near each other, columns that nearly repeat."""
    g = np.random.default_rng(seed)
    y = g.integers(0, kinds, rows)
    centre = 0.4 * np.random.default_rng(7).standard_normal((count, kinds, width))
    turn = np.random.default_rng(8).standard_normal((width, width)) * 0.7 ** np.arange(width)[:, None]
    return (centre[:, y] + g.standard_normal((count, rows, width))) @ (turn + 0.05 * np.eye(width)), y


def test_a_stack_answers_as_scikit_learn_does_at_its_optimum():
    (x, y), (held, truth) = near(0), near(1)
    results = probe_stack(x, y, held, truth)
    for one, other, result in zip(x, held, results, strict=True):
        model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=10_000)).fit(one, y)
        right = model.predict(other) == truth
        assert np.mean(right == result.hits) >= 0.999
        assert result.accuracy == pytest.approx(right.mean(), abs=1e-3)
        assert result.converged
        loose = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)).fit(one, y)
        assert np.mean((loose.predict(other) == truth) == result.hits) >= 0.995


def test_a_stack_of_unequal_entries_gives_each_what_it_gets_alone():
    (x, y), (held, truth) = near(0, rows=200, kinds=3), near(1, rows=90, kinds=3)
    words = np.array(["p", "q", "r"])
    train = [x[0], x[1], x[2][:150], x[3][:, :5], x[0], x[1][:8]]
    train_y = [y, y, y[:150], y, words[y], y[:8]]
    test = [held[0], held[1], held[2], held[3][:, :5], held[0][:40], held[1]]
    test_y = [truth, truth, truth, truth, words[truth][:40], truth]
    found = probe_stack(train, train_y, test, test_y, size=100)
    for given, made in zip(zip(train, train_y, test, test_y, strict=True), found, strict=True):
        alone = linear_probe(*given, size=100)
        assert alone.accuracy == pytest.approx(made.accuracy, abs=0.012)
        assert alone.auroc == pytest.approx(made.auroc, abs=1e-3)
        assert (alone.n_train, alone.n_test, alone.chance) == (made.n_train, made.n_test, made.chance)


@pytest.mark.parametrize(("rows", "width", "stacked"), [(300, 256, True), (300, 257, False), (20, 30, False)])
def test_wide_features_go_to_scikit_learn(monkeypatch, rows, width, stacked):
    g = np.random.default_rng(0)
    x, y = g.standard_normal((rows, width)), np.arange(rows) % 2
    seen = []
    inside = probe_stack.__globals__
    real = inside["fit_stack"]
    monkeypatch.setitem(inside, "fit_stack", lambda *given: seen.append(given) or real(*given))
    result = probe_stack([x], y, [x], y)[0]
    assert bool(seen) == stacked
    assert result.accuracy > 0.9


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x, y: probe_stack([], y, [], y), "0 entries"),
        (lambda x, y: probe_stack([x], y, [x, x], y), "train has 1 entries and test 2"),
        (lambda x, y: probe_stack([x, x * np.nan], y, [x, x], y), "entry 1: train_x has"),
        (lambda x, y: probe_stack([x, x], [y], [x, x], y), "labels for 1 entries"),
        (lambda x, y: probe_stack([x], [y.tolist()], [x], y), "list of lists"),
        (lambda x, y: linear_probe(x, np.stack([y, y], 1), x, np.stack([y > 0] * 2, 1)), "0 or 1"),
        (
            lambda x, y: linear_probe(x, np.stack([y > 0] * 2, 1), x, np.stack([y > 0] * 3, 1)),
            "2 labels a row",
        ),
        (lambda x, y: linear_probe(x, np.stack([y > 0] * 2, 1), x, y), r"give \(N,\) labels, or"),
    ],
)
def test_each_bad_stack_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call(*blobs(0))


def _bad(**change):
    (x, y), (held, truth) = blobs(0), blobs(1)
    arguments = {"train_x": x, "train_y": y, "test_x": held, "test_y": truth, **change}
    return linear_probe(**arguments)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_x": np.full((120, 4), np.nan)}, "480 values that are NaN"),
        ({"test_x": np.full((120, 4), np.inf)}, "test_x has 480"),
        ({"train_y": np.zeros(119, int)}, "train_x has 120, train_y has 119"),
        ({"train_y": np.zeros(120, int)}, "one class only"),
        ({"test_x": np.zeros((120, 5))}, "same features"),
        ({"test_y": np.full(120, "0")}, "no class in common"),
        ({"size": 2}, "3 classes"),
        ({"size": 0}, "size is 0"),
        ({"size": 20, "seed": -1}, "seed"),
    ],
)
def test_each_bad_input_has_its_error(change, said):
    with pytest.raises(InputError, match=said):
        _bad(**change)


def test_errors_of_a_modality_name_it():
    (x, y), (held, truth) = blobs(0), blobs(1)
    with pytest.raises(InputError, match="modality 'a': train_x has 480"):
        probe_modalities({"a": np.full_like(x, np.nan)}, y, {"a": held}, truth)
    with pytest.raises(InputError, match="Did you mean 'image'"):
        probe_modalities({"image": x}, y, {"imag": held}, truth)
    with pytest.raises(InputError, match="Did you mean 'image'"):
        probe_modalities(
            {"image": x}, y, {"image": held}, truth, train_present={"imagee": np.ones(120, bool)}
        )


@pytest.mark.skipif(
    not os.environ.get("COUNTERPOINT_DATA"), reason="COUNTERPOINT_DATA is unset: mfeat not there"
)
def test_raw_features_of_mfeat():
    data = np.load(Path(os.environ["COUNTERPOINT_DATA"]) / "mfeat" / "mfeat.npz")
    y = data["labels"]
    generator = np.random.default_rng(0)
    test = np.concatenate([generator.permutation(np.flatnonzero(y == c))[:50] for c in range(10)])
    train = np.setdiff1d(np.arange(2000), test)
    names = ["fou", "fac", "kar", "pix", "zer", "mor"]
    found = probe_modalities(
        {name: data[name][train] for name in names},
        y[train],
        {name: data[name][test] for name in names},
        y[test],
    )
    stated = {"fou": 0.826, "fac": 0.975, "kar": 0.951, "pix": 0.966, "zer": 0.810, "mor": 0.710}
    for name in names:
        assert found[name].accuracy == pytest.approx(stated[name], abs=0.04), name
        assert found[name].chance == 0.1
        assert found[name].converged
    mean = np.mean([result.accuracy for result in found.values()])
    assert 0.85 < mean < 0.90
