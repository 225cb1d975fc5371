"""What a program promises: refusals in words, Values and arrays in step, one program reused."""

import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import LengthError, SettingError, StaleGraphError


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


W, X = Value(1.0), Value(2.0)


@pytest.mark.parametrize("other", ["python", "c"])
def test_single_precision_is_numpys(other):
    """The other targets compute in 64 bits, and refuse in words what they would not do."""
    with pytest.raises(SettingError, match=f'the target "{other}" has no float32'):
        compile_graph(W * X, target=other, dtype="float32")


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
