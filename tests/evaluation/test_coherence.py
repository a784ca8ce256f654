"""Oracles and coherence: a naive loop, the perfect and the random generator, masks."""

import os
from pathlib import Path

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation import coherence, train_oracles


def world(seed, rows=300):
    """Two tables and an image of three classes."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, rows)
    centre = 4 * np.random.default_rng(9).standard_normal((3, 3, 6))
    x = {name: centre[i][y] + generator.standard_normal((rows, 6)) for i, name in enumerate("abc")}
    x["c"] = x["c"].reshape(rows, 2, 3)
    return x, y


@pytest.fixture(scope="module")
def judges():
    (x, y), (held, truth) = world(0), world(1)
    return train_oracles(x, y, held, truth)


def test_oracles_state_their_held_out_accuracy(judges):
    held, truth = world(1)
    for name, oracle in judges.items():
        right = sum(int(a == b) for a, b in zip(oracle.predict(held[name]), truth, strict=True))
        assert oracle.accuracy == right / 300 > 0.95
        assert oracle.n_train == oracle.n_test == 300
        assert oracle.converged
        assert oracle.classes.tolist() == [0, 1, 2]
    assert judges["c"].kind == "mlp"
    assert judges["a"].kind == "linear"  # the simpler one on a tie


def test_a_network_is_chosen_where_a_line_cannot_tell():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (600, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    oracle = train_oracles({"a": x[:400]}, y[:400], {"a": x[400:]}, y[400:])["a"]
    assert oracle.kind == "mlp"
    assert oracle.accuracy > 0.9
    line = train_oracles({"a": x[:400]}, y[:400], {"a": x[400:]}, y[400:], kind="linear")["a"]
    assert line.accuracy < 0.7


def test_the_test_rows_decide_nothing():
    (x, y), (held, truth) = world(0), world(1)
    noise, _ = world(2)
    first = train_oracles({"a": x["a"]}, y, {"a": held["a"]}, truth, kind="mlp")["a"]
    other = train_oracles({"a": x["a"]}, y, {"a": -held["a"]}, truth, kind="mlp")["a"]
    assert first.accuracy != other.accuracy
    assert np.array_equal(first.predict(noise["a"]), other.predict(noise["a"]))


def test_an_oracle_does_not_depend_on_the_other_modalities_nor_on_the_global_generator(judges):
    (x, y), (held, truth) = world(0), world(1)
    before = np.random.get_state()[1].copy()
    alone = train_oracles({"c": x["c"]}, y, {"c": held["c"]}, truth)["c"]
    assert np.array_equal(before, np.random.get_state()[1])
    noise = 5 * np.random.default_rng(3).standard_normal((200, 2, 3))
    assert np.array_equal(alone.predict(noise), judges["c"].predict(noise))


def test_absent_rows_are_not_trained_or_tested_on():
    (x, y), (held, truth) = world(0), world(1)
    here, there = np.arange(300) % 3 > 0, np.arange(300) % 2 > 0
    holes, held_holes = x["a"].copy(), held["a"].copy()
    holes[~here], held_holes[~there] = np.nan, np.nan
    masked = train_oracles(
        {"a": holes}, y, {"a": held_holes}, truth, train_present={"a": here}, test_present={"a": there}
    )["a"]
    cut = train_oracles({"a": x["a"][here]}, y[here], {"a": held["a"][there]}, truth[there])["a"]
    assert (masked.n_train, masked.n_test) == (200, 150)
    assert masked.accuracy == cut.accuracy
    never = {"a": np.zeros(300, bool)}
    held = {"a": held["a"]}
    assert np.isnan(train_oracles({"a": x["a"]}, y, held, truth, test_present=never)["a"].accuracy)
    with pytest.raises(InputError, match="modality 'a': no training row"):
        train_oracles({"a": x["a"]}, y, held, truth, train_present=never)


def test_the_table_is_what_loops_give(judges):
    x, y = world(2)
    present = {"b": np.arange(300) % 4 > 0}
    generator = np.random.default_rng(5)
    made = {(s, t): x[t] + 4 * generator.standard_normal(x[t].shape) for s in "abc" for t in "abc"}
    for t in "abc":
        made["b", t][~present["b"]] = np.nan
    table = coherence(lambda s, t: made[s, t], judges, y, list("abc"), present)
    everything = []
    for i, s in enumerate("abc"):
        for j, t in enumerate("abc"):
            right = rows = 0
            for n in range(300):
                if s != "b" or present["b"][n]:
                    rows += 1
                    right += int(judges[t].predict(made[s, t][n : n + 1])[0] == y[n])
            assert table.matrix[i, j] == pytest.approx(right / rows)
            everything.append((s, t, right / rows))
    assert table.full == pytest.approx(np.mean([value for _, _, value in everything]))
    assert table.off_diagonal == pytest.approx(np.mean([v for s, t, v in everything if s != t]))
    assert table.rows == {"a": 300, "b": 225, "c": 300}
    assert table.left_out == {"a": 0, "b": 75, "c": 0}
    assert table.oracle == {name: judges[name].accuracy for name in "abc"}
    assert 0.4 < table.full < 0.95


def test_the_perfect_generator_has_coherence_one_and_the_random_one_chance():
    x, y = world(0)
    words = np.array(["ant", "bee", "cat"])
    clean = {name: np.stack([x[name][y == c].mean(0) for c in range(3)]) for name in "abc"}
    judges = train_oracles(x, words[y], x, words[y])
    perfect = coherence(lambda s, t: clean[t][y], judges, words[y], "abc")
    assert np.array_equal(perfect.matrix, np.ones((3, 3)))
    generator = np.random.default_rng(0)
    many = generator.integers(0, 3, 3000)
    random = coherence(lambda s, t: clean[t][generator.integers(0, 3, 3000)], judges, words[many], "abc")
    assert np.abs(random.matrix - 1 / 3).max() < 0.05
    shuffled = coherence(lambda s, t: clean[t][generator.permutation(many)], judges, words[many], "abc")
    assert np.abs(shuffled.matrix - 1 / 3).max() < 0.05


def test_a_source_that_no_row_has_is_nan_and_out_of_the_means(judges):
    x, y = world(2)
    table = coherence(lambda s, t: x[t], judges, y, list("abc"), {"b": np.zeros(300, bool)})
    assert np.isnan(table.matrix[1]).all()
    assert table.left_out["b"] == 300
    assert np.isfinite(table.full)
    assert np.isfinite(table.off_diagonal)
    alone = coherence(lambda s, t: x[t], judges, y, ["a"])
    assert np.isnan(alone.off_diagonal)
    assert alone.full > 0.95


def test_one_scale_for_all_pixels_of_an_image():
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    image = generator.normal(0, 0.1, (400, 4, 4)) + y[:, None, None]
    image[:, 0, 0] = 1e-6 * generator.standard_normal(400)  # a corner that hardly ever changes
    oracle = train_oracles({"i": image}, y, {"i": image}, y)["i"]
    blurred = image.copy()
    blurred[:, 0, 0] += 0.05
    assert np.mean(oracle.predict(blurred) == y) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x, y, o: coherence(lambda s, t: x[t][:5], o, y, ["a"]), "labels has 300"),
        (lambda x, y, o: coherence(lambda s, t: x[t] * np.nan, o, y, ["a"]), "NaN or infinite"),
        (lambda x, y, o: coherence(lambda s, t: x["c"], o, y, ["a"]), "trained on"),
        (lambda x, y, o: coherence(lambda s, t: x[t], o, y.astype(str), ["a"]), "no class in common"),
        (lambda x, y, o: coherence(lambda s, t: x[t], o, y, ["a", "z"]), "wanted are a, z"),
        (lambda x, y, o: coherence(lambda s, t: x[t], o, y, ["a", "a"]), "once"),
        (lambda x, y, o: coherence(lambda s, t: x[t], o, y, []), "at least one"),
        (lambda x, y, o: coherence(lambda s, t: x[t], o, y, ["a"], {"aa": y > 0}), "Did you mean 'a'"),
        (lambda x, y, o: train_oracles(x, y, x, y, kind="lineal"), "Did you mean 'linear'"),
        (lambda x, y, o: train_oracles(x, y * 0, x, y), "one class only"),
        (lambda x, y, o: train_oracles(x, y[:9], x, y), "modality 'a': rows differ"),
        (lambda x, y, o: train_oracles(x, y, {"a": x["a"]}, y), "test_x has modalities a"),
        (lambda x, y, o: train_oracles({"a": x["a"]}, y, {"a": x["b"] * np.nan}, y), "NaN"),
        (lambda x, y, o: train_oracles({}, y, {}, y), "at least one"),
    ],
)
def test_each_bad_input_has_its_error(judges, call, said):
    x, y = world(2)
    with pytest.raises(InputError, match=said):
        call(x, y, judges)


@pytest.mark.skipif(
    not os.environ.get("COUNTERPOINT_DATA"), reason="COUNTERPOINT_DATA is unset: mfeat not there"
)
def test_oracles_of_mfeat_judge_real_rows_as_well_as_they_say():
    data = np.load(Path(os.environ["COUNTERPOINT_DATA"]) / "mfeat" / "mfeat.npz")
    y, names = data["labels"], ["kar", "mor"]
    test = np.arange(2000) % 200 < 50
    train_x, test_x = ({name: data[name][rows] for name in names} for rows in (~test, test))
    judges = train_oracles(train_x, y[~test], test_x, y[test])
    assert judges["kar"].accuracy > 0.93
    assert judges["mor"].accuracy > 0.65
    table = coherence(lambda s, t: test_x[t], judges, y[test], names)
    assert table.matrix[0].tolist() == [judges["kar"].accuracy, judges["mor"].accuracy]
