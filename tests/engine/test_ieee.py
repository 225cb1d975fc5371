"""``ieee`` answers as NumPy does: for every special value, and to an ulp for all others."""

import inspect
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.engine import ieee

NAMES = [
    *("abs", "cos", "cosh", "divide", "equal", "exp", "log", "log1p", "maximum", "minimum"),
    *("not_equal", "power", "sin", "sqrt", "tanh", "where"),
]
UNARY = ["abs", "cos", "cosh", "exp", "log", "log1p", "sin", "sqrt", "tanh"]
BINARY = ["divide", "maximum", "minimum", "power"]
every = pytest.mark.parametrize("name", UNARY + BINARY)
MAGNITUDES = [0.0, 5e-324, 1e-300, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.0, 709.0, 710.0, 745.0, 746.0]
MAGNITUDES += [2.0**52 + 1, 2.0**53, 1e300, 1.7976931348623157e308, math.inf]
SPECIAL = [sign * x for x in MAGNITUDES for sign in (1.0, -1.0)] + [math.nan]


# where an exponent is 1/2, NumPy takes the square root; IEEE 754-2019, section 9.2.1, asks for:
STANDARD = {("power", -0.0, 0.5): 0.0, ("power", -math.inf, 0.5): math.inf}


def by_numpy(name, *xs):
    """The same function of NumPy, its warnings aside, or what the standard asks for instead."""
    call = (name, *xs)
    if call in STANDARD:
        return STANDARD[call]
    with np.errstate(all="ignore"):
        return float(getattr(np, name)(*map(np.float64, xs)))


def same(ours, theirs, ulps=2):
    """Whether two floats are equal (nan equals nan, 0 is not -0), or differ by a few ulps."""
    if math.isnan(theirs) or math.isinf(theirs) or theirs == 0.0:
        return math.isnan(ours) == math.isnan(theirs) and repr(ours) == repr(theirs)
    return abs(ours - theirs) <= ulps * math.ulp(theirs)


def test_the_names_are_all_here_and_all_numpys():
    """Rows may use the names listed above; each is a function of NumPy, too."""
    ours = [name for name, thing in vars(ieee).items() if inspect.isroutine(thing)]

    assert sorted(ours) == NAMES
    assert all(callable(getattr(np, name)) for name in NAMES)


def right(name, xs, either_zero):
    """Whether a function gives the float that NumPy gives; 0 may be -0 where that is said."""
    ours, theirs = getattr(ieee, name)(*xs), by_numpy(name, *xs)
    return type(ours) is float and (same(ours, theirs) or (name in either_zero and ours == theirs))


@every
def test_special_values(name):
    """Zeros of either sign, subnormals, limits of the range, inf, nan, and pairs of them."""
    points = itertools.product(SPECIAL, repeat=1 + (name in BINARY))

    assert [xs for xs in points if not right(name, xs, ("maximum", "minimum"))] == []


@every
@given(xs=st.tuples(st.floats(), st.floats()))
def test_any_numbers(name, xs):
    """Any of all floats: within two ulps of NumPy, whose loops round otherwise."""
    assert right(name, xs[: 1 + (name in BINARY)], BINARY)


@given(x=st.floats(), y=st.floats())
def test_a_choice_and_a_comparison(x, y):
    """where and equal take Python's bool, and tell nan from itself."""
    assert repr(ieee.where(x < y, x, y)) == repr(float(np.where(x < y, x, y)))
    assert ieee.equal(x, y) is bool(np.equal(x, y))
    assert ieee.equal(x, x) is (not math.isnan(x))


@pytest.mark.parametrize("wrong", [2.0 + 3 * math.ulp(2.0), -2.0, math.inf, math.nan])
def test_the_comparison_can_fail(wrong):
    """Three ulps off, the other sign, inf or nan are not "the same" as 2."""
    assert same(2.0, 2.0)
    assert not same(wrong, 2.0)
