"""What other libraries of this field let happen and this one must not: one test each.

Most have longer relatives elsewhere; this file is the list.
"""

import os
import pickle

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint.asking import prepared_batch
from counterpoint.cli import main
from counterpoint.training.population import Population

SMALL = {"latent_dim": 2, "hidden": (8,), "epochs": 3, "batch_size": 8, "patience": None}


def tables(rows=40, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    x = {"rna": z @ rng.normal(size=(2, 6)), "protein": z @ rng.normal(size=(2, 4))}
    x["protein"][:6] = np.nan
    return x


def fitted(data=None, **params):
    return cp.Counterpoint(**{**SMALL, **params}).fit(tables() if data is None else data)


def weights(m):
    return torch.cat([p.flatten() for p in m.model_.state_dict().values()])


def test_1_an_array_with_a_dimension_too_many_is_not_broadcast():
    m, x = fitted(), tables()
    with pytest.raises(cp.InputError, match=r"'rna' has \(1, 6\) features per row; it was fitted on \(6,\)"):
        m.transform({"rna": x["rna"][:, None], "protein": x["protein"]})


def test_2_a_typo_in_a_config_file_is_no_default(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("latnt_dim: 3\n")
    np.savez(tmp_path / "a.npz", **tables())
    assert main(["fit", str(tmp_path / "a.npz"), "--config", str(tmp_path / "c.yaml")]) == 2
    assert "'latnt_dim'" in (said := capsys.readouterr().err)
    assert "Did you mean 'latent_dim'?" in said
    with pytest.raises(TypeError, match="latnt_dim"):
        cp.Counterpoint(latnt_dim=3)


def test_3_a_modality_that_the_model_does_not_know_is_not_passed_over():
    m, x = fitted(), tables()
    with pytest.raises(cp.InputError, match=r"'atac' was not fitted; fitted are rna, protein"):
        m.transform({**x, "atac": x["rna"]})


@pytest.mark.parametrize("size", [0, -1, 2.5, None, "2", True])
def test_4_a_latent_without_dimensions_is_refused_before_training(size, monkeypatch):
    monkeypatch.setattr(Population, "_train_epoch", lambda self: pytest.fail("it trains"))
    with pytest.raises(cp.InputError, match="latent_dim"):
        fitted(latent_dim=size)


@pytest.mark.parametrize(
    "names", [("a.b", "a-b"), ("a_b", "a__b"), ("a b", "a:b"), ("items", "keys"), ("0", "x|y")]
)
def test_5_names_with_separators_are_names(names, tmp_path):
    x = tables()
    x["rna"] = x["rna"][:, :4]  # of one width: an exchange would not be seen by shape
    plain = fitted({"m": x["rna"], "n": x["protein"]})
    m = fitted(dict(zip(names, x.values(), strict=True)))
    again = cp.load(m.save(tmp_path / "run"))
    asked = {names[0]: x["rna"]}
    assert again.modalities_ == names
    assert np.array_equal(again.transform(asked), m.transform(asked))
    assert m.translate(asked, *names).shape == plain.translate({"m": x["rna"]}, "m", "n").shape == (40, 4)


def test_6_conditioning_on_a_name_that_is_not_there():
    m, x = fitted(), tables()
    with pytest.raises(cp.InputError, match=r"'rnaa'.*Did you mean 'rna'\?"):
        m.translate(x, "rnaa", "protein")
    with pytest.raises(cp.InputError, match=r"'prot'"):
        m.impute(x, to="prot")


class Unpicklable(torch.nn.Module):
    """A network that holds what no pickle can."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer, self.act = torch.nn.Linear(inputs, outputs), lambda x: torch.tanh(x)

    def forward(self, x):
        return self.act(self.layer(x))


def test_7_a_network_that_cannot_be_pickled_is_saved_all_the_same(tmp_path):
    def pair():
        return Unpicklable(6, 4), Unpicklable(2, 6)

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(pair())
    m = fitted(network={"rna": pair()})
    m.save(tmp_path / "run")
    with pytest.raises(cp.InputError, match="own modules for rna; pass networks="):
        cp.load(tmp_path / "run")
    again = cp.load(tmp_path / "run", networks={"rna": pair()})
    assert np.array_equal(again.transform(tables()), m.transform(tables()))


def test_8_a_resumed_fit_is_the_uninterrupted_one_to_the_bit(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    train, done = Population._train_epoch, []

    def dying(self):
        if len(done) == 2:
            raise Stop
        done.append(1)
        return train(self)

    how = {**SMALL, "epochs": 5, "beta": "linear:0:1:20"}
    whole = cp.Counterpoint(**how).fit(tables())
    monkeypatch.setattr(Population, "_train_epoch", dying)
    with pytest.raises(Stop):
        cp.Counterpoint(**how).fit(tables(), run=tmp_path / "run", checkpoint_seconds=0)
    monkeypatch.setattr(Population, "_train_epoch", train)
    resumed = cp.Counterpoint(**how).fit(tables(), run=tmp_path / "run", resume=True)
    assert torch.equal(weights(whole), weights(resumed))


def test_9_a_tampered_file_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "mark"),)

    m = fitted()
    m.save(tmp_path / "run")
    for name in ("model.safetensors", "config.yaml", "data_card.json"):
        content = (tmp_path / "run" / name).read_bytes()
        (tmp_path / "run" / name).write_bytes(pickle.dumps(Evil()))
        with pytest.raises(cp.InputError, match="not as it was written"):
            cp.load(tmp_path / "run")
        (tmp_path / "run" / name).write_bytes(content)
    np.save(tmp_path / "a.npy", np.array([Evil()], dtype=object))
    with pytest.raises(cp.InputError, match=r"no|objects"):
        cp.read(tmp_path / "a.npy")
    assert not (tmp_path / "mark").exists()


def test_10_real_values_are_not_pressed_into_0_to_1():
    m = fitted({"a": 50 + 10 * tables()["rna"], "b": tables()["rna"]}, epochs=30)
    made = m.reconstruct({"a": 50 + 10 * tables()["rna"], "b": tables()["rna"]})
    assert m.preparation_.likelihoods == {"a": "normal", "b": "normal"}
    assert made["a"].mean() == pytest.approx(50, abs=10)
    assert made["b"].min() < 0


def test_11_clipping_clips():
    free, wide = fitted(), fitted(clip=1e9)
    assert torch.equal(weights(free), weights(wide))
    # Gradients far below Adam's epsilon hardly move anything, so the start is what is left.
    start, tight = fitted(epochs=1, learning_rate=1e-12), fitted(clip=1e-12)
    assert (weights(tight) - weights(start)).abs().max() < 1e-4
    assert (weights(free) - weights(start)).abs().max() > 1e-3


def test_12_validation_is_of_rows_that_training_does_not_see():
    x = tables()
    m = fitted(x, validation=0.25)
    seen = []
    fit = Population.__init__

    def noting(self, *args, **kwargs):
        fit(self, *args, **kwargs)
        seen.append(self.splits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Population, "__init__", noting)
        fitted(x, validation=0.25)
    train, held = (set(part.tolist()) for part in seen[0][0])
    assert not train & held
    assert len(held) == 10
    first = m.history_[0]
    assert first["validation/total"] != first["train/total"]


@pytest.mark.parametrize("device", ["meta", "cuda"])
def test_13_masks_go_where_the_values_go(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU on this machine")
    m, x = fitted(), tables()
    x["rna"][3, 2] = np.nan
    here = prepared_batch(cp.read(x), m.preparation_, torch.float32, "cpu")
    there = prepared_batch(cp.read(x), m.preparation_, torch.float32, device)
    for name in m.modalities_:
        for a, b in ((here.x[name], there.x[name]), (here.mask[name], there.mask[name])):
            assert (b.device.type, b.dtype, b.shape) == (device, a.dtype, a.shape)
    assert there.present.device.type == device
    if device == "cuda":
        assert torch.equal(there.present.cpu(), here.present)
        assert torch.equal(there.mask["rna"].cpu(), here.mask["rna"])


@pytest.mark.parametrize("method", ["mmvm", "mopoe", "mvae"])
def test_14_a_row_is_answered_the_same_in_any_batch(method):
    m, x = fitted(method=method, precision="float64"), tables()
    x["rna"][3, 1] = np.nan
    x["protein"][5] = np.nan
    whole = m.transform(x)
    for rows in ([7], [7, 0, 39], list(range(39, -1, -1))):
        alone = m.transform({k: v[rows] for k, v in x.items()})
        np.testing.assert_allclose(alone, whole[rows], rtol=0, atol=1e-12)
        parts = {k: v[rows] for k, v in x.items()}
        for name, made in m.reconstruct(parts).items():
            np.testing.assert_allclose(made, m.reconstruct(x)[name][rows], rtol=0, atol=1e-12)
        made = m.translate(parts, "rna", "protein")
        np.testing.assert_allclose(made, m.translate(x, "rna", "protein")[rows], rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            m.translate(parts, "rna", "protein", draws=3),
            m.translate(x, "rna", "protein", draws=3)[rows],
            rtol=0,
            atol=1e-12,
        )
        for name, made in m.impute(parts, draws=3).items():
            among = m.impute(x, draws=3)[name]
            np.testing.assert_allclose(made.mean, among.mean[rows], rtol=0, atol=1e-12)
            np.testing.assert_allclose(made.spread, among.spread[rows], rtol=0, atol=1e-12)
            np.testing.assert_allclose(made.draws, among.draws[:, rows], rtol=0, atol=1e-12)
