"""check_gradient: a right function passes, and the argument of a wrong derivative is named."""

from dataclasses import replace

import pytest

from tests import oracles
from tinygrad_edu import Value, as_function, cos, exp, log, maximum, relu, sin, sqrt, tanh
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import GradientMismatch, LengthError, SettingError
from tinygrad_edu.gradcheck import check_gradient, check_graph


def polynomial(x, y):
    """A function as a reader would write one."""
    return x * x * y - 3.0 * y + 0.5


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (polynomial, (1.5, -2.0)),
        (lambda x: sin(x) * sin(x) + cos(x) * cos(x), (0.7,)),
        (lambda x: sin(6.283185307179586 * x), (8.0,)),
        (lambda x: sin(50.0 * x), (754.0,)),
        (lambda x: x.sigmoid(), (0.3,)),
        (lambda x, y: x**y, (2.0, 0.5)),
        (log, (1e-8,)),
        (sqrt, (1e-8,)),
        (exp, (700.0,)),
        (sin, (1e6,)),
        (lambda x: x * x, (1e12,)),
        (lambda x: 2.0 * x, (1e300,)),
        (tanh, (30.0,)),
        (lambda x: 1 / x, (1e-5,)),
        (lambda x: x * 1e200, (1e-200,)),
        (lambda x: x * x * x, (0,)),
        (lambda x: 3.0, (1.0,)),
        (abs, (0.0,)),
        (relu, (0.0,)),
        (lambda x: maximum(x, x), (2.0,)),
    ],
)
def test_right_functions_pass(f, args):
    """Smooth and with kinks, steep and flat, large and small, operators and methods."""
    report = check_gradient(f, *args)

    assert report.checked == len(args)
    assert report.error <= report.tolerance <= 1e-8
    assert report.method == "extrapolated differences"


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("factor", [1.5, 1.00000001])
def test_the_wrong_argument_of_a_function_is_named(i, factor):
    """The derivative by one argument uses a wrong rule, maybe by 1e-8; the other does not."""
    wrong = as_function(oracles.scaled(ops.TANH, 0, factor))

    def f(*x):
        return wrong(x[i]) + sin(x[1 - i])

    with pytest.raises(GradientMismatch, match=rf"^f: derivative {i} at \(0.4, 0.4\) is") as caught:
        check_gradient(f, 0.4, 0.4)

    assert f": wrong by the factor {factor}" in str(caught.value).splitlines()[0]
    assert f"argument {i}, counted from 0" in str(caught.value)


def test_a_wrong_choice_at_a_kink_is_noticed():
    """Between the slopes of the two sides, or wrong."""
    wrong = as_function(replace(ops.RELU, partials=lambda xp, out, x: (2.0,)))

    with pytest.raises(GradientMismatch, match="is 2, but should be between 0 and 1"):
        check_gradient(wrong, 0.0)


@pytest.mark.parametrize("x", [1e-2, -1e-2, 1e-5, 1e-9, -1e-9])
def test_next_to_a_kink_the_slope_of_the_right_side_passes(x):
    """Steps longer than the way to the kink mislead nobody."""
    assert check_gradient(relu, x).checked == 1


def test_a_function_that_is_another_on_values_is_noticed():
    """Or the gradient would be right, but of something else."""

    def f(x):
        return 2.0 * x if isinstance(x, Value) else 3.0 * x

    with pytest.raises(GradientMismatch, match=r"^f: the value at \(5.0\) is 10, but should be 15"):
        check_gradient(f, 5.0)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: 1 / x, 0.0),
        (lambda x: exp(1000.0 + x), 0.0),
        (lambda x: (x - 1) ** 0.5, 0.0),
        (lambda x: sin(1e10 * x), 1.0),
    ],
)
def test_a_function_without_a_slope_that_floats_can_tell_is_not_checked(f, x):
    """1 / 0, exp(1000), the root of -1; the sine of 1e10 x takes steps at 1."""
    with pytest.raises(SettingError, match="can't be checked: no finite slope was found"):
        check_gradient(f, x)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: (x + 1e8) - 1e8, 0.5),
        (lambda x: sin(x + 1e5), 0.5),
        (lambda x: (x + 1e8) - 1e8, 3.4e-07),  # for short steps it does not move: no slope of 0
    ],
)
def test_a_rough_function_is_checked_as_well_as_it_can_be(f, x):
    """x + 1e8 keeps 8 digits of x less; the tolerance says so."""
    report = check_gradient(f, x)

    assert 1e-9 < report.tolerance < 1e-4
    assert report.error < 1e-5


@pytest.mark.parametrize("x", [669.756, 905.187, 932.896, 847.193, 660.52])
def test_steps_that_agree_by_luck_are_not_believed(x):
    """Far from 0 a fast sine loses digits; that two quotients are equal there means little."""
    assert check_gradient(lambda x: sin(50.0 * x), x).tolerance < 1e-7


@pytest.mark.parametrize("check", [check_gradient, lambda f: check_graph(f())])
def test_nothing_is_not_checked(check):
    """A check of no derivative at all does not pass."""
    with pytest.raises(LengthError, match=r"^there is nothing to check\."):
        check(lambda: 3.0)
