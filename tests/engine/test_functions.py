"""The free functions: of numbers a number, of Values a Value."""

import inspect
import math

import pytest

import tinygrad_edu
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import functions, ops
from tinygrad_edu.engine.errors import LengthError, OperandError

ROWS = tuple(ops.TABLE.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def some_numbers(row):
    """A point inside the domain of a row."""
    return (0.75, 1.5)[: len(row.domain)]


@each_row
def test_of_numbers_a_number(row):
    """Plain floats give a plain float, as ieee computes it."""
    out = as_function(row)(*some_numbers(row))

    assert type(out) is float
    assert out == row.forward(tinygrad_edu.engine.ieee, *some_numbers(row))


@each_row
def test_of_values_a_value(row):
    """The same number, with the row and the operands remembered."""
    operands = [Value(x) for x in some_numbers(row)]

    out = as_function(row)(*operands)

    assert type(out) is Value
    assert out.data == as_function(row)(*some_numbers(row))
    assert (out.op, out.inputs) == (row, tuple(operands))


@pytest.mark.parametrize("name", ["maximum", "minimum", "power", "divide", "add", "sub", "mul"])
def test_of_a_number_and_a_value_a_value(name):
    """On either side; the number becomes a constant in its place."""
    function, v = getattr(functions, name), Value(1.5)

    left, right = function(2, v), function(v, 2)

    assert [u.constant for u in left.inputs] == [True, False]
    assert [u.constant for u in right.inputs] == [False, True]
    assert (left.data, right.data) == (function(2.0, 1.5), function(1.5, 2.0))


@each_row
@pytest.mark.parametrize("kind", [float, Value])
def test_too_few_or_too_many_operands_are_refused(row, kind):
    """The error says how many the row takes and how many came."""
    arity = len(row.domain)

    for count in {0, 1, 2, 3} - {arity}:
        with pytest.raises(LengthError, match=f"^{row.name} takes {arity} operands?, got {count}"):
            as_function(row)(*[kind(1.0)] * count)


@pytest.mark.parametrize("x", ["1", None, 1j, [1.0]])
def test_what_is_not_a_number_is_refused(x):
    """In words, alone and beside a Value."""
    for call in (lambda: functions.exp(x), lambda: functions.maximum(x, Value(1.0))):
        with pytest.raises(OperandError, match=r"^expected a real number, got"):
            call()


@pytest.mark.parametrize("number", [True, 2, 0.5])
def test_any_real_number_is_an_operand(number):
    """An int or a bool is computed with as the float it is."""
    assert functions.exp(number) == math.exp(number)
    assert type(functions.maximum(number, -1)) is float


@each_row
def test_a_function_is_named_and_documented_by_its_row(row):
    """So that help(exp) says something."""
    function = as_function(row)

    assert function.__name__ == row.name
    assert row.formula in inspect.getdoc(function)
