"""Imputation error and coverage against naive loops."""

import math

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation import coverage, imputation_r2


def some(seed=0, shape=(40, 3)):
    generator = np.random.default_rng(seed)
    truth = generator.normal(2.0, [1.0, 3.0, 0.5], shape)
    return truth, truth + generator.normal(0, 0.4, shape), np.array([1.9, 2.2, 2.0])


def test_loops_give_the_same_numbers():
    truth, imputed, mean = some()
    where = np.random.default_rng(1).random((40, 3)) < 0.6
    truth[~where], imputed[~where] = np.nan, np.inf
    result = imputation_r2(truth, imputed, mean, where=where)
    error, base, count = [0.0] * 3, [0.0] * 3, 0
    for n in range(40):
        for d in range(3):
            if where[n, d]:
                error[d] += (truth[n, d] - imputed[n, d]) ** 2
                base[d] += (truth[n, d] - mean[d]) ** 2
                count += 1
    assert result.r2 == pytest.approx(1 - sum(error) / sum(base))
    assert result.columns == pytest.approx([1 - e / b for e, b in zip(error, base, strict=True)])
    assert result.rmse == pytest.approx(math.sqrt(sum(error) / count))
    assert result.baseline_rmse == pytest.approx(math.sqrt(sum(base) / count))
    assert result.n_values == count


def test_perfect_is_one_the_mean_is_zero_and_worse_is_below():
    truth, _, mean = some()
    assert imputation_r2(truth, truth, mean).r2 == 1
    assert imputation_r2(truth, np.tile(mean, (40, 1)), mean).r2 == 0
    assert imputation_r2(truth, -truth, mean).r2 < 0


def test_rows_can_be_chosen_and_images_keep_their_columns():
    truth, imputed, mean = some()
    rows = np.arange(40) < 10
    cut = imputation_r2(truth[:10], imputed[:10], mean)
    chosen = imputation_r2(truth, imputed, mean, where=rows)
    assert chosen.r2 == pytest.approx(cut.r2)
    image = imputation_r2(truth.reshape(40, 3, 1), imputed.reshape(40, 3, 1), mean[:, None])
    assert image.columns.shape == (3, 1)
    assert image.r2 == pytest.approx(imputation_r2(truth, imputed, mean).r2)


def test_a_column_that_the_mean_knows_has_no_r2():
    truth, imputed, mean = some()
    truth[:, 1] = mean[1]
    columns = imputation_r2(truth, imputed, mean).columns
    assert np.isnan(columns).tolist() == [False, True, False]


def test_honest_intervals_cover_what_they_say():
    generator = np.random.default_rng(0)
    mean = generator.standard_normal((4000, 2))
    sd = generator.uniform(0.5, 2, (4000, 2))
    truth = mean + sd * generator.standard_normal((4000, 2))
    for level in (0.5, 0.9, 0.99):
        assert coverage(truth, mean, sd, level) == pytest.approx(level, abs=0.02)
    assert coverage(truth, mean, sd / 10) < 0.3
    assert coverage(truth, mean, 10 * sd) > 0.999
    inside = [abs(truth[n, 0] - mean[n, 0]) <= 1.6448536 * sd[n, 0] for n in range(4000)]
    first = np.zeros((4000, 2), bool)
    first[:, 0] = True
    assert coverage(truth, mean, sd, where=first) == pytest.approx(np.mean(inside))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda t, i, m: imputation_r2(t, i[:, :1], m), "one value for each"),
        (lambda t, i, m: imputation_r2(t, i, m[:1]), "one mean per column"),
        (lambda t, i, m: imputation_r2(t, i, 2.0), "one mean per column"),
        (lambda t, i, m: imputation_r2(t * np.nan, i, m), "truth has 120"),
        (lambda t, i, m: imputation_r2(t, i, m * np.nan), "baseline_mean has 3"),
        (lambda t, i, m: imputation_r2(np.tile(m, (40, 1)), i, m), "nothing to explain"),
        (lambda t, i, m: imputation_r2(t, i, m, where=np.zeros(40, bool)), "selects no value"),
        (lambda t, i, m: imputation_r2(t, i, m, where=np.ones(40)), "give bools"),
        (lambda t, i, m: coverage(t, i, np.ones(3)), "one value for each"),
        (lambda t, i, m: coverage(t, i, t * 0 - 1), "120 negative"),
        (lambda t, i, m: coverage(t, i, t * 0 + 1, level=90), "level is 90"),
        (lambda t, i, m: coverage(t, i, t * 0 + 1, level=0), "level is 0"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call(*some())
