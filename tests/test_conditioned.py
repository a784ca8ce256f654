"""What conditional methods take for the names of observed modalities."""

import pytest

from counterpoint.conditioned import observed_names
from counterpoint.errors import InputError


@pytest.mark.parametrize("given", [[], ["a", "a"], "ab", ("a", 1), {"a"}])
def test_observed_is_a_list_of_different_names(given):
    with pytest.raises(InputError, match=r"observed is .*; give a list of different modalities, or None"):
        observed_names(given)


def test_none_and_any_order_are_kept():
    assert observed_names(None) is None
    assert observed_names(["b", "a"]) == ("b", "a")
