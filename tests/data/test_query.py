"""Rows for a fitted model: features by name, from where the fit had them; what is lacking."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import counterpoint as cp
from counterpoint import runs
from counterpoint.data import Preparation, read
from counterpoint.data.backed import Backed
from counterpoint.data.matching import matched
from counterpoint.data.omics_annotate import annotate
from counterpoint.data.omics_matrices import is_counts, variance
from counterpoint.data.prepared import hash_of
from counterpoint.errors import InputError
from made_cells import adata, mudata, saved

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata as ad

QUICK = {"epochs": 3, "latent_dim": 3, "hidden": (16,)}
GENES = [f"g{i}" for i in range(6)]


def tables(rows=50, seed=0):
    rng = np.random.default_rng(seed)
    rna = pd.DataFrame(rng.normal(size=(rows, 6)), columns=GENES)
    counts = pd.DataFrame(rng.poisson(3.0, size=(rows, 4)), columns=list("abcd"))
    kinds = pd.DataFrame(rng.choice(["x", "y", "z"], size=(rows, 3)), columns=["k0", "k1", "k2"])
    return {"rna": rna, "counts": counts, "kinds": kinds}


@pytest.fixture(scope="module")
def fitted():
    """A model with a modality of each kind of likelihood: real, counts, categories."""
    m = cp.Counterpoint("mmvm", **QUICK).fit(tables())
    assert [m.preparation_[n].likelihood[:6] for n in m.modalities_] == ["normal", "poisso", "catego"]
    return m


def test_shuffled_columns_give_the_same_to_the_bit(fitted):
    new = tables(20, seed=1)
    rng = np.random.default_rng(2)
    mixed = {name: t.iloc[:, rng.permutation(t.shape[1])] for name, t in new.items()}
    assert any(list(mixed[n].columns) != list(new[n].columns) for n in new)
    assert np.array_equal(fitted.embed(mixed), fitted.embed(new))
    for name, made in fitted.impute(mixed).items():
        assert np.array_equal(made.filled, fitted.impute(new)[name].filled)
    assert fitted.score(mixed) == fitted.score(new)


@pytest.mark.parametrize("method", ["mmvm", "poe", "jmvae"])
def test_lacking_columns_are_those_masked_by_hand_to_the_bit(method):
    m = cp.Counterpoint(method, **QUICK).fit(tables())
    new = tables(20, seed=1)
    new["rna"].iloc[3, 4] = np.nan
    kept = {"rna": ["g5", "g0", "g2"], "counts": ["d", "b"], "kinds": ["k1"]}
    rows = m.read({n: new[n][c] for n, c in kept.items()}, missing_features="impute")
    by_hand = {n: np.tile(t.columns.isin(kept[n]), (20, 1)) & t.notna().to_numpy() for n, t in new.items()}
    garbage = {n: t.where(by_hand[n], t.iloc[7, 0]) for n, t in new.items()}  # filler never matters
    for name, mask in by_hand.items():
        assert np.array_equal(rows.mask[name], mask)
    assert np.array_equal(m.embed(rows), m.embed(garbage, mask=by_hand))
    a, b = m.impute(rows), m.impute(garbage, mask=by_hand)
    for name in a:
        assert np.array_equal(a[name].filled, b[name].filled)
        assert np.array_equal(a[name].spread, b[name].spread)
    assert not np.array_equal(m.embed(rows), m.embed(new))


def test_a_modality_without_any_of_its_features_is_absent(fitted):
    new = tables(20, seed=1)
    odd = {**new, "rna": new["rna"].add_prefix("ENSG")}
    with pytest.warns(UserWarning, match="modality 'rna': 6 features \\('ENSGg0'"):
        rows = fitted.read(odd, missing_features="impute")
    assert rows.mask["rna"].shape == (20,)
    assert not rows.mask["rna"].any()
    assert "6 features ('g0', 'g1', 'g2', ...) are lacking, and imputed" in (rows.notes["rna"] or "")
    rest = {n: new[n] for n in ("counts", "kinds")}
    assert np.array_equal(fitted.embed(rows), fitted.embed(rest))


def test_columns_that_were_not_fitted_are_left_out_and_said(fitted):
    new = tables(20, seed=1)
    more = {**new, "rna": new["rna"].assign(new=1.0)[["new", *GENES]]}
    with pytest.warns(
        UserWarning, match=r"'rna': 1 feature \('new'\) is left out, which the fit did not have"
    ):
        z = fitted.embed(more)
    assert np.array_equal(z, fitted.embed(new))


def test_what_is_lacking_is_refused_unless_asked(fitted):
    new = tables(20, seed=1)
    few = {**new, "rna": new["rna"][["g5", "g0"]]}
    for ask in (fitted.embed, fitted.impute, fitted.score, fitted.embed_each, fitted.read):
        with pytest.raises(InputError) as error:
            ask(few)
        assert "lacks 4 of the 6 features that were fitted, such as 'g1', 'g2', 'g3', 'g4'." in str(
            error.value
        )
        assert "model.read(X, missing_features='impute')" in str(error.value)
    near = {**new, "rna": new["rna"].rename(columns={"g3": "g3.1"})}
    with pytest.raises(InputError, match=r"'g3'. Did you mean 'g3.1'"):
        fitted.embed(near)
    with pytest.raises(InputError, match="not fitted; call fit"):
        cp.Counterpoint().read(new)


def test_columns_without_names_are_known_by_their_hash(fitted, tmp_path):
    new = tables(20, seed=1)
    bare = {"rna": new["rna"].to_numpy()}
    right = fitted.preparation_["rna"].feature_hash
    assert right == hash_of(GENES)
    assert np.array_equal(fitted.embed(fitted.read(bare, feature_hash={"rna": right})), fitted.embed(bare))
    other = hash_of(GENES[::-1])
    with pytest.raises(
        InputError, match=f"without names, of which the hash {other[:12]}... says that they are not"
    ):
        fitted.read(bare, feature_hash={"rna": other})
    with pytest.raises(InputError, match="the names of its columns have"):
        fitted.read({"rna": new["rna"]}, feature_hash={"rna": other})
    with pytest.raises(InputError, match="Did you mean 'rna'"):
        fitted.read(bare, feature_hash={"rma": right})
    np.savez(tmp_path / "right.npz", rna=bare["rna"], rna_feature_hash=right)
    np.savez(tmp_path / "wrong.npz", rna=bare["rna"], rna_feature_hash=other)
    assert np.array_equal(fitted.embed(tmp_path / "right.npz"), fitted.embed(bare))
    with pytest.raises(InputError, match="are not those of the fit"):
        fitted.embed(tmp_path / "wrong.npz")


def test_a_file_is_read_for_what_the_model_has(fitted, tmp_path):
    """It lacks a modality, and holds arrays of other lengths that are none of ours."""
    new = tables(20, seed=1)
    np.savez(tmp_path / "d.npz", rna=new["rna"].to_numpy(), rna_features=GENES, other=np.ones((7, 2)))
    assert np.array_equal(fitted.embed(tmp_path / "d.npz"), fitted.embed({"rna": new["rna"]}))
    np.savez(tmp_path / "none.npz", other=np.ones((7, 2)))
    with pytest.raises(
        InputError, match=r"none of the run's modalities \(rna, counts, kinds\); it has other"
    ):
        fitted.embed(tmp_path / "none.npz")
    (tmp_path / "csv").mkdir()
    new["rna"][GENES[::-1]].to_csv(tmp_path / "csv" / "rna.csv", index=False)
    assert np.allclose(fitted.embed(tmp_path / "csv"), fitted.embed({"rna": new["rna"]}))


def test_what_fits_already_is_the_same_object(fitted):
    data = read(tables(20, seed=1))
    found = matched(data, fitted.preparation_)
    assert all(found.x[n] is data.x[n] and found.mask[n] is data.mask[n] for n in data.names)


# cells


def protein(cells, sites=("CD3", "CD4", "CD8")):
    """A cell's proteins, by its name."""
    x = np.stack([np.random.default_rng([7, int(c[1:])]).normal(size=3) for c in cells]).astype(np.float32)
    return pd.DataFrame(x, columns=["CD3", "CD4", "CD8"], index=list(cells))[list(sites)]


def cells_with_protein(cells, **options):
    one = adata(cells)
    one.obsm["tags"] = protein(cells, **options)
    return one


@pytest.fixture(scope="module")
def with_obsm(tmp_path_factory):
    one = cells_with_protein([f"c{i}" for i in range(40)])
    run = tmp_path_factory.mktemp("runs") / "run"
    cp.Counterpoint("mmvm", **QUICK).fit(read(one, obsm={"protein": "tags"}), run=run)
    return runs.load(run)


def test_a_modality_of_obsm_is_found_again(with_obsm, tmp_path):
    assert with_obsm.preparation_.origin == {"rna": {"layer": "X"}, "protein": {"obsm": "tags"}}
    new = [f"c{i}" for i in range(50, 60)]
    one = cells_with_protein(new)
    rows = {"rna": pd.DataFrame(one.X.toarray(), columns=one.var_names), "protein": one.obsm["tags"]}
    rows = {n: t.reset_index(drop=True) for n, t in rows.items()}
    expected = with_obsm.embed(rows)
    assert np.array_equal(with_obsm.embed(one), expected)
    assert np.array_equal(with_obsm.embed(saved(tmp_path / "new.h5ad", one)), expected)
    shuffled = cells_with_protein(new, sites=("CD8", "CD3", "CD4"))
    assert np.array_equal(with_obsm.embed(shuffled), expected)
    renamed = adata(new)
    renamed.obsm["adt"] = protein(new)
    assert with_obsm.read(renamed).names == ("rna",)
    found = with_obsm.read(renamed, obsm={"protein": "adt"})
    assert np.array_equal(with_obsm.embed(found), expected)
    annotate(one, with_obsm, to=["protein"])
    assert np.array_equal(one.obsm["X_cp"], expected)
    md = mudata(rna=adata(new), protein=ad.AnnData(protein(new)))
    assert np.allclose(with_obsm.embed(md), expected)
    with pytest.raises(InputError, match=r"obsm\['protein'\] is 'atd'.*Did you mean 'adt'"):
        with_obsm.read(renamed, obsm={"protein": "atd"})
    with pytest.raises(InputError, match="obsm: modality is 'protien'"):
        with_obsm.read(renamed, obsm={"protien": "adt"})
    with pytest.raises(InputError, match=r"lies in obsm\['tags'\].*without backed=True"):
        with_obsm.read(tmp_path / "new.h5ad", backed=True)


def test_the_layer_of_the_fit_is_read_again():
    cells = [f"c{i}" for i in range(30)]
    one = adata(cells, sparse=False)
    one.layers["log"] = np.log1p(one.X) * 0.7
    m = cp.Counterpoint("mmvm", **QUICK).fit(read(one, layers={"rna": "log"}))
    new = adata(["c70", "c71"], sparse=False)
    new.layers["log"] = np.log1p(new.X) * 0.7
    assert np.array_equal(m.embed(new), m.embed({"rna": new.layers["log"]}))
    del new.layers["log"]
    with pytest.raises(
        InputError, match=r"'rna' was fitted on layers\['log'\], which these cells lack; they have X"
    ):
        m.embed(new)
    new.layers["mine"] = np.log1p(new.X) * 0.7
    assert np.array_equal(m.embed(m.read(new, layers={"rna": "mine"})), m.embed({"rna": new.layers["mine"]}))
    counts = cp.Counterpoint("mmvm", **QUICK).fit(read(one))  # of .X; another file keeps them elsewhere
    moved = ad.AnnData(np.log1p(new.X), obs=new.obs, var=new.var, layers={"counts": new.X})
    assert np.array_equal(counts.embed(moved), counts.embed({"rna": new.X}))


@pytest.mark.parametrize("backed", [False, True])
def test_cells_that_lack_features(backed, tmp_path):
    cells = [f"c{i}" for i in range(40)]
    m = cp.Counterpoint("mmvm", **QUICK).fit(mudata(rna=adata(cells), prot=adata(cells, 3, seed=9)))
    new = [f"c{i}" for i in range(50, 62)]
    whole = mudata(rna=adata(new), prot=adata(new, 3, seed=9))
    rna, prot = whole["rna"][:, ["g3", "g1"]].copy(), whole["prot"].copy()
    prot.var_names = ["p0", "p1", "p2"]
    path = saved(tmp_path / "new.h5mu", mudata(rna=rna, prot=prot))
    with pytest.raises(InputError, match="'rna' lacks 3 of the 5 features that were fitted, such as 'g0'"):
        m.read(path, backed=backed)
    with pytest.warns(UserWarning, match="'prot' has none of its features here; it is absent"):
        rows = m.read(path, missing_features="impute", backed=backed)
    assert isinstance(rows, Backed) == backed
    mask = {"rna": np.tile(np.isin(np.arange(5), [1, 3]), (12, 1))}
    by_hand = m.embed({"rna": whole["rna"].X.toarray()}, mask=mask)
    assert np.array_equal(m.embed(rows), by_hand)
    part = rows[2:5].load() if isinstance(rows, Backed) else rows[2:5]
    assert part.features["rna"] == tuple(f"g{i}" for i in range(5))
    assert part.mask["rna"].tolist() == mask["rna"][2:5].tolist()


def test_names_that_stand_there_twice_do_where_they_are_those_of_the_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = adata([f"c{i}" for i in range(30)], names=["g0", "g1", "g1", "g3", "g4"])
        turned = twice[:, [1, 0, 2, 3, 4]].copy()
    m = cp.Counterpoint("mmvm", **QUICK).fit(twice)
    assert np.array_equal(m.embed(twice), m.embed({"rna": twice.X.toarray()}))
    with pytest.raises(InputError, match="names 'g1' twice"):
        m.embed(turned)


def test_a_mask_of_cells_is_of_their_own_columns():
    m = cp.Counterpoint("mmvm", **QUICK).fit(adata([f"c{i}" for i in range(30)]))
    new = adata(["c70", "c71"])
    mask = np.random.default_rng(0).random((2, 5)) < 0.6
    turned = new[:, ["g4", "g3", "g2", "g1", "g0"]].copy()
    expected = m.embed({"rna": new.X.toarray()}, mask={"rna": mask})
    assert np.array_equal(m.embed(new, mask={"rna": mask}), expected)
    assert np.array_equal(m.embed(turned, mask={"rna": mask[:, ::-1].copy()}), expected)


def test_a_preparation_without_origin_is_read(with_obsm):
    plain = with_obsm.preparation_.to_dict()
    assert Preparation.from_dict(plain).origin == with_obsm.preparation_.origin
    old = {k: v for k, v in plain.items() if k != "origin"}
    assert Preparation.from_dict(old).origin == {}
    for bad in ([], {"rna": "X"}, {"rma": {"layer": "X"}}, {"rna": {"layer": 3}}):
        with pytest.raises(InputError, match="'origin'"):
            Preparation.from_dict({**plain, "origin": bad})


def test_variance_of_sparse_tables_leaves_out_what_is_missing():
    x = np.random.default_rng(0).poisson(1.0, size=(30, 5)).astype(float)
    x[3:9, 2] = np.nan
    x[:, 4] = np.nan
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix):
        found = variance(kind(x))
        assert np.allclose(found, variance(x))
        assert np.allclose(found[:4], np.nanvar(x[:, :4], axis=0))
    turned = scipy.sparse.csr_matrix(x)[:, np.arange(5)[::-1]]  # its indices are not sorted
    assert np.allclose(variance(turned), variance(x)[::-1])
    assert np.isnan(x).any()


def test_a_matrix_of_counts_is_looked_at_once(monkeypatch):
    from counterpoint.data import omics_matrices

    seen = []
    monkeypatch.setattr(omics_matrices, "is_counts", lambda x: (seen.append(x), is_counts(x))[1])
    read(adata(["c0", "c1"]))
    assert len(seen) == 1
