"""Independent truths: slopes by complex steps, softmax in long decimals, exact fractions.

None of them uses the engine. Also here: the points at which exercises are read.
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
    """Differentiate f in each argument, by Im f(x + ih) / h.

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
    """Return what a gate f sends back to each input; its last argument is what arrives."""
    return lambda *point: [point[-1] * slope for slope in slopes(f)(*point[:-1])]


def sigmoid(x: Any) -> Any:
    """Compute 1 / (1 + e^-x), of complex numbers too."""
    return 1 / (1 + cmath.exp(-x))


def larger(x: Any, y: Any) -> Any:
    """Return the larger of two numbers; complex ones are compared by their real parts."""
    return x if complex(x).real > complex(y).real else y


def softmax(logits: Sequence[float]) -> list[Decimal]:
    """Compute softmax in decimals of 60 digits, whose exponents have room for any logit."""
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(z).exp() for z in logits]
        total = sum(powers)
        return [power / total for power in powers]


@dataclass(frozen=True)
class Polynomial:
    """A function whose slopes are to be measured; exact on fractions.

    Examples
    --------
    >>> Polynomial((1, 0, 2))
    1 + 2*t**2
    >>> Polynomial((1, 0, 2))(3.0)
    19.0
    """

    coefficients: tuple[int, ...]

    def __call__(self, t: Any) -> Any:
        """Return the value at t, by Horner's scheme."""
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
    """Compute (f(x + h) - f(x - h)) / 2h in fractions, where nothing is rounded."""
    there, back = f(Fraction(x) + Fraction(h)), f(Fraction(x) - Fraction(h))
    return float((there - back) / (2 * Fraction(h)))


def uniform(count: int, low: float = -3.0, high: float = 3.0) -> Callable[[Random], Any]:
    """Return a function that draws points of ``count`` numbers with two decimals."""
    return lambda rng: tuple(one(rng, low, high) for _ in range(count))


def one(rng: Random, low: float = -3.0, high: float = 3.0) -> float:
    """Draw a number with two decimals, but never 0, where many mistakes give the right answer."""
    return round(rng.uniform(low, high), 2) or 0.5


def some(rng: Random, count: int, low: float = -3.0, high: float = 3.0) -> list[float]:
    """Draw a list of numbers with two decimals."""
    return [one(rng, low, high) for _ in range(count)]


def rows(rng: Random, height: int, width: int) -> list[list[float]]:
    """Draw a matrix as a list of rows."""
    return [some(rng, width) for _ in range(height)]
