"""The table of primitives, row by row: a new row is tested by being there."""

import itertools
import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles, programs
from tests.agreement import SPECIAL
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.errors import GradientMismatch
from tinygrad_edu.gradcheck import check_rule

ROWS = tuple(ops.TABLE.values())
rows = pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
every_input = pytest.mark.parametrize(
    ("op", "i"),
    [(op, i) for op in ROWS for i in range(len(op.domain))],
    ids=lambda part: getattr(part, "name", part),
)
rows_with_kinks = pytest.mark.parametrize(
    "op", [op for op in ROWS if op.kinks], ids=lambda op: op.name
)

COMMON = (-1.3, 0.49, 0.99, 1.01)  # the arguments that Stan's unit tests share
EDGES = (1e-300, 1e-20, 1e-8, 0.02, 0.5, 3.0, 20.0, 37.0, 100.0, 350.0, 709.0, 1e3, 1e20, 1e300)
FAR = [*EDGES, *(-x for x in EDGES)]
# what NumPy calls by another name, or does not have
NUMPY = {
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "pow": np.power,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "relu": lambda x: np.maximum(x, 0.0),
}


def partials_of(op, point):
    """The partials of a row on plain floats."""
    return op.partials(ieee, op.forward(ieee, *point), *point)


def inside(domain, x):
    """Whether an input lies in one of its open intervals."""
    return any(low < x < high for low, high in domain)


def points(op, candidates):
    """All points of a row whose coordinates are among the candidates and in the domain."""
    return list(itertools.product(*([x for x in candidates if inside(d, x)] for d in op.domain)))


def anywhere(op):
    """Points between -16 and 16, but for 0.01 next to an end of the domain: a strategy."""

    def floats(low, high):
        low, high = max(low, -16.0), min(high, 16.0)
        edge_low, edge_high = 0.01 * (low > -16.0), 0.01 * (high < 16.0)
        return st.floats(low + edge_low, high - edge_high)

    return st.tuples(*(st.one_of([floats(*interval) for interval in d]) for d in op.domain))


def at_kinks(op, ys=COMMON):
    """Points of a row with kinks that lie on one of them."""
    if len(op.domain) == 1:
        return [(kink,) for kink in op.kinks]
    return [(y + kink, y) for kink in op.kinks for y in ys]


def on_a_kink(op, point):
    """Whether the slopes of the two sides may differ there."""
    return point[0] - sum(point[1:]) in op.kinks


# --- what each row computes ---


@rows
@given(data=st.data())
def test_a_row_is_right_anywhere(op, data):
    """Partials are mpmath's to 1e-14: the worst is that of y - 1 in x**y, times ln x."""
    assert_right(op, data.draw(anywhere(op)), 1e-14)


def assert_right(op, point, bound):
    """Compare with mpmath: the value to 1e-15 (two or three roundings), partials to a bound."""
    out = op.forward(ieee, *point)

    assert oracles.relative_error(out, oracles.value(op, point)) <= 1e-15, point
    if not on_a_kink(op, point):
        for i, partial in enumerate(op.partials(ieee, out, *point)):
            assert oracles.relative_error(partial, oracles.slope(op, point, i)) <= bound, point


@pytest.mark.parametrize(
    ("candidates", "bound"), [(COMMON, 1e-15), pytest.param(FAR, 1e-13, marks=pytest.mark.slow)]
)
@rows
def test_a_row_is_right_near_and_far(op, candidates, bound):
    """At the arguments that Stan tests all its functions at, and next to the ends of the floats.

    There ln x is up to 700, so that x**y loses up to 8e-14 with the rounding of y - 1.
    """
    for point in points(op, candidates):
        assert_right(op, point, bound)


@pytest.mark.slow
@every_input
@given(data=st.data())
def test_a_row_runs_on_forty_digits(op, i, data):
    """Unchanged on mpmath's numbers, a partial is right to 35 digits: no formula is nearly so."""
    point = data.draw(anywhere(op).filter(lambda point: not on_a_kink(op, point)))
    x = [oracles.mp.number(number) for number in point]

    partial = op.partials(oracles.mp, op.forward(oracles.mp, *x), *x)[i]

    assert oracles.relative_error(partial, oracles.slope(op, point, i)) <= 1e-35


@pytest.mark.promise(name="checker")
@every_input
def test_a_wrong_partial_is_caught_anywhere(op, i, cases, measured):
    """1e-10 is noticed at random points, off kinks and slopes of 0; the right row passes there."""
    rng, left = Random(f"{op.name}/{i}"), cases
    while left:
        point = tuple(rng.uniform(-8.0, 8.0) for _ in op.domain)
        if not programs.tame(op.name, point, 0.01) or partials_of(op, point)[i] == 0.0:
            continue
        left -= 1
        check_rule(op, *point)
        wrong = oracles.scaled(op, i, 1.0 + rng.choice((-1e-10, 1e-10)))
        with pytest.raises(GradientMismatch, match=f"^{op.name}: partial {i} "):
            check_rule(wrong, *point)
    measured(f"caught at {cases} points of each partial")


@rows
def test_the_checker_passes_every_row(op):
    """At common arguments, at 0, far apart, at kinks: where a slope jumps, the row says so."""
    far, zero = points(op, (1e-300, 1e-8, 37.0, 1e20)), points(op, (0.0,))
    for point in [*points(op, COMMON), *zero, *far, *at_kinks(op)]:
        report = check_rule(op, *point)

        assert report.checked == len(op.domain)
        assert report.error <= 1e-13


# --- kinks ---


@pytest.mark.promise(name="kinks")
@rows_with_kinks
def test_at_a_kink_a_partial_lies_between_the_slopes_of_both_sides(op, cases, measured):
    """The slope below, the partial, the slope above: in this order or the reverse."""
    rng = Random(op.name)
    ys = [0.0, -0.0, *COMMON, *(rng.uniform(-8.0, 8.0) for _ in range(cases))]
    for point in at_kinks(op, ys):
        for i, partial in enumerate(partials_of(op, point)):
            low, high = sorted(float(oracles.slope(op, point, i, side)) for side in (-1, 1))
            assert low < high, "no kink at all"
            assert low <= partial <= high
    measured(f"at 0 of one input, and at {cases} ties of two")


@pytest.mark.parametrize(
    ("op", "point", "partials"),
    [
        (ops.RELU, (0.0,), (0.0,)),
        (ops.RELU, (-0.0,), (0.0,)),
        (ops.ABS, (0.0,), (0.0,)),
        (ops.ABS, (-0.0,), (0.0,)),
        (ops.MAXIMUM, (2.5, 2.5), (0.5, 0.5)),
        (ops.MAXIMUM, (0.0, -0.0), (0.5, 0.5)),
        (ops.MINIMUM, (2.5, 2.5), (0.5, 0.5)),
        (ops.POW, (0.0, 0.0), (0.0, 0.0)),
        (ops.POW, (0.0, 2.0), (0.0, 0.0)),
        (ops.SQRT, (0.0,), (math.inf,)),
        (ops.LOG, (0.0,), (math.inf,)),
    ],
    ids=lambda part: getattr(part, "name", str(part)),
)
def test_the_conventions_at_kinks_and_ends(op, point, partials):
    """relu'(0) = 0, abs'(0) = 0, half each at a tie, 0**0 = 1 with slopes 0."""
    assert partials_of(op, point) == partials


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_between_zeros_of_two_signs_the_first_comes_back(x):
    """maximum, minimum and relu give the sign of the first zero, as Python's max and PyTorch do."""
    for row in (ops.MAXIMUM, ops.MINIMUM):
        assert math.copysign(1.0, row.forward(ieee, x, -x)) == math.copysign(1.0, x)
    assert math.copysign(1.0, ops.RELU.forward(ieee, x)) == math.copysign(1.0, x)


# --- special values ---


@pytest.mark.promise(name="special")
@rows
def test_special_values_are_those_of_ieee_754(op):
    """0, -0, subnormals, 710, 1e300, inf, nan in any combination: NumPy's value, and floats."""
    theirs = NUMPY.get(op.name) or getattr(np, op.name)
    for point in itertools.product(SPECIAL, repeat=len(op.domain)):
        values = [Value(x) for x in point]
        root = as_function(op)(*values)
        root.backward()

        with np.errstate(all="ignore"):  # in pairs: alone, NumPy's (-inf) ** 0.5 is nan
            expected = theirs(*(np.array([x, 2.0]) for x in point))[0]
        assert root.data == pytest.approx(expected, rel=1e-15, abs=2e-323, nan_ok=True), point
        assert all(type(x) is float for x in (root.data, *(v.grad for v in values))), point


@rows
def test_arrays_give_what_floats_give(op):
    """On NumPy arrays the same row has the same value and partials, inf and nan included.

    Up to four ulps, as NumPy's own loops may round otherwise than the C library.
    """
    pairs = [*points(op, COMMON), *itertools.product(SPECIAL, repeat=len(op.domain))]
    columns = [np.array(column) for column in zip(*pairs, strict=True)]

    with np.errstate(all="ignore"):
        out = op.forward(np, *columns)
        arrays = [out, *op.partials(np, out, *columns)]

    floats = [(o := op.forward(ieee, *p), *op.partials(ieee, o, *p)) for p in pairs]
    for array, column in zip(arrays, zip(*floats, strict=True), strict=True):
        ours, theirs = np.broadcast_to(array, len(column)), np.array(column)
        differ = ~np.isclose(ours, theirs, rtol=1e-15, atol=0.0, equal_nan=True)
        assert [
            (p, a, b) for p, a, b, d in zip(pairs, ours, theirs, differ, strict=True) if d
        ] == []


# --- saturation ---


@pytest.mark.parametrize("op", [ops.SIGMOID, ops.TANH, ops.SOFTPLUS], ids=lambda op: op.name)
@given(x=st.floats(-708.0, 708.0))
def test_saturated_functions_keep_their_slope(op, x):
    """1 - tanh(x)**2 and s (1 - s) would be 0 from 19 and 37 on; these stay right to 1e-14."""
    (partial,) = partials_of(op, (x,))

    assert oracles.relative_error(partial, oracles.slope(op, (x,), 0)) <= 1e-14


def test_the_textbook_slopes_would_fail_there():
    """The test above can fail: with the formulas in terms of the output alone, it does."""
    wrong = replace(ops.SIGMOID, partials=lambda xp, out, x: (out * (1.0 - out),))

    (partial,) = partials_of(wrong, (30.0,))

    assert oracles.relative_error(partial, oracles.slope(wrong, (30.0,), 0)) > 1e-5


@given(x=st.floats(1e-150, 1e150), y=st.floats(1e-150, 1e150))
def test_a_quotient_keeps_its_slope(x, y):
    """d(x / y)/dy = -(x / y) / y needs no y**2, which would overflow at 1e154."""
    _, slope = partials_of(ops.DIV, (x, y))

    assert oracles.relative_error(slope, oracles.slope(ops.DIV, (x, y), 1)) <= 1e-15


def test_the_domains_are_all_but_what_they_leave_out():
    """Open intervals: everything, above 0, and everything but 0."""
    inf = float("inf")

    domains = (ops.REAL, ops.POSITIVE, ops.NONZERO)
    assert domains == (((-inf, inf),), ((0.0, inf),), ((-inf, 0.0), (0.0, inf)))
    assert ops.DIV.domain == (ops.REAL, ops.NONZERO)
