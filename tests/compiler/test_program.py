"""What a program promises: refusals in words, Values and arrays in step, one program reused."""

import math

import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError, StaleGraphError


def line():
    """(w x - t)², its weight and its inputs."""
    w, x, t = Value(2.0, "w"), Value(0.0, "x"), Value(0.0, "t")
    return (w * x - t) ** 2, w, [x, t]


def test_values_and_arrays_stay_in_step(target):
    """``pull`` takes the Values' numbers, ``push`` writes numbers and gradients back."""
    loss, w, inputs = line()
    program = compile_graph(loss, inputs, target=target)

    w.data = 3.0
    program.pull()
    program.backward([[1.0, 1.0]])
    program.vector[0] = 5.0
    program.push()

    assert program.loss == 4.0
    assert (w.data, w.grad) == (5.0, 4.0)


def test_another_graph_of_the_same_structure_reuses_the_program(target):
    """Such as the next minibatch, with other constants and other parameters."""
    w, v = Value(2.0), Value(3.0)
    program = compile_graph((w * 1.0 - 1.0) ** 2, target=target)
    assert program.backward() == 1.0

    program.rebind((v * 3.0 - 1.0) ** 2)

    assert program.backward() == 64.0
    assert list(program.gradient) == [48.0]
    assert program.parameters == (v,)


def test_a_zero_is_not_added_and_belongs_to_the_structure(target):
    """Python's sum begins with one; a graph with another number in its place is another graph."""
    w = Value(2.0)
    program = compile_graph(0.0 + w * w, target=target)

    assert program.stats["instructions"] == 1
    with pytest.raises(StaleGraphError):
        program.rebind(1.0 + w * w)


def test_a_graph_of_another_structure_is_refused(target):
    """And the program goes on with the graph it had."""
    w = Value(2.0)
    program = compile_graph((w * 1.0 - 1.0) ** 2, target=target)

    for other in ((w * 2.0).exp(), (w * 1.0 - 1.0) ** 3, (1.0 * w - 1.0) ** 2, w * w):
        with pytest.raises(StaleGraphError, match="has a different structure from the compiled"):
            program.rebind(other)

    assert program.backward() == 1.0


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        ([[1.0]], LengthError, r"shape \(1, 1\)"),
        ([], LengthError, r"shape \(0,\)"),
        (None, LengthError, "no X was passed, but the program was compiled for 2 inputs"),
        ([1.0, 2.0], LengthError, r"shape \(2,\)"),
        ([[1.0, math.nan]], SettingError, r"X\[0\] holds a nan"),
        ([[1.0, 2.0], [3.0]], LengthError, r"X has the shape \(2, 'ragged'\)"),
        ([["a", 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* got str: 'a'"),
        ([["1.5", 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* got str: '1.5'"),
        ([[2.0, 1.0], [None, 1.0]], SettingError, r"X\[1\] can't be read as numbers"),
        ([[1j, 1.0]], SettingError, r"X\[0\] can't be read as numbers"),
        ([[10**400, 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* it overflows"),
        ({"a": 1}, OperandError, "X is {'a': 1}"),
    ],
)
def test_data_that_is_not_a_table_of_numbers_is_refused(target, X, error, said):
    """Wrong width, empty, missing, nan, ragged, or not numbers at all."""
    loss, _, inputs = line()

    with pytest.raises(error, match=said):
        compile_graph(loss, inputs, target=target).backward(X)


W, X = Value(1.0), Value(2.0)


@pytest.mark.parametrize(
    ("loss", "inputs", "outputs", "said"),
    [
        (W * X, [W, X], (), "no parameters"),
        (W * X, [Value(1.0)], (), "does not depend on its input"),
        (W * X, [Value(1.0), Value(1.0)], (), "none of its 2 inputs"),
        (W * X, [W * 1.0], (), "is not a leaf"),
        (W * X, [X, X], (), "given as two inputs"),
        (W * X, [X], [3.0], "expects a Value, got float"),
        (3.0, [], (), r"expects a Value, got float: 3\.0"),
    ],
)
def test_what_can_not_be_compiled_is_refused(target, loss, inputs, outputs, said):
    """Nothing to learn, no input that matters, and what is not a Value."""
    with pytest.raises(SettingError, match=said):
        compile_graph(loss, inputs, target=target, outputs=outputs)


def test_what_can_not_be_asked_is_refused(target):
    """Another target, rows for a whole graph, outputs before a run."""
    with pytest.raises(SettingError, match="target is 'numby'"):
        compile_graph(W * X, target="numby")
    with pytest.raises(LengthError, match="takes no X"):
        compile_graph(W * X, target=target).backward([[1.0, 2.0]])
    program = compile_graph(W * X, [X], target=target, outputs=[W * X])
    with pytest.raises(SettingError, match="nothing has run"):
        program.outputs()


@pytest.mark.slow
def test_a_deep_graph_compiles_without_recursion(target):
    """20,000 operations in a chain."""
    x = y = Value(1.0)
    for _ in range(10_000):
        y = (y * x).tanh()
    y.backward()

    program = compile_graph(y, target=target)

    assert program.backward() == pytest.approx(y.data, rel=1e-12)
    assert list(program.gradient) == pytest.approx([x.grad], rel=1e-9)


def test_the_program_says_what_it_is():
    """repr and stats count nodes, instructions and matrices."""
    loss, _, inputs = line()

    program = compile_graph(loss, inputs, target="numpy")

    assert program.stats["nodes"] == 7
    assert set(program.stats["seconds"]) >= {"record", "passes", "gather", "plan", "write"}
    assert "(numpy, 1 parameter, 7 nodes in " in repr(program)
    assert "def forward():" in program.source
