"""AnnData and MuData: what is read, which cells lack what, and what is written back."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import counterpoint as cp
from counterpoint import cli
from counterpoint.data import read
from counterpoint.data.omics_annotate import annotate
from counterpoint.data.omics_files import open_file, write_file
from counterpoint.data.omics_matrices import variance
from counterpoint.errors import InputError
from made_cells import adata, mudata, saved

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata as ad
    import mudata as mu

QUICK = {"epochs": 3, "latent_dim": 3, "hidden": (16,)}


def ragged() -> mu.MuData:
    """Six cells: two lack the protein, one lacks rna; the modalities have them in other orders."""
    return mudata(rna=adata(["c4", "c0", "c1", "c2", "c3"]), prot=adata(["c5", "c2", "c1", "c4"], 3, seed=9))


# what is read


def test_cells_are_joined_by_name_and_none_is_dropped_or_filled():
    md = ragged()
    data = read(md)
    assert data.rows == tuple(md.obs_names)
    assert sorted(data.rows) == [f"c{i}" for i in range(6)]
    for name, genes, seed in [("rna", 5, 0), ("prot", 3, 9)]:
        there = set(md[name].obs_names)
        for i, cell in enumerate(data.rows):
            assert data.mask[name][i] == (cell in there)
            expected = adata([cell], genes, seed, sparse=False).X[0] if cell in there else np.zeros(genes)
            assert np.array_equal(data.x[name][i], expected), (name, cell)
    assert data.x["rna"].dtype == np.int32
    assert data.features["rna"] == ("g0", "g1", "g2", "g3", "g4")
    assert data.notes == {"rna": "raw counts (.X)", "prot": "raw counts (.X)"}
    assert sum(data.patterns().values()) == 6


@pytest.mark.parametrize("suffix", [".h5mu", ".zarr"])
def test_a_file_gives_what_the_object_gives(tmp_path, suffix):
    a, b = read(ragged()), read(saved(tmp_path / f"d{suffix}", ragged()))
    assert (a.rows, a.features, a.notes) == (b.rows, b.features, b.notes)
    for name in a.names:
        assert np.array_equal(a.x[name], b.x[name])
        assert np.array_equal(a.mask[name], b.mask[name])


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_an_anndata_has_one_modality(tmp_path, suffix):
    path = saved(tmp_path / f"d{suffix}", adata(["c0", "c1"]))
    data = read(path)
    assert data.names == ("rna",)
    assert data.rows == ("c0", "c1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peaks = ad.AnnData(np.eye(2), var=pd.DataFrame({"feature_types": ["Peaks"] * 2}, index=["p", "q"]))
    assert read(peaks).names == ("atac",)
    peaks.var["feature_types"] = ["Peaks", "Gene Expression"]
    with pytest.raises(InputError, match=r"several kinds.*mudata\.MuData\(adata\)"):
        read(peaks)


def test_backed_objects_and_views_are_read(tmp_path):
    path = saved(tmp_path / "d.h5ad", adata([f"c{i}" for i in range(6)]))
    backed = ad.read_h5ad(path, backed="r")
    assert np.array_equal(read(backed).x["rna"], read(path).x["rna"])
    backed.file.close()
    view = open_file(path)[[4, 1]]
    assert read(view).rows == ("c4", "c1")
    assert np.array_equal(read(view).x["rna"], read(path).x["rna"][[4, 1]])


def test_raw_counts_are_found_and_said():
    counts = adata(["c0", "c1"], sparse=False)
    x = counts.X.copy()
    logged = ad.AnnData(np.log1p(x), obs=counts.obs, var=counts.var)
    assert read(logged).notes["rna"] == "real values (.X), no raw counts were found"
    assert read(logged).x["rna"].dtype == np.float32
    logged.raw = ad.AnnData(
        np.hstack([x + 1, x]),
        obs=counts.obs,
        var=pd.DataFrame(index=[*(f"h{i}" for i in range(5)), *counts.var_names]),
    )
    assert read(logged).notes["rna"] == "raw counts (.raw.X)"
    assert np.array_equal(read(logged).x["rna"], x)  # the columns of .raw that .X has
    logged.layers["counts"] = x + 2
    assert read(logged).notes["rna"] == "raw counts (layers['counts'])"
    assert np.array_equal(read(logged).x["rna"], x + 2)
    logged.layers["soup"] = x / 2 + 0.25
    assert read(logged, layers={"rna": "soup"}).notes["rna"] == "real values (layers['soup'])"
    assert np.array_equal(read(logged, layers={"rna": "raw"}).x["rna"], x)
    assert read(logged, layers={"rna": "X"}).notes["rna"] == "real values (.X)"
    logged.layers["counts"] = x - 100.0
    assert read(logged).notes["rna"] == "raw counts (.raw.X)"
    with pytest.raises(InputError, match=r"layers\['rna'\] is 'conts'.*Did you mean 'counts'"):
        read(logged, layers={"rna": "conts"})
    with pytest.raises(InputError, match="layers: modality is 'rma'"):
        read(logged, layers={"rma": "counts"})
    empty = ad.AnnData(None, obs=counts.obs, var=counts.var, layers={"tpm": x + 0.5})
    with pytest.raises(InputError, match=r"no \.X.*layers are tpm.*layers=\{'rna'"):
        read(empty)
    assert read(empty, layers={"rna": "tpm"}).x["rna"][0, 0] == x[0, 0] + 0.5


def test_nan_within_a_table_is_missing():
    one = adata(["c0", "c1"], sparse=False)
    one.X[0, 1] = np.nan
    data = read(one)
    assert data.mask["rna"].tolist() == [[True, False, True, True, True], [True] * 5]
    assert data.notes["rna"] == "raw counts (.X)"


def test_obsm_is_a_second_modality():
    one = adata(["c0", "c1", "c2"])
    one.obsm["tags"] = pd.DataFrame({"CD3": [1.0, np.nan, 3], "CD4": [4, np.nan, 6]}, index=one.obs_names)
    one.obsm["bare"] = np.array([[0.5, 1], [2, 3], [4, 5]])
    data = read(one, obsm={"protein": "tags", "other": "bare"})
    assert data.names == ("rna", "protein", "other")
    assert data.features["protein"] == ("CD3", "CD4")
    assert data.mask["protein"].tolist() == [True, False, True]
    assert data.features["other"] is None
    assert data.notes["protein"] == "obsm['tags']"
    assert read(one).names == ("rna",)
    with pytest.raises(InputError, match=r"obsm\['protein'\] is 'tag'.*Did you mean 'tags'"):
        read(one, obsm={"protein": "tag"})
    with pytest.raises(InputError, match=r"'rna', which is the modality of \.X"):
        read(one, obsm={"rna": "tags"})
    with pytest.raises(InputError, match="obsm is for an AnnData"):
        read(ragged(), obsm={"protein": "tags"})


@pytest.mark.parametrize("sparse", [True, False])
def test_of_many_features_those_that_vary_most_are_taken_in_their_order(sparse):
    one = adata([f"c{i}" for i in range(30)], genes=4, sparse=sparse)
    x = np.asarray(one.X.todense()) if sparse else one.X
    x = x * np.array([1, 5, 1, 9], dtype=np.float32)
    one.X = scipy.sparse.csr_matrix(x) if sparse else x
    data = read(one, features_most=2)
    assert data.features["rna"] == ("g1", "g3")
    assert data.notes["rna"] == "raw counts (.X); 4 features, the 2 of largest variance are used"
    assert np.array_equal(data.x["rna"], x[:, [1, 3]])
    assert np.allclose(variance(one.X), x.var(axis=0, dtype=np.float64))
    assert read(one, features={"rna": ["g2", "g0"]}).features["rna"] == ("g2", "g0")
    assert np.array_equal(read(one, features={"rna": ["g2", "g0"]}).x["rna"], x[:, [2, 0]])
    with pytest.raises(InputError, match=r"lacks 1 of the 2 features.*'g9'"):
        read(one, features={"rna": ["g2", "g9"]})
    with pytest.raises(InputError, match="features_most is 0"):
        read(one, features_most=0)


def test_too_little_memory_is_said_before_anything_is_made_dense():
    with pytest.raises(InputError, match=r"need 192 bytes .*rna 6 x 5, prot 6 x 3.*features_most"):
        read(ragged(), memory=100 / 2**30)
    assert read(ragged(), memory=192 / 2**30).shape == (6, 8)
    assert read(ragged(), memory=48 / 2**30, features_most=1).shape == (6, 2)


# labels


def test_columns_of_obs_are_labels():
    md = ragged()
    rna, prot = md["rna"], md["prot"]
    rna.obs["donor"] = pd.Categorical(["d4", "d0", None, "d2", "d3"])
    rna.obs["depth"] = rna.X.sum(axis=1)
    prot.obs["donor"] = ["d5", "d2", "d1", "d4"]
    prot.obs["depth"] = [5, 2, 1, 4]
    prot.obs["good"] = [True, False, True, True]
    md.obs["age"] = np.arange(6)
    labels = dict(zip(read(md).rows, range(6), strict=True))
    data = read(md)
    assert set(data.labels) == {"age", "donor", "rna:depth", "prot:depth", "good"}
    assert {c: data.labels["donor"][i] for c, i in labels.items()} == {f"c{i}": f"d{i}" for i in range(6)}
    assert data.labels["donor"].dtype.kind == "U"
    assert data.labels["age"].dtype == np.int64
    assert np.isnan(data.labels["rna:depth"][labels["c5"]])
    assert data.labels["prot:depth"][labels["c5"]] == 5
    assert data.labels["good"][labels["c5"]] == 1
    prot.obs["donor"] = ["d5", "x", "d1", "d4"]
    data = read(md)
    assert {"rna:donor", "prot:donor"} < set(data.labels)
    assert data.labels["rna:donor"][labels["c1"]] is None
    assert set(read(md, labels=["age"]).labels) == {"age"}
    assert {"age", "mine"} <= set(read(md, labels={"mine": range(6)}).labels)
    with pytest.raises(InputError, match="Did you mean 'age'"):
        read(md, labels=["agee"])
    md.obs["rna:depth"] = read(md).labels["rna:depth"]  # as mudata's pull_obs copies it
    assert set(read(md).labels) >= {"rna:depth", "prot:depth"}
    assert read(md, modalities=["prot"]).names == ("prot",)


def test_a_label_named_like_a_modality_is_told_apart():
    md = ragged()
    md.obs["prot"] = [f"has{i}" for i in range(6)]
    assert "obs:prot" in read(md).labels


# what cannot be read


def test_what_cannot_be_read_is_one_clear_error(tmp_path, monkeypatch):
    whole = saved(tmp_path / "d.h5mu", ragged()).read_bytes()
    for cut in (0, 100, len(whole) // 2, len(whole) - 200):
        (tmp_path / "cut.h5mu").write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"cut\.h5mu"):
            read(tmp_path / "cut.h5mu")
    (tmp_path / "text.h5ad").write_text("no")
    with pytest.raises(InputError, match=r"text\.h5ad cannot be read.*not HDF5"):
        read(tmp_path / "text.h5ad")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match=r"empty\.zarr cannot be read.*not zarr"):
        read(tmp_path / "empty.zarr")
    with pytest.raises(InputError, match="no file or folder"):
        read(tmp_path / "none.h5mu")
    for options in ({"groups": {"a": ["b"]}}, {"id": "cell"}):
        with pytest.raises(InputError, match="is for tables"):
            read(tmp_path / "d.h5mu", **options)
        with pytest.raises(InputError, match="is for tables"):
            read(ragged(), **options)
    with pytest.raises(InputError, match="layers is for AnnData and MuData; the data are a dict"):
        read({"a": [[1.0]]}, layers={"a": "counts"})
    monkeypatch.setitem(sys.modules, "mudata", None)
    with pytest.raises(InputError, match=r"mudata.*pip install 'counterpoint\[omics\]'"):
        read(tmp_path / "d.h5mu")


def test_a_file_is_known_by_what_it_holds(tmp_path):
    saved(tmp_path / "d.h5mu", ragged()).rename(tmp_path / "d.h5ad")
    assert read(tmp_path / "d.h5ad").names == ("rna", "prot")


def test_cells_that_cannot_be_matched_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = mu.MuData({"rna": adata(["c0", "c0", "c1"]), "prot": adata(["c0", "c1"], 3)})
    with pytest.raises(InputError, match=r"'rna' names 1 cells twice, such as 'c0'"):
        read(twice)
    stale = ragged()
    stale["prot"].obs_names = ["c5", "c2", "c1", "new"]
    with pytest.raises(InputError, match=r"mdata\.update\(\)"):
        read(stale)
    shared = mudata(a=adata(["c0"]), b=adata(["c1"]))
    shared._axis = 1
    with pytest.raises(InputError, match="axis=1"):
        read(shared)


# what is written


@pytest.fixture(scope="module")
def fitted():
    """A model of 60 cells, of which ten lack either modality."""
    cells = [f"c{i}" for i in range(60)]
    md = mudata(rna=adata(cells[:50]), prot=adata(cells[10:], 3, seed=9))
    return cp.Counterpoint("mmvm", **QUICK).fit(md), md


def test_annotate_writes_latents_imputations_and_where_they_come_from(fitted, tmp_path):
    model, md = fitted
    md = mudata(**{name: part.copy() for name, part in md.mod.items()})
    written = annotate(md, model, to=["prot"])
    assert written == (
        *("obsm X_cp", "obsm X_cp_rna", "obsm X_cp_prot", "obsm cp_imputed_prot"),
        "layers cp_imputed (prot)",
    )
    assert np.array_equal(md.obsm["X_cp"], model.transform(md))
    lacks = ~md.obs_names.isin(md["prot"].obs_names)
    assert lacks.sum() == 10
    assert np.isnan(md.obsm["X_cp_prot"]).all(axis=1).tolist() == lacks.tolist()
    made = model.impute(md, to=["prot"])["prot"].filled.astype(np.float32)
    assert np.array_equal(md.obsm["cp_imputed_prot"], made)
    assert np.array_equal(md["prot"].layers["cp_imputed"], md["prot"].X.toarray())  # all was observed
    path = write_file(tmp_path / "out.h5mu", md)
    back = open_file(path)
    assert np.array_equal(back.obsm["X_cp"], md.obsm["X_cp"])
    said = back.uns["counterpoint"]
    assert (said["method"], said["seed"], said["latent_dim"]) == ("mmvm", 0, 3)
    assert said["versions"]["counterpoint"] == cp.__version__
    assert said["fingerprint"] == model.data_summary_["fingerprint"]
    assert list(said["features_prot"]) == ["g0", "g1", "g2"]
    assert read(path).names == ("rna", "prot")
    with pytest.raises(InputError, match=r"a MuData is written to a name in \.h5mu"):
        write_file(tmp_path / "out.h5ad", md)


def test_annotate_finds_the_features_of_the_model_by_name(fitted):
    """Unseen cells in one AnnData, more features, another order."""
    model, _ = fitted
    own = adata(["c70", "c71"], sparse=False)
    more = own[:, ["g3", "g1", "g0", "g4", "g2"]].copy()
    extra = ad.AnnData(
        np.hstack([np.full((2, 1), 7, np.float32), more.X]),
        obs=own.obs,
        var=pd.DataFrame(index=["new", *more.var_names]),
    )
    annotate(own, model)
    annotate(extra, model, to=["rna", "prot"])
    assert np.array_equal(own.obsm["X_cp"], extra.obsm["X_cp"])
    assert np.isnan(extra.layers["cp_imputed"][:, 0]).all()
    assert np.array_equal(extra.layers["cp_imputed"][:, 1:], more.X)
    assert extra.obsm["cp_imputed_prot"].shape == (2, 3)
    with pytest.raises(InputError, match=r"lacks 1 of the 5 features.*'g4'"):
        annotate(own[:, :4], model)
    with pytest.raises(InputError, match="other rows"):
        annotate(own, model, data=read(adata(["c1", "c2"])))
    with pytest.raises(InputError, match="give an AnnData or a MuData"):
        annotate({"rna": own.X}, model)


def test_the_command_line_writes_beside_the_data(fitted, tmp_path, monkeypatch, capsys):
    model, md = fitted
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "pbmc.h5mu", md)
    model.save("run")
    before = (tmp_path / "pbmc.h5mu").read_bytes()
    assert cli.main(["inspect", "pbmc.h5mu"]) == 0
    shown = capsys.readouterr().out
    assert "read as    rna raw counts (.X) · prot raw counts (.X)" in shown
    assert "60 rows · 2 modalities" in shown
    assert cli.main(["embed", "run", "pbmc.h5mu", "--out", "pbmc.cp.h5mu"]) == 0
    assert "60 cells, none dropped · wrote pbmc.cp.h5mu: obsm X_cp" in capsys.readouterr().out
    z = model.transform(md)
    assert np.allclose(open_file(Path("pbmc.cp.h5mu")).obsm["X_cp"], z)
    assert cli.main(["impute", "run", "pbmc.h5mu", "--to", "prot", "--out", "x.h5mu"]) == 0
    assert open_file(Path("x.h5mu")).obsm["cp_imputed_prot"].shape == (60, 3)
    assert cli.main(["embed", "run", "pbmc.h5mu", "--out", "z.csv"]) == 0
    table = pd.read_csv("z.csv", index_col="id")
    assert list(table.index) == list(md.obs_names)
    assert list(table.columns) == [f"{n}_{i}" for n in ("joint", "rna", "prot") for i in range(3)]
    assert np.array_equal(table.iloc[:, :3].to_numpy(np.float32), z)
    assert table["prot_0"].isna().sum() == 10
    assert cli.main(["embed", "run", "pbmc.h5mu"]) == 0
    with np.load("embedding.npz") as found:
        assert found["rows"].tolist() == list(md.obs_names)
    capsys.readouterr()
    for out, says in {
        "pbmc.h5mu": "the data's own file",
        "./pbmc.h5mu": "the data's own file",
        "z.h5ad": "a name in .h5mu",
        "z.txt": "must end in .npz, .csv, .parquet, .h5mu or .h5ad",
    }.items():
        assert cli.main(["embed", "run", "pbmc.h5mu", "--out", out]) == 2
        assert says in capsys.readouterr().err
    np.savez("d.npz", rna=np.ones((3, 5)))
    assert cli.main(["embed", "run", "d.npz", "--out", "d.h5mu"]) == 2
    assert "no AnnData or MuData" in capsys.readouterr().err
    assert (tmp_path / "pbmc.h5mu").read_bytes() == before
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]


# real cells


def ragged_pbmc(real_data: Path, path: Path) -> Path:
    """pbmc_citeseq400: every third cell lacks the protein, every third the RNA."""
    with np.load(real_data / "pbmc_citeseq400" / "pbmc_citeseq400.npz") as z:
        cells = np.array([f"cell{i:03d}" for i in range(400)])
        obs = pd.DataFrame({"batch": [f"b{b}" for b in z["batch"]]}, index=cells)
        obs["gate"] = [str(n) for n in z["gated_label_names"][z["gated_label"]]]
        third = np.arange(400) % 3
        rna = ad.AnnData(
            scipy.sparse.csr_matrix(z["rna_counts"].astype(np.float32)),
            obs=obs.copy(),
            var=pd.DataFrame(index=z["genes"].astype(str)),
        )[third != 2].copy()
        prot = ad.AnnData(
            z["protein_counts"].astype(np.float32),
            obs=obs.copy(),
            var=pd.DataFrame(index=z["proteins"].astype(str)),
        )[third != 1].copy()
    return saved(path, mudata(rna=rna, prot=prot))


def test_pbmc_with_holes_end_to_end(real_data, tmp_path):
    path = ragged_pbmc(real_data, tmp_path / "pbmc.h5mu")
    data = read(path)
    assert len(data) == 400
    assert data.patterns() == {("rna", "prot"): 134, ("rna",): 133, ("prot",): 133}
    with np.load(real_data / "pbmc_citeseq400" / "pbmc_citeseq400.npz") as z:
        for i, row in enumerate(data.rows):
            cell = int(row[4:])
            assert (data.x["rna"][i] == (z["rna_counts"][cell] if cell % 3 != 2 else 0)).all()
            assert (data.x["prot"][i] == (z["protein_counts"][cell] if cell % 3 != 1 else 0)).all()
    assert data.labels["gate"].dtype.kind == "U"
    assert set(data.labels["batch"]) == {"b0", "b1"}
    md = open_file(path)
    model = cp.Counterpoint("mmvm", latent_dim=8, epochs=4, hidden=(32,)).fit(md)
    assert model.preparation_.likelihoods == {"rna": "negative_binomial", "prot": "negative_binomial"}
    annotate(md, model)
    back = open_file(write_file(tmp_path / "pbmc.cp.h5mu", md))
    assert back.obsm["X_cp"].shape == (400, 8)
    assert np.isfinite(back.obsm["X_cp"]).all()
    assert np.isnan(back.obsm["X_cp_prot"]).any(axis=1).sum() == 133
    assert np.isnan(back.obsm["X_cp_rna"]).any(axis=1).sum() == 133
    assert os.path.getsize(path) > 0


@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("kind", ["link", "storage"])
def test_a_file_that_leads_to_another_is_refused(tmp_path, backed, kind):
    import h5py

    path = tmp_path / "cells.h5ad"
    saved(path, adata(["c0", "c1", "c2"]))
    with h5py.File(path, "a") as file:
        if kind == "link":
            file["uns/more"] = h5py.ExternalLink("/etc/passwd", "/")
        else:
            file["uns"].create_dataset("more", (4,), dtype="u1", external=[("/etc/hostname", 0, 4)])
    with pytest.raises(InputError, match=r"cells.h5ad leads to another file at 'uns/more'"):
        read(path, backed=backed)
