"""Tell where a function is saturated, from its row of the table alone.

No derivative is written here: each slope is what the row's own ``partials`` give, so that a row
which a user adds with :func:`tinygrad_edu.primitive` is judged like those of the package.
"""

from __future__ import annotations

from functools import cache
from math import inf, nan

from tinygrad_edu.engine import Value, ieee
from tinygrad_edu.engine.guards import local_partials
from tinygrad_edu.engine.ops import REAL, Primitive

SATURATED = 0.05  # of the steepest slope: |tanh| > 0.975, sigmoid within 0.013 of 0 or 1
POINTS = [2.0 ** (k / 4) for k in range(-40, 41)]  # 0.001 to 1000, tried on both sides of 0
FAR = 200.0  # a function that saturates has done so beyond this


def saturated(node: Value) -> bool | None:
    """Check that hardly any slope is left at a node; None where its function never saturates."""
    steepest = _steepest(node.op) if node.op is not None else None
    return None if steepest is None else abs(local_partials(node)[0]) < SATURATED * steepest


@cache
def _steepest(row: Primitive) -> float | None:
    """Find the steepest slope of a row that flattens on both sides; return None for other rows."""
    if row.domain != (REAL,):
        return None
    found = [(x, _slope(row, x)) for x in (0.0, *POINTS, *[-x for x in POINTS])]
    slopes = [(abs(x), abs(slope)) for x, slope in found if slope == slope]
    steepest = max((slope for _, slope in slopes), default=inf)
    tails = max((slope for x, slope in slopes if x > FAR), default=inf)
    return steepest if tails < SATURATED * steepest < inf else None


def _slope(row: Primitive, x: float) -> float:
    """Compute the slope at x; nan where it can't be computed."""
    try:
        return float(row.partials(ieee, row.forward(ieee, x), x)[0])
    except (ArithmeticError, ValueError):  # a row may use more than xp, and overflow
        return nan
