"""What runs a tape: matrices where there are any, else straight-line Python."""

import sys

import numpy as np
import pytest

from tests.tapes import read
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.targets import CHAIN, is_chain
from tinygrad_edu.engine.errors import MissingExtraError


def chain(length, step):
    """A number on which the same is done so many times over, and its weight."""
    weight = Value(0.999)
    node = Value(0.5)
    for _ in range(length):
        node = step(node, weight)
    return node, weight


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "target"),
    [
        (lambda node, weight: (node * weight).tanh(), "python"),
        (lambda node, weight: node * weight + 0.01, "python"),
        (lambda node, weight: node + weight, "numpy"),  # one sum
    ],
)
def test_a_long_chain_is_straight_line_code(step, target):
    """It has nothing to do side by side; vector and gradient are arrays all the same."""
    root, weight = chain(11_000, step)

    program = compile_graph(root)
    program.backward()
    root.backward()

    assert program.stats["target"] == target
    assert isinstance(program.gradient, np.ndarray)
    at = program.parameters.index(weight)
    assert program.gradient[at] == pytest.approx(weight.grad, rel=1e-9)
    program.vector[at] = 0.5
    program.push()
    assert weight.data == 0.5


@pytest.mark.parametrize(("width", "expected"), [(1, True), (2, False)])
def test_a_chain_has_next_to_nothing_side_by_side(width, expected):
    """Two chains beside each other are two operations wide on average: vectors pay."""
    length = CHAIN // width + 1
    steps = [f"%{i} = tanh %{max(i - width, 0)}" for i in range(1, length * width + 1)]

    tape = read("\n".join(["%0 = parameter", *steps, f"return %{len(steps)}"]))

    assert is_chain(tape) is expected


def test_without_numpy_the_target_python_is_left(monkeypatch):
    """The other names the command that installs it."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    w = Value(3.0)

    program = compile_graph(w * w, target="python")

    assert (program.backward(), list(program.gradient)) == (9.0, [6.0])
    with pytest.raises(MissingExtraError, match="needs numpy"):
        compile_graph(w * w)
