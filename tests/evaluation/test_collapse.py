"""Collapse curves against loops, and the anchors: 1 where q = p, 0 where the KL is large."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from counterpoint.errors import InputError
from counterpoint.evaluation.collapse import active_units, collapse_curve, normal_kl, variance_collapse


def test_all_is_collapsed_where_q_is_the_prior():
    generator = np.random.default_rng(0)
    loc, scale = generator.normal(size=(50, 4)), generator.uniform(0.1, 3, (50, 4))
    for kl in (normal_kl(np.zeros((50, 4)), np.ones((50, 4))), normal_kl(loc, scale, loc, scale)):
        curve = collapse_curve(kl)
        assert (curve.share == 1).all()
        assert curve.collapsed == curve.dimensions == 4


def test_nothing_is_collapsed_where_the_kl_is_large():
    curve = collapse_curve(normal_kl(np.full((50, 3), 5.0), np.full((50, 3), 0.1)))
    assert (curve.share == 0).all()
    assert curve.collapsed == 0


def test_loops_give_the_same_curve():
    kl = np.random.default_rng(1).exponential([0.001, 0.5, 2.0, 6.0], (200, 4))
    for delta in (0.0, 0.01, 0.3):
        curve = collapse_curve(kl, delta=delta)
        assert curve.epsilon == pytest.approx(np.linspace(0, 6, 40))
        for epsilon, share in zip(curve.epsilon, curve.share, strict=True):
            count = sum(
                sum(kl[n, d] <= epsilon for n in range(200)) >= round((1 - delta) * 200) for d in range(4)
            )
            assert share == count / 4
        assert curve.collapsed == sum((kl[:, d] > 0.01).sum() <= round(delta * 200) for d in range(4))


def test_the_share_of_rows_is_counted_exactly():
    """99 of 100 rows are 1 - 0.01, whatever rounding makes of it."""
    assert (50 - 9) / 50 < 1 - 0.18
    for rows, delta in ((50, 0.18), (100, 0.01), (10, 0.1), (20, 0.05), (1000, 0.003)):
        kl = np.zeros((rows, 2))
        over = round(rows * delta)
        kl[:over, 0] = kl[: over + 1, 1] = 9.0
        assert collapse_curve(kl, [0.5], delta).share.tolist() == [0.5]


@given(st.integers(0, 2**31), st.floats(0, 0.9))
def test_a_curve_never_falls_and_order_does_not_matter(seed, delta):
    generator = np.random.default_rng(seed)
    kl = generator.exponential(1.0, (20, 5))
    curve = collapse_curve(kl, delta=delta)
    assert (np.diff(curve.share) >= 0).all()
    again = collapse_curve(kl[generator.permutation(20)][:, generator.permutation(5)], delta=delta)
    assert again.share.tolist() == curve.share.tolist()


def test_variances_collapse_towards_zero():
    variance = np.tile([1e-4, 0.05, 1.0], (30, 1))
    curve = variance_collapse(variance)
    assert curve.epsilon[[0, -1]].tolist() == [0, 0.13]
    assert curve.share == pytest.approx([sum(v <= e for v in (1e-4, 0.05, 1.0)) / 3 for e in curve.epsilon])
    assert curve.collapsed == 1


def test_active_units_are_those_whose_mean_moves():
    generator = np.random.default_rng(0)
    loc = generator.normal(size=(2000, 3)) * [0.05, 0.2, 1.0] + 7
    assert active_units(loc).tolist() == [False, True, True]
    assert active_units(loc, 0.5).tolist() == [False, False, True]


def test_the_kl_of_normals_is_the_integral():
    for loc, scale, prior_loc, prior_scale in ((0.3, 0.5, 0.0, 1.0), (-1.0, 2.0, 0.5, 0.7)):
        q, p = norm(loc, scale), norm(prior_loc, prior_scale)
        value, _ = quad(lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12)
        assert normal_kl([[loc]], [[scale]], prior_loc, prior_scale)[0, 0] == pytest.approx(value)
        assert normal_kl([[loc]], [[scale]], [[prior_loc]], [[prior_scale]])[0, 0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: collapse_curve([1.0, 2.0]), r"\(N, D\)"),
        (lambda: collapse_curve([[1.0, math.nan]]), "NaN or infinite"),
        (lambda: collapse_curve([[1.0, -0.1]]), "1 negative"),
        (lambda: collapse_curve([[1.0]], epsilon=[1.0, 0.0]), "ascending"),
        (lambda: collapse_curve([[1.0]], epsilon=[-1.0, 0.0]), "at least 0"),
        (lambda: collapse_curve([[1.0]], delta=1), "delta is 1"),
        (lambda: collapse_curve([[1.0]], threshold=-1), "threshold is -1"),
        (lambda: variance_collapse([[-1.0]]), "variance has 1 negative"),
        (lambda: active_units([[1.0]]), "at least two rows"),
        (lambda: normal_kl([[1.0]], [[0.0]]), "scale has values"),
        (lambda: normal_kl([[1.0]], [[1.0]], 0.0, -1.0), "prior_scale has values"),
        (lambda: normal_kl([[1.0, 2.0]], [[1.0]]), "one value for each"),
        (lambda: normal_kl([[1.0, 2.0]], [[1.0, 1.0]], [0.0, 0.0]), "prior_loc has shape"),
        (lambda: normal_kl([[math.inf]], [[1.0]]), "NaN or infinite"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
