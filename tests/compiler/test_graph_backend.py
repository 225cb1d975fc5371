"""The graph as a target: what is compiled inside a fault has the fault as well."""

import pytest

from tests.targets import on_every_target
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.course import FAULTS, fault
from tinygrad_edu.engine.errors import SettingError

WHOLE = [name for name in FAULTS if name not in ("uphill step", "all weights equal")]


@pytest.mark.parametrize("name", WHOLE)
@on_every_target
def test_what_is_compiled_inside_runs_on_the_graph(name, target):
    """It has the fault where that is on, and not afterwards."""
    w, x, rate = Value(2.0, "w"), Value(3.0, "x"), Value(0.5).detach()

    def build():
        shared = w * x
        return (shared * shared - shared.exp() + x) * w * rate

    with fault(name):
        w.grad = x.grad = 0.0
        build().backward()
        wrong = {w: w.grad, x: x.grad}
        program = compile_graph(build(), target=target)
        program.backward()
        assert dict(zip(program.parameters, program.gradient, strict=True)) == wrong
    healthy = compile_graph(build(), target=target)

    assert program.backward() == pytest.approx(healthy.backward())
    assert [*program.gradient] == pytest.approx([*healthy.gradient])


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_program_of_rows_that_is_compiled_inside_adds_a_penalty_once(reduce):
    """Its loss is that of the healthy program, its outputs too; its gradient is not."""
    w, x = Value(2.0), Value(3.0)
    rows = [[3.0], [-1.0], [0.5]]

    def compiled():
        out = w * x
        return compile_graph(out * out + 0.1 * w * w, [x], reduce=reduce, outputs=[out])

    healthy = compiled()
    healthy.backward(rows)
    with fault("assign instead of accumulate"):
        program = compiled()
        program.backward(rows)

    assert program.loss == pytest.approx(healthy.loss)
    assert program.outputs().tolist() == healthy.outputs().tolist()
    assert program.gradient[0] != pytest.approx(healthy.gradient[0])


def test_a_program_from_outside_is_refused_inside():
    """It would run as if there were no fault."""
    w = Value(2.0)
    program = compile_graph(w * w)

    with fault("uphill step"), pytest.raises(SettingError, match="compiled without the fault"):
        program.backward()

    assert program.backward() == 4.0


def test_a_compiled_slope_is_right_after_a_fault():
    """What the compiler remembers of a row is not what the row said while it was wrong."""
    x, y = Value(2.0), Value(5.0)

    with fault("swapped factors in multiplication"):
        compile_graph(x * y - y, target="python").backward()
    program = compile_graph(x * y - y, target="python")
    program.backward()

    assert dict(zip(program.parameters, program.gradient, strict=True)) == {x: 5.0, y: 1.0}
