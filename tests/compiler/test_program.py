"""What a program promises: refusals in words, Values and arrays in step, one program reused."""

import math

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import ProgramCache, compile_graph, record, recording
from tinygrad_edu.compiler.passes import drop_dead, fold_constants, share_common, split_penalty
from tinygrad_edu.engine.errors import LengthError, SettingError, StaleGraphError

targets = pytest.mark.parametrize("target", ["numpy", "python"])


def line():
    """(w x - t)², its weight and its inputs."""
    w, x, t = Value(2.0, "w"), Value(0.0, "x"), Value(0.0, "t")
    return (w * x - t) ** 2, w, [x, t]


def test_the_tape_prints_one_instruction_a_line():
    """And the passes print what they did."""
    w, x = Value(2.0), Value(3.0)
    loss = (w * x).exp() + (w * x).exp() * (Value(2.0).detach() * 3.0)

    tape, _ = record(loss, [x])

    assert str(tape).splitlines() == [
        "%0 = parameter", "%1 = input", "%2 = mul %0 %1", "%3 = exp %2", "%4 = mul %0 %1",
        "%5 = exp %4", "%6 = constant 2", "%7 = constant 3", "%8 = mul %6 %7", "%9 = mul %5 %8",
        "%10 = add %3 %9", "return %10",
    ]  # fmt: skip
    assert str(drop_dead(share_common(fold_constants(tape)))).splitlines() == [
        "%0 = parameter", "%1 = input", "%2 = mul %0 %1", "%3 = exp %2", "%4 = constant 6",
        "%5 = mul %3 %4", "%6 = add %3 %5", "return %6",
    ]  # fmt: skip


def test_a_penalty_is_taken_out_of_the_sum():
    """What depends on no input is added once."""
    w, x = Value(2.0), Value(3.0)

    tape = split_penalty(record(w * x - w * w, [x])[0])

    assert str(tape).splitlines()[-2:] == ["%5 = neg %3", "return %2 + %5"]


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
    """A minibatch more, with other constants; what is built otherwise is refused, or compiled."""
    w = Value(2.0)
    programs = ProgramCache(target=target)

    losses = [programs((w * x - 1.0) ** 2).backward() for x in (1.0, 3.0)]

    assert losses == [1.0, 25.0]
    assert len(programs.known) == 1
    (program,) = programs.known.values()
    with pytest.raises(StaleGraphError, match="is built otherwise"):
        program.rebind((w * 2.0).exp())
    with pytest.warns(UserWarning, match="another structure"):
        programs((w * 2.0).exp())
    programs((w * 2.0).sin())  # said once


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
    with pytest.raises(SettingError, match="is no leaf"):
        compile_graph(loss, [w * 1.0])
    with pytest.raises(SettingError, match="target is 'numby'"):
        compile_graph(loss, target="numby")


def test_comparing_while_recording_is_refused():
    """A branch on one sample's data would be baked in; afterwards comparing is free again."""
    v = Value(1.0)

    with recording(), pytest.raises(SettingError, match="was compared while"):
        assert v > 0.0

    assert v > 0.0


def test_single_precision_by_request():
    """float32 is what it says, and near float64."""
    loss, _, inputs = line()
    program = compile_graph(loss, inputs, dtype="float32")

    program.backward(np.array([[0.1, 0.7]]))

    assert program.gradient.dtype == np.float32
    assert float(program.gradient[0]) == pytest.approx(2 * (0.2 - 0.7) * 0.1, rel=1e-6)


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
