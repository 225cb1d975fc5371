"""grad and value_and_grad: closed forms, higher derivatives, functions inside functions."""

import math
import operator
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu
from tests.oracles import mp
from tests.programs import tame
from tinygrad_edu import Value, as_function, grad, value_and_grad
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import LengthError, OperandError

NUMBERS = (-1.3, 0.49, 1.01, 2.5)
POINTS = [(x,) for x in NUMBERS] + [(x, y) for x in NUMBERS for y in NUMBERS]
at_points = pytest.mark.parametrize(
    ("row", "point"),
    [
        pytest.param(row, point, id=f"{row.name}{point}")
        for row in ops.TABLE.values()
        for point in POINTS
        if len(point) == len(row.domain) and tame(row.name, point, margin=0.01)
    ],
)


def derivative(row, point, orders):
    """A derivative of a row's forward at 40 digits, from values alone."""
    xs = tuple(map(mp.number, point))
    return float(mp.context.diff(lambda *xs: row.forward(mp, *xs), xs, orders))


def close(expected):
    """Equal but for rounding errors."""
    return pytest.approx(expected, rel=1e-12, abs=1e-13)


@at_points
def test_first_and_second_derivatives_of_every_row(row, point):
    """The mixed ones in both orders, against mpmath at 40 digits."""
    arguments = range(len(point))

    for i in arguments:
        first = grad(as_function(row), i)
        assert first(*point) == close(derivative(row, point, [int(k == i) for k in arguments]))
        for j in arguments:
            orders = [(k == i) + (k == j) for k in arguments]
            assert grad(first, j)(*point) == close(derivative(row, point, orders))


@pytest.mark.parametrize("name", ["exp", "log", "sin", "tanh", "sigmoid", "softplus", "sqrt"])
def test_derivatives_of_higher_orders(name):
    """The third and the fourth derivative, four grads inside each other."""
    f = as_function(ops.TABLE[name])

    third, fourth = grad(grad(grad(f))), grad(grad(grad(grad(f))))

    assert third(0.7) == close(derivative(ops.TABLE[name], (0.7,), [3]))
    assert fourth(0.7) == close(derivative(ops.TABLE[name], (0.7,), [4]))


@pytest.mark.parametrize("x", [0.5, 2.0, 3.0])
def test_the_mixed_derivative_of_a_power_where_the_exponent_is_zero(x):
    """d²(x**y)/dxdy = x**(y - 1) (1 + y ln x) is 1/x at y = 0, in either order."""
    x_first = grad(grad(operator.pow, 0), 1)(x, 0.0)
    y_first = grad(grad(operator.pow, 1), 0)(x, 0.0)

    assert (x_first, y_first) == (1.0 / x, 1.0 / x)


@pytest.mark.parametrize(
    ("f", "x", "value", "slope"),
    [
        (lambda x: x, 3.0, 3.0, 1.0),
        (lambda x: 5.0, 3.0, 5.0, 0.0),
        (lambda x: x * x + 2 * x, 3.0, 15.0, 8.0),
        (lambda x: 1 / x, 4.0, 0.25, -0.0625),
        (lambda x: 2**x, 3.0, 8.0, 8.0 * math.log(2.0)),
        (lambda x: tinygrad_edu.exp(tinygrad_edu.sin(x)), 0.0, 1.0, 1.0),
        (lambda x: x.detach() * x, 3.0, 9.0, 3.0),
        (lambda x: x if x > 2 else -x, 1.0, -1.0, -1.0),
        (lambda x: sum(x**n for n in range(4)), 2.0, 15.0, 17.0),
    ],
)
def test_value_and_gradient_of_a_function(f, x, value, slope):
    """Closed forms: the identity, a constant, branches, loops."""
    out = value_and_grad(f)(x)

    assert [type(part) for part in out] == [float, float]
    assert out == pytest.approx((value, slope), rel=1e-15)
    assert grad(f)(x) == out[1]


@pytest.mark.parametrize("x", [2, True, 2.5, math.pi])
def test_any_real_number_is_an_argument(x):
    """Ints and bools as well as floats."""
    assert grad(lambda x: x * x)(x) == 2.0 * x


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 12.0),
        (1, 8.0),
        (-1, 6.0),
        ((0,), (12.0,)),
        ((0, 2), (12.0, 6.0)),
        ((2, 0), (6.0, 12.0)),
        ((1, 1), (8.0, 8.0)),
        ((), ()),
        (np.int64(1), 8.0),
        ((np.uint8(0), np.int64(-1)), (12.0, 6.0)),
    ],
)
def test_argnums_choose_the_arguments(argnums, expected):
    """A number for an int, a tuple in the order asked for; from the end, if negative."""
    assert grad(lambda x, y, z: x * y * z, argnums)(2.0, 3.0, 4.0) == expected


def test_arguments_that_are_not_differentiated_can_be_anything():
    """A list, a text, also by keyword: what the function makes of it."""

    def f(x, powers, *, sign):
        return (1 if sign == "plus" else -1) * sum(x**n for n in powers)

    assert grad(f)(2.0, [1, 3], sign="minus") == -13.0


@pytest.mark.parametrize(("argnums", "count"), [(2, 2), (-3, 2), ((0, 1), 1), (0, 0)])
def test_an_argument_that_is_not_there_is_refused(argnums, count):
    """With the numbers of both."""
    with pytest.raises(LengthError, match=r"^argnums is .*, but there are \d positional") as caught:
        grad(lambda *xs: sum(xs), argnums)(*[1.0] * count)

    assert f"there are {count} positional" in str(caught.value)


@pytest.mark.parametrize("argnums", [[0], "0", 0.0, None, True, np.True_])
def test_argnums_that_are_not_numbers_are_refused(argnums):
    """In words, when the function is called at the latest."""
    with pytest.raises(tinygrad_edu.TinygradEduError, match="argnums"):
        grad(lambda x: x, argnums)(1.0)


@pytest.mark.parametrize("out", [(1.0, 2.0), None, "1", [Value(1.0)]], ids=repr)
def test_a_function_that_returns_no_number_is_refused(out):
    """By name, with what it returned."""

    def loss(x):
        return out

    with pytest.raises(OperandError, match=f"^loss returned {type(out).__name__}: ") as caught:
        grad(loss)(1.0)

    assert "return a single result" in str(caught.value)


def test_an_argument_that_is_not_a_number_is_refused():
    """Where it is differentiated by."""
    with pytest.raises(OperandError, match="got str"):
        grad(lambda x: x)("1")


def test_a_failing_function_leaves_nothing_behind():
    """After an exception inside f, the next grad gives numbers again, not graphs."""

    def f(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        grad(f)(1.0)

    assert type(grad(lambda x: x * x)(3.0)) is float


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        # d(x · x)/dx; an engine that confuses x and y adds what belongs to y
        (lambda x: x * grad(lambda y: x * y)(1.0), 4.0),
        (lambda x: x * grad(lambda y: x * y)(x), 4.0),
        # d(x · 2x)/dx
        (lambda x: x * grad(lambda y: y * y)(x), 8.0),
        # d(x · 1)/dx: the textbook case of perturbation confusion
        (lambda x: x * grad(lambda y: x + y)(1.0), 1.0),
        # d(x² · 3y² at y = x)/dx = d(3x⁴)/dx
        (lambda x: x * x * grad(lambda y: y * y * y)(x), 96.0),
        # three deep: d/dx of x · d/dy [y · d/dz (x y z)] = x · 2xy at y = 1
        (lambda x: x * grad(lambda y: y * grad(lambda z: x * y * z)(5.0))(1.0), 8.0),
        # a constant of the inner function that hangs on x through other values
        (lambda x: grad(lambda y, k=x * x * x: k * y)(1.0), 12.0),
        # an inner gradient that does not depend on x
        (lambda x: x * grad(lambda y: y * y)(3.0), 6.0),
        # the inner value rather than the inner gradient
        (lambda x: value_and_grad(lambda y: x * y)(3.0)[0], 3.0),
    ],
)
def test_a_gradient_inside_a_gradient(f, expected):
    """At x = 2, inner and outer derivatives don't mix."""
    assert grad(f)(2.0) == expected


@given(st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=6), st.floats(-2.0, 2.0))
def test_derivatives_of_polynomials(coefficients, x):
    """Two grads of a polynomial in Horner's form are the polynomial of n (n - 1) c."""

    def polynomial(x):
        total = 0.0
        for c in reversed(coefficients):
            total = total * x + c
        return total

    second = sum(n * (n - 1) * c * x ** max(n - 2, 0) for n, c in enumerate(coefficients))

    assert grad(grad(polynomial))(x) == pytest.approx(second, rel=1e-12, abs=1e-11)


def test_no_gradient_of_any_value_is_touched():
    """Neither those of Values that f uses, nor of Values passed in, nor of what it builds."""
    w, x = Value(2.0), Value(3.0)
    w.grad, x.grad = 7.0, 8.0
    seen = []

    def f(x):
        seen.append(w * x)
        return seen[-1].tanh()

    grad(f)(0.5)
    grad(f)(x)
    grad(grad(f))(0.5)

    assert (w.grad, x.grad) == (7.0, 8.0)
    assert [v.grad for v in seen] == [0.0] * len(seen)


def test_of_values_the_gradient_is_a_graph():
    """It can go into a loss: d/dx of (2 x)² through the gradient of y²."""
    x = Value(3.0)

    slope = grad(lambda y: y * y)(x)
    (slope * slope).backward()

    assert type(slope) is Value
    assert (slope.data, x.grad) == (6.0, 24.0)


@pytest.mark.parametrize(
    "slope",
    [
        lambda w: grad(lambda z: (w * z).tanh())(0.3),
        lambda w: grad(lambda z: (w * z).tanh())(Value(0.3)),
        lambda w: grad(lambda z, w: (w * z).tanh())(0.3, w),
        lambda w: grad(lambda z, w: (w * z).tanh())(0.3, w=w),
        lambda w: grad(lambda z, ws: (ws[0] * z).tanh())(0.3, [w]),
        lambda w: grad(lambda z, w: (w * z).tanh(), (0, 1))(0.3, w)[0],
        lambda w: value_and_grad(lambda z: (w * z).tanh())(0.3)[1],
    ],
    ids=[
        "closed over",
        "of a Value",
        "argument",
        "by keyword",
        "in a list",
        "of both",
        "and value",
    ],
)
def test_a_gradient_that_depends_on_a_weight_is_a_graph(slope):
    """However the weight gets in: d/dw (d/dz tanh(wz))² at w = 2, z = 0.3."""
    w = Value(2.0)
    z = mp.number("0.3")
    expected = mp.context.diff(lambda w: (w * mp.context.sech(w * z) ** 2) ** 2, 2)

    (slope(w) ** 2).backward()

    assert w.grad == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("c", [2.0, Value(2.0).detach()], ids=["number", "constant"])
def test_a_gradient_that_depends_on_no_leaf_is_a_number(c):
    """Numbers and constants can't be learned, so a graph would be good for nothing."""
    assert type(grad(lambda x: c * x * x)(5.0)) is float


def test_an_inner_gradient_that_needs_no_outer_one_is_a_number():
    """Inside a grad, a gradient that does not depend on its argument is a float like any other."""
    inner = []

    def f(x):
        inner.append(value_and_grad(lambda y: y * y)(3.0))
        return x * x

    grad(f)(2.0)

    assert inner == [(9.0, 6.0)]
    assert [type(number) for number in inner[0]] == [float, float]


def test_threads_do_not_see_each_others_gradients():
    """One grad begins and ends around the middle of another: neither loses its place."""
    early_runs, slow_runs, early_ended = (threading.Event() for _ in range(3))
    slopes = []

    def slow(x):
        slow_runs.set()
        assert early_ended.wait(10.0)
        return x * grad(lambda y: x * y)(1.0)

    def early(x):
        early_runs.set()
        assert slow_runs.wait(10.0)
        return x

    first = threading.Thread(target=lambda: slopes.append(grad(early)(2.0)))
    second = threading.Thread(target=lambda: slopes.append(grad(slow)(2.0)))
    first.start()
    assert early_runs.wait(10.0)
    second.start()
    first.join()
    early_ended.set()
    second.join()

    assert slopes == [1.0, 4.0]
