"""A model whose posterior and likelihood are known in closed form: linear decoders, normal likelihoods.

    z ~ N(0, I_D),   x_m = W_m z + b_m + s_m e_m

With the columns of W_m orthogonal, W_m' W_m / s_m^2 = diag(t_m), the posterior given any subset A is a
diagonal normal, precision 1 + sum_A t_m, mean (sum_A W_m' (x_m - b_m) / s_m^2) / precision. So a product of
experts with a prior expert is exact if expert m has precision t_m and mean W_m' (x_m - b_m) / s_m^2 / t_m:
one linear encoder.
"""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from counterpoint import inference
from counterpoint.batch import Batch
from counterpoint.distributions import DiagNormal, kl
from counterpoint.likelihoods import Normal as NormalLikelihood
from counterpoint.methods import mvae, poe
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import JointEncoder
from counterpoint.objectives import Noise

D, ROWS = 2, 6
SIZES, SCALES = {"a": 3, "b": 5}, {"a": 0.7, "b": 1.3}
F = torch.float64


def parameters():
    """W (orthogonal columns) and b of both decoders."""
    g = torch.Generator().manual_seed(0)
    made = {}
    for name, size in SIZES.items():
        q, _ = torch.linalg.qr(torch.randn((size, D), generator=g, dtype=F))
        made[name] = (q * torch.tensor([1.5, 0.6], dtype=F), torch.randn(size, generator=g, dtype=F))
    return made


TRUTH = parameters()


def model(method):
    """The model with exact decoders and exact encoders; private latents, if any, are of no use to it."""
    modalities, trunks, total = {}, [], torch.zeros(D, dtype=F)
    private = method.private_dim
    for name, (w, b) in TRUTH.items():
        s2 = SCALES[name] ** 2
        t = (w.T @ w).diagonal() / s2
        encoder = nn.Linear(SIZES[name], 2 * (D + private), dtype=F)
        decoder = nn.Linear(D + private, SIZES[name], dtype=F)
        read = w.T / s2 / t[:, None]
        with torch.no_grad():
            decoder.weight.copy_(nn.functional.pad(w, (0, private)))
            decoder.bias.copy_(b)
            rows = nn.functional.pad(torch.cat([read, torch.zeros_like(read)]), (0, 0, 0, 2 * private))
            encoder.weight.copy_(rows)
            encoder.bias.copy_(nn.functional.pad(torch.cat([-read @ b, -torch.log(t)]), (0, 2 * private)))
        p = NormalLikelihood((SIZES[name],), SCALES[name])
        modalities[name] = Modality(encoder, decoder, p, 1.0, method.auxiliary_size)
        trunks.append(linear(torch.cat([w.T, -w.T]) / s2, torch.cat([-w.T @ b, w.T @ b]) / s2))
        total = total + t
    joint = None
    if method.joint:  # a ReLU's two halves put together are linear
        halves = torch.cat([torch.eye(D, dtype=F), -torch.eye(D, dtype=F)], 1) / (1 + total)[:, None]
        bias = torch.cat([torch.zeros(D, dtype=F), -torch.log(1 + total)])
        joint = JointEncoder(trunks, linear(torch.cat([halves, torch.zeros_like(halves)]), bias))
    return MultimodalVAE(modalities, method, D, joint).to(F)


def linear(weight, bias):
    """A linear layer with these weights."""
    made = nn.Linear(weight.shape[1], weight.shape[0], dtype=F)
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(bias)
    return made


def data():
    """Rows from the model; row 1 lacks a, row 2 lacks b, row 3 lacks both."""
    g = torch.Generator().manual_seed(1)
    z = torch.randn((ROWS, D), generator=g, dtype=F)
    x = {
        n: z @ w.T + b + SCALES[n] * torch.randn((ROWS, SIZES[n]), generator=g, dtype=F)
        for n, (w, b) in TRUTH.items()
    }
    mask = {n: torch.ones(ROWS, dtype=torch.bool) for n in x}
    mask["a"][1], mask["b"][2] = False, False
    mask["a"][3] = mask["b"][3] = False
    return Batch({n: v * mask[n].unsqueeze(-1) for n, v in x.items()}, mask)


BATCH = data()


def log_p(batch=BATCH, extra=None):
    """Closed-form log p of what each row has, from the joint covariance W W' + S (+ a modality's own)."""
    found = []
    for r in range(batch.rows):
        held = [n for n in batch.names if batch.mask[n][r]]
        if not held:
            found.append(torch.zeros((), dtype=F))
            continue
        w, b = (torch.cat([TRUTH[n][i] for n in held]) for i in (0, 1))
        noise = torch.cat([torch.full((SIZES[n],), SCALES[n] ** 2, dtype=F) for n in held])
        x = torch.cat([batch.x[n][r] for n in held])
        own = torch.block_diag(*(extra[n] for n in held)) if extra else 0
        found.append(MultivariateNormal(b, w @ w.T + torch.diag(noise) + own).log_prob(x))
    return torch.stack(found)


def exact(batch=BATCH):
    """The closed-form posterior given what each row has."""
    precision, weighted = torch.ones(batch.rows, D, dtype=F), torch.zeros(batch.rows, D, dtype=F)
    for n, (w, b) in TRUTH.items():
        there = batch.mask[n].unsqueeze(-1)
        precision = precision + there * (w.T @ w).diagonal() / SCALES[n] ** 2
        weighted = weighted + there * ((batch.x[n] - b) @ w) / SCALES[n] ** 2
    return DiagNormal(weighted / precision, precision**-0.5)


def sigma_points(rows):
    """+-sqrt(D) e_d as noise (2 D, 1, B, D): mean 0, covariance I, exact for quadratics."""
    points = math.sqrt(D) * torch.cat([torch.eye(D, dtype=F), -torch.eye(D, dtype=F)])
    return points.reshape(2 * D, 1, 1, D).expand(-1, -1, rows, -1)


def elbo(vae, noise, batch=BATCH):
    uniform = torch.zeros(0, batch.rows, dtype=F)
    return -vae.loss(batch, Noise(noise, uniform), vae.method.at(0)).total.detach()


def exact_method(draws):
    return poe(prior_expert="all", draws=draws)


def test_the_joint_posterior_is_the_closed_form_one():
    for given in (("a", "b"), ("a",), ("b",), ()):
        batch = BATCH.given(given)
        found, expected = model(exact_method(1)).posterior(batch).experts, exact(batch)
        torch.testing.assert_close(found.loc[0], expected.loc)
        torch.testing.assert_close(found.scale[0], expected.scale)


def test_the_elbo_at_the_exact_posterior_is_log_p():
    found = elbo(model(exact_method(2 * D)), sigma_points(ROWS))
    torch.testing.assert_close(found, log_p(), rtol=1e-10, atol=1e-10)
    assert found[3] == 0


def test_the_elbo_by_monte_carlo_is_log_p_within_its_error():
    """4 standard errors of the mean of 4,000 draws, estimated from the draws themselves."""
    draws = 4000
    vae = model(exact_method(draws))
    noise = vae.noise(ROWS, torch.Generator().manual_seed(2), F)
    z = vae.posterior(BATCH).experts.rsample(noise.normal)
    each = sum(vae[n].log_prob(z, BATCH.x[n], BATCH.mask[n]) for n in vae.names)[:, 0].detach()
    error = each.std(0) / draws**0.5
    assert ((elbo(vae, noise.normal) - log_p()).abs() <= 4 * error + 1e-12).all()
    assert error[0] < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_elsewhere_the_elbo_is_below_by_the_kl_to_the_exact_posterior(seed):
    vae = model(exact_method(2 * D))
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in vae.names:
            for p in vae[name].encoder.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=g, dtype=F))
    gap = kl(vae.posterior(BATCH).experts[0], exact()).detach()
    found = elbo(vae, sigma_points(ROWS))
    torch.testing.assert_close(log_p() - found, gap, rtol=1e-9, atol=1e-9)
    observed = BATCH.present.any(0)
    assert (gap[observed] > 1e-4).all()


def test_gradients_of_the_elbo_vanish_at_the_optimum():
    """In the encoder, and the bound is tight: in the decoder they are those of log p."""
    vae = model(exact_method(2 * D))
    noise = Noise(sigma_points(ROWS), torch.zeros(0, ROWS, dtype=F))
    encoders = [p for n in vae.names for p in vae[n].encoder.parameters()]
    grads = torch.autograd.grad(vae.loss(BATCH, noise, vae.method.at(0)).total.sum(), encoders)
    assert max(g.abs().max() for g in grads) < 1e-9


def importance(vae, draws, spread=1.0, shift=0.0):
    """log 1/K sum p(x|z) p(z) / q(z) and its standard error (delta method), from the model's parts."""
    q = vae.posterior(BATCH).experts[0]
    q = DiagNormal(q.loc + shift, q.scale * spread)
    z = q.rsample(torch.randn((draws, ROWS, D), generator=torch.Generator().manual_seed(5), dtype=F))
    log_w = Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z)
    log_w = (log_w + sum(vae[n].log_prob(z, BATCH.x[n], BATCH.mask[n]) for n in vae.names)).detach()
    estimate = torch.logsumexp(log_w, 0) - math.log(draws)
    w = torch.exp(log_w - estimate)
    return estimate, w.std(0) / draws**0.5, log_w


def test_importance_weights_at_the_exact_posterior_are_all_log_p():
    _, _, log_w = importance(model(exact_method(1)), 20)
    torch.testing.assert_close(log_w, log_p().expand_as(log_w), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("spread", "shift"), [(1.5, 0.0), (1.3, 0.4), (2.0, -0.3)])
def test_importance_sampling_from_a_wrong_posterior_finds_log_p(spread, shift):
    estimate, error, _ = importance(model(exact_method(1)), 50_000, spread, shift)
    assert ((estimate - log_p()).abs() <= 4 * error).all()
    assert error.max() < 0.02


def test_mvae_sums_the_log_p_of_its_subsets_at_its_optimum():
    """ELBO(all) + ELBO(a) + ELBO(b), each at its own exact posterior."""
    vae = model(mvae(draws=2 * D))
    noise = sigma_points(ROWS).expand(-1, 3, -1, -1)
    expected = sum(log_p(BATCH.given(s)) for s in (("a", "b"), ("a",), ("b",)))
    torch.testing.assert_close(elbo(vae, noise), expected, rtol=1e-10, atol=1e-10)


def test_imputation_is_the_closed_form_regression():
    """E[b | a] = W_b E[z | a] + c exactly; the predictive spread from 4,000 draws."""
    vae, given, draws = model(exact_method(1)), BATCH.given(("a",)), 4000
    posterior, (w, b) = exact(given), TRUTH["b"]
    mean = posterior.loc @ w.T + b
    spread = torch.sqrt(posterior.variance @ (w**2).T + SCALES["b"] ** 2)
    g = torch.Generator().manual_seed(0)
    torch.testing.assert_close(inference.reconstruct(vae, given, "b", draws=0, noise=g), mean)
    found, width, samples = inference.impute(vae, given, "b", draws=draws, noise=g)
    error = spread / draws**0.5
    assert ((found - mean).abs() <= 5 * error).all()
    torch.testing.assert_close(width, spread, rtol=0.05, atol=0)
    assert ((samples.mean(0) - mean).abs() <= 5 * error).all()
    torch.testing.assert_close(samples.std(0), spread, rtol=0.06, atol=0)
