"""The independent truths agree with closed formulas, and points can be read and typed."""

from decimal import Decimal
from math import cosh, exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.course import oracles

numbers = st.floats(-3.0, 3.0)


@given(numbers, numbers)
def test_complex_steps_give_every_partial_derivative(x, y):
    """Of a polynomial, to the last digits."""
    assert oracles.slopes(lambda a, b: a * a * b + 3 * b)(x, y) == pytest.approx(
        [2 * x * y, x * x + 3], rel=1e-14, abs=1e-14
    )


@given(numbers, numbers)
def test_a_gate_multiplies_what_arrives_by_its_slopes(x, upstream):
    """The sigmoid's slope is 1 / (4 cosh²(x / 2)); what arrives is the last argument."""
    (sent,) = oracles.flowing(oracles.sigmoid)(x, upstream)

    assert sent == pytest.approx(upstream / (4 * cosh(x / 2) ** 2), rel=1e-13, abs=1e-300)


def test_the_larger_keeps_its_imaginary_part():
    """So the slope of the maximum is 1 for one input and 0 for the other."""
    assert oracles.slopes(oracles.larger)(2.0, 1.0) == [1.0, 0.0]
    assert oracles.slopes(oracles.larger)(1.0, 2.0) == [0.0, 1.0]


def test_softmax_has_room_for_any_logit():
    """Where e to the logit would overflow, and where it would be 0."""
    far, near = oracles.softmax([1000.0, 999.0])

    assert float(far) == pytest.approx(1 / (1 + exp(-1.0)), rel=1e-15)
    assert float(near) == pytest.approx(1 / (1 + exp(1.0)), rel=1e-15)
    assert 0 < oracles.softmax([-1000.0, 1000.0])[0] < Decimal("1e-800")


def test_the_central_difference_is_exact():
    """Of t³ it is 3x² + h², whatever floats would make of it."""
    cube = oracles.Polynomial((0, 0, 0, 1))

    assert oracles.central(cube, 0.5, 2.0**-40) == 0.75 + 2.0**-80
    assert (repr(cube), repr(oracles.Polynomial((0,)))) == ("1*t**3", "0")


def test_points_have_two_decimals_and_are_never_0():
    """At 0 many a mistake gives the right answer; long numbers can't be read."""
    rng = Random(0)

    drawn = [oracles.one(rng, -0.02, 0.02) for _ in range(1000)]

    assert 0.0 not in drawn
    assert all(x == round(x, 2) for x in drawn)
    assert [len(row) for row in oracles.rows(rng, 2, 3)] == [3, 3]
    assert len(oracles.uniform(4)(rng)) == 4
