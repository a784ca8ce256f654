"""The mice from a file in its layout: windows above the baseline, pairs, parts, damage."""

import numpy as np
import pytest

from counterpoint.data.mouse_gratings import mouse_gratings
from counterpoint.data.named import named
from counterpoint.errors import InputError

CELLS = {"one": 3, "two": 5}
TIMES = np.arange(49) / 16 - 1  # 16 samples a second, on at 0
DIRECTION = np.random.default_rng(0).permutation(np.repeat(np.arange(8), 4))


def traces(mouse):
    rng = np.random.default_rng(len(mouse) + CELLS[mouse])
    return rng.normal(size=(len(DIRECTION), CELLS[mouse], len(TIMES))).astype(np.float32)


def contents():
    return {
        "animals": np.array(list(CELLS)),
        "t": TIMES.astype(np.float32),
        "direction": DIRECTION,
        **{f"traces_{mouse}": traces(mouse) for mouse in CELLS},
        "pupil_one": np.zeros((len(DIRECTION), len(TIMES))),
    }


def written(folder):
    folder.mkdir(exist_ok=True)
    np.savez(folder / "mouse_gratings.npz", **contents())
    return folder


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "mice")


def test_a_row_is_a_window_above_the_baseline(folder):
    train, test = mouse_gratings(folder)
    assert (len(train), len(test)) == (24 * 7, 8 * 7)
    for part in (train, test):
        for mouse in CELLS:
            for row in range(0, len(part), 5):
                trial, at = part.labels[f"trial of {mouse}"][row], part.labels["window"][row]
                start = 0.25 * (1 + at)
                inside = (start <= TIMES) & (start + 0.25 > TIMES)
                assert inside.sum() == 4
                here = traces(mouse)[trial]
                wanted = here[:, inside].mean(1) - here[:, TIMES < 0].mean(1)
                np.testing.assert_allclose(part.x[mouse][row], wanted, atol=1e-6)
                assert part.labels["direction"][row] == 45 * DIRECTION[trial]


def test_rows_are_paired_by_direction_and_time_alone(folder):
    train, _ = mouse_gratings(folder)
    assert len(np.unique(train.pairs)) == 8 * 7
    for code in np.unique(train.pairs):
        rows = train.pairs == code
        assert len(set(train.labels["direction"][rows])) == len(set(train.labels["window"][rows])) == 1
    assert (np.bincount(train.blocks) == 7).all()


@pytest.mark.parametrize("held", [0, 3])
def test_a_part_of_the_repetitions_is_held_out(folder, held):
    train, test = mouse_gratings(folder, held=held)
    sets = [set(part.labels["trial of one"].tolist()) for part in (train, test)]
    assert not sets[0] & sets[1]
    assert sets[0] | sets[1] == set(range(len(DIRECTION)))
    wanted = {int(np.flatnonzero(d == DIRECTION)[held]) for d in range(8)}
    assert sets[1] == wanted


def test_by_name_with_fewer_mice_and_wider_windows(folder):
    given = {"name": "mouse_gratings", "folder": str(folder), "mice": ["two"], "width": 0.4375, "blocks": 2}
    train, test = named(given)
    assert train.names == ("two",)
    assert (len(train), len(test)) == (16 * 4, 16 * 4)


def test_missing_and_cut_files_are_named(folder):
    path = folder / "mouse_gratings.npz"
    content = path.read_bytes()
    for share in (0, 0.3, 0.9, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=r"mouse_gratings\.npz"):
            mouse_gratings(folder)
    path.unlink()
    with pytest.raises(InputError, match=r"mouse_gratings\.npz is missing"):
        mouse_gratings(folder)


def changed(array, where, value):
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("direction"), "holds nothing as 'direction'"),
        (lambda c: c.pop("traces_two"), "holds nothing as 'traces_two'"),
        (lambda c: c.update(direction=changed(c["direction"], 3, 8)), "the direction 8 in trial 3"),
        (lambda c: c.update(direction=c["direction"][:-1]), r"here \(31, cells, 49\)"),
        (lambda c: c.update(t=c["t"][:-1]), r"here \(32, cells, 48\)"),
        (lambda c: c.update(t=c["t"] + 1), "no time in 't' is below 0"),
        (lambda c: c.update(traces_one=c["traces_one"][0]), r"holds float32 \(3, 49\) as 'traces_one'"),
        (lambda c: c["traces_one"].__setitem__((2, 1, 7), np.nan), "trial 2, cell 1, sample 7"),
    ],
)  # fmt: skip
def test_other_contents_are_refused(folder, change, says):
    content = contents()
    change(content)
    np.savez(folder / "mouse_gratings.npz", **content)
    with pytest.raises(InputError, match=f"mouse_gratings.npz.*{says}"):
        mouse_gratings(folder)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mice": ["three"]}, "mice is 'three'"),
        ({"held": 4}, "held is 4 of 4 blocks"),
        ({"blocks": 1}, "blocks is 1"),
        ({"width": 0.1}, "give whole ones"),
        ({"width": 9}, "a width of at least one sample"),
    ],
)
def test_options(folder, options, says):
    with pytest.raises(InputError, match=says):
        mouse_gratings(folder, **options)


def test_the_real_file(real_data):
    train, test = mouse_gratings(real_data / "mouse_gratings", held=3)
    assert [x.shape[1] for x in train.x.values()] == [28, 53, 74, 39, 56, 18, 39]
    assert (len(train), len(test)) == (96 * 7, 32 * 7)
    assert np.unique(test.labels["direction"]).tolist() == list(range(0, 360, 45))
