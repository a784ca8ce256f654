"""Numbers that others published or that follow from their formulas by hand: the anchors."""

from collections import Counter
from math import log

import pytest
import torch

import toy
from counterpoint.aggregation import Average, MixtureOfProducts, Posterior, Product, Separate, stratified
from counterpoint.distributions import DiagNormal
from counterpoint.likelihoods import Categorical, Laplace
from counterpoint.methods import cmmd, mmvm
from counterpoint.mmd import squared_mmd
from counterpoint.objectives import Noise
from counterpoint.priors import RATES, MixtureOfExperts
from counterpoint.schedules import Schedule

# In one dimension: means, variances -> R (sum of the KLs to the mixture), pairwise sum, bound; R by expert.
RATE_ANCHORS = [
    ((0, 1), (1, 1), 0.222843, 0.5, 0.438140, (0.111421, 0.111421)),
    ((0, 1, -2), (1, 0.25, 4), 1.277486, 11.135417, 2.378957, (0.238135, 0.585952, 0.453399)),
    ((0, 20), (1, 1), 1.386294, 200.0, 1.386294, (0.693147, 0.693147)),
    ((3, 3), (2, 2), 0.0, 0.0, 0.0, (0.0, 0.0)),
]


def normals(means, variances, rows=1):
    loc = torch.tensor(means, dtype=torch.float64).reshape(-1, 1, 1).expand(-1, rows, 1)
    variance = torch.tensor(variances, dtype=torch.float64).reshape(-1, 1, 1).expand(-1, rows, 1)
    return DiagNormal(loc, variance.sqrt())


def all_present(modalities, rows=1):
    return torch.ones(modalities, rows, dtype=torch.bool)


def rate(kind, q, noise):
    """Rates (E, B) of separate experts, at draws from `noise`."""
    present = all_present(*q.loc.shape[:2])
    posterior: Posterior = Separate()(q, present)
    return MixtureOfExperts(kind).rate(posterior, q.rsample(noise), present, {"alpha": 0.0})


def quantiles(count):
    """Standard normal draws that are as even as can be, (K, 1, 1, 1): sums over them are integrals."""
    share = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.special.ndtri(share).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize(("means", "variances", "R", "pairwise", "bound", "each"), RATE_ANCHORS)
def test_rates_of_the_mixture_prior(means, variances, R, pairwise, bound, each):
    q, noise = normals(means, variances), quantiles(100_000)
    mixture = rate("mixture", q, noise)
    assert mixture.sum().item() == pytest.approx(R, abs=2e-5)
    assert mixture[:, 0].tolist() == pytest.approx(each, abs=2e-5)
    assert rate("pairwise", q, noise).sum().item() == pytest.approx(pairwise, abs=1e-6)
    assert rate("mixture_bound", q, noise).sum().item() == pytest.approx(bound, abs=1e-6)


@pytest.mark.parametrize("modalities", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_pairwise_is_above_bound_is_above_mixture_is_below_log_m(modalities, seed):
    """For random posteriors; the mixture by 4,000 draws, with 4 standard errors of leeway."""
    g = torch.Generator().manual_seed(seed)
    shape = (modalities, 5, 3)
    loc = 2 * torch.randn(shape, generator=g, dtype=torch.float64)
    q = DiagNormal(loc, torch.exp(0.7 * torch.randn(shape, generator=g, dtype=torch.float64)))
    noise = torch.randn((4000, *shape), generator=g, dtype=torch.float64)
    draws = torch.stack([rate("mixture", q, n[None]) for n in noise[:400]])
    pairwise, bound, mixture = (rate(kind, q, noise) for kind in ("pairwise", "mixture_bound", "mixture"))
    assert (draws <= log(modalities) + 1e-12).all()  # every single draw, not only their mean
    error = draws.std(0) / 4000**0.5
    assert (bound <= pairwise + 1e-12).all()
    assert (mixture <= bound + 4 * error + 1e-12).all()
    assert (mixture >= -4 * error - 1e-12).all()
    assert mixture.sum(0).max() <= modalities * log(modalities)


def test_alpha_mixes_in_the_standard_normal():
    """alpha = 1: sum_m KL(q_m || N(0, I)), whatever the rate."""
    q = normals((0, 1), (1, 0.25))
    alone = [0.0, (0.25 + 1 - 1 - log(0.25)) / 2]
    for kind in RATES:
        posterior = Separate()(q, all_present(2))
        r = MixtureOfExperts(kind).rate(posterior, q.rsample(quantiles(10)), all_present(2), {"alpha": 1.0})
        assert r[:, 0].tolist() == pytest.approx(alone)


@pytest.mark.parametrize(
    ("prior", "mean", "variance"), [("none", 0.8, 0.2), ("all", 2 / 3, 1 / 6), ("full", 2 / 3, 1 / 6)]
)
def test_product_of_experts(prior, mean, variance):
    q = normals((0, 1), (1, 0.25))
    r = Product(prior)(q, all_present(2)).experts
    assert (r.loc.item(), r.variance.item()) == pytest.approx((mean, variance))
    full = MixtureOfProducts(prior_expert=prior)(q, all_present(2)).experts[2]
    assert (full.loc.item(), full.variance.item()) == pytest.approx((mean, variance))


def test_average():
    r = Average()(normals((0, 1), (1, 0.25)), all_present(2)).experts
    assert (r.loc.item(), r.variance.item()) == pytest.approx((0.5, 0.625))
    s = Average("scale")(normals((0, 1), (1, 0.25)), all_present(2)).experts
    assert (s.loc.item(), s.scale.item()) == pytest.approx((0.5, 0.75))


SPLITS = [
    (128, 3, [42, 42, 44]),
    (256, 3, [85, 85, 86]),
    (128, 7, [18] * 6 + [20]),
    (256, 7, [36] * 6 + [40]),
    (128, 31, [4] * 30 + [8]),
    (256, 31, [8] * 30 + [16]),
]


@pytest.mark.parametrize(("rows", "experts", "sizes"), SPLITS)
def test_stratified_splits(rows, experts, sizes):
    chosen = stratified(rows, experts)
    assert chosen == sorted(chosen)
    assert [Counter(chosen)[e] for e in range(experts)] == sizes


def test_stratified_splits_reach_the_posterior():
    """128 rows with all three modalities, seven subsets: each row's expert is the one of its run."""
    rows = 128
    loc = torch.arange(3, dtype=torch.float64).reshape(3, 1, 1).expand(3, rows, 1)
    posterior = MixtureOfProducts()(DiagNormal(loc, torch.ones_like(loc)), all_present(3, rows))
    index = torch.tensor(stratified(rows, 7), dtype=torch.float64)
    picked = posterior.pick((index + 0.5) / 7)
    expected = posterior.experts.loc[index.long(), torch.arange(rows)]
    assert torch.equal(picked.experts.loc[0], expected)


def test_alpha_schedule_of_the_released_code():
    for alpha in (Schedule("exp", 1.0, 0.0, 150_000), mmvm(preset="official_annealed").hyper["alpha"]):
        for step, value in ((0, 1.0), (4515, 0.5), (10_000, 0.215), (30_000, 0.01), (150_000, 0.0)):
            assert alpha.at(step) == pytest.approx(value, abs=5e-4 if step == 10_000 else 5e-5)
    slower = Schedule("exp", 1.0, 0.0, 300_000)
    assert slower.at(2 * 4515) == pytest.approx(alpha.at(4515))


LAPLACE_FLOORS = [((3, 28, 28), 953.65), ((3, 64, 64), 4982.36), ((1, 224, 224), 20344.6)]


@pytest.mark.parametrize(("shape", "floor"), LAPLACE_FLOORS)
def test_laplace_floors(shape, floor):
    x = torch.zeros(1, *shape, dtype=torch.float64)
    for mask in (torch.tensor([True]), torch.ones_like(x, dtype=torch.bool)):
        assert -Laplace(shape).log_prob(x, x, mask).item() == pytest.approx(floor, abs=0.05)


def test_laplace_floor_of_three_polymnist_modalities():
    x = torch.zeros(1, 3, 28, 28, dtype=torch.float64)
    assert -3 * Laplace((3, 28, 28)).log_prob(x, x, torch.tensor([True])).item() == pytest.approx(
        2860.96, abs=0.005
    )


@pytest.mark.parametrize(("length", "classes", "floor"), [(256, 41, 950.7), (32, 1868, 241.05)])
def test_uniform_text(length, classes, floor):
    """256 ln 41 for CelebA's attributes, 32 ln 1868 for CUB's captions."""
    logits, codes = (
        torch.zeros(1, length, classes, dtype=torch.float64),
        torch.zeros(1, length, dtype=torch.long),
    )
    found = -Categorical((length,), classes).log_prob(logits, codes, torch.tensor([True])).item()
    assert found == pytest.approx(length * log(classes))
    assert found == pytest.approx(floor, abs=0.05)


# CMMD


def conditional(latent, q, p, **options):
    """A model of cmmd that says q(z|x_o, x_m) and p(z|x_o) of every row, (means, variances) each."""
    kinds = {"o": ("normal", (1,), False), "m": ("normal", (1,), False)}
    model = toy.model(cmmd(observed=["o"], **options), kinds, latent=latent)
    with torch.no_grad():
        for head, (loc, variance) in ((model.joint.head, q), (model.prior_head, p)):
            head.weight.zero_()
            head.bias[:latent], head.bias[latent:] = loc, log(variance)
    return model, kinds


@pytest.mark.parametrize(("kl", "nats"), [("correct", 0.346574), ("released", 0.596574)])
def test_the_rate_of_cmmd(kl, nats):
    """KL(N(0, 1) || N(1, 2)), and the released code's, whose trace term lacks its 1/2."""
    model, kinds = conditional(1, (0.0, 1.0), (1.0, 2.0), kl=kl, kl_weight=0.4, mmd_weight=0.0)
    batch = toy.batch(kinds, 4, missing=False)
    loss = model.loss(batch, toy.noise(model, 4), model.method.at(0))
    for row in range(4):
        assert loss.terms["rate"][row].item() == pytest.approx(nats, abs=5e-7)
        rest = model["m"].weight * loss.terms["distortion/m"][row]
        assert (loss.total[row] - rest).item() == pytest.approx(0.4 * nats, abs=5e-7)


def test_the_discrepancy_of_cmmd():
    """{(0, 0), (1, 0)} against {(0, 1), (2, 0)}, by itself and as what the objective draws of q and p."""
    a, b = (torch.tensor(v, dtype=toy.DTYPE) for v in ([[0, 0], [1, 0]], [[0, 1], [2, 0]]))
    assert squared_mmd(a, b, torch.full((2,), 0.5, dtype=toy.DTYPE)).item() == pytest.approx(
        0.266647, abs=5e-7
    )
    model, kinds = conditional(2, (0.0, 1.0), (0.0, 1.0), kl_weight=0.3, mmd_scale=7.0)
    batch = toy.batch(kinds, 2, missing=False)
    noise = Noise(torch.stack([a, b])[None], toy.noise(model, 2).uniform)
    loss = model.loss(batch, noise, model.method.at(0))
    assert loss.terms["mmd"].mean().item() == pytest.approx(0.266647, abs=5e-7)
    rest = model["m"].weight * loss.terms["distortion/m"]
    assert (loss.total - rest).mean().item() == pytest.approx(0.7 * 7 * 0.266647, abs=5e-6)
