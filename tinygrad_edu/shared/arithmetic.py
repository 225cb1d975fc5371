"""Sums and norms of many floats that are right where the plain formula overflows."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, hypot, sqrt


def exact_sum(numbers: Sequence[float]) -> float:
    """Return the sum rounded once; inf or nan where ``fsum`` would raise an error."""
    try:
        return fsum(numbers)
    except (OverflowError, ValueError):
        return sum(numbers)


def root_mean_square(numbers: Sequence[float]) -> float:
    """Return sqrt(mean(x^2)), also where the squares overflow or underflow; 0 for no numbers.

    Examples
    --------
    >>> from tinygrad_edu.shared.arithmetic import root_mean_square
    >>> f"{root_mean_square([3e200, 4e200, 0.0, 0.0]):.3g}"
    '2.5e+200'
    """
    return hypot(*numbers) / sqrt(len(numbers) or 1)
