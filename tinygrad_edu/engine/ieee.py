"""Floating-point functions that follow IEEE 754 where :mod:`math` raises.

The names are NumPy's, so that a row of ``ops.py`` written for ``xp`` runs unchanged on this
module (plain floats), on ``numpy`` (arrays) and on ``tinygrad_edu.engine.functions`` (Values).

Source: IEEE 754-2019, section 9.2.1 (exceptional values of the elementary functions).
"""

import math

tanh = math.tanh
abs = abs  # NumPy's name, too
INF, NAN = math.inf, math.nan


def exp(x: float) -> float:
    """Compute e to the x; inf if the result is too large for a float."""
    try:
        return math.exp(x)
    except OverflowError:
        return INF


def cosh(x: float) -> float:
    """Compute the hyperbolic cosine; inf if the result is too large for a float."""
    try:
        return math.cosh(x)
    except OverflowError:
        return INF


def log(x: float) -> float:
    """Compute the natural logarithm; -inf at 0 and nan below."""
    try:
        return math.log(x)
    except ValueError:
        return -INF if x == 0.0 else NAN


def log1p(x: float) -> float:
    """Compute log(1 + x), accurate near 0; -inf at -1 and nan below."""
    try:
        return math.log1p(x)
    except ValueError:
        return -INF if x == -1.0 else NAN


def sqrt(x: float) -> float:
    """Compute the square root; nan below 0."""
    try:
        return math.sqrt(x)
    except ValueError:
        return NAN


def sin(x: float) -> float:
    """Compute the sine of an angle in radians; nan at infinity."""
    try:
        return math.sin(x)
    except ValueError:
        return NAN


def cos(x: float) -> float:
    """Compute the cosine of an angle in radians; nan at infinity."""
    try:
        return math.cos(x)
    except ValueError:
        return NAN


def divide(x: float, y: float) -> float:
    """Compute x / y; a signed infinity for a number over zero, nan for 0 / 0."""
    try:
        return x / y
    except ZeroDivisionError:
        return x * math.copysign(INF, y)  # 0 * inf and nan * inf are nan


def power(x: float, y: float) -> float:
    """Compute x to the y; nan if it is not real, a signed infinity if it is too large."""
    try:
        return math.pow(x, y)
    except (OverflowError, ValueError):
        if x < 0.0 and not y.is_integer():
            return NAN
        odd = y % 2.0 == 1.0
        return math.copysign(INF, x) if odd else INF


def maximum(x: float, y: float) -> float:
    """Return the larger of two numbers; nan if either is nan."""
    return x if x >= y or x != x else y


def minimum(x: float, y: float) -> float:
    """Return the smaller of two numbers; nan if either is nan."""
    return x if x <= y or x != x else y


def where(condition: bool, x: float, y: float) -> float:
    """Return x if the condition holds, else y."""
    return x if condition else y


def equal(x: float, y: float) -> bool:
    """Check that two numbers are equal."""
    return x == y


def not_equal(x: float, y: float) -> bool:
    """Check that two numbers are not equal, as nan is not even to itself."""
    return x != y
