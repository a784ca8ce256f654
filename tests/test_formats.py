"""A run of every format that was ever written is loaded, for ever, and answers as it did."""

from pathlib import Path

import numpy as np
import pytest

import counterpoint as cp
from counterpoint.manifest import FORMAT

PLACE = Path(__file__).parent / "formats"  # a folder a format, and beside it rows with their embedding


def test_every_format_has_its_run():
    assert sorted(int(p.name) for p in PLACE.iterdir() if p.is_dir()) == list(range(1, FORMAT + 1))


@pytest.mark.parametrize("version", range(1, FORMAT + 1))
def test_a_run_of_this_format_answers_as_it_did(version):
    m = cp.load(PLACE / str(version))
    with np.load(PLACE / f"{version}.npz") as found:
        rows = {name: found[name] for name in m.modalities_}
        np.testing.assert_allclose(m.transform(rows), found["joint"], rtol=1e-4, atol=1e-5)
    assert len(m.history_) == 2
    assert m.impute(rows, draws=2)["counts"].filled.shape == (9, 2)
