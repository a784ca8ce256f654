"""The door: each bad input with its one clear error, and what is allowed goes through unchanged."""

import subprocess
import sys

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation import checks


@pytest.mark.parametrize("package", ["numpy", "sklearn", "scipy", "torch", "pandas"])
def test_importing_the_evaluation_loads_nothing_heavy(package):
    code = f"import sys, counterpoint.evaluation; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([["a"]], "real numbers"),
        (np.array([[1j]]), "real numbers"),
        (np.zeros((0, 3)), "at least one row"),
        (3.0, "at least one row"),
        ([[1], [1, 2]], "dense array"),
        (np.array([object()]), "real numbers"),
    ],
)
def test_numbers_refuses(values, said):
    with pytest.raises(InputError, match=said):
        checks.numbers("x", values)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float16, bool, object])
def test_numbers_takes_every_real_type(kind):
    assert checks.numbers("x", np.ones((2, 3), dtype=kind)).dtype == np.float64


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5, 1.0], "fractions"),
        ([1.0, np.nan], "missing"),
        (np.array(["a", None], dtype=object), "missing"),
        (np.array(["a", 1], dtype=object), "mixes"),
        (np.zeros((3, 1)), "one label per row"),
        ([], "one label per row"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "whole numbers or text"),
    ],
)
def test_labels_refuses(values, said):
    with pytest.raises(InputError, match=said):
        checks.labels("y", values)


def test_labels_of_text_in_an_object_array_become_text():
    assert checks.labels("y", np.array(["a", "bb"], dtype=object)).dtype.kind == "U"


@pytest.mark.parametrize("present", [[1, 0], [True], [[True], [False]]])
def test_presence_refuses_what_is_not_one_bool_per_row(present):
    with pytest.raises(InputError, match="one bool per row"):
        checks.presence("present", {"a": present}, "a", 2)
