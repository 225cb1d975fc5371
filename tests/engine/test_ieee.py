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
    *("power", "sin", "sqrt", "tanh", "where"),
]
UNARY = ["abs", "cos", "cosh", "exp", "log", "log1p", "sin", "sqrt", "tanh"]
BINARY = ["divide", "maximum", "minimum", "power"]
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


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("x", SPECIAL)
def test_special_values_of_one_number(name, x):
    """Zeros of either sign, subnormals, limits of the range, inf and nan: as in NumPy."""
    ours = getattr(ieee, name)(x)

    assert type(ours) is float
    assert same(ours, by_numpy(name, x))


@pytest.mark.parametrize("name", ["divide", "power"])
def test_special_values_of_two_numbers(name):
    """The same for all pairs of them."""
    wrong = [
        (x, y, ours, theirs)
        for x, y in itertools.product(SPECIAL, SPECIAL)
        if not same(ours := getattr(ieee, name)(x, y), theirs := by_numpy(name, x, y))
    ]

    assert wrong == []


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("x", SPECIAL)
def test_the_larger_and_the_smaller_of_special_values(name, x):
    """nan if either is nan, else as in NumPy, for which 0 and -0 are equal."""
    ours = [getattr(ieee, name)(x, y) for y in SPECIAL]
    theirs = [by_numpy(name, x, y) for y in SPECIAL]

    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", UNARY)
@given(x=st.floats())
def test_any_number(name, x):
    """One number, any of all floats: within two ulps of NumPy, whose loops round otherwise."""
    assert same(getattr(ieee, name)(x), by_numpy(name, x))


@pytest.mark.parametrize("name", BINARY)
@given(x=st.floats(), y=st.floats())
def test_any_two_numbers(name, x, y):
    """Two numbers, any of the floats, zeros of either sign being equal."""
    ours, theirs = getattr(ieee, name)(x, y), by_numpy(name, x, y)

    assert ours == theirs or same(ours, theirs)


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
