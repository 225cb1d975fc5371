"""Notebook 05: a network by hand."""

from __future__ import annotations

import cmath
from math import fsum, tanh
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Network
from tinygrad_edu.course.lessons.helpers import dot
from tinygrad_edu.course.oracles import one, slopes, some
from tinygrad_edu.nn import MLP


def _neuron(rng: Random) -> Any:
    count = rng.randint(2, 4)
    return some(rng, count, -1.0, 1.0), some(rng, count, -1.0, 1.0), one(rng, -1.0, 1.0)


def _tanh_of_sum(w: list[float], x: list[float], b: float) -> float:
    """Compute tanh from exponentials, and the sum without rounding."""
    power = cmath.exp(2 * fsum([b, *(p * q for p, q in zip(w, x, strict=True))])).real
    return (power - 1) / (power + 1)


def _outputs(rng: Random) -> Any:
    count = rng.randint(2, 4)
    return one(rng, 0.1, 1.0), some(rng, count), some(rng, count)


def _delta(slope: float, weights: list[float], deltas: list[float]) -> float:
    """Differentiate a loss whose slopes at the next layer are the deltas."""

    def loss(a: Any) -> Any:
        z = slope * a
        return sum(d * w * z for w, d in zip(weights, deltas, strict=True))

    return slopes(loss)(0.0)[0]


def _wires(rng: Random) -> Any:
    return some(rng, 2), some(rng, 3)


def _weight_slopes(z: list[float], delta: list[float]) -> list[list[float]]:
    """Move each weight by itself: a_j = sum of w_ji z_i, L = sum of delta_j a_j."""
    return [[slopes(lambda w, t=t, d=d: d * w * t)(1.0)[0] for t in z] for d in delta]


EXERCISES = (
    Exercise(
        id="network_1",
        statement="Write neuron(w, x, b): tanh of the bias b plus the sum of w_i·x_i.",
        asks=Function("w, x, b", _neuron),
        truth=_tanh_of_sum,
        mistakes=(
            Mistake("The bias is forgotten.", lambda w, x, b: tanh(dot(w, x))),
            Mistake("The activation is forgotten: tanh comes last.", lambda w, x, b: dot(w, x) + b),
            Mistake(
                "The bias belongs inside tanh, not after it.", lambda w, x, b: tanh(dot(w, x)) + b
            ),
            Mistake("The weights are forgotten.", lambda w, x, b: tanh(sum(x) + b)),
            Mistake(
                "You summed first and multiplied afterwards: each input has its own weight.",
                lambda w, x, b: tanh(sum(w) * sum(x) + b),
            ),
        ),
        hints=(
            "Three steps: multiply inputs by weights, add everything up with the bias, then tanh.",
            "zip(w, x) gives the pairs; math.tanh is the activation.",
        ),
        solution="""
            from math import tanh


            def answer(w, x, b):
                return tanh(b + sum(p * q for p, q in zip(w, x)))
            """,
    ),
    Exercise(
        id="network_2",
        statement="""
            A hidden node feeds K nodes. Write delta(slope, weights, deltas) that returns its δ
            from f′(a), the list of weights w_k to them and the list of their δ_k.
            """,
        asks=Function("slope, weights, deltas", _outputs),
        truth=_delta,
        mistakes=(
            Mistake(
                "f′(a) is forgotten: the gradient flows back across the activation, too.",
                lambda s, w, d: dot(w, d),
            ),
            Mistake(
                "The weights are forgotten: rule 2 changes each δ_k by the weight of its wire.",
                lambda s, w, d: s * sum(d),
            ),
            Mistake(
                "Correct for the first output only: the gradients of all wires meet and add up.",
                lambda s, w, d: s * w[0] * d[0],
            ),
            Mistake(
                "Correct for the last output only: the gradients of all wires meet and add up.",
                lambda s, w, d: s * w[-1] * d[-1],
            ),
            Mistake(
                "You summed first and multiplied afterwards: each wire carries w_k·δ_k.",
                lambda s, w, d: s * sum(w) * sum(d),
            ),
            Mistake(
                "f′(a) belongs once, after the sum, as a factor: it was added.",
                lambda s, w, d: s + dot(w, d),
            ),
        ),
        hints=(
            "Walk backwards: what flows back over one wire?",
            "Over wire k comes w_k·δ_k; what arrives at the node adds up.",
            "Last comes the activation, which multiplies by its slope.",
        ),
        solution="""
            def answer(slope, weights, deltas):
                return slope * sum(w * d for w, d in zip(weights, deltas))
            """,
    ),
    Exercise(
        id="network_3",
        statement="""
            Write weight_gradients(z, delta): row j, column i is ∂L/∂w_ji, of the wire from node
            i, whose activation is z[i], to node j, whose gradient is delta[j].
            """,
        asks=Function("z, delta", _wires),
        truth=_weight_slopes,
        mistakes=(
            Mistake(
                "Rows and columns are swapped: row j belongs to the head of the wire.",
                lambda z, d: [[a * b for b in d] for a in z],
            ),
            Mistake(
                "The tail is forgotten: it is tail times head, z_i·δ_j.",
                lambda z, d: [[b for _ in z] for b in d],
            ),
            Mistake(
                "The head is forgotten: it is tail times head, z_i·δ_j.",
                lambda z, d: [[*z] for _ in d],
            ),
            Mistake(
                "Tail and head are added: multiply them.",
                lambda z, d: [[a + b for a in z] for b in d],
            ),
        ),
        hints=(
            "Take one wire. Its weight is multiplied by z[i] on the way forward.",
            "∂L/∂w is the activation at the tail of the arrow times the gradient at its head.",
            "One row for each delta, and in it one number for each z.",
        ),
        solution="""
            def answer(z, delta):
                return [[tail * head for tail in z] for head in delta]
            """,
    ),
    Exercise(
        id="network_4",
        statement="""
            Make a model with 2 inputs, one hidden layer of 3 tanh neurons and 1 linear output: 13
            parameters.
            """,
        asks=Network("c, x1, x2", lambda rng: (one(rng, 0.2, 0.9), one(rng), one(rng))),
        truth=lambda c, x, y: [13, 3 * c * _tanh_of_sum([c, c], [x, y], c) + c],
        mistakes=(
            Mistake(
                "The output has tanh as well: the last layer should be linear.",
                lambda: MLP(2, [3, 1], "tanh", "tanh"),
            ),
            Mistake(
                "The hidden neurons are relu: tanh is asked for, as activation=...",
                lambda: MLP(2, [3, 1]),
            ),
            Mistake("There are two hidden layers of 3.", lambda: MLP(2, [3, 3, 1], "tanh")),
            Mistake(
                "The hidden layer has 2 neurons: 2 is the number of inputs.",
                lambda: MLP(2, [2, 1], "tanh"),
            ),
            Mistake(
                "The hidden layer is linear, and so is the whole network: it needs tanh.",
                lambda: MLP(2, [3, 1], "linear"),
            ),
            Mistake("There are three outputs and no hidden layer.", lambda: MLP(2, [3], "tanh")),
            Mistake(
                "The widths are in the other order: your model has 1 hidden neuron and 3 outputs.",
                lambda: MLP(2, [1, 3], "tanh"),
                lambda: MLP(2, [1, 3]),
            ),
        ),
        hints=(
            "tinygrad_edu.nn has MLP: the number of inputs, then the widths of the layers.",
            "The widths are those of the hidden layer and of the output; the activation has"
            " a name.",
        ),
        solution="""
            from tinygrad_edu.nn import MLP

            answer = MLP(2, [3, 1], activation="tanh")
            """,
    ),
)
