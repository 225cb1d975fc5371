"""What a program holds between runs: vector, gradient, loss and outputs, whatever was run last."""

import math
import sys

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.functions import stop_gradient

ROWS = [[1.0], [-2.0], [0.5]]


def kinked(reduce="mean", **settings):
    """relu(x b) + b: a row's term, and a parameter that is added once. Its gradient by hand is 2/3.

    At b = 0.5 the relu passes the rows 1 and 0.5, whose mean (as 3 rows) is 0.5, and b adds 1.
    """
    b, x = Value(0.5, "b"), Value(1.0, "x")
    return compile_graph((x * b).relu() + b, [x], reduce=reduce, **settings)


def parabola(**settings):
    """(w - 3)² + (v + 1)², whose gradient is 2 (w - 3), 2 (v + 1)."""
    w, v = Value(1.0, "w"), Value(2.0, "v")
    return compile_graph((w - 3.0) ** 2 + (v + 1.0) ** 2, **settings)


def test_a_descent_may_be_written_by_assignment(anywhere):
    """``p.vector = p.vector - 0.1 * p.gradient`` changes the numbers that run, in their place."""
    program = parabola(target=anywhere)
    mine = program.vector

    for _ in range(200):
        program.backward()
        program.vector = program.vector - 0.1 * program.gradient
    program.push()

    assert program.vector is mine
    assert program.forward() == pytest.approx(0.0, abs=1e-12)
    found = {p.label: p.data for p in program.parameters}
    assert found == pytest.approx({"w": 3.0, "v": -1.0})


@pytest.mark.parametrize(
    "numbers",
    [
        [3.0, -1.0],
        (3, -1),
        np.array([3, -1], np.int8),
        np.array([3.0, -1.0], np.float32),
        np.array([3.0, 0.0, -1.0])[::2],
        np.array([3.0, -1.0], object),
        {"w": 3.0, "v": -1.0}.values(),
        np.ma.array([3.0, -1.0]),
    ],
)
def test_any_sequence_of_real_numbers_may_be_assigned(anywhere, numbers):
    """To the vector, and to the gradient, for example a clipped one."""
    program = parabola(target=anywhere)

    program.gradient = program.vector = numbers

    assert [*program.vector] == [*program.gradient] == [3.0, -1.0]
    program.push()
    assert [(p.data, p.grad) for p in program.parameters] == [(3.0, 3.0), (-1.0, -1.0)]


def test_a_vector_updated_in_place_counts(anywhere):
    """``-=`` and assignment to a part, as with any array; a tensor of PyTorch, too."""
    torch = pytest.importorskip("torch")
    program = parabola(target=anywhere)

    program.vector -= 1.0
    assert [*program.vector] == [0.0, 1.0]
    program.vector[:1] = [5.0]
    assert program.forward() == 8.0
    program.vector = torch.tensor([3.0, -1.0], requires_grad=True)
    assert program.forward() == 0.0
    program.vector = program.vector[::-1]
    assert [*program.vector] == [-1.0, 3.0]


@pytest.mark.parametrize(
    ("numbers", "error", "said"),
    [
        ([1.0], LengthError, r"assigned numbers of shape \(1,\)"),
        (np.zeros((1, 2)), LengthError, r"assigned numbers of shape \(1, 2\)"),
        (np.zeros(()), LengthError, r"assigned numbers of shape \(\)"),
        (np.zeros(3), LengthError, r"shape \(3,\)\.\n  Expected : shape \(2,\)"),
        (1.0, OperandError, "vector is 1.0, of type float"),
        ("12", OperandError, "vector is '12', of type str"),
        (["1", "2"], OperandError, "got str: '1'"),
        ([[1.0], [2.0]], OperandError, r"got list: \[1.0\]"),
        ([None, 1.0], OperandError, "got NoneType"),
        (np.array([1j, 1.0]), OperandError, "got complex"),
        (np.ma.array([1.0, 2.0], mask=[True, False]), OperandError, "got NoneType"),
        ([Value(1.0), Value(2.0)], OperandError, "got Value"),
        ({1.0, 2.0}, OperandError, "of type set"),
    ],
)
def test_other_numbers_than_one_for_each_parameter_are_refused(anywhere, numbers, error, said):
    """In words, and the vector stays as it was."""
    program = parabola(target=anywhere)
    before = [*program.vector]

    with pytest.raises(error, match=said):
        program.vector = numbers

    assert [*program.vector] == before


def test_single_precision_takes_larger_numbers_as_infinite():
    """Without a warning, as in a run."""
    program = parabola(dtype="float32")

    program.vector = np.array([1e300, 0.0])

    assert program.vector.tolist() == [math.inf, 0.0]


def test_without_numpy_vectors_are_arrays_of_the_standard_library(monkeypatch):
    """They take lists and keep their length; outputs are a list of rows."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    w, x = Value(2.0), Value(0.0)
    program = compile_graph(w * x, [x], target="python", outputs=[w * x, x])

    program.backward([[1.0], [3.0]])
    program.vector = [p - 0.5 * g for p, g in zip(program.vector, program.gradient, strict=True)]

    assert program.vector.tolist() == [1.0]
    assert program.outputs() == [[2.0, 1.0], [6.0, 3.0]]
    with pytest.raises(TypeError):
        program.vector *= 2


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_forward_run_leaves_the_gradient_alone(anywhere, reduce):
    """Also where the loss, or its penalty, is a parameter itself."""
    program = kinked(reduce, target=anywhere)
    slope = {"mean": 1.5, "sum": 2.5}[reduce]

    program.backward(ROWS)
    assert [*program.gradient] == [slope]
    program.forward([[7.0]])

    assert [*program.gradient] == [slope]
    w = Value(2.0)
    alone = compile_graph(w, target=anywhere)
    alone.forward()
    assert [*alone.gradient] == [0.0]
    alone.backward()
    assert [*alone.gradient] == [1.0]


def test_each_backward_run_makes_the_whole_gradient_anew(anywhere):
    """What was assigned to it counts no more, also where no gradient reaches a parameter."""
    w, v, u = Value(3.0), Value(2.0), Value(5.0)
    program = compile_graph(w * stop_gradient(v), target=anywhere, outputs=[u])

    program.gradient = [7.0, 7.0, 7.0]
    program.backward()

    assert dict(zip(program.parameters, program.gradient, strict=True)) == {w: 2.0, v: 0.0, u: 0.0}


@pytest.mark.parametrize("bad", [[[math.nan], [1.0], [2.0]], [[math.nan]], [["a"]], [[1.0, 2.0]]])
def test_refused_data_leave_the_last_run_as_it_was(anywhere, bad):
    """Loss, gradient and outputs, whether the refused rows are as many as the last ones or not."""
    b, x = Value(0.5), Value(1.0)
    s = x * b
    program = compile_graph(s.relu() + b, [x], target=anywhere, outputs=[s, x, b])
    program.backward(ROWS)
    before = program.loss, [*program.gradient], program.outputs().tolist()

    with pytest.raises((SettingError, LengthError)):
        program.backward(bad)

    assert (program.loss, [*program.gradient], program.outputs().tolist()) == before


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_an_interrupted_run_leaves_nothing_that_looks_whole(anywhere, way, monkeypatch):
    """The loss is nan and there are no outputs; the gradient is nan if it was being computed."""
    program = kinked(target=anywhere)
    program.backward(ROWS)
    run = program.backend.run

    def interrupted(*, backward):
        run(backward=backward)
        raise KeyboardInterrupt

    monkeypatch.setattr(program.backend, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(program, way)([[3.0]])

    assert math.isnan(program.loss)
    assert math.isnan(program.gradient[0]) == (way == "backward")
    with pytest.raises(SettingError, match="the last run was interrupted"):
        program.outputs()
    monkeypatch.undo()
    assert program.backward(ROWS) == pytest.approx(0.75)
    assert [*program.gradient] == [1.5]
