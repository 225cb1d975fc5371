"""Notebook 04: two passes instead of a million."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.oracles import Polynomial, central, one


def _smooth(rng: Random) -> Any:
    """Draw a cubic, a place and a wide step, so that one-sided differences are far off."""
    f = Polynomial(tuple(rng.randint(1, 5) for _ in range(4)))
    return f, one(rng), rng.choice((0.5, 0.25, 0.1))


def _counted_passes(n: int) -> int:
    """Run the scheme itself, and count its passes."""
    places = {tuple(float(i == moved) for i in range(n)) for moved in range(-1, n)}
    return len(places)


def _sizes(rng: Random) -> Any:
    return ([rng.randint(2, 9) for _ in range(rng.randint(3, 5))],)


EXERCISES = (
    Exercise(
        id="passes_1",
        statement="""
            224 by 224 pixels of 3 colours, all connected to 100 hidden nodes: how many weights?
            """,
        asks=Numbers(),
        truth=lambda: sum(100 for _ in range(224 * 3)) * 224,
        mistakes=(
            Mistake(
                "That is the number that Das and Varma print: multiply it yourself.", 15_082_800
            ),
            Mistake("The biases are counted, too: weights are asked for.", 15_052_900),
            Mistake("Each pixel has 3 colours.", 5_017_600),
            Mistake("These are the inputs: each is connected to 100 nodes.", 150_528),
            Mistake("Inputs and nodes are added: every input has a wire to every node.", 150_628),
        ),
        hints=(
            "Every input has a wire of its own to every hidden node.",
            "There are 224·224·3 inputs.",
        ),
        solution="answer = 224 * 224 * 3 * 100",
        relative=0.0,
        absolute=0.4,
    ),
    Exercise(
        id="passes_2",
        statement="""
            A slope is measured as (L(w + ε) − L(w))/ε, one parameter at a time. Write
            forward_passes(n): how many forward passes do n parameters take?
            """,
        asks=Function("n", lambda rng: (rng.randint(3, 60),), corners=((5,),)),
        truth=_counted_passes,
        mistakes=(
            Mistake("One is missing: L(w) itself, which all quotients share.", lambda n: n),
            Mistake("L(w) is the same for all: one pass serves every quotient.", lambda n: 2 * n),
            Mistake(
                "Two passes are what backprop takes: here each parameter is moved by itself.",
                lambda n: 2,
            ),
            Mistake("Off by one: L(w) is computed once.", lambda n: n + 2),
            Mistake("One pass for each parameter and one more: none is saved.", lambda n: n - 1),
        ),
        hints=(
            "Which forward passes are needed for one parameter? For two?",
            "L(w) is needed once; then one pass for each parameter that is moved.",
        ),
        solution="""
            def answer(n):
                return n + 1
            """,
        relative=0.0,
    ),
    Exercise(
        id="passes_3",
        statement="""
            Write slope(f, x, h), the central difference: how much f rises from x − h to x + h,
            divided by the distance between them.
            """,
        asks=Function("f, x, h", _smooth),
        truth=central,
        mistakes=(
            Mistake(
                "Twice the slope: from x − h to x + h the distance is 2h, not h.",
                lambda f, x, h: (f(x + h) - f(x - h)) / h,
            ),
            Mistake(
                "That is the one-sided difference: it is off by some multiple of h.",
                lambda f, x, h: (f(x + h) - f(x)) / h,
            ),
            Mistake(
                "That is the one-sided difference, from the left.",
                lambda f, x, h: (f(x) - f(x - h)) / h,
            ),
            Mistake(
                "The sign is reversed: subtract the value behind from the value ahead.",
                lambda f, x, h: (f(x - h) - f(x + h)) / (2 * h),
            ),
            Mistake(
                "This is the rise alone: divide it by the distance.",
                lambda f, x, h: f(x + h) - f(x - h),
            ),
            Mistake(
                "Mind the brackets: / 2 * h divides by 2 and multiplies by h.",
                lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h,
            ),
        ),
        hints=(
            "Two calls of f: one a step ahead, one a step back.",
            "The two places lie 2h apart.",
        ),
        solution="""
            def answer(f, x, h):
                return (f(x + h) - f(x - h)) / (2 * h)
            """,
    ),
    Exercise(
        id="passes_4",
        statement="""
            Write parameters(sizes): how many weights and biases has a network of layers with
            these sizes, as [inputs, hidden, ..., outputs]?
            """,
        asks=Function("sizes", _sizes, corners=(([2, 3, 1],),)),
        truth=lambda sizes: sum(len([*range(a + 1)]) * b for a, b in pairwise(sizes)),
        mistakes=(
            Mistake(
                "The biases are forgotten: each node after the inputs has one.",
                lambda n: sum(a * b for a, b in pairwise(n)),
            ),
            Mistake(
                "The inputs have no biases.", lambda n: sum(a * b for a, b in pairwise(n)) + sum(n)
            ),
            Mistake(
                "The last layer is forgotten.",
                lambda n: sum((a + 1) * b for a, b in pairwise(n[:-1])),
            ),
            Mistake(
                "Each node has a bias of its own, not each layer.",
                lambda n: sum(a * b + 1 for a, b in pairwise(n)),
            ),
            Mistake("These are the nodes: count the wires between them.", sum),
        ),
        hints=(
            "Between two layers every node of one is connected to every node of the other.",
            "From a to b nodes there are a·b weights and b biases; sum over neighbouring layers.",
        ),
        solution="""
            def answer(sizes):
                return sum((a + 1) * b for a, b in zip(sizes, sizes[1:]))
            """,
        relative=0.0,
    ),
)
