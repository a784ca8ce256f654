"""What the model reads, and the way back to the data's own units."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from counterpoint.data import Preparation, read
from counterpoint.data.checks import LIKELIHOODS
from counterpoint.errors import InputError
from kinds_of_data import mixed

NAN = float("nan")
RNG = np.random.default_rng(0)


KINDS = {
    "real": "normal",
    "counts": "negative_binomial",
    "few": "poisson",
    "image": "laplace",
    "unit": "laplace",
    "binary": "bernoulli",
    "text": "categorical",
}


def test_fit_and_apply_every_kind():
    data = mixed()
    preparation = Preparation.fit(data)
    assert preparation.likelihoods == KINDS
    assert preparation.names == data.names
    x, mask = preparation.apply(data)
    for name in data.names:
        assert x[name].dtype == (np.int64 if name == "text" else np.float32)
        assert x[name].shape == data.x[name].shape
        assert x[name].flags.c_contiguous
        assert (mask[name] == data.mask[name]).all()
    seen = np.where(data.mask["real"], x["real"], np.nan)
    np.testing.assert_allclose(np.nanmean(seen, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(seen, axis=0), 1, atol=1e-6)
    assert x["real"][0, 0] == 0
    assert 0.9 < x["image"].max() <= 1
    for name in ("counts", "few", "unit", "binary"):
        np.testing.assert_allclose(x[name], data.x[name], rtol=1e-6)
    assert preparation["text"].n_categories == 3
    counts = data.x["counts"][data.mask["counts"]].sum(axis=1)
    assert preparation["counts"].library_size == np.median(counts)


def test_library_size_counts_the_observed_share():
    data = read({"a": np.array([[2.0, NAN], [3.0, 3.0], [NAN, NAN], [5.0, 5.0]])})
    one = Preparation.fit(data, likelihood="negative_binomial")["a"]
    assert one.library_size == 6.0  # of 4, 6 and 10


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 8), st.integers(1, 4)),
        elements=st.floats(-1e3, 1e3, width=32) | st.just(NAN),
    ),
    st.sampled_from(["normal", "normal_learned", "laplace", "laplace_learned"]),
    st.booleans(),
)
def test_there_and_back(values, likelihood, standardise):
    if np.isnan(values).all():
        values[0, 0] = 1.0
    data = read({"a": values})
    preparation = Preparation.fit(data, likelihood, standardise=standardise, constant="keep")
    x, _ = preparation.apply(data)
    seen = ~np.isnan(values)
    assert np.isfinite(x["a"]).all()
    assert (x["a"][~seen] == 0).all()
    np.testing.assert_allclose(preparation.inverse("a", x["a"])[seen], values[seen], rtol=1e-4, atol=1e-4)
    again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict(), allow_nan=False)))
    assert (again.apply(data)[0]["a"] == x["a"]).all()


def test_units_of_every_kind_come_back():
    data = mixed()
    preparation = Preparation.fit(data)
    x, _ = preparation.apply(data)
    for name in data.names:
        seen = data.mask[name]
        np.testing.assert_allclose(
            preparation.inverse(name, x[name])[seen], data.x[name][seen], rtol=1e-4, atol=1e-4
        )
    draws = np.zeros((5, 2, 3))
    assert preparation.inverse("real", draws).shape == (5, 2, 3)
    np.testing.assert_allclose(preparation.inverse_scale("real", np.ones(3)), preparation["real"].scale)
    assert preparation.inverse_scale("image", np.full((1, 4, 4), 0.1))[0, 0, 0] == pytest.approx(25.5)
    assert preparation.inverse("text", np.zeros((2, 1, 3))).shape == (2, 1, 3)  # probabilities
    for wrong in (np.zeros((2, 4)), np.zeros(2), 1.0):
        with pytest.raises(InputError, match=r"last dimensions must be \(3,\)"):
            preparation.inverse("real", wrong)
    with pytest.raises(InputError, match="Did you mean 'real'"):
        preparation.inverse("rael", draws)


def test_large_numbers_keep_their_differences():
    values = 1e9 + np.arange(8.0).reshape(4, 2) + 0.5
    preparation = Preparation.fit({"a": values})
    x, _ = preparation.apply({"a": values})
    np.testing.assert_allclose(preparation.inverse("a", x["a"]), values, atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="rescale"):
        Preparation.fit({"a": [[1e300], [-1e300]]})
    with pytest.raises(InputError, match="float32"):
        Preparation.fit({"a": [[1.5], [-1.0]]}, standardise=False).apply({"a": [[1e300]]})


def test_what_is_standardised():
    data = {"a": RNG.normal(size=(20, 3)), "image": RNG.normal(size=(20, 3, 3))}
    for word, shifted in (("normal", {"a", "image"}), ("laplace", {"a"}), ("laplace_learned", {"a"})):
        preparation = Preparation.fit(data, word)
        assert {name for name in data if preparation[name].shift is not None} == shifted
    assert Preparation.fit(data, standardise=False)["a"].shift is None
    some = Preparation.fit(data, {"image": "laplace"})
    assert some.likelihoods == {"a": "normal", "image": "laplace"}
    edge = np.zeros((4, 2, 2))
    edge[:, 1, 1] = [0.5, -1.0, 2.0, 3.0]
    assert np.isfinite(Preparation.fit({"a": edge}, "normal").apply({"a": edge})[0]["a"]).all()


def test_bytes_as_bernoulli_are_scaled_too():
    data = {"image": RNG.integers(0, 256, (20, 3, 3)).astype(np.uint8)}
    x, _ = Preparation.fit(data, "bernoulli").apply(data)
    assert x["image"].max() <= 1
    preparation = Preparation.fit(data)
    dark, _ = preparation.apply({"image": np.full((1, 3, 3), 5, dtype=np.uint8)})
    np.testing.assert_allclose(dark["image"], 5 / 255, rtol=1e-6)
    with pytest.raises(InputError, match="Multiply it by 255"):
        preparation.apply({"image": np.full((1, 3, 3), 0.5)})
    with pytest.raises(InputError, match="0 to 255"):
        preparation.apply({"image": np.full((1, 3, 3), 300)})
    unit = Preparation.fit({"image": RNG.uniform(size=(20, 3, 3))})
    with pytest.raises(InputError, match="Divide it by 255"):
        unit.apply(data)


def test_absent_modalities_and_the_fitted_order():
    data = mixed()
    preparation = Preparation.fit(data)
    x, mask = preparation.apply(data.select(["few", "real"]))
    assert list(x) == list(mask) == list(data.names)
    assert not mask["image"].any()
    assert x["image"].shape == (40, 4, 4)
    assert x["text"].dtype == np.int64
    with pytest.raises(InputError, match="lack 'counts', 'image'"):
        preparation.apply(data.select(["few", "real", "unit", "binary", "text"]), allow_absent=False)
    x, mask = preparation.apply(data.without("real"))
    assert not mask["real"].any()
    assert not x["real"].any()


def test_categories_are_matched_by_name():
    preparation = Preparation.fit({"a": ["x", "y", "z"], "b": [0.5, 1.5, -1.0]})
    x, mask = preparation.apply({"a": pd.Series(["z", None, "x"])})
    assert x["a"].tolist() == [[2], [0], [0]]
    assert mask["a"].tolist() == [True, False, True]
    with pytest.raises(InputError, match=r"row 1.*new are 'q', known are 'x', 'y', 'z'"):
        preparation.apply({"a": ["x", "q"]})
    with pytest.raises(InputError, match="fitted on text"):
        preparation.apply({"a": [0, 1]})
    with pytest.raises(InputError, match="fitted on numbers"):
        preparation.apply({"b": ["x", "y"]})
    declared = pd.Series(pd.Categorical(["y"], categories=["q", "y"]))  # 'q' is not there
    assert preparation.apply({"a": declared})[0]["a"].tolist() == [[1]]
    coded = Preparation.fit({"a": [[0, 2], [1, 0]]}, "categorical")
    assert coded["a"].n_categories == 3
    with pytest.raises(InputError, match="codes from 0 to 2"):
        coded.apply({"a": [[3, 0]]})


FIT = {
    "unknown likelihood": ({"a": [1.5, 2.0]}, {"likelihood": "norml"}, "Did you mean 'normal'"),
    "unknown in a dict": ({"a": [1.5, 2.0]}, {"likelihood": {"a": "norml"}}, "modality 'a' is 'norml'"),
    "unknown modality": ({"rna": [1.5, 2.0]}, {"likelihood": {"rma": "normal"}}, "Did you mean 'rna'"),
    "likelihood a number": ({"a": [1.5, 2.0]}, {"likelihood": 3}, "is 3"),
    "standardise": ({"a": [1.5, 2.0]}, {"standardise": "yes"}, "True or False"),
    "constant": ({"a": [1.5, 2.0]}, {"constant": "kep"}, "Did you mean 'keep'"),
    "constant column": (
        {"a": pd.DataFrame({"u": [1.5, 2.0], "v": [3.5, 3.5]})},
        {},
        "1 of 2 columns are constant or never observed in the 2 training rows: 'v'",
    ),
    "many constants": ({"a": np.full((3, 9), 1.5)}, {}, "9 of 9 columns"),
    "column never observed": ({"a": [[1.5, NAN], [2.5, NAN]]}, {}, "drop them or pass constant='keep'"),
    "negative counts": ({"a": [-1, 2]}, {"likelihood": "poisson"}, "holds -1 in row 0, column 0"),
    "broken counts": ({"a": [1, 2.5]}, {"likelihood": "negative_binomial"}, "holds 2.5 in row 1"),
    "beyond bernoulli": ({"a": [0.0, 1.5]}, {"likelihood": "bernoulli"}, "[0, 1]"),
    "negative codes": ({"a": [-1, 2]}, {"likelihood": "categorical"}, "whole numbers"),
    "one category": ({"a": ["x", "x"]}, {}, "one category only"),
    "text as numbers": ({"a": ["x", "y"]}, {"likelihood": "normal"}, "'categorical'"),
}


@pytest.mark.parametrize("case", FIT)
def test_bad_fits(case):
    source, options, words = FIT[case]
    with pytest.raises(InputError) as error:
        Preparation.fit(read(source), **options)
    assert words in str(error.value)


def test_five_names_of_constant_columns_are_enough():
    with pytest.raises(InputError, match=r"rows: 0, 1, 2, 3, 4, \.\.\."):
        Preparation.fit({"a": np.full((3, 9), 1.5)})
    kept = Preparation.fit({"a": np.full((3, 2), 1.5)}, constant="keep")
    assert kept.apply({"a": [[1.5, 2.5]]})[0]["a"].tolist() == [[0.0, 1.0]]


def test_a_modality_hidden_in_all_training_rows():
    data = read({"a": [1.5, 2.0], "b": [1.0, 2.5]}).without("a")
    with pytest.raises(InputError, match="'a' is never observed in the training rows"):
        Preparation.fit(data)


APPLY = {
    "extra": ({"real": np.ones((2, 3)), "raw": np.ones(2)}, "'raw' was not fitted"),
    "near": ({"cuonts": np.ones((2, 6))}, "Did you mean 'counts'"),
    "width": ({"real": np.ones((2, 4))}, "has 4 features per row; it was fitted on 3"),
    "image": (
        {"image": np.ones((2, 4, 5), dtype=np.uint8)},
        "(4, 5) features per row; it was fitted on (4, 4)",
    ),
    "order": (
        {"real": pd.DataFrame(np.ones((2, 3)), columns=["u", "w", "v"])},
        "column 1 is 'w', it was fitted with 'v'",
    ),
    "others": ({"real": pd.DataFrame(np.ones((2, 3)), columns=["u", "v", "q"])}, "lacking, such as 'w'"),
    "negative": ({"counts": np.full((2, 6), -1)}, "likelihood 'negative_binomial' needs whole numbers"),
    "broken": ({"few": np.full((2, 3), 0.5)}, "likelihood 'poisson' needs whole numbers"),
    "not binary": ({"binary": np.full((2, 3), 2)}, "needs values in [0, 1]"),
    "nothing": ({}, "no modality"),
}


@pytest.mark.parametrize("case", APPLY)
def test_data_that_were_not_fitted(case):
    source, words = APPLY[case]
    with pytest.raises(InputError) as error:
        Preparation.fit(mixed()).apply(source)
    assert words in str(error.value)


def test_the_likelihoods_are_those_of_the_model():
    likelihoods = pytest.importorskip("counterpoint.likelihoods")
    assert set(LIKELIHOODS) == set(likelihoods.LIKELIHOODS)


def test_real_sets():
    folder = os.environ.get("COUNTERPOINT_DATA")
    if not folder:
        pytest.skip("COUNTERPOINT_DATA is not set: it names the folder of the real data sets")
    for name in ("mfeat", "nutrimouse", "pbmc_citeseq400"):
        data = read(Path(folder) / name / f"{name}.npz")
        preparation = Preparation.fit(data, constant="keep")
        x, mask = preparation.apply(data)
        for m in data.names:
            assert mask[m].all()
            back = preparation.inverse(m, x[m])
            np.testing.assert_allclose(back, data.x[m], rtol=1e-4, atol=1e-4)
    images = read(Path(folder) / "mnist" / "test.npz")[:5000]
    x, _ = Preparation.fit(images).apply(images)
    assert (x["images"].min(), x["images"].max()) == (0, 1)
