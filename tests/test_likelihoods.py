"""Every likelihood against scipy, with masks and draws in front; samples; gradients at the extremes."""

import math

import pytest
import torch
from scipy import stats

import toy
from counterpoint.errors import InputError
from counterpoint.likelihoods import (
    LIKELIHOODS,
    Bernoulli,
    Categorical,
    Laplace,
    NegativeBinomial,
    Normal,
    Poisson,
    likelihood,
)

SHAPE, ROWS, CLASSES = (2, 3), 5, 3
every = pytest.mark.parametrize("name", LIKELIHOODS)


def make(name, shape=SHAPE):
    return toy.randomise(likelihood(name, shape, classes=CLASSES, typical=20.0).double(), seed=4)


def data(name, rows=ROWS, shape=SHAPE, seed=0):
    return toy.values(name.removesuffix("_learned"), shape, rows, torch.Generator().manual_seed(seed))


def output(p, rows=ROWS, axes=(), seed=1):
    return torch.randn(
        (*axes, rows, *p.output_shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def observed(kind, rows=ROWS, shape=SHAPE):
    g = torch.Generator().manual_seed(2)
    return {
        "all": torch.ones(rows, dtype=torch.bool),
        "rows": torch.arange(rows) % 2 == 0,
        "values": torch.rand((rows, *shape), generator=g) < 0.6,
    }[kind]


def scipys(p, out, x, mask):
    """log p of every single value, by scipy."""
    x, o = x.detach().numpy(), out.detach().numpy()
    if isinstance(p, Normal):
        return stats.norm(o, as_numpy(p._scale())).logpdf(x)
    if isinstance(p, Laplace):
        return stats.laplace(o, as_numpy(p._scale())).logpdf(x)
    if isinstance(p, Bernoulli):
        return stats.bernoulli(1 / (1 + torch.exp(-out)).numpy()).logpmf(x)
    if isinstance(p, Poisson):
        return stats.poisson(torch.exp(out).numpy()).logpmf(x)
    if isinstance(p, Categorical):
        log_p = torch.log_softmax(out, -1).expand(*out.shape)
        return log_p.gather(-1, torch.as_tensor(x).expand(out.shape[:-1]).unsqueeze(-1)).squeeze(-1).numpy()
    seen = toy.expand(mask, torch.as_tensor(x)).numpy()
    size = (x * seen).reshape(len(x), -1).sum(1) * math.prod(SHAPE) / seen.reshape(len(x), -1).sum(1).clip(1)
    share = torch.softmax(out.flatten(-2), -1).reshape(out.shape).numpy()
    mu = share * size.clip(1).reshape(-1, 1, 1) + 1e-8
    theta = as_numpy(p._theta())
    return stats.nbinom(theta, theta / (theta + mu)).logpmf(x)


def as_numpy(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


@every
@pytest.mark.parametrize("kind", ["all", "rows", "values"])
@pytest.mark.parametrize("axes", [(), (4,), (2, 3)])
def test_log_prob_is_scipys(name, kind, axes):
    p, x, mask = make(name), data(name), observed(kind)
    x = x * toy.expand(mask, x)
    out = output(p, axes=axes)
    each = torch.as_tensor(scipys(p, out, x, mask)) * toy.expand(mask, x)
    found = p.log_prob(out, x, mask)
    assert found.shape == (*axes, ROWS)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, each.flatten(-2).sum(-1), rtol=1e-10, atol=1e-10)


@every
def test_nothing_observed_is_log_probability_zero(name):
    p, x = make(name), data(name)
    for mask in (torch.zeros(ROWS, dtype=torch.bool), torch.zeros(ROWS, *SHAPE, dtype=torch.bool)):
        assert (p.log_prob(output(p), x, mask) == 0).all()


@every
def test_what_is_not_observed_is_not_read(name):
    p, x, mask = make(name), data(name), observed("values")
    other = torch.where(mask, x, data(name, seed=9) if name == "categorical" else x.abs() * 1e5 + 7)
    assert torch.equal(p.log_prob(output(p), x, mask), p.log_prob(output(p), other, mask))
    assert torch.equal(p.encode(x, mask), p.encode(other, mask))
    one, two = p.exposure(x, mask), p.exposure(other, mask)
    assert (one is None and two is None) or torch.equal(one, two)


@every
@pytest.mark.parametrize("kind", ["all", "rows", "values"])
def test_the_encoder_reads_zero_where_nothing_was_observed(name, kind):
    p, x, mask = make(name), data(name), observed(kind)
    x = x * toy.expand(mask, x)
    read = p.encode(x, mask)
    assert read.shape == (ROWS, *p.input_shape)
    assert read.dtype == torch.float64
    there = toy.expand(mask, x)
    if name == "categorical":
        assert torch.equal(read.sum(-1), there.double())
        assert torch.equal(read.argmax(-1)[there], x[there])
    else:
        assert (read[~there] == 0).all()


@every
def test_mean_and_variance_are_those_of_many_samples(name):
    p = make(name)
    draws, out = 40_000, output(p, rows=1)
    size = None if name != "negative_binomial" else torch.tensor([30.0], dtype=torch.float64)
    sample = p.sample(out.expand(draws, *out.shape), torch.Generator().manual_seed(3), size)
    again = p.sample(out.expand(draws, *out.shape), torch.Generator().manual_seed(3), size)
    assert torch.equal(sample, again)
    if name == "categorical":
        sample = (sample.unsqueeze(-1) == torch.arange(CLASSES)).double()
    mean, variance = p.mean(out, size), p.variance(out, size)
    assert mean.shape == variance.shape == (1, *p.output_shape)
    error = (variance / draws).sqrt()
    assert ((sample.mean(0) - mean).abs() <= 5 * error).all()
    spread = ((sample - mean) ** 2).mean(0)
    fourth = ((sample - mean) ** 4).mean(0)
    assert ((spread - variance).abs() <= 5 * (fourth / draws).sqrt() + 1e-12).all()


@every
def test_sampling_leaves_the_global_generator_alone(name):
    p, before = make(name), torch.get_rng_state()
    p.sample(output(p), torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-6, 40.0, 1e4])
def test_gradients_are_finite_at_the_extremes(name, dtype, size):
    p = make(name).to(dtype)
    with torch.no_grad():
        for q in p.parameters():
            q.copy_(torch.where(q > 0, size, -size))  # learned scales far out as well
    out = (size * output(p, axes=(2,)).sign()).to(dtype).requires_grad_()
    x = data(name)
    x = x if name == "categorical" else x.to(dtype)
    if name in ("poisson", "negative_binomial"):
        x = x * 1000
    for kind in ("all", "values"):
        total = p.log_prob(out, x, observed(kind))
        assert total.isfinite().all()
        grads = torch.autograd.grad(total.sum(), [out, *p.parameters()])
        assert all(g.isfinite().all() for g in grads)
    assert p.mean(out).isfinite().all()
    assert p.variance(out).isfinite().all()


@pytest.mark.parametrize("name", ["normal", "laplace", "bernoulli", "poisson", "negative_binomial"])
def test_the_best_output_is_at_the_data(name):
    """log p is largest at the output whose mean is the data."""
    p = make(name, (1,))
    x = torch.tensor([[1.0 if name == "bernoulli" else 3.0]], dtype=torch.float64)
    best = {"bernoulli": 20.0, "poisson": math.log(3.0)}.get(name, 3.0)
    mask = torch.tensor([True])
    at, *others = (
        p.log_prob(torch.tensor([[o]], dtype=torch.float64), x, mask) for o in (best, best - 0.5, best - 2.0)
    )
    assert all(at >= o for o in others)


def test_soft_labels_are_taken_by_bernoulli():
    p, mask = Bernoulli((1,)), torch.tensor([True])
    soft = p.log_prob(torch.tensor([[0.7]]), torch.tensor([[0.25]]), mask)
    hard = [p.log_prob(torch.tensor([[0.7]]), torch.tensor([[v]]), mask) for v in (0.0, 1.0)]
    assert soft.item() == pytest.approx((0.75 * hard[0] + 0.25 * hard[1]).item())


def test_a_learned_scale_is_bounded():
    for p in (Normal((1,), "learned"), Laplace((1,), "learned")):
        with torch.no_grad():
            p.log_scale.fill_(-50.0)
        x = torch.zeros(1, 1)
        assert p.log_prob(x, x, torch.tensor([True])).item() < 4.0


def test_exposure_fills_in_the_unobserved_share():
    p = NegativeBinomial((4,), typical=9.0)
    x = torch.tensor([[4.0, 2.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    assert p.exposure(x, mask).tolist() == [12.0, 4.0, 1.0]
    assert p.exposure(x, torch.tensor([True, True, True])).tolist() == [6.0, 4.0, 1.0]
    assert p.mean(torch.zeros(1, 4)).sum().item() == pytest.approx(9.0)


def test_laplace_samples_are_finite_at_the_edge(monkeypatch):
    p = Laplace((1,))
    edge = torch.full((1, 1), -0.5)
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *_, **__: self.copy_(edge))
    assert p.sample(torch.zeros(1, 1), torch.Generator()).isfinite().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Normal((2,), 0.0), "scale is 0"),
        (lambda: Laplace((2,), -1.0), "scale is -1"),
        (lambda: Normal((2,), "learnt"), "scale is 'learnt'"),
        (lambda: Categorical((2,), 1), "at least 2"),
        (lambda: NegativeBinomial((2,), 0.0), "typical exposure"),
        (lambda: Normal((0,)), "event dimension"),
        (lambda: Normal(()), r"shape is \(\)"),
        (lambda: likelihood("categorical", (2,)), "classes"),
        (lambda: likelihood("gaussian", (2,)), "allowed are normal"),
        (lambda: likelihood("bernouli", (2,)), "Did you mean 'bernoulli'"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
