"""Scores against naive restatements: pairs for AUROC, a walk down the ranking for average precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluation.scores import classifier_scores, indicators


def naive_auroc(asked, s):
    pairs = [(a > b) + 0.5 * (a == b) for a in s[asked] for b in s[~asked]]
    return np.mean(pairs)


def naive_precision(asked, s):
    total, before = 0.0, 0.0
    for cut in sorted(set(s.tolist()), reverse=True):
        told = s >= cut
        recall = (told & asked).sum() / asked.sum()
        total += (recall - before) * (told & asked).sum() / told.sum()
        before = recall
    return total


ranks = st.integers(0, 6).map(lambda v: v / 6)


@given(st.lists(st.tuples(st.booleans(), ranks), min_size=2, max_size=25))
@settings(max_examples=60, deadline=None)
def test_two_classes_are_the_naive_areas(rows):
    y, s = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    if y.all() or not y.any():
        y[0] = not y[0]
    made = classifier_scores(y + 0, s)
    assert made.auroc == pytest.approx(naive_auroc(y, s))
    assert made.average_precision == pytest.approx(naive_precision(y, s))
    assert made.accuracy == pytest.approx(np.mean((s > 0.5) == y))
    assert np.array_equal(made.hits, (s > 0.5) == y)
    both = classifier_scores(y + 0, np.stack([1 - s, s], 1))
    assert both.auroc == pytest.approx(made.auroc)


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_classes_and_labels_are_means_of_naive_areas(seed):
    g = np.random.default_rng(seed)
    s = np.round(g.random((30, 4)), 1)
    y = np.concatenate([np.arange(4), g.integers(0, 4, 26)])
    made = classifier_scores(np.array(list("abcd"))[y], s, list("abcd"))
    hot = y[:, None] == np.arange(4)
    assert made.auroc == pytest.approx(np.mean([naive_auroc(hot[:, c], s[:, c]) for c in range(4)]))
    assert made.accuracy == pytest.approx(np.mean(s.argmax(1) == y))
    several = classifier_scores(hot, s)
    each = [naive_precision(hot[:, c], s[:, c]) for c in range(4)]
    np.testing.assert_allclose(several.average_precision_each, each)
    assert several.average_precision == pytest.approx(np.mean(each))
    np.testing.assert_allclose(several.hits, ((s > 0.5) == hot).mean(1))
    pooled = classifier_scores(hot, s, average="micro")
    assert pooled.average_precision == pytest.approx(naive_precision(hot.ravel(), s.ravel()))
    assert pooled.auroc == pytest.approx(naive_auroc(hot.ravel(), s.ravel()))


def test_official_scores_rank_the_answers():
    y = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [1, 1]])
    s = np.array([[0.4, 0.6], [0.45, 0.1], [0.9, 0.7], [0.6, 0.2], [0.8, 0.3]])
    official = classifier_scores(y, s, from_="official")
    answers = (s > 0.5).astype(float)
    each = [naive_precision(y[:, j] == 1, answers[:, j]) for j in range(2)]
    assert official.average_precision == pytest.approx(np.mean(each))
    assert official.average_precision < classifier_scores(y, s).average_precision
    assert official.accuracy == classifier_scores(y, s).accuracy
    # three classes: AUROC of the one-hot answers
    truth, odds = (
        np.array([0, 1, 2, 2]),
        np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.1, 0.2, 0.7], [0.2, 0.1, 0.7]]),
    )
    hard = np.eye(3)[odds.argmax(1)]
    naive = np.mean([naive_auroc(truth == c, hard[:, c]) for c in range(3)])
    assert classifier_scores(truth, odds, from_="official").auroc == pytest.approx(naive)
    assert naive < classifier_scores(truth, odds).auroc


def test_a_label_of_one_kind_only_is_left_out_and_counted():
    y = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0]])
    s = np.array([[0.1, 0.9, 0.2], [0.8, 0.7, 0.1], [0.3, 0.2, 0.3]])
    made = classifier_scores(y, s)
    assert made.left_out == 2
    assert np.isnan(made.auroc_each).tolist() == [False, True, True]
    assert (made.auroc, made.average_precision) == (1.0, 1.0)
    assert made.accuracy == pytest.approx(8 / 9)
    nothing = classifier_scores(y[:, 1:], s[:, 1:])
    assert np.isnan(nothing.auroc)
    assert nothing.left_out == 2
    # a class that no test row has
    assert classifier_scores([0, 1, 0], np.eye(3)[[0, 1, 0]], [0, 1, 2]).left_out == 1


def test_a_class_that_the_classifier_does_not_know_is_wrong_and_ranked_by_chance():
    made = classifier_scores([0, 1, 9, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]), [0, 1])
    assert made.hits.tolist() == [1, 1, 0, 1]
    assert made.auroc_each[2] == 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: classifier_scores([0, 1], [0.1, 0.2], from_="hard"), "from_ is 'hard'"),
        (lambda: classifier_scores([0, 1], [0.1, 0.2], average="weighted"), "average is"),
        (lambda: classifier_scores([0, 1], [0.1, float("nan")]), "NaN"),
        (lambda: classifier_scores([0, 1], [0.1]), "rows differ"),
        (lambda: classifier_scores([0, 1, 2], [0.1, 0.2, 0.3]), "one per row and class"),
        (lambda: classifier_scores([0, 1], [0.1, 0.2], [1, 0]), "sorted"),
        (lambda: classifier_scores([0, 1], [0.1, 0.2], [5, 6]), "no class in common"),
        (lambda: classifier_scores([[0, 1]], [[0.1]]), "one score per label"),
        (lambda: classifier_scores([[0, 2]], [[0.1, 0.2]]), "0 or 1"),
        (lambda: indicators("y", [0, 1]), "give \\(N,\\) labels, or"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
