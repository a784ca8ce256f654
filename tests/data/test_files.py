"""Files and folders: what is found in them, and one clear error for what cannot be read."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterpoint.data import read, read_path
from counterpoint.errors import InputError


def real(*parts):
    """Return the path of a real data set, or skip."""
    folder = os.environ.get("COUNTERPOINT_DATA")
    if not folder:
        pytest.skip("COUNTERPOINT_DATA is not set: it names the folder of the real data sets")
    return Path(folder).joinpath(*parts)


# npz


def test_npz_sorts_modalities_masks_features_and_labels(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(
        path,
        rna=np.arange(6).reshape(3, 2),
        rna__mask=np.array([True, False, True]),
        rna__features=np.array(["g1", "g2"]),
        image=np.ones((3, 2, 2), dtype=np.float32),
        diet=np.array(["x", "y", "x"]),
        dose=np.array([0.5, 1.0, 2.0]),
        diet_names=np.array(["x", "y"]),
    )
    data = read(path)
    assert data.names == ("rna", "image")
    assert data.mask["rna"].tolist() == [True, False, True]
    assert data.features == {"rna": ("g1", "g2"), "image": None}
    assert list(data.labels) == ["diet", "dose"]
    assert read(str(path), modalities=["image"]).names == ("image",)
    assert read(path, labels=["image"]).labels["image"].shape == (3, 2, 2)
    assert read(path, labels={"sex": [0, 1, 0]}).labels["sex"].tolist() == [0, 1, 0]
    assert read(path, modalities=["dose"]).x["dose"].tolist() == [[0.5], [1.0], [2.0]]
    both = read(path, mask={"image": np.array([True, True, False])})
    assert both.mask["image"].tolist() == [True, True, False]
    assert both.mask["rna"].tolist() == [True, False, True]


def test_npz_with_other_first_dimensions_lists_every_array(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, train=np.ones((3, 2)), test=np.ones((2, 2)), t=np.ones(7))
    with pytest.raises(InputError, match=r"train \(3, 2\), test \(2, 2\), t \(7,\).*modalities="):
        read(path)
    with pytest.raises(InputError, match="train 3, test 2"):
        read(path, modalities=["train", "test"])
    assert len(read(path, modalities=["test"])) == 2


def _cut(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _flip(path):
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3] ^= 0xFF
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize(
    "spoil", [_cut, _flip, lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"no archive at all")]
)
def test_damaged_npz(tmp_path, spoil):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, rna=np.random.default_rng(0).normal(size=(50, 20)))
    spoil(path)
    with pytest.raises(InputError, match=r"d\.npz"):
        read(path)


def test_npz_that_holds_something_else(tmp_path):
    path = tmp_path / "o.npz"
    np.savez(path, rna=np.ones((2, 2)), what=np.array([{}, None], dtype=object))
    with pytest.raises(InputError, match=r"'what'.*Python objects"):
        read(path)
    assert read(path, modalities=["rna"]).names == ("rna",)
    np.savez(tmp_path / "mask.npz", rna=np.ones((2, 2)), rma__mask=np.ones(2, dtype=bool))
    with pytest.raises(InputError, match=r"Did you mean 'rna'"):
        read(tmp_path / "mask.npz")
    np.savez(tmp_path / "flat.npz", y=np.ones(3))
    with pytest.raises(InputError, match=r"no modality.*y \(3,\)"):
        read(tmp_path / "flat.npz")
    np.savez(tmp_path / "none.npz")
    with pytest.raises(InputError, match="no array"):
        read(tmp_path / "none.npz")
    np.save(tmp_path / "x.npy", np.ones(3))
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"call it .npy"):
        read(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"Did you mean 'rna'"):
        read(path, modalities=["rnaa"])
    with pytest.raises(InputError, match="labels is 'y'"):
        read(path, modalities=["rna"], labels=["y"])


def test_other_paths(tmp_path):
    (tmp_path / "mice.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"Did you mean 'mice\.npz'"):
        read(tmp_path / "mise.npz")
    (tmp_path / "d.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.xlsx.*\.npz, \.h5ad, .*\.csv, \.tsv"):
        read(tmp_path / "d.xlsx")
    with pytest.raises(InputError, match="no file or folder"):
        read(tmp_path / "none" / "d.npz")
    with pytest.raises(InputError, match="groups is for one table"):
        read(tmp_path / "mice.npz", groups={"a": ["b"]})


# tables


def test_csv_needs_groups_and_names_rows_by_its_first_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,g1,g2,p,kind\nc1,1.5,2,3,x\nc2,,4,5,y\n")
    data = read(path, groups={"rna": ["g1", "g2"], "protein": ["p"]}, labels=["kind"])
    assert data.rows == ("c1", "c2")
    assert data.mask["rna"].tolist() == [[True, True], [False, True]]
    assert data.x["protein"].dtype.kind == "i"
    assert data.labels["kind"].tolist() == ["x", "y"]
    with pytest.raises(InputError, match="groups="):
        read(path)
    (tmp_path / "t.tsv").write_text("g1\tg2\n1\t2\n")
    assert read(tmp_path / "t.tsv", groups={"rna": ["g1", "g2"]}).rows is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "cannot be read"),
        (b"a,b\n1,2\n1,2,3,4\n", "cannot be read"),
        (b"a,b\n\xff\xfe,2\n", "cannot be read"),
        (b"1.5,2.5\n1.5,2.5\n", "first line"),
        (b"a,b\n", "no rows"),
        (b"id\n1\n", "no features|names the column"),
        (b"a,b\n1,2\n1,x\n", "column 'b' holds text"),
    ],
)
def test_bad_tables(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=words):
        read(path, groups={"m": ["a", "b"]})


# folders


def test_folder_of_one_file_per_modality(tmp_path):
    pd.DataFrame({"g": [1.0, 2.0, 3.0]}, index=["p", "q", "r"]).to_csv(tmp_path / "rna.csv")
    pd.DataFrame({"u": [4.0, 5.0]}, index=["q", "r"]).to_csv(tmp_path / "protein.tsv", sep="\t")
    pd.DataFrame({"sex": ["f", "m", "f"], "age": [1, 2, 3]}, index=["r", "q", "p"]).to_csv(
        tmp_path / "labels.csv"
    )
    (tmp_path / "README.txt").write_text("about the data")
    (tmp_path / ".DS_Store").write_bytes(b"")
    data = read(tmp_path)
    assert data.names == ("protein", "rna")
    assert data.rows == ("q", "r", "p")
    assert data.mask["protein"].tolist() == [True, True, False]
    assert data.labels["age"].tolist() == [2, 1, 3]
    assert data.features["rna"] == ("g",)
    assert read(tmp_path, modalities=["rna"]).rows == ("p", "q", "r")


def test_folder_of_arrays(tmp_path):
    np.save(tmp_path / "image.npy", np.ones((3, 2, 2)))
    np.save(tmp_path / "image__mask.npy", np.array([True, False, True]))
    np.savez(tmp_path / "rna.npz", anything=np.ones((3, 4)))
    np.save(tmp_path / "labels.npy", np.array([0, 1, 0]))
    np.save(tmp_path / "batch.npy", np.array([7, 7, 8]))
    data = read(tmp_path, labels=["batch"])
    assert data.names == ("image", "rna")
    assert data.mask["image"].tolist() == [True, False, True]
    assert {name: label.tolist() for name, label in data.labels.items()} == {
        "labels": [0, 1, 0],
        "batch": [7, 7, 8],
    }


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="holds no data"):
        read(tmp_path)
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"'a\.xlsx'.*\.npy, \.npz, \.csv, \.tsv, \.parquet"):
        read(tmp_path)
    (tmp_path / "a.xlsx").unlink()
    np.save(tmp_path / "a.npy", np.ones((3, 1)))
    (tmp_path / "a.csv").write_text("x\n1\n2\n3\n")
    with pytest.raises(InputError, match=r"a\.csv and a\.npy"):
        read(tmp_path)
    (tmp_path / "a.csv").unlink()
    with pytest.raises(InputError, match="modalities is 'b'"):
        read(tmp_path, modalities=["b"])
    np.savez(tmp_path / "b.npz", x=np.ones(3), y=np.ones(3))
    with pytest.raises(InputError, match="2 arrays"):
        read(tmp_path)
    (tmp_path / "b.npz").unlink()
    np.save(tmp_path / "aa__mask.npy", np.ones(3, dtype=bool))
    with pytest.raises(InputError, match=r"Did you mean 'a'|no such modality"):
        read(tmp_path)
    (tmp_path / "aa__mask.npy").unlink()
    _cut(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a\.npy cannot be read"):
        read(tmp_path)
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="Python objects"):
        read(tmp_path)


# real data


def test_breast_tcga_by_name():
    path = real("breast_tcga", "breast_tcga.npz")
    with pytest.raises(InputError, match=r"mrna_train \(150, 200\)"):
        read_path(path)
    train = read_path(path, modalities=["mrna_train", "mirna_train", "protein_train"])
    test = read_path(path, modalities=["mrna_test", "mirna_test"])
    assert (train.shape, test.shape) == ((150, 526), (70, 384))
    assert len(train.features["protein_train"] or ()) == 142
    assert train.features["mrna_train"] == test.features["mrna_test"]
    assert list(train.labels) == ["samples_train", "labels_train"]
    samples = {part: np.load(path)[f"samples_{part}"] for part in ("train", "test")}
    both = read(
        {
            name: pd.concat([frame(data, f"{name}_{part}", samples[part]) for part, data in parts])
            for name, parts in {
                "mrna": [("train", train), ("test", test)],
                "mirna": [("train", train), ("test", test)],
                "protein": [("train", train)],
            }.items()
        }
    )
    assert both.patterns() == {("mrna", "mirna", "protein"): 150, ("mrna", "mirna"): 70}


def frame(data, name, rows):
    return pd.DataFrame(data.x[name], index=rows, columns=data.features[name])


def test_mouse_gratings_by_name():
    path = real("mouse_gratings", "mouse_gratings.npz")
    with pytest.raises(InputError, match="modalities="):
        read_path(path)
    names = [f"traces_mrcuts{i}" for i in range(24, 31)]
    data = read_path(path, modalities=names)
    assert [data.x[name].shape[1] for name in names] == [28, 53, 74, 39, 56, 18, 39]
    assert list(data.labels) == ["direction"]


@pytest.mark.parametrize(
    ("folder", "names", "labels"),
    [
        ("mfeat", ["fou", "fac", "kar", "pix", "zer", "mor"], ["labels"]),
        ("nutrimouse", ["gene", "lipid"], ["genotype", "diet"]),
        ("pbmc_citeseq400", ["rna_counts", "protein_counts"], ["library_size", "batch", "gated_label"]),
    ],
)
def test_other_sets_are_read_as_they_are(folder, names, labels):
    data = read_path(real(folder, f"{folder}.npz"))
    assert list(data.names) == names
    assert list(data.labels) == labels
