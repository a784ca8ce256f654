"""From users' arrays and tables to MultimodalData: what is read, and one clear error for what cannot be."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from counterpoint.data import read

NAN = float("nan")


def two(rows=4):
    return {"a": np.arange(2.0 * rows).reshape(rows, 2), "b": np.ones((rows, 3))}


# what is read


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_numbers_of_every_type_stay_as_they_are(dtype):
    values = np.array([[0, 1], [2, 3]], dtype=dtype)
    data = read({"a": values})
    assert data.x["a"].dtype == values.dtype
    assert (data.x["a"] == values).all()
    assert data.mask["a"].tolist() == [True, True]


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        np.array([True, False]),
        torch.tensor([True, False]),
        pd.Series([True, False]),
        pd.Series([True, False], dtype="boolean"),
        np.array([True, False], dtype=object),
    ],
)
def test_bool_becomes_bytes(values):
    data = read({"a": values})
    assert data.x["a"].dtype == np.uint8
    assert data.x["a"].tolist() == [[1], [0]]


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.uint8]
)
def test_tensors_of_every_type(dtype):
    assert read({"a": torch.tensor([[1, 2], [3, 4]]).to(dtype)}).x["a"].tolist() == [[1, 2], [3, 4]]


def test_a_tensor_that_wants_gradients_is_detached():
    assert read({"a": torch.ones(2, 3, requires_grad=True)}).x["a"].shape == (2, 3)


def test_one_dimension_is_one_feature_and_images_keep_their_shape():
    data = read({"a": [1.0, 2.0], "image": np.zeros((2, 3, 4, 5))})
    assert data.x["a"].shape == (2, 1)
    assert data.x["image"].shape == (2, 3, 4, 5)
    assert data.shape == (2, 61)


def test_nan_of_whole_rows_is_a_row_mask_and_of_values_an_element_mask():
    data = read({"rows": [[1.0, 2.0], [NAN, NAN]], "values": [[1.0, NAN], [NAN, NAN]]})
    assert data.mask["rows"].tolist() == [True, False]
    assert data.mask["values"].tolist() == [[True, False], [False, False]]
    assert data.x["values"].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert data.present()["values"].tolist() == [True, False]


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
        elements=st.floats(-1e6, 1e6) | st.just(NAN),
    )
)
def test_nan_anywhere_gives_the_same_mask(values):
    if np.isnan(values).all():
        values.flat[0] = 1.0
    before = values.copy()
    data = read({"a": values})
    seen = data.mask["a"].reshape(data.mask["a"].shape + (1,) * (data.x["a"].ndim - data.mask["a"].ndim))
    seen = np.broadcast_to(seen, data.x["a"].shape).reshape(values.shape)
    assert (seen == ~np.isnan(values)).all()
    assert (data.x["a"].reshape(values.shape)[seen] == values[seen]).all()
    assert (data.x["a"].reshape(values.shape)[~seen] == 0).all()
    assert np.array_equal(values, before, equal_nan=True)  # the user's own array is not written to
    as_ints = read({"a": np.nan_to_num(values).astype(int)}, mask={"a": ~np.isnan(values)})
    assert (as_ints.mask["a"] == data.mask["a"]).all()


def test_a_mask_for_whole_numbers_and_garbage_under_it():
    data = read({"a": np.array([[1, 2], [9, 9]])}, mask={"a": np.array([True, False])})
    assert data.x["a"].tolist() == [[1, 2], [0, 0]]
    data = read({"a": [[1.0, np.inf], [3.0, NAN]]}, mask={"a": torch.tensor([[True, False], [True, False]])})
    assert data.x["a"].tolist() == [[1.0, 0.0], [3.0, 0.0]]
    assert data.mask["a"].tolist() == [[True, False], [True, False]]


def test_masked_arrays():
    values = np.ma.MaskedArray(np.array([[1, 2], [3, 4]]), mask=[[False, True], [False, False]])
    data = read({"a": values})
    assert data.mask["a"].tolist() == [[True, False], [True, True]]
    assert data.x["a"].dtype.kind == "i"


def test_pandas_types_with_their_own_missing_value_stay_whole_numbers():
    frame = pd.DataFrame(
        {"n": pd.array([1, None, 3], dtype="Int64"), "m": pd.array([4, 5, 6], dtype="UInt8")}
    )
    data = read({"a": frame})
    assert data.x["a"].dtype.kind == "i"
    assert data.x["a"].tolist() == [[1, 4], [0, 5], [3, 6]]
    assert data.mask["a"].tolist() == [[True, True], [False, True], [True, True]]
    assert data.features["a"] == ("n", "m")
    mixed = read(
        {"a": pd.DataFrame({"f": [0.5, NAN], "i": [1, 2], "b": [True, False], "none": [None, None]})}
    )
    assert mixed.x["a"].tolist() == [[0.5, 1.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0]]
    assert mixed.mask["a"].tolist() == [[True, True, True, False], [False, True, True, False]]


@pytest.mark.parametrize(
    "values",
    [
        ["y", "x", "y"],
        np.array(["y", "x", "y"]),
        np.array([b"y", b"x", b"y"]),
        np.array(["y", "x", "y"], dtype=object),
        pd.Series(["y", "x", "y"]),
        pd.Series(["y", "x", "y"], dtype="category"),
        pd.DataFrame({"c": ["y", "x", "y"]}),
    ],
)
def test_text_becomes_codes_that_remember_their_names(values):
    data = read({"a": values})
    assert data.categories["a"] == ("x", "y")
    assert data.x["a"].tolist() == [[1], [0], [1]]


def test_categories_keep_the_users_order_and_missing_text_is_masked():
    order = pd.Categorical(["low", None, "high"], categories=["low", "mid", "high"])
    data = read({"a": pd.DataFrame({"dose": order})})
    assert data.categories["a"] == ("low", "mid", "high")
    assert data.mask["a"].tolist() == [True, False, True]
    data = read({"a": pd.DataFrame({"p": ["x", "y"], "q": ["z", None], "r": [None, None]})})
    assert data.categories["a"] == ("x", "y", "z")
    assert data.x["a"].tolist() == [[0, 2, 0], [1, 0, 0]]
    assert data.mask["a"].tolist() == [[True, True, False], [True, False, False]]


@pytest.mark.parametrize("name", ["items", "a_b", "mask", "0", "x.y", "a b", "keys", "__mask", "é"])
def test_names_that_must_work(name):
    data = read({name: np.ones((2, 1))}, mask={name: np.array([True, False])})
    assert data.names == (name,)
    assert data.without(name).present()[name].tolist() == [False, False]


def test_a_row_where_nothing_is_observed_is_allowed():
    data = read({"a": [1.0, NAN], "b": [[2.0], [NAN]]})
    assert data.patterns() == {("a", "b"): 1, (): 1}


# tables


def test_columns_of_two_levels():
    columns = pd.MultiIndex.from_tuples([("rna", "g1"), ("protein", "p1"), ("rna", "g2")])
    data = read(pd.DataFrame([[1.0, 2.0, 3.0], [4.0, NAN, 6.0]], columns=columns, index=["c1", "c2"]))
    assert data.names == ("rna", "protein")
    assert data.features["rna"] == ("g1", "g2")
    assert data.rows == ("c1", "c2")
    assert data.mask["protein"].tolist() == [True, False]


def test_groups_and_labels_of_one_table():
    frame = pd.DataFrame(
        {"g1": [1.0, 2.0], "p": [3.0, 4.0], "g2": [5.0, 6.0], "kind": ["x", "y"], "rest": [0, 0]}
    )
    data = read(frame, groups={"rna": ["g2", "g1"], "protein": ["p"]}, labels=["kind"])
    assert data.x["rna"].tolist() == [[5.0, 1.0], [6.0, 2.0]]
    assert data.features["rna"] == ("g2", "g1")
    assert data.labels["kind"].tolist() == ["x", "y"]


def test_tables_with_other_rows_are_joined_by_name():
    a = pd.DataFrame({"u": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])
    b = pd.DataFrame({"v": [10, 30]}, index=["r", "s"])
    label = pd.Series([0, 1, 2, 3], index=["s", "r", "q", "p"])
    data = read({"a": a, "b": b}, labels={"kind": label})
    assert data.rows == ("p", "q", "r", "s")
    assert data.x["b"].tolist() == [[0], [0], [10], [30]]
    assert data.x["b"].dtype.kind == "i"
    assert data.mask["a"].tolist() == [True, True, True, False]
    assert data.labels["kind"].tolist() == [3, 2, 1, 0]
    assert data.patterns() == {("a",): 2, ("a", "b"): 1, ("b",): 1}


def test_the_same_names_in_another_order_are_brought_together():
    a = pd.Series([1.0, 2.0], index=[7, 3])
    data = read({"a": a, "b": a.iloc[::-1] * 10})
    assert data.x["b"].tolist() == [[10.0], [20.0]]
    counted = read({"a": pd.Series([1.0, 2.0]), "b": np.array([3.0, 4.0])})
    assert counted.rows is None


def test_labels_are_kept_and_not_modelled():
    data = read({**two(), "diet": ["x", "x", "y", "y"]}, labels=["diet"])
    assert data.names == ("a", "b")
    assert data.labels["diet"].tolist() == ["x", "x", "y", "y"]
    again = read(data, labels={"sex": [0, 1, 0, 1]}, modalities=["b"])
    assert again.names == ("b",)
    assert list(again.labels) == ["diet", "sex"]
    assert list(read(data, labels=["a"]).labels) == ["diet", "a"]
    assert read(data) is data
    assert read(data, mask={"a": np.zeros(4, dtype=bool)}).patterns() == {("b",): 4}
    text = read({"a": np.ones(2), "kind": ["x", "y"]})
    assert read(text, labels=["kind"]).labels["kind"].tolist() == ["x", "y"]


def test_importing_the_data_floor_loads_neither_torch_nor_pandas():
    heavy = "('torch', 'pandas', 'sklearn')"
    code = f"import sys, counterpoint.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
