"""Grading: right, wrong by a known mistake, or wrong in a way that is described."""

import time
from contextlib import suppress

import pytest

from tinygrad_edu.course import EXERCISES, grade


def graded(id, answer):
    """Return the verdict on an answer."""
    return grade(EXERCISES[id], answer)


@pytest.mark.parametrize("answer", [..., None, lambda x, y: None, lambda x, y: ...])
def test_what_is_not_filled_in_is_open(answer):
    """``...`` and functions without a body are not wrong: nothing is graded yet."""
    verdict = graded("chain_rule_2", answer)

    assert verdict.status == "open"
    assert not verdict


def times(factor):
    """Right but for a factor that all numbers share, which tells where to look."""
    return lambda g, w, strength: factor * (g + strength * w)


@pytest.mark.parametrize(
    ("id", "answer", "words"),
    [
        ("honest_1", times(-1.0), "wrong sign"),
        ("honest_1", times(2.0), "counted twice"),
        ("honest_1", times(5.0), "is 5 times"),
        ("gates_2", lambda x, y, u: [u, 0] if x > y else [0, u + 1], "Right at "),
        ("gates_2", lambda x, y, u: [u, 0] if x > y else [0, u + 1],
         "x = 1, y = 2, upstream = -3 it gives [0, -2], right is [0, -3]"),
        ("gates_4", [-0.2, 0.39, -0.39, 9, 0.2], "Of the 5 numbers, not right: number 4."),
    ],
)  # fmt: skip
def test_an_unknown_mistake_is_told_where_it_shows(id, answer, words):
    """What all numbers share, the first point at which it is wrong, or which are."""
    verdict = graded(id, answer)

    assert verdict.mistake == ""
    assert words in verdict.words


def test_a_wrong_number_is_not_told_the_right_one():
    """A number that is asked for stays to be found."""
    assert "42" not in graded("chain_rule_1", 40).words


def test_two_decimals_suffice_where_two_are_asked_for():
    """And no less than two."""
    assert graded("gates_4", [-0.20, 0.39, -0.39, -0.59, 0.20])
    assert not graded("gates_4", [-0.2, 0.4, -0.4, -0.6, 0.2])


def test_a_loop_without_end_is_stopped(monkeypatch):
    """After a time limit, with a word about loops; ``except Exception`` does not hide it."""

    def slope(x, y):
        while True:
            with suppress(Exception):
                time.sleep(0.001)

    monkeypatch.setattr("tinygrad_edu.course.grading.SECONDS", 0.1)

    assert "does a loop in it never end" in graded("chain_rule_2", slope).words


def test_a_learners_function_can_not_change_the_points():
    """It gets copies, so that its mistake is still recognised."""

    def gather(upstream, local):
        first = upstream[0] * local[0]
        upstream.clear()
        return first

    assert "first output only" in graded("chain_rule_5", gather).mistake
