"""Lemma 4.1 of MMVM: the best prior of given posteriors is their mixture, row by row.

The lemma is about  F[h] = sum_m E_{q_m(z|x_m)} [ log h(z|X) ],  the only part of the objective that a prior
enters, for fixed encoders and any density h. The latent has one dimension, so that expectations are sums over
a fine grid and a density is a vector: nothing is estimated.
"""

import math

import pytest
import torch

from counterpoint.aggregation import Separate
from counterpoint.distributions import DiagNormal
from counterpoint.nn import networks
from counterpoint.priors import MixtureOfExperts, StandardNormal

M, ROWS = 3, 8
Z = torch.linspace(-25, 25, 5001, dtype=torch.float64)
STEP = float(Z[1] - Z[0])
OF_ROW_0 = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)  # it lacks the last modality


def normal(loc, scale):
    """log N(z; loc, scale) on the grid, (..., grid)."""
    return -0.5 * ((Z - loc[..., None]) / scale[..., None]) ** 2 - torch.log(
        scale[..., None] * math.sqrt(2 * math.pi)
    )


def mixture(loc, scale, weight):
    """log sum_e w_e N(z; loc_e, scale_e), experts first: (M, B) to (B, grid)."""
    return torch.logsumexp(normal(loc, scale) + torch.log(weight)[..., None], 0)


def F(q, there, log_h):
    """The expectation of the lemma in every row, (B,): over the modalities that are there."""
    return (there[..., None] * q.exp() * log_h).sum((0, -1)) * STEP


@pytest.fixture(scope="module")
def posterior():
    """Posteriors of three modalities by encoders of random weights, apart from one another."""
    rng = torch.Generator().manual_seed(0)
    heads = []
    for _ in range(M):
        encoder, _ = networks("mlp", (6,), (6,), 1, generator=rng, hidden=(16,))
        x = torch.randn(ROWS, 6, generator=rng)
        heads.append(encoder(x).detach().double())  # (B, 2): loc and log-variance
    loc = torch.stack([6 * h[:, :1] + 2 * m for m, h in enumerate(heads)])
    scale = torch.stack([(0.5 * h[:, 1:]).exp() * (0.4 + 0.5 * m) for m, h in enumerate(heads)])
    present = torch.ones(M, ROWS, dtype=torch.bool)
    present[2, 0] = False
    return Separate()(DiagNormal(loc, scale), present)


@pytest.fixture(scope="module")
def parts(posterior):
    """log q (M, B, grid), which modalities are there, and log h of the library on the grid (B, grid)."""
    q = normal(posterior.experts.loc[..., 0], posterior.experts.scale[..., 0])
    h = MixtureOfExperts("mixture")(posterior)
    log_h = h.log_prob(Z[:, None, None].expand(-1, ROWS, 1)).T
    return q, posterior.weight, log_h


def test_the_prior_of_the_library_is_the_aggregated_posterior_of_the_row(posterior, parts):
    q, there, log_h = parts
    every = (
        torch.logsumexp(torch.where(there[..., None] > 0, q, -torch.inf), 0)
        - torch.log(there.sum(0))[:, None]
    )
    assert torch.allclose(log_h, every, atol=1e-12)
    assert torch.allclose(log_h.exp().sum(-1) * STEP, torch.ones(ROWS, dtype=torch.float64), atol=1e-9)
    assert torch.equal(there[:, 0], OF_ROW_0)


def priors(posterior, parts, rng):
    """Priors that are not the mixture: fixed ones, perturbed ones, and those of other rows."""
    log_h = parts[2]
    e = posterior.experts
    loc, scale = e.loc[..., 0], e.scale[..., 0]
    zero, one = torch.zeros(ROWS, dtype=torch.float64), torch.ones(ROWS, dtype=torch.float64)
    yield "N(0, I)", normal(zero, one)
    yield "a wide normal", normal(zero, 8 * one)
    yield (
        "the normal of the mixture's moments",
        normal(loc.mean(0), (scale**2).mean(0).add(loc.var(0)).sqrt()),
    )
    yield "the mixture of the next row", log_h.roll(1, 0)
    yield "the mixture over all rows", torch.logsumexp(log_h, 0).expand(ROWS, -1) - math.log(ROWS)
    yield (
        "uneven weights",
        mixture(loc, scale, torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)[:, None]),
    )
    for i in range(20):
        noise = [torch.randn(M, ROWS, generator=rng, dtype=torch.float64) for _ in range(3)]
        weight = torch.softmax(0.3 * noise[2], 0)
        yield f"perturbed {i}", mixture(loc + 0.3 * noise[0], scale * (0.2 * noise[1]).exp(), weight)


def test_no_other_prior_has_a_larger_expectation(posterior, parts):
    """What it lacks is the number of modalities times KL(mixture || it), the identity behind the proof."""
    q, there, log_h = parts
    best = F(q, there, log_h)
    for said, log_p in priors(posterior, parts, torch.Generator().manual_seed(1)):
        lacks = best - F(q, there, log_p)
        kl = (log_h.exp() * (log_h - log_p)).sum(-1) * STEP
        assert (lacks > 1e-4).all(), said
        assert torch.allclose(lacks, there.sum(0) * kl, rtol=1e-6, atol=1e-8), said


def test_the_gradient_vanishes_at_the_mixture_and_only_there(posterior, parts):
    """Of a mixture's weights, locs and scales; started elsewhere, they are pulled back to the same value."""
    q, there, log_h = parts[0][:, 1:], parts[1][:, 1:], parts[2][1:]  # rows that have all three modalities
    e = posterior.experts
    start = [e.loc[:, 1:, 0], e.scale[:, 1:, 0].log(), torch.zeros(M, ROWS - 1, dtype=torch.float64)]
    value = [p.clone().requires_grad_() for p in start]

    def expectation(parameters):
        loc, log_scale, logits = parameters
        return F(q, there, mixture(loc, log_scale.exp(), torch.softmax(logits, 0)))

    at = torch.autograd.grad(expectation(value).sum(), value)
    assert max(g.abs().max() for g in at) < 1e-9
    moved = [
        (p + 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i), dtype=p.dtype))
        for i, p in enumerate(start)
    ]
    away = [p.requires_grad_() for p in moved]
    assert max(g.abs().max() for g in torch.autograd.grad(expectation(away).sum(), away)) > 0.1
    optimiser = torch.optim.LBFGS(away, max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimiser.zero_grad()
        loss = -expectation(away).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    best = F(q, there, log_h)
    assert (expectation(away) <= best + 1e-9).all()
    assert torch.allclose(expectation(away), best, atol=1e-3)


def test_of_all_densities_whatever_their_form_it_is_the_only_stationary_one(parts):
    """h a vector of free numbers under a softmax: the proof's Lagrange condition, M (mixture - h) = 0."""
    q, there, log_h = parts
    for log_p, vanishes in (
        (log_h, True),
        (normal(torch.zeros(ROWS, dtype=torch.float64), torch.ones(ROWS, dtype=torch.float64)), False),
    ):
        free = log_p.clone().requires_grad_()
        value = F(q, there, torch.log_softmax(free, -1) - math.log(STEP)).sum()
        (gradient,) = torch.autograd.grad(value, free)
        h = torch.softmax(free.detach(), -1)
        assert torch.allclose(gradient, there.sum(0)[:, None] * (log_h.exp() * STEP - h), atol=1e-9)
        assert bool(gradient.abs().max() < 1e-9) is vanishes


def test_so_the_objective_of_a_row_is_largest_under_it(posterior):
    """By the library's own rates at many draws: the mixture's is least, at most M log M, and exact."""
    generator = torch.Generator().manual_seed(2)
    z = posterior.experts.rsample(torch.randn(20000, M, ROWS, 1, generator=generator, dtype=torch.float64))
    present, hyper = posterior.weight > 0, {"alpha": 0.0}

    def rate(prior):
        return torch.where(present, prior.rate(posterior, z, present, hyper), 0.0).sum(0)

    least = rate(MixtureOfExperts("mixture"))
    assert (least <= present.sum(0) * torch.log(present.sum(0).double()) + 0.05).all()
    assert (least < rate(MixtureOfExperts("pairwise"))).all()
    assert (least < rate(StandardNormal())).all()
    q = normal(posterior.experts.loc[..., 0], posterior.experts.scale[..., 0])
    h = MixtureOfExperts("mixture")(posterior).log_prob(Z[:, None, None].expand(-1, ROWS, 1)).T
    exact = (torch.where(present[..., None], q.exp() * (q - h), 0.0)).sum((0, -1)) * STEP
    assert torch.allclose(least, exact, atol=0.05)
