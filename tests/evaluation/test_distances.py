"""Distances of generated rows to real ones: zero, growth, a naive restatement, local randomness."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from counterpoint.errors import InputError
from counterpoint.evaluation.distances import frechet, kernel


def features(seed, rows=200, width=5, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, width)) @ np.random.default_rng(9).normal(size=(width, width)) + shift


def test_a_set_is_at_no_distance_from_itself():
    x = features(0)
    assert abs(frechet(x, x)) < 1e-6 * np.trace(np.cov(x.T))


def test_noise_takes_it_away():
    x, noise = features(0), np.random.default_rng(1).normal(size=(200, 5))
    found = [frechet(x, x + s * noise) for s in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert found == sorted(found)
    assert found[-1] > 10 * found[1] > 0
    other = features(2)  # of a set and itself the unbiased estimate is below zero
    far = [kernel(x, other + s * noise, subsets=10)[0] for s in (0.0, 2.0, 6.0)]
    assert far == sorted(far)


def test_frechet_is_what_its_formula_says():
    a, b = features(0), features(1, rows=150, shift=0.7)
    s, t = np.cov(a.T), np.cov(b.T)
    naive = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet(a, b) == pytest.approx(naive, rel=1e-8)
    assert frechet(b, a) == pytest.approx(naive, rel=1e-8)


def test_the_kernel_distance_is_unbiased_and_sees_a_shift():
    a, b = features(0, 1000), features(1, 1000)
    mean, sd = kernel(a, b)
    assert abs(mean) < 5 * sd
    far, _ = kernel(a, b + 3.0)
    assert far > 10 * sd


def test_the_kernel_distance_is_what_its_formula_says():
    """With one subset of all rows but one, against the unbiased estimator written out for every choice."""
    a, b = features(0, 6), features(1, 6)

    def k(u, v):
        return (u @ v.T / 5 + 1) ** 3

    def mmd(x, y):
        n = len(x)
        xx, yy = k(x, x), k(y, y)
        off = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
        return off - 2 * k(x, y).mean()

    every = [mmd(np.delete(a, i, 0), np.delete(b, j, 0)) for i in range(6) for j in range(6)]
    mean, _ = kernel(a, b, subsets=400, size=5)
    assert min(every) <= mean <= max(every)
    assert mean == pytest.approx(np.mean(every), abs=4 * np.std(every) / 20)


def test_only_its_own_seed_matters():
    a, b = features(0), features(1)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = kernel(a, b, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(4)
    assert kernel(a, b, seed=1) == first != kernel(a, b, seed=2)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda x: frechet(x, x[:, :3]), "real is .* and made"),
        (lambda x: frechet(x, x[:1]), "two rows at least"),
        (lambda x: frechet(x, np.where(x > 1, np.nan, x)), "made has .* NaN"),
        (lambda x: kernel(x, x, size=200), "size is 200 and the smaller set has 200 rows"),
        (lambda x: kernel(x, x[:2]), "needs at least 3"),
        (lambda x: kernel(x, x, subsets=0), "subsets"),
    ],
)
def test_bad_sets_are_refused(ask, message):
    with pytest.raises(InputError, match=message):
        ask(features(0))
