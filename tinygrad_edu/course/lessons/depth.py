"""Notebook 09: vanishing and exploding gradients."""

from __future__ import annotations

from decimal import Decimal
from math import prod, sqrt
from random import Random
from statistics import fmean, pstdev, pvariance, variance
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function
from tinygrad_edu.course.oracles import one, sigmoid, slopes, some


def _deep(rng: Random) -> Any:
    return rng.choice((-1, 1)) * one(rng, 0.5, 8.0), rng.randint(2, 5)


def _steepest(weight: float, layers: int) -> float:
    """Take each sigmoid where it is steepest, at 0."""
    at_zero = slopes(lambda x: sigmoid(abs(weight) * x))(0.0)[0]
    return prod(at_zero for _ in range(layers))


def _fans(rng: Random) -> Any:
    return rng.randint(2, 40), rng.randint(41, 90)


def _root(x: Any) -> float:
    return float(Decimal(x).sqrt())


def _centered(batch: list[float]) -> list[float]:
    return [x - fmean(batch) for x in batch]


def _normalized(batch: list[float]) -> list[float]:
    mean = sum(map(Decimal, batch), Decimal(0)) / len(batch)
    squares = [(Decimal(x) - mean) ** 2 for x in batch]
    spread = sum(squares, Decimal("1e-5") * len(batch)) / len(batch)
    return [float((Decimal(x) - mean) / spread.sqrt()) for x in batch]


EXERCISES = (
    Exercise(
        id="depth_1",
        statement="""
            Layers of one sigmoid neuron each, all with the same weight. Write bound(weight,
            layers): the largest factor by which a gradient can be multiplied on its way back
            through all of them.
            """,
        asks=Function("weight, layers", _deep, corners=((1.0, 3), (-4.0, 2), (8.0, 3))),
        truth=_steepest,
        mistakes=(
            Mistake(
                "The largest slope of the sigmoid is 1/4, not 1/2: 1/2 is its value at 0.",
                lambda w, n: (abs(w) / 2) ** n,
            ),
            Mistake(
                "Through layers factors multiply: a power, not a multiple.",
                lambda w, n: abs(w) / 4 * n,
            ),
            Mistake(
                "Each layer has its weight, too: all of it to the power.",
                lambda w, n: abs(w) * 0.25**n,
            ),
            Mistake("The weight is forgotten.", lambda w, n: 0.25**n),
            Mistake("The slope of the sigmoid is forgotten.", lambda w, n: abs(w) ** n),
            Mistake(
                "The largest factor in absolute value is meant: take the size of the weight.",
                lambda w, n: (w / 4) ** n,
            ),
        ),
        hints=(
            "One layer first: the gradient meets the sigmoid's slope, and the weight.",
            "z(1 − z) is largest at z = 1/2.",
            "n layers, n times the same factor: |weight| times a quarter.",
        ),
        solution="""
            def answer(weight, layers):
                return (abs(weight) * 0.25) ** layers
            """,
    ),
    Exercise(
        id="depth_2",
        statement="""
            Write glorot_bound(fan_in, fan_out): weights uniform within ± this bound have the
            variance 2/(fan_in + fan_out) of Glorot and Bengio (2010).
            """,
        asks=Function("fan_in, fan_out", _fans),
        truth=lambda i, o: _root(3 * (Decimal(2) / (i + o))),
        mistakes=(
            Mistake(
                "The root is forgotten: that is the square of the bound.", lambda i, o: 6 / (i + o)
            ),
            Mistake(
                "That is He's bound, for relu: Glorot's counts the outputs, too.",
                lambda i, o: sqrt(6 / i),
            ),
            Mistake(
                "That is the standard deviation: a uniform's bound is √3 times as wide.",
                lambda i, o: sqrt(2 / (i + o)),
            ),
            Mistake(
                "The variance should be 2/(fan_in + fan_out): a factor 2 is missing.",
                lambda i, o: sqrt(3 / (i + o)),
            ),
            Mistake("That is the variance.", lambda i, o: 2 / (i + o)),
        ),
        hints=(
            "A uniform number within ±b has the variance b²/3.",
            "Set b²/3 equal to the variance wanted, and solve for b.",
        ),
        solution="""
            from math import sqrt


            def answer(fan_in, fan_out):
                return sqrt(6 / (fan_in + fan_out))
            """,
    ),
    Exercise(
        id="depth_3",
        statement="""
            Write he_std(fan_in): the standard deviation of the weights before relu, by He et al.
            (2015).
            """,
        asks=Function("fan_in", lambda rng: (rng.randint(3, 500),)),
        truth=lambda i: _root(Decimal(2) / i),
        mistakes=(
            Mistake("That is the variance: take its root.", lambda i: 2 / i),
            Mistake(
                "relu drops half of the signal: the variance doubles to make up for it.",
                lambda i: sqrt(1 / i),
            ),
            Mistake(
                "That is the bound of the uniform: the standard deviation is asked for.",
                lambda i: sqrt(6 / i),
            ),
            Mistake("The inputs divide: more inputs, smaller weights.", lambda i: sqrt(2 * i)),
        ),
        hints=(
            "Without relu, a variance of 1/fan_in keeps the size of the signal.",
            "relu lets half of it through: twice the variance. Then the root.",
        ),
        solution="""
            from math import sqrt


            def answer(fan_in):
                return sqrt(2 / fan_in)
            """,
    ),
    Exercise(
        id="depth_4",
        statement="""
            A residual block: y = x + f(w·x). Write residual_slope(w, slope) that returns dy/dx,
            where slope is f′(w·x).
            """,
        asks=Function("w, slope", lambda rng: (one(rng), one(rng))),
        truth=lambda w, slope: slopes(lambda x: x + slope * (w * x))(0.0)[0],
        mistakes=(
            Mistake(
                "The skip wire is forgotten: x reaches y by itself, too, with slope 1.",
                lambda w, s: w * s,
            ),
            Mistake("The chain factor w is forgotten on the path through f.", lambda w, s: 1 + s),
            Mistake("The slope of f is forgotten.", lambda w, s: 1 + w),
            Mistake("The two paths are multiplied: they add up.", lambda w, s: s * (1 + w)),
            Mistake("The sign: both paths add up.", lambda w, s: 1 - w * s),
        ),
        hints=(
            "On how many paths does x reach y?",
            "One path is the skip wire, with slope 1; the other passes w and f. They add up.",
        ),
        solution="""
            def answer(w, slope):
                return 1 + w * slope
            """,
    ),
    Exercise(
        id="depth_5",
        statement="""
            Write normalize(batch): each number minus the mean, divided by √(variance + 1e-5),
            where the variance is the mean of the squared distances from the mean.
            """,
        asks=Function("batch", lambda rng: (some(rng, rng.randint(3, 6)),)),
        truth=_normalized,
        mistakes=(
            Mistake(
                "You divided by the variance: take its root.",
                lambda x: [v / (pvariance(x) + 1e-5) for v in _centered(x)],
            ),
            Mistake(
                "The mean is not subtracted.", lambda x: [v / sqrt(pvariance(x) + 1e-5) for v in x]
            ),
            Mistake(
                "The variance is divided by n − 1: here it is the mean, over n.",
                lambda x: [v / sqrt(variance(x) + 1e-5) for v in _centered(x)],
            ),
            Mistake("Only the mean is subtracted: divide by the spread, too.", _centered),
            Mistake(
                "1e-5 is added to the variance, inside the root.",
                lambda x: [v / (pstdev(x) + 1e-5) for v in _centered(x)],
            ),
            Mistake(
                "1e-5 is forgotten: it keeps the root from 0 when all numbers are equal.",
                lambda x: [v / pstdev(x) for v in _centered(x)],
            ),
            Mistake(
                "The variance is the mean of squares about the mean, not about 0.",
                lambda x: [v / sqrt(fmean(u * u for u in x) + 1e-5) for v in _centered(x)],
            ),
        ),
        hints=(
            "Three lines: the mean, the distances from it, the mean of their squares.",
            "Divide each distance by the root of that mean plus 1e-5.",
        ),
        solution="""
            from math import sqrt


            def answer(batch):
                mean = sum(batch) / len(batch)
                spread = sum((x - mean) ** 2 for x in batch) / len(batch)
                return [(x - mean) / sqrt(spread + 1e-5) for x in batch]
            """,
        relative=1e-9,
        absolute=1e-12,
    ),
)
