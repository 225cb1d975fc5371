"""Text from the command line becomes a graph, or a worded refusal, and nothing else."""

import math
import re
import warnings

import pytest

from tests.promises.fuzz import ATTACKS, named
from tinygrad_edu import topological_order
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import ExpressionError
from tinygrad_edu.expression import FUNCTIONS, LONGEST, evaluate, parse_number

NEURON = "sigmoid(w0*x0 + w1*x1 + w2)"
NUMBERS = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}


def test_the_books_neuron_has_the_value_and_gradients_of_the_closed_form():
    """sigmoid(z) at z = 1 is 0.7311 and dL/dw_i = s (1 - s) x_i."""
    root, leaves = evaluate(NEURON, NUMBERS)

    root.backward()

    s = 1 / (1 + math.exp(-1))
    slope = s * (1 - s)
    assert root.data == pytest.approx(s, rel=1e-15)
    expected = {"w0": -slope, "x0": 2 * slope, "w1": -2 * slope, "x1": -3 * slope, "w2": slope}
    assert {name: leaf.grad for name, leaf in leaves.items()} == pytest.approx(expected, rel=1e-14)


def test_every_row_of_the_table_can_be_called_by_name():
    """A row is a function of the command line by being a row."""
    for op in ops.TABLE.values():
        operands = ["x", "x"][: len(op.domain)]

        root, _ = evaluate(f"{op.name}({', '.join(operands)})", {"x": 0.5})

        assert root.op is op


def test_python_and_the_parser_agree_on_precedence():
    """Operators bind as in Python: -x**2 is -(x**2), a**b**c is a**(b**c)."""
    root, _ = evaluate("-x**2 + 2**x**2 / 3 - x", {"x": 1.5})

    assert root.data == pytest.approx(-(1.5**2) + 2 ** (1.5**2) / 3 - 1.5, rel=1e-15)


def test_inner_nodes_carry_their_own_text():
    """The table of the command line names each step by the text it came from."""
    root, _ = evaluate("  (x + 1) * x ", {"x": 2.0})

    assert [root.label, root.inputs[0].label] == ["(x + 1) * x", "x + 1"]


def test_inner_nodes_carry_their_own_text_over_lines_and_beyond_ascii():
    """Lines may end in any of three ways, and letters take more than one byte."""
    root, _ = evaluate("(é *\r\n2 +\r(é\n** 3)) - é", {"é": 2.0})

    labels = {v.label for v in topological_order(root) if v.op}
    assert labels == {
        "(é *\r\n2 +\r(é\n** 3)) - é",
        "é *\r\n2 +\r(é\n** 3)",
        "é *\r\n2",
        "é\n** 3",
    }


@pytest.mark.parametrize(
    "text",
    [
        *(text for text in ATTACKS if text != "(exp)(x)"),
        *("[x]", "x(x)", "", "(", "x\x00", "x" * (LONGEST + 1), "9" * 5000),
        *("(" * 4000 + "x" + ")" * 4000, "-" * 5000 + "x"),
    ],
)
def test_anything_but_arithmetic_is_refused_in_words(text):
    """Calls, attributes, comparisons, text, nesting without end: a worded error, never another."""
    with pytest.raises(ExpressionError):
        evaluate(text, named(text))


def test_towers_of_powers_are_bounded():
    """9**9**9 is a float, so it is inf at once, and not a number of 370 million digits."""
    root, _ = evaluate("9**9**9 * x", {"x": 1.0})

    assert root.data == math.inf


def test_a_number_without_a_name_is_refused():
    """A typo in a name is found, on this side too."""
    with pytest.raises(ExpressionError, match="z got a value, but is not in the expression"):
        evaluate("x", {"x": 1.0, "z": 2.0})


@pytest.mark.parametrize("word", ["x", "x=", "=1", "1=2", "x=1=2", "x=a", "exp=1", "x y=1"])
def test_words_that_are_not_an_assignment_are_refused(word):
    """name=number, and nothing near it."""
    with pytest.raises(ExpressionError, match=f"^expected name=number, got {word!r}"):
        parse_number(word)


@pytest.mark.parametrize(("typed", "read"), [("µ", "μ"), ("ﬁ", "fi"), ("ℌ", "H")])
def test_a_name_is_the_same_in_the_expression_and_with_its_number(typed, read):
    """Python reads the micro sign as the letter mu, and so on: both places do."""
    root, leaves = evaluate(f"{typed} * 3", {typed: 2.0})

    assert parse_number(f"{typed}=2") == (read, 2.0)
    assert [*leaves] == [typed]
    assert root.data == 6.0
    assert evaluate(f"{typed} * 3", {read: 2.0})[0].data == 6.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_without_its_operands_is_named_as_one(name):
    """The advice is a call that works, not a number for its name."""
    with pytest.raises(ExpressionError, match=rf"{name} is a function") as refused:
        evaluate(f"1 + {name}", {})

    call = re.search(r"write (.*)\.", str(refused.value))[1]
    given = {"x": 0.5, "y": 0.5} if "y" in call[len(name) :] else {"x": 0.5}
    assert isinstance(evaluate(call, given)[0].data, float)


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        ("exp(x, x)", "exp takes 1 operand, got 2.", "write exp(x)."),
        ("max(x)", "max takes 2 operands, got 1.", "write max(x, y)."),
        ("foo(x)", "'foo' is not a function of an expression.", "for example exp(x)."),
        ("y", "the name 'y' has no value.", "for example y=2."),
        ("9" * 400, f"the number {'9' * 20}... is too large.", "at most 1.8e308."),
        ("x // 2", "'x // 2' is not allowed in an expression.", "for example max(x, 0)**2."),
    ],
)
def test_a_refusal_names_the_part_and_what_to_write(text, said, fix):
    """The first line says what is wrong, the last what works."""
    with pytest.raises(ExpressionError) as refused:
        evaluate(text, {"x": 1.0})

    lines = str(refused.value).splitlines()
    assert lines[0] == said
    assert lines[-1].endswith(fix)


def test_python_does_not_warn_of_what_is_refused():
    """``1if`` is refused in words alone, without a SyntaxWarning before them."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(ExpressionError):
            evaluate("1if", {})

    assert seen == []
