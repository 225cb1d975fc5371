"""What a program promises: refusals in words, Values and arrays in step, one program reused."""

import math

import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import LengthError, SettingError, StaleGraphError

targets = pytest.mark.parametrize("target", ["numpy", "python"])


def line():
    """(w x - t)², its weight and its inputs."""
    w, x, t = Value(2.0, "w"), Value(0.0, "x"), Value(0.0, "t")
    return (w * x - t) ** 2, w, [x, t]


@targets
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


@targets
def test_another_graph_of_the_same_structure_reuses_the_program(target):
    """Such as the next minibatch, with other constants and other parameters."""
    w, v = Value(2.0), Value(3.0)
    program = compile_graph((w * 1.0 - 1.0) ** 2, target=target)
    assert program.backward() == 1.0

    program.rebind((v * 3.0 - 1.0) ** 2)

    assert program.backward() == 64.0
    assert list(program.gradient) == [48.0]
    assert program.parameters == (v,)


@targets
def test_a_graph_of_another_structure_is_refused(target):
    """And the program goes on with the graph it had."""
    w = Value(2.0)
    program = compile_graph((w * 1.0 - 1.0) ** 2, target=target)

    for other in ((w * 2.0).exp(), (w * 1.0 - 1.0) ** 3, (1.0 * w - 1.0) ** 2, w * w):
        with pytest.raises(StaleGraphError, match="has a different structure from the compiled"):
            program.rebind(other)

    assert program.backward() == 1.0


@pytest.mark.promise(name="shapes")
@targets
@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        ([[1.0]], LengthError, r"shape \(1, 1\)"),
        ([], LengthError, r"shape \(0, 0\)"),
        (None, LengthError, r"shape \(\)"),
        ([[1.0, math.nan]], SettingError, "nan"),
    ],
)
def test_rows_that_do_not_fit_are_refused(target, X, error, said):
    """Wrong width, empty, missing, nan."""
    loss, _, inputs = line()

    with pytest.raises(error, match=said):
        compile_graph(loss, inputs, target=target).backward(X)


def test_a_whole_graph_takes_no_rows():
    """It has its data already."""
    loss, _, _ = line()

    with pytest.raises(LengthError, match="takes no X"):
        compile_graph(loss).backward([[1.0, 2.0]])


def test_graphs_with_nothing_to_learn_are_refused():
    """No parameter, or no input that matters."""
    loss, w, inputs = line()

    with pytest.raises(SettingError, match="no parameters"):
        compile_graph(loss, [w, *inputs])
    with pytest.raises(SettingError, match="none of the 1 inputs"):
        compile_graph(loss, [Value(1.0)])
    with pytest.raises(SettingError, match="is not a leaf"):
        compile_graph(loss, [w * 1.0])
    with pytest.raises(SettingError, match="target is 'numby'"):
        compile_graph(loss, target="numby")


@pytest.mark.slow
def test_a_deep_graph_compiles_without_recursion():
    """20,000 operations in a chain, on both targets."""
    x = Value(1.0)
    y = x
    for _ in range(10_000):
        y = (y * x).tanh()
    y.backward()

    for target in ("numpy", "python"):
        program = compile_graph(y, target=target)
        program.backward()
        assert program.loss == pytest.approx(y.data, rel=1e-12)
        assert float(program.gradient[0]) == pytest.approx(x.grad, rel=1e-9)


def test_the_program_says_what_it_is():
    """repr and stats count nodes, instructions and matrices."""
    loss, _, inputs = line()

    program = compile_graph(loss, inputs)

    assert program.stats["nodes"] == 7
    assert set(program.stats["seconds"]) >= {"record", "passes", "gather", "layout", "emit"}
    assert "1 parameters" in repr(program)
    assert "def forward():" in program.source
