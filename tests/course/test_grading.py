"""Answers of every kind: read as numbers, or refused in words a learner understands."""

import signal
import time
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Value
from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.course.clock import TimeUp, time_limit
from tinygrad_edu.course.outcomes import Misfit, Outcome, near, outcome_of, written
from tinygrad_edu.engine.ops import ADD, Primitive
from tinygrad_edu.nn import MLP


def graded(id, answer):
    """The verdict on an answer."""
    return grade(EXERCISES[id], answer)


@pytest.mark.parametrize(
    "answer", [-8, -8.0, Fraction(-8), np.float64(-8), np.array(-8), Value(-8)]
)
def test_a_number_may_come_in_many_types(answer):
    """Ints, floats, fractions, NumPy's numbers and Values are numbers."""
    assert graded("remember_1", answer).status == "right"


@pytest.mark.parametrize(
    "answer", [lambda x, y: (y + 3, x), lambda x, y: np.array([y + 3, x]),
               lambda x, y: [Value(y + 3), x], lambda x, y: (v for v in (y + 3, x))],
)  # fmt: skip
def test_a_list_may_come_in_many_types(answer):
    """Lists, tuples, arrays, generators, and Values in them."""
    assert graded("chain_rule_2", answer).status == "right"


@pytest.mark.parametrize("answer", [..., None, lambda x, y: None, lambda x, y: ...])
def test_what_is_not_filled_in_is_open(answer):
    """``...`` and functions without a body are no wrong answers."""
    verdict = graded("chain_rule_2", answer)

    assert verdict.status == "open"
    assert not verdict


@pytest.mark.parametrize(
    ("id", "answer", "words"),
    [
        ("remember_1", "-8", "without the quotes"),
        ("remember_1", lambda: -8, "one number, not a function"),
        ("remember_1", [-8], "this is a list of 1."),
        ("remember_1", 8j, "is a complex"),
        ("chain_rule_3", 7, "a list of 2 numbers; this is one number"),
        ("chain_rule_3", {2, 5}, "no order"),
        ("chain_rule_3", [[2], [5, 1]], "different lengths"),
        ("chain_rule_2", [1, 2], "your function itself"),
        ("chain_rule_2", lambda x: [x, x], "2 inputs, (x, y), and yours takes (x)"),
        ("chain_rule_2", lambda x, y: "text", "can't be graded"),
        ("chain_rule_2", lambda x, y: 1.0, "it gives one number; needed is a list of 2"),
        ("remember_2", 3.0, "Hand in the Value itself"),
        ("remember_2", Value(3.0, "z") * 2, "The leaves are called 'z'; needed are 'x' and 'y'"),
        ("remember_2", Value(3.0, "x") * Value(3.0, "x"), "make it once"),
        ("gates_5", lambda x: x, "Hand in the row"),
        ("network_4", MLP, "an object of a Module"),
        ("network_4", MLP(3, [3, 1]), "Called with 2 numbers, the model says"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_told_what_is_needed(id, answer, words):
    """No traceback: a sentence."""
    verdict = graded(id, answer)

    assert verdict.status == "wrong"
    assert words in verdict.words


def test_an_exception_in_the_learners_function_is_told_with_its_line():
    """The kind of exception, its message, the point and the line."""

    def slope(x, y):
        return [x / 0, y]

    verdict = graded("chain_rule_2", slope)

    assert "ZeroDivisionError: float division by zero" in verdict.words
    assert "`return [x / 0, y]`" in verdict.words
    assert "x = " in verdict.words


def test_who_expects_values_is_told_that_numbers_come():
    """A method of Value on a float."""
    words = graded("gates_3", lambda x, u: x.sigmoid() * u).words

    assert "called with plain numbers: use math" in words


def test_a_row_of_two_inputs_is_an_error_in_words():
    """A row that can't be called with one number."""
    assert "TypeError" in graded("gates_5", ADD).words


def test_a_slope_that_is_no_tuple_is_told():
    """The classical missing comma."""
    row = Primitive("r", "x", forward=lambda xp, x: x, partials=lambda xp, out, x: 1.0)

    assert "a comma missing" in graded("gates_5", row).words


def test_a_learners_function_can_not_change_the_points():
    """It gets copies, so that its mistake is still recognised."""

    def gather(upstream, local):
        first = upstream[0] * local[0]
        upstream.clear()
        return first

    assert "first output only" in graded("chain_rule_5", gather).mistake


def test_the_learners_graph_is_left_as_it_was():
    """Its data and gradients are those the learner knows."""
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    answer = x * y + x * x

    graded("remember_2", answer)

    assert (x.data, y.data, x.grad, answer.data, answer.grad) == (3.0, -2.0, 0.0, 3.0, 0.0)


@pytest.mark.parametrize(
    ("factor", "words"), [(-1.0, "wrong sign"), (2.0, "counted twice"), (5.0, "is 5 times")]
)
def test_a_common_factor_is_noticed(factor, words):
    """Where no known mistake fits, a factor that all numbers share tells where to look."""
    answer = lambda g, w, strength: factor * (g + strength * w)  # noqa: E731

    verdict = graded("honest_1", answer)

    assert verdict.mistake == ""
    assert words in verdict.words


def test_an_unknown_mistake_is_told_where_it_shows():
    """The first point at which it is wrong, with what was given and what is right."""
    words = graded("gates_2", lambda x, y, u: [u, 0] if x > y else [0, u + 1]).words

    assert words.startswith("Right at ")
    assert "x = 1, y = 2, upstream = -3 it gives [0, -2], right is [0, -3]" in words


def test_a_wrong_number_is_not_told_the_right_one():
    """A number that is asked for stays to be found."""
    verdict = graded("chain_rule_1", 40)

    assert "42" not in verdict.words


def test_of_a_list_it_is_told_which_are_wrong():
    """Numbered from 1."""
    assert graded("gates_4", [-0.2, 0.39, -0.39, 9, 0.2]).words == (
        "Of the 5 numbers, not right: number 4."
    )


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


def test_an_alarm_that_was_set_before_is_kept():
    """Whoever uses the timer gets it back, with the time that was left."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with time_limit(10.0):
            time.sleep(0.001)
        time.sleep(0.2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)

    assert rung == [True]


def test_the_time_limit_ends_a_block():
    """And only the block."""
    with pytest.raises(TimeUp), time_limit(0.05):
        time.sleep(2.0)

    time.sleep(0.06)


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
    assert written(Outcome((2, 2), (1.0, 2.5, -3.0, 1e-9))) == "[[1, 2.5], [-3, 1e-09]]"
