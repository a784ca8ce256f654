"""A fit from a file is the fit in memory; what differs is how much is held at once."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

import counterpoint as cp
from counterpoint import cli, streaming
from counterpoint.data import read
from counterpoint.data.backed import Backed
from counterpoint.data.backed_preparation import prepare_backed
from counterpoint.data.backed_tables import Table
from counterpoint.errors import InputError
from counterpoint.seeds import generator
from counterpoint.training.blocks import Blocks, Chunks
from counterpoint.training.options import TrainOptions, split

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata as ad
    import mudata as mu

QUICK = {"epochs": 3, "latent_dim": 3, "hidden": (16,), "batch_size": 32}
ROWS = 230


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Counts with a common cause; a third of the cells lack the protein, each table in its own order."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(ROWS, 2))
    rna = rng.poisson(np.exp(0.5 * cause @ rng.normal(size=(2, 12)))).astype(np.float32)
    prot = (cause @ rng.normal(size=(2, 5)) + 3.5).astype(np.float32)
    names = np.array([f"c{i}" for i in range(ROWS)])
    order, some = rng.permutation(ROWS), np.flatnonzero(np.arange(ROWS) % 3)
    donor = pd.DataFrame({"donor": [f"d{i % 4}" for i in order]}, index=names[order])
    file = tmp_path_factory.mktemp("stream") / "cells.h5mu"
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        parts = {
            "rna": ad.AnnData(scipy.sparse.csr_matrix(rna[order]), obs=donor),
            "prot": ad.AnnData(prot[some], obs=pd.DataFrame(index=names[some])),
        }
        mu.MuData(parts).write(file)
    return file


def differs(a, b):
    """The largest relative difference of two histories."""
    assert len(a) == len(b)
    assert a[0].keys() == b[0].keys()
    keys = [k for k in a[0] if k != "seconds"]
    return max(abs(x[k] - y[k]) / max(1.0, abs(x[k])) for x, y in zip(a, b, strict=True) for k in keys)


CASES = {
    "mmvm": ("mmvm", {}),
    "schedules and clip": ("mopoe", {"beta": "linear:0:1:12", "clip": 0.5}),
    "rate that moves": ("poe", {"warmup": 1.0, "decay": "cosine"}),
    "no validation": ("avg", {"validation": 0.0}),
    "stops early": ("poe", {"epochs": 40, "patience": 2, "learning_rate": 0.05}),
    "told the donor": ("mmvm", {"batch": "donor"}),
    "float64": ("mvtcae", {"precision": "float64"}),
}


@pytest.mark.parametrize("case", CASES)
def test_with_room_for_all_rows_the_fit_is_that_in_memory(path, case):
    method, options = CASES[case]
    memory = cp.Counterpoint(method, **{**QUICK, **options}).fit(read(path))
    streamed = cp.Counterpoint(method, **{**QUICK, **options}).fit(read(path, backed=True))
    assert differs(memory.history_, streamed.history_) < 1e-4
    assert memory.best_epoch_ == streamed.best_epoch_
    assert np.allclose(memory.embed(read(path)), streamed.embed(read(path, backed=True)), atol=1e-4)


def test_rows_told_of_two_labels_are_those_in_memory(tmp_path):
    """A donor of which no cell has the protein; a lane in numbers; translations to another donor."""
    rng = np.random.default_rng(1)
    names, donor = np.array([f"c{i}" for i in range(ROWS)]), np.arange(ROWS) % 3
    obs = pd.DataFrame(
        {"donor": np.array(["A", "B", "C"])[donor], "lane": np.arange(ROWS) // 60}, index=names
    )
    rna = rng.poisson(np.exp(0.3 * rng.normal(size=(ROWS, 7)) + donor[:, None])).astype(np.float32)
    some = np.flatnonzero((donor < 2) & (np.arange(ROWS) % 5 > 0))
    prot = (rng.normal(size=(len(some), 4)) + 2 * donor[some][:, None]).astype(np.float32)
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        parts = {
            "rna": ad.AnnData(scipy.sparse.csr_matrix(rna), obs=obs),
            "prot": ad.AnnData(prot, obs=pd.DataFrame(index=names[some])),
        }
        mu.MuData(parts).write(tmp_path / "told.h5mu")
    data, source = read(tmp_path / "told.h5mu"), read(tmp_path / "told.h5mu", backed=True)
    memory, streamed = (
        cp.Counterpoint("mopoe", **QUICK).fit(rows, batch=["donor", "lane"]) for rows in (data, source)
    )
    assert streamed.preparation_.covariates == memory.preparation_.covariates
    assert differs(memory.history_, streamed.history_) < 1e-4
    for own, other in zip(memory.model_.modalities, streamed.model_.modalities, strict=True):
        assert own.shift.abs().max() > 0.1
        assert torch.allclose(own.shift, other.shift, atol=1e-4)
        assert torch.equal(own.known, other.known)
    assert np.allclose(memory.embed(data), streamed.embed(source), atol=1e-4)
    told = [m.translate(data, "rna", "prot", as_batch={"donor": "B"}) for m in (memory, streamed)]
    assert np.allclose(*told, atol=1e-3)
    assert not np.allclose(
        told[1], streamed.translate(data, "rna", "prot", as_batch={"donor": "A"}), atol=1e-2
    )


def test_a_small_buffer_learns_as_well(path):
    options = {**QUICK, "epochs": 30, "patience": None}
    memory = cp.Counterpoint("mmvm", **options).fit(read(path))
    small = read(path, backed=True, memory=6.5e-6)  # GiB: 64 rows
    assert 2 * small.row_bytes * 32 < small.buffer * 2**30 < 4 * small.row_bytes * 32
    streamed = cp.Counterpoint("mmvm", **options).fit(small)
    first, last = memory.history_[0]["validation/total"], memory.history_[-1]["validation/total"]
    assert differs(memory.history_, streamed.history_) > 1e-6  # another order
    assert abs(streamed.history_[-1]["validation/total"] - last) < 0.2 * (first - last)


# the order of rows


def numbered(rows=500):
    """Rows that hold their own number."""
    x = np.arange(float(rows))[:, None]
    source = Backed({"a": Table(x, x.dtype)}, {"a": np.arange(rows)})
    return source, prepare_backed(source, standardise=False)[0]


def order_of(loader):
    return [batch.x["a"].ravel().long() for batch in loader]


def test_every_training_row_is_seen_once_an_epoch_in_another_order():
    source, prepared = numbered()
    train, held = split(500, 0.1, 0)
    size = source.row_bytes * 64.0
    loader = Blocks(source, prepared, train, 16, seed=3, buffer=size)
    epochs = [order_of(loader) for _ in range(3)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [16] * (len(train) // 16) + [len(train) % 16]
        assert torch.equal(torch.cat(epoch).sort().values, train)
        assert not np.isin(torch.cat(epoch), held).any()
    assert len(loader) == len(epochs[0])
    assert not torch.equal(torch.cat(epochs[0]), torch.cat(epochs[1]))
    again = Blocks(source, prepared, train, 16, seed=3, buffer=size)
    assert torch.equal(torch.cat(order_of(again)), torch.cat(epochs[0]))
    other = Blocks(source, prepared, train, 16, seed=4, buffer=size)
    assert not torch.equal(torch.cat(order_of(other)), torch.cat(epochs[0]))


def test_a_buffer_holds_random_blocks_and_no_more_than_it_may(monkeypatch):
    source, prepared = numbered()
    train = torch.arange(500)
    loader = Blocks(source, prepared, train, 16, seed=0, buffer=source.row_bytes * 70.0)
    sizes = []
    held = Backed.held
    monkeypatch.setattr(Backed, "held", lambda self: (sizes.append(len(self)), held(self))[1])
    order = torch.cat(order_of(loader))
    assert max(sizes) == 64  # 70, in whole batches
    assert sum(sizes) == 500
    first = order[:64].sort().values
    assert loader.block == 8
    runs = (first.diff() > 1).sum() + 1
    assert 4 <= runs <= 8  # blocks of 8 rows that follow one another
    assert first[-1] - first[0] > 200  # from all over the file
    assert not torch.equal(order[:64], first)  # mixed


def test_a_buffer_with_room_reads_once_in_the_order_of_memory(monkeypatch):
    source, prepared = numbered()
    train = split(500, 0.1, 0)[0]
    loader = Blocks(source, prepared, train, 16, seed=3, buffer=1e9)
    read_ = []
    held = Backed.held
    monkeypatch.setattr(Backed, "held", lambda self: (read_.append(len(self)), held(self))[1])
    for epoch in range(3):
        expected = train[torch.randperm(len(train), generator=generator(3, "order", epoch))]
        assert torch.equal(torch.cat(order_of(loader)), expected)
    assert read_ == [len(train)]


def test_validation_rows_come_in_their_order():
    source, prepared = numbered()
    held = split(500, 0.1, 0)[1]
    chunks = Chunks(source, prepared, held, 20)
    for _ in range(2):
        assert [len(c) for c in order_of(chunks)] == [20, 20, 10]
        assert torch.equal(torch.cat(order_of(chunks)), held)
    assert len(chunks) == 3


# the run, the estimate and what is refused


def test_a_run_is_an_ordinary_one(path, tmp_path):
    source, run = read(path, backed=True), tmp_path / "run"
    fitted = cp.Counterpoint("mmvm", **QUICK).fit(source, run=run)
    assert np.array_equal(cp.load(run).embed(source), fitted.embed(source))
    assert not (run / "checkpoint.safetensors").exists()
    with pytest.raises(InputError, match="holds a finished run"):
        cp.Counterpoint("mmvm", **QUICK).fit(source, run=run)
    again = cp.Counterpoint("mmvm", **QUICK).fit(source, run=run, overwrite=True)
    assert again.data_summary_ == fitted.data_summary_
    without = cp.Counterpoint("mmvm", **QUICK).fit(source[:200])
    assert without.data_summary_["fingerprint"] != fitted.data_summary_["fingerprint"]
    assert without.data_summary_["rows"] == 200


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"ema": 0.9}, {}),
        ({"target": "donor"}, {}),
        ({}, {"resume": True, "run": "r"}),
        ({}, {"mask": {"rna": np.ones(ROWS, bool)}}),
        ({}, {"groups": {"rna": ["a"]}}),
    ],
)
def test_what_needs_memory_is_refused_before_training(path, tmp_path, monkeypatch, settings, given):
    monkeypatch.chdir(tmp_path)
    name = next(k for k in [*settings, *given] if k != "run")
    with pytest.raises(InputError, match=f"^{name} .*backed=True"):
        cp.Counterpoint("mmvm", **QUICK, **settings).fit(read(path, backed=True), **given)
    assert not list(tmp_path.iterdir())


def test_the_estimate_is_said_and_refuses(path, monkeypatch, capsys, tmp_path):
    source = read(path, backed=True)
    cp.Counterpoint("mmvm", **QUICK, verbose=1).fit(source)
    assert re.search(r"from the file: about \d+\.\d GiB of memory", capsys.readouterr().err)
    monkeypatch.setattr(streaming, "half_of_memory", lambda: 1e4)
    with pytest.raises(InputError, match=r"the fit needs about .* GiB are free; take a smaller batch_size"):
        cp.Counterpoint("mmvm", **QUICK).fit(source, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_estimate_grows_with_what_it_counts(path):
    source = read(path, backed=True)
    parts = {}
    for name, batch, hidden in [("small", 32, (16,)), ("batch", 64, (16,)), ("hidden", 32, (512,))]:
        estimator = cp.Counterpoint("mmvm", latent_dim=3, hidden=hidden)
        prepared = prepare_backed(source)[0]
        model = streaming.new_model(estimator, prepared)
        parts[name] = streaming.memory(source, model, prepared, TrainOptions(batch_size=batch))
    assert parts["batch"]["steps"] == pytest.approx(2 * parts["small"]["steps"])
    assert parts["batch"]["weights"] == parts["small"]["weights"]
    weights = sum(p.numel() for p in model.parameters())
    assert parts["hidden"]["weights"] == 4 * 5 * weights
    assert parts["small"]["buffer"] == 2 * source.row_bytes * len(source)


def test_the_command_line_trains_from_a_file(path, tmp_path, capsys):
    words = ["fit", str(path), "--backed", "--run", str(tmp_path / "run"), "--epochs", "2", "--hidden", "[8]"]
    assert not cli.main([*words, "--test", "40", "--label", "donor"])
    assert "saved" in capsys.readouterr().out
    loaded = cp.load(tmp_path / "run")
    assert loaded.data_summary_["rows"] == ROWS - 40
    assert loaded.embed(read(path)).shape == (ROWS, 20)
