"""Rows that stay in their file are the rows that are read into memory, and no others are read."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import counterpoint as cp
from counterpoint.data import Preparation, backed, read
from counterpoint.data.backed import Backed
from counterpoint.data.backed_preparation import prepare_backed
from counterpoint.data.backed_scan import Moments
from counterpoint.data.backed_tables import GAP, Csr, Table
from counterpoint.errors import InputError
from counterpoint.protocol import hold_out

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata as ad
    import mudata as mu

SUFFIXES = [".h5mu", ".zarr"]


def table(rows, genes, seed, sparse=True):
    x = np.random.default_rng(seed).poisson(1.0, (len(rows), genes)).astype(np.float32)
    x[:, 1] *= 3
    obs = pd.DataFrame({"donor": [f"d{int(r[1:]) % 3}" for r in rows]}, index=list(rows))
    var = pd.DataFrame(index=[f"g{i}" for i in range(genes)])
    return ad.AnnData(scipy.sparse.csr_matrix(x) if sparse else x, obs=obs, var=var)


def ragged(cells=90):
    """Cells of which a third lack the protein and some the rna, each modality in its own order."""
    names = [f"c{i}" for i in range(cells)]
    order = np.random.default_rng(1).permutation(cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = {
            "rna": table([names[i] for i in order if i % 5], 7, 0),
            "prot": table([n for i, n in enumerate(names) if i % 3], 4, 9, sparse=False),
        }
        return mu.MuData(parts)


def saved(path, thing):
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        if path.suffix == ".zarr":
            mu.write_zarr(path, thing) if isinstance(thing, mu.MuData) else thing.write_zarr(path)
        else:
            thing.write(path)
    return path


def same(a, b):
    assert a.names == b.names
    for name in a.names:
        assert a.x[name].dtype == b.x[name].dtype, name
        assert np.array_equal(a.x[name], b.x[name]), name
        assert np.array_equal(a.mask[name], b.mask[name]), name
    assert a.features == b.features
    assert a.rows == b.rows
    assert a.labels.keys() == b.labels.keys()
    for name, label in a.labels.items():
        assert np.array_equal(label, b.labels[name]), name


# what is read


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_of_a_mudata_are_those_in_memory(tmp_path, suffix):
    path = saved(tmp_path / f"cells{suffix}", ragged())
    memory, source = read(path), read(path, backed=True)
    assert isinstance(source, Backed)
    assert source.shape == memory.shape
    assert source.patterns() == memory.patterns()
    assert "left in the file" in source.notes["rna"]
    same(memory, source.load())
    for chosen in ([5, 3, 80, 3], slice(10, 40), np.arange(84) % 2 == 0, 7, []):
        same(memory[chosen], source[chosen].load())
    some = [80, 2, 41, 40]
    same(memory[some], source[some].held().load())
    same(memory[some][[2, 0]], source[some].held()[[2, 0]].load())
    same(memory.select(["prot"]), source.select(["prot"]).load())
    same(memory.without("rna", [1, 2]), source.without("rna", [1, 2]).load())


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_layers_raw_and_features_are_found_as_in_memory(tmp_path, suffix, sparse):
    cells = table([f"c{i}" for i in range(40)], 12, 3, sparse)
    real = cells.copy()
    real.X = cells.X * 0.5
    real.layers["counts"] = cells.X.copy()
    path = saved(tmp_path / f"a{suffix}", real)
    for options in (
        {},
        {"layers": {"rna": "X"}},
        {"features": {"rna": ["g3", "g0"]}},
        {"features_most": 5},
        {"labels": ["donor"]},
    ):
        memory, source = read(path, **options), read(path, backed=True, **options)
        same(memory, source.load())
        same(memory[[3, 30, 1]], source[[3, 30, 1]].held().load())
        assert source.notes["rna"].replace(", left in the file", "") == memory.notes["rna"]
    wide = cells[:, ::-1].copy()
    wide.X = wide.X * 0.5
    wide.raw = cells  # other columns' order
    path = saved(tmp_path / f"raw{suffix}", wide)
    same(read(path), read(path, backed=True).load())
    same(read(path, features_most=4), read(path, backed=True, features_most=4).load())


@pytest.mark.parametrize("sparse", [True, False])
def test_missing_values_are_holes_and_missing_rows_absent(tmp_path, sparse):
    x = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    x[3] = np.nan
    for name, hole in [("rows", None), ("holes", (7, 2))]:
        if hole is not None:
            x[hole] = np.nan
        cells = ad.AnnData(scipy.sparse.csr_matrix(x) if sparse else x)
        path = saved(tmp_path / f"{name}.h5ad", cells)
        memory, source = read(path), read(path, backed=True)
        same(memory, source.load())
        assert memory.mask["rna"].ndim == (1 if hole is None else 2)
        assert not source.present()["rna"][3]
    without = {"rna": ["0", "1", "3", "4"]}  # column 2 held the only hole
    same(read(path, features=without), read(path, backed=True, features=without).load())


def test_a_folder_is_mapped(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "image.npy", rng.integers(0, 256, (20, 4, 4), dtype=np.uint8))
    values = rng.normal(size=(20, 3))
    values[4] = np.nan
    np.save(tmp_path / "gene.npy", values)
    np.save(tmp_path / "age.npy", np.arange(20))
    np.save(tmp_path / "seen.npy", rng.random((20, 2)) > 0.5)
    np.save(tmp_path / "seen__mask.npy", np.arange(20) > 5)
    np.save(tmp_path / "labels.npy", np.arange(20) % 3)
    memory, source = read(tmp_path), read(tmp_path, backed=True)
    assert isinstance(source.tables["image"].stored, np.memmap)
    same(memory, source.load())
    same(memory[[9, 1]], source[[9, 1]].held().load())
    some = {"labels": ["age"], "modalities": ["gene"]}
    same(read(tmp_path, **some), read(tmp_path, backed=True, **some).load())
    np.save(tmp_path / "holes.npy", np.where(rng.random((20, 2)) > 0.5, np.nan, 1.0))
    same(read(tmp_path), read(tmp_path, backed=True).load())


class Counting:
    """Rows of what is stored, with a note of which were read."""

    def __init__(self, held, dtype):
        self.held, self.shape, self.dtype, self.slices = held, held.shape, dtype, []

    def __getitem__(self, rows):
        self.slices.append((rows.start, rows.stop))
        return self.held[rows]


@pytest.mark.parametrize("as_csr", [True, False])
def test_no_more_is_read_than_asked_for(as_csr):
    x = np.arange(6000.0).reshape(3000, 2)
    parts = (getattr(scipy.sparse.csr_matrix(x), k) for k in ("data", "indices", "indptr", "shape"))
    stored = Counting(Csr(*parts) if as_csr else x, x.dtype)
    wanted = np.array([2000, 5, 7, 7 + GAP + 1, 2001])
    found = Table(stored, np.dtype(np.float32), np.array([1])).read(wanted)
    found = found.toarray() if as_csr else found
    assert found.ravel().tolist() == x[wanted, 1].tolist()
    assert stored.slices == [(5, 8), (7 + GAP + 1, 7 + GAP + 2), (2000, 2002)]


# what is prepared


def files(tmp_path, **arrays):
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return read(tmp_path), read(tmp_path, backed=True)


def test_the_preparation_is_that_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoint.data.backed_tables.VALUES", 64)  # many blocks
    rng = np.random.default_rng(0)
    holes = rng.normal(size=(101, 4))
    holes[rng.random(holes.shape) < 0.3] = np.nan
    gone = rng.poisson(30.0, (101, 6)).astype(float)
    gone[rng.random(gone.shape) < 0.2] = np.nan
    memory, source = files(
        tmp_path,
        real=rng.normal(1e6, 1.0, (101, 4)),  # of large mean and small deviation
        holes=holes,
        counts=rng.negative_binomial(1, 0.1, (101, 8)),
        few=rng.poisson(4.0, (101, 2)),
        gone=gone,
        binary=rng.integers(0, 2, (101, 3)),
        unit=rng.random((101, 3)),
        picture=rng.integers(0, 256, (101, 5, 5), dtype=np.uint8),
        image=rng.random((101, 3, 3)),
        array=rng.normal(size=(101, 3, 3)),
        logged=np.log1p(rng.poisson(0.5, (101, 5))),
    )
    for words in ("auto", {"array": "normal", "counts": "normal", "binary": "categorical"}):
        expected, (found, _) = Preparation.fit(memory, words), prepare_backed(source, words)
        assert found.names == expected.names
        for name in found.names:
            a, b = vars(expected[name]), vars(found[name])
            for key, value in a.items():
                if isinstance(value, (np.ndarray, float)):
                    assert np.allclose(value, b[key], rtol=1e-9, atol=0), (name, key)
                else:
                    assert value == b[key], (name, key)


def test_the_preparation_of_sparse_tables_is_that_of_memory(tmp_path):
    x = np.random.default_rng(0).poisson(0.3, (80, 9)).astype(np.float32)
    path = saved(tmp_path / "a.h5ad", ad.AnnData(scipy.sparse.csr_matrix(x)))
    logs = saved(tmp_path / "b.h5ad", ad.AnnData(scipy.sparse.csr_matrix(np.log1p(x))))
    for file, words in [(path, "auto"), (path, "normal"), (logs, "auto")]:
        expected, (found, _) = (
            Preparation.fit(read(file), words),
            prepare_backed(read(file, backed=True), words),
        )
        a, b = expected["rna"], found["rna"]
        assert (a.likelihood, a.why, a.library_size) == (b.likelihood, b.why, b.library_size)
        if a.shift is not None:
            assert np.allclose(a.shift, b.shift, rtol=1e-9)
            assert np.allclose(a.scale, b.scale, rtol=1e-9)


def test_moments_do_not_depend_on_the_blocks():
    x = np.random.default_rng(0).normal(1e8, 1.0, (1000, 3))
    one, many = Moments((3,)), Moments((3,))
    one.add(x)
    for start in range(0, 1000, 37):
        many.add(x[start : start + 37])
    assert np.allclose(many.mean, x.mean(0), rtol=1e-14)
    assert np.allclose(many.variance(), x.var(0), rtol=1e-9)
    assert np.allclose(one.variance(), many.variance(), rtol=1e-9)


def test_the_hash_tells_data_apart(tmp_path):
    x = np.arange(12.0).reshape(4, 3)
    _, source = files(tmp_path, a=x)
    first = prepare_backed(source)[1]
    assert prepare_backed(read(tmp_path, backed=True))[1] == first
    assert prepare_backed(source.without("a", [1]))[1] != first
    x[2, 1] += 1e-6
    assert prepare_backed(files(tmp_path, a=x)[1])[1] != first


def test_what_memory_refuses_is_refused(tmp_path):
    x = np.ones((10, 3))
    x[:, 1:] = np.random.default_rng(0).normal(size=(10, 2)) - 5
    memory, source = files(tmp_path, a=x)
    with pytest.raises(InputError) as expected:
        Preparation.fit(memory)
    with pytest.raises(InputError) as found:
        prepare_backed(source)
    assert str(found.value) == str(expected.value)
    with pytest.raises(InputError, match="'poisson' needs whole numbers of at least 0"):
        prepare_backed(source, "poisson")
    with pytest.raises(InputError, match="Did you mean 'normal'"):
        prepare_backed(source, "norml")
    with pytest.raises(InputError, match="never observed in the training rows"):
        prepare_backed(source.without("a"))


# what is refused


def test_a_table_stored_by_column_is_refused(tmp_path):
    cells = table([f"c{i}" for i in range(8)], 4, 0)
    cells.X = cells.X.tocsc()
    with pytest.raises(InputError, match=r"stored by column .* adata\.X\.tocsr\(\)"):
        read(saved(tmp_path / "a.h5ad", cells), backed=True)


def test_other_sources_and_options_are_refused(tmp_path):
    path = saved(tmp_path / "a.h5mu", ragged())
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2)))
    for source, options, said in [
        ({"a": np.ones((3, 2))}, {}, "Give the path"),
        (tmp_path / "a.npz", {}, r"reads \.h5ad, \.h5mu, \.zarr or a folder"),
        (tmp_path / "no.h5ad", {}, "is not there"),
        (path, {"obsm": {"x": "y"}}, "obsm"),
        (path, {"mask": {}}, "mask is for tables"),
        (path, {"id": "cell"}, "id is for tables"),
        (path, {"modalities": ["rma"]}, "Did you mean 'rna'"),
        (path, {"labels": ["donr"]}, "Did you mean 'donor'"),
        (path, {"layers": {"rna": "cuonts"}}, "layers"),
        (path, {"features": {"rna": ["gg"]}}, "lacks 1 of the 1"),
        (path, {"memory": 0}, "memory"),
    ]:
        with pytest.raises(InputError, match=said):
            read(source, backed=True, **options)
    (tmp_path / "cut.h5mu").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cut\.h5mu cannot be read"):
        read(tmp_path / "cut.h5mu", backed=True)


def test_an_infinite_value_is_named(tmp_path):
    x = np.ones((6, 3), np.float32)
    x[4, 2] = np.inf
    path = saved(tmp_path / "a.h5ad", ad.AnnData(scipy.sparse.csr_matrix(x)))
    with pytest.raises(InputError, match="infinite value in row 4, column '2'"):
        read(path, backed=True)


def test_a_folder_without_arrays_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.npy"):
        read(tmp_path, backed=True)
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    np.save(tmp_path / "a__mask.npy", np.ones((3, 2), dtype=bool))
    with pytest.raises(InputError, match="put NaN where single values are missing"):
        read(tmp_path, backed=True)
    (tmp_path / "a__mask.npy").unlink()
    np.save(tmp_path / "b.npy", np.ones((4, 2)))
    with pytest.raises(InputError, match="unequal numbers of rows"):
        read(tmp_path, backed=True)


def test_too_little_memory_names_the_way_out(tmp_path):
    path = saved(tmp_path / "a.h5mu", ragged())
    with pytest.raises(InputError, match=r"backed=True, --backed"):
        read(path, memory=1e-9)


# what can be asked


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    path = saved(tmp_path_factory.mktemp("asked") / "a.h5mu", ragged())
    return path, cp.Counterpoint("mmvm", epochs=2, latent_dim=2, hidden=(8,)).fit(read(path))


def test_embeddings_come_block_by_block_and_are_the_same(fitted, monkeypatch):
    path, model = fitted
    memory, source = read(path), read(path, backed=True)
    asked = []
    load = Backed.load
    monkeypatch.setattr(backed, "MOST_ROWS", 16)
    monkeypatch.setattr(Backed, "load", lambda self: (asked.append(len(self)), load(self))[1])
    assert np.allclose(model.embed(source), model.embed(memory), atol=1e-6)
    assert np.allclose(model.embed(source, ["rna"]), model.embed(memory, ["rna"]), atol=1e-6)
    for name, z in model.embed_each(source).items():
        assert np.allclose(z, model.embed_each(memory)[name], atol=1e-6, equal_nan=True)
    assert max(asked) == 16
    assert sum(asked) == 3 * len(memory)


def test_what_needs_all_rows_says_so(fitted):
    path, model = fitted
    source = read(path, backed=True)
    for ask in (model.impute, model.reconstruct, model.score, model.fit_density, model.score_terms):
        with pytest.raises(InputError, match=r"data\[rows\]\.load\(\)"):
            ask(source)
    with pytest.raises(InputError, match=r"data\[rows\]\.load\(\)"):
        cp.compare(source, ["poe"], label="donor")
    with pytest.raises(InputError, match=r"data\[rows\]\.load\(\)"):
        cp.tune(source, {"latent_dim": [1, 2]}, out="no")
    with pytest.raises(InputError, match=r"data\[rows\]\.load\(\)"):
        Preparation.fit(source)


def test_rows_are_held_out_without_reading(fitted):
    path, _ = fitted
    source = read(path, backed=True)
    train, test = hold_out(source, 20, "donor")
    memory = hold_out(read(path), 20, "donor")
    assert (train.rows, test.rows) == (memory[0].rows, memory[1].rows)
    assert isinstance(train, Backed)
    with pytest.raises(InputError, match="there are 20 rows"):
        test[[20]]
