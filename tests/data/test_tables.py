"""Tables with a column of ids: joined by it, never by position."""

import sys

import numpy as np
import pandas as pd
import pytest

import counterpoint as cp
from counterpoint.data import arrow_tables, read
from counterpoint.errors import InputError

IDS = [f"s{i:02d}" for i in range(40)]


def table(columns, seed, ids=IDS):
    x = np.random.default_rng(seed).normal(size=(len(IDS), columns)).round(6)
    made = pd.DataFrame(x, columns=[f"{'xyz'[seed]}{i}" for i in range(columns)])
    made.insert(1, "sample", IDS)
    return made[made["sample"].isin(ids)]


def weights(data):
    model = cp.Counterpoint("mmvm", latent_dim=2, hidden=(8,), epochs=3).fit(data)
    return {k: v.numpy() for k, v in model.model_.state_dict().items()}


def same(a, b):
    return all(np.array_equal(a[k], b[k]) for k in a | b)


def test_shuffled_rows_and_missing_ids_give_the_same_model_to_the_bit(tmp_path):
    """The sorted complete case has NaN where the tables lack an id."""
    gene, lipid = table(4, 0), table(3, 1)
    without = [i for i in IDS if i not in ("s03", "s17")]
    complete = {
        "gene": gene.drop(columns="sample").to_numpy(copy=True),
        "lipid": lipid.drop(columns="sample").to_numpy(copy=True),
    }
    complete["gene"][[3, 17]] = np.nan
    complete["lipid"][25] = np.nan
    expected = weights(complete)
    folder = tmp_path / "tables"
    folder.mkdir()
    order = np.random.default_rng(5)
    gene[gene["sample"].isin(without)].sample(frac=1, random_state=1).to_csv(folder / "gene.csv", index=False)
    lipid[lipid["sample"] != "s25"].sample(frac=1, random_state=2).to_csv(
        folder / "lipid.tsv", index=False, sep="\t"
    )
    found = read(folder, id="sample")
    assert found.rows == tuple(IDS)
    assert same(weights(found), expected)
    frames = {"gene": gene.iloc[order.permutation(40)], "lipid": lipid}
    frames["gene"] = frames["gene"][frames["gene"]["sample"].isin(without)]
    frames["lipid"] = frames["lipid"][frames["lipid"]["sample"] != "s25"]
    assert same(weights(read(frames, id="sample")), expected)
    by_position = read({k: v.drop(columns="sample").reset_index(drop=True)[:37] for k, v in frames.items()})
    assert not same(weights(by_position), expected)


def test_one_table_is_sorted_by_its_ids(tmp_path):
    whole = table(4, 0).sample(frac=1, random_state=3)
    whole["diet"] = whole["sample"] + "!"
    groups = {"a": ["x0", "x1"], "b": ["x2", "x3"]}
    whole.to_csv(tmp_path / "t.csv", index=False)
    for data in (
        read(tmp_path / "t.csv", id="sample", groups=groups, labels=["diet"]),
        read(whole, id="sample", groups=groups, labels=["diet"]),
    ):
        assert data.rows == tuple(IDS)
        assert data.labels["diet"].tolist() == [f"{i}!" for i in IDS]
        assert np.array_equal(data.x["a"], table(4, 0)[["x0", "x1"]].to_numpy())


def test_labels_are_joined_by_id_too(tmp_path):
    table(3, 0).to_csv(tmp_path / "a.csv", index=False)
    labels = pd.DataFrame({"sample": IDS, "diet": [f"d{i}" for i in range(40)]})[::-1]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    assert read(tmp_path, id="sample").labels["diet"].tolist() == [f"d{i}" for i in range(40)]
    frame = {"a": table(3, 0)}
    assert read(frame, id="sample", labels={"d": labels}).labels["d"].tolist() == [f"d{i}" for i in range(40)]
    series = pd.Series(range(40), index=IDS)[::-1]
    assert read(frame, id="sample", labels={"d": series}).labels["d"].tolist() == list(range(40))
    with pytest.raises(InputError, match="label 'd' has no columns"):
        read(frame, id="sample", labels={"d": np.arange(40)})


def test_ids_are_text(tmp_path):
    """007 and 7 are two samples; 7 the number and 7 the text are one."""
    (tmp_path / "a.csv").write_text("sample,x\n007,1.0\n7,2.5\n")
    (tmp_path / "b.csv").write_text("sample,y\n7,5.0\nA1,3.5\n")
    data = read(tmp_path, id="sample")
    assert data.rows == ("007", "7", "A1")
    assert data.mask["b"].tolist() == [False, True, True]
    frames = {"a": pd.DataFrame({"k": [7, 8], "x": [1.0, 2]}), "b": pd.DataFrame({"k": ["8"], "y": [3.0]})}
    assert read(frames, id="k").mask["b"].tolist() == [False, True]
    assert read({"a": frames["a"].set_index("k")}, id="k").rows == ("7", "8")


def test_ids_that_cannot_join_are_refused(tmp_path):
    twice = pd.concat([table(2, 0), table(2, 0, ["s03", "s09"])])
    with pytest.raises(InputError, match=r"'a' has 2 ids twice in column 'sample': 's03', 's09'"):
        read({"a": twice}, id="sample")
    with pytest.raises(InputError, match=r"no column 'sampel'.*Did you mean 'sample'"):
        read({"a": table(2, 0)}, id="sampel")
    lacks = table(2, 0).astype({"sample": object})
    lacks.loc[4, "sample"] = None
    with pytest.raises(InputError, match="has no 'sample' in row 4"):
        read({"a": lacks}, id="sample")
    with pytest.raises(InputError, match="'b' has no columns"):
        read({"a": table(2, 0), "b": np.ones((40, 2))}, id="sample")
    with pytest.raises(InputError, match="id is 3"):
        read({"a": table(2, 0)}, id=3)
    np.savez(tmp_path / "d.npz", a=np.ones((3, 2)))
    with pytest.raises(InputError, match="id is for tables"):
        read(tmp_path / "d.npz", id="sample")
    with pytest.raises(InputError, match="id is for tables"):
        read(read({"a": np.ones((3, 2))}), id="sample")
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "a.npy", np.ones((3, 2)))
    with pytest.raises(InputError, match=r"a\.npy has no columns"):
        read(tmp_path / "f", id="sample")


@pytest.fixture(params=["parquet", "feather"])
def binary(request, tmp_path):
    """A table as pandas and pyarrow write it, its rows in another order."""
    path = tmp_path / f"a.{request.param}"
    made = table(2, 0).sample(frac=1, random_state=0).reset_index(drop=True)
    getattr(made, f"to_{request.param}")(path)
    return path


def test_binary_tables(binary):
    assert read(binary.parent, id="sample").rows == tuple(IDS)
    assert np.array_equal(read(binary, id="sample", groups={"m": ["x1"]}).x["m"], table(2, 0)[["x1"]])


def test_an_index_that_pandas_saved_names_the_rows(tmp_path):
    made = table(2, 0).set_index("sample")
    made.to_parquet(tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", groups={"m": ["x0", "x1"]})
    assert found.rows == tuple(made.index)
    assert np.array_equal(found.x["m"], made)


def test_a_binary_table_that_cannot_be_read_is_one_clear_error(binary, monkeypatch):
    import pyarrow

    intact, suffix = binary.read_bytes(), binary.suffix[1:]
    for content in (b"", b"no such table", intact[: len(intact) // 2]):
        binary.write_bytes(content)
        with pytest.raises(InputError, match=rf"a\.{suffix} cannot be read: it is cut off, damaged"):
            read(binary.parent)
    binary.write_bytes(intact)
    with monkeypatch.context() as less:
        less.setattr(arrow_tables, "half_of_memory", lambda: 100.0)
        with pytest.raises(InputError, match=r"claims 40 rows of 3 columns, 960 bytes; allowed is half"):
            read(binary.parent)
    with monkeypatch.context() as old:
        old.setattr(pyarrow, "__version__", "14.0.0")
        with pytest.raises(InputError, match=r"needs pyarrow 17 or newer, and 14\.0\.0 is installed"):
            read(binary.parent)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(InputError, match=r"pip install 'counterpoint\[tables\]'"):
            read(binary.parent)


def test_a_parquet_that_cannot_be_written_says_what_to_install(tmp_path, monkeypatch):
    from counterpoint.commands.parts import write_latents

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"counterpoint\[tables\]', or give a name in \.csv"):
        write_latents(str(tmp_path / "z.parquet"), {"joint": np.ones((2, 2))}, ("a", "b"))
    assert not list(tmp_path.iterdir())


def test_latents_of_rows_without_names_count_them(tmp_path):
    from counterpoint.commands.parts import write_latents

    z = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    write_latents(str(tmp_path / "z.csv"), {"joint": z, "modality/a": z}, None)
    found = pd.read_csv(tmp_path / "z.csv", index_col="row")
    assert list(found.columns) == ["joint_0", "joint_1", "a_0", "a_1"]
    assert np.array_equal(found.to_numpy(np.float32), np.hstack([z, z]))
