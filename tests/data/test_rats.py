"""The rats' recordings from files in the published layout: windows, pairing, splits, damage."""

import numpy as np
import pytest

from counterpoint.data.named import named
from counterpoint.data.rats import rats
from counterpoint.errors import InputError

RATS = {"barat": 92, "buchanan": 79, "mitt": 104, "stella": 49, "superchris": 46}
FIRST = {"barat": 225, "buchanan": 225, "mitt": 250, "stella": 250, "superchris": 225}
ODOURS = {  # unequal numbers, an odour of which one rat has one trial, and the fifth, which nobody uses
    "barat": [1, 2, 3, 4, 5, 1, 2, 3, 1, 4],
    "buchanan": [4, 3, 2, 1, 1, 2, 3, 4, 1],
    "mitt": [5, 1, 1, 1, 2, 2, 3, 3, 4],
    "stella": [1, 1, 2, 2, 3, 3, 4, 4, 4],
    "superchris": [1, 2, 3, 4, 1, 2, 3, 4, 1],
}
LEAST = {"A": 2, "B": 2, "C": 2, "D": 1}


def recording(rat):
    """Spikes (trials, neurons, 400): rare counts that differ by rat."""
    rng = np.random.default_rng(list(RATS).index(rat))
    return rng.poisson(0.2, (len(ODOURS[rat]), RATS[rat], 400)).astype(float)


def written(folder, names=RATS):
    for rat, name in zip(RATS, names, strict=True):
        (folder / name).mkdir()
        told = np.zeros((len(ODOURS[rat]), 5))
        told[:, 3] = ODOURS[rat]
        np.save(folder / name / f"{rat}_trial_info.npy", told)
        np.save(folder / name / f"{rat}_spike_data_binned.npy", recording(rat))
        np.save(folder / name / f"{rat}_lfp_data_sampled.npy", np.zeros((len(told), 400, 2)))
    return folder


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path)


def window(rat, trial, at):
    """One row, by loops: neuron by neuron, ten bins of each."""
    spikes = recording(rat)[trial]
    return [spikes[neuron, FIRST[rat] + at + b] for neuron in range(RATS[rat]) for b in range(10)]


def check_rows(data):
    """Every row that is there holds the window and the odour that its labels say."""
    for name in data.names:
        there, trials = data.present()[name], data.labels[f"trial of {name}"]
        np.testing.assert_array_equal(there, trials >= 0)
        for row in np.flatnonzero(there)[::7]:
            wanted = window(name, trials[row], data.labels["window"][row])
            np.testing.assert_array_equal(data.x[name][row], np.array(wanted, np.float32))
        letters = np.array(["?", "A", "B", "C", "D", "E"])[np.array(ODOURS[name])[trials[there]]]
        np.testing.assert_array_equal(letters, data.labels["odour"][there])


@pytest.mark.parametrize("pairing", ["odour", "order"])
def test_windows_are_those_of_the_appendix(folder, pairing):
    for part in rats(folder, pairing=pairing):
        assert {n: x.shape[1] for n, x in part.x.items()} == {n: 10 * size for n, size in RATS.items()}
        assert {x.dtype for x in part.x.values()} == {np.dtype(np.float32)}
        check_rows(part)


def test_the_published_pairs_and_parts(folder):
    train, test = rats(folder, pairing="order", split="published")
    assert len(train) == len(test) == 16 * sum(LEAST.values())
    for name in train.names:
        np.testing.assert_array_equal(train.x[name], test.x[name])
        assert train.present()[name].all()
        trials = train.labels[f"trial of {name}"].reshape(-1, 16)
        assert (trials == trials[:, :1]).all()
        wanted = [t for o, odour in enumerate(LEAST) for t in of(name, o + 1)[: LEAST[odour]]]
        assert trials[:, 0].tolist() == wanted
    assert train.labels["window"].tolist() == list(range(16)) * (len(train) // 16)
    assert train.pairs is None
    assert train.blocks.tolist() == np.repeat(np.arange(len(train) // 16), 16).tolist()


def of(rat, odour):
    return [t for t, o in enumerate(ODOURS[rat]) if o == odour]


@pytest.mark.parametrize("pairing", ["odour", "order"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_trial_is_on_both_sides(folder, pairing, seed):
    train, test = rats(folder, pairing=pairing, seed=seed, test=0.4)
    for name in RATS:
        one, other = (set(part.labels[f"trial of {name}"].tolist()) - {-1} for part in (train, test))
        assert not one & other
        if pairing == "odour":  # nothing but the fifth odour is left out
            assert one | other == {t for t, odour in enumerate(ODOURS[name]) if odour < 5}
    for part in (train, test):
        assert (np.bincount(part.blocks) == 16).all()
    assert set(test.labels["odour"]) == ({"A", "B", "C"} if pairing == "order" else {"A", "B", "C", "D"})


def test_windows_are_paired_anew_within_odour_and_time(folder):
    train, _ = rats(folder)
    for code in np.unique(train.pairs):
        rows = train.pairs == code
        assert len(set(train.labels["odour"][rows])) == len(set(train.labels["window"][rows])) == 1
    assert len(np.unique(train.pairs)) == 4 * 16


def test_the_seed_decides_what_is_held_out(folder):
    one, two, other = (rats(folder, seed=seed)[1].labels["trial of barat"].tolist() for seed in (3, 3, 4))
    assert one == two != other


def test_folders_in_capital_letters_and_fewer_animals(tmp_path, folder):
    (tmp_path / "again").mkdir()
    older = written(tmp_path / "again", ("Barat", "Buchanan", "Mitt", "Stella", "SuperChris"))
    for a, b in zip(rats(folder), rats(older), strict=True):
        for name in RATS:
            np.testing.assert_array_equal(a.x[name], b.x[name])
    train, _ = rats(folder, animals=["stella", "mitt"], pairing="order")
    assert train.names == ("stella", "mitt")


def test_the_field_potentials_are_not_needed(folder):
    for path in folder.glob("*/*_lfp_data_sampled.npy"):
        path.unlink()
    rats(folder)


def test_by_name(folder):
    train, test = named({"name": "rats", "folder": str(folder), "pairing": "order", "test": 0.3})
    assert (len(train) + len(test)) == 16 * sum(LEAST.values())


@pytest.mark.parametrize("what", ["trial_info", "spike_data_binned"])
def test_missing_and_cut_files_are_named(folder, what):
    path = folder / "mitt" / f"mitt_{what}.npy"
    content = path.read_bytes()
    for share in (0, 0.00001, 0.5, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=f"mitt_{what}.npy"):
            rats(folder)
    path.unlink()
    with pytest.raises(InputError, match=f"mitt/mitt_{what}.npy is missing; download it from https://doi"):
        rats(folder)


def told(change):
    told = np.zeros((len(ODOURS["stella"]), 5))
    told[:, 3] = ODOURS["stella"]
    return change(told)


def at(array, where, value):
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("what", "content", "says"),
    [
        (
            "trial_info",
            lambda: told(lambda t: at(t, (5, 3), 6)),
            "has the odour 6 in row 5; odours are 1 to 5",
        ),
        ("trial_info", lambda: told(lambda t: at(t, (0, 3), 0)), "has the odour 0 in row 0"),
        ("trial_info", lambda: told(lambda t: at(t, (2, 3), np.nan)), "has the odour nan in row 2"),
        ("trial_info", lambda: told(lambda t: at(t, (1, 3), 1.5)), "has the odour 1.5 in row 1"),
        ("trial_info", lambda: told(lambda t: t[:, :3]), r"holds float64 \(9, 3\).*fourth column"),
        ("trial_info", lambda: told(lambda t: t.astype(str)), "holds <U"),
        ("trial_info", lambda: told(lambda t: t[:0]), r"holds float64 \(0, 5\)"),
        (
            "trial_info",
            lambda: told(lambda t: t[:-1]),
            r"spike_data_binned.npy holds .*as many trials as stella",
        ),
        ("trial_info", lambda: told(lambda t: t.astype(object)), "trial_info.npy holds Python objects"),
        (
            "spike_data_binned",
            lambda: recording("superchris"),
            r"\(9, 46, 400\); it must hold numbers \(9, 49, 275 or more\)",
        ),
        (
            "spike_data_binned",
            lambda: recording("stella")[:, :, :274],
            r"\(9, 49, 274\); it must hold numbers \(9, 49, 275 or more\)",
        ),
        ("spike_data_binned", lambda: recording("stella")[0], r"holds float64 \(49, 400\)"),
        (
            "spike_data_binned",
            lambda: at(recording("stella"), (3, 7, 260), -1),
            "holds -1 for neuron 7 in bin 260",
        ),
        ("spike_data_binned", lambda: at(recording("stella"), (3, 7, 250), np.nan), "holds nan for neuron 7"),
    ],
)
def test_other_contents_are_refused(folder, what, content, says):
    np.save(folder / "stella" / f"stella_{what}.npy", content(), allow_pickle=True)
    with pytest.raises(InputError, match=f"stella_.*{says}"):
        rats(folder)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"animals": ["rex"]}, "animals is 'rex'"),
        ({"animals": []}, "animals is empty"),
        ({"pairing": "odor"}, "pairing is 'odor'.*Did you mean 'odour'"),
        ({"split": "windows"}, "split is 'windows'; allowed are trials, published"),
        ({"test": 1.0}, "test is 1.0"),
        ({"test": 0}, "test is 0"),
    ],
)
def test_options(folder, options, says):
    with pytest.raises(InputError, match=says):
        rats(folder, **options)


def test_too_few_trials(tmp_path):
    for rat, odours in (("stella", [1, 2]), ("mitt", [3, 4, 5])):
        (tmp_path / rat).mkdir()
        info = np.zeros((len(odours), 4))
        info[:, 3] = odours
        np.save(tmp_path / rat / f"{rat}_trial_info.npy", info)
        np.save(tmp_path / rat / f"{rat}_spike_data_binned.npy", np.zeros((len(odours), RATS[rat], 400)))
    with pytest.raises(InputError, match="no odour has two trials"):
        rats(tmp_path, animals=["stella"])
    for pairing in ("order", "odour"):
        with pytest.raises(InputError, match=r"no odour was given to all|no two sessions share"):
            rats(tmp_path, animals=["stella", "mitt"], pairing=pairing)
