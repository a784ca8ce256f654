"""The joint posteriors of single papers: consensus, Hellinger pool, barycentres, geometric mean.

Densities are checked by quadrature in one dimension, the algebra by hypothesis.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.aggregation import Average, MixtureOfProducts, Product
from counterpoint.assembly import assemble
from counterpoint.data import Preparation, read
from counterpoint.distributions import DiagLaplace, DiagNormal, kl
from counterpoint.errors import InputError
from counterpoint.methods import barycentre, code, hellinger, mmjsd, mvtcae
from counterpoint.methods.barycentre import MixtureOfBarycentres
from counterpoint.methods.code import Consensus
from counterpoint.methods.hellinger import Hellinger
from counterpoint.methods.mmjsd import GeometricMean, with_prior
from test_aggregation import POOLED, presence

seeds = st.integers(0, 10**6)
few = settings(max_examples=40, deadline=None)
FULL = [
    *(a for a in POOLED if isinstance(a, Hellinger) or (isinstance(a, Consensus) and a.subsets == "full")),
    Average("scale"),
]
full = pytest.mark.parametrize("aggregation", FULL, ids=str)
every = pytest.mark.parametrize("aggregation", [*POOLED, Average("scale")], ids=str)


def normals(modalities, rows, seed, dims=2):
    g = torch.Generator().manual_seed(seed)
    shape = (modalities, rows, dims)
    loc = torch.randn(shape, generator=g, dtype=torch.float64)
    return DiagNormal(loc, torch.exp(0.7 * torch.randn(shape, generator=g, dtype=torch.float64)))


def all_of(q):
    return torch.ones(q.loc.shape[:2], dtype=torch.bool)


def same(p, q, tolerance=1e-10):
    torch.testing.assert_close(p.loc, q.loc, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(p.scale, q.scale, rtol=tolerance, atol=tolerance)


def integrate(density, z):
    return torch.trapezoid(density, z)


# --- what holds for all, beside the laws of tests/test_aggregation.py


@full
@few
@given(seed=seeds)
def test_the_order_of_the_experts_does_not_matter(aggregation, seed):
    q, present = normals(4, 5, seed), presence(4, 5, seed)
    order = [2, 0, 3, 1]
    same(aggregation(q, present).experts, aggregation(q[order], present[order]).experts)


@every
@few
@given(seed=seeds)
def test_one_expert_gives_itself(aggregation, seed):
    q = normals(1, 4, seed)
    same(aggregation(q, all_of(q)).experts, q)
    among = normals(3, 4, seed)  # and of three, of which two are absent
    present = torch.tensor([False, True, False]).unsqueeze(-1).expand(3, 4)
    posterior = aggregation(among, present)
    held = posterior.weight[:, 0] > 0
    same(posterior.experts[held], among[1:2])


@full
@few
@given(seed=seeds, count=st.integers(2, 5))
def test_equal_experts_give_themselves(aggregation, seed, count):
    """All but a consensus: there they agree on the mean, and rho says how much they know together."""
    q = normals(1, 4, seed)
    copies = DiagNormal(q.loc.expand(count, -1, -1), q.scale.expand(count, -1, -1))
    r = aggregation(copies, all_of(copies)).experts
    if isinstance(aggregation, Consensus):
        together = (1 + (count - 1) * aggregation.rho) / count
        same(r, DiagNormal(q.loc, q.scale * together**0.5))
    else:
        same(r, q)


@full
@few
@given(seed=seeds, shift=st.floats(-50, 50), stretch=st.floats(0.1, 10))
def test_the_pool_moves_and_stretches_with_its_experts(aggregation, seed, shift, stretch):
    q = normals(3, 4, seed)
    moved = DiagNormal(stretch * q.loc + shift, stretch * q.scale)
    r, s = (aggregation(p, all_of(q)).experts for p in (q, moved))
    same(DiagNormal(stretch * r.loc + shift, stretch * r.scale), s, 1e-8)


@every
def test_gradients_are_finite_where_an_expert_is_absent_or_far_away(aggregation):
    g = torch.Generator().manual_seed(0)
    loc = 100 * torch.randn((3, 5, 2), generator=g)
    log_scale = 5 * torch.randn((3, 5, 2), generator=g)
    leaves = [loc.requires_grad_(), log_scale.requires_grad_()]
    experts = aggregation(DiagNormal(loc, torch.exp(log_scale)), presence(3, 5, 0)).experts
    total = torch.log(experts.scale).sum() + experts.loc.sum()
    assert total.isfinite()
    assert all(d.isfinite().all() for d in torch.autograd.grad(total, leaves))


# --- consensus of dependent experts


@few
@given(seed=seeds)
def test_independent_experts_are_a_product_of_experts(seed):
    q, present = normals(3, 5, seed), presence(3, 5, seed)
    for one, other in (
        (Consensus(0.0, "full"), Product()),
        (Consensus(0.0), MixtureOfProducts()),
    ):
        a, b = one(q, present), other(q, present)
        same(a.experts, b.experts)
        assert torch.equal(a.weight, b.weight)


@few
@given(seed=seeds, rho=st.floats(0, 0.99), count=st.integers(1, 5))
def test_a_consensus_is_least_squares_with_the_errors_covariance(seed, rho, count):
    q = normals(count, 1, seed, dims=1)
    s, mu = q.scale.flatten(), q.loc.flatten()
    correlation = rho + (1 - rho) * torch.eye(count, dtype=torch.float64)
    inverse = torch.linalg.inv(correlation * s[:, None] * s)
    r = Consensus(rho, "full")(q, all_of(q)).experts
    torch.testing.assert_close(1 / r.variance.flatten(), inverse.sum()[None], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(
        r.loc.flatten(), (inverse @ mu).sum()[None] / inverse.sum(), rtol=1e-8, atol=1e-8
    )


@few
@given(seed=seeds)
def test_a_consensus_knows_no_less_than_its_best_expert(seed):
    q = normals(3, 4, seed)
    for rho in (0.0, 0.4, 0.9, 0.99):
        r = Consensus(rho, "full")(q, all_of(q)).experts
        assert (r.scale <= q.scale.amin(0) * (1 + 1e-9)).all()


def test_a_far_less_certain_expert_pushes_a_consensus_away():
    """With rho above s_2/s_1 the weight of expert 1 is negative: 4 and 8, variances 3 and 1."""
    q = DiagNormal(
        torch.tensor([[[4.0]], [[8.0]]], dtype=torch.float64),
        torch.tensor([[[3.0**0.5]], [[1.0]]], dtype=torch.float64),
    )
    where = [Consensus(rho, "full")(q, all_of(q)).experts.loc.item() for rho in (0.0, 3**-0.5, 0.9)]
    assert where[0] == pytest.approx(7.0)
    assert where[1] == pytest.approx(8.0)
    assert where[2] > 8.5


@pytest.mark.parametrize("rho", [-0.1, 1.0, 1.5, float("nan"), "0.5", None, True])
def test_a_correlation_that_cannot_be_is_told(rho):
    with pytest.raises(InputError, match="rho is"):
        code(rho=rho)


# --- Hellinger pool


@few
@given(seed=seeds, count=st.integers(1, 4))
def test_the_hellinger_pool_has_the_moments_of_the_power_mean(seed, count):
    q = normals(count, 1, seed, dims=1)
    r = Hellinger()(q, all_of(q)).experts
    reach = float((q.loc.abs() + 12 * q.scale).max())
    z = torch.linspace(-reach, reach, 20_001, dtype=torch.float64)
    density = torch.exp(q.log_prob(z[:, None, None, None]) / 2)[..., 0].mean(1).square()
    density = density / integrate(density, z)
    mean = integrate(density * z, z)
    torch.testing.assert_close(r.loc.flatten(), mean[None], rtol=1e-7, atol=1e-7)
    variance = integrate(density * (z - mean).square(), z)
    torch.testing.assert_close(r.variance.flatten(), variance[None], rtol=1e-7, atol=1e-7)


def test_the_joint_hellinger_pool_has_the_moments_of_the_density_over_two_dimensions():
    q = normals(3, 1, 4, dims=2)
    q = DiagNormal(q.loc, q.scale.clamp(0.5, 1.5))  # which the grid resolves and holds
    r = Hellinger("joint")(q, all_of(q)).experts
    z = torch.linspace(-15, 15, 601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(z, z, indexing="ij"), -1)  # (Z, Z, 2)
    density = torch.exp(q.log_prob(grid[:, :, None, None]) / 2)[..., 0].mean(-1).square()
    density = density / density.sum()
    mean = (density[..., None] * grid).sum((0, 1))
    torch.testing.assert_close(r.loc.flatten(), mean, rtol=1e-7, atol=1e-7)
    variance = (density[..., None] * (grid - mean).square()).sum((0, 1))
    torch.testing.assert_close(r.variance.flatten(), variance, rtol=1e-7, atol=1e-7)
    assert (r.loc - Hellinger("dimension")(q, all_of(q)).experts.loc).abs().max() > 1e-3


def test_far_apart_the_hellinger_pool_is_the_matched_mixture():
    q = DiagNormal(torch.tensor([[[-50.0]], [[50.0]]]), torch.tensor([[[1.0]], [[2.0]]]))
    r = Hellinger()(q, all_of(q)).experts
    assert r.loc.item() == pytest.approx(0.0, abs=1e-5)
    assert r.variance.item() == pytest.approx(2500 + 2.5)


# --- barycentres


@few
@given(seed=seeds)
def test_a_barycentre_minimises_the_squared_distances(seed):
    """W_2^2 in one dimension: the mean squared difference of the quantiles."""
    q = normals(3, 1, seed, dims=1)
    r = Average("scale")(q, all_of(q)).experts
    level = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000

    def cost(p):
        quantile = p.loc + p.scale * torch.special.ndtri(level)
        others = q.loc + q.scale * torch.special.ndtri(level)
        return (others - quantile).square().mean(-1).sum()

    least = cost(r)
    for dl, ds in ((0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05)):
        assert cost(DiagNormal(r.loc + dl, r.scale * (1 + ds))) > least


@few
@given(seed=seeds)
def test_the_barycentre_of_the_full_set_is_an_average_of_scales(seed):
    q = normals(3, 4, seed)
    r = MixtureOfBarycentres()(q, all_of(q)).experts
    same(r[-1:], Average("scale")(q, all_of(q)).experts)
    same(r[:3], q)
    same(r[3:4], Average("scale")(q[:2], all_of(q[:2])).experts)


# --- the geometric mean as a prior


@few
@given(seed=seeds)
def test_the_geometric_mean_is_the_normalised_one_of_the_densities(seed):
    q = normals(3, 1, seed, dims=1)
    f = GeometricMean()(q, all_of(q))
    z = torch.linspace(-40, 40, 40_001, dtype=torch.float64)
    logs = torch.cat([q.log_prob(z[:, None, None, None])[..., 0], -(z**2)[:, None] / 2], 1)
    density = torch.exp(logs.mean(1))
    density = density / integrate(density, z)
    torch.testing.assert_close(torch.exp(f.log_prob(z[:, None, None, None]))[:, 0, 0], density)


@few
@given(seed=seeds)
def test_the_geometric_mean_is_the_nearest_to_all(seed):
    """It minimises sum_k KL(f || q_k), q_0 = N(0, I) among them."""
    q, present = normals(3, 4, seed), presence(3, 4, seed)
    f = GeometricMean()(q, present)
    standard = DiagNormal(torch.zeros_like(f.loc), torch.ones_like(f.scale))

    def cost(p):
        return (torch.where(present, kl(p, q), 0.0).sum(0) + kl(p, standard)[0]).sum()

    least = cost(f)
    for dl, ds in ((0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05)):
        assert cost(DiagNormal(f.loc + dl, f.scale * (1 + ds))) > least


def test_a_prior_that_is_drawn_weighs_as_much_as_a_modality():
    q = normals(3, 3, 0)
    present = torch.tensor([[True, True, False], [True, False, False], [True, True, False]])
    wide = with_prior(MixtureOfProducts("singletons")(q, present), present)
    torch.testing.assert_close(wide.weight.sum(0), torch.ones(3, dtype=torch.float64))
    assert wide.weight[-1].tolist() == pytest.approx([1 / 4, 1 / 3, 1.0])
    assert torch.equal(wide.targets[-1], present)
    assert (wide.experts.loc[-1] == 0).all()
    assert (wide.experts.scale[-1] == 1).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: code(subsets="ful"), "subsets is 'ful'.*Did you mean 'full'"),
        (lambda: barycentre(subsets="singletons"), "subsets is 'singletons'; allowed are full, all"),
        (lambda: hellinger(affinity="joined"), "affinity is 'joined'.*dimension, joint"),
        (lambda: mvtcae(alpha=1.2), "alpha is 1.2.*at most 1"),
        (lambda: mvtcae(alpha="linear:0:2:10"), "alpha is 2.*at most 1"),
        (lambda: mmjsd(prior_drawn="yes"), "prior_drawn is 'yes'; give true or false"),
        (lambda: mmjsd(draw="some"), "draw is 'some'"),
    ],
)
def test_a_wrong_option_is_told(make, said):
    with pytest.raises(InputError, match=said):
        make()


def prepared(modalities):
    rows = torch.arange(8.0).reshape(4, 2).numpy()
    return Preparation.fit(read({f"m{m}": rows for m in range(modalities)}))


@pytest.mark.parametrize("method", [code(), barycentre(subsets="all")], ids=lambda m: m.name)
def test_all_subsets_of_many_modalities_are_refused(method):
    with pytest.raises(InputError, match="13 modalities has 8191 experts; it takes at most 12"):
        assemble(prepared(13), method, latent_dim=2)


@pytest.mark.parametrize("method", [code(), hellinger(), barycentre(subsets="all")], ids=lambda m: m.name)
def test_posteriors_that_are_not_normal_are_refused(method):
    with pytest.raises(InputError, match=r"DiagLaplace posteriors under .*, which needs normal ones"):
        assemble(prepared(2), replace(method, posterior=DiagLaplace), latent_dim=2)
