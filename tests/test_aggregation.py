"""Experts, their weights and who explains what; picking one of them."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.aggregation import (
    Average,
    MixtureOfProducts,
    Posterior,
    Product,
    Separate,
    product,
    stratified,
)
from counterpoint.distributions import DiagNormal
from counterpoint.errors import InputError
from counterpoint.methods.barycentre import MixtureOfBarycentres
from counterpoint.methods.code import Consensus
from counterpoint.methods.hellinger import Hellinger

seeds = st.integers(0, 10**6)
few = settings(max_examples=40, deadline=None)
POOLED = [  # of single papers, see tests/test_pooling.py
    *(Consensus(rho, subsets) for subsets in ("full", "all") for rho in (0.0, 0.5, 0.95)),
    *(Hellinger(a) for a in ("dimension", "joint")),
    MixtureOfBarycentres(),
]
AGGREGATIONS = [
    Separate(),
    Average(),
    Average("scale"),
    *(Product(p) for p in ("none", "full", "all")),
    *(MixtureOfProducts(s, p) for s in ("all", "singletons") for p in ("none", "full", "all")),
    *POOLED,
]
every = pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=str)


def normals(modalities, rows, seed):
    g = torch.Generator().manual_seed(seed)
    shape = (modalities, rows, 2)
    loc = torch.randn(shape, generator=g, dtype=torch.float64)
    return DiagNormal(loc, torch.exp(torch.randn(shape, generator=g, dtype=torch.float64)))


def presence(modalities, rows, seed):
    g = torch.Generator().manual_seed(seed)
    present = torch.rand((modalities, rows), generator=g) < 0.6
    present[:, 0], present[:, -1] = True, False
    return present


def same(p, q, tolerance=1e-12):
    torch.testing.assert_close(p.loc, q.loc, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(p.scale, q.scale, rtol=tolerance, atol=tolerance)


def times(*parts):
    """The library's product of distributions (B, D)."""
    q = DiagNormal(torch.stack([p.loc for p in parts]), torch.stack([p.scale for p in parts]))
    members = torch.ones(1, *q.loc.shape[:2], dtype=torch.bool)
    return product(q, members, torch.zeros(1, 1, dtype=torch.float64))[0]


@few
@given(seed=seeds)
def test_a_product_commutes_and_associates(seed):
    a, b, c = (normals(1, 4, seed + i)[0] for i in range(3))
    same(times(a, b), times(b, a))
    same(times(times(a, b), c), times(a, times(b, c)))
    same(times(a, b, c), times(c, times(b, a)))
    same(times(a), a)


@few
@given(seed=seeds)
def test_a_product_is_the_normalised_product_of_the_densities(seed):
    a, b = (normals(1, 1, seed + i)[0] for i in range(2))
    z = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(-1, 1, 1).expand(-1, 1, 2)
    ratio = a.log_prob(z) + b.log_prob(z) - times(a, b).log_prob(z)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-9, atol=1e-9)


@every
@few
@given(seed=seeds, modalities=st.integers(1, 4))
def test_shapes_weights_and_targets(aggregation, seed, modalities):
    rows = 5
    q, present = normals(modalities, rows, seed), presence(modalities, rows, seed)
    posterior = aggregation(q.where(present), present)
    experts = aggregation.experts(modalities)
    assert posterior.experts.loc.shape == (experts, rows, 2)
    assert posterior.weight.shape == (experts, rows)
    assert posterior.targets.shape == (experts, modalities, rows)
    assert not (posterior.targets & ~present).any()  # nobody explains what was not observed
    torch.testing.assert_close(posterior.mixture.weight.sum(0), torch.ones(rows, dtype=torch.float64))
    explained = (posterior.targets & (posterior.weight > 0).unsqueeze(1)).any(0)
    assert torch.equal(explained, present)  # and everything that was is explained
    if aggregation.shared:
        torch.testing.assert_close(posterior.weight.sum(0), torch.ones(rows, dtype=torch.float64))
    for m in range(modalities):
        outside = posterior.targets[:, m].clone()
        outside[posterior.explains[m]] = False
        assert not outside.any()
    assert (posterior.experts.scale > 0).all()
    nothing = ~present.any(0)
    assert (posterior.experts.loc[:, nothing] == 0).all()
    assert (posterior.experts.scale[:, nothing] == 1).all()


@every
@few
@given(seed=seeds)
def test_what_was_not_observed_is_not_read(aggregation, seed):
    q, other, present = normals(3, 5, seed), normals(3, 5, seed + 1), presence(3, 5, seed)
    mixed = DiagNormal(
        torch.where(present.unsqueeze(-1), q.loc, other.loc),
        torch.where(present.unsqueeze(-1), q.scale, other.scale),
    )
    if isinstance(aggregation, Separate) or aggregation == MixtureOfProducts("singletons"):
        q, mixed = q.where(present), mixed.where(present)  # these hand the experts on as they come
    a, b = aggregation(q, present), aggregation(mixed, present)
    assert torch.equal(a.experts.loc, b.experts.loc)
    assert torch.equal(a.experts.scale, b.experts.scale)
    assert torch.equal(a.weight, b.weight)


def test_subsets_come_by_size_then_in_order():
    assert MixtureOfProducts().subsets_of(2) == ((0,), (1,), (0, 1))
    assert MixtureOfProducts("singletons").subsets_of(3) == ((0,), (1,), (2,))
    assert [MixtureOfProducts().experts(m) for m in (1, 2, 3, 5)] == [1, 3, 7, 31]


def test_mixture_of_products_is_what_it_says():
    q, present = normals(3, 2, 0), torch.tensor([[True, True], [True, False], [True, True]])
    posterior = MixtureOfProducts()(q.where(present), present)
    same(posterior.experts[4][:1], times(q[0][:1], q[2][:1]))
    assert posterior.weight[:, 0].tolist() == pytest.approx([1 / 7] * 7)
    assert posterior.weight[:, 1].tolist() == pytest.approx([1 / 3, 0, 1 / 3, 0, 1 / 3, 0, 0])


@few
@given(seed=seeds)
def test_pick_inverts_the_cumulative_weights(seed):
    g = torch.Generator().manual_seed(seed)
    experts, rows = 5, 4
    w = torch.rand((experts, rows), generator=g, dtype=torch.float64)
    w[seed % experts] = 0
    w = w / w.sum(0)
    loc = torch.arange(experts, dtype=torch.float64).reshape(-1, 1, 1).expand(-1, rows, 1)
    targets = torch.ones(experts, 2, rows, dtype=torch.bool)
    posterior = Posterior(DiagNormal(loc, loc + 1), w, targets, (slice(None),) * 2)
    uniform = torch.rand(rows, generator=g, dtype=torch.float64)
    picked = posterior.pick(uniform)
    for b in range(rows):
        reached, expected = 0.0, None
        for e in range(experts):
            reached += w[e, b].item()
            if expected is None and uniform[b].item() < reached:
                expected = e
        assert picked.experts.loc[0, b, 0] == expected
        assert picked.experts.scale[0, b, 0] == expected + 1
    assert picked.weight.shape == (1, rows)
    assert picked.targets.shape == (1, 2, rows)


def test_pick_follows_the_weights():
    rows = 20_000
    w = torch.tensor([0.1, 0.0, 0.6, 0.3]).unsqueeze(-1).expand(-1, rows)
    loc = torch.arange(4.0).reshape(-1, 1, 1).expand(-1, rows, 1)
    posterior = Posterior(
        DiagNormal(loc, loc + 1), w, torch.ones(4, 1, rows, dtype=torch.bool), (slice(None),)
    )
    picked = posterior.pick(torch.rand(rows, generator=torch.Generator().manual_seed(0)))
    share = Counter(picked.experts.loc.flatten().tolist())
    assert share[1.0] == 0
    for e, p in ((0.0, 0.1), (2.0, 0.6), (3.0, 0.3)):
        assert share[e] / rows == pytest.approx(p, abs=4 * (p * (1 - p) / rows) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("held", range(1, 32))
def test_pick_never_takes_an_expert_without_weight(dtype, held):
    """At the largest uniform below 1, however the cumulative weights are rounded."""
    w = torch.zeros(40, 1, dtype=dtype)
    w[:held] = 1 / torch.tensor(held, dtype=dtype)
    loc = torch.arange(40, dtype=dtype).reshape(-1, 1, 1)
    posterior = Posterior(DiagNormal(loc, loc + 1), w, torch.ones(40, 1, 1, dtype=torch.bool), (slice(None),))
    last = 1 - torch.finfo(dtype).eps / 2
    assert posterior.pick(torch.tensor([last], dtype=dtype)).experts.loc.item() == held - 1
    assert posterior.pick(torch.zeros(1, dtype=dtype)).experts.loc.item() == 0


def test_pick_keeps_what_the_expert_must_explain():
    q, present = normals(3, 4, 1), torch.ones(3, 4, dtype=torch.bool)
    posterior = Separate()(q, present)
    picked = Posterior(posterior.experts, posterior.weight / 3, posterior.targets, posterior.explains).pick(
        torch.tensor([0.0, 0.4, 0.5, 0.9], dtype=torch.float64)
    )
    assert picked.targets[0].int().argmax(0).tolist() == [0, 1, 1, 2]
    assert picked.targets.sum() == 4


@few
@given(rows=st.integers(1, 300), experts=st.integers(1, 40))
def test_stratified_uses_every_expert_it_can(rows, experts):
    chosen = stratified(rows, experts)
    assert len(chosen) == rows
    assert len(set(chosen)) == min(rows, experts)
    counts = Counter(chosen)
    if rows >= experts:
        assert {counts[e] for e in range(experts - 1)} <= {rows // experts}


def test_a_wrong_option_is_told():
    with pytest.raises(InputError, match="'variance'"):
        Average("varianc")
    with pytest.raises(InputError, match="'singletons'"):
        MixtureOfProducts("singleton")
    with pytest.raises(InputError, match="none, full, all"):
        Product("yes")
