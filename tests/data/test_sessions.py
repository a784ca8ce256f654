"""Sessions with nothing in common but conditions: rows, masks, bins; and what a fit makes of them."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import counterpoint as cp
from counterpoint.data.sessions import binned, pair_sessions
from counterpoint.errors import InputError


def test_many_conditions_take_no_scan_each():
    n = 40_000  # a scan of all trials for each condition would take a minute
    on = {"A": np.arange(n), "B": np.arange(n)[::-1]}
    started = time.process_time()
    rows = pair_sessions({name: c[:, None] for name, c in on.items()}, on)
    assert time.process_time() - started < 10
    assert np.array_equal(rows.x["A"], np.arange(n)[:, None])
    assert np.array_equal(rows.x["A"], rows.x["B"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("xyz"), min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_trial_stands_in_one_row_of_its_condition(conditions):
    on = {f"s{i}": c for i, c in enumerate(conditions)}
    trials = {n: 1.0 + np.arange(len(c))[:, None] for n, c in on.items()}
    alone = not set.intersection(set(), *map(set, conditions)) and len(on) > 1
    shared = any(sum(c in found for found in on.values()) > 1 for c in "xyz")
    if alone and not shared:
        with pytest.raises(InputError, match="no two sessions share a condition"):
            pair_sessions(trials, on)
        return
    rows = pair_sessions(trials, on)
    assert len(rows) == sum(max(c.count(k) for c in conditions) for k in "xyz")
    for name, found in on.items():
        there = rows.present()[name]
        assert sorted(rows.x[name][there].ravel()) == sorted(trials[name].ravel())
        placed = rows.labels[f"trial of {name}"]
        assert (placed >= 0).tolist() == there.tolist()
        assert [found[i] for i in placed[there]] == rows.labels["condition"][there].tolist()
        assert not rows.x[name][~there].any()
    assert len(
        {(c, p) for c, p in zip(rows.labels["condition"].tolist(), rows.pairs.tolist(), strict=True)}
    ) == len(set(rows.pairs.tolist()))


def test_missing_values_of_a_trial_stay_missing():
    rows = pair_sessions(
        {"a": [[1.0, np.nan], [2.0, 3.0]], "b": [[5.0]]}, {"a": [1, 1], "b": [1]}, label="direction"
    )
    assert rows.mask["a"].tolist() == [[True, False], [True, True]]
    assert rows.mask["b"].tolist() == [True, False]
    assert rows.labels["direction"].tolist() == [1, 1]
    assert rows[[1]].pairs.tolist() == [0]


@pytest.mark.parametrize(
    ("trials", "on", "message"),
    [
        ({}, {}, "sessions holds nothing"),
        ({"a": [[1.0]]}, ["x"], "pair_on is a list"),
        ({"a": [[1.0]]}, {"a": ["x"], "b": ["x"]}, "pair_on: session is 'b'"),
        ({"ann": [[1.0]], "b": [[1.0]]}, {"b": ["x"]}, "no conditions of 'ann'"),
        ({"a": [[1.0]]}, {"a": ["x", "y"]}, r"has 1 trials and conditions of shape \(2,\)"),
        ({"a": [[1.0]], "b": [[1.0]]}, {"a": [0.25], "b": [0.25]}, "real numbers .* equal by chance"),
        ({"a": [[1.0]], "b": [[1.0]]}, {"a": ["1"], "b": [1]}, "some sessions have text"),
        ({"a": [[1.0]], "b": [[1.0]]}, {"a": [None], "b": ["x"]}, "give text or whole numbers"),
        ({"a": [["u"]], "b": [[1.0]]}, {"a": ["x"], "b": ["x"]}, "session 'a' holds text"),
    ],
)
def test_what_cannot_be_paired_is_refused(trials, on, message):
    with pytest.raises(InputError, match=message):
        pair_sessions(trials, on)


def test_bins():
    t = np.arange(8) / 10
    spikes = np.arange(2 * 8 * 3).reshape(2, 8, 3)
    found = binned(spikes, t, window=(0.2, 0.7), width=0.2)
    assert found.tolist() == np.stack([spikes[:, 2:4].sum(1), spikes[:, 4:6].sum(1)], 1).tolist()
    trace = spikes.astype(float)
    assert np.allclose(binned(trace, t, window=(0.2, 0.7)), trace[:, 2:7].mean(1, keepdims=True))
    assert binned(spikes, t).shape == (2, 1, 3)
    for wrong, message in (
        ({"window": (5, 6)}, "window 5 to 6 s is not within the times, 0 to 0.7 s"),
        ({"width": 0.01}, "holds 0.1 of the 8 samples"),
        ({"width": 3.0}, "holds 30 of the 8 samples"),
    ):
        with pytest.raises(InputError, match=message):
            binned(spikes, t, **wrong)
    with pytest.raises(InputError, match="times must ascend"):
        binned(spikes, t[::-1])
    with pytest.raises(InputError, match=r"give \(trials, time, neurons\)"):
        binned(spikes[0], t)


def sessions(seed=0, counts=(90, 75), classes=6):
    """Two animals whose trials share a class and nothing else."""
    rng = np.random.default_rng(seed)
    trials, on = {}, {}
    for name, count in zip("ab", counts, strict=True):
        y = rng.integers(0, classes, count)
        trials[name] = 3 * np.eye(classes)[y] @ rng.normal(size=(classes, 8)) + 0.5 * rng.normal(
            size=(count, 8)
        )
        on[name] = y
    return trials, on


def test_a_latent_is_shared_by_sessions_that_share_classes_alone():
    """A probe of one animal's latents tells the class from the other's, and not if shuffled."""
    from sklearn.linear_model import LogisticRegression

    trials, on = sessions()
    rng = np.random.default_rng(1)

    def across(conditions):
        m = cp.Counterpoint(
            "mmvm", latent_dim=4, hidden=(16,), epochs=80, batch_size=32, learning_rate=1e-2, validation=0.0,
            patience=None,
        ).fit(pair_sessions(trials, conditions))  # fmt: skip
        z = {name: m.embed({name: x}) for name, x in trials.items()}
        return LogisticRegression(max_iter=1000).fit(z["a"], on["a"]).score(z["b"], on["b"])

    assert across(on) > 0.85
    assert across({"a": on["a"], "b": rng.permutation(on["b"])}) < 0.7


def test_pairs_are_part_of_what_a_run_was_trained_on(tmp_path):
    trials, on = sessions()
    rows = pair_sessions(trials, on)
    quick = {"latent_dim": 2, "hidden": (4,), "epochs": 2, "validation": 0.0, "patience": None}
    fixed = cp.read({n: np.where(rows.present()[n][:, None], v, np.nan) for n, v in rows.x.items()})
    a, again, b = (cp.Counterpoint("mmvm", **quick).fit(d) for d in (rows, rows, fixed))
    assert a.history_[-1]["train/total"] == again.history_[-1]["train/total"]
    assert a.data_summary_["fingerprint"] == again.data_summary_["fingerprint"]
    assert a.data_summary_["fingerprint"] != b.data_summary_["fingerprint"]
