"""Notebook 03: gradient-flow rules."""

from __future__ import annotations

from math import exp
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers, Row
from tinygrad_edu.course.oracles import flowing, larger, one, sigmoid, slopes, uniform
from tinygrad_edu.engine.ops import Primitive


def _s(x: float) -> float:
    return 1 / (1 + exp(-x))


def _apart(rng: Random) -> Any:
    """Draw two different numbers, and the gradient that arrives."""
    x = one(rng)
    return x, x + rng.choice((-1, 1)) * one(rng, 0.5, 2.0), one(rng)


def _silu(slope: Any) -> Primitive:
    """Build a row with the right forward, and a slope computed from s = sigmoid(x), out and x."""
    return Primitive(
        "silu",
        r"\frac{x}{1 + e^{-x}}",
        forward=lambda xp, x: x / (1.0 + xp.exp(-x)),
        partials=lambda xp, out, x: (slope(1.0 / (1.0 + xp.exp(-x)), out, x),),
    )


def _silu_truth(x: float) -> list[float]:
    return [x * sigmoid(x).real, slopes(lambda z: z * sigmoid(z))(x)[0]]


EXERCISES = (
    Exercise(
        id="gates_1",
        statement="""
            z = x·y, and the gradient upstream = ∂L/∂z arrives. Write multiply_gate(x, y,
            upstream) that returns [∂L/∂x, ∂L/∂y].
            """,
        asks=Function("x, y, upstream", uniform(3)),
        truth=flowing(lambda x, y: x * y),
        mistakes=(
            Mistake(
                "x and y are swapped: the multiply gate hands each input the *other* one.",
                lambda x, y, u: [x * u, y * u],
            ),
            Mistake(
                "What arrives is forgotten: the slopes are right, multiply each by upstream.",
                lambda x, y, u: [y, x],
            ),
            Mistake(
                "That is the add gate, which passes upstream on unchanged: here the other input is"
                " a factor.",
                lambda x, y, u: [u, u],
            ),
            Mistake(
                "You multiplied by the value z: the slope of x·y in x is y alone.",
                lambda x, y, u: [x * y * u, x * y * u],
            ),
        ),
        hints=(
            "What is ∂z/∂x while y stands still?",
            "Rule 3: what arrives, times the value on the other wire.",
        ),
        solution="""
            def answer(x, y, upstream):
                return [y * upstream, x * upstream]
            """,
    ),
    Exercise(
        id="gates_2",
        statement="""
            z = max(x, y), never a tie, and upstream = ∂L/∂z arrives. Write max_gate(x, y,
            upstream) that returns [∂L/∂x, ∂L/∂y].
            """,
        asks=Function("x, y, upstream", _apart, corners=((1.0, 2.0, -3.0), (2.0, 1.0, -3.0))),
        truth=flowing(larger),
        mistakes=(
            Mistake(
                "Both inputs get upstream: that is the add gate. Max passes it to one of them.",
                lambda x, y, u: [u, u],
            ),
            Mistake(
                "The smaller one gets upstream: max is a switch towards the larger.",
                lambda x, y, u: [u * (x < y), u * (y < x)],
            ),
            Mistake(
                "What arrives is forgotten: the switch passes upstream on, not 1.",
                lambda x, y, u: [float(x > y), float(y > x)],
            ),
            Mistake(
                "upstream is multiplied by the value: where max is x, its slope is 1.",
                lambda x, y, u: [x * u * (x > y), y * u * (y > x)],
            ),
            Mistake(
                "x always gets upstream: check which of the two is larger.", lambda x, y, u: [u, 0]
            ),
        ),
        hints=(
            "Wiggle the smaller input a little: does z change?",
            "Rule 4: the gradient is switched to the larger branch, the other gets 0.",
        ),
        solution="""
            def answer(x, y, upstream):
                return [upstream, 0.0] if x > y else [0.0, upstream]
            """,
    ),
    Exercise(
        id="gates_3",
        statement="""
            z = σ(x) = 1/(1 + e^(−x)), and upstream = ∂L/∂z arrives. Write sigmoid_gate(x,
            upstream) that returns ∂L/∂x.
            """,
        asks=Function("x, upstream", uniform(2)),
        truth=lambda x, u: flowing(sigmoid)(x, u)[0],
        mistakes=(
            Mistake(
                "You differentiate from the input where the output is needed: it is z(1 − "
                "z), not x(1 − x).",
                lambda x, u: x * (1 - x) * u,
            ),
            Mistake(
                "What arrives is forgotten: multiply the slope by upstream.",
                lambda x, u: _s(x) * (1 - _s(x)),
            ),
            Mistake(
                "You multiplied by the output z: the factor 1 − z is missing.",
                lambda x, u: _s(x) * u,
            ),
            Mistake(
                "You multiplied by 1 − z: the factor z is missing.", lambda x, u: (1 - _s(x)) * u
            ),
            Mistake(
                "The sign is wrong: sigmoid rises everywhere, so its slope is positive.",
                lambda x, u: -_s(x) * (1 - _s(x)) * u,
            ),
            Mistake(
                "z(1 − z) is taken at the wrong point: sigmoid was applied twice.",
                lambda x, u: _s(_s(x)) * (1 - _s(_s(x))) * u,
            ),
        ),
        hints=(
            "Compute z first: the slope is written most briefly in the output.",
            "Rule 5: z(1 − z), at most a quarter, times what arrives.",
        ),
        solution="""
            from math import exp


            def answer(x, upstream):
                z = 1 / (1 + exp(-x))
                return z * (1 - z) * upstream
            """,
    ),
    Exercise(
        id="gates_4",
        statement="""
            σ(w0·x0 + w1·x1 + w2) at w0 = 2, x0 = −1, w1 = −3, x1 = −2, w2 = −3. Give the
            gradients of [w0, x0, w1, x1, w2] with two decimals.
            """,
        asks=Numbers(5),
        truth=lambda: slopes(lambda a, x, b, y, c: sigmoid(a * x + b * y + c))(
            2.0, -1.0, -3.0, -2.0, -3.0
        ),
        mistakes=(
            Mistake(
                "x and w are swapped: the multiply gate hands each input the *other* one.",
                [0.39, -0.20, -0.59, -0.39, 0.20],
            ),
            Mistake(
                "The slope of the sigmoid is forgotten: everything is 1/0.197 times too large.",
                [-1, 2, -2, -3, 1],
            ),
            Mistake(
                "You multiplied by the output 0.73 instead of the slope 0.73·(1 − 0.73).",
                [-0.73, 1.46, -1.46, -2.19, 0.73],
            ),
            Mistake(
                "You differentiate from the input where the output is needed: 1·(1 − 1) is "
                "0, the output is 0.73.",
                [0, 0, 0, 0, 0],
            ),
            Mistake("Every sign is reversed.", [0.20, -0.39, 0.39, 0.59, -0.20]),
        ),
        hints=(
            "Forward first: −2, 6, then 4, then 1, then σ(1) = 0.73.",
            "What comes back through the sigmoid is 0.73·(1 − 0.73); the sums pass it on "
            "unchanged.",
            "At each product, what arrives is multiplied by the other input: for w0 by x0 = −1.",
        ),
        solution="""
            u = 0.7311 * (1 - 0.7311)
            answer = [-1 * u, 2 * u, -2 * u, -3 * u, u]
            """,
        relative=0.0,
        absolute=0.006,
    ),
    Exercise(
        id="gates_5",
        statement="""
            Write a row for silu, z = x/(1 + e^(−x)), with its slope: Primitive(name, formula,
            forward=..., partials=...).
            """,
        asks=Row("x", uniform(1)),
        truth=_silu_truth,
        mistakes=(
            Mistake(
                "Half of the product rule: x·σ(x) has two factors, and σ(x) changes with x, too.",
                _silu(lambda s, out, x: s),
            ),
            Mistake(
                "Half of the product rule: the x in front of σ(x) has slope 1, which adds σ(x).",
                _silu(lambda s, out, x: x * s * (1 - s)),
            ),
            Mistake(
                "out(1 − out) is the slope of the sigmoid: the output of this row is x·σ(x).",
                _silu(lambda s, out, x: out * (1 - out)),
            ),
            Mistake(
                "A factor 1 − σ(x) is forgotten in the second term.",
                _silu(lambda s, out, x: s + out),
            ),
            Mistake("The sign is wrong.", _silu(lambda s, out, x: -s - x * s * (1 - s))),
            Mistake(
                "partials returns the output: the slope is asked for.", _silu(lambda s, out, x: out)
            ),
        ),
        hints=(
            "z is x times σ(x): the product rule gives two terms.",
            "One term is σ(x). The other is x times the slope of σ.",
            "In partials, σ(x) is 1/(1 + e^(−x)) with xp.exp, and x·σ(x) is out. Return a "
            "tuple of one.",
        ),
        solution=(
            r"""
            from tinygrad_edu.engine.ops import Primitive


            def partials(xp, out, x):
                s = 1.0 / (1.0 + xp.exp(-x))
                return (s + out * (1.0 - s),)


            answer = Primitive(
                "silu",
                r"\frac{x}{1 + e^{-x}}",
                forward=lambda xp, x: x / (1.0 + xp.exp(-x)),
                partials=partials,
            )
            """
        ),
    ),
)
