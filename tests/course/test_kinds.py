"""Each kind of answer is read in many forms, or refused in words a learner understands."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.course.kinds import distinctly
from tinygrad_edu.course.outcomes import Outcome, told, written
from tinygrad_edu.engine.ops import ADD, Primitive
from tinygrad_edu.nn import MLP, Module


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


def float_slope(xp, out, x):
    """Give the slope of silu, of plain numbers only."""
    s = 1.0 / (1.0 + math.exp(-x))
    return (s + out * (1.0 - s),)


SLOPE_OF_FLOATS = Primitive(
    "silu", "x", forward=lambda xp, x: x / (1.0 + xp.exp(-x)), partials=float_slope
)


class Answers(Module):
    """A model that computes as a function says."""

    def __init__(self, compute):
        self.compute = compute

    def __call__(self, inputs):
        """Compute the output."""
        return self.compute(inputs)


@pytest.mark.parametrize(
    ("id", "answer", "words"),
    [
        ("remember_1", "-8", "without the quotes"),
        ("remember_1", lambda: -8, "one number; this is a function"),
        ("remember_1", [-8], "this is a list of 1 number."),
        ("remember_1", 8j, "is complex"),
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
        ("gates_5", ADD, "forward is called with 2 inputs, (xp, x), and yours"),
        ("gates_5", NO_TUPLE, "a comma missing"),
        ("network_4", MLP, "an object of a Module"),
        (
            "chain_rule_2",
            lambda x, y: [[x, y]],
            "it gives 1 row of 2 numbers; needed is a list of 2",
        ),
        ("chain_rule_5", lambda u, v: u * v, "A list is not calculated with as a whole"),
        ("remember_2", Value(3.0) * Value(2.0), "Two leaves have no name"),
        (
            "gates_5",
            Primitive("r", "x", forward=abs, partials=abs),
            "forward is called with 2 inputs",
        ),
        ("gates_5", SLOPE_OF_FLOATS, "Use xp.exp, not math.exp"),
        ("network_4", MLP(2, [1, 3]), "your model has 1 hidden neuron and 3 outputs"),
        (
            "network_4",
            MLP(2, [4, 2]),
            "Your model has 22 parameters and 2 outputs; asked for are 13",
        ),
        (
            "network_4",
            MLP(2, [3, 1], "sigmoid"),
            "With 0.31 as each weight and bias, at the inputs [0.78, -2.12], the output is 0.75",
        ),
        (
            "network_4",
            Answers(lambda xs: xs[0] / 0),
            "[0.78, -2.12], it stops with ZeroDivisionError",
        ),
        (
            "network_4",
            Answers(lambda xs: "text"),
            "What your model gives can't be graded. 'text' is",
        ),
        ("network_4", MLP(3, [3, 1]), "can't be called with 2 numbers: Layer(3, 3"),
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


def test_a_wrong_gradient_of_a_right_value_has_a_cause():
    """The leaf is named whose gradient is wrong."""
    x, y = Value(3.0, "x"), Value(-2.0, "y")

    words = graded("remember_2", x * y + x * x.detach()).words

    assert "the gradient of x is 1, right is 4. Its value is right: is a part of the graph" in words


def test_an_error_is_quoted_from_the_learners_line_and_not_from_ours():
    """Also where the engine has raised it, and where a row calls it."""
    row = Primitive("r", "x", forward=lambda xp, x: x / 0, partials=lambda xp, out, x: (1.0,))

    assert ", in the line `row = Primitive(" in graded("gates_5", row).words


def test_numbers_that_differ_are_written_with_as_many_digits_as_show_it():
    """Never "it gives 1, right is 1"."""
    assert distinctly(written, 1.0, 1.5) == ["1", "1.5"]
    assert distinctly(written, 1.0, 1.00000001) == ["1", "1.00000001"]
    assert distinctly(told, Outcome((1,), (0.5,)), Outcome((1,), (0.50000001,)))[0] == "[0.5]"


def test_a_row_may_choose_by_where():
    """As the words about a row with an if advise; silu is x/(1 + e^(-x)) on either side of 0."""
    silu = lambda xp, x: xp.divide(x, 1.0 + xp.exp(-x))  # noqa: E731
    row = Primitive(
        "silu",
        "x",
        forward=lambda xp, x: xp.where(x > 0.0, silu(xp, x), silu(xp, x)),
        partials=lambda xp, out, x: ((1.0 + x - out) / (1.0 + xp.exp(-x)),),
    )

    assert graded("gates_5", row).status == "right"
