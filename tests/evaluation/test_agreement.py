"""Divergences between a row's posteriors against torch, and the score against loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from counterpoint.errors import InputError
from counterpoint.evaluation.agreement import FLOOR, disagreement, pair_divergences, typical


def some(seed=0, modalities=3, rows=8, dims=2):
    generator = np.random.default_rng(seed)
    loc = generator.normal(size=(modalities, rows, dims))
    scale = generator.uniform(0.3, 2, loc.shape)
    present = generator.random((modalities, rows)) < 0.7
    present[:, 0], present[:, 1], present[1:, 2] = True, False, False
    loc[~present], scale[~present] = np.nan, -1.0
    return loc, scale, present


def test_the_divergence_is_the_mean_of_both_kls():
    loc, scale, present = some()
    found = pair_divergences(loc, scale, present)
    for a in range(3):
        for b in range(3):
            for n in range(8):
                if not (present[a, n] and present[b, n]):
                    assert math.isnan(found[a, b, n])
                    continue
                p, q = (Normal(torch.tensor(loc[m, n]), torch.tensor(scale[m, n])) for m in (a, b))
                both = (kl_divergence(p, q) + kl_divergence(q, p)).sum() / 2
                assert found[a, b, n] == pytest.approx(both.item(), abs=1e-12)


@given(st.integers(0, 2**31))
def test_it_is_symmetric_at_least_zero_and_blind_to_units(seed):
    loc, scale, present = some(seed)
    found = pair_divergences(loc, scale, present)
    np.testing.assert_array_equal(found, found.swapaxes(0, 1))
    assert (found[~np.isnan(found)] >= 0).all()
    np.testing.assert_allclose(pair_divergences(3 * loc + 1, 3 * scale, present), found, atol=1e-9)


def test_loops_give_the_same_scores():
    found = pair_divergences(*some(rows=30))
    unit = typical(pair_divergences(*some(seed=5, rows=30)))
    result = disagreement(found, unit)
    for n in range(30):
        pairs = [found[a, b, n] for a in range(3) for b in range(a) if not math.isnan(found[a, b, n])]
        each = {}
        for a in range(3):
            own = [found[a, b, n] / unit[a, b] for b in range(3) if b != a]
            own = [v for v in own if not math.isnan(v)]
            if own:
                each[a] = sum(own) / len(own)
        if not pairs:
            assert math.isnan(result.nats[n])
            assert math.isnan(result.score[n])
            assert result.worst[n] == -1
            continue
        assert result.nats[n] == pytest.approx(sum(pairs) / len(pairs))
        assert result.score[n] == pytest.approx(max(each.values()))
        assert each[result.worst[n]] == pytest.approx(max(each.values()))
    for a in range(3):
        for b in range(3):
            held = found[a, b][~np.isnan(found[a, b])]
            assert result.matrix[a, b] == pytest.approx(held.mean())


def test_typical_is_the_median_of_what_is_there():
    found = pair_divergences(*some(rows=31))
    unit = typical(found)
    for a in range(3):
        assert math.isnan(unit[a, a])
        for b in range(a):
            held = sorted(found[a, b][~np.isnan(found[a, b])])
            assert unit[a, b] == unit[b, a] == pytest.approx(np.median(held))
    same = typical(np.zeros((2, 2, 4)))
    assert same[0, 1] == FLOOR


def test_a_pair_without_a_typical_value_is_not_scored():
    loc, scale, _ = some(rows=6)
    everywhere = np.ones((3, 6), bool)
    loc, scale = np.nan_to_num(loc), np.abs(np.nan_to_num(scale)) + 0.1
    found = pair_divergences(loc, scale, everywhere)
    unit = np.ones((3, 3))
    unit[0, 1] = unit[1, 0] = unit[0, 2] = unit[2, 0] = np.nan
    result = disagreement(found, unit)
    np.testing.assert_allclose(result.score, found[1, 2])
    assert set(result.worst) <= {1, 2}
    assert not np.isnan(result.nats).any()


def test_the_modality_from_elsewhere_is_named():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(1, 200, 4))
    loc = z + 0.1 * generator.normal(size=(4, 200, 4))
    moved = generator.integers(0, 4, 200)
    donor = np.roll(np.arange(200), 1)
    wrong = loc.copy()
    wrong[moved, np.arange(200)] = loc[moved, donor]
    scale, present = np.full(loc.shape, 0.1), np.ones((4, 200), bool)
    unit = typical(pair_divergences(loc, scale, present))
    right, found = (disagreement(pair_divergences(v, scale, present), unit) for v in (loc, wrong))
    assert (found.worst == moved).mean() > 0.99
    assert np.median(found.score) > 10 * np.median(right.score)
    assert np.median(right.score) < 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x, s, p: pair_divergences(x, s[:1], p), r"\(M, N, D\) for both"),
        (lambda x, s, p: pair_divergences(x[0], s[0], p), r"\(M, N, D\) for both"),
        (lambda x, s, p: pair_divergences(x, s, p.astype(int)), "present is int64"),
        (lambda x, s, p: pair_divergences(x, s, p[0]), "give bools"),
        (lambda x, s, p: pair_divergences(x, s, ~p), "loc .where present. has"),
        (lambda x, s, p: pair_divergences(np.nan_to_num(x), s * 0, p), "not above 0"),
        (lambda x, s, p: typical(np.ones((2, 3, 4))), "pair_divergences"),
        (lambda x, s, p: typical(np.ones((1, 1, 4))), "no row has two"),
        (lambda x, s, p: disagreement(np.ones((2, 2, 4)), np.ones(2)), "one value per pair"),
        (lambda x, s, p: disagreement(np.ones((2, 2, 4)), np.zeros((2, 2))), "not above 0"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call(*some())
