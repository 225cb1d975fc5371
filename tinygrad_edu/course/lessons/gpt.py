"""Notebook 12: a small GPT from single numbers."""

from __future__ import annotations

from decimal import Decimal
from math import exp, fsum, sqrt
from random import Random
from statistics import fmean, pvariance
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.lessons.helpers import dot, exact_soft, soft, turned
from tinygrad_edu.course.oracles import one, rows, some

Matrix = list[list[float]]


def _attended(rng: Random) -> Any:
    return some(rng, 4), rows(rng, 3, 4), rows(rng, 3, 4)


def _weighted(weights: list[float], vectors: Matrix) -> list[float]:
    return [dot(weights, column) for column in turned(vectors)]


def _attention(query: list[float], keys: Matrix, values: Matrix) -> list[float]:
    scores = [fsum(a * b for a, b in zip(query, k, strict=True)) / 2.0 for k in keys]  # d = 4
    return [
        fsum(w * v[i] for w, v in zip(exact_soft(scores), values, strict=True)) for i in range(4)
    ]


def _rms(x: list[float]) -> list[float]:
    mean = sum((Decimal(v) ** 2 for v in x), Decimal("1e-5") * len(x)) / len(x)
    return [float(Decimal(v) / mean.sqrt()) for v in x]


def _moments(rng: Random) -> Any:
    rate = one(rng, 0.01, 0.2)
    return one(rng), one(rng), one(rng), one(rng, 0.1, 2.0), rng.randint(1, 9), rate


def _adam(w: float, g: float, m: float, v: float, t: int, rate: float) -> list[float]:
    """Compute algorithm 1 of Kingma and Ba (2015) in decimals."""
    W, G, M, V, rate_ = map(Decimal, (w, g, m, v, rate))
    b1, b2 = Decimal("0.9"), Decimal("0.999")
    M, V = b1 * M + (1 - b1) * G, b2 * V + (1 - b2) * G * G
    step = rate_ * (M / (1 - b1**t)) / ((V / (1 - b2**t)).sqrt() + Decimal("1e-8"))
    return [float(W - step), float(M), float(V)]


def _adam_but(
    w: float, g: float, m: float, v: float, t: int, rate: float,
    *, correct: bool = True, sign: float = 1.0, root: bool = True, power: int = 2,
) -> list[float]:  # fmt: skip
    """Compute a step of Adam with something wrong."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * abs(g) ** power
    first, second = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if correct else (m, v)
    return [w - sign * rate * first / ((sqrt(second) if root else second) + 1e-8), m, v]


def _warm(rng: Random) -> Any:
    return some(rng, 3), rng.choice((0.25, 0.5, 2.0, 4.0))


EXERCISES = (
    Exercise(
        id="gpt_1",
        statement="""
            Write attention(query, keys, values): the values weighted by the softmax of
            query·key/√d, where d is the length of the query.
            """,
        asks=Function("query, keys, values", _attended),
        truth=_attention,
        mistakes=(
            Mistake(
                "The scores are not divided by √d.",
                lambda q, k, v: _weighted(soft([dot(q, x) for x in k]), v),
            ),
            Mistake(
                "You divided by d: take its root.",
                lambda q, k, v: _weighted(soft([dot(q, x) / len(q) for x in k]), v),
            ),
            Mistake(
                "You divided by the root of the number of keys: d is the length of the query.",
                lambda q, k, v: _weighted(soft([dot(q, x) / sqrt(len(k)) for x in k]), v),
            ),
            Mistake(
                "The softmax is forgotten: weights are positive and sum to 1.",
                lambda q, k, v: _weighted([dot(q, x) / sqrt(len(q)) for x in k], v),
            ),
            Mistake(
                "The keys are summed: they give the weights, the values are what is weighted.",
                lambda q, k, v: _weighted(soft([dot(q, x) / sqrt(len(q)) for x in k]), k),
            ),
            Mistake(
                "The query meets the values: the weights come from the keys.",
                lambda q, k, v: _weighted(soft([dot(q, x) / sqrt(len(q)) for x in v]), v),
            ),
        ),
        hints=(
            "A score for each key, then a weight for each score, then one vector.",
            "Score: the sum of products of query and key, over the root of len(query).",
            "Entry i of the result: the sum of each weight times entry i of its value.",
        ),
        solution="""
            from math import exp, sqrt


            def answer(query, keys, values):
                scores = [sum(q * k for q, k in zip(query, key)) / sqrt(len(query)) for key in keys]
                powers = [exp(s - max(scores)) for s in scores]
                weights = [p / sum(powers) for p in powers]
                return [sum(w * v for w, v in zip(weights, column)) for column in zip(*values)]
            """,
    ),
    Exercise(
        id="gpt_2",
        statement="Write rms_norm(x): each number divided by √(mean of the squares + 1e-5).",
        asks=Function("x", lambda rng: (some(rng, rng.randint(3, 6)),)),
        truth=_rms,
        mistakes=(
            Mistake(
                "That is layer normalisation: RMSNorm subtracts no mean.",
                lambda x: [(v - fmean(x)) / sqrt(pvariance(x) + 1e-5) for v in x],
            ),
            Mistake(
                "This takes the sum of the squares instead of their mean.",
                lambda x: [v / sqrt(dot(x, x) + 1e-5) for v in x],
            ),
            Mistake(
                "The root is forgotten.", lambda x: [v / (dot(x, x) / len(x) + 1e-5) for v in x]
            ),
            Mistake(
                "1e-5 is forgotten: it keeps the root from 0 when all numbers are 0.",
                lambda x: [v / sqrt(dot(x, x) / len(x)) for v in x],
            ),
            Mistake(
                "1e-5 is added to the mean of the squares, inside the root.",
                lambda x: [v / (sqrt(dot(x, x) / len(x)) + 1e-5) for v in x],
            ),
            Mistake(
                "The squares are forgotten: this is the mean of the sizes.",
                lambda x: [v / (fmean(map(abs, x)) + 1e-5) for v in x],
            ),
            Mistake(
                "The variance is used: RMSNorm takes squares about 0, not about the mean.",
                lambda x: [v / sqrt(pvariance(x) + 1e-5) for v in x],
            ),
            Mistake(
                "You multiplied by the root: divide.",
                lambda x: [v * sqrt(dot(x, x) / len(x) + 1e-5) for v in x],
            ),
        ),
        hints=(
            "Root mean square, read from the back: squares, their mean, its root.",
            "1e-5 is added before the root is taken; then each number is divided by it.",
        ),
        solution="""
            from math import sqrt


            def answer(x):
                size = sqrt(sum(v * v for v in x) / len(x) + 1e-5)
                return [v / size for v in x]
            """,
    ),
    Exercise(
        id="gpt_3",
        statement="""
            Write adam(w, g, m, v, t, rate) that returns [w, m, v] after step t = 1, 2, ...; betas
            0.9 and 0.999, epsilon 1e-8 (Kingma and Ba 2015, algorithm 1).
            """,
        asks=Function("w, g, m, v, t, rate", _moments),
        truth=_adam,
        mistakes=(
            Mistake(
                "The bias correction is forgotten: divide the moments by 1 − beta^t for the step.",
                lambda *p: _adam_but(*p, correct=False),
            ),
            Mistake("The step goes uphill: subtract it.", lambda *p: _adam_but(*p, sign=-1.0)),
            Mistake(
                "The root of the second moment is forgotten.", lambda *p: _adam_but(*p, root=False)
            ),
            Mistake(
                "The second moment is that of the squares, g².", lambda *p: _adam_but(*p, power=1)
            ),
            Mistake(
                "t is off by one: the first step has t = 1, so that 1 − beta^t is not 0.",
                lambda w, g, m, v, t, r: _adam_but(w, g, m, v, t + 1, r),
            ),
            Mistake(
                "The corrected moments are returned: the plain ones are kept, corrected at "
                "each step.",
                lambda w, g, m, v, t, r: [
                    x / (1 - b**t)
                    for x, b in zip(_adam_but(w, g, m, v, t, r), (0, 0.9, 0.999), strict=True)
                ],
            ),
        ),
        hints=(
            "First the moments: nine tenths of the old m and a tenth of g; v likewise, with g².",
            "For the step both are divided by 1 − beta^t; what is returned stays as it was.",
            "The step is rate times the first over the root of the second plus epsilon; "
            "subtract it.",
        ),
        solution="""
            from math import sqrt


            def answer(w, g, m, v, t, rate):
                m = 0.9 * m + 0.1 * g
                v = 0.999 * v + 0.001 * g * g
                first, second = m / (1 - 0.9**t), v / (1 - 0.999**t)
                return [w - rate * first / (sqrt(second) + 1e-8), m, v]
            """,
    ),
    Exercise(
        id="gpt_4",
        statement="""
            Write probabilities(logits, temperature): the softmax of the logits divided by the
            temperature.
            """,
        asks=Function("logits, temperature", _warm),
        truth=lambda z, t: exact_soft([x / t for x in z]),
        mistakes=(
            Mistake(
                "You multiplied by the temperature: hot means flat, so divide.",
                lambda z, t: soft([x * t for x in z]),
            ),
            Mistake(
                "You divided after the softmax: it no longer sums to 1.",
                lambda z, t: [p / t for p in soft(z)],
            ),
            Mistake("The temperature is not used.", lambda z, t: soft(z)),
            Mistake(
                "The exponentials are not divided by their sum.",
                lambda z, t: [exp(x / t) for x in z],
            ),
        ),
        hints=(
            "The temperature acts on the logits, before e.",
            "A small temperature makes the gaps between logits large.",
        ),
        solution="""
            from math import exp


            def answer(logits, temperature):
                powers = [exp((z - max(logits)) / temperature) for z in logits]
                return [p / sum(powers) for p in powers]
            """,
    ),
    Exercise(
        id="gpt_5",
        statement="""
            A model learns to continue the name emma, which stands between a start and an end
            token. How many predictions is it trained on?
            """,
        asks=Numbers(),
        truth=lambda: len([*zip("<emma", "emma>", strict=True)]),
        mistakes=(
            Mistake("Off by one: that the name ends after the last letter is predicted, too.", 4),
            Mistake("Off by one: the start token is given, never predicted.", 6),
            Mistake(
                "The first letter is predicted from the start token, and the end from the "
                "last letter.",
                3,
            ),
        ),
        hints=(
            "Write the tokens in a row: start, e, m, m, a, end.",
            "Every token but one is predicted from those before it.",
        ),
        solution='answer = len("emma") + 1',
    ),
)
