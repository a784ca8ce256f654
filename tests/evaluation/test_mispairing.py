"""Rows mispaired on purpose: who exchanges what with whom, and whether a score finds them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluation.agreement import pair_divergences
from counterpoint.evaluation.mispairing import mispair, mispaired_auroc, mispaired_auroc_pairs


@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(10, 60), st.floats(0.1, 1.0))
def test_every_chosen_row_exchanges_one_modality(seed, modalities, rows, share):
    made = mispair(np.ones((modalities, rows), bool), share, seed)
    moved = made.take != np.arange(rows)
    assert (moved.sum(0) == made.mispaired).all()
    assert made.mispaired.sum() == max(2, round(share * rows))
    chosen = np.flatnonzero(made.mispaired)
    for take, there in zip(made.take, moved, strict=True):
        assert sorted(take) == list(range(rows))
        assert set(take[there]) <= set(chosen)


@given(st.integers(0, 2**31))
def test_presence_stays_and_only_rows_with_two_modalities_are_chosen(seed):
    present = np.random.default_rng(seed).random((4, 80)) < 0.5
    made = mispair(present, 0.3, seed)
    np.testing.assert_array_equal(np.take_along_axis(present, made.take, 1), present)
    moved = made.take != np.arange(80)
    assert not (moved & ~present).any()
    assert (present.sum(0)[made.mispaired] > 1).all()
    assert made.mispaired.sum() == 24


def test_a_row_that_shares_no_modality_with_the_chosen_copies_one():
    """Modalities come in couples that never meet."""
    couples = np.repeat(np.repeat(np.eye(2, dtype=bool), 2, 0), 4, 1)  # (4, 8)
    copied = 0
    for seed in range(20):
        made = mispair(couples, 0.25, seed)
        assert made.mispaired.sum() == 2
        np.testing.assert_array_equal(np.take_along_axis(couples, made.take, 1), couples)
        copied += any(sorted(take) != list(range(8)) for take in made.take)
    assert 0 < copied < 20


def test_all_modalities_of_a_row_come_from_different_rows():
    made = mispair(np.ones((4, 20), bool), 0.5, seed=3, which="all")
    assert made.mispaired.sum() == 10
    for n in range(20):
        assert len(set(made.take[:, n])) == (4 if made.mispaired[n] else 1)
    for take in made.take:
        assert sorted(take) == list(range(20))


def test_the_seed_decides_and_modalities_are_drawn_evenly():
    here = np.ones((3, 3000), bool)
    one, same, other = (mispair(here, 1.0, seed).take for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    counts = (one != np.arange(3000)).sum(1)
    assert (abs(counts - 1000) < 5 * math.sqrt(3000 * 2 / 9)).all()


def test_the_auroc_counts_pairs_of_rows():
    generator = np.random.default_rng(0)
    score, wrong = generator.normal(size=40).round(1), generator.random(40) < 0.3
    score[wrong] += 0.5
    score[5] = np.nan
    pairs = [
        (score[i] > score[j]) + 0.5 * (score[i] == score[j])
        for i in range(40)
        for j in range(40)
        if wrong[i] and not wrong[j] and i != 5 and j != 5
    ]
    assert mispaired_auroc(score, wrong) == pytest.approx(np.mean(pairs))


def test_re_paired_rows_are_found_pair_by_pair():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(1, 400, 6))
    loc = z + generator.normal(size=(3, 400, 6)) * np.array([0.1, 0.1, 5.0])[:, None, None]
    scale, present = np.full(loc.shape, 0.3), np.ones((3, 400), bool)
    made = mispair(present, 0.2)
    mixed = np.take_along_axis(loc, made.take[..., None], 1)
    found = mispaired_auroc_pairs(pair_divergences(mixed, scale, present), made.take)
    assert found[0, 1] > 0.99
    assert found[0, 2] < 0.75  # the third modality tells nothing
    np.testing.assert_array_equal(np.isnan(found), np.eye(3, dtype=bool))
    none = mispaired_auroc_pairs(pair_divergences(loc, scale, present), np.tile(np.arange(400), (3, 1)))
    assert np.isnan(none).all()


HERE = np.ones((2, 10), bool)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mispair(HERE[:1]), "M of at least 2"),
        (lambda: mispair(HERE.astype(float)), "present is float64"),
        (lambda: mispair(HERE, 0), "share is 0"),
        (lambda: mispair(HERE, 1.5), "share is 1.5"),
        (lambda: mispair(HERE, which="both"), "which is 'both'"),
        (lambda: mispair(np.eye(2, 10, dtype=bool)), "0 rows have two modalities that others"),
        (lambda: mispair(np.ones((4, 3), bool), which="all"), "at least 4"),
        (lambda: mispaired_auroc([1.0, 2.0], [True, True]), "of one kind"),
        (lambda: mispaired_auroc([1.0, math.nan], [True, False]), "of one kind"),
        (lambda: mispaired_auroc([1.0, math.inf], [True, False]), "NaN or infinite"),
        (lambda: mispaired_auroc([1.0, 2.0], [1, 0]), "mispaired is int64"),
        (lambda: mispaired_auroc_pairs(np.ones((2, 2, 3)), np.ones((2, 4), int)), "row numbers"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
