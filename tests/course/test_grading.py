"""Grading: right, wrong by a known mistake, or wrong in a way that is described."""

import math

import numpy
import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import recording
from tinygrad_edu.course import EXERCISES, fault, grade
from tinygrad_edu.engine.errors import SettingError


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


def normalized(x):
    """Return a right answer to depth_5."""
    names = {}
    exec(EXERCISES["depth_5"].solution, names)
    return names["answer"](x)


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
        ("gates_4", [-0.2, 0.4, -0.4, -0.6, 0.2], "close: the error may be at most 0.006."),
        ("depth_5", lambda x: [numpy.float32(v) for v in normalized(x)], "computed in float32?"),
        ("honest_1", lambda g, w, s: g + s * w + 1e-5, "at most 1e-06 of the number"),
        ("matrix_4", 204_801, "204801 is not right."),
        ("scale_2", lambda c: 2, "the same at every point: does it use its inputs?"),
        ("scale_2", lambda c: math.nan, "it gives nan, right is 0.547945. nan means"),
        ("scale_2", lambda c: c / 1e-310, "it gives inf, right is 0.547945. inf is infinite"),
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


def test_a_learners_function_can_not_change_the_points():
    """It gets copies, so that its mistake is still recognised."""

    def gather(upstream, local):
        first = upstream[0] * local[0]
        upstream.clear()
        return first

    assert "first output only" in graded("chain_rule_5", gather).mistake


def test_a_session_that_changed_the_engine_still_gets_a_verdict(monkeypatch):
    """The known mistakes can't be made then, and no traceback of ours is shown."""
    monkeypatch.setattr(Value, "__add__", None)
    x, y = Value(3.0, "x"), Value(-2.0, "y")

    verdict = graded("remember_2", x * y)

    assert "its value is -6, right is 3" in verdict.words


@pytest.mark.parametrize(
    ("exercise", "points"),
    [("chain_rule_2", 8), (EXERCISES["chain_rule_2"], 0), (EXERCISES["chain_rule_2"], 1.5)],
)
def test_what_can_not_be_graded_is_refused(exercise, points):
    """With no point at all every answer would agree."""
    with pytest.raises(SettingError):
        grade(exercise, lambda x, y: [x, y], points=points)


def test_what_the_session_left_on_changes_no_verdict():
    """A recording forbids comparisons, and a fault gives wrong gradients."""
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    answer = x * y + x * x

    with fault("assign instead of accumulate"), recording():
        verdicts = [graded("remember_2", answer), graded("gates_2", max_gate)]
        mistake = graded("remember_2", x * y + y * y).mistake

    assert all(verdicts)
    assert "You squared y" in mistake


def max_gate(x, y, upstream):
    """Compare Values, as a learner may."""
    return [upstream, 0.0] if Value(x) > y else [0.0, upstream]
