"""Straight-line Python: as pictured, and within what Python's parser takes."""

from itertools import chain

import pytest

from tests.tapes import picture, read
from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.plan import plan_of_numbers
from tinygrad_edu.compiler.python_writer import (
    LONGEST,
    Line,
    accumulate,
    infix,
    inline,
    python_functions,
)
from tinygrad_edu.engine.symbols import Expression, variable


def source_of(text):
    """The code of a tape that is printed so, and its plan."""
    plan = plan_of_numbers(read(text))
    results = [f"u{plan.place[slot]}" for slot in plan.results]
    passes = python_functions(plan.forward, gradient(plan), results, ["du0", "du1"])
    return plan, "\n\n".join(chain(*passes))


def test_python_code_is_as_pictured():
    """Straight-line code, one assignment for each number."""
    before, after = picture(python_functions)

    plan, source = source_of("%0 = parameter\n%1 = parameter\n%2 = mul %0 %1\nreturn %2")

    assert f"{plan}\n\n" + "\n".join(map(str, gradient(plan))) == before
    assert source == after


def test_inlining_is_as_pictured():
    """A line with one reader becomes part of it; one that is read twice, or kept, stays."""
    before, after = picture(inline)
    lines = [Line("u4", "u0 * u1", ("u0", "u1")), Line("u5", "u4 + u2", ("u4", "u2"))]
    twice = [lines[0], Line("u5", "u4 * u4", ("u4", "u4"))]

    (merged,) = inline(lines, {"u5"})

    assert as_text(lines) == before
    assert f"{merged.target} = {merged.text}" == after
    assert merged.reads == ("u0", "u1", "u2")
    assert inline(lines, {"u4", "u5"}) == lines
    assert inline(twice, {"u5"}) == twice


def test_accumulating_is_as_pictured():
    """What is added waits for the others, until the name is read or all is written."""
    before, after = picture(accumulate)
    lines = [
        Line("du0", "du0 + du6 * u5", ("du6", "u5", "du0")),
        Line("du5", "du6 * u0", ("du6", "u0")),
        Line("du0", "du0 + du5 * u4", ("du5", "u4", "du0")),
    ]
    reader = Line("du1", "du1 + du0", ("du0", "du1"))

    assert as_text(lines) == before
    assert as_text(accumulate(lines)) == after
    assert as_text(accumulate([*lines[:2], reader, lines[2]])).splitlines() == [
        "du5 = du6 * u0",
        "du0 = du0 + du6 * u5",
        "du1 = du1 + du0",
        "du0 = du0 + du5 * u4",
    ]


def as_text(lines):
    """The lines as they are written."""
    return "\n".join(f"{line.target} = {line.text}" for line in lines)


def test_long_programs_are_cut_into_functions():
    """Each of at most LONGEST lines; what one computes and the next reads goes through a list."""
    steps = [f"%{i} = add %{i - 1} %{i - 1}" for i in range(1, LONGEST + 11)]
    _, source = source_of("\n".join(["%0 = parameter", *steps, f"return %{len(steps)}"]))

    first, second, *_ = source.split("\n\n")
    assert f"    u[{LONGEST}] = u{LONGEST}" in first.splitlines()
    assert second.startswith("def forward_1(u, b, i, du, db):")
    assert f"    u{LONGEST} = u[{LONGEST}]" in second.splitlines()
    assert max(len(piece.splitlines()) for piece in source.split("\n\n")) < 2 * LONGEST


X, Y = variable("x"), variable("y")


@pytest.mark.parametrize(
    ("atom", "text"),
    [
        (Expression("add", (X, Expression("multiply", (X, Y)))), "x + (x * y)"),
        (Expression("negative", (X,)), "(-x)"),
        (Expression("power", (X, 2.0)), "(x * x)"),
        (Expression("power", (Expression("add", (X, Y)), 2.0)), "((t := (x + y)) * t)"),
        (Expression("power", (X, 3.0)), "power(x, 3.0)"),
        (Expression("divide", (X, Y)), "divide(x, y)"),
        (Expression("multiply", (X, -2.0)), "x * (-2.0)"),
    ],
)
def test_expressions_as_python(atom, text):
    """Signs where floats can't fail, calls where they can."""
    assert infix(atom) == text
