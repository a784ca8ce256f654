"""The algebra of the latent distributions, in float64; what training sees of it in float32."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.distributions import Laplace, Normal, kl_divergence

from counterpoint.distributions import (
    DiagLaplace,
    DiagNormal,
    Mixture,
    Point,
    kl,
    kl_standard,
    pairwise_kl,
    standard,
)

FAMILIES = (DiagNormal, DiagLaplace)
family = pytest.mark.parametrize("family", FAMILIES)
seeds = st.integers(0, 10**6)
few = settings(max_examples=40, deadline=None)


def draw(family, shape, seed, spread=2.0, tight=1.0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    loc = spread * torch.randn(shape, generator=g, dtype=torch.float64)
    scale = torch.exp(tight * torch.randn(shape, generator=g, dtype=torch.float64))
    return family(loc.to(dtype), scale.to(dtype))


def theirs(q):
    return (Normal if isinstance(q, DiagNormal) else Laplace)(q.loc, q.scale)


def weights(experts, rows, seed):
    """Random weights with some experts absent, at least one present in each row."""
    g = torch.Generator().manual_seed(seed)
    there = torch.rand((experts, rows), generator=g) < 0.6
    there[seed % experts] = True
    w = torch.rand((experts, rows), generator=g, dtype=torch.float64) * there
    return w / w.sum(0), there


@family
@few
@given(seed=seeds)
def test_kl_is_the_textbook_one(family, seed):
    q, p = draw(family, (3, 2, 4), seed), draw(family, (2, 4), seed + 1)
    torch.testing.assert_close(kl(q, p), kl_divergence(theirs(q), theirs(p)).sum(-1), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(kl_standard(q), kl(q, standard(q)), rtol=1e-10, atol=1e-10)


@family
@few
@given(seed=seeds, step=st.floats(1e-3, 3), which=st.sampled_from(["loc", "scale"]))
def test_kl_is_zero_if_equal_and_positive_if_not(family, seed, step, which):
    q = draw(family, (1, 3), seed)
    assert kl(q, q).abs().max() < 1e-12
    moved = {"loc": q.loc.clone(), "scale": q.scale.clone()}
    moved[which][0, 1] *= 1 + step
    p = family(**moved)
    assert kl(q, p).item() > 0
    assert kl(p, q).item() > 0


def test_kl_of_unlike_families_is_refused():
    q = draw(DiagNormal, (1, 2), 0)
    with pytest.raises(TypeError, match="DiagNormal and DiagLaplace"):
        kl(q, DiagLaplace(q.loc, q.scale))
    with pytest.raises(TypeError, match="Point"):
        pairwise_kl(Point(q.loc[None]), torch.ones(1, 1))


def double_loop(q, w):
    rows = []
    for m in range(q.loc.shape[0]):
        rows.append(
            sum(w[n] * kl_divergence(theirs(q[m]), theirs(q[n])).sum(-1) for n in range(q.loc.shape[0]))
        )
    return torch.stack(rows)


@family
@few
@given(seed=seeds, experts=st.integers(1, 5))
def test_pairwise_kl_is_the_double_loop(family, seed, experts):
    q, (w, there) = draw(family, (experts, 3, 4), seed), weights(experts, 3, seed)
    q = q.where(there)
    torch.testing.assert_close(pairwise_kl(q, w), double_loop(q, w), rtol=1e-10, atol=1e-10)
    leaves = [q.loc.requires_grad_(), q.scale.requires_grad_()]
    found, wanted = (torch.autograd.grad(f(q, w).square().sum(), leaves) for f in (pairwise_kl, double_loop))
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@few
@given(seed=seeds, experts=st.integers(2, 5))
def test_pairwise_kl_in_single_precision(seed, experts):
    """Within 1e-4 of a row's largest, as its moments cancel; 2e-3 where the latents have drifted far off."""
    q, (w, _) = draw(DiagNormal, (experts, 3, 4), seed, tight=0.7), weights(experts, 3, seed)
    q = DiagNormal(q.loc.float(), q.scale.float())
    exact = pairwise_kl(DiagNormal(q.loc.double(), q.scale.double()), w.float().double())
    found = pairwise_kl(q, w.float())
    assert ((found - exact).abs() <= 1e-4 * (1 + exact.amax(0))).all()
    far = DiagNormal((q.loc.double() + 300).float(), q.scale)
    exact = pairwise_kl(DiagNormal(far.loc.double(), far.scale.double()), w.float().double())
    assert ((pairwise_kl(far, w.float()) - exact).abs() <= 2e-3 * (1 + exact.amax(0))).all()


@family
@few
@given(seed=seeds, draws=st.sampled_from([(), (2,), (3, 2)]))
def test_log_prob_of_one_and_of_a_mixture(family, seed, draws):
    q, (w, _) = draw(family, (4, 3, 2), seed), weights(4, 3, seed)
    z = draw(family, (*draws, 3, 2), seed + 1).loc
    torch.testing.assert_close(q[0].log_prob(z), theirs(q[0]).log_prob(z).sum(-1), rtol=1e-10, atol=1e-10)
    naive = sum(w[e] * theirs(q[e]).log_prob(z).sum(-1).exp() for e in range(4))
    found = Mixture(q, w).log_prob(z)
    assert found.shape == (*draws, 3)
    torch.testing.assert_close(found.exp(), naive, rtol=1e-9, atol=1e-300)


def test_a_mixture_has_finite_gradients_where_a_weight_is_zero():
    loc = torch.zeros(2, 1, 1, requires_grad=True)
    scale = torch.ones(2, 1, 1, requires_grad=True)
    w = torch.tensor([[1.0], [0.0]], requires_grad=True)
    h = Mixture(DiagNormal(loc, scale), w).log_prob(torch.full((1, 1), 3.0))
    grads = torch.autograd.grad(h.sum(), (loc, scale, w))
    assert all(g.isfinite().all() for g in grads)
    assert h.item() == pytest.approx(stats.norm.logpdf(3.0), rel=1e-6)
    assert grads[0][1].item() == 0


def test_far_from_every_component_the_log_density_is_still_finite():
    q = draw(DiagNormal, (3, 1, 2), 0)
    assert (
        Mixture(q, torch.full((3, 1), 1 / 3, dtype=torch.float64))
        .log_prob(torch.full((1, 2), 1e6))
        .isfinite()
        .all()
    )


@family
def test_draws_follow_the_distribution(family):
    """Noise at the quantiles of the normal: the draws are at the quantiles of the family."""
    share = (torch.arange(99, dtype=torch.float64) + 1) / 100
    q = family(torch.tensor([1.5], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64))
    found = q.rsample(torch.special.ndtri(share).unsqueeze(-1)).squeeze(-1)
    expected = {DiagNormal: stats.norm, DiagLaplace: stats.laplace}[family](1.5, 0.7)
    assert found.tolist() == pytest.approx(expected.ppf(share.numpy()))
    assert q.mean.item() == pytest.approx(expected.mean())
    assert q.variance.item() == pytest.approx(expected.var())


def test_laplace_draws_stay_finite_in_the_tail():
    q = DiagLaplace(torch.zeros(1), torch.ones(1, requires_grad=True))
    z = q.rsample(torch.tensor([9.0]))
    z.backward()
    assert 40 < z.item() < 50
    assert q.scale.grad.isfinite().all()


@pytest.mark.parametrize("family", [*FAMILIES, Point])
def test_heads_where_and_slices(family):
    out = torch.tensor([[1.0, 2.0, 0.5, 900.0], [3.0, 4.0, 0.0, -900.0]])[:, : 2 * family.heads]
    q = family.from_heads(out)
    assert q.loc.tolist() == [[1, 2], [3, 4]]
    assert all(getattr(q, f).isfinite().all() for f in q.__dataclass_fields__)
    kept = q.where(torch.tensor([True, False]))
    assert kept.loc.tolist() == [[1, 2], [0, 0]]
    if family is not Point:
        assert (q.scale > 0).all()
        assert kept.scale[1].tolist() == [1, 1]
        assert (kept.variance[1] == standard(q).variance[1]).all()
    assert q[1:].loc.tolist() == [[3, 4]]


def test_the_second_head_of_a_normal_is_the_log_variance():
    q = DiagNormal.from_heads(torch.tensor([[0.0, 2.0]], dtype=torch.float64))
    assert q.variance.item() == pytest.approx(7.38905609893065)


def test_log_variances_are_kept_within_bounds_and_a_nan_stays_one():
    out = torch.tensor([[0.0] * 4 + [-30.0, 19.0, 30.0, torch.nan]], dtype=torch.float64, requires_grad=True)
    scale = DiagNormal.from_heads(out).scale
    wanted = torch.tensor([[-10.0, 9.5, 10.0, torch.nan]], dtype=torch.float64).exp()
    torch.testing.assert_close(scale, wanted, equal_nan=True)
    (slope,) = torch.autograd.grad(scale[:, :3].sum(), [out])
    assert (slope[0, 4:7] != 0).tolist() == [False, True, False]


def test_a_point_has_no_spread():
    q = Point(torch.ones(2, 3))
    assert (
        q.rsample(torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))).tolist()
        == torch.ones(5, 2, 3).tolist()
    )
    assert q.variance.sum() == 0
    assert q.mean is q.loc
