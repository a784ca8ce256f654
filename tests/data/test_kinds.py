"""The likelihood that suits a modality is inferred from its observed values."""

import os
from pathlib import Path

import numpy as np
import pytest

from counterpoint.data import infer, read
from counterpoint.errors import InputError

RNG = np.random.default_rng(0)
CASES = {
    "bytes 0/1": (RNG.integers(0, 2, (50, 4)).astype(np.uint8), "bernoulli"),
    "floats 0/1": (RNG.integers(0, 2, (50, 4)).astype(float), "bernoulli"),
    "binary image": (RNG.integers(0, 2, (50, 4, 4)).astype(np.uint8), "bernoulli"),
    "unit interval": (RNG.uniform(size=(50, 4)), "bernoulli"),
    "unit image": (RNG.uniform(size=(50, 4, 4)), "laplace"),
    "byte image": (RNG.integers(0, 256, (50, 4, 4)).astype(np.uint8), "laplace"),
    "flat byte image": (RNG.integers(0, 256, (500, 20)).astype(np.uint8), "laplace"),
    "small counts in an image": (RNG.poisson(2, (50, 4, 4)).astype(np.uint8), "poisson"),
    "poisson": (RNG.poisson(3, (500, 6)), "poisson"),
    "poisson as floats": (RNG.poisson(3, (500, 6)).astype(np.float32), "poisson"),
    "overdispersed": (RNG.negative_binomial(1, 0.1, (500, 6)), "negative_binomial"),
    "overdispersed, few features": (RNG.negative_binomial(1, 0.1, (500, 4)), "poisson"),
    "negative whole numbers": (RNG.integers(-5, 5, (50, 4)), "normal"),
    "real": (RNG.normal(size=(50, 4)), "normal"),
    "real image": (RNG.normal(size=(50, 4, 4)), "normal"),
}


@pytest.mark.parametrize("case", CASES)
def test_likelihood(case):
    values, likelihood = CASES[case]
    assert infer(values, np.ones(len(values), dtype=bool)).likelihood == likelihood


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("whole_rows", [True, False])
def test_only_observed_values_count(case, whole_rows):
    values, likelihood = CASES[case]
    hidden = RNG.uniform(size=len(values) if whole_rows else values.shape) < 0.2
    spoilt = values.copy()
    spoilt[hidden] = 101
    assert infer(spoilt, ~hidden).likelihood == likelihood


def test_categories_and_log_normalised_counts():
    data = read({"a": ["x", "y", "x"]})
    kind = infer(data.x["a"], data.mask["a"], data.categories["a"])
    assert (kind.likelihood, kind.looks_like) == ("categorical", "categories")
    logged = np.log1p(RNG.poisson(1, (100, 5)) * 1.7)
    kind = infer(logged, np.ones(100, dtype=bool))
    assert kind.likelihood == "normal"
    assert "log-normalised" in kind.why
    with pytest.raises(InputError, match="Nothing is observed"):
        infer(logged, np.zeros(100, dtype=bool))


def test_real_sets():
    folder = os.environ.get("COUNTERPOINT_DATA")
    if not folder:
        pytest.skip("COUNTERPOINT_DATA is not set: it names the folder of the real data sets")
    found = {}
    for name in ("mfeat", "nutrimouse", "pbmc_citeseq400"):
        data = read(Path(folder) / name / f"{name}.npz")
        found |= {m: infer(data.x[m], data.mask[m]).likelihood for m in data.names}
    assert found == {
        "fou": "bernoulli",
        "fac": "negative_binomial",
        "kar": "normal",
        "pix": "negative_binomial",
        "zer": "normal",
        "mor": "normal",
        "gene": "normal",
        "lipid": "normal",
        "rna_counts": "negative_binomial",
        "protein_counts": "negative_binomial",
    }
    images = read(Path(folder) / "mnist" / "test.npz")[:1000]
    assert infer(images.x["images"], images.mask["images"]).looks_like == "8-bit image"
