"""Words of digits: the right word, at every allowed place equally often, never in the last cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data.digit_words import ALPHABETS, digit_words, spell
from counterpoint.errors import InputError

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 9), st.sampled_from(list(ALPHABETS))
)
def test_every_row_is_its_word_among_blanks(labels, seed, alphabet):
    codes = digit_words(np.array(labels), seed, alphabet)
    assert (codes.shape, codes.dtype) == ((len(labels), 8), np.uint8)
    for label, text in zip(labels, spell(codes, alphabet), strict=True):
        assert text.strip() == WORDS[label]
        assert len(text) == 8
        assert text[-1] == " "
    np.testing.assert_array_equal(codes, digit_words(np.array(labels), seed, alphabet))


@given(st.integers(1, 30), st.integers(0, 9))
def test_fewer_rows_are_the_first_of_more(rows, seed):
    labels = np.arange(30) % 10
    np.testing.assert_array_equal(digit_words(labels, seed)[:rows], digit_words(labels[:rows], seed))


@pytest.mark.parametrize("digit", range(10))
def test_all_places_are_equally_likely(digit):
    texts = spell(digit_words(np.full(6000, digit), digit))
    places = 8 - len(WORDS[digit])
    counts = np.bincount([text.index(WORDS[digit]) for text in texts])
    assert len(counts) == places, "the start is at most 7 - len(word)"
    assert np.abs(counts / 6000 - 1 / places).max() < 0.03


def test_alphabets():
    letters, published = ALPHABETS["letters"], ALPHABETS["published"]
    assert (len(letters), len(set(letters))) == (27, 27)
    assert (len(published), len(set(published)), published.count("-")) == (71, 70, 2)
    used = set("".join(WORDS)) | {" "}
    assert 71 - len(used) == 55
    second = len(published) - 1 - published[::-1].index("-")
    assert second not in digit_words(np.arange(10), 0, "published")


def test_what_is_no_digit_is_refused():
    for labels in ([10], [-1], [[1]], [1.0], ["1"]):
        with pytest.raises(InputError, match=r"whole numbers \(N,\) in 0..9"):
            digit_words(np.array(labels))
    with pytest.raises(InputError, match="Did you mean 'letters'"):
        digit_words(np.array([1]), 0, "leters")
