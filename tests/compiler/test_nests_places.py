"""Loops as nested loops: a place of the result that comes again is added to."""

import pytest

from tests.interpreter import interpreted
from tests.models import matrix, numbers
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.loops import Ref


@pytest.mark.parametrize(
    ("out", "again"),
    [
        (Ref("u", ("r", "k"), 5, (2, 1)), False),
        (Ref("u", ("r", "k"), 5, (1, 1)), True),  # as the windows of a convolution overlap
        (Ref("u", ("r",), 0, (None,), (4, 2, 4)), True),
        (Ref("u", ("r",), 0, (None,), (4, 2, 3)), False),
        (Ref("u", (), 7), False),
    ],
)
def test_places_that_come_again_are_seen(out, again):
    """By their steps, or by their table."""
    assert out.is_distinct({"r": 3, "k": 2}) is not again


def triangular():
    """Sums of which each has one factor more than the one before, as in a triangular matrix."""
    w, x = matrix(6, 6), numbers(6)
    return sum(sum(w[r][k] * x[k] for k in range(r + 1)).tanh() for r in range(6)), x


def embedded():
    """Rows of a table of weights, looked up again and again."""
    table = matrix(3, 4)
    picked = [table[i] for i in (0, 2, 2, 1, 0, 2)]
    return sum((a * (i + 1.0)).tanh() for i, row in enumerate(picked) for a in row), []


@pytest.mark.parametrize("make", [triangular, embedded])
def test_places_that_come_again_are_added_to(make, target):
    """Whatever the order of the turns: the sums begin at 0."""
    root, inputs = make()
    rows = [[0.1 * i + 0.3 * r for i in range(len(inputs))] for r in range(5)] if inputs else ()
    program = compile_graph(root, inputs, target=target)
    loops = [*program.plan.forward, *program.plan.backward]

    assert not all(loop.out.is_distinct(loop.axes) for loop in loops)
    for _ in range(2):
        loss = program.backward(rows or None)
        right, slopes = interpreted(root, inputs, rows)
        assert loss == pytest.approx(right, rel=1e-12)
        found = dict(zip(program.parameters, program.gradient, strict=True))
        assert found == pytest.approx(slopes, rel=1e-12)
