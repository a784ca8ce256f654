"""Private latents and joint encoders: what a fitted model answers, and who learns from what."""

import numpy as np
import pytest
import torch

import counterpoint as cp
import toy
from counterpoint import costs, inference
from counterpoint.aggregation import Product
from counterpoint.building import prepare
from counterpoint.distributions import kl_standard
from counterpoint.errors import InputError
from counterpoint.methods import method
from counterpoint.nn import SideBySide

WIDTH = 3


def g():
    return torch.Generator().manual_seed(4)


@pytest.fixture
def with_private():
    return toy.model(method("mopoe", {"private_dim": WIDTH})), toy.batch()


def test_the_private_latent_is_the_targets_own_or_the_priors_mean(with_private):
    model, batch = with_private
    z, _ = inference.latents(model, batch, "b", 0, g())
    own = toy.heads(model["b"], batch.x["b"], batch.mask["b"])[:, 2 * toy.D :][:, :WIDTH]
    expected = torch.where(batch.present[1].unsqueeze(-1), own, 0.0)
    assert z.shape[-1] == toy.D + WIDTH
    for each in z:
        torch.testing.assert_close(each[:, toy.D :], expected)


def test_a_private_latent_does_not_reach_another_modality(with_private):
    """A translation from a to b is the same whatever a's private latent says."""
    model, batch = with_private
    before = inference.reconstruct(model, batch.given(("a",)), "b", draws=4, noise=g())
    with torch.no_grad():
        model["a"].encoder[-1].bias[2 * toy.D :].add_(3.0)
    assert torch.equal(before, inference.reconstruct(model, batch.given(("a",)), "b", draws=4, noise=g()))
    own = inference.reconstruct(model, batch.given(("a",)), "a", draws=4, noise=g())
    with torch.no_grad():
        model["a"].encoder[-1].bias[2 * toy.D :].add_(3.0)
    assert not torch.equal(own, inference.reconstruct(model, batch.given(("a",)), "a", draws=4, noise=g()))


def test_rates_hold_what_private_latents_cost(with_private):
    model, batch = with_private
    found = costs.rates(model, batch, generator=g())["rate"]
    present = batch.present
    encoded = model.encode(batch, present)
    posterior = model.method.aggregation(encoded.shared, present)
    shared = (posterior.weight * kl_standard(posterior.experts)).sum(0)
    private = torch.where(present, kl_standard(encoded.private), 0.0).sum(0)
    there = present.any(0)
    torch.testing.assert_close(found[there], (shared + private)[there])
    assert found[1] == 0


def test_imputations_with_private_latents_are_wider_than_without_their_noise(with_private):
    model, batch = with_private
    hidden = batch.given(("a", "c"))
    _, spread, draws = inference.impute(model, hidden, "b", draws=64, noise=g())
    with torch.no_grad():
        model["b"].decoder[0].weight[:, toy.D :] = 0.0
    _, narrow, _ = inference.impute(model, hidden, "b", draws=64, noise=g())
    assert (spread > narrow).float().mean() > 0.9
    assert draws.shape[:2] == (64, batch.rows)


@pytest.mark.parametrize("name", ["jmvae", "telbo"])
def test_a_joint_encoder_answers_complete_rows_and_the_product_the_others(name):
    model, batch = toy.model(method(name)), toy.batch(missing=False)
    present = batch.present
    read = model.encode(batch, present).shared
    torch.testing.assert_close(inference.joint_mean(model, batch), read.loc[-1])
    for names in (("a",), ("b", "c")):
        some = batch.given(names)
        q = Product()(model.unimodal(some, some.present), some.present).experts
        torch.testing.assert_close(inference.joint_mean(model, some), q.loc[0])


def test_decoders_of_telbo_learn_from_the_joint_elbo_alone():
    grads = []
    for gamma in (1.0, 5.0):
        model, batch = toy.model(method("telbo", {"gamma": gamma}), "mixed"), toy.batch("mixed")
        total = model.loss(batch, toy.noise(model, batch.rows), model.method.at(0)).total
        grads.append(toy.gradients(model, total))
    for name in grads[0]:
        same = torch.allclose(grads[0][name], grads[1][name], rtol=1e-12, atol=1e-12)
        assert same == (".encoder." not in name), name


def test_the_unimodal_encoders_of_jmvae_come_closer_to_the_joint_one_with_alpha():
    """Gradient steps on the whole loss: with alpha the surrogate term falls."""
    model, batch = toy.model(method("jmvae", {"alpha": 1.0})), toy.batch(rows=40, missing=False)
    noise, hyper = toy.noise(model, 40), model.method.at(0)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    first = model.loss(batch, noise, hyper).terms["rate_surrogate"].mean().item()
    for _ in range(150):
        optimiser.zero_grad()
        loss = model.loss(batch, noise, hyper)
        loss.total.mean().backward()
        optimiser.step()
    assert loss.terms["rate_surrogate"].mean().item() < 0.2 * first


def data(rows=60):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(rows, 2))
    x = {n: z @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(rows, 4)) for n in "abc"}
    x["b"][:10] = np.nan
    return x


@pytest.mark.parametrize("name", ["jmvae", "telbo", "split"])
def test_fit_ask_save_and_load(name, tmp_path):
    rows = data()
    fitted = cp.Counterpoint(
        method=name, latent_dim=2, hidden=(8,), epochs=3, batch_size=20, likelihood="normal"
    )
    fitted.fit(rows)
    again = cp.load(fitted.save(tmp_path / "run"))
    assert again.embed(rows).shape == (60, 2)
    for one in (fitted, again):
        assert np.isfinite(one.impute(rows, "b", draws=3)["b"].filled).all()
        assert np.isfinite(one.translate(rows, ("a", "c"), "b")).all()
    np.testing.assert_array_equal(fitted.embed(rows, given=("a",)), again.embed(rows, given=("a",)))


def test_a_private_trunk_is_an_encoder_of_its_own():
    from dataclasses import replace

    from counterpoint.assembly import assemble

    chosen = replace(method("split", {"private_dim": WIDTH}), private_trunk=True)
    prepared = prepare(cp.Counterpoint(latent_dim=2), cp.read(data()))
    model = assemble(prepared, chosen, latent_dim=2, hidden=(8,))
    assert isinstance(model["a"].encoder, SideBySide)
    assert model["a"].encoder(torch.zeros(1, 4)).shape == (1, 2 * (2 + WIDTH))
    total = model.loss(toy_of(model), model.noise(5, g()), chosen.at(0)).total
    assert total.shape == (5,)


def toy_of(model):
    from counterpoint.batch import Batch

    x = {n: torch.randn(5, 4, generator=g()) for n in model.names}
    return Batch(x, {n: torch.ones(5, dtype=torch.bool) for n in x})


def test_own_networks_and_a_joint_encoder_are_refused_with_what_to_do():
    pair = (torch.nn.Linear(4, 4), torch.nn.Linear(2, 4))
    one = cp.Counterpoint(method="jmvae", latent_dim=2, network={"a": pair}, epochs=1)
    with pytest.raises(InputError, match="name a kind"):
        one.fit(data())


def test_split_without_private_latents_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        method("split", {"private_dim": 0})
