"""Importance sampling against closed forms, and rows that must not meet (the reshape error of old code)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from counterpoint.errors import InputError
from counterpoint.evaluation.likelihood import importance_log_likelihood

F = torch.float64
X = torch.tensor([0.3, -1.2, 2.5, 0.0, -3.0], dtype=F)  # x | z ~ N(z, 1), z ~ N(0, 1): log p = log N(0, 2)
TRUTH = Normal(0.0, 2**0.5).log_prob(X)


def noise(draws, rows=5, seed=0):
    return torch.randn((draws, rows, 1), generator=torch.Generator().manual_seed(seed), dtype=F)


def estimate(x, normal, shift=0.0, spread=1.0, chunk=7):
    q = Normal(x / 2 + shift, spread * 0.5**0.5)

    def draw(first, count):
        z = q.loc[:, None] + q.scale[:, None] * normal[first : first + count]
        return z, q.log_prob(z[..., 0])

    def log_joint(z):
        return Normal(0.0, 1.0).log_prob(z[..., 0]) + Normal(z[..., 0], 1.0).log_prob(x)

    return importance_log_likelihood(draw, log_joint, len(normal), chunk=chunk)


def test_the_exact_posterior_needs_one_draw():
    found = estimate(X, noise(1))
    torch.testing.assert_close(found.log_p, TRUTH)
    torch.testing.assert_close(found.effective, torch.ones(5, dtype=F))


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.5), (0.4, 1.3), (-0.3, 2.0)])
def test_a_wrong_proposal_finds_log_p_with_more_draws(shift, spread):
    found = estimate(X, noise(20_000), shift, spread, chunk=1000)
    assert (found.log_p - TRUTH).abs().max() < 0.05
    error = torch.sqrt(1 / found.effective - 1 / 20_000)
    assert ((found.log_p - TRUTH).abs() < 4 * error).all()
    assert (found.effective < 19_000).all()


def test_a_loop_over_rows_and_draws_gives_the_same():
    normal = noise(30)
    found = estimate(X, normal, 0.4, 1.3)
    for n in range(5):
        w = []
        for k in range(30):
            z = X[n] / 2 + 0.4 + 1.3 * 0.5**0.5 * normal[k, n, 0]
            q = Normal(X[n] / 2 + 0.4, 1.3 * 0.5**0.5)
            w.append(math.exp(Normal(0.0, 1.0).log_prob(z) + Normal(z, 1.0).log_prob(X[n]) - q.log_prob(z)))
        assert found.log_p[n].item() == pytest.approx(math.log(sum(w) / 30))
        assert found.effective[n].item() == pytest.approx(sum(w) ** 2 / sum(v * v for v in w))


@given(st.permutations(range(5)), st.integers(1, 40))
def test_rows_never_meet_and_chunks_do_not_matter(order, chunk):
    normal = noise(30)
    whole = estimate(X, normal, 0.4, 1.3)
    moved = estimate(X[order], normal[:, order], 0.4, 1.3, chunk=chunk)
    torch.testing.assert_close(moved.log_p, whole.log_p[order])
    torch.testing.assert_close(moved.effective, whole.effective[order])
    n = order[0]
    alone = estimate(X[n : n + 1], normal[:, n : n + 1], 0.4, 1.3, chunk=chunk)
    torch.testing.assert_close(alone.log_p, whole.log_p[n : n + 1])


def test_in_expectation_it_grows_with_the_draws_to_log_p():
    """Means over 4,000 rows of the same x, at K = 1, 5, 50, with their standard errors."""
    x = torch.full((4000,), 1.0, dtype=F)
    truth = Normal(0.0, 2**0.5).log_prob(torch.tensor(1.0, dtype=F))
    means, errors = [], []
    for k in (1, 5, 50):
        log_p = estimate(x, noise(k, 4000, seed=k), 0.5, 1.5).log_p
        means.append(log_p.mean())
        errors.append(log_p.std() / 4000**0.5)
    assert means[0] + 5 * errors[0] < means[1] - 5 * errors[1]
    assert means[1] + 5 * errors[1] < means[2] - 5 * errors[2]
    assert means[2] < truth + 4 * errors[2]
    assert truth - means[2] < 0.02


def test_far_tails_do_not_under_or_overflow():
    log_w = torch.tensor([[-4000.0, 4000.0], [-4001.0, 3990.0]], dtype=F)

    def draw(first, count):
        return torch.zeros((count, 2, 1)), torch.zeros((count, 2))

    rows = iter(log_w)
    found = importance_log_likelihood(draw, lambda z: next(rows)[None], 2)
    torch.testing.assert_close(found.log_p, torch.logsumexp(log_w, 0) - math.log(2))
    assert found.effective[0].item() == pytest.approx((1 + math.exp(-1)) ** 2 / (1 + math.exp(-2)))


def test_no_density_at_all_is_minus_infinity_with_no_effective_draw():
    found = importance_log_likelihood(
        lambda first, count: (torch.zeros(count, 2, 1), torch.zeros(count, 2)),
        lambda z: torch.tensor([[-math.inf, 0.0]]).expand(len(z), -1),
        4,
        chunk=3,
    )
    assert found.log_p[0] == -math.inf
    assert found.log_p[1].item() == pytest.approx(0, abs=1e-12)
    assert found.effective.tolist() == pytest.approx([0, 4])


ZERO = torch.zeros(1, 2)


@pytest.mark.parametrize(
    ("log_q", "log_p", "draws", "chunk", "said"),
    [
        (ZERO, ZERO, 0, 1, "draws is 0"),
        (ZERO, ZERO, 1, 0, "chunk is 0"),
        (ZERO, ZERO[:, :1], 1, 1, "both must be"),
        (ZERO.T, ZERO.T, 1, 1, r"here \(1, N\)"),
        (ZERO[0], ZERO[0], 1, 1, "both must be"),
        (ZERO, ZERO * math.nan, 1, 1, "weights of 2 rows"),
        (ZERO - math.inf, ZERO, 1, 1, "NaN or infinite"),
    ],
)
def test_each_bad_input_has_its_error(log_q, log_p, draws, chunk, said):
    with pytest.raises(InputError, match=said):
        importance_log_likelihood(
            lambda first, count: (torch.zeros(1, 2, 1), log_q), lambda z: log_p, draws, chunk=chunk
        )
