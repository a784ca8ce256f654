"""One clear error for every dict, table and option that cannot be read."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from counterpoint.data import read
from counterpoint.errors import InputError

NAN = float("nan")


def two(rows=4):
    return {"a": np.arange(2.0 * rows).reshape(rows, 2), "b": np.ones((rows, 3))}


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
