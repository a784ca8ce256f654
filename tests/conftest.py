"""Shape annotations of floors 0-4 are checked here, and only here."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

CHECKED = ("batch", "distributions", "aggregation", "priors", "objectives", "model")
install_import_hook([f"counterpoint.{m}" for m in CHECKED], "shape_checker.check")

import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that `COUNTERPOINT_DATA` names."""
    folder = os.environ.get("COUNTERPOINT_DATA")
    if not folder:
        if os.environ.get("CI"):
            pytest.fail("COUNTERPOINT_DATA is not set; CI must run on the real data")
        pytest.skip("COUNTERPOINT_DATA is not set: no real data on this machine")
    return Path(folder)
