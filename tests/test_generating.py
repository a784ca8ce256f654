"""Rows from nothing: of every method, coherent, repeatable, saved with the run, from the command line."""

import json

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint import cli, generating, inference, runs
from counterpoint.densities import FITTED, pack
from counterpoint.evaluate import evaluate
from counterpoint.manifest import verify
from counterpoint.measures.asked import Asked
from counterpoint.measures.unconditional import unconditional
from counterpoint.protocol import hold_out, task
from counterpoint.pseudo_inputs import PseudoInputs
from test_cli import QUICK, fitted, here, next_of, refused, screen, write  # noqa: F401
from test_comparison import labelled
from test_estimator import mixed, small, tables


@pytest.fixture(scope="module")
def model() -> cp.Counterpoint:
    return small(epochs=20, learning_rate=1e-2).fit(tables())


def same(one: dict, two: dict) -> bool:
    return list(one) == list(two) and all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("method", cp.METHODS)
def test_every_method_samples_after_incomplete_rows(method):
    """The law: any recipe, rows with holes, nothing else asked of it."""
    m = small(method).fit(tables())
    made = m.fit_density(tables(), components=1).sample(6)
    assert {k: v.shape for k, v in made.items()} == {"rna": (6, 4), "protein": (6, 3)}
    assert all(np.isfinite(v).all() for v in made.values())
    assert same(made, m.sample(6, density="gmm"))
    assert not same(made, m.sample(6, seed=1))
    if generating.prior_of(m.model_) is not None:
        assert not same(made, m.sample(6, density="standard"))
    else:
        with pytest.raises(cp.InputError, match=r"no prior to draw from: .*call fit_density\(X\)"):
            m.sample(6, density="standard")


def test_every_likelihood_and_its_noise(model):
    x = mixed()
    m = small().fit(x).fit_density(x)
    mean, noisy = m.sample(5), m.sample(5, noise=True)
    for name, one in m.preparation_.modalities.items():
        assert noisy[name].shape == (5, *one.event)
        assert np.isfinite(noisy[name]).all()
        assert not np.array_equal(mean[name], noisy[name])
    assert same(noisy, m.sample(5, noise=True))


def test_private_latents_come_from_their_prior():
    """Two draws of one shared latent differ in what is private, and in nothing else."""
    m = small("mopoe", options={"private_dim": 2}).fit(tables())
    z = torch.zeros(400, 2)
    streams = {name: torch.Generator().manual_seed(i) for i, name in enumerate(m.modalities_)}
    made = generating.decode(m.model_, z, streams)
    assert all(v.std(0).max() > 1e-3 for v in made.values())
    plain = generating.decode(small("mopoe").fit(tables()).model_, z, streams)
    assert all(v.std(0).max() < 1e-6 for v in plain.values())


def test_latents_are_draws_from_what_each_row_has(model):
    x = {k: v.copy() for k, v in tables().items()}
    x["rna"][3], x["protein"][3] = np.nan, np.nan
    z, rows = generating.latents(model.model_, model._batch(x), seed=0)
    assert rows.tolist() == [i for i in range(40) if i != 3]
    mean = model.embed(x)[rows]
    assert not np.allclose(z, mean)
    many = np.stack([generating.latents(model.model_, model._batch(x), s)[0] for s in range(300)])
    assert np.abs(many.mean(0) - mean).max() < 5 * (many.std(0) / np.sqrt(300)).max()
    told = model.fit_density(x).densities_["gmm"].settings
    assert (told["rows"], told["left_out"], told["seed"]) == (39, 1, 0)


def test_vamp_of_the_model_is_its_own_posteriors(model):
    """Each pseudo-input's joint posterior: one expert a modality that it has, at equal weight."""
    x = tables()
    density = small().fit(x).fit_density(x, "vamp", components=40).densities_["vamp"]
    assert density.settings["components"] == 40
    assert len(density.parts.loc) == 35 * 2 + 5
    assert density.parts.weight.sum().item() == pytest.approx(1)
    assert sorted(set(density.parts.weight.mul(80).round().int().tolist())) == [1, 2]


@pytest.mark.parametrize("name", ["mmvm", "mopoe", "jmvae", "mmvae"])
def test_pseudo_inputs_start_at_rows_and_leave_the_model_alone(name):
    m = small(name).fit(tables())
    batch = m._batch(tables())
    before = {k: v.clone() for k, v in m.model_.state_dict().items()}
    inputs = PseudoInputs(m.model_, batch)
    mixture = inference.joint(m.model_, batch).mixture
    kept = mixture.weight > 0
    torch.testing.assert_close(inputs().loc, mixture.components.loc[kept])
    torch.testing.assert_close(inputs().weight, mixture.weight[kept])
    inputs().loc.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in inputs.parameters())
    assert all(p.grad is None for p in m.model_.parameters())
    assert not inputs.read[0].grad[~batch.present[0]].any(), "what a row lacks stays absent"
    m.fit_density(tables(), "vamp")
    assert all(torch.equal(v, before[k]) for k, v in m.model_.state_dict().items())


def test_what_is_taken_unless_told():
    m = small("poe").fit(tables())
    assert same(m.sample(3), m.sample(3, density="standard"))
    m.fit_density(tables(), "vamp")
    assert same(m.sample(3), m.sample(3, density="vamp"))
    m.fit_density(tables(), "gmm")
    assert same(m.sample(3), m.sample(3, density="gmm"))
    m.fit(tables())
    assert not m.densities_


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda m: m.sample(0), "n is 0; it must be a whole number"),
        (lambda m: m.sample(3), "the prior of mmvm depends on the data"),
        (lambda m: m.sample(3, density="flow"), "density is 'flow', and fitted are: none; call fit_density"),
        (lambda m: m.sample(3, density="flwo"), "density is 'flwo'; allowed are .* Did you mean 'flow'"),
        (lambda m: m.fit_density(tables(), "standard"), "density is 'standard'; allowed are gmm"),
        (lambda m: m.fit_density({"rna": tables()["rna"][:5]}), "needs at least 10 rows"),
        (lambda m: m.fit_density(tables(), seed=-1), "seed is -1"),
        (lambda m: small("ae").fit(tables()).fit_density(tables(), "vamp"), "points for posteriors"),
        (lambda m: cp.Counterpoint().sample(3), "not fitted"),
    ],
)
def test_what_cannot_be_is_refused(ask, says):
    with pytest.raises(cp.InputError, match=says) as caught:
        ask(small().fit(tables()))
    assert "\n" not in str(caught.value)


# Runs


def test_densities_are_saved_with_the_run(tmp_path):
    m = small().fit(tables()).fit_density(tables()).fit_density(tables(), "vamp")
    m.save(tmp_path / "a")
    found = cp.load(tmp_path / "a")
    assert set(found.densities_) == {"gmm", "vamp"}
    for kind in found.densities_:
        assert pack(found.densities_[kind]) == pack(m.densities_[kind])
        assert same(found.sample(9, density=kind, noise=True), m.sample(9, density=kind, noise=True))
    small("poe").fit(tables(), run=tmp_path / "a", overwrite=True)  # another model: its latents are others
    assert not list((tmp_path / "a").glob("density*"))
    assert not cp.load(tmp_path / "a").densities_


def test_a_density_comes_to_a_finished_run(tmp_path):
    m = small().fit(tables(), run=tmp_path / "a")
    before = set(verify(tmp_path / "a")["files"])
    m.fit_density(tables())
    path = runs.add_density(tmp_path / "a", "gmm", m.densities_["gmm"])
    assert set(verify(tmp_path / "a")["files"]) == before | {path.name}
    assert same(cp.load(tmp_path / "a").sample(4), m.sample(4))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(cp.InputError, match=r"density-gmm\.safetensors is not as it was written"):
        cp.load(tmp_path / "a")
    path.unlink()
    with pytest.raises(cp.InputError, match=r"lacks density-gmm\.safetensors"):
        cp.load(tmp_path / "a")


# The command line


def test_sample_fits_once_and_writes(fitted, tmp_path, capsys):  # noqa: F811
    import shutil

    run, data, out = tmp_path / "run", str(fitted / "data.npz"), str(tmp_path / "s.npz")
    shutil.copytree(fitted / "run", run)
    said = refused(capsys, ["sample", str(run), "--out", out])
    assert "has no density 'gmm' yet; name its training data with --data PATH" in said
    argv = ["sample", str(run), "--n", "7", "--out", out]
    assert cli.main([*argv, "--data", data]) == 0
    lines = screen(capsys)
    assert lines[0].startswith("fitted gmm on the latents of 36 rows")  # the 12 test rows are cut off
    assert next_of(lines) == ["report", str(run)]
    with np.load(out) as first:
        assert {k: first[k].shape for k in first} == {"rna": (7, 4), "protein": (7, 4), "z": (7, 2)}
        kept = dict(first)
    assert cli.main(argv) == 0
    assert "fitted" not in capsys.readouterr().out
    with np.load(out) as again:
        assert same(kept, dict(again))
    m = cp.load(run)
    assert same({k: v for k, v in kept.items() if k != "z"}, m.sample(7, density="gmm", seed=0))
    assert cli.main([*argv, "--noise", "true", "--seed", "1"]) == 0


def test_sample_refuses_what_it_cannot_do(fitted, here, capsys):  # noqa: F811
    run = str(fitted / "run")
    other = write(here / "other.npz", rows=60)
    for argv, says in [
        (["--density", "gm"], "density is 'gm'"),
        (["--density", "standard"], "the prior of mmvm depends on the data"),
        (["--density", "standard", "--data", "data.npz"], "standard', which is not fitted"),
        (["--components", "3"], "components came without data"),
        (["--n", "0"], "n is 0"),
        (["--data", str(other)], "training rows, and"),
        (["--data", "data.npz", "--out", "s.csv"], "must end in .npz"),
    ]:
        assert says in refused(capsys, ["sample", run, *argv]), argv


# The measure


def prototypes(m: cp.Counterpoint, train: cp.MultimodalData) -> cp.Counterpoint:
    """Make every decoder answer with its modality's class mean, the class by the latent's first dimension."""
    for name, modality in zip(m.modalities_, m.model_.modalities, strict=True):
        x = m.preparation_.apply(train)[0][name]
        there = train.present()[name]
        means = [x[there & (train.labels["kind"] == c)].mean(0) for c in range(3)]
        table = torch.tensor(np.stack(means))

        class Decoder(torch.nn.Module):
            def __init__(self, table):
                super().__init__()
                self.table = torch.nn.Parameter(table)

            def forward(self, z):
                return self.table[(z[:, 0] > -0.43).long() + (z[:, 0] > 0.43).long()]

        modality.decoder = Decoder(table)
    return m


def test_an_oracle_generator_is_coherent_and_the_null_is_not():
    train, held = hold_out(labelled(120), 40, "kind")
    on = task(train, held)
    m = prototypes(small("poe", epochs=1).fit(train), train)
    m.densities_ = {"gmm": generating.prior_of(m.model_)}  # thirds of N(0, 1) are the classes
    asked = Asked(m, on)
    found = unconditional(asked)
    assert found.summary["joint_coherence"] == 1
    assert found.summary["joint_coherence_prior"] == 1
    assert found.summary["class_balance"] == pytest.approx(1, abs=0.01)
    assert found.nulls["pairing shuffled"]["joint_coherence"] == pytest.approx(1 / 3, abs=0.05)
    assert found.nulls["raw features"]["joint_coherence"] > 0.9
    detail = found.detail["densities"]["gmm"]
    assert np.array_equal(detail["pairs"], np.ones((2, 2)))
    assert asked.kept["samples"]["a"].shape == (8, 5)
    assert json.dumps(found.detail)


def test_balance_and_distance_see_a_missing_class():
    train, held = hold_out(labelled(120), 40, "kind")
    on, whole = task(train, held), []
    for shift in (0.0, 50.0):
        m = prototypes(small("poe", epochs=1).fit(train), train)
        with torch.no_grad():
            for modality in m.model_.modalities:
                if shift:
                    modality.decoder.table[:] = modality.decoder.table[2]
        whole.append(unconditional(Asked(m, on)).summary)
    assert whole[1]["class_balance"] == 0 < whole[0]["class_balance"]
    assert whole[1]["fid_joint"] > whole[0]["fid_joint"]
    assert whole[1]["joint_coherence"] == 1  # which is why balance stands beside it


def test_densities_that_were_fitted_are_measured():
    train, held = hold_out(labelled(120), 40, "kind")
    m = small(epochs=30, learning_rate=1e-2, patience=None).fit(train).fit_density(train, "vamp")
    e = evaluate(m, task(train, held), measures="unconditional", show=True)
    told = e.sections["unconditional"].detail["densities"]
    assert set(told) == {"gmm", "vamp"}
    assert "joint_coherence_prior" not in e.summary
    assert e.exhibits["sampled/1"].shape == (8, 4)
    assert set(m.densities_) == {"vamp"}, "a measure leaves the model as it is"
    assert e.summary["joint_coherence"] > 0.6 > told["gmm"]["shuffled"]


def test_one_modality_has_no_joint_coherence():
    train, held = hold_out(labelled(90).select(["a"]), 30, "kind")
    e = evaluate(small(epochs=3).fit(train), task(train, held), measures="unconditional")
    assert set(e.summary) == {"class_balance", "fid_joint"}


@pytest.mark.slow
def test_numerals_from_nothing(real_data, tmp_path, capsys):
    """Six views of numerals: mmvm with any density is more coherent than a joint model's own prior."""
    data = cp.read(real_data / "mfeat" / "mfeat.npz", labels=["labels"])
    train, held = hold_out(data, 500, "labels")
    train = train.without("pix", np.arange(len(train)) % 3 == 0)  # incomplete rows included
    on = task(train, held)
    kind = {"likelihood": "normal", "latent_dim": 16, "hidden": (128,), "batch_size": 128, "epochs": 15}
    kind |= {"learning_rate": 3e-3, "patience": None}
    m = cp.Counterpoint("mmvm", **kind).fit(train, run=tmp_path / "mmvm")
    e = evaluate(m, on, measures="unconditional")
    prior = evaluate(cp.Counterpoint("mopoe", **kind).fit(train), on, measures="unconditional")
    own, theirs = e.summary["joint_coherence"], prior.summary["joint_coherence_prior"]
    with capsys.disabled():
        print(f"\njoint coherence: mmvm gmm {own:.3f}, mopoe N(0, I) {theirs:.3f}")
    assert own > theirs + 0.2
    assert e.nulls["pairing shuffled"]["joint_coherence"] < 0.02
    for k in FITTED:
        if k in ("gmm", "vamp"):
            m.fit_density(train, k)
    assert {k: v.shape[0] for k, v in cp.load(m.save(tmp_path / "mmvm")).sample(3).items()}
