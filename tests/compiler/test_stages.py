"""Every stage of the compiler: the picture in its docstring is what it does."""

import inspect
import re

import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler.adjoint import adjoints, as_text
from tinygrad_edu.compiler.layout import plan
from tinygrad_edu.compiler.numpy_backend import source_of
from tinygrad_edu.compiler.numpy_code import Writer
from tinygrad_edu.compiler.passes import drop_dead, fold_constants, share_common, split_penalty
from tinygrad_edu.compiler.python_code import Line, inline, python_source
from tinygrad_edu.compiler.record import Tape, record
from tinygrad_edu.compiler.sums import gather_maxima, gather_sums
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.functions import STOP_GRADIENT

ROWS = ops.TABLE | {"stop_gradient": STOP_GRADIENT}
NETWORK = """\
%0 = parameter
%1 = parameter
%2 = parameter
%3 = parameter
%4 = input
%5 = input
%6 = mul %0 %4
%7 = mul %1 %5
%8 = add %6 %7
%9 = mul %2 %4
%10 = mul %3 %5
%11 = add %9 %10
%12 = relu %8
%13 = relu %11
%14 = mul %12 %13
return %14"""


def picture(stage):
    """What stands in the docstring below Before:: and below After::."""
    text = inspect.getdoc(stage)
    blocks = re.findall(r"(?:Before|After)[^\n]*::\n\n((?:    .*\n|\n)+)", text + "\n")
    return [inspect.cleandoc(block) for block in blocks]


def read(text):
    """The tape that is printed so; leaves are 2.0, but for constants."""
    ops_, left, right, kinds, data = [], [], [], [], []
    *lines, last = text.splitlines()
    for line in lines:
        name, *words = line.split(" = ")[1].split()
        slots = [int(word[1:]) for word in words if word[0] == "%"]
        op = ROWS.get(name)
        ops_.append(op)
        left.append(slots[0] if slots else -1)
        right.append(slots[1] if len(slots) > 1 else -1)
        kinds.append("" if op else name)
        numbers = [data[slot] for slot in slots]
        data.append(op.forward(ieee, *numbers) if op else float(words[0]) if words else 2.0)
    results = [int(word[1:]) for word in re.findall(r"%\d+", last)]
    return Tape(
        ops_, left, right, kinds, data,
        parameters=tuple(i for i, kind in enumerate(kinds) if kind == "parameter"),
        inputs=tuple(i for i, kind in enumerate(kinds) if kind == "input"),
        root=results[0],
        penalty=results[1] if len(results) > 1 else -1,
        recorded=tuple(range(len(ops_))),
    )  # fmt: skip


def test_record_is_as_pictured():
    """The graph in the docstring of record gives the tape there."""
    w, x = Value(2.0), Value(3.0)
    scope = {"w": w, "x": x}
    before, after = picture(record)

    exec(before, scope)
    tape, order = record(scope["loss"], [x])

    assert str(tape) == after
    assert order[0] is w


@pytest.mark.parametrize("change", [fold_constants, share_common, drop_dead, split_penalty])
def test_a_pass_is_as_pictured(change):
    """What it makes of Before is After; and of After, nothing else."""
    before, after = picture(change)

    assert str(read(before)) == before
    assert str(change(read(before))) == after
    assert str(change(read(after))) == after


@pytest.mark.parametrize("stage", [gather_sums, gather_maxima])
def test_gathering_is_as_pictured(stage):
    """Sums of products, and maxima of many."""
    before, after = picture(stage)

    nodes, _ = gather_sums(read(before))

    assert "\n".join(map(str, nodes)) == after


def test_the_layout_is_as_pictured():
    """Two neurons that read the same inputs are one matrix product, and one relu."""
    before, after = picture(plan)
    nodes, kinds = gather_sums(read(NETWORK))

    text = str(plan(read(NETWORK), nodes, kinds))

    shown = "\n".join(map(str, nodes[:2]))
    assert shown == "%8 = %0·%4 + %1·%5\n%11 = %2·%4 + %3·%5"
    assert len(before.splitlines()) == 4
    assert text.splitlines() == [*after.splitlines(), "b[4] = mul b[2] b[3]"]


def test_the_backward_order_is_as_pictured():
    """Last to first, and no gradient of the inputs."""
    before, after = picture(adjoints)
    graph = NETWORK.replace("mul %12 %13", "add %12 %13")
    tape = read(graph)

    planned = plan(tape, *gather_sums(tape))

    lines = as_text(adjoints(planned)).splitlines()
    assert str(planned).splitlines()[:2] == before.splitlines()[:2]
    assert lines[1:] == after.splitlines()[1:]


def test_below_a_stop_nothing_is_differentiated():
    """Neither the stopped maximum nor what it is made from alone."""
    before, _ = picture(gather_maxima)
    tape = read(before)

    text = as_text(adjoints(plan(tape, *gather_sums(tape))))

    assert text == "u[5] = sub u[0] u[4]  -> u[0]"


def test_the_numpy_code_of_a_layer():
    """Written in place, the gradient of the weights by one product."""
    tape = read(NETWORK)
    writer = Writer(plan(tape, *gather_sums(tape)))
    writer.forward()
    writer.backward()

    assert source_of(writer.code).split("\n\n") == [
        "def forward():\n"
        "    matmul(v1, v2, out=v0)\n"
        "    maximum(v0, 0.0, out=v3)\n"
        "    multiply(v5, v6, out=v4)",
        "def backward():\n"
        "    multiply(d7, v6, out=d8)\n"
        "    multiply(d7, v5, out=d9)\n"
        "    greater(v0, 0.0, out=t12)\n"
        "    multiply(d10, t12, out=d11)\n"
        "    matmul(d11, v2.swapaxes(-1, -2), out=d13)\n",
    ]


def test_python_code_is_as_pictured():
    """Straight-line code, one assignment a node."""
    before, after = picture(python_source)

    source = python_source(read(before))

    pieces = [
        piece for piece in source.split("def ") if piece.startswith(("forward_", "backward_"))
    ]
    assert [f"def {piece.strip()}" for piece in pieces] == after.split("\n\n")


def test_inlining_is_as_pictured():
    """A line with one reader becomes part of it; one that is read twice, or kept, stays."""
    before, after = picture(inline)
    lines = [Line("v4", "v0 * v1", ("v0", "v1")), Line("v5", "v4 + v2", ("v4", "v2"))]
    twice = [lines[0], Line("v5", "v4 * v4", ("v4", "v4"))]
    pictured = "\n".join(f"{line.target} = {line.text}" for line in lines)

    (merged,) = inline(lines, {"v5"})

    assert pictured == before
    assert f"{merged.target} = {merged.text}" == after
    assert merged.reads == ("v0", "v1", "v2")
    assert inline(lines, {"v4", "v5"}) == lines
    assert inline(twice, {"v5"}) == twice
