"""Notebook 01: a number that remembers."""

from __future__ import annotations

from fractions import Fraction
from math import fsum

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Graph, Numbers
from tinygrad_edu.course.oracles import slopes, uniform


def _with_slopes(x: float, y: float) -> list[float]:
    """Compute x y + x^2 and its gradient, without the engine."""
    return [x * y + x * x, *slopes(lambda x, y: x * y + x * x)(x, y)]


EXERCISES = (
    Exercise(
        id="remember_1",
        statement="a = 2, b = −3, c = 10, d = −2. What is L = (a·b + c)·d?",
        asks=Numbers(),
        truth=lambda: (Fraction(2) * -3 + 10) * -2,
        mistakes=(
            Mistake("You added b and c first: a·b + c multiplies before it adds.", -28),
            Mistake("You multiplied c·d alone: the brackets make d multiply all of a·b + c.", -26),
            Mistake("The sign is wrong: 4 is multiplied by d = −2, which is negative.", 8),
        ),
        hints=(
            "Go through the graph as the forward pass does: inputs first, then what needs them.",
            "The first node is a·b, the second adds c, the third multiplies by d.",
            "a·b is −6, and with c it is 4.",
        ),
        solution="answer = (2 * -3 + 10) * -2",
    ),
    Exercise(
        id="remember_2",
        statement="""
            Build the Value u = x·y + x² from the leaves Value(3.0, "x") and Value(-2.0, "y").
            """,
        asks=Graph("x, y", uniform(2), corners=((3.0, -2.0),)),
        truth=_with_slopes,
        mistakes=(
            Mistake(
                "You squared y: the second product is x times x.",
                lambda x, y: x * y + y * y,
            ),
            Mistake(
                "The two products are multiplied: they should be added.",
                lambda x, y: (x * y) * (x * x),
            ),
            Mistake(
                "x² is not 2·x: it is x times x, one value on both inputs of a multiplication.",
                lambda x, y: x * y + 2 * x,
            ),
            Mistake(
                "x and y are added where they should be multiplied.", lambda x, y: (x + y) + x * x
            ),
        ),
        hints=(
            "Make the two leaves first, each once, and keep them in variables.",
            "Multiply and add the Values as you would numbers; the graph builds itself.",
            "The last node is an addition of two multiplications; x feeds three of their "
            "four inputs.",
        ),
        solution="""
            from tinygrad_edu import Value

            x, y = Value(3.0, "x"), Value(-2.0, "y")
            answer = x * y + x * x
            """,
    ),
    Exercise(
        id="remember_3",
        statement="x is a Value. How many operation nodes has the graph of x*x + 3*x?",
        asks=Numbers(),
        truth=lambda: "x*x + 3*x".count("*") + "x*x + 3*x".count("+"),
        mistakes=(
            Mistake(
                "You counted the leaf x and the constant 3, too: they are values, not operations.",
                5,
            ),
            Mistake(
                "You counted x at each use: it is one node, however often it is used, and it is "
                "not an operation.",
                6,
            ),
            Mistake("The addition is a node as well as the multiplications.", 2),
            Mistake("A product that uses x twice is still one operation.", 4),
        ),
        hints=(
            "Draw the graph, with draw(), and count the circles.",
            "One operation for each sign in the expression.",
        ),
        solution="answer = 3",
    ),
    Exercise(
        id="remember_4",
        statement="""
            Write forward_pass(x, y) that returns [s, p, L]: s = x + y, p = x·y, L = s·p.
            """,
        asks=Function("x, y", uniform(2)),
        truth=lambda x, y: [fsum((x, y)), x * y, x * x * y + x * y * y],
        mistakes=(
            Mistake(
                "L adds s and p: it should multiply them.",
                lambda x, y: [x + y, x * y, x + y + x * y],
            ),
            Mistake(
                "s and p have changed places: the sum comes first.",
                lambda x, y: [x * y, x + y, (x + y) * x * y],
            ),
            Mistake(
                "L uses the input x where the result p is needed.",
                lambda x, y: [x + y, x * y, (x + y) * x],
            ),
            Mistake(
                "L uses the input y where the result p is needed.",
                lambda x, y: [x + y, x * y, (x + y) * y],
            ),
        ),
        hints=(
            "Compute in topological order: what is needed first comes first.",
            "Keep s and p in variables; the last node reads these, not x and y.",
        ),
        solution="""
            def answer(x, y):
                s = x + y
                p = x * y
                return [s, p, s * p]
            """,
    ),
)
