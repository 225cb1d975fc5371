"""Notebook 06: softmax and cross entropy."""

from __future__ import annotations

import cmath
from math import exp, log, log2
from random import Random
from typing import Any

from tinygrad_edu.course import oracles
from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.lessons.helpers import exact_soft, soft
from tinygrad_edu.course.oracles import slopes, some


def _unshifted(z: list[float]) -> list[float]:
    powers = [exp(x) for x in z]
    return [p / sum(powers) for p in powers]


def _nan_softmax(z: list[float]) -> list[float]:
    """Compute softmax without a shift where overflow gives inf, as in NumPy."""
    powers = [exp(x) if x < 709.0 else float("inf") for x in z]
    return [p / sum(powers) for p in powers]


def _logits(rng: Random) -> Any:
    return (some(rng, 3),)


def _probabilities(rng: Random) -> Any:
    target = rng.randrange(3)
    return soft(some(rng, 3)), [float(i == target) for i in range(3)]


def _logit_slopes(y: list[float], t: list[float]) -> list[float]:
    """Differentiate minus the log of the softmax, at logits that give y."""

    def loss(*a: Any) -> Any:
        total = sum(map(cmath.exp, a))
        return -sum(w * cmath.log(cmath.exp(z) / total) for w, z in zip(t, a, strict=True))

    return slopes(loss)(*map(log, y))


def _labelled(rng: Random) -> Any:
    return some(rng, 3), rng.randrange(2)


def _entropy(logits: list[float], target: int) -> float:
    return float(-oracles.softmax(logits)[target].ln())


def _stable_entropy(z: list[float], t: int) -> float:
    return log(sum(exp(x - max(z)) for x in z)) + max(z) - z[t]


FAR = ([1000.0, 999.0, 0.0],), ([-1000.0, -1001.0, -999.5],)


EXERCISES = (
    Exercise(
        id="softmax_1",
        statement="""
            Write softmax(logits): e to the power of each logit, divided by the sum of these
            powers. It should work for logits of 1000, too.
            """,
        asks=Function("logits", _logits, corners=FAR),
        truth=exact_soft,
        mistakes=(
            Mistake(
                "Correct while the logits are small; e^1000 overflows: subtract the largest"
                " logit first.",
                _unshifted,
                _nan_softmax,
            ),
            Mistake(
                "You divided by the largest instead of the sum: probabilities sum to 1.",
                lambda z: [exp(x - max(z)) for x in z],
            ),
            Mistake(
                "The shift is right, the sum is not: all terms of it are shifted, too.",
                lambda z: [exp(x - max(z)) / (1 + sum(exp(y - max(z)) for y in z)) for x in z],
            ),
            Mistake(
                "You divided the logits by their sum: softmax exponentiates them first.",
                lambda z: [x / sum(z) for x in z],
            ),
            Mistake(
                "This is the logarithm of the softmax.",
                lambda z: [-_stable_entropy(z, i) for i in range(len(z))],
            ),
        ),
        hints=(
            "What does math.exp(1000) give?",
            "e^(a − m)/Σe^(a_j − m) is the same for any m: choose m so that no exponent exceeds 0.",
            "Subtract the largest logit from all, then exponentiate, then divide by the sum.",
        ),
        solution="""
            from math import exp


            def answer(logits):
                powers = [exp(z - max(logits)) for z in logits]
                return [p / sum(powers) for p in powers]
            """,
    ),
    Exercise(
        id="softmax_2",
        statement="""
            y is the softmax of the logits a, t the target (one-hot), L the cross entropy. Write
            logit_gradients(y, t) that returns the list of ∂L/∂a_i.
            """,
        asks=Function("y, t", _probabilities),
        truth=_logit_slopes,
        mistakes=(
            Mistake(
                "t − y is reversed: where the target is 1, a larger logit makes the loss smaller.",
                lambda y, t: [b - a for a, b in zip(y, t, strict=True)],
            ),
            Mistake(
                "That is ∂L/∂y, −t/y: go on through the softmax to the logits.",
                lambda y, t: [-b / a for a, b in zip(y, t, strict=True)],
            ),
            Mistake("The target is not used: y − t, not y.", lambda y, t: [*y]),
            Mistake(
                "You divided by the number of classes: the loss of one sample is a sum over them.",
                lambda y, t: [(a - b) / len(y) for a, b in zip(y, t, strict=True)],
            ),
            Mistake(
                "This is part of the way: every logit changes every y, and here only its own.",
                lambda y, t: [-b * (1 - a) for a, b in zip(y, t, strict=True)],
            ),
        ),
        hints=(
            "Every a_i changes every y_k, through the sum: add up over all outputs.",
            "∂y_k/∂a_i is y_k(1 − y_k) for i = k, and −y_k·y_i otherwise; times −t_k/y_k.",
            "The t sum to 1, and what is left is a difference of two numbers.",
        ),
        solution="""
            def answer(y, t):
                return [p - q for p, q in zip(y, t)]
            """,
    ),
    Exercise(
        id="softmax_3",
        statement="""
            Write cross_entropy(logits, target): minus the natural log of the softmax at the index
            target. It should be finite when logits are 1000 apart, too.
            """,
        asks=Function(
            "logits, target", _labelled, corners=(([1000.0, 0.0, 1.0], 1), ([2.0, 1.0, 0.5], 0))
        ),
        truth=_entropy,
        mistakes=(
            Mistake(
                "The minus sign is forgotten: a loss is large where the probability is small.",
                lambda z, t: -_stable_entropy(z, t),
            ),
            Mistake(
                "Correct while the logits are close; e^1000 overflows: log Σe^a needs the "
                "shift, too.",
                lambda z, t: -log(_unshifted(z)[t]),
            ),
            Mistake(
                "The softmax rounds to 0 where logits are far apart, and log 0 is −∞: stay "
                "in logarithms.",
                lambda z, t: -log(soft(z)[t]),
                lambda z, t: -log(soft(z)[t]) if soft(z)[t] else float("inf"),
            ),
            Mistake(
                "The shift was subtracted before the logarithm and not added again after it.",
                lambda z, t: log(sum(exp(x - max(z)) for x in z)) - z[t],
            ),
            Mistake(
                "The logarithm has base 2 here: the natural one is asked for.",
                lambda z, t: _stable_entropy(z, t) / log(2),
            ),
            Mistake(
                "The target is off by one: indices count from 0.",
                lambda z, t: _stable_entropy(z, t - 1),
            ),
        ),
        hints=(
            "The log of a quotient is a difference: log Σe^a − a at the target.",
            "log Σe^a is m + log Σe^(a − m), for any m; the largest logit is a good one.",
            "Then nothing overflows, and no logarithm gets a 0.",
        ),
        solution="""
            from math import exp, log


            def answer(logits, target):
                m = max(logits)
                return m + log(sum(exp(z - m) for z in logits)) - logits[target]
            """,
    ),
    Exercise(
        id="softmax_4",
        statement="""
            A new network gives all ten digits the same logit. What is its cross entropy? Two
            decimals.
            """,
        asks=Numbers(),
        truth=lambda: _entropy([0.0] * 10, 3),
        mistakes=(
            Mistake("That is the probability of each digit: the loss is −log of it.", 0.1),
            Mistake("That is the logarithm to base 10: the natural one is meant.", 1.0),
            Mistake("That is the logarithm to base 2: the natural one is meant.", log2(10)),
            Mistake("The minus sign is forgotten: a loss is not negative.", -2.302585),
            Mistake(
                "That is the sum over all ten classes: only the target's counts, as t is 0 "
                "elsewhere.",
                23.02585,
            ),
        ),
        hints=(
            "Equal logits, equal probabilities: what is each of ten?",
            "The loss is −ln of the probability of the target.",
        ),
        solution="""
            from math import log

            answer = -log(1 / 10)
            """,
        relative=0.0,
        absolute=0.006,
    ),
)
