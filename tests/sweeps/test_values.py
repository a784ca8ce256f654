"""What is typed into a grid becomes exactly those values, or one clear error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.sweeps.values import alternatives, read_yaml


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        (1, [1]),
        ("mmvm", ["mmvm"]),
        ([1, 2], [1, 2]),
        ("[0:3]", [0, 1, 2]),
        (["0:3"], [0, 1, 2]),
        ("[0:1:0.25]", [0, 0.25, 0.5, 0.75]),
        ("[5:0:-2]", [5, 3, 1]),
        ("2**[-8:3]", [2.0**k for k in range(-8, 3)]),
        ("10 ** [-2, 0]", [0.01, 1]),
        ("0.5*[1:4]", [0.5, 1, 1.5]),
        ([0.1, "2**[0:2]"], [0.1, 1, 2]),
        ("linear:0:1:2000", ["linear:0:1:2000"]),
        (["linear:0:1:2000", 1], ["linear:0:1:2000", 1]),
        (None, [None]),
        ({"a": 1}, [{"a": 1}]),
    ],
)
def test_values_are_what_was_typed(typed, values):
    assert alternatives("beta", typed) == values


@given(st.integers(-30, 30), st.integers(1, 12))
def test_powers_are_exact(start, count):
    assert alternatives("beta", f"2**[{start}:{start + count}]") == [
        2.0**k for k in range(start, start + count)
    ]


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_ranges_are_pythons(start, end, step):
    wanted = list(range(start, end, step))
    if wanted:
        assert alternatives("seed", f"[{start}:{end}:{step}]") == wanted
    else:
        with pytest.raises(InputError, match="range without values"):
            alternatives("seed", f"[{start}:{end}:{step}]")


@pytest.mark.parametrize(
    ("key", "typed", "said"),
    [
        ("beta", [], "empty list"),
        ("beta", [1, 1], "value 1 twice"),
        ("beta", [2, "2**[1:2]"], "value 2 twice"),
        ("beta", "[3:3]", "range without values"),
        ("beta", "[0:1:0]", "range without values"),
        ("beta", "[0:1000000]", "at most 10000"),
        ("beta", "2**[5000:5002]", "no finite value"),
        ("beta", "0**[-1:1]", "no finite value"),
        ("beta", "-2**[0.5, 1]", "no finite real number"),
        ("beta", "2**[a:b]", "a range is"),
        ("beta", "2**[-1e999:2]", "range that is not finite"),
        ("beta", "[0:1e999]", "range that is not finite"),
        ("beta", "[0:1:1e999]", "range that is not finite"),
        ("beta", "[-1e308:1e308:1e-308]", "range that is not finite"),
    ],
)
def test_what_cannot_be_read_is_said(key, typed, said):
    with pytest.raises(InputError, match=said):
        alternatives(key, typed)


def test_options_that_are_lists_vary_as_lists_of_lists():
    assert alternatives("hidden", [64, 32]) == [[64, 32]]
    assert alternatives("hidden", [[64], [64, 32]]) == [[64], [64, 32]]
    assert alternatives("measures", ["probe", "coherence"]) == [["probe", "coherence"]]


def test_yaml_numbers_are_numbers_and_ranges_no_seconds(tmp_path):
    """YAML 1.1 reads 1e-3 as text, [1:30] as 90 and 010 as 8."""
    file = tmp_path / "g.yaml"
    file.write_text("a: 1e-3\nb: [1:30]\nc: 010\nd: 2.5\ne: true\nf: null\ng: 2**[-8:3]\nh: -1\ni: .inf\n")
    found = read_yaml(file)
    assert found == {
        **{"a": 0.001, "b": ["1:30"], "c": "010", "d": 2.5, "e": True, "f": None, "g": "2**[-8:3]", "h": -1},
        "i": math.inf,
    }
    assert alternatives("seed", found["b"]) == list(range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2", "is not YAML"),
        ("- 1\n- 2\n", "holds no mapping"),
        ("beta: 1\nbeta: 2\n", "names 'beta' twice"),
        ("a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_files_that_cannot_be_a_grid_are_refused(tmp_path, text, said):
    file = tmp_path / "g.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_yaml(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "no.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is not text"):
        read_yaml(tmp_path / "bytes.yaml")
