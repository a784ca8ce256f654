"""What a fitted model can be asked, on models with random weights."""

import numpy as np
import pytest
import scipy.stats
import torch

import toy
from counterpoint import costs, inference
from counterpoint.aggregation import Posterior
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal
from counterpoint.errors import InputError
from counterpoint.methods import METHODS, method
from counterpoint.row_noise import ByRow, normal, streams_of, uniform

ROWS = 9
every = pytest.mark.parametrize("name", METHODS)


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@every
def test_embeddings_of_each_modality_are_its_posterior_means(name):
    model, batch = toy.model(method(name)), toy.batch()
    found = inference.unimodal_mean(model, batch)
    assert found.shape == (3, ROWS, toy.D)
    for m, n in enumerate(model.names):
        there = batch.present[m]
        assert found[m][~there].isnan().all()
        close(found[m][there], toy.unimodal_heads(model, n, batch)[there, : toy.D].detach())


@every
def test_a_joint_embedding_from_one_modality_is_that_modalitys(name):
    """Where no prior expert pulls it in: it is the unimodal mean, for every method."""
    model = toy.model(method(name, {"prior_expert": "none"} if name == "mvae" else {}))
    batch = toy.batch(missing=False)
    own = inference.unimodal_mean(model, batch)
    for m, n in enumerate(model.names):
        close(inference.joint_mean(model, batch.given((n,))), own[m])


def test_separate_latents_are_joined_as_mixture_or_product():
    model, batch = toy.model(method("mmvm")), toy.batch(missing=False)
    q = model.unimodal(batch, batch.present)
    close(inference.joint_mean(model, batch), q.mean.mean(0).detach())
    precision = 1 / q.variance
    close(
        inference.joint_mean(model, batch, "product"),
        ((precision * q.loc).sum(0) / precision.sum(0)).detach(),
    )
    sharp = (1 / q.scale).prod(-1, keepdim=True)
    weighed = ((sharp * q.loc).sum(0) / sharp.sum(0)).detach()
    close(inference.joint_mean(model, batch, "precision"), weighed)
    trained = toy.model(method("mmvm", {"mixture_weights": "precision"}))
    close(inference.joint_mean(trained, batch), weighed)
    with pytest.raises(InputError, match="Did you mean 'product'"):
        inference.joint_mean(model, batch, "prodct")
    with pytest.raises(InputError, match="normal posteriors"):
        inference.joint_mean(toy.model(method("ae")), batch, "product")
    with pytest.raises(InputError, match="with a density"):
        inference.joint_mean(toy.model(method("ae")), batch, "precision")


@every
def test_answers_do_not_depend_on_the_chunks(name, monkeypatch):
    model, batch = toy.model(method(name)), toy.batch()
    asked = {
        "joint": lambda: inference.joint_mean(model, batch),
        "own": lambda: inference.unimodal_mean(model, batch).nan_to_num(-99.0),
        "decoded": lambda: inference.reconstruct(model, batch, "b", draws=0, noise=g()),
        "nll": lambda: costs.distortion(model, batch, "b", batch, generator=g(), draws=0),
    }
    whole = {k: ask() for k, ask in asked.items()}
    monkeypatch.setattr(inference.chunks, "__defaults__", (4,))
    for k, ask in asked.items():
        close(ask(), whole[k])


def test_chunks_cut_in_order():
    batch = toy.batch()
    parts = list(inference.chunks(batch, 4))
    assert [p.rows for p in parts] == [4, 4, 1]
    assert torch.equal(torch.cat([p.x["a"] for p in parts]), batch.x["a"])
    assert torch.equal(torch.cat([p.mask["b"] for p in parts]), batch.mask["b"])


def test_given_hides_the_others():
    batch = toy.batch(missing=False)
    less = batch.given(("b",))
    assert less.present.all(1).tolist() == [False, True, False]
    assert less.x["a"].abs().sum() == 0
    assert torch.equal(less.x["b"], batch.x["b"])
    assert batch.present.all()


def test_draws_spread_evenly_over_the_experts():
    """With K = E draws and even weights, every expert is drawn once in every row."""
    rows, experts = 50, 4
    loc = 10.0 * torch.arange(experts).reshape(-1, 1, 1).expand(-1, rows, 1)
    targets = torch.ones(experts, 1, rows, dtype=torch.bool)
    weight = torch.full((experts, rows), 1 / experts)
    posterior = Posterior(DiagNormal(loc, 1e-3 * torch.ones_like(loc)), weight, targets, (slice(None),))
    z = inference.draw(posterior, experts, [(g(), slice(0, rows))])
    assert z.shape == (experts, rows, 1)
    assert (z.squeeze(-1) / 10).round().sort(0).values.T.tolist() == [[0, 1, 2, 3]] * rows


@every
def test_the_mean_of_many_draws_is_the_joint_mean(name):
    model, batch, draws = toy.model(method(name)), toy.batch(), 600
    z = inference.draw(model.posterior(batch), draws, streams_of(g(), batch))
    error = z.std(0) / draws**0.5
    assert ((z.mean(0) - inference.joint_mean(model, batch)).abs() <= 5 * error + 1e-9).all()


def test_separate_latents_reconstruct_a_present_modality_from_its_own_posterior():
    for name in ("mmvm", "independent", "ae"):
        model, batch = toy.model(method(name)), toy.batch()
        q = model.unimodal(batch, batch.present)
        for how in ("mixture",) if name == "ae" else inference.HOW:
            found = inference.reconstruct(model, batch, "c", draws=0, noise=g(), how=how)
            there = batch.present[2]
            own = model["c"].likelihood.mean(model["c"].decode(q.mean[2]))
            close(found[there], own[there].detach())


def test_a_shared_latent_reconstructs_from_the_joint_posterior():
    model, batch = toy.model(method("poe")), toy.batch()
    z = inference.joint_mean(model, batch)
    found = inference.reconstruct(model, batch, "a", draws=0, noise=g())
    close(found, model["a"].decode(z).detach())


def test_with_no_draws_a_mixture_averages_the_decodings_of_its_experts():
    model, batch = toy.model(method("mopoe")), toy.batch()
    mixture = model.posterior(batch).mixture
    expected = torch.einsum("eb,ebi->bi", mixture.weight, model["a"].decode(mixture.components.mean))
    close(inference.reconstruct(model, batch, "a", draws=0, noise=g()), expected.detach())


@every
@pytest.mark.parametrize("kinds", ["mixed", "counts"])
def test_imputation_has_its_shapes_is_finite_and_repeats(name, kinds):
    model, batch = toy.model(method(name), kinds), toy.batch(kinds)
    for target in model.names:
        mean, spread, samples = inference.impute(model, batch, target, draws=5, noise=g())
        p = model[target].likelihood
        assert mean.shape == spread.shape == (ROWS, *p.output_shape)
        assert samples.shape == (5, ROWS, *p.shape)
        assert all(t.isfinite().all() for t in (mean, spread, samples))
        assert (spread > 0).all()
        again = inference.impute(model, batch, target, draws=5, noise=g())
        assert torch.equal(samples, again[2])
        assert not mean.requires_grad


@every
@pytest.mark.parametrize("kinds", ["mixed", "counts"])
def test_by_row_a_row_draws_the_same_alone_as_among_others(name, kinds):
    model, batch = toy.model(method(name), kinds), toy.batch(kinds)
    rows = torch.tensor([7, 2, 5])
    for target in model.names:
        for seed in (0, 1):
            whole = inference.impute(model, batch, target, draws=3, noise=ByRow(seed))
            some = inference.impute(model, batch.at(rows), target, draws=3, noise=ByRow(seed))
            for a, b in zip(some, (whole[0][rows], whole[1][rows], whole[2][:, rows]), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
        mean = inference.reconstruct(model, batch, target, draws=3, noise=ByRow(0))
        some = inference.reconstruct(model, batch.at(rows), target, draws=3, noise=ByRow(0))
        close(some, mean[rows], 1e-9)


def test_by_row_equal_rows_draw_anew_and_chunks_do_not_matter(monkeypatch):
    model, batch = toy.model(method("mmvm")), toy.batch()
    twice = batch.at(torch.tensor([0, 1, 0, 0]))
    _, _, drawn = inference.impute(model, twice, "a", draws=4, noise=ByRow(0))
    assert not any(torch.equal(drawn[:, i], drawn[:, j]) for i, j in ((0, 2), (0, 3), (2, 3)))
    monkeypatch.setattr(inference.chunks, "__defaults__", (1,))
    close(inference.impute(model, twice, "a", draws=4, noise=ByRow(0))[2], drawn, 1e-9)


def test_by_row_it_does_not_matter_whether_another_row_has_a_hole():
    """The mask of a table is of rows or of values; a row that is whole draws the same with either."""
    x = {"a": torch.randn(5, 3, generator=g()), "b": torch.arange(5)}
    rows = Batch(x, {k: torch.ones(5, dtype=torch.bool) for k in x})
    values = Batch(x, {k: torch.ones(v.shape, dtype=torch.bool) for k, v in x.items()})
    less = Batch(x, {**values.mask, "a": torch.arange(15).reshape(5, 3) != 7})
    u, same, other = (uniform(ByRow(0).of(batch)) for batch in (rows, values, less))
    assert torch.equal(u, same)
    assert (u == other).tolist() == [True, True, False, True, True]


def test_by_row_noise_is_standard_normal_and_uniform_over_rows():
    rows = torch.arange(4000.0)
    streams = ByRow(0).of(Batch({"a": rows}, {"a": rows > -1}))
    u, n = uniform(streams), normal(streams, 2, 3)
    assert scipy.stats.kstest(u.numpy(), "uniform").pvalue > 1e-3
    assert scipy.stats.kstest(n.flatten().numpy(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(np.stack([u, *n.permute(0, 2, 1).flatten(0, 1)])) - np.eye(7)).max() < 0.08


def test_imputed_spread_is_that_of_the_predictive_draws():
    model, batch, draws = toy.model(method("mopoe")), toy.batch(), 4000
    mean, spread, samples = inference.impute(model, batch, "a", draws=draws, noise=g())
    assert ((samples.mean(0) - mean).abs() <= 5 * spread / draws**0.5).all()
    torch.testing.assert_close(samples.std(0), spread, rtol=0.08, atol=0)


def test_counts_are_imputed_at_the_typical_exposure_and_reconstructed_at_their_own():
    model, batch = toy.model(method("mmvm"), "mixed"), toy.batch("mixed")
    model["c"].likelihood.typical = 50.0
    size = inference.exposure_of(model, batch, "c")
    there = batch.present[2]
    assert (size[~there] == 50).all()
    close(size[there], model["c"].likelihood.exposure(batch.x["c"], batch.mask["c"])[there])
    found = inference.reconstruct(model, batch, "c", draws=0, noise=g())
    close(found.sum(1), size, 1e-6)
    assert inference.exposure_of(model, batch, "a") is None


@every
def test_distortion_is_zero_without_truth_and_minus_log_p_with(name):
    model, batch = toy.model(method(name)), toy.batch()
    found = costs.distortion(model, batch, "b", batch, generator=g(), draws=3)
    assert (found[~batch.present[1]] == 0).all()
    assert (found[batch.present[1]] > 0).all()
    held_back = Batch(
        {**batch.x, "b": torch.zeros_like(batch.x["b"])},
        {**batch.mask, "b": torch.zeros_like(batch.mask["b"])},
    )
    crossed = costs.distortion(model, held_back, "b", batch, generator=g(), draws=0)
    assert (crossed[batch.present[1]] > 0).all()


@every
def test_rates_are_those_of_training_without_their_factors(name):
    model, batch = toy.model(method(name)), toy.batch(missing=False)
    found = costs.rates(model, batch, generator=g())
    terms = model.loss(batch, toy.noise(model, ROWS), model.method.at(0)).terms
    assert all(v.shape == (ROWS,) for v in found.values())
    # Training rates of another kind: sums over subsets, estimates at draws, divergences from two priors.
    if name in ("mvae", "telbo", "mmvae", "mmvae_plus", "mvtcae", "cmmd"):
        assert set(found) == {"rate"}
        return
    expected = {k: v.detach() for k, v in terms.items() if k.split("/")[0] == "rate"}
    if name in ("dcca", "dccae", "mvcl"):  # they have none, in training or afterwards
        expected = {f"rate/{n}": torch.zeros(ROWS, dtype=toy.DTYPE) for n in model.names}
        assert not [k for k in terms if k.startswith("rate")]
    assert {k.removeprefix("rate/") for k in expected} == set(found)
    for k, v in terms.items():  # what private latents cost is in the rate
        if k.startswith("rate_private/"):
            where = "rate" if "rate" in expected else k.replace("_private", "")
            expected[where] = expected[where] + v.detach()
    for k, v in expected.items():
        close(found[k.removeprefix("rate/")], v)


def test_names_are_checked_and_put_in_order():
    assert inference.check_names(("c", "a"), ("a", "b", "c"), "given") == ("a", "c")
    assert inference.check_names("b", ("a", "b", "c"), "given") == ("b",)
    with pytest.raises(InputError, match="names no modality"):
        inference.check_names((), ("a",), "given")
    with pytest.raises(InputError, match="Did you mean 'protein'"):
        inference.check_names(("protien",), ("rna", "protein"), "given")


def test_rates_take_the_final_value_of_a_schedule():
    """A rate that was read off at step 0 would be that of alpha = 1, long gone when a model is asked."""
    batch = toy.batch(missing=False)
    scheduled = toy.model(method("mmvm", {"alpha": "linear:1:0:10"}))
    constant = toy.model(method("mmvm", {"alpha": 0.0}))
    constant.load_state_dict(scheduled.state_dict())
    found = costs.rates(scheduled, batch, generator=g())
    for name, rate in costs.rates(constant, batch, generator=g()).items():
        close(found[name], rate)
