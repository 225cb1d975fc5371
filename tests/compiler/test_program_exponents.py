"""Constant exponents are part of the code; what stop_gradient stops stays stopped."""

import math

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.engine.errors import StaleGraphError
from tinygrad_edu.engine.functions import stop_gradient
from tinygrad_edu.nn import cross_entropy


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, -0.0, math.inf, math.nan])
def test_powers_with_a_constant_exponent(target, exponent):
    """Value and slope are eager's at ordinary and at special numbers."""
    for x in (2.0, -2.0, 0.0, 1e200, 1e-200, math.inf, -math.inf, math.nan):
        w = Value(x)
        root = w**exponent
        root.backward()

        program = compile_graph(root, target=target)
        program.backward()

        np.testing.assert_allclose(
            [program.loss, *program.gradient], [root.data, w.grad], rtol=1e-14
        )


def test_minus_infinity_to_the_one_half_is_infinity_for_any_shape_of_exponent(target):
    """NumPy takes a square root there, which is nan, unless each number has its own exponent."""
    x, y = Value(0.0), Value(0.5)
    compiled = compile_graph(x**y + x**0.5, [x], target=target)

    loss = compiled.forward([[-math.inf], [4.0]])

    assert loss == math.inf


def test_a_square_is_not_a_power():
    """Its code multiplies; no call of power, no choice by the exponent."""
    w = Value(3.0)

    source = compile_graph((w * 2.0) ** 2, target="numpy").source

    assert "square" in source
    assert "power" not in source
    assert "where" not in source


def test_a_cube_does_not_get_the_program_of_a_square(target):
    """Graphs that differ in an exponent, even one computed from constants, are not alike."""
    w, v = Value(3.0), Value(5.0)
    two = Value(2.0).detach()

    for square, cube in ((2.0, 3.0), (two + 0.0, two + 1.0)):
        program = compile_graph(w**square, target=target)
        assert (program.backward(), *program.gradient) == (9.0, 6.0)
        with pytest.raises(StaleGraphError, match="has a different structure"):
            program.rebind(w**cube)
        program.rebind(v**square)
        assert (program.backward(), *program.gradient) == (25.0, 10.0)


def test_no_gradient_passes_a_stop(target):
    """d(x * stop(x))/dx is x, not 2 x: eager and compiled."""
    x = Value(3.0)
    root = x * stop_gradient(x)
    root.backward()

    program = compile_graph(root, target=target)
    program.backward()

    assert x.grad == 3.0
    assert list(program.gradient) == [3.0]
    assert program.loss == 9.0


def test_logits_may_move_far_from_where_they_were_recorded(target):
    """The shift of a recorded softmax is found anew in each run: no overflow at 1e4."""
    with recording():
        logits = [Value(0.0) for _ in range(5)]
        loss = cross_entropy(logits, [1.0, 0.0, 0.0, 0.0, 0.0])
    program = compile_graph(loss, target=target)

    far = [1e4, -1e4, 3e3, 1e4, 0.0]
    by_value = dict(zip(program.parameters, range(5), strict=True))
    program.vector = far

    assert set(by_value) == set(logits)
    assert program.backward() == pytest.approx(math.log(2.0))
    assert sorted(program.gradient) == [-0.5, 0.0, 0.0, 0.0, 0.5]
