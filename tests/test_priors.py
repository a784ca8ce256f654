"""The rates of the priors: order, bounds, gradients, and what an absent modality changes."""

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.aggregation import Average, Separate
from counterpoint.distributions import DiagLaplace, DiagNormal, Point, kl_standard
from counterpoint.errors import InputError
from counterpoint.priors import RATES, MixtureOfExperts, NoPrior, StandardNormal

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
    h = MixtureOfExperts()(p.experts, present)
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


def test_an_unknown_rate_is_told():
    with pytest.raises(InputError, match="Did you mean 'mixture_bound'"):
        MixtureOfExperts("mixture_bounds")
