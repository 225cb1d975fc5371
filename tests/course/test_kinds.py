"""Each kind of answer is read in many forms, or refused in words a learner understands."""

from fractions import Fraction

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.engine.ops import ADD, Primitive
from tinygrad_edu.nn import MLP


def graded(id, answer):
    """Return the verdict on an answer."""
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


def divides(x, y):
    """Stops with an exception."""
    return [x / 0, y]


NO_TUPLE = Primitive("r", "x", forward=lambda xp, x: x, partials=lambda xp, out, x: 1.0)


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
        ("chain_rule_2", divides, "ZeroDivisionError: float division by zero"),
        ("chain_rule_2", divides, "`return [x / 0, y]`"),
        ("chain_rule_2", divides, "x = "),
        ("gates_3", lambda x, u: x.sigmoid() * u, "called with plain numbers: use math"),
        ("remember_2", 3.0, "Hand in the Value itself"),
        ("remember_2", Value(3.0, "z") * 2, "The leaves are called 'z'; needed are 'x' and 'y'"),
        ("remember_2", Value(3.0, "x") * Value(3.0, "x"), "make it once"),
        ("gates_5", lambda x: x, "Hand in the row"),
        ("gates_5", ADD, "TypeError"),
        ("gates_5", NO_TUPLE, "a comma missing"),
        ("network_4", MLP, "an object of a Module"),
        ("network_4", MLP(3, [3, 1]), "Called with 2 numbers, the model says"),
    ],
)
def test_an_answer_of_the_wrong_kind_is_told_what_is_needed(id, answer, words):
    """No traceback: a sentence; an exception with its point and its line."""
    verdict = graded(id, answer)

    assert verdict.status == "wrong"
    assert words in verdict.words


def test_the_learners_graph_is_left_as_it_was():
    """Its data and gradients are those the learner knows."""
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    answer = x * y + x * x

    graded("remember_2", answer)

    assert (x.data, y.data, x.grad, answer.data, answer.grad) == (3.0, -2.0, 0.0, 3.0, 0.0)
