"""Truths by other ways than the learner's, and than the engine's: complex steps and long decimals.

Also the points at which exercises are read.
"""

from __future__ import annotations

import cmath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random
from typing import Any

STEP = 1e-30  # its square vanishes beside any slope, and nothing is subtracted


def slopes(f: Callable[..., Any]) -> Callable[..., list[float]]:
    """The partial derivatives of f, as Im f(x + ih) / h.

    References
    ----------
    Squire and Trapp (1998), Using complex variables to estimate derivatives of real functions,
    SIAM Review 40.

    Examples
    --------
    >>> slopes(lambda x, y: x * y + 3 * x)(2.0, 5.0)
    [8.0, 2.0]
    """

    def gradient(*point: float) -> list[float]:
        moved = [
            [complex(x, STEP * (i == k)) for i, x in enumerate(point)] for k in range(len(point))
        ]
        return [complex(f(*at)).imag / STEP for at in moved]

    return gradient


def flowing(f: Callable[..., Any]) -> Callable[..., list[float]]:
    """What a gate f sends back to each input, where the last number is what arrives at it."""
    return lambda *point: [point[-1] * slope for slope in slopes(f)(*point[:-1])]


def sigmoid(x: Any) -> Any:
    """Of a complex number, too."""
    return 1 / (1 + cmath.exp(-x))


def larger(x: Any, y: Any) -> Any:
    """The maximum, of complex numbers by their real part."""
    return x if complex(x).real > complex(y).real else y


def softmax(logits: Sequence[float]) -> list[Decimal]:
    """In decimals of 60 digits, whose exponents have room for any logit."""
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(z).exp() for z in logits]
        total = sum(powers)
        return [power / total for power in powers]


@dataclass(frozen=True)
class Polynomial:
    """A function to measure slopes of: exact on fractions.

    Examples
    --------
    >>> Polynomial((1, 0, 2))
    1 + 2*t**2
    >>> Polynomial((1, 0, 2))(3.0)
    19.0
    """

    coefficients: tuple[int, ...]

    def __call__(self, t: Any) -> Any:
        """Its value, by Horner's scheme."""
        total: Any = 0
        for c in reversed(self.coefficients):
            total = total * t + c
        return total

    def __repr__(self) -> str:
        terms = [
            str(c) if not k else f"{c}*t" if k == 1 else f"{c}*t**{k}"
            for k, c in enumerate(self.coefficients)
            if c
        ]
        return " + ".join(terms) or "0"


def central(f: Polynomial, x: float, h: float) -> float:
    """(f(x + h) - f(x - h)) / 2h in fractions: nothing is rounded."""
    there, back = f(Fraction(x) + Fraction(h)), f(Fraction(x) - Fraction(h))
    return float((there - back) / (2 * Fraction(h)))


def uniform(count: int, low: float = -3.0, high: float = 3.0) -> Callable[[Random], Any]:
    """Points of ``count`` numbers, rounded so that they can be read."""
    return lambda rng: tuple(one(rng, low, high) for _ in range(count))


def one(rng: Random, low: float = -3.0, high: float = 3.0) -> float:
    """A number with two decimals, never 0: a mistake may be right at 0."""
    return round(rng.uniform(low, high), 2) or 0.5


def some(rng: Random, count: int, low: float = -3.0, high: float = 3.0) -> list[float]:
    """A list of such numbers."""
    return [one(rng, low, high) for _ in range(count)]


def rows(rng: Random, height: int, width: int) -> list[list[float]]:
    """A matrix as a list of rows."""
    return [some(rng, width) for _ in range(height)]
