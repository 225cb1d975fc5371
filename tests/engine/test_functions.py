"""The free functions: of numbers a number, of Values a Value."""

import inspect
import math

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import functions, ops
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.ops import Primitive

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


def of(forward, partial=0.0):
    """The function of a user's row."""
    return as_function(
        Primitive("own", "f", forward=forward, partials=lambda xp, out, x: (partial,))
    )


@pytest.mark.parametrize(
    ("out", "expected"), [(True, 1.0), (3, 3.0), (np.float64(2.5), 2.5), (np.int64(2), 2.0)]
)
def test_a_row_of_ones_own_gives_floats(out, expected):
    """Whatever it returns: conditions, whole numbers, NumPy's numbers."""
    function = of(lambda xp, x: out)

    for got in (function(0.5), function(Value(0.5)).data):
        assert got == expected
        assert type(got) is float


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda xp, x: 1.0 / x, "division by zero"),
        (lambda xp, x: (x - 1.0) ** 0.5, "complex"),
        (lambda xp, x: math.exp(x + 1e4), "range"),
        (lambda xp, x: math.log(x), "domain|positive"),
        (lambda xp, x: x * 10**400, "too large"),
    ],
)
@pytest.mark.parametrize("kind", [float, Value])
def test_a_row_of_ones_own_that_gives_no_number_is_named(forward, why, kind):
    """Where Python raises, or computes a complex number, and xp would not."""
    with pytest.raises(OperandError, match=f"^the row own has no value at 0.0: .*({why})"):
        of(forward)(kind(0.0))


def test_a_row_of_ones_own_without_a_slope_is_named():
    """Where Python raises in its partials; the gradient before stays."""
    op = Primitive(
        "own", "f", forward=lambda xp, x: x, partials=lambda xp, out, x: (1.0 / (x - x),)
    )
    x = Value(2.5)

    with pytest.raises(OperandError, match=r"^the row own has no slope at 2\.5: float division"):
        as_function(op)(x).backward()

    assert x.grad == 0.0


def test_what_a_row_refuses_itself_is_left_as_it_is():
    """An error in words needs no others."""
    with pytest.raises(OperandError, match=r"^expected a real number, got NoneType"):
        of(lambda xp, x: None)(2.0)


@pytest.mark.parametrize("where", ["forward", "partials"])
def test_a_row_that_floats_misread_is_refused_at_once(where):
    """Python computes ~True as -2, which is true: the row would be wrong without a word."""
    forward = lambda xp, x: xp.where(~(x > 0.0), 1.0, 2.0)  # noqa: E731
    harmless = lambda xp, x: x  # noqa: E731
    first, second = (forward, harmless) if where == "forward" else (harmless, forward)
    partials = lambda xp, out, x: (second(xp, x),)  # noqa: E731
    op = Primitive("own", "f", forward=first, partials=partials)

    with pytest.raises(SettingError, match="~ before a condition"):
        as_function(op)


def test_a_row_that_calls_what_is_not_there_is_refused_at_once():
    """And told what there is."""
    with pytest.raises(SettingError, match=r"calls xp\.tan, which is not there(.|\n)*cosh"):
        of(lambda xp, x: xp.tan(x))


@pytest.mark.parametrize("slopes", [lambda x: 2.0 * x, lambda x: (x, x), lambda x: ()])
def test_partials_that_are_not_one_for_each_input_are_refused_at_once(slopes):
    """A comma is easily forgotten."""
    op = Primitive("own", "f", forward=lambda xp, x: x, partials=lambda xp, out, x: slopes(x))

    with pytest.raises(SettingError, match=r"own are not a tuple of one slope(.|\n)*comma"):
        as_function(op)


@pytest.mark.parametrize("partial", [True, 2, np.float64(2.0)])
def test_gradients_are_floats_whatever_a_partial_is(partial):
    """A condition, a whole number or one of NumPy's."""
    x = Value(0.5)
    of(lambda xp, x: x, partial)(x).backward()

    assert (x.grad, type(x.grad)) == (float(partial), float)


def test_a_gradient_that_is_complex_is_refused():
    """As x ** -0.5 is for a negative x; the gradient before stays."""
    x = Value(0.5)

    with pytest.raises(OperandError, match=r"^expected a real number, got complex"):
        of(lambda xp, x: x, 2.0j)(x).backward()

    assert x.grad == 0.0


def test_a_row_for_floats_alone_is_still_a_function():
    """What can't run on symbols is refused where symbols are needed, and not before."""
    assert of(lambda xp, x: math.sin(x) if x > 0.0 else 0.0)(2.0) == math.sin(2.0)
