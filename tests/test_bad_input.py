"""Every bad input gets one clear error, before any training; docs/bad-input.md shows what users are told."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from bad_inputs import CASES, PARTS, answer, document, folder_of_runs, model, values

TABLE = Path(__file__).parents[1] / "docs" / "bad-input.md"


@pytest.fixture(scope="module", autouse=True)
def _made_before():
    values(), folder_of_runs()  # what the snippets start from is no part of their time


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what.replace("/", " "))
def test_one_clear_answer(case):
    start = time.perf_counter()
    said, epochs = answer(case)
    seconds = time.perf_counter() - start
    assert re.search(case.says, said), said
    assert seconds < 5
    if not case.fine:
        assert epochs == 0, "refused only after training had begun"
        assert "\n" not in said, "an answer is one line"
        assert said[-1] in ".?", "an answer is a sentence"


def test_there_are_many_and_each_is_another():
    names = [(title, case.what) for title, cases in PARTS for case in cases]
    assert len(set(names)) == len(names)
    assert len([c for c in CASES if not c.fine]) >= 55


def test_the_table_is_up_to_date():
    assert TABLE.read_text() == document(), "run: python tests/bad_inputs.py > docs/bad-input.md"


def test_a_row_with_nothing_observed_is_decoded_from_the_prior():
    fitted = model(epochs=3).fit(values()["data"])
    empty = {"rna": [[np.nan] * 4], "protein": [[np.nan] * 3]}
    assert np.array_equal(fitted.embed(empty), np.zeros((1, 2)))
    assert np.isnan(fitted.embed_each(empty)["rna"]).all()
    found = fitted.impute(empty)
    assert all(np.isfinite(one.filled).all() and np.isfinite(one.draws).all() for one in found.values())
    for method in ("poe", "avg", "moe", "mopoe", "mvae", "independent"):
        assert np.array_equal(model(method).fit(values()["data"]).embed(empty), np.zeros((1, 2))), method
