"""A little arithmetic for the mistakes and truths of several notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from tinygrad_edu.course import oracles


def dot(u: Sequence[float], v: Sequence[float]) -> float:
    """Sum the products of the entries.

    Examples
    --------
    >>> dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    return sum(a * b for a, b in zip(u, v, strict=True))


def soft(logits: Sequence[float]) -> list[float]:
    """Compute softmax in floats, as a learner would write it.

    Examples
    --------
    >>> soft([1000.0, 1000.0])
    [0.5, 0.5]
    """
    powers = [exp(z - max(logits)) for z in logits]
    return [power / sum(powers) for power in powers]


def exact_soft(logits: Sequence[float]) -> list[float]:
    """Compute softmax in long decimals, rounded to floats at the end.

    Examples
    --------
    >>> exact_soft([1000.0, 0.0])[0]
    1.0
    """
    return [float(p) for p in oracles.softmax(logits)]


def turned(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Turn rows into columns.

    Examples
    --------
    >>> turned([[1, 2], [3, 4]])
    [[1, 3], [2, 4]]
    """
    return [list(column) for column in zip(*rows, strict=True)]
