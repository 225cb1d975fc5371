"""Notebook 11: from numbers to matrices to machines."""

from __future__ import annotations

from fractions import Fraction
from math import fsum
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.lessons.helpers import dot, turned
from tinygrad_edu.course.oracles import rows, slopes, some

Matrix = list[list[float]]


def _times(W: Matrix, z: list[float]) -> list[float]:
    return [dot(row, z) for row in W]


def _relu(x: float) -> float:
    return max(x, 0.0)


def _square(rng: Random) -> Any:
    size = rng.randint(2, 3)
    return rows(rng, size, size), some(rng, size), some(rng, size)


def _forward(W: Matrix, z: list[float], b: list[float]) -> list[float]:
    exact = [
        sum((Fraction(w) * Fraction(x) for w, x in zip(row, z, strict=True)), Fraction(c))
        for row, c in zip(W, b, strict=True)
    ]
    return [float(a) if a > 0 else 0.0 for a in exact]


def _backward(W: Matrix, delta: list[float], slope: list[float]) -> list[float]:
    """Differentiate the loss delta . W (slope * a) in each a."""

    def loss(*a: Any) -> Any:
        z = [s * x for s, x in zip(slope, a, strict=True)]
        total: Any = 0
        for d, row in zip(delta, W, strict=True):
            total = total + d * sum(w * x for w, x in zip(row, z, strict=True))
        return total

    return slopes(loss)(*slope)


def _batch(rng: Random) -> Any:
    samples = rng.randint(2, 3)
    return rows(rng, 2, samples), rows(rng, 2, samples)


def _outer(delta: Matrix, Z: Matrix) -> Matrix:
    """Sum over the samples without rounding."""
    samples = range(len(Z[0]))
    return [[fsum(d[m] * z[m] for m in samples) for z in Z] for d in delta]


EXERCISES = (
    Exercise(
        id="matrix_1",
        statement="""
            Write forward(W, z, b) that returns relu(W·z + b); W has one row for each neuron.
            """,
        asks=Function("W, z, b", _square),
        truth=_forward,
        mistakes=(
            Mistake(
                "That is Wᵀ·z: a row of W belongs to a neuron, and meets all of z.",
                lambda W, z, b: [
                    _relu(a + c) for a, c in zip(_times(turned(W), z), b, strict=True)
                ],
            ),
            Mistake("The bias is forgotten.", lambda W, z, b: [_relu(a) for a in _times(W, z)]),
            Mistake(
                "The bias belongs inside relu.",
                lambda W, z, b: [_relu(a) + c for a, c in zip(_times(W, z), b, strict=True)],
            ),
            Mistake(
                "relu is forgotten.",
                lambda W, z, b: [a + c for a, c in zip(_times(W, z), b, strict=True)],
            ),
            Mistake(
                "relu is max(a, 0): this is min.",
                lambda W, z, b: [min(a + c, 0.0) for a, c in zip(_times(W, z), b, strict=True)],
            ),
        ),
        hints=(
            "One row first: the sum of its products with z, plus its bias.",
            "Then relu of each, which is the larger of the number and 0.",
        ),
        solution="""
            def answer(W, z, b):
                sums = [sum(w * x for w, x in zip(row, z)) + c for row, c in zip(W, b)]
                return [max(a, 0.0) for a in sums]
            """,
    ),
    Exercise(
        id="matrix_2",
        statement="""
            Write backward(W, delta, slopes) that returns f′(A) ⊙ Wᵀ·Δ, for W of the next layer,
            its Δ, and the list slopes of f′(a_i).
            """,
        asks=Function("W, delta, slopes", _square),
        truth=_backward,
        mistakes=(
            Mistake(
                "W in place of Wᵀ: node i collects over its outgoing wires, column i of W.",
                lambda W, d, s: [a * b for a, b in zip(s, _times(W, d), strict=True)],
            ),
            Mistake(
                "f′(A) is forgotten: the gradient flows back across the activation, too.",
                lambda W, d, s: _times(turned(W), d),
            ),
            Mistake(
                "The weights are forgotten.",
                lambda W, d, s: [a * b for a, b in zip(s, d, strict=True)],
            ),
            Mistake(
                "The slopes belong to this layer: multiply after Wᵀ, not before it.",
                lambda W, d, s: _times(turned(W), [a * b for a, b in zip(s, d, strict=True)]),
            ),
        ),
        hints=(
            "Node i of this layer feeds node k of the next over W[k][i].",
            "Sum W[k][i]·delta[k] over k, then multiply by slopes[i].",
        ),
        solution="""
            def answer(W, delta, slopes):
                columns = zip(*W)
                sums = [sum(w * d for w, d in zip(column, delta)) for column in columns]
                return [s * total for s, total in zip(slopes, sums)]
            """,
    ),
    Exercise(
        id="matrix_3",
        statement="""
            Write weight_gradient(delta, Z) that returns ∂L/∂W = Δ·Zᵀ; the rows of delta and Z are
            nodes, the columns samples.
            """,
        asks=Function("delta, Z", _batch),
        truth=_outer,
        mistakes=(
            Mistake(
                "That is Z·Δᵀ: rows of ∂L/∂W belong to the heads of the wires.",
                lambda d, Z: [[dot(a, b) for b in d] for a in Z],
            ),
            Mistake(
                "Correct for the first sample only: the samples add up.",
                lambda d, Z: [[a[0] * b[0] for b in Z] for a in d],
            ),
            Mistake(
                "You divided by the batch size: Δ·Zᵀ is the sum over the samples.",
                lambda d, Z: [[dot(a, b) / len(a) for b in Z] for a in d],
            ),
            Mistake(
                "Sums are multiplied: each sample is a product of its own.",
                lambda d, Z: [[sum(a) * sum(b) for b in Z] for a in d],
            ),
            Mistake("Every sign is reversed.", lambda d, Z: [[-dot(a, b) for b in Z] for a in d]),
        ),
        hints=(
            "One sample first: tail times head, δ_j·z_i.",
            "Over a batch these add up: row j of delta meets row i of Z.",
        ),
        solution="""
            def answer(delta, Z):
                return [[sum(d * z for d, z in zip(head, tail)) for tail in Z] for head in delta]
            """,
    ),
    Exercise(
        id="matrix_4",
        statement="64 inputs, 32 neurons, 100 samples: how many multiplications are in W·X?",
        asks=Numbers(),
        truth=lambda: sum(64 for _ in range(32) for _ in range(100)),
        mistakes=(
            Mistake("That is one sample: there are 100.", 2048),
            Mistake("The biases are added, not multiplied.", 208_000),
            Mistake("Inputs and neurons are added: every pair of them has a multiplication.", 9600),
            Mistake("The additions are counted, too.", 409_600),
        ),
        hints=(
            "How many weights are there?",
            "Each weight is multiplied once for each sample.",
        ),
        solution="answer = 64 * 32 * 100",
    ),
)
