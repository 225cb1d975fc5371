"""The target "numpy": its buffers, single precision, and powers that NumPy rounds otherwise."""

import math

import numpy as np
import pytest

from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.numpy_backend import MOST_SPACES, negative, power, with_holes


def test_buffers_are_kept_for_a_few_numbers_of_rows():
    """A program that sees rows of every number does not grow."""
    w, x = Value(1.0), Value(1.0)
    compiled = compile_graph(exp(w * x), [x])

    for count in range(1, 40):
        compiled.backward(np.ones((count, 1)))

    assert list(compiled.backend.spaces) == list(range(40 - MOST_SPACES, 40))


def test_single_precision_by_request():
    """float32 is what it says, and near float64."""
    w, x, t = Value(2.0), Value(0.0), Value(0.0)
    program = compile_graph((w * x - t) ** 2, [x, t], dtype="float32")

    program.backward(np.array([[0.1, 0.7]]))

    assert program.gradient.dtype == np.float32
    assert float(program.gradient[0]) == pytest.approx(2 * (0.2 - 0.7) * 0.1, rel=1e-6)


@pytest.mark.slow
def test_float32_overflows_without_a_warning():
    """1e300 is inf there."""
    w, x = Value(1e300), Value(1.0)

    assert compile_graph(w * x, [x], dtype="float32").backward([[1e300]]) == math.inf


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("exponent", [0.5, 2.0, 0.25, -0.5, math.inf, math.nan])
def test_powers_are_numpys_but_for_the_root_of_minus_infinity(shape, exponent):
    """Which is infinite in IEEE 754, in any shape and beside any other number."""
    x = np.full(shape, -np.inf)
    out = np.empty(shape)

    with np.errstate(all="ignore"):  # as in a run
        power(x, exponent, out)

    assert np.array_equal(out, np.full(shape, math.pow(-math.inf, exponent)), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("step", [1, 2, 4, 8, 16, -8])
def test_a_negative_is_that_of_its_own_number(dtype, step):
    """At every distance: NumPy 2.4.6 negates others where numbers lie 64 bytes apart."""
    x, out = np.arange(1.0, 200.0, dtype=dtype)[::step], np.zeros(199, dtype)[::step]

    negative(x, out=out)

    assert out.tolist() == [-number for number in x.tolist()]
    assert math.copysign(1.0, float(negative(np.zeros(1, dtype))[0])) == -1.0


@pytest.mark.parametrize("spoilt", [0.5, np.inf, -np.inf, np.nan])
def test_what_a_matrix_does_not_have_adds_nothing(spoilt):
    """Whatever the number is that it would be multiplied by."""
    rng = np.random.RandomState(0)
    x, numbers = rng.randn(3, 5), rng.randn(4)
    x[2, 1] = spoilt
    at, rows, columns = np.array([0, 1, 3, 5]), [0, 0, 1, 1], [0, 1, 0, 2]
    out, expected = np.empty((2, 5)), np.zeros((2, 5))
    for number, row, column in zip(numbers, rows, columns, strict=True):
        expected[row] += number * x[column]

    with np.errstate(all="ignore"):
        with_holes(np.zeros((2, 3)), at, numbers, x, out)

    np.testing.assert_allclose(out, expected, rtol=1e-14)
