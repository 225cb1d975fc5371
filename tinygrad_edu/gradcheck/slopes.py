"""Measure how steep a function is at a point from its values alone, by no rule of calculus.

Where mpmath is installed, rows run on numbers of 800 digits, so that (f(x + h) - f(x)) / h with a
tiny h is right to some 40 digits, on either side of x. Without it, a row takes a tiny step into the
complex plane: f'(x) = Im f(x + ih) / h subtracts nothing, and so loses no digits [1]_. The rest,
and every Python function, is measured by quotients of floats, extrapolated to h = 0, which also
tell how far off they may be [2]_. So is a row that leaves the numbers it is given: ``math.sin``
makes a float of any number, which is the same at x and x + h if h is tiny, as if it were constant.

References
----------
.. [1] Squire and Trapp (1998), Using complex variables to estimate derivatives of real functions,
   SIAM Review 40.
.. [2] Ridders (1982), Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering
   Software 4.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.guards import real
from tinygrad_edu.engine.ops import Primitive

DIGITS = 800  # 1e308 + 5e-324 has 632; moved by a step of 1e-40 of it, 672; the rest is to spare
TOLERANCE = 1e-12  # relative; a row loses 8e-14 at most (x**y in x, where x is near 0 or inf)
TINY = 2.0**-1073  # two steps of the smallest floats, which have no relative accuracy
EPSILON, LARGEST = 2.0**-52, 1.7976931348623157e308
SHRINK = 0.6  # of one step to the next: not 0.5, as halves of rounded numbers are alike

Function = Callable[[Any], Any]


BY_DIFFERENCES = "extrapolated differences"
BY_FLOATS = f"{BY_DIFFERENCES} of floats (write xp.sin, not math.sin, to use {DIGITS} digits)"


class Slope(NamedTuple):
    """The slopes just below and just above a point; nan where none could be measured."""

    left: float
    right: float
    error: float  # how far off they may be
    method: str
    jumps: bool = False
    why: str = "no finite slope was found there"  # if it is nan


UNSETTLED = Slope(
    *(math.nan, math.nan, 0.0, BY_DIFFERENCES),
    why="the function gives another number when it is called again",
)


class DigitsLost(TypeError):
    """A number of 800 digits was read as a float, an integer or text."""


def slope(left: float, right: float, error: float, method: str, jumps: bool = False) -> Slope:
    """Make a Slope, whose error allows for what a float loses that is computed by a rule."""
    allowed = TOLERANCE * max(abs(left), abs(right)) + TINY
    return Slope(left, right, error + allowed, method, jumps)


@cache
def arithmetic() -> tuple[Any, Callable[[float], Any]]:
    """Return the functions and the numbers that rows run on: mpmath's of 800 digits, or floats."""
    try:
        mp = import_module("mpmath").mp.clone()  # our own, as its precision is a setting
    except ImportError:
        return ieee, float
    mp.dps = DIGITS
    mp.mpf.rounded = mp.mpf.__float__  # for our own use; nothing else may round
    for name in ("float", "int", "complex", "round", "str", "repr", "format", "hash"):
        setattr(mp.mpf, f"__{name}__", _refuse_to_round)
    of_mpmath = ("exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "cosh", "power")
    of_any_number = ("abs", "maximum", "minimum", "where", "equal", "not_equal")
    xp = {name: getattr(mp, name) for name in of_mpmath}
    xp |= {name: getattr(ieee, name) for name in of_any_number} | {"divide": operator.truediv}
    return type("Functions", (), {n: staticmethod(f) for n, f in xp.items()}), mp.mpf


def _refuse_to_round(*_: Any) -> Any:
    raise DigitsLost("a slope can't be measured by numbers that are rounded on the way")


def measured(of: Callable[[Any, Any], Function], x: float) -> Slope:
    """Measure the slope at x of a function that ``of(xp, number)`` makes for numbers of any kind.

    It is measured by floats where it does not work on numbers of 800 digits.
    """
    return _exact(of, x) or _by_floats(of, x)


def _by_floats(of: Callable[[Any, Any], Function], x: float) -> Slope:
    method = BY_DIFFERENCES if arithmetic()[0] is ieee else BY_FLOATS
    return extrapolated(of(ieee, float), x)._replace(method=method)


def _exact(of: Callable[[Any, Any], Function], x: float) -> Slope | None:
    """Measure on numbers of 800 digits; None where the function can't do with them."""
    xp, number = arithmetic()
    try:
        return None if xp is ieee else _quotients(of(xp, number), number(x))
    except Exception:  # a pole, a complex number, or anything that code written for floats raises
        return None


def of_row(op: Primitive, point: Sequence[float], i: int, *, kink: bool) -> Slope:
    """Measure the slope of a row's forward in its input i.

    What was found by other numbers than floats must agree with floats, where these can tell: it is
    with floats that the engine computes.
    """

    def of(xp: Any, number: Any) -> Function:
        rest = [*map(number, point)]
        return lambda x: op.forward(xp, *rest[:i], x, *rest[i + 1 :])

    other = _exact(of, point[i])
    if other is None and not kink and arithmetic()[0] is ieee:
        other = _complex_step(op, point, i)
    by_floats = _by_floats(of, point[i])
    return other if other is not None and _agree(other, by_floats) else by_floats


def _agree(exact: Slope, by_floats: Slope) -> bool:
    """Check that floats do not contradict; where they find a jump, it may be a kink near by."""
    if by_floats.jumps or math.isnan(by_floats.left + by_floats.right):
        return True
    slack = by_floats.error + 1e-3 * max(abs(by_floats.left), abs(exact.left), abs(exact.right))
    far = max(abs(exact.left - by_floats.left), abs(exact.right - by_floats.right))
    return far <= slack or exact.left == by_floats.left == exact.right


def _quotients(f: Function, x: Any) -> Slope | None:
    """Measure by (f(x + h) - f(x)) / h on mpmath's numbers, for a tiny h below and above.

    The steps differ in length, so that their gap shows how far off a smooth function's slope is.
    Where they don't agree there is a kink, if each side agrees with itself at longer steps.
    """
    h = type(x)(10) ** -40 * min(abs(x) or 1, 1)
    method = f"mpmath at {DIGITS} digits"
    here = f(x)
    left, right, *further = ((f(x + k * h) - here) / (k * h) for k in (-1, 2, -7, 14))
    gap, size = abs(right - left), max(abs(left), abs(right))
    alike = 1e-20 * max(size, 1)
    if gap < math.inf and gap <= alike:
        middle = ((left + right) / 2).rounded() if abs(left + right) > gap else 0.0
        return slope(middle, middle, gap.rounded(), method)
    apart = max(abs(left - further[0]), abs(right - further[1]))
    if size <= LARGEST and apart <= alike:
        return slope(left.rounded(), right.rounded(), 0.0, method, jumps=True)
    return None


_COMPLEX = SimpleNamespace(
    **{name: getattr(cmath, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "cosh")},
    log1p=lambda z: complex(math.log1p(z.real), cmath.phase(1.0 + z)),  # but for h**2
    abs=lambda z: z if z.real >= 0.0 else -z,
    maximum=lambda z, w: z if z.real >= w.real else w,
    minimum=lambda z, w: z if z.real <= w.real else w,
    power=operator.pow,
    divide=operator.truediv,
    where=ieee.where,
    equal=ieee.equal,
    not_equal=ieee.not_equal,
)


def _complex_step(op: Primitive, point: Sequence[float], i: int) -> Slope | None:
    """Measure by Im f(x + ih) / h; None where the row, or the size of its result, forbids it."""
    h = 1e-9 * min(abs(point[i]) or 1.0, 1.0)  # off by h**2: some 1e-18 of the slope
    moved = [complex(x, h * (k == i)) for k, x in enumerate(point)]
    try:
        out = op.forward(_COMPLEX, *moved)
        real = op.forward(ieee, *point)
        if not math.isclose(out.real, real, rel_tol=1e-9) or abs(out.imag) < 1e-290:
            return None  # another branch, or too few digits left
    except (ArithmeticError, TypeError, ValueError):
        return None
    return slope(out.imag / h, out.imag / h, 1e-11 * abs(out.imag / h), "a complex step")


def extrapolated(f: Function, x: float) -> Slope:
    """Measure by quotients of floats, extrapolated to h = 0, on each side where the two differ."""
    f = _guarded(f)
    here = f(x)
    both, below, above = _steps(f, x, 1.0, 1.0), _steps(f, x, 1.0, 0.0), _steps(f, x, 0.0, 1.0)
    noise, steepest = _noise(both), max((step.size / both[0].h for step in both), default=0.0)
    (middle, doubt), (left, left_doubt), (right, right_doubt) = (
        _best(steps, noise) for steps in (both, below, above)
    )

    def known(slope: float, doubt: float, within: float = 1e-6) -> bool:
        return doubt <= within * max(abs(slope), steepest)

    sides = 30.0 * (left_doubt + right_doubt)  # estimates, so not taken at their word
    gap = abs(right - left) - 1e-3 * max(abs(left), abs(right))
    if known(left, left_doubt) and known(right, right_doubt) and gap > 10.0 * sides:
        return slope(left, right, sides, BY_DIFFERENCES, jumps=True)
    if math.isfinite(here) and f(x) != here:
        return UNSETTLED
    if math.isfinite(here) and known(middle, doubt) and known(middle, sides, 1e-2):  # no cusp
        return slope(middle, middle, 30.0 * doubt + 1e-10 * abs(middle), BY_DIFFERENCES)
    return Slope(math.nan, math.nan, 0.0, BY_DIFFERENCES)


def _guarded(f: Function) -> Callable[[float], float]:
    """Return the function with nan where it has no real number, whatever it raises there."""

    def number(x: float) -> float:
        try:
            return real(f(x))
        except Exception:
            return math.nan

    return number


class _Step(NamedTuple):
    """A quotient with the step h, and better and better extrapolations of it to h = 0.

    Its error is a series in h, or in h**2 between both sides of x; column k of the row cancels
    term k against the step before.
    """

    h: float
    row: list[float]
    size: float  # of f
    flat: bool  # f is the same at both ends


def _steps(f: Function, x: float, below: float, above: float) -> list[_Step]:
    """Take shorter and shorter steps, from the first on that is inside the domain."""
    steps = list[_Step]()
    h = max(1.0 / 16.0, 1e-4 * abs(x))
    size = abs(x) or 1e-6
    least = max(1e-6 * min(size, 1.0), 1e-10 * size, 1e-306)  # then all is rounding
    while least < h < math.inf:
        low, high = x - below * h, x + above * h
        ends = f(low), f(high)
        row = [(ends[1] - ends[0]) / (high - low)]
        for k, old in enumerate(steps[-1].row[:8] if steps else (), 1):
            row.append(row[-1] + (row[-1] - old) / (SHRINK ** (-k * (below + above)) - 1.0))
        if math.isfinite(row[0]):
            steps.append(_Step(h, row, max(map(abs, ends)), ends[0] == ends[1]))
        else:
            steps.clear()
        h *= SHRINK
    return steps


def _noise(steps: list[_Step]) -> float:
    """Estimate how much f scatters about a smooth function: h times what short quotients do.

    The lower quartile is taken because a kink scatters, too, until a step is too short to reach it.
    """
    short = [(a, b) for a, b in pairwise(steps[1:]) if b.h < 0.01 and not b.flat]
    scatter = sorted(b.h * abs(b.row[1] - a.row[1]) for a, b in short)
    return scatter[len(scatter) // 4] if scatter else 0.0


def _best(steps: list[_Step], noise: float) -> tuple[float, float]:
    """Choose the slope of the best step, and tell how far off it may be.

    A step is as good as its columns agree, and as it agrees with the steps before and after: two
    numbers may agree by luck. A longer step that contradicts a shorter one has seen too much: it
    reached beyond a pole or a kink.
    """
    good = [min((abs(b - a), b) for a, b in pairwise(step.row)) for step in steps[1:]]
    best, least = math.nan, math.inf
    triples = [*zip(steps[2:], good, good[1:], good[2:], strict=False)]
    for step, before, (spread, value), after in reversed(triples):
        doubt = max(spread, abs(value - before[1]), abs(value - after[1]))
        doubt += (noise + max(EPSILON * step.size, TINY)) / step.h  # TINY: where f underflows
        if doubt < least and not abs(value - best) > 30.0 * (doubt + least):
            best, least = value, doubt
    return best, least
