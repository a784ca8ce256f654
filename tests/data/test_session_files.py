"""Sessions from files: what is read, how windows and bins become rows, and how it is refused."""

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint.data.session_files import load_session, load_sessions
from counterpoint.data.sessions import binned, pair_sessions, unfold
from counterpoint.data.timing import seconds, span
from counterpoint.errors import InputError
from counterpoint.estimator import Counterpoint
from counterpoint.many import Rows, fit_many
from counterpoint.protocol import hold_out
from counterpoint.training.options import split, splits

COUNTS = {"A": (9, 4), "B": (7, 3), "C": (5, 6)}  # trials, neurons
QUICK = {"latent_dim": 2, "hidden": (4,), "epochs": 2, "patience": None, "constant": "keep"}


def arrays(name, seed=0):
    """One animal: 20 samples of 10 ms from -50 ms on; every spike count of a trial names it."""
    rng = np.random.default_rng([seed, *name.encode()])
    trials, neurons = COUNTS[name]
    spikes = rng.poisson(2.0, (trials, 20, neurons))
    return {
        "spikes": spikes,
        "times": np.arange(-5, 15) / 100,
        "odor": np.array(list("xyz"))[np.arange(trials) % 3],
    }


@pytest.fixture
def folder(tmp_path):
    for name in COUNTS:
        np.savez(tmp_path / f"{name}.npz", **arrays(name), block=np.arange(COUNTS[name][0]))
    return tmp_path


def paths(folder):
    return [folder / f"{name}.npz" for name in COUNTS]


def read(source, **how):
    return cp.read(source, **{"pair_on": "odor", "window": "0:100ms", "bin": "20ms", **how})


def test_every_bin_of_every_trial_stands_in_one_row(folder):
    rows = read(paths(folder))
    assert rows.names == tuple(COUNTS)
    for name in COUNTS:
        one = arrays(name)
        wanted = binned(one["spikes"], one["times"], window=(0.0, 0.1), width=0.02)
        there, trial, at = rows.present()[name], rows.labels[f"trial of {name}"], rows.labels["bin"]
        assert sorted(zip(trial[there], at[there], strict=True)) == [
            (i, b) for i in range(len(wanted)) for b in range(5)
        ]
        for row in np.flatnonzero(there):
            assert rows.x[name][row].tolist() == wanted[trial[row], at[row]].tolist()
            assert rows.labels["odor"][row] == one["odor"][trial[row]]
        assert not rows.x[name][~there].any()
    assert rows.likelihoods == dict.fromkeys(COUNTS, "poisson")


def test_pairs_are_of_a_label_and_a_time_or_of_a_label_alone(folder):
    for aligned, keys in ((True, ("odor", "bin")), (False, ("odor",))):
        rows = read(paths(folder), aligned=aligned)
        of = list(zip(*(rows.labels[k].tolist() for k in keys), strict=True))
        assert (
            len(set(zip(of, rows.pairs.tolist(), strict=True)))
            == len(set(of))
            == len(set(rows.pairs.tolist()))
        )


def test_list_folder_dict_of_files_and_dict_of_arrays_are_alike(folder):
    first = read(paths(folder))
    for source in (
        folder,
        str(folder),
        dict(zip(COUNTS, paths(folder), strict=True)),
        {n: arrays(n) for n in COUNTS},
    ):
        again = read(source)
        assert again.names == first.names
        assert all(np.array_equal(again.x[n], first.x[n]) for n in COUNTS)
        assert np.array_equal(again.pairs, first.pairs)
    assert read(folder, modalities=["C", "A"]).names == ("C", "A")
    assert read({n: arrays(n) for n in COUNTS}, window=(0.0, 0.1), bin=0.02).shape == first.shape


def test_a_row_is_a_trial_without_bins(folder):
    rows = read(folder, bin=None)
    one = arrays("A")
    assert rows.blocks is None
    assert rows.x["A"].shape == (9, 4)
    trial = rows.labels["trial of A"]
    assert np.array_equal(rows.x["A"], one["spikes"][trial][:, 5:15].sum(1))
    whole = read(folder, window=None, bin=None)
    assert whole.x["A"].shape == (9, 20, 4)


def test_conditions_may_be_given_apart_from_trials():
    trials = {n: arrays(n)["spikes"].sum(1) for n in COUNTS}
    on = {n: arrays(n)["odor"] for n in COUNTS}
    rows = cp.read(trials, pair_on=on)
    wanted = pair_sessions(trials, on)
    assert all(np.array_equal(rows.x[n], wanted.x[n]) for n in COUNTS)
    assert cp.read(trials, pair_on=on, modalities=["A", "B"]).names == ("A", "B")
    by_estimator = Counterpoint(**QUICK, validation=0.0).fit(trials, pair_on=on)
    by_hand = Counterpoint(**QUICK, validation=0.0).fit(wanted)
    assert by_estimator.data_summary_["fingerprint"] == by_hand.data_summary_["fingerprint"]


@pytest.mark.parametrize(
    ("change", "counts", "kind"),
    [
        ({}, True, "i"),
        ({"spikes": np.ones((9, 20, 4))}, True, "i"),  # whole numbers that are stored as floats
        ({"spikes": np.ones((9, 20, 4), dtype=np.uint8)}, True, "i"),  # bytes would pass for pictures
        ({"spikes": np.full((9, 20, 4), 0.5)}, False, "f"),
        ({"spikes": -np.ones((9, 20, 4))}, False, "f"),
        ({"spikes": None, "traces": np.ones((9, 20, 4))}, False, "f"),  # fluorescence is no count
        ({"spikes": None, "dff": np.full((9, 20, 4), 0.5), "pupil": np.ones((9, 20))}, False, "f"),
    ],
)
def test_what_counts_is_counted(change, counts, kind):
    one = {k: v for k, v in {**arrays("A"), **change}.items() if v is not None}
    found = load_session("A", one)
    assert (found.counts, found.values.dtype.kind) == (counts, kind)
    assert found.values.shape == (9, 20, 4)


def test_conditions_of_other_types_are_the_same_conditions():
    """Whole numbers saved as floats, and text saved as bytes."""
    trials = {"A": np.ones((2, 3)), "B": np.ones((2, 3))}
    for pair in (([1.0, 2.0], [2, 1]), (np.array([b"x", b"y"]), ["y", "x"])):
        rows = cp.read(trials, pair_on=dict(zip("AB", pair, strict=True)))
        assert len(rows) == 2
        assert set(rows.labels["condition"].tolist()) in ({1, 2}, {"x", "y"})


def test_missing_samples_of_counts_make_missing_bins():
    one = arrays("A")
    one["spikes"] = one["spikes"].astype(float)
    one["spikes"][0, 5, 1] = np.nan
    found = load_session("A", one).binned((0.0, 0.1), 0.02)
    assert np.isnan(found).sum() == 1
    assert found[1].tolist() == arrays("A")["spikes"][1, 5:15].reshape(5, 2, 4).sum(1).tolist()


def test_times_may_be_a_rate_or_a_step():
    one = arrays("A")
    del one["times"]
    for step in ({"rate": 100}, {"dt": 0.01}):
        assert np.allclose(load_session("A", {**one, **step}).times, np.arange(20) / 100)
    single = load_session("A", {**one, "t": (np.arange(20) / 10).astype(np.float32)})
    assert single.binned((0.7, 0.9), 0.1).shape == (9, 2, 4)  # single precision has no 0.7


def test_no_trial_is_on_two_sides(folder):
    """Test rows, validation rows, and those of a stack: whole trials of every animal."""
    rows = read(paths(folder))
    train, test = hold_out(rows, 0.4, "odor")
    assert 0 < len(test) < len(train)

    def trials(part, name):
        return set(part.labels[f"trial of {name}"][part.present()[name]].tolist())

    def apart(a, b):
        for name in COUNTS:
            assert not trials(a, name) & trials(b, name), name

    apart(train, test)
    for name, (count, _) in COUNTS.items():
        assert trials(train, name) | trials(test, name) == set(range(count))
    for seed in range(5):
        inner, held = split(len(train), 0.3, seed, torch.from_numpy(train.blocks))
        assert len(held)
        apart(train[inner.numpy()], train[held.numpy()])
    estimator = Counterpoint(**QUICK, validation=0.3, seed=3)
    trainer = estimator._trainer(train, cp.data.Preparation.fit(train, "poisson", constant="keep"))
    inner, held = trainer.splits[0]
    apart(train[inner.numpy()], train[held.numpy()])
    assert len(held) == round(0.3 * len(set(train.blocks.tolist()))) * 5


def test_stacks_keep_blocks_too(folder, tmp_path):
    """A model of a stack ends where it ends alone, so both part the rows alike."""
    rows = read(paths(folder))
    kind = {**QUICK, "validation": 0.3, "precision": "float64"}
    alone = Counterpoint(**kind, seed=1).fit(rows)
    both = [Counterpoint(**kind, seed=seed) for seed in (0, 1)]
    assert fit_many(both, Rows(rows), stack=2) == [None, None]
    assert both[1].history_[-1]["validation/total"] == pytest.approx(
        alone.history_[-1]["validation/total"], rel=1e-9
    )
    assert both[1].data_summary_["fingerprint"] == alone.data_summary_["fingerprint"]


def test_blocks_are_part_of_what_a_run_was_trained_on(folder):
    rows = read(paths(folder))
    loose = pair_sessions({n: rows.x[n] for n in rows.names}, {n: rows.labels["odor"] for n in rows.names})
    prints = [Rows(data).fingerprint(Counterpoint(**QUICK)) for data in (rows, loose)]
    assert prints[0] != prints[1]


def test_a_split_by_blocks():
    blocks = torch.tensor([7, 7, 3, 3, 5, 5, 9, 9])
    train, held = split(8, 0.5, 0, blocks)
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(8))
    assert not set(blocks[train].tolist()) & set(blocks[held].tolist())
    rows = torch.arange(8)
    assert all(torch.equal(a, b) for a, b in zip(split(8, 0.25, 4, rows), split(8, 0.25, 4), strict=True))
    with pytest.raises(InputError, match=r"validation=0\.1 of 4 blocks leaves no validation block"):
        split(8, 0.1, 0, blocks)
    uneven = torch.tensor([0, 0, 0, 1, 2, 3])
    with pytest.raises(InputError, match="blocks of unequal size"):
        splits(6, 0.25, range(8), uneven)


def test_a_hold_out_of_blocks_is_stratified_and_counts_blocks(folder):
    rows = read(paths(folder))
    _, test = hold_out(rows, 15, "odor")
    assert len(test) == 15
    assert set(test.labels["odor"].tolist()) == set("xyz")
    with pytest.raises(InputError, match="makes 2 blocks for the 3 classes"):
        hold_out(rows, 10, "odor")


def test_unfolding_keeps_single_missing_values():
    trials = {"A": np.arange(12.0).reshape(2, 3, 2), "B": np.ones((1, 3, 1))}
    trials["A"][0, 1, 0] = np.nan
    rows = unfold(pair_sessions(trials, {"A": ["x", "x"], "B": ["x"]}))
    assert (~rows.mask["A"]).sum() == 1
    assert not rows.mask["A"][1, 0]
    with pytest.raises(InputError, match="A 3, B 2; all sessions need equally many"):
        unfold(pair_sessions({**trials, "B": np.ones((1, 2, 1))}, {"A": ["x", "x"], "B": ["x"]}))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("250:500ms", (0.25, 0.5)), ("-0.1:0.5s", (-0.1, 0.5)), ("100ms:1s", (0.1, 1.0)), ((0, 1), (0.0, 1.0))],
)
def test_windows_as_people_write_them(text, wanted):
    assert span(text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: span("250ms"), "give from and to"),
        (lambda: span("500:250ms"), "ends before it starts"),
        (lambda: span("0.25:0.5"), r"a number with its unit \(s, ms, us\)"),
        (lambda: seconds("bin", "fast"), "bin is 'fast'"),
        (lambda: seconds("bin", "0ms"), "finite number above 0"),
    ],
)
def test_times_that_say_nothing_are_refused(what, message):
    with pytest.raises(InputError, match=message):
        what()


def without(name, *keys, **more):
    return {**{k: v for k, v in arrays(name).items() if k not in keys}, **more}


CUBE = np.ones((7, 20, 3))
RAGGED = [[[1, 2], [3, 4]], [[1, 2]]]


@pytest.mark.parametrize(
    ("second", "how", "message"),
    [
        ({}, {"pair_on": "odour"}, "pair_on: label is 'odour'; allowed are odor. Did you mean 'odor'"),
        (without("B", "odor", odors=np.arange(7)), {}, "it has odors. Did you mean 'odors'"),
        (without("B", "odor", odor=np.arange(6)), {}, "no label 'odor' .*7 trials; it has none"),
        (without("B", odor=np.full(7, 0.5)), {}, "conditions of 'B' are real numbers"),
        (without("B", odor=np.full(7, "w")), {}, "no two sessions share a condition"),
        ({}, {"window": "1:2s"}, "'A': the window 1 to 2 s is not within the times, -0.05 to 0.14"),
        ({}, {"window": "0:40ms", "bin": "50ms"}, "a bin of 0.05 s holds 5 of the 4 samples"),
        ({}, {"bin": "15ms"}, "holds 1.5 samples of 0.01 s; give whole ones, such as 0.02 s"),
        (without("B", "times"), {}, "session 'B' does not say when its 20 samples were taken; save `times`"),
        (without("B", times=np.arange(20) * 10.0), {}, "session 'B': a bin .*Are its times milliseconds"),
        (without("B", times=np.arange(19)), {}, r"session 'B': times has shape \(19,\) for 20 samples"),
        (without("B", times=np.r_[0:10, 20:30] / 100), {"window": None}, "session 'B': times are not even"),
        (without("B", "spikes", a=CUBE, b=CUBE), {}, "'B' holds .* `spikes` or `traces`"),
        (without("B", "spikes", spikes=RAGGED), {}, "session 'B' is ragged"),
        (without("B", spikes=np.ones((7, 20, 3, 2))), {}, "'B' holds .* `spikes` or `traces`"),
        (without("B", spikes=np.ones((7, 3))), {}, r"'B' is \(trials, neurons\), which has no time"),
        ({}, {"labels": ["odor"]}, "labels is for tables; the data are sessions"),
        ({}, {"pair_on": None}, "window and bin are for sessions; say what these share"),
        ({}, {"window": None, "pair_on": {"A": [1]}}, "session|conditions"),
    ],
)  # fmt: skip
def test_what_cannot_be_sessions_is_refused(second, how, message):
    with pytest.raises(InputError, match=message) as caught:
        read({"A": arrays("A"), "B": second or arrays("B")}, **how)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(folder):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones((20, 3)), np.ones((20, 2))]
    (folder / "bad").mkdir()
    np.savez(folder / "bad" / "D.npz", spikes=ragged)
    with pytest.raises(InputError, match=r"D\.npz.*Python objects.*save one array"):
        read([folder / "A.npz", folder / "bad" / "D.npz"])
    with pytest.raises(InputError, match=r"there is no session .*Did you mean 'A\.npz'"):
        read([folder / "AA.npz"])
    (folder / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"notes\.txt is no \.npz"):
        read([folder / "notes.txt"])
    with pytest.raises(InputError, match="two sessions are called 'A'"):
        read([folder / "A.npz", folder / "bad" / ".." / "A.npz"])
    with pytest.raises(InputError, match="there is no session"):
        load_sessions([])
    with pytest.raises(InputError, match="sessions are a int"):
        load_sessions(3)
