"""Rows run on symbols: the same row that computes also writes itself."""

import math

import numpy as np
import pytest

from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.formulas import as_math
from tinygrad_edu.engine.symbols import (
    SYMBOLS,
    Expression,
    forward_of,
    inputs_of,
    names_in,
    partials_of,
    simplify,
    times,
    variable,
)

X, Y = variable("x0"), variable("x1")
OF = {"x0": "x", "x1": "y", "out": "z"}


def text(atom):
    """An expression in x, y and z, the result."""
    return as_math(atom, OF)


@pytest.mark.parametrize(
    ("name", "value", "slopes"),
    [
        ("add", "x + y", ["1", "1"]),
        ("sub", "x − y", ["1", "−1"]),
        ("mul", "x ⊙ y", ["y", "x"]),
        ("exp", "exp(x)", ["z"]),
        ("sin", "sin(x)", ["cos(x)"]),
        ("relu", "max(x, 0)", ["[x > 0]"]),
    ],
)
def test_a_row_writes_its_value_and_its_slopes(name, value, slopes):
    """By running its own forward and partials on names instead of numbers."""
    op = ops.TABLE[name]
    inputs = inputs_of(len(slopes), None)

    assert text(forward_of(op, *inputs)) == value
    assert [text(slope) for slope in partials_of(op, variable("out"), *inputs)] == slopes


@pytest.mark.parametrize("op", ops.TABLE.values(), ids=lambda op: op.name)
def test_every_row_can_be_written(op):
    """In its inputs and its result alone, with words for every function that it uses."""
    inputs = inputs_of(op.arity, None)
    names = {f"x{i}" for i in range(op.arity)}

    for written in (forward_of(op, *inputs), *partials_of(op, variable("out"), *inputs)):
        assert names_in(written) <= names | {"out"}
        assert text(written)


@pytest.mark.parametrize(
    ("atom", "expected"),
    [
        (X * 1.0, "x"),
        (1.0 * X, "x"),
        (-1.0 * X, "−x"),
        (X**1.0, "x"),
        (X**2.0, "x^2"),
        (2.0 * X, "2 x"),
        (X * (X + Y), "x ⊙ (x + y)"),
        (SYMBOLS.where(SYMBOLS.equal(2.0, 2.0), X, Y), "x"),
        (SYMBOLS.where(SYMBOLS.equal(2.0, 3.0), X, Y), "y"),
        (SYMBOLS.where(X > 0.0, Y, Y), "y"),
        (Expression("subtract", (3.0, 1.0)), "2"),
        (X + 0.0, "x + 0"),
    ],
)
def test_what_changes_no_bit_is_left_out(atom, expected):
    """Factors and exponents of 1, and choices already made; x + 0 stays: -0.0 + 0.0 is 0.0."""
    assert text(simplify(atom)) == expected


def test_times_leaves_out_a_factor_of_one():
    """And writes a sign for a factor of -1."""
    assert text(times(X, 1.0)) == "x"
    assert text(times(-1.0, X)) == "−x"
    assert text(times(X, Y)) == "x ⊙ y"


def test_a_number_may_be_part_of_the_code():
    """The last input of a row, where it is a constant."""
    x, two = inputs_of(1, 2.0)

    assert text(forward_of(ops.TABLE["pow"], x, two)) == "x^2"


def repeated(step, times):
    """A symbol after a loop."""
    y = X
    for _ in range(times):
        y = step(y)
    return y


@pytest.mark.parametrize(
    ("use", "advice"),
    [
        (lambda: 1 if X > 0.0 else 0, "xp.where"),
        (lambda: 0.0 < X < 1.0, "(0.0 < x) & (x < 1.0)"),
        (lambda: not X > 0.0, "xp.where"),
        (lambda: max(X, 0.0), "xp.maximum"),
        (lambda: min(X, Y), "xp.minimum"),
        (lambda: X == 0.0, "xp.equal"),
        (lambda: X != 0.0, "xp.not_equal"),
        (lambda: X > 0.0 & Y > 0.0, "(x > 0.0) & (x < 1.0)"),
        (lambda: X | Y, "(x > 0.0) | (x < 1.0)"),
        (lambda: (X > 0.0) ^ 1, "(x > 0.0) ^ (x < 1.0)"),
        (lambda: math.sin(X), "xp.sin"),
        (lambda: math.floor(X), "compiled=False"),
        (lambda: math.ceil(X), "compiled=False"),
        (lambda: math.trunc(X), "compiled=False"),
        (lambda: round(X), "compiled=False"),
        (lambda: round(X, 2), "compiled=False"),
        (lambda: int(X), "compiled=False"),
        (lambda: float(X > 0.0), "compiled=False"),
        (lambda: complex(X), "compiled=False"),
        (lambda: [1.0, 2.0][X], "compiled=False"),
        (lambda: X % 2.0, "compiled=False"),
        (lambda: 2.0 % X, "compiled=False"),
        (lambda: X // 2.0, "compiled=False"),
        (lambda: divmod(X, 2.0), "compiled=False"),
        (lambda: np.floor(X), "compiled=False"),
        (lambda: np.add.reduce(X), "compiled=False"),
        (lambda: ~(X > 0.0), "swap yes and no"),
        (lambda: repeated(lambda y: 0.5 * (y + X / y), 12), "in steps on Values"),
        (lambda: repeated(lambda y: y + 1.0, 101), "in steps on Values"),
    ],
)
def test_what_a_symbol_can_not_follow_is_refused(use, advice):
    """In words, with what to write in its place."""
    with pytest.raises(SettingError, match="a row of the table") as caught:
        use()

    assert advice in str(caught.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("atom", "expected"),
    [
        ((X > 0.0) + (Y > 0.0), "[x > 0] + [y > 0]"),
        (-(X > 0.0), "−[x > 0]"),
        (+(X > 0.0), "[x > 0]"),
        ((X > 0.0) > (Y > 0.0), "[x > 0] > [y > 0]"),
        ((X > 0.0) ^ (Y > 0.0), "[x > 0] ≠ [y > 0]"),
        (SYMBOLS.where(X, X > 0.0, 2.0), "[x > 0] if x ≠ 0 else 2"),
        (SYMBOLS.where(X > 0.0, X > 1.0, X < -1.0), "([x > 1] if x > 0 else [x < −1]) ≠ 0"),
        (np.float64(2.0) * X, "2 x"),
        (np.float64(2.0) > X, "2 > x"),
        (np.tanh(X), "tanh(x)"),
        (np.divide(1.0, np.abs(X)), "1 / abs(x)"),
    ],
)
def test_conditions_count_as_0_or_1_and_numbers_as_conditions(atom, expected):
    """As they do on floats; NumPy's numbers and functions are taken like Python's."""
    assert text(atom) == expected


@pytest.mark.parametrize(
    ("divisor", "is_safe"),
    [
        *((2.0, True), (0.0, False), (-2.0, False), (X, False), (abs(X), False)),
        *((1.0 + SYMBOLS.exp(X), True), (1.0 + abs(X), True), (-1.0 + abs(X), False)),
        (SYMBOLS.cosh(X), True),
    ],
)
def test_a_division_is_pythons_own_where_the_divisor_is_above_0(divisor, is_safe):
    """Elsewhere it is IEEE's, which gives inf or nan where Python raises."""
    wanted = "true_divide" if is_safe else "divide"

    assert simplify(X / divisor).function == wanted
    assert simplify(SYMBOLS.divide(X, divisor)).function == wanted


def test_a_row_that_is_a_condition_is_1_or_0():
    """Its value and its partials: figures write Iverson's bracket, and arrays are of numbers."""
    holds = lambda xp, *xs: xs[-1] > 0.0  # noqa: E731
    op = ops.Primitive("holds", "h", forward=holds, partials=lambda *xs: (holds(*xs),))

    assert text(forward_of(op, X)) == "[x > 0]"
    assert [text(partial) for partial in partials_of(op, variable("out"), X)] == ["[x > 0]"]
