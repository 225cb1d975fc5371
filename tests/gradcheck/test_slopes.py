"""Slopes measured from values alone, and the manners of the checkers that use them."""

import inspect

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from tinygrad_edu import Value, exp, sigmoid, sin, tanh
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.gradcheck import check_gradient, check_graph, check_rule, slopes

SMOOTH = {
    "sin": (sin, mpmath.cos),
    "tanh": (tanh, lambda x: mpmath.sech(x) ** 2),
    "exp": (exp, mpmath.exp),
    "sigmoid": (sigmoid, lambda x: mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2),
    "x**3": (lambda x: x**3, lambda x: 3 * mpmath.mpf(x) ** 2),
    "1 / (1 + x x)": (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + mpmath.mpf(x) ** 2) ** 2),
    "sin(20 x)": (lambda x: sin(20 * x), lambda x: 20 * mpmath.cos(20 * mpmath.mpf(x))),
}


ROUGH = {
    "sin(x + 1e5)": (lambda x: sin(x + 1e5), lambda x: mpmath.cos(mpmath.mpf(x) + 100_000)),
    "(x + 1e4)**2 - 1e8": (lambda x: (x + 1e4) ** 2 - 1e8, lambda x: 2 * (x + mpmath.mpf(10_000))),
}


@pytest.mark.parametrize("name", [*SMOOTH, *ROUGH])
@given(x=st.floats(-20.0, 20.0))
def test_differences_know_how_far_off_they_are(name, x):
    """The tolerance is honest: no smaller than the true error, and small enough to be of use."""
    f, exact = (SMOOTH | ROUGH)[name]

    slope = slopes.extrapolated(f, x)

    true = float(exact(mpmath.mpf(x)))
    useful = 1e-8 if name in SMOOTH else 1e-6
    assert abs(slope.left - true) <= slope.error
    assert slope.error <= useful * max(abs(true), abs(f(x)), 1.0)


def test_nothing_is_printed(capsys):
    """A report is returned; what to do with it is up to the reader."""
    check_rule(ops.TANH, 0.5)
    check_gradient(lambda x: x * x, 1.0)
    check_graph(Value(0.5).tanh())

    assert capsys.readouterr() == ("", "")


def test_the_precision_of_mpmath_stays_as_it_was():
    """The digits are those of a context of our own; the reader's is not touched."""
    before = mpmath.mp.dps

    check_rule(ops.TANH, 0.5)

    assert mpmath.mp.dps == before


@pytest.mark.parametrize(
    "namespace",
    [oracles.mp, slopes.arithmetic()[0], slopes._COMPLEX],
    ids=["mp", "numbers", "complex"],
)
def test_every_function_that_rows_may_use_is_everywhere(namespace):
    """What ieee offers has a twin on 40 digits, on 800 digits, and on complex numbers."""
    names = {name for name, thing in vars(ieee).items() if inspect.isroutine(thing)}

    assert names <= set(vars(namespace))
