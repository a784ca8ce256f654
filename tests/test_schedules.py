import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.schedules import KINDS, Schedule, schedule

value = st.floats(0, 100)
any_schedule = st.builds(Schedule, st.sampled_from(KINDS), value, value, st.integers(1, 10**6))


@given(any_schedule, st.integers(0, 2 * 10**6))
def test_stays_between_start_and_end(s, step):
    low, high = sorted((s.start, s.end))
    if s.kind == "constant":
        assert s.at(step) == s.start
    elif s.kind == "exp" and s.end >= s.start:
        assert s.at(step) == s.end or s.start == 0  # a rising exponential is its end from the first step on
    else:
        assert low - 1e-9 <= s.at(step) <= high + 1e-9


@given(any_schedule, st.integers(0, 10**6), st.integers(0, 10**6))
def test_is_monotone(s, step, later):
    step, later = sorted((step, later))
    change = s.at(later) - s.at(step)
    assert change * (s.end - s.start) >= -1e-9 * (1 + abs(change))


@given(any_schedule)
def test_ends_at_its_end(s):
    expected = s.start if s.kind == "constant" else s.end
    assert s.at(s.steps) == s.at(10 * s.steps) == expected


@given(any_schedule, st.integers(0, 2 * 10**6))
def test_its_text_gives_it_back(s, step):
    assert schedule("beta", str(s)).at(step) == s.at(step)


@pytest.mark.parametrize(
    "given", ["wrong", "linear:0:1", "linear:0:1:x", "linear:0:1:0", "sine:0:1:10", -1, True, None, "nan"]
)
def test_anything_else_is_refused(given):
    with pytest.raises(InputError, match=r"beta|schedule"):
        schedule("beta", given)


def test_it_does_not_change():
    with pytest.raises(AttributeError):
        schedule("beta", 1.0).end = 2.0
    assert len({schedule("beta", "linear:0:1:20"), schedule("beta", "linear:0:1:20")}) == 1


def test_halfway():
    assert Schedule("linear", 1.0, 0.0, 100).at(25) == 0.75
    assert Schedule("cosine", 1.0, 0.0, 100).at(50) == pytest.approx(0.5)
    assert Schedule("cosine", 0.0, 2.0, 100).at(25) == pytest.approx(2 - (1 + 2**-0.5))
    assert Schedule("exp", 1.0, 0.01, 100).at(50) == pytest.approx(0.1, rel=1e-6)


def test_a_step_has_two_values_and_nothing_between():
    s = schedule("classifier_weight", "step:0:10:2000")
    assert [s.at(t) for t in (0, 1, 1999, 2000, 2001, 10**6)] == [0, 0, 0, 10, 10, 10]
    down = Schedule("step", 3.0, 0.5, 1)
    assert [down.at(t) for t in (0, 1)] == [3.0, 0.5]
    assert str(s) == "step:0:10:2000"
