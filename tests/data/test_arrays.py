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
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score, train_test_split

from counterpoint.data import MultimodalData, read
from counterpoint.errors import InputError

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


# one clear error each

BAD = {
    "empty dict": ({}, {}, "no modality"),
    "not a dict": (3, {}, "int; give a dict"),
    "a bare array": (np.ones((2, 2)), {}, "{'name': array}"),
    "none": ({"a": None}, {}, "None"),
    "a set": ({"a": {1, 2}}, {}, "set"),
    "a single number": ({"a": 1.0}, {}, "'a'"),
    "no dimension": ({"a": np.array(1.0)}, {}, "single value"),
    "zero rows": ({"a": np.ones((0, 3))}, {}, "no rows"),
    "empty list": ({"a": []}, {}, "no rows"),
    "zero features": ({"a": np.ones((3, 0))}, {}, "no features"),
    "table without columns": ({"a": pd.DataFrame(index=[1, 2])}, {}, "no features"),
    "unequal lengths": ({"a": np.ones(3), "b": np.ones(2)}, {}, "a 3, b 2"),
    "unknown modality": (two(), {"modalities": ["a", "c"]}, "allowed are a, b"),
    "near modality": ({"rna": np.ones(2)}, {"modalities": ["rma"]}, "Did you mean 'rna'"),
    "modalities as text": (two(), {"modalities": "a"}, "give a list"),
    "no modalities": (two(), {"modalities": []}, "empty"),
    "modality twice": (two(), {"modalities": ["a", "a"]}, "twice"),
    "mask of nothing": (two(), {"mask": {"c": np.ones(4, dtype=bool)}}, "mask: modality is 'c'"),
    "mask no dict": (two(), {"mask": np.ones(4, dtype=bool)}, "give a dict"),
    "mask of ints": (two(), {"mask": {"a": np.ones(4, dtype=int)}}, "must be bool"),
    "mask of wrong shape": (two(), {"mask": {"a": np.ones(3, dtype=bool)}}, "(4,) (rows) or (4, 2)"),
    "mask that would broadcast": (two(), {"mask": {"a": np.ones((4, 1), dtype=bool)}}, "(4, 1)"),
    "mask of one row": (two(), {"mask": {"a": np.ones((1, 2), dtype=bool)}}, "(1, 2)"),
    "ragged mask": (two(), {"mask": {"a": [[True], [True, False]]}}, "unequal length"),
    "mask says NaN is observed": (
        {"a": [1.0, NAN]},
        {"mask": {"a": np.ones(2, dtype=bool)}},
        "row 1, column 0",
    ),
    "mask in another row order": (
        {"a": pd.Series([1, 2], index=["p", "q"])},
        {"mask": {"a": pd.Series([True, False], index=["q", "p"])}},
        "other rows",
    ),
    "groups of a dict": (two(), {"groups": {"a": ["x"]}}, "one DataFrame"),
    "number as name": ({0: np.ones(2)}, {}, "such as '0'"),
    "empty name": ({"": np.ones(2)}, {}, "cannot name"),
    "blank name": ({" ": np.ones(2)}, {}, "cannot name"),
    "slash in name": ({"a/b": np.ones(2)}, {}, "'a/b'"),
    "newline in name": ({"a\nb": np.ones(2)}, {}, "cannot name"),
    "inf": ({"a": pd.DataFrame({"u": [1.0, 2.0], "v": [1.0, -np.inf]})}, {}, "row 1, column 'v'"),
    "inf in an image": ({"a": np.full((1, 2, 2), np.inf)}, {}, "row 0, position (0, 0)"),
    "complex": ({"a": np.ones(2) * 1j}, {}, "complex128"),
    "complex tensor": ({"a": torch.ones(2) * 1j}, {}, "complex64"),
    "dates": ({"a": np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")}, {}, "datetime64"),
    "dates in a table": ({"a": pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])})}, {}, "datetime64"),
    "dates with a zone": (
        {"a": pd.DataFrame({"t": pd.to_datetime(["2020-01-01"], utc=True)})},
        {},
        "column 't'",
    ),
    "records": ({"a": np.zeros(2, dtype=[("p", "f4")])}, {}, "take records apart"),
    "mixed objects": ({"a": np.array([1.0, {}], dtype=object)}, {}, "dict"),
    "text among numbers": ({"a": np.array([1.0, "x"], dtype=object)}, {}, "'x' among numbers"),
    "text in a list": ({"a": [1.0, "x"]}, {}, "'x' among numbers"),
    "huge number": ({"a": np.array([2**70, 1], dtype=object)}, {}, "64 bits"),
    "text column": ({"a": pd.DataFrame({"u": [1.0, 2.0], "sex": ["f", "m"]})}, {}, "column 'sex' holds text"),
    "numbers as text": ({"a": pd.DataFrame({"u": ["1.5", "n/a"]})}, {}, "column 'u' holds the text '1.5'"),
    "nan as text": ({"a": np.array(["x", "nan"])}, {}, "missing value"),
    "never observed": ({"a": [NAN, NAN], "b": [1, 2]}, {}, "'a' is never observed"),
    "never observed text": (
        {"a": pd.Series([None, None], dtype="category"), "b": [1, 2]},
        {},
        "never observed",
    ),
    "all masked": (two(), {"mask": {"a": np.zeros(4, dtype=bool)}}, "'a' is never observed"),
    "ragged": ({"a": [[1.0, 2.0], [3.0]]}, {}, "same shape"),
    "ragged objects": ({"a": np.array([[1.0], [1.0, 2.0]], dtype=object)}, {}, "same shape"),
    "sparse": ({"a": sparse.eye_array(3, format="csr")}, {}, ".toarray()"),
    "sparse tensor": ({"a": torch.eye(3).to_sparse()}, {}, ".to_dense()"),
    "bare sparse": (sparse.eye_array(3, format="csr"), {}, "give a dict"),
    "unknown label": (two(), {"labels": ["c"]}, "labels is 'c'"),
    "nothing but labels": ({"a": np.ones(2)}, {"labels": ["a"]}, "no modality"),
    "short label": (two(), {"labels": {"y": [1, 2]}}, "2 entries"),
    "label without name": (two(), {"labels": np.ones(4)}, "name it"),
    "label named as a modality": (two(), {"labels": {"a": np.ones(4)}}, "both a modality and a label"),
    "names on some tables only": (
        {"a": pd.Series([1, 2], index=["p", "q"]), "b": pd.Series([1, 2], index=["q", "p"]), "c": [1, 2]},
        {},
        "those of 'c' have none",
    ),
    "names twice": (
        {"a": pd.Series([1, 2], index=["p", "p"]), "b": pd.Series([1], index=["p"])},
        {},
        "'p' twice",
    ),
    "names of other types": (
        {"a": pd.Series([1, 2], index=[5, 6]), "b": pd.Series([1, 2], index=["5", "6"])},
        {},
        "same type",
    ),
    "label lacks rows": (
        {"a": pd.Series([1, 2], index=["p", "q"])},
        {"labels": {"y": pd.Series([1, 2], index=["p", "r"])}},
        "lacks row 'q'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_error(case):
    source, options, words = BAD[case]
    with pytest.raises(InputError) as error:
        read(source, **options)
    assert words in str(error.value)


FRAME = pd.DataFrame({"g1": [1.0, 2.0], "g2": [3.0, 4.0], "p": [5.0, 6.0]})
BAD_GROUPS = {
    "none": (FRAME, {}, "groups={'modality'"),
    "unknown column": (FRAME, {"groups": {"rna": ["g1", "g3"]}}, "'g3'"),
    "near column": (FRAME, {"groups": {"rna": ["g11"]}}, "Did you mean"),
    "in two groups": (
        FRAME,
        {"groups": {"rna": ["g1"], "protein": ["p", "g1"]}},
        "in two groups, 'rna' and 'protein'",
    ),
    "twice in a group": (FRAME, {"groups": {"rna": ["g1", "g1"]}}, "twice in group 'rna'"),
    "empty group": (FRAME, {"groups": {"rna": []}}, "empty"),
    "text": (FRAME, {"groups": {"rna": "g1"}}, "give a list"),
    "no dict": (FRAME, {"groups": ["g1"]}, "groups is ['g1']"),
    "bad name": (FRAME, {"groups": {"a/b": ["g1"]}}, "cannot name"),
    "label in a group": (FRAME, {"groups": {"rna": ["g1"]}, "labels": ["g1"]}, "in group 'rna'"),
    "doubled column": (
        pd.DataFrame([[1.0, 2.0]], columns=["g", "g"]),
        {"groups": {"rna": ["g"]}},
        "stands in the DataFrame twice",
    ),
    "levels and groups": (
        pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        {"groups": {"a": ["b"]}},
        "one or the other",
    ),
    "unknown modality": (FRAME, {"groups": {"rna": ["g1"]}, "modalities": ["rnb"]}, "Did you mean 'rna'"),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_bad_groups(case):
    source, options, words = BAD_GROUPS[case]
    with pytest.raises(InputError) as error:
        read(source, **options)
    assert words in str(error.value)


# rows and modalities of data that were read


def example():
    source = {"a": [[1.0, NAN], [3.0, 4.0], [NAN, NAN]], "b": np.arange(12).reshape(3, 2, 2)}
    return read(source, mask={"b": np.array([True, False, True])}, labels={"y": ["u", "v", "w"]})


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ([2, 0], [2, 0]),
        (np.array([1]), [1]),
        (slice(1, None), [1, 2]),
        (np.array([True, False, True]), [0, 2]),
        ((np.array([0, 2]), Ellipsis), [0, 2]),
        (1, [1]),
        (np.int64(-1), [2]),
        ([], []),
    ],
)
def test_rows_are_chosen_as_scikit_learn_does(index, rows):
    data = example()
    chosen = data[index]
    assert isinstance(chosen, MultimodalData)
    assert chosen.x["b"].tolist() == data.x["b"][rows].tolist()
    assert chosen.mask["a"].tolist() == data.mask["a"][rows].tolist()
    assert chosen.labels["y"].tolist() == data.labels["y"][rows].tolist()
    assert len(chosen) == len(rows)


def test_rows_keep_their_names_and_iteration_ends():
    data = read({"a": pd.Series([1.0, 2.0], index=["p", "q"])})
    assert data[[1]].rows == ("q",)
    assert [row.rows for row in data] == [("p",), ("q",)]


@pytest.mark.parametrize("index", ["a", [0.5], [[0]], (0, 1), [True], [9], None, [-4]])
def test_bad_rows(index):
    with pytest.raises(InputError):
        example()[index]


def test_select_without_and_with_mask_leave_the_original_alone():
    data = example()
    assert data.select(["b", "a"]).names == ("b", "a")
    hidden = data.without("a", [0])
    assert hidden.mask["a"].tolist() == [[False, False], [True, True], [False, False]]
    assert hidden.x["a"].tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]
    assert data.x["a"].tolist()[0] == [1.0, 0.0]
    some = np.ones((3, 2, 2), dtype=bool)
    some[0, 0, 0] = False
    assert data.with_mask({"b": some}).mask["b"].sum() == 7  # row 1 stays hidden
    assert data.patterns() == {("a", "b"): 1, ("a",): 1, ("b",): 1}
    for call in (
        lambda: data.without("c"),
        lambda: data.select(["c"]),
        lambda: data.with_mask({"a": [True]}),
    ):
        with pytest.raises(InputError):
            call()


def test_parts_that_do_not_fit_are_refused():
    x, mask = np.ones((2, 1)), np.ones(2, dtype=bool)
    wrong = [
        ({}, {}, {}),
        ({"a": x}, {"b": mask}, {}),
        ({"a": x}, {"a": mask.astype(int)}, {}),
        ({"a": x[:, 0]}, {"a": mask}, {}),
        ({"a": x, "b": x[:1]}, {"a": mask, "b": mask[:1]}, {}),
    ]
    for parts in wrong:
        with pytest.raises(InputError):
            MultimodalData(*parts)
    with pytest.raises(InputError, match="Label"):
        MultimodalData({"a": x}, {"a": mask}, {}, labels={"y": np.ones(3)})


class Mean(BaseEstimator):
    """Scores how near the training mean is; enough for a search."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, data, y=None):
        assert isinstance(data, MultimodalData)
        self.mean_ = data.x["a"].mean() + self.shift
        return self

    def score(self, data, y=None):
        return -abs(data.x["a"].mean() - self.mean_)


def test_scikit_learn_splits_and_searches():
    data = read({"a": np.random.default_rng(0).normal(size=(30, 2)), "b": np.ones((30, 1))})
    y = np.arange(30) % 2
    assert [len(data[test]) for _, test in KFold(3).split(data)] == [10, 10, 10]
    assert [len(data[test]) for _, test in StratifiedKFold(3).split(data, y)] == [10, 10, 10]
    search = GridSearchCV(Mean(), {"shift": [0.0, 5.0]}, cv=3).fit(data, y)
    assert search.best_params_ == {"shift": 0.0}
    assert len(cross_val_score(Mean(), data, cv=5)) == 5
    train, test, y_train, _ = train_test_split(data, y, test_size=0.2, random_state=0)
    assert (len(train), len(test), len(y_train)) == (24, 6, 24)


def test_importing_the_data_floor_loads_neither_torch_nor_pandas():
    code = "import sys, counterpoint.data; print([m for m in ('torch', 'pandas', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
