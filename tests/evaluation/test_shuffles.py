"""The controls: what is kept, what is broken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.evaluation.shuffles import shuffled_labels, shuffled_pairs


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 50))
def test_every_order_is_a_derangement_but_the_first(rows, count, seed):
    names = [f"m{i}" for i in range(count)]
    orders = shuffled_pairs(rows, names, seed)
    assert list(orders) == names
    assert orders["m0"].tolist() == list(range(rows))
    for name in names[1:]:
        assert sorted(orders[name].tolist()) == list(range(rows))
        assert rows == 1 or not (orders[name] == np.arange(rows)).any()


def test_derangements_are_drawn_evenly():
    seen = [tuple(shuffled_pairs(4, ["a", "b"], seed)["b"].tolist()) for seed in range(900)]
    counts = {order: seen.count(order) for order in set(seen)}
    assert len(counts) == 9
    assert max(counts.values()) < 150
    assert min(counts.values()) > 60


def test_orders_belong_to_their_seed_and_name():
    first = shuffled_pairs(50, ["a", "b", "c"], 0)
    assert np.array_equal(first["c"], shuffled_pairs(50, ["a", "c"], 0)["c"])
    assert not np.array_equal(first["b"], first["c"])
    assert not np.array_equal(first["b"], shuffled_pairs(50, ["a", "b"], 1)["b"])


def test_labels_keep_their_shares_and_rows_stay_together():
    y = np.repeat(["a", "b"], [30, 10])
    made = shuffled_labels(y, 0)
    assert sorted(made) == sorted(y)
    assert not np.array_equal(made, y)
    assert np.array_equal(made, shuffled_labels(y, 0))
    assert not np.array_equal(made, shuffled_labels(y, 1))
    several = np.stack([np.arange(9), 10 * np.arange(9)], 1)
    assert (shuffled_labels(several)[:, 1] == 10 * shuffled_labels(several)[:, 0]).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: shuffled_labels([]), "at least one row"),
        (lambda: shuffled_labels([1, 2], seed=-1), "seed"),
        (lambda: shuffled_pairs(0, ["a"]), "rows is 0"),
        (lambda: shuffled_pairs(3, []), "every modality once"),
        (lambda: shuffled_pairs(3, ["a", "a"]), "every modality once"),
    ],
)
def test_each_bad_input_has_its_error(call, said):
    with pytest.raises(InputError, match=said):
        call()
