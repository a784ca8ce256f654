"""A grid is the product of its axes, checked by name before anything is read or trained."""

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.estimator import Counterpoint
from counterpoint.sweeps.grid import Grid, grid, read_grid


def names(**lines):
    return [p.name for p in grid({"data": "a.npz", **lines}).points]


def test_every_combination_is_a_point_named_by_what_varies():
    assert names(method=["mmvm", "poe"], beta="2**[-1:1]", seed="[0:2]", latent_dim=4) == [
        f"{m}-beta={b}-seed={s}" for m in ("mmvm", "poe") for b in ("0.5", "1") for s in (0, 1)
    ]


def test_nothing_varies():
    assert names() == ["mmvm"]
    assert names(method="poe", beta=2) == ["poe"]


def test_options_go_where_they_belong():
    found = grid(
        {
            "data": "a.npz",
            "method": ["mmvm", "mopoe"],
            "beta": [1, 0.5],
            "mmvm.options.rate": ["pairwise", "mixture"],
            "mopoe.options.draw": "all",
            "weights": {"a": 2.0},
        }
    )
    params = {p.name: p.params for p in found.points}
    assert len(params) == 6
    assert params["mmvm-beta=0.5-rate=mixture"]["options"] == {"rate": "mixture"}
    assert params["mopoe-beta=1"] == {
        **{"method": "mopoe", "beta": 1.0, "weights": {"a": 2.0}},
        "options": {"draw": "all"},
    }
    assert isinstance(params["mopoe-beta=1"]["beta"], float)  # as --beta 1 on the command line
    for point in found.points:
        assert isinstance(point.estimator(), Counterpoint)


def test_controls_are_an_axis():
    found = grid({"data": "a.npz", "control": [False, True], "seed": [0, 1]})
    assert [(p.name, p.control) for p in found.points] == [
        ("mmvm-seed=0", False),
        ("mmvm-seed=1", False),
        ("mmvm-seed=0-shuffled", True),
        ("mmvm-seed=1-shuffled", True),
    ]


def test_names_of_long_values_stay_short_and_differ():
    long = [{"a": "x" * 50, "b": i} for i in range(2)]
    found = names(weights=[{"a": 1.5}, {"a": 2.5}], likelihood=long)
    assert len(set(found)) == 4
    assert all(len(n) < 120 and "/" not in n and " " not in n for n in found)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"metod": "mmvm"}, "a line 'metod'.*Did you mean 'method'"),
        ({"method": "mmvn"}, "Did you mean 'mmvm'"),
        ({"optoins.rate": 1}, "a line 'optoins.rate'.*Did you mean 'options'"),
        ({"poe.beta": 1}, "lines for 'poe', which is not among its methods"),
        ({"mmvm.method": "poe"}, "a line 'mmvm.method'"),
        ({"measures": ["prob"]}, "Did you mean 'probe'"),
        ({"data": None}, "names no data"),
        ({"split_seed": -1}, "split_seed is -1"),
        ({"seed": "[0:9999]", "beta": "[1:20]"}, "over 100000 points"),
        ({"seed": [0, 0]}, "twice"),
    ],
)
def test_lines_that_mean_nothing_are_refused(lines, said):
    with pytest.raises(InputError, match=said):
        grid({"data": "a.npz", **lines})


def test_paths_are_meant_from_the_files_folder(tmp_path):
    (tmp_path / "g.yaml").write_text("data: sub/a.npz\ntest_data: b.npz\n")
    found = read_grid(tmp_path / "g.yaml")
    assert found.once["data"] == str(tmp_path / "sub" / "a.npz")
    assert found.once["test_data"] == str(tmp_path / "b.npz")
    assert read_grid(tmp_path / "g.yaml", data="/x/c.npz").once["data"] == "/x/c.npz"


def test_paths_may_name_variables(tmp_path, monkeypatch):
    (tmp_path / "g.yaml").write_text("data: $SOME_FOLDER/a.npz\n")
    monkeypatch.delenv("SOME_FOLDER", raising=False)
    with pytest.raises(InputError, match="variable that is not set"):
        read_grid(tmp_path / "g.yaml")
    monkeypatch.setenv("SOME_FOLDER", "/x")
    assert read_grid(tmp_path / "g.yaml").once["data"] == "/x/a.npz"


def test_a_grid_reads_its_rows_once_split(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 4))
    np.savez(tmp_path / "d.npz", a=x, b=x + 1, kind=np.arange(30) % 3)
    (tmp_path / "g.yaml").write_text("data: d.npz\ntest: 6\n")
    train, held, label = read_grid(tmp_path / "g.yaml").rows()
    assert (len(train), len(held), label) == (24, 6, "kind")
    again = Grid.from_dict(read_grid(tmp_path / "g.yaml").to_dict())
    assert again == read_grid(tmp_path / "g.yaml")
