"""Floating-point functions that answer as IEEE 754 does, where :mod:`math` raises.

The names are NumPy's, so that a row of ``ops.py`` written for ``xp`` runs unchanged on this
module (plain floats), on ``numpy`` (arrays) and on ``tinygrad_edu.engine.functions`` (Values).

Source: IEEE 754-2019, section 9.2.1 (exceptional values of the elementary functions).
"""

import math

tanh = math.tanh
abs = abs  # NumPy's name, too
INF, NAN = math.inf, math.nan


def exp(x: float) -> float:
    """e to the x; inf where the result is too large for a float."""
    try:
        return math.exp(x)
    except OverflowError:
        return INF


def cosh(x: float) -> float:
    """Hyperbolic cosine; inf where the result is too large for a float."""
    try:
        return math.cosh(x)
    except OverflowError:
        return INF


def log(x: float) -> float:
    """Natural logarithm; -inf at 0 and nan below."""
    try:
        return math.log(x)
    except ValueError:
        return -INF if x == 0.0 else NAN


def log1p(x: float) -> float:
    """log(1 + x), accurate near 0; -inf at -1 and nan below."""
    try:
        return math.log1p(x)
    except ValueError:
        return -INF if x == -1.0 else NAN


def sqrt(x: float) -> float:
    """Square root; nan below 0."""
    try:
        return math.sqrt(x)
    except ValueError:
        return NAN


def sin(x: float) -> float:
    """Sine of an angle in radians; nan at infinity."""
    try:
        return math.sin(x)
    except ValueError:
        return NAN


def cos(x: float) -> float:
    """Cosine of an angle in radians; nan at infinity."""
    try:
        return math.cos(x)
    except ValueError:
        return NAN


def divide(x: float, y: float) -> float:
    """x / y; a signed infinity for a number over zero, nan for 0 / 0."""
    try:
        return x / y
    except ZeroDivisionError:
        return x * math.copysign(INF, y)  # 0 * inf and nan * inf are nan


def power(x: float, y: float) -> float:
    """x to the y; nan where the result is not real, a signed infinity where it is too large."""
    try:
        return math.pow(x, y)
    except (OverflowError, ValueError):
        if x < 0.0 and not y.is_integer():
            return NAN
        odd = y % 2.0 == 1.0
        return math.copysign(INF, x) if odd else INF


def maximum(x: float, y: float) -> float:
    """The larger of two numbers; nan where either is nan."""
    return x if x >= y or x != x else y


def minimum(x: float, y: float) -> float:
    """The smaller of two numbers; nan where either is nan."""
    return x if x <= y or x != x else y


def where(condition: bool, x: float, y: float) -> float:
    """x where the condition holds, y elsewhere."""
    return x if condition else y


def equal(x: float, y: float) -> bool:
    """Whether two numbers are equal."""
    return x == y
