"""Notebook 08: scale matters."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import hypot
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.lessons.helpers import dot
from tinygrad_edu.course.oracles import one, slopes, some


def _first_below() -> int:
    """Take the steps in decimals, where 0.01 is exact."""
    w, steps = Decimal("0.833"), 0
    while w >= Decimal("0.437"):
        w, steps = w - Decimal("0.01"), steps + 1
    return steps


def _largest_rate(c: float) -> float:
    """Find by bisection where the step w (1 - rate c) turns from shrinking to growing."""
    low, high = Fraction(0), Fraction(1000)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if abs(1 - middle * Fraction(c)) < 1 else (low, middle)
    return float(low)


def _vectors(rng: Random) -> Any:
    count = rng.randint(2, 4)
    return some(rng, count), some(rng, count)


def _cosine(u: list[float], v: list[float]) -> float:
    """Compute the cosine from the lengths of three sides alone."""
    a, b, c = hypot(*u), hypot(*v), hypot(*(p - q for p, q in zip(u, v, strict=True)))
    return (a * a + b * b - c * c) / (2 * a * b)


def _grokking(rng: Random) -> Any:
    return one(rng), one(rng), one(rng), one(rng, 0.05, 0.5)


def _step(weight: float, x: float, goal: float, alpha: float) -> float:
    slope = slopes(lambda w: (w * x - goal) ** 2 / 2)(weight)[0]
    return weight - alpha * slope


EXERCISES = (
    Exercise(
        id="scale_1",
        statement="""
            A weight starts at 0.833; the gradient is 1, always; the learning rate is 0.01. After
            how many steps is the weight below 0.437 for the first time?
            """,
        asks=Numbers(),
        truth=_first_below,
        mistakes=(
            Mistake("Off by one: after 39 steps it is 0.443, still above.", 39),
            Mistake("Off by one: after 40 steps it is below already, 0.433.", 41),
            Mistake("Steps are whole: after 39 it is above, after the next it is below.", 39.6),
            Mistake("That is for a learning rate of 0.001.", 396),
            Mistake("That is for a learning rate of 0.0001.", 3960),
        ),
        hints=(
            "How far is it from 0.833 to 0.437, and how far does one step go?",
            "0.396 divided by 0.01 is not a whole number: the step that crosses counts.",
        ),
        solution="""
            from math import ceil

            answer = ceil((833 - 437) / 10)
            """,
    ),
    Exercise(
        id="scale_2",
        statement="""
            The loss is c/2·w². Write largest_rate(c): below which learning rate does gradient
            descent come closer to 0 with every step?
            """,
        asks=Function("c", lambda rng: (one(rng, 0.2, 5.0),)),
        truth=_largest_rate,
        mistakes=(
            Mistake(
                "With 1/c it is there in one step; up to twice that it still comes closer.",
                lambda c: 1 / c,
            ),
            Mistake("Steeper needs smaller steps: divide by c.", lambda c: 2 * c),
            Mistake("Upside down: steeper needs smaller steps.", lambda c: c / 2),
            Mistake("Twice too large: at 4/c, w becomes −3w.", lambda c: 4 / c),
            Mistake("It is the curvature that counts, c, not its square.", lambda c: 2 / c**2),
        ),
        hints=(
            "The gradient is c·w. Write the new w as a number times the old.",
            "w becomes (1 − rate·c)·w: closer to 0 as long as that factor is between −1 and 1.",
        ),
        solution="""
            def answer(c):
                return 2 / c
            """,
    ),
    Exercise(
        id="scale_3",
        statement="""
            Write cosine(u, v) of the angle between two vectors: 1 if they have the same
            direction.
            """,
        asks=Function("u, v", _vectors, corners=(([10.0, 20.0, 40.0], [1.0, 2.0, 100.0]),)),
        truth=_cosine,
        mistakes=(
            Mistake("Divide by the lengths: this changes with the scale of the vectors.", dot),
            Mistake(
                "You divided by the squares of the lengths: take the roots.",
                lambda u, v: dot(u, v) / (dot(u, u) * dot(v, v)),
            ),
            Mistake("You divided by the length of u only.", lambda u, v: dot(u, v) / hypot(*u)),
            Mistake("You divided by the length of v only.", lambda u, v: dot(u, v) / hypot(*v)),
            Mistake("That is the sine.", lambda u, v: max(0.0, 1 - _cosine(u, v) ** 2) ** 0.5),
            Mistake(
                "The sign is lost: opposite directions have −1.", lambda u, v: abs(_cosine(u, v))
            ),
        ),
        hints=(
            "The sum of the products u_i·v_i is both lengths times the cosine.",
            "A length is the root of the sum of squares; math.hypot(*u) is it.",
        ),
        solution="""
            from math import hypot


            def answer(u, v):
                return sum(a * b for a, b in zip(u, v)) / (hypot(*u) * hypot(*v))
            """,
    ),
    Exercise(
        id="scale_4",
        statement="""
            The prediction is weight·input. Write step(weight, input, goal, alpha): the weight
            after one step of Grokking Deep Learning, with direction_and_amount = (prediction −
            goal)·input.
            """,
        asks=Function(
            "weight, input, goal, alpha",
            _grokking,
            corners=((1.0, -2.0, 3.0, 0.1), (0.5, 3.0, 0.25, 0.1)),
        ),
        truth=_step,
        mistakes=(
            Mistake(
                "The pure error: without the input as a factor nothing scales, reverses or stops.",
                lambda w, x, g, a: w - a * (w * x - g),
            ),
            Mistake(
                "The sign of the step: subtract direction_and_amount.",
                lambda w, x, g, a: w + a * (w * x - g) * x,
            ),
            Mistake("alpha is forgotten.", lambda w, x, g, a: w - (w * x - g) * x),
            Mistake(
                "No negative reversal: for a negative input the step must turn round, so keep "
                "its sign.",
                lambda w, x, g, a: w - a * (w * x - g) * abs(x),
            ),
            Mistake(
                "Twice too far: Grokking Deep Learning leaves the factor 2 of the derivative to "
                "alpha.",
                lambda w, x, g, a: w - 2 * a * (w * x - g) * x,
            ),
            Mistake(
                "You took the weight for the prediction, which is weight·input.",
                lambda w, x, g, a: w - a * (w - g) * x,
            ),
        ),
        hints=(
            "First the prediction, then the error, then times the input.",
            "The new weight is the old one minus alpha times that.",
        ),
        solution="""
            def answer(weight, input, goal, alpha):
                return weight - alpha * (weight * input - goal) * input
            """,
    ),
)
