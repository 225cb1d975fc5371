"""Answers are read as numbers in a shape, or refused in words; and written as Python would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.course.outcomes import Misfit, Outcome, near, outcome_of, told, written


@given(st.lists(st.lists(st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1))
def test_rows_keep_their_shape_and_numbers(rows):
    """What is read is what was given."""
    outcome = outcome_of(rows)

    assert outcome.shape == (len(rows), 2)
    assert outcome.numbers == tuple(x for row in rows for x in row)


def test_lists_that_hold_themselves_are_refused():
    """Neither recursion nor a loop without end."""
    inside = []
    inside.append(inside)

    for thing in (inside, [[[[1.0]]]]):
        with pytest.raises(Misfit, match="too deep"):
            outcome_of(thing)


def test_endless_generators_are_refused():
    """They are cut off."""
    with pytest.raises(Misfit, match="more than"):
        outcome_of(iter(int, 1))


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_near_is_symmetric_enough_to_trust(a, b):
    """A number is near itself; nan and inf are near themselves only."""
    assert near(a, a, 1e-6, 1e-9)
    if near(a, b, 1e-6, 1e-9):
        assert (a != a) == (b != b)
        assert (abs(a) == float("inf")) == (abs(b) == float("inf"))


def test_outcomes_are_written_as_python():
    """Lists in brackets, numbers short."""
    assert told(Outcome((0,))) == "[]"
    assert told(Outcome(problem="None", words="it gives None")) == "it gives None"
    assert written(-0.0) == "0"
    assert len(written([0.123456] * 100)) == 160
