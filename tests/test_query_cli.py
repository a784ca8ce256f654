"""A run asked about any data by typing: other features, layers, obsm, rows in their file, one session."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest

import counterpoint as cp
from counterpoint import cli, runs
from counterpoint.data import backed, read
from counterpoint.data.omics_files import open_file
from counterpoint.data.session_files import read_sessions
from made_cells import adata, mudata, saved
from test_cli import QUICK, refused
from test_sessions_cli import ANIMALS, HOW, animal

TRAINED, NEW = [f"c{i}" for i in range(40)], [f"c{i}" for i in range(50, 90)]


def typed(*argv, err=False):
    """Type a command; return what it prints, or the remarks beside it."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as said,
        contextlib.redirect_stderr(io.StringIO()) as noted,
    ):
        assert cli.main([str(word) for word in argv]) == 0, noted.getvalue()
    return (noted if err else said).getvalue()


def arrays(path):
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the run of a MuData, in which one is."""
    monkeypatch.chdir(tmp_path)
    md = mudata(rna=adata(TRAINED), prot=adata(TRAINED[8:], 3, seed=9))
    typed("fit", saved(tmp_path / "pbmc.h5mu", md), "--run", "run", *QUICK)
    return runs.load("run")


# features that lack


def test_features_that_lack_are_imputed_if_asked(run, tmp_path, capsys):
    whole = mudata(rna=adata(NEW), prot=adata(NEW, 3, seed=9))
    lacks = "2 features ('g1', 'g3') are lacking, and imputed"
    few = mudata(rna=adata(NEW)[:, ["g4", "g0", "g2"]].copy(), prot=whole["prot"].copy())
    saved(tmp_path / "few.h5mu", few)
    for verb in (["embed"], ["impute"], ["translate", "--source", "rna", "--target", "prot"]):
        said = refused(capsys, [verb[0], "run", "few.h5mu", *verb[1:]])
        assert "'rna' lacks 2 of the 5 features that were fitted, such as 'g1', 'g3'." in said
        assert "--missing_features impute" in said
        noted = typed(verb[0], "run", "few.h5mu", *verb[1:], "--missing_features", "impute", err=True)
        assert f"rna raw counts (.X); {lacks}" in noted
    as_asked = ["embed", "run", "few.h5mu", "--missing_features", "impute"]
    assert f"(.X), left in the file; {lacks}" in typed(*as_asked, "--backed", "--out", "b.npz", err=True)
    assert typed(*as_asked).splitlines()[-1].endswith("impute run few.h5mu --missing_features impute")
    mask = {"rna": np.tile([True, False, True, False, True], (40, 1))}
    by_hand = read({n: whole[n].X.toarray() for n in ("rna", "prot")}, mask=mask)
    assert np.array_equal(arrays("embedding.npz")["joint"], run.embed(by_hand))
    imputed, made = arrays("imputed.npz"), run.impute(by_hand)
    assert np.array_equal(imputed["rna/filled"], made["rna"].filled)
    assert np.array_equal(imputed["prot/spread"], made["prot"].spread)
    assert np.array_equal(arrays("translation.npz")["prot"], run.translate(by_hand, "rna", "prot"))
    typed("impute", "run", "few.h5mu", "--to", "rna", "--out", "out.h5mu", "--missing_features", "impute")
    back = open_file(tmp_path / "out.h5mu")
    assert np.allclose(back.obsm["X_cp"], run.embed(by_hand))
    assert np.allclose(back.obsm["cp_imputed_rna"], run.impute(by_hand, ["rna"])["rna"].filled)
    said = refused(capsys, ["embed", "run", "few.h5mu", "--missing_features", "imput"])
    assert "Did you mean 'impute'" in said


def test_predict_takes_them_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = adata(TRAINED)
    one.obs["kind"] = ["a", "b"] * 20
    typed("fit", saved(tmp_path / "d.h5ad", one), "--run", "run", "--target", "kind", *QUICK)
    saved(tmp_path / "few.h5ad", adata(NEW)[:, ["g4", "g0"]].copy())
    assert "--missing_features impute" in refused(capsys, ["predict", "run", "few.h5ad"])
    typed("predict", "run", "few.h5ad", "--missing_features", "impute")
    assert arrays("predictions.npz")["label"].shape == (40,)


def test_what_is_left_out_is_said(run, tmp_path):
    saved(tmp_path / "more.h5ad", adata(NEW, genes=8))
    noted = typed("embed", "run", "more.h5ad", err=True)
    assert "read as    rna raw counts (.X); 3 features left out that the fit did not have" in noted
    assert "absent     prot" in noted
    (tmp_path / "csv").mkdir()
    pd.DataFrame(adata(NEW, genes=6).X.toarray(), columns=[f"g{i}" for i in range(6)]).to_csv("csv/rna.csv")
    noted = typed("embed", "run", "csv", err=True)
    assert "read as    rna 1 feature ('g5') is left out, which the fit did not have" in noted


# layers, obsm


def with_layers(cells):
    one = adata(cells)
    one.layers["log"] = np.log1p(one.X.toarray()) * 0.7
    rng = np.random.default_rng(len(cells[0]))
    one.obsm["tags"] = pd.DataFrame(rng.normal(size=(len(cells), 2)), columns=["CD3", "CD4"], index=cells)
    one.obs["kind"] = ["a", "b"] * (len(cells) // 2)
    return one


def test_layers_and_obsm_by_typing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "d.h5ad", with_layers(TRAINED))
    as_named = ["--layers", "{rna: log}", "--obsm", "{prot: tags}"]
    said = typed("inspect", "d.h5ad", *as_named)
    assert "read as    rna real values (layers['log']) · prot obsm['tags']" in said
    assert "fit d.h5ad --layers '{rna: log}' --obsm '{prot: tags}'" in said
    typed("fit", "d.h5ad", *as_named, "--run", "run", "--test", "0.3", "--label", "kind", *QUICK)
    new = with_layers(NEW)
    typed("embed", "run", saved(tmp_path / "new.h5ad", new))  # the run remembers
    values = {"rna": new.layers["log"].astype(np.float32), "prot": new.obsm["tags"].to_numpy(np.float32)}
    run = runs.load("run")
    assert np.array_equal(arrays("embedding.npz")["joint"], run.embed(values))
    typed("evaluate", "run", "d.h5ad", "--measures", "probe")
    moved = with_layers(NEW)
    moved.layers["mine"], moved.obsm["adt"] = moved.layers.pop("log"), moved.obsm.pop("tags")
    saved(tmp_path / "moved.h5ad", moved)
    assert "fitted on layers['log'], which these cells lack" in refused(
        capsys, ["embed", "run", "moved.h5ad"]
    )
    typed("embed", "run", "moved.h5ad", "--layers", "{rna: mine}", "--obsm", "{prot: adt}")
    assert np.array_equal(arrays("embedding.npz")["joint"], run.embed(values))
    np.savez("d.npz", rna=np.ones((3, 5)))
    assert "for AnnData and MuData" in refused(capsys, ["embed", "run", "d.npz", "--layers", "{rna: mine}"])


def test_a_modality_joins_beside_the_layer_of_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = with_layers(TRAINED)
    saved(tmp_path / "d.h5ad", one)
    typed("fit", "d.h5ad", "--layers", "{rna: log}", "--run", "run", *QUICK)
    words = ["adapt", "run", "d.h5ad", "--obsm", "{prot: tags}", "--run", "more", "--verbose", "0"]
    said = refused(capsys, words)
    assert "'rna' was fitted on layer 'log', and was read from layer 'X' here" in said
    assert "--layers '{rna: log}'" in said
    typed(*words, "--layers", "{rna: log}", "--epochs", "1")
    more = runs.load("more")
    assert more.preparation_.origin == {"rna": {"layer": "log"}, "prot": {"obsm": "tags"}}
    assert np.array_equal(more.embed_each(one)["rna"], runs.load("run").embed_each(one)["rna"])


# rows in their file


def test_rows_in_their_file_are_asked_block_by_block(run, tmp_path, monkeypatch, capsys):
    path = saved(tmp_path / "new.h5mu", mudata(rna=adata(NEW), prot=adata(NEW[5:30], 3, seed=9)))
    said = typed("inspect", path, "--backed")
    memory = typed("inspect", path).splitlines()
    assert said.splitlines()[:4] == memory[:4]
    assert "--backed true" in said
    monkeypatch.setattr(backed, "MOST_ROWS", 16)
    sizes, load = [], backed.Backed.load
    monkeypatch.setattr(backed.Backed, "load", lambda self: (sizes.append(len(self)), load(self))[1])
    typed("embed", "run", path, "--backed", "--out", "z.npz")
    typed("impute", "run", path, "--backed", "--draws", "8", "--out", "x.npz")
    typed("translate", "run", path, "--backed", "--source", "rna", "--target", "prot", "--out", "t.npz")
    assert max(sizes) == 16
    assert sum(sizes) == 4 * len(NEW)
    data = read(path)
    z, x = arrays("z.npz"), arrays("x.npz")
    assert np.allclose(z["joint"], run.embed(data), atol=1e-6)
    assert z["rows"].tolist() == list(data.rows or ())
    assert np.allclose(arrays("t.npz")["prot"], run.translate(data, "rna", "prot"), rtol=1e-5)
    made = run.impute(data, draws=8)["prot"]
    here = data.mask["prot"]
    assert np.array_equal(x["prot/filled"][here], made.filled[here])
    assert np.allclose(x["prot/mean"], made.mean, rtol=1e-4)  # a row draws the same in any block
    assert np.allclose(x["prot/spread"], made.spread, rtol=1e-3)
    typed("impute", "run", path, "--out", "m.npz")
    said = refused(capsys, ["embed", "run", str(path), "--backed", "--out", "z.h5mu"])
    assert "leave --backed out" in said
    monkeypatch.setattr("counterpoint.data.omics_matrices.half_of_memory", lambda: 10.0)
    assert "name fewer modalities with --to NAME" in refused(capsys, ["impute", "run", str(path), "--backed"])


def test_the_table_of_what_was_missing_is_the_same(run, tmp_path):
    path = saved(tmp_path / "new.h5mu", mudata(rna=adata(NEW), prot=adata(NEW[5:30], 3, seed=9)))
    memory, file = typed("impute", "run", path), typed("impute", "run", path, "--backed")
    assert file == memory.rstrip() + " --backed true\n"


# sessions


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """Three animals in a folder of their own, beside a run of them without test rows."""
    folder = tmp_path_factory.mktemp("animals")
    (folder / "data").mkdir()
    for name in ANIMALS:
        np.savez(folder / "data" / f"{name}.npz", **animal(name))
    files = [folder / "data" / f"{name}.npz" for name in ANIMALS]
    typed("fit", *files, *HOW, "--run", folder / "run", *QUICK)
    typed("fit", *files, *HOW, "--run", folder / "tested", "--test", "0.3", *QUICK)
    return folder


def test_one_session_is_embedded_as_the_run_read_it(animals, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(animals)
    typed("embed", "run", "data/B.npz", "--out", tmp_path / "z.npz")
    found, m = arrays(tmp_path / "z.npz"), runs.load("run")
    assert found["joint"].shape == (40 * 3, 2)
    assert np.isnan(found["modality/A"]).all()
    every = read_sessions(
        [animals / "data" / f"{n}.npz" for n in ANIMALS], "odor", window="250:490ms", bin="80ms"
    )
    order = np.lexsort((every.labels["bin"], every.labels["trial of B"]))
    order = order[every.labels["trial of B"][order] >= 0]
    assert np.array_equal(found["joint"], m.embed({"B": every.x["B"][order]}))
    rows = m.read(animals / "data" / "B.npz")
    assert rows.labels["odor"].tolist() == every.labels["odor"][order].tolist()
    assert rows.blocks is not None
    assert np.bincount(rows.blocks).tolist() == [3] * 40
    assert np.array_equal(m.embed(m.read({"B": animal("B")})), found["joint"])
    unlabelled = {k: v for k, v in animal("B").items() if k != "odor"}
    assert np.array_equal(m.embed(m.read({"B": unlabelled})), found["joint"])
    typed("impute", "run", "data/B.npz", "--to", "A", "--out", tmp_path / "x.npz")
    assert arrays(tmp_path / "x.npz")["A/filled"].shape == (120, ANIMALS["A"][1])
    typed("translate", "run", "data/B.npz", "--source", "B", "--target", "C", "--out", tmp_path / "t.npz")
    assert arrays(tmp_path / "t.npz")["C"].shape == (120, ANIMALS["C"][1])
    typed("embed", "run", "data/B.npz", "--window", "250:410ms", "--out", tmp_path / "z.npz")
    assert arrays(tmp_path / "z.npz")["joint"].shape == (40 * 2, 2)


def test_a_session_that_joined_is_read_as_the_others(animals, tmp_path, monkeypatch):
    monkeypatch.chdir(animals)
    np.savez(tmp_path / "F.npz", **animal("A"))
    files = [*(f"data/{n}.npz" for n in ANIMALS), tmp_path / "F.npz"]
    typed("adapt", "run", *files, *HOW, "--run", tmp_path / "more", "--epochs", "1", "--verbose", "0")
    typed("embed", tmp_path / "more", tmp_path / "F.npz", "--out", tmp_path / "z.npz")
    assert arrays(tmp_path / "z.npz")["joint"].shape == (3 * ANIMALS["A"][0], 2)


def test_a_folder_of_sessions_is_embedded_unpaired(animals, tmp_path, monkeypatch):
    monkeypatch.chdir(animals)
    typed("embed", "run", "data", "--out", tmp_path / "z.npz")
    found = arrays(tmp_path / "z.npz")
    trials = [ANIMALS[n][0] for n in ANIMALS]
    assert found["joint"].shape == (3 * sum(trials), 2)
    typed("embed", "run", "data/C.npz", "--out", tmp_path / "c.npz")
    assert np.array_equal(found["joint"][-3 * trials[-1] :], arrays(tmp_path / "c.npz")["joint"])
    there = [~np.isnan(found[f"modality/{n}"]).any(1) for n in ANIMALS]
    assert (np.sum(there, axis=0) == 1).all()


def test_sessions_that_are_none_of_the_run(animals, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(animals)
    np.savez(tmp_path / "F.npz", **animal("A"))
    said = refused(capsys, ["embed", "run", str(tmp_path / "F.npz")])
    assert "session 'F' is none of those that were fitted (A, B, C)." in said
    np.savez(tmp_path / "A.npz", **animal("B"))
    assert "'A' has 7 features per row; it was fitted on 9" in refused(
        capsys, ["embed", "run", str(tmp_path / "A.npz")]
    )
    said = refused(capsys, ["embed", "run", "data/A.npz", "--window", "1:2s"])
    assert "window 1 to 2 s is not within the times" in said


def test_window_and_bin_are_for_sessions(run, tmp_path, capsys):
    path = saved(tmp_path / "new.h5ad", adata(NEW))
    assert "for a file of one session" in refused(capsys, ["embed", "run", str(path), "--bin", "10ms"])


@pytest.mark.parametrize("name", ["run", "tested"])
def test_samples_of_sessions_from_their_folder(animals, name, tmp_path, monkeypatch):
    monkeypatch.chdir(animals)
    said = typed("sample", name, "--data", "data", "--n", "5", "--out", tmp_path / "s.npz")
    assert "fitted gmm on the latents of" in said
    assert arrays(tmp_path / "s.npz")["B"].shape == (5, ANIMALS["B"][1])


def test_sessions_are_compared(animals, monkeypatch, capsys):
    monkeypatch.chdir(animals)
    files = [f"data/{name}.npz" for name in ANIMALS]
    said = typed(
        *("compare", *files, *HOW, "--methods", "mmvm,independent", "--seeds", "1", "--measures", "probe"),
        *[word for word in QUICK if word not in ("--verbose", "0")],
    )
    assert "independent" in said
    assert "--pair_on odor --window 250:490ms --bin 80ms" in said.splitlines()[-1]
    assert "--pair_on LABEL" in refused(capsys, ["compare", *files, "--methods", "mmvm"])


def test_a_run_remembers_its_sessions_in_its_card(animals):
    card = json.loads((animals / "run" / "data_card.json").read_text())
    how = {"pair_on": "odor", "window": "0.25:0.49s", "bin": "0.08s"}
    assert card["preparation"]["origin"] == dict.fromkeys(ANIMALS, how)
    rng = np.random.default_rng(0)
    rows = cp.Counterpoint(latent_dim=2, epochs=1).fit({"a": rng.normal(size=(40, 3))})
    assert "origin" not in rows.preparation_.to_dict()
