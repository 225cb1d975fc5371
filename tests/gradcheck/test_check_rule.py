"""check_rule: a right row passes, and each planted fault is named, with input and factor."""

import math
from dataclasses import replace

import pytest

from tests import oracles
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.errors import GradientMismatch, LengthError, OperandError, SettingError
from tinygrad_edu.gradcheck import check_rule

ROWS = tuple(ops.TABLE.values())
rows = pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
SHORT = replace(ops.MUL, partials=lambda xp, out, x, y: (y,))


def test_a_right_row_is_reported():
    """The report counts the derivatives, and says how near they are, and to what."""
    report = check_rule(ops.DIV, 2.0, 3.0)

    assert report.checked == 2
    assert 0.0 <= report.error <= 4e-16
    assert report.tolerance == pytest.approx(1e-12, rel=1e-3)
    assert report.method == "mpmath at 800 digits"


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.5, 1.0 - 1e-10, 1.0 + 1e-11])
def test_the_wrong_partial_of_two_is_named(i, factor):
    """Partial 0 or 1, never the other, and the factor to all its digits."""
    with pytest.raises(GradientMismatch, match=f"^div: partial {i} at x = 2.0, y = 3.0") as caught:
        check_rule(oracles.scaled(ops.DIV, i, factor), 2.0, 3.0)

    assert str(caught.value).splitlines()[0].endswith(f": wrong by the factor {factor:.13g}.")


def test_partials_in_the_wrong_order_are_noticed():
    """x where y belongs is the mistake of a tired reader."""
    swapped = replace(ops.MUL, partials=lambda xp, out, x, y: (x, y))

    with pytest.raises(GradientMismatch, match=r"partial 0 .* is 2, but should be 3"):
        check_rule(swapped, 2.0, 3.0)


@pytest.mark.parametrize("x", [1000.0, 1e300])
def test_an_infinite_partial_is_right_where_no_float_is_large_enough(x):
    """exp(1000) is 1.97e434, so that inf is the nearest float."""
    assert check_rule(ops.EXP, x).checked == 1

    with pytest.raises(GradientMismatch, match=r"is 1e\+308, but should be inf"):
        check_rule(replace(ops.EXP, partials=lambda xp, out, x: (1e308,)), x)


@pytest.mark.parametrize("x", [364.85, 372.0, -372.6, 700.0, 1e300])
def test_the_smallest_floats_are_right_to_their_last_step(x):
    """tanh' is below 1e-308 there, where floats are 5e-324 apart and have fewer digits."""
    assert check_rule(ops.TANH, x).checked == 1


def test_a_slope_of_zero_is_zero():
    """Where a slope is 0, as of cos at 0, there is no factor, but 1e-30 is wrong."""
    assert check_rule(ops.COS, 0.0).error == 0.0

    with pytest.raises(GradientMismatch, match=r"is 1e-30, but should be 0\.\n"):
        check_rule(replace(ops.COS, partials=lambda xp, out, x: (1e-30,)), 0.0)


@pytest.mark.parametrize(("partial", "right"), [(0.0, 1), (0.5, 1), (1.0, 1), (-0.1, 0), (1.1, 0)])
def test_at_a_kink_all_between_the_slopes_is_right(partial, right):
    """relu has slope 0 below 0 and 1 above; at 0 each number between them may be chosen."""
    row = replace(ops.RELU, partials=lambda xp, out, x: (partial,))

    if right:
        assert check_rule(row, 0.0).checked == 1
    else:
        with pytest.raises(GradientMismatch, match=r"but should be between 0 and 1\."):
            check_rule(row, 0.0)


def test_a_kink_that_the_row_does_not_list_is_noticed():
    """A slope that jumps is not a slope, unless the row says that it is meant."""
    silent = replace(ops.MAXIMUM, kinks=())

    with pytest.raises(
        GradientMismatch, match=r"the slope jumps from 0 to 1, but the kinks .*\(\)"
    ):
        check_rule(silent, 2.0, 2.0)

    assert check_rule(silent, 2.0, 2.0000001).checked == 2


@pytest.mark.parametrize(
    ("op", "point"),
    [
        (ops.LOG, (0.0,)),
        (ops.LOG, (-1.0,)),
        (ops.SQRT, (0.0,)),
        (ops.DIV, (1.0, 0.0)),
        (ops.POW, (-2.0, 2.0)),
        (ops.POW, (3.0, 1e300)),
        (ops.EXP, (math.inf,)),
        (ops.SIN, (math.nan,)),
    ],
    ids=lambda part: getattr(part, "name", str(part)),
)
def test_where_a_row_has_no_slope_it_is_not_checked(op, point):
    """Outside the domain the answer is neither right nor wrong, and that is said."""
    with pytest.raises(SettingError, match=f"^{op.name}: partial . at .* can't be checked"):
        check_rule(op, *point)


@pytest.mark.parametrize(
    ("op", "point", "error", "said"),
    [
        (ops.TANH, (1.0, 2.0), LengthError, r"^tanh: expected 1 numbers, got 2\."),
        (SHORT, (1.0, 2.0), LengthError, r"^mul: expected 2 partials, got 1\."),
        (ops.TANH, ("0.5",), OperandError, "expected a real number, got str"),
    ],
)
def test_what_does_not_fit_the_row_is_refused(op, point, error, said):
    """As many real numbers, and as many partials, as the row has inputs."""
    with pytest.raises(error, match=said):
        check_rule(op, *point)


@rows
def test_without_mpmath_rows_are_checked_all_the_same(op, without_mpmath):
    """A complex step, or differences, pass what is right and catch 1 + 1e-9."""
    point = (1.01, 0.49)[: len(op.domain)]
    partials = op.partials(ieee, op.forward(ieee, *point), *point)
    i = next(i for i, partial in enumerate(partials) if partial != 0.0)

    report = check_rule(op, *point)

    assert "mpmath" not in report.method
    assert report.tolerance < 5e-10
    with pytest.raises(
        GradientMismatch, match=f"^{op.name}: partial {i} .*factor 1\\.000000001\\.\n"
    ):
        check_rule(oracles.scaled(op, i, 1.0 + 1e-9), *point)


@pytest.mark.parametrize(
    ("op", "points", "method"),
    [
        (ops.TANH, (-300.0, -30.0, 1e-8, 30.0, 300.0), "a complex step"),
        (ops.TANH, (360.0,), "extrapolated differences"),  # a slope of 4e-313 times 1e-9 is 0
        (ops.RELU, (0.0,), "extrapolated differences"),
        (ops.ABS, (0.0,), "extrapolated differences"),
    ],
)
def test_without_mpmath_slopes_keep_their_digits(op, points, method, without_mpmath):
    """A complex step subtracts nothing; at kinks, differences see both sides."""
    for x in points:
        report = check_rule(op, x)

        assert report.method == method
        assert report.error < 1e-14
    with pytest.raises(GradientMismatch, match="but should be"):
        check_rule(replace(op, partials=lambda xp, out, x: (1.5,)), points[0])


@pytest.mark.parametrize("x", [0.0, -1.0])
def test_without_mpmath_there_is_no_slope_outside_the_domain(x, without_mpmath):
    """The complex logarithm goes on where ours ends; that is not an answer."""
    with pytest.raises(SettingError, match="can't be checked"):
        check_rule(ops.LOG, x)
