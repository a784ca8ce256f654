"""Probes against a naive restatement, chance, masks, and the raw features of mfeat."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from counterpoint.errors import InputError
from counterpoint.evaluation import linear_probe, probe_modalities


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
