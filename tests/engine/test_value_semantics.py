"""The decisions: what arithmetic with Values gives, and which of them are equal.

Each test is a row of the table of semantics in the design. Interrupts and the traps of stale and
shared graphs have files of their own.
"""

import itertools
import math
import operator
import threading

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import Value

INF, NAN = math.inf, math.nan
EXTREMA = ("maximum", "minimum")
# function, then x, value, slope: written by hand
SLOPES = {
    "log(x)": [(0.0, -INF, INF), (-0.0, -INF, -INF), (INF, INF, 0.0), (-1.0, NAN, -1.0)],
    "1 / x": [(0.0, INF, -INF), (-0.0, -INF, -INF), (INF, 0.0, -0.0)],
    "exp(x)": [(710.0, INF, INF), (1e3, INF, INF), (-1e3, 0.0, 0.0), (-INF, 0.0, 0.0)],
    "sqrt(x)": [(0.0, 0.0, INF), (-1.0, NAN, NAN)],
    "x / 0": [(0.0, NAN, INF), (1.0, INF, INF)],
    "x * 10": [(1e308, INF, 10.0)],
    "x + 1e308": [(1e308, INF, 1.0)],
    "x * x": [(1e300, INF, 2e300), (5e-324, 0.0, 1e-323)],
    "x - x": [(INF, NAN, 0.0)],
    "x ** 0": [(0.0, 1.0, 0.0), (NAN, 1.0, 0.0)],
    "x ** 2": [(0.0, 0.0, 0.0)],
    "x ** 0.5": [(0.0, 0.0, INF)],
    "x ** (1 / 3)": [(-8.0, NAN, NAN)],
    "x ** 1000": [(10.0, INF, INF)],
    "x ** 1001": [(-10.0, -INF, INF)],
    "0 ** x": [(0.0, 1.0, 0.0), (-1.0, INF, -INF)],
    "maximum(x, x)": [(0.0, 0.0, 1.0), (1.0, 1.0, 1.0)],
    "minimum(x, x)": [(0.0, 0.0, 1.0), (1.0, 1.0, 1.0)],
    "maximum(x, 2)": [(2.0, 2.0, 0.5)],
    "maximum(x, 0)": [(0.0, 0.0, 0.5), (NAN, NAN, 0.5)],
    "relu(x)": [(0.0, 0.0, 0.0), (-0.0, 0.0, 0.0), (NAN, NAN, 0.0)],
    "abs(x)": [(0.0, 0.0, 0.0), (-0.0, 0.0, 0.0)],
    "sigmoid(x)": [
        *((709.0, 1.0, 1.216780750623423e-308), (710.0, 1.0, 0.0)),
        *((1e3, 1.0, 0.0), (-1e3, 0.0, 0.0)),
    ],
    "tanh(x)": [(1e3, 1.0, 0.0), (INF, 1.0, 0.0)],
    "softplus(x)": [(1e3, 1e3, 1.0), (-1e3, 0.0, 0.0)],
    "sin(x)": [(INF, NAN, NAN)],
    "cos(x)": [(-INF, NAN, NAN)],
    **{f"{f}({xy})": [(1.0, NAN, 0.5)] for f in EXTREMA for xy in ("x, nan", "nan, x")},
}


@pytest.mark.promise(name="special")
@pytest.mark.parametrize(
    ("text", "x", "value", "slope"), [(f, *row) for f, rows in SLOPES.items() for row in rows]
)
def test_values_and_slopes_outside_the_reals_and_at_kinks(text, x, value, slope):
    """IEEE 754, and the conventions where it says nothing: a tie shares, max(x, x) passes 1.

    Never an exception, never a complex number.
    """
    leaf = Value(x)
    root = eval(text, vars(tinygrad_edu) | {"x": leaf, "nan": NAN})
    root.backward()

    found = (root.data, leaf.grad)
    assert [type(number) for number in found] == [float, float]
    assert found == pytest.approx((value, slope), rel=1e-15, abs=2e-323, nan_ok=True)


@pytest.mark.parametrize(
    ("x", "y", "value", "slope_x", "slope_y"),
    [
        (2.0, 3.0, 8.0, 12.0, 8.0 * math.log(2.0)),
        (2.0, -1.0, 0.5, -0.25, 0.5 * math.log(2.0)),
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (1.0, 7.0, 1.0, 7.0, 0.0),
        (4.0, 0.5, 2.0, 0.25, 2.0 * math.log(4.0)),
        (-2.0, 3.0, -8.0, 12.0, NAN),
        (-2.0, 0.0, 1.0, 0.0, NAN),
        (2.0, 0.0, 1.0, 0.0, math.log(2.0)),
        (0, 0, 1.0, 0.0, 0.0),
        (0.0, -0.0, 1.0, 0.0, 0.0),
        (-0.0, 0.0, 1.0, 0.0, 0.0),
    ],
)
def test_power_with_a_value_or_a_number_on_either_side(x, y, value, slope_x, slope_y):
    """A number for one operand changes nothing for the other one."""
    both = (Value(x), Value(y))
    base, exponent = Value(x), Value(y)

    for power in (both[0] ** both[1], base**y, x**exponent):
        power.backward()
        assert power.data == value

    same = {"rel": 1e-15, "abs": 0.0, "nan_ok": True}
    assert [v.grad for v in both] == pytest.approx([slope_x, slope_y], **same)
    assert [base.grad, exponent.grad] == pytest.approx([slope_x, slope_y], **same)


def test_equality_and_hash_are_those_of_the_object():
    """Two Values of one number are two keys, also after an update; no number equals a Value."""
    a, b = Value(2.0), Value(2.0)
    names = {a: "a"}

    assert a == a
    assert a != b
    assert a != 2.0
    assert len({a, b, a}) == 2
    a.data -= 0.1
    assert names[a] == "a"


def test_numpy_scalars_on_the_left_give_values():
    """np.float64(2) * v is a Value in the graph, with v's gradient."""
    v = Value(3.0)

    out = np.float64(2) * v + np.float32(1) - np.int64(4) / v
    out.backward()

    assert type(out) is Value
    assert v.grad == pytest.approx(2.0 + 4.0 / 9.0, rel=1e-15)
    assert (np.float64(2) ** v).data == 8.0
    assert (np.float64(2) < v) is True


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("y", [2.0, 3.0, 4.0])
def test_values_of_a_subclass_compare_with_values(compare, y):
    """On either side, and among themselves; and what arithmetic makes of them is a Value."""

    class Parameter(Value):
        pass

    p = Parameter(3.0)

    for left, right in itertools.product((p, Value(3.0), 3.0), (Parameter(y), Value(y))):
        assert compare(left, right) is compare(3.0, y)
        assert compare(right, left) is compare(y, 3.0)
    for made in (p + 1.0, 1.0 + p, p * p, -p, p.relu(), Value(1.0) - p):
        assert type(made) is Value


def test_graphs_can_be_built_in_several_threads_at_once():
    """Eight threads share a leaf and build 2,000 nodes each: all are as built alone."""
    shared, results = Value(1.5), [None] * 8

    def build(i):
        y = shared
        for _ in range(1000):
            y = y * 1.0 + float(i)
        results[i] = y

    threads = [threading.Thread(target=build, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [v.data for v in results] == [1.5 + 1000.0 * i for i in range(8)]
    for v in results:
        v.backward()
    assert shared.grad == 8.0
