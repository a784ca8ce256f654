"""The examples on real measurements: imputed proteins of tumours, directions read from mice."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import counterpoint as cp


def example(name: str) -> ModuleType:
    """An example as a module."""
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imputed_protein_beats_the_column_mean(real_data, capsys):
    """120 complete and 70 protein-less rows are fitted, the protein of 30 is scored; then all are fitted."""
    found = example("breast_tcga").main(real_data, seeds=3, folds=2)
    with capsys.disabled():
        print("\n" + capsys.readouterr().out)
    data, each = found["data"], found["each"]
    assert data.patterns() == {("mrna", "mirna", "protein"): 150, ("mrna", "mirna"): 70}
    for r2 in found["r2"]:
        assert (r2 > 0).all()
    assert np.mean(found["r2"]) > 0.1
    held = np.concatenate(found["coverage"])[:, 1]
    assert (np.abs(held - 0.9) < 0.08).all()
    for name, present in data.present().items():
        assert each[name].shape == (220, 16)
        assert np.array_equal(np.isfinite(each[name]).all(1), present)
    assert np.isfinite(found["joint"]).all()
    assert found["joint"].shape == (220, 16)
    assert found["probes"]["mrna"] > 0.8


def test_directions_are_read_from_seven_mice(real_data, capsys):
    found = example("mouse_gratings").main(real_data, folds=2, epochs=30)
    with capsys.disabled():
        print("\n" + capsys.readouterr().out)
    data = found["data"]
    assert data.shape == (128, 28 + 53 + 74 + 39 + 56 + 18 + 39)
    assert len(data.names) == 7
    assert found["shape"] == (64, 8)
    assert set(np.bincount(data.labels["direction"])) == {16}
    for part in ("latent", "raw"):
        assert set(found[part]) == {*data.names, "all"}
        assert np.isfinite(list(found[part].values())).all()
    assert np.mean(found["latent"]["mrcuts28"]) > 0.25  # chance is 0.125


@pytest.mark.slow
def test_disagreement_finds_mispaired_numerals(real_data, capsys):
    """A tenth of the test rows get one view of another row; mmvm's posteriors disagree about these."""
    from counterpoint.evaluate import evaluate
    from counterpoint.protocol import hold_out, task

    train, held = hold_out(cp.read(real_data / "mfeat" / "mfeat.npz", labels=["labels"]), 500, "labels")
    kind = {"likelihood": "normal", "latent_dim": 16, "hidden": (256,), "batch_size": 128}
    m = cp.Counterpoint("mmvm", **kind).fit(train)
    told = evaluate(m, task(train, held), measures="agreement").sections["agreement"].detail
    with capsys.disabled():
        print(f"\n10 % mispaired, AUROC: one view {told['auroc']:.3f}, all views {told['auroc_all']:.3f}")
    assert told["auroc"] > 0.9
    assert told["auroc_all"] > 0.95


@pytest.mark.slow
def test_images_and_sounds(real_data, tmp_path, capsys):
    """The example on few pairs: it runs, its nulls are at chance."""
    few = {"seeds": 1, "rows": 500, "methods": ("mmvm",), "workers": 1}
    found = example("spoken_digits").main(real_data, tmp_path, **few)
    nulls = found.evaluations["mmvm"][0].nulls
    for name, key in (("labels shuffled", "accuracy"), ("pairing shuffled", "coherence")):
        assert abs(nulls[name][key] - 0.1) < 0.06, name
    assert found.control[0].summary["coherence"] < 0.2
    assert nulls["raw features"]["coherence"] > 0.8
    assert "image to audio" in capsys.readouterr().out


@pytest.mark.slow
def test_one_view_classifies_what_two_taught(real_data, capsys):
    """Two-view MNIST, much reduced: cmmd, two-step rivals and baselines are above chance."""
    methods = ("cmmd", "vcca, private", "dcca", "cca", "classifier", "raw")
    found = example("two_view_mnist").main(real_data, 1000, 8, methods, workers=1)
    assert tuple(found) == methods
    assert all(0 < error < 0.7 for error in found.values()), found  # chance is .9
    assert "rotated alone at test time" in capsys.readouterr().out


@pytest.mark.slow
def test_cells_with_holes(real_data, capsys, monkeypatch):
    """The example on one fold and few epochs: types are told from either half, experiments mix."""
    cells = example("cells")
    monkeypatch.setitem(cells.SETTINGS, "epochs", 30)
    found = cells.main(real_data, seeds=1, folds=1)
    assert found["embedding, rna alone"][0] > 0.6  # the most frequent type: .416
    assert found["embedding, protein alone"][0] > 0.6
    assert found["r, mmvm"][0] > 0.2
    assert found["mixing, with batch, removed"][0] > 0.7
    assert "{('rna', 'protein'): 134" in capsys.readouterr().out
