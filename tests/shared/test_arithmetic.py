"""Sums and norms of many floats: rounded once, and finite where the result is."""

import math

import pytest

from tinygrad_edu.shared.arithmetic import exact_sum, root_mean_square


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([0.1] * 10, 1.0),
        ([1e308] * 2, math.inf),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([], 0.0),
    ],
)
def test_sums_are_rounded_once_and_never_fail(numbers, total):
    """Where ``fsum`` raises an error, the sum is what IEEE 754 says."""
    assert exact_sum(numbers) == pytest.approx(total, rel=0.0, nan_ok=True)


@pytest.mark.parametrize("unit", [1.0, 1.2e154, 1e300, 1e-200, 5e-324])
def test_a_root_mean_square_is_right_where_squares_overflow_or_vanish(unit):
    """3 and 4 have the norm 5: half of it for four numbers."""
    found = root_mean_square([3.0 * unit, 4.0 * unit, 0.0, 0.0])

    assert found == pytest.approx(2.5 * unit, rel=1e-15)


def test_a_root_mean_square_of_what_is_not_finite_is_not_finite():
    """Infinity wins over nan, as IEEE 754 has it for hypot."""
    assert root_mean_square([math.inf, 1.0]) == math.inf
    assert math.isnan(root_mean_square([math.nan, 1.0]))
