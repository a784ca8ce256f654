"""The rates of the priors: order, bounds, gradients, and what an absent modality changes."""

from functools import cache
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.aggregation import Average, Separate
from counterpoint.distributions import DiagLaplace, DiagNormal, Point, kl_standard
from counterpoint.errors import InputError
from counterpoint.methods import method
from counterpoint.precision import SeparateByPrecision
from counterpoint.priors import GRADIENTS, RATES, LearnedScale, MixtureOfExperts, NoPrior, StandardNormal

few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)


def posterior(seed, family=DiagNormal, modalities=3, rows=4, dtype=torch.float64, spread=1.0):
    g = torch.Generator().manual_seed(seed)
    loc = spread * torch.randn((modalities, rows, 2), generator=g, dtype=torch.float64)
    scale = torch.exp(torch.randn((modalities, rows, 2), generator=g, dtype=torch.float64))
    present = torch.rand((modalities, rows), generator=g) < 0.6
    present[:, 0], present[:, 1], present[:, 2] = True, False, torch.arange(modalities) == 1
    q = family(loc.to(dtype), scale.to(dtype)).where(present)
    noise = torch.randn((5, *loc.shape), generator=g, dtype=torch.float64).to(dtype)
    return Separate()(q, present), q.rsample(noise), present


@few
@given(seed=seeds, alpha=st.sampled_from([0.0, 0.3, 1.0]), family=st.sampled_from([DiagNormal, DiagLaplace]))
def test_rates_are_ordered_and_vanish_where_only_one_is_present(seed, alpha, family):
    p, z, present = posterior(seed, family)
    rates = {kind: MixtureOfExperts(kind).rate(p, z, present, {"alpha": alpha}) for kind in RATES}
    own = alpha * kl_standard(p.experts)
    there = present
    assert (rates["mixture_bound"] <= rates["pairwise"] + 1e-9)[there].all()
    assert (rates["mixture_bound"] >= own - 1e-9)[there].all()
    top = present.sum(0).clamp_min(1).double().log() * (1 - alpha)
    assert (rates["mixture"] <= top + own + 1e-9)[there].all()  # for each draw, hence for their mean
    for r in rates.values():
        assert r.isfinite().all()
        assert r[1, 2].item() == pytest.approx(own[1, 2].item(), abs=1e-9)


@pytest.mark.parametrize("kind", RATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.0, 1.0, 1e3])
def test_rates_have_finite_gradients_through_both_arguments(kind, dtype, spread):
    p, _, present = posterior(0, dtype=dtype, spread=spread)
    loc, scale = (t.clone().requires_grad_() for t in (p.experts.loc, p.experts.scale))
    again = Separate()(DiagNormal(loc, scale), present)
    z = again.experts.rsample(
        torch.randn((2, 3, 4, 2), generator=torch.Generator().manual_seed(1), dtype=dtype)
    )
    alpha = torch.tensor(0.2, dtype=dtype, requires_grad=True)
    rate = MixtureOfExperts(kind).rate(again, z, present, {"alpha": alpha})
    assert rate.dtype == dtype
    grads = torch.autograd.grad((rate * again.weight).sum(), (loc, scale, alpha))
    assert all(g.isfinite().all() for g in grads)
    if spread:
        assert (grads[0][:, 0] != 0).all()


@pytest.mark.parametrize("kind", RATES)
def test_equal_posteriors_cost_nothing(kind):
    loc = torch.randn((1, 4, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64).expand(
        3, -1, -1
    )
    q, present = DiagNormal(loc, loc.exp()), torch.ones(3, 4, dtype=torch.bool)
    rate = MixtureOfExperts(kind).rate(
        Separate()(q, present), q.rsample(torch.ones(1, 3, 4, 2)), present, {"alpha": 0.0}
    )
    assert rate.abs().max() < 1e-12


def test_far_apart_the_mixture_rate_is_log_m_and_the_pairwise_one_has_no_bound():
    loc = torch.tensor([0.0, 1e4, -1e4], dtype=torch.float64).reshape(3, 1, 1)
    q, present = DiagNormal(loc, torch.ones_like(loc)), torch.ones(3, 1, dtype=torch.bool)
    p = Separate()(q, present)
    z = q.rsample(torch.zeros(1, 3, 1, 1, dtype=torch.float64))
    rates = {kind: MixtureOfExperts(kind).rate(p, z, present, {"alpha": 0.0}) for kind in RATES}
    assert rates["mixture"].flatten().tolist() == pytest.approx([log(3)] * 3)
    assert rates["mixture_bound"].flatten().tolist() == pytest.approx([log(3)] * 3)
    assert rates["pairwise"].min() > 1e7


@few
@given(seed=seeds)
def test_the_prior_is_the_mixture_over_what_is_present(seed):
    p, _, present = posterior(seed)
    h = MixtureOfExperts()(p)
    z = torch.zeros(4, 2, dtype=torch.float64)
    for b in range(4):
        held = [m for m in range(3) if present[m, b]] or [0, 1, 2]
        naive = sum(p.experts.log_prob(z)[m, b].exp() for m in held) / len(held)
        assert h.log_prob(z)[b].exp().item() == pytest.approx(naive.item())


def test_the_standard_normal_and_no_prior():
    p, z, present = posterior(3)
    assert torch.equal(StandardNormal().rate(p, z, present, {}), kl_standard(p.experts))
    assert NoPrior().rate(p, z, present, {}).tolist() == [[0.0] * 4] * 3
    joint = Average()(p.experts, present)
    assert StandardNormal().rate(joint, z[:, :1], present, {}).shape == (1, 4)
    point = Separate()(Point(p.experts.loc), present)
    assert (NoPrior().rate(point, z, present, {}) == 0).all()


def test_what_a_learned_prior_has_learned_does_not_tell_methods_apart():
    """A recipe's prior has no scales; comparing tensors would be no answer but an error."""
    assert LearnedScale(torch.zeros(2)) == LearnedScale(torch.ones(2)) == LearnedScale()


def test_an_unknown_rate_is_told():
    with pytest.raises(InputError, match="Did you mean 'mixture_bound'"):
        MixtureOfExperts("mixture_bounds")


# --- weights and temperature


def by_precision(p, present):
    return SeparateByPrecision()(p.experts, present)


@few
@given(seed=seeds, family=st.sampled_from([DiagNormal, DiagLaplace]))
def test_weights_by_precision_follow_the_entropy_and_leave_out_what_is_absent(seed, family):
    p, _, present = posterior(seed, family)
    w = by_precision(p, present).mixture.weight
    law = torch.distributions.Normal if family is DiagNormal else torch.distributions.Laplace
    for b in range(4):
        held = [m for m in range(3) if present[m, b]] or [0, 1, 2]
        sharp = {m: (-law(p.experts.loc[m, b], p.experts.scale[m, b]).entropy().sum()).exp() for m in held}
        for m in range(3):
            expected = (sharp[m] / sum(sharp.values())).item() if m in held else 0.0
            assert w[m, b].item() == pytest.approx(expected, abs=1e-12)
    assert not w.requires_grad
    torch.testing.assert_close(
        by_precision(p, present).weight, present.double()
    )  # in the loss each counts once
    mapped = family(3 * p.experts.loc - 1, 3 * p.experts.scale)
    there = present.any(0)
    torch.testing.assert_close(SeparateByPrecision()(mapped, present).mixture.weight[:, there], w[:, there])


@few
@given(seed=seeds, t=st.sampled_from([0.5, 1.0, 3.0]), family=st.sampled_from([DiagNormal, DiagLaplace]))
def test_rates_stay_ordered_with_weights_and_temperature(seed, t, family):
    p, z, present = posterior(seed, family)
    p = by_precision(p, present)
    h = MixtureOfExperts()(p, t)
    rates = {
        kind: MixtureOfExperts(kind).rate(p, z, present, {"alpha": 0.0, "temperature": t}) for kind in RATES
    }
    assert all(r.isfinite().all() for r in rates.values())
    assert (rates["mixture_bound"] <= rates["pairwise"] + 1e-9)[present].all()
    naive = (p.experts.log_prob(z) - h.log_prob(z)).mean(0)
    torch.testing.assert_close(rates["mixture"], naive)
    if t == 1.0:
        plain = {kind: MixtureOfExperts(kind).rate(p, z, present, {"alpha": 0.0}) for kind in RATES}
        for kind in RATES:
            torch.testing.assert_close(rates[kind], plain[kind])
        top = -torch.where(present, p.mixture.weight, 1.0).log()
        assert (rates["mixture"] <= top + 1e-9)[present].all()


@pytest.mark.parametrize("kind", RATES)
@pytest.mark.parametrize("t", [0.5, 2.0])
def test_the_temperature_is_a_factor_of_the_scale(kind, t):
    """One modality: KL(N(m, s^2) || N(m, t^2 s^2)) = D (log t + (1/t^2 - 1)/2)."""
    loc = torch.tensor([[[0.3, -2.0]]], dtype=torch.float64)
    q, present = DiagNormal(loc, loc.exp()), torch.ones(1, 1, dtype=torch.bool)
    z = q.rsample(
        torch.randn((60_000, 1, 1, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )
    rate = MixtureOfExperts(kind).rate(Separate()(q, present), z, present, {"alpha": 0.0, "temperature": t})
    tolerance = 0.03 if kind == "mixture" else 1e-12
    assert rate.item() == pytest.approx(2 * (log(t) + (t**-2 - 1) / 2), abs=tolerance)


def test_with_pairwise_and_even_weights_a_temperature_divides_beta_by_its_square():
    p, z, present = posterior(2)
    prior, rows = MixtureOfExperts("pairwise"), present.any(0)
    broad, plain = (
        torch.where(present, prior.rate(p, z, present, {"alpha": 0.0, **hyper}), 0.0).sum(0)
        for hyper in ({"temperature": 3.0}, {})
    )
    constant = present.sum(0) * 2 * (log(3) + (1 / 9 - 1) / 2)
    torch.testing.assert_close(broad[rows], (plain / 9 + constant)[rows])


def test_a_broad_mixture_pulls_where_the_plain_one_has_let_go():
    """Far apart the mixture's rate is flat at log M; with a temperature it still falls towards the others."""
    q = DiagNormal(
        torch.tensor([0.0, 30.0], dtype=torch.float64).reshape(2, 1, 1), torch.ones(2, 1, 1).double()
    )
    present = torch.ones(2, 1, dtype=torch.bool)
    pulls = []
    for hyper in ({"alpha": 0.0}, {"alpha": 0.0, "temperature": 10.0}):
        loc = q.loc.clone().requires_grad_()
        p = Separate()(DiagNormal(loc, q.scale), present)
        z = p.experts.rsample(torch.zeros(1, 2, 1, 1, dtype=torch.float64))
        rate = MixtureOfExperts("mixture").rate(p, z, present, hyper)
        pulls.append(torch.autograd.grad(rate.sum(), loc)[0].flatten().tolist())
    assert max(map(abs, pulls[0])) < 1e-12
    assert pulls[1][0] < -0.001
    assert pulls[1][1] > 0.001


# --- estimators of the mixture rate's gradient


def gradient_draws(gradient, loc, scale, present, draws, make=Separate, hyper=None):
    """Rates (N, M, B) and gradients (N, 2, M, B) of their sum over modalities, a draw each; D = 1."""
    noise = torch.randn((draws, *loc.shape), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    # Every draw is a row of its own, with its own copy of the parameters.
    m, rows, _ = loc.shape
    each = [t.repeat(1, draws, 1).requires_grad_() for t in (loc, scale)]
    p = make()(DiagNormal(*each), present.repeat(1, draws))
    z = p.experts.rsample(noise.transpose(0, 1).reshape(1, m, draws * rows, 1))
    prior = MixtureOfExperts("mixture", gradient)
    rate = prior.rate(p, z, present.repeat(1, draws), {"alpha": 0.0, **(hyper or {})})
    total = torch.where(present.repeat(1, draws), rate, 0.0).sum()
    grads = torch.stack(torch.autograd.grad(total, each)).reshape(2, m, draws, rows).permute(2, 0, 1, 3)
    return rate.detach().reshape(m, draws, rows).transpose(0, 1), grads


def exact_gradient(loc, scale, present, weight=None, t=1.0):
    """The gradient of sum_m KL(q_m || h) by integration on a grid; D = 1."""
    loc, scale = loc.clone().requires_grad_(), scale.clone().requires_grad_()
    z = torch.linspace(-20, 20, 20_001, dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for b in range(loc.shape[1]):
        held = [m for m in range(loc.shape[0]) if present[m, b]]
        normal = {m: torch.distributions.Normal(loc[m, b, 0], scale[m, b, 0]) for m in held}
        broad = {m: torch.distributions.Normal(loc[m, b, 0], t * scale[m, b, 0]) for m in held}
        w = {m: 1 / len(held) if weight is None else weight[m, b].item() for m in held}
        h = sum(w[m] * broad[m].log_prob(z).exp() for m in held)
        for q in normal.values():
            total = total + torch.trapezoid(q.log_prob(z).exp() * (q.log_prob(z) - h.log()), z)
    return torch.stack(torch.autograd.grad(total, (loc, scale))).squeeze(-1)


@cache
def three():
    """Three posteriors in two rows, the second without the last."""
    loc = torch.tensor([[0.0, 0.5], [0.7, -0.4], [-0.5, 0.0]], dtype=torch.float64).unsqueeze(-1)
    scale = torch.tensor([[1.0, 0.8], [0.6, 1.2], [0.9, 1.0]], dtype=torch.float64).unsqueeze(-1)
    return loc, scale, torch.tensor([[True, True], [True, True], [True, False]])


def off(grads, exact):
    """How many standard errors the mean gradient is off the exact one, at most."""
    error = grads.std(0) / len(grads) ** 0.5
    return ((grads.mean(0) - exact).abs() / (error + 1e-6)).max().item()


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_every_gradient_has_the_same_value_and_the_exact_expectation(gradient):
    rate, grads = gradient_draws(gradient, *three(), 40_000)
    plain, _ = gradient_draws("reparameterised", *three(), 40_000)
    assert torch.equal(rate, plain)
    assert off(grads, exact_gradient(*three())) < 4.5


def test_with_weights_and_temperature_the_gradient_is_exact_and_path_would_not_be():
    loc, scale, present = three()
    weight = SeparateByPrecision()(DiagNormal(loc, scale), present).mixture.weight
    exact = exact_gradient(loc, scale, present, weight, 1.5)
    how = {"make": SeparateByPrecision, "hyper": {"temperature": 1.5}}
    far = {g: off(gradient_draws(g, loc, scale, present, 40_000, **how)[1], exact) for g in GRADIENTS}
    assert far["reparameterised"] < 4.5
    assert far["path"] > 20


@pytest.mark.parametrize(("apart", "share"), [(0.0, 1e-20), (0.1, 0.1), (0.3, 0.5)])
def test_path_has_less_variance_between_close_posteriors_and_none_between_equal_ones(apart, share):
    loc = apart * torch.arange(4, dtype=torch.float64).reshape(4, 1, 1)
    scale, present = torch.ones_like(loc), torch.ones(4, 1, dtype=torch.bool)
    spread = [gradient_draws(g, loc, scale, present, 20_000)[1].var(0).mean().item() for g in GRADIENTS]
    assert spread[1] <= share * spread[0]


def test_what_does_not_go_together_is_told():
    with pytest.raises(InputError, match=r"pairwise rate is a closed form.*rate='mixture'"):
        method("mmvm", {"gradient": "path"})
    for other in ({"mixture_weights": "precision"}, {"temperature": 2.0}, {"temperature": "exp:4:1:100"}):
        with pytest.raises(InputError, match=r"unbiased for even mixture_weights at temperature 1"):
            method("mmvm", {"rate": "mixture", "gradient": "path", **other})
    for wrong in (0, -1.0, "linear:1:0:10", "hot"):
        with pytest.raises(InputError, match=r"temperature|schedule"):
            method("mmvm", {"temperature": wrong})
    with pytest.raises(InputError, match="Did you mean 'precision'"):
        method("mmvm", {"mixture_weights": "precisions"})
    with pytest.raises(InputError, match="Did you mean 'path'"):
        method("mmvm", {"rate": "mixture", "gradient": "pathh"})


def test_what_is_off_by_default_is_not_there():
    """No temperature among the hyperparameters: a stack of plain models computes what it always did."""
    assert set(method("mmvm").at(0)) == {"beta", "alpha"}
    assert set(method("mmvm", {"temperature": "exp:4:1:100"}).at(0)) == {"beta", "alpha", "temperature"}
