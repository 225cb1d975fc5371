"""check_rule on forwards that leave the numbers of ``xp``: measured by floats, or not judged."""

import bisect
import math
import random
from dataclasses import replace
from itertools import count

import mpmath
import numpy as np
import pytest

from tinygrad_edu import Value, as_function
from tinygrad_edu.engine.errors import GradientMismatch, LengthError, SettingError
from tinygrad_edu.engine.ops import REAL, Primitive
from tinygrad_edu.gradcheck import check_gradient, check_graph, check_rule

SQUARES = [0.0, 1.0, 4.0, 9.0, 16.0]
CALLS = count(1)
W = Value(3.0)


def looked_up(x):
    """Interpolate between the squares."""
    i = int(x)
    return SQUARES[i] + (x - i) * (SQUARES[i + 1] - SQUARES[i])


# forward, its true slope, and where
BY_FLOATS = {
    "math.sin": (math.sin, math.cos, 2.0),
    "2 math.sin": (lambda x: 2.0 * math.sin(x), lambda x: 2.0 * math.cos(x), 2.0),
    "x math.sin": (lambda x: x * math.sin(x), lambda x: math.sin(x) + x * math.cos(x), 2.0),
    "math.sin far out": (math.sin, math.cos, 1e6),
    "math.sin near 0": (math.sin, math.cos, 1e-300),
    "underflow": (lambda x: math.fabs(x) * x, lambda x: 2.0 * x, 1e-300),
    "math.exp": (math.exp, math.exp, 700.0),
    "math.erf": (math.erf, lambda x: 2.0 / math.sqrt(math.pi) * math.exp(-x * x), 0.3),
    "math.fabs near its kink": (math.fabs, lambda x: 1.0, 1e-300),
    "np.sin": (np.sin, math.cos, 2.0),
    "np.float64": (lambda x: np.sin(np.float64(x)), math.cos, 2.0),
    "an array": (lambda x: np.exp(np.array([x], float))[0], math.exp, 1.0),
    "mpmath's own context": (
        lambda x: x * mpmath.sin(x),
        lambda x: math.sin(x) + x * math.cos(x),
        2.0,
    ),
    "a table": (looked_up, lambda x: 5.0, 2.5),
    "np.interp": (lambda x: np.interp(x, range(5), SQUARES), lambda x: 5.0, 2.5),
    "text": (lambda x: float(str(x)) ** 2, lambda x: 2.0 * x, 2.3),
    "other on floats": (lambda x: x * x if type(x) is float else x, lambda x: 2.0 * x, 2.3),
    "refused to others": (lambda x: x * x if type(x) is float else None, lambda x: 2.0 * x, 2.3),
    "math.floor": (math.floor, lambda x: 0.0, 2.5),
    "int": (int, lambda x: 0.0, 2.5),
    "//": (lambda x: x // 1, lambda x: 0.0, 2.5),
}
# exact on any kind of number, though no function of xp is called
EXACT = {
    "a constant": (lambda x: 1, lambda x: 0.0, 2.3),
    "%": (lambda x: x % 1, lambda x: 1.0, 2.3),
    "abs and max": (lambda x: max(abs(x) * x, 1.0), lambda x: 2.0 * abs(x), 2.3),
    "a step": (lambda x: SQUARES[bisect.bisect(SQUARES, x)], lambda x: 0.0, 2.5),
    "the data of a Value": (lambda x: x * W.data, lambda x: 3.0, 2.5),
}
# what can't be measured, and a word of the reason
UNKNOWN = {
    "a jump": (math.floor, 2.0, "no finite slope"),
    "a jump of xp": (lambda x: 2.0 if x >= 2.0 else 1.0, 2.0, "no finite slope"),
    "a cusp": (lambda x: math.sqrt(abs(x)), 0.0, "no finite slope"),
    "a pole": (lambda x: math.inf if x == 0.0 else 1.0 / (x * x), 0.0, "no finite slope"),
    "nothing near by": (lambda x: {2.5: 1.0}[x], 2.5, "no finite slope"),
    "too far out": (math.sin, 1e300, "no finite slope"),
    "nan": (lambda x: math.nan, 2.0, "no finite slope"),
    "inf": (lambda x: math.inf, 2.0, "no finite slope"),
    "outside the domain": (math.log, -1.0, "forward failed: ValueError: math domain error"),
    "None": (lambda x: None, 1.0, "forward failed: .* got NoneType"),
    "text": (lambda x: "1", 1.0, "forward failed: .* got str"),
    "a complex number": (lambda x: x * 1j, 1.0, "forward failed: .* got complex"),
    "a Value": (lambda x: x * W, 1.0, "forward failed: .* got Value"),
    "chance": (lambda x: x * random.random(), 1.0, "another number"),
    "a little chance": (lambda x: x + 1e-9 * random.random(), 1.0, "another number"),
    "memory": (lambda x: x * next(CALLS), 1.0, "another number"),
}


def row(f, slope=lambda x: 0.0):
    """A row whose forward is a function of x alone."""
    return Primitive("f", "f(x)", lambda xp, x: f(x), lambda xp, out, x: (slope(x),))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*BY_FLOATS, *EXACT])
def test_the_right_slope_passes_and_a_wrong_one_does_not(name):
    """By whatever numbers it was measured, and the report says which."""
    f, slope, x = (BY_FLOATS | EXACT)[name]

    report = check_rule(row(f, slope), x)

    method = "mpmath" if name in EXACT else "extrapolated differences of"
    assert name == "//" or report.method.startswith(method)  # mpmath divides so from 1.4 on
    assert report.tolerance <= 1e-9
    wrongs = [lambda x: 1.5 * slope(x) + 0.5, lambda x: slope(x) * (1.0 + 1e-6) + 1e-6]
    for wrong in [*wrongs, *[lambda x: 0.0] * (abs(slope(x)) > 1e-9)]:
        with pytest.raises(GradientMismatch, match="but should be"):
            check_rule(row(f, wrong), x)


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_what_was_not_measured_is_neither_right_nor_wrong(name, slope):
    """Whatever the partial is, and the reason is said."""
    f, x, reason = UNKNOWN[name]

    with pytest.raises(SettingError, match=f"(?s)^f.* can't be checked.*{reason}"):
        check_rule(row(f, lambda x: slope), x)


def test_a_kink_that_floats_see_lets_all_between_pass():
    """math.fabs at 0, listed or not."""
    silent = row(math.fabs, lambda x: 0.5)
    listed = replace(silent, kinks=(0.0,))

    assert check_rule(listed, 0.0).checked == 1
    with pytest.raises(GradientMismatch, match=r"but should be between -1 and 1\."):
        check_rule(replace(listed, partials=lambda xp, out, x: (1.5,)), 0.0)
    with pytest.raises(GradientMismatch, match="the slope jumps from -1 to 1, but the kinks"):
        check_rule(silent, 0.0)


@pytest.mark.parametrize(
    ("f", "slopes", "at"),
    [
        (math.hypot, lambda x, y: (x / math.hypot(x, y), y / math.hypot(x, y)), (3.0, 4.0)),
        (math.atan2, lambda x, y: (y / (x * x + y * y), -x / (x * x + y * y)), (3.0, -4.0)),
        (math.fmod, lambda x, y: (1.0, -float(math.trunc(x / y))), (7.5, 2.0)),
    ],
)
def test_each_input_of_two_is_measured(f, slopes, at):
    """The right pair passes, and swapped it does not."""
    right = Primitive(
        *("f", "f(x, y)", lambda xp, x, y: f(x, y), lambda xp, out, x, y: slopes(x, y)),
        domain=(REAL, REAL),
    )

    assert check_rule(right, *at).checked == 2
    with pytest.raises(GradientMismatch, match="partial 0"):
        check_rule(replace(right, partials=lambda xp, out, x, y: slopes(x, y)[::-1]), *at)


@pytest.mark.parametrize(
    ("partials", "error", "said"),
    [
        (lambda xp, out, x: 0.5, LengthError, "expected 1 partials in a tuple, got float: 0.5"),
        (lambda xp, out, x: None, LengthError, "in a tuple, got NoneType"),
        (lambda xp, out, x: (), LengthError, "expected 1 partials, got 0"),
        (lambda xp, out, x: (1.0, 2.0), LengthError, "expected 1 partials, got 2"),
        (lambda xp, out, x: ("1",), SettingError, "partials failed: .* got str"),
        (lambda xp, out, x: (xp.erf(x),), SettingError, "partials failed: AttributeError: .*erf"),
        (lambda xp, out, x: (1 / 0,), SettingError, "partials failed: ZeroDivisionError"),
    ],
)
def test_partials_that_are_not_numbers_are_refused(partials, error, said):
    """A comma forgotten, too few, too many, text, or an error of the row's own."""
    with pytest.raises(error, match=said):
        check_rule(replace(row(math.sin), partials=partials), 1.0)


@pytest.mark.parametrize("kind", [list, np.array, lambda p: (Value(p[0]),)])
def test_partials_may_come_in_anything_that_the_engine_unpacks(kind):
    """The chain rule takes a list as well as a tuple."""
    right = replace(row(math.sin), partials=lambda xp, out, x: kind([math.cos(x)]))

    assert check_rule(right, 1.0).checked == 1


def test_a_graph_with_such_a_row_is_measured_by_floats():
    """The right slope passes and a wrong one is found, through the rows around it."""
    x, w = Value(2.0, "x"), Value(3.0, "w")
    right, wrong = as_function(row(math.sin, math.cos)), as_function(row(math.sin))

    assert "of floats" in check_graph(right(x * w) + w).method
    with pytest.raises(GradientMismatch, match="the gradient of x at 2"):
        check_graph(wrong(x * w) + w)


def test_a_function_of_chance_is_not_judged():
    """Its two values differ, which is not the fault of a derivative."""
    with pytest.raises(SettingError, match=r"the value at .* another number"):
        check_gradient(lambda x: x * random.random(), 1.0)


def test_a_function_may_close_over_values():
    """They are numbers to it, whatever graph they are in."""
    w = Value(3.0)

    assert check_gradient(lambda x: (x * w).tanh(), 0.2).checked == 1
