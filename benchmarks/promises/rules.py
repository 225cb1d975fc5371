"""The table's promises: a wrong row is caught, kinks are honest, special values are IEEE 754's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from random import Random
from typing import Any

from benchmarks.promises.promise import Finding, tool
from benchmarks.timing import progress
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.errors import GradientMismatch
from tinygrad_edu.gradcheck import check_rule

SPECIAL = (0.0, 5e-324, 1e-310, 1e-300, 0.5, 1.0, 2.0, 3.0, 709.0, 710.0, 746.0, 1e300, math.inf)
SPECIAL = (*SPECIAL, *(-x for x in SPECIAL), math.nan)
PLANTED = 1e-10

# the semantics table: expression, value, slope in x at the x given; written by hand, by IEEE 754
SEMANTICS: Sequence[tuple[str, float, float, float]] = (
    ("log(x)", 0.0, -math.inf, math.inf),
    ("log(x)", -0.0, -math.inf, -math.inf),
    ("log(x)", math.inf, math.inf, 0.0),
    ("1 / x", 0.0, math.inf, -math.inf),
    ("1 / x", -0.0, -math.inf, -math.inf),
    ("1 / x", math.inf, 0.0, -0.0),
    ("exp(x)", 1000.0, math.inf, math.inf),
    ("exp(x)", 710.0, math.inf, math.inf),
    ("exp(x)", -1000.0, 0.0, 0.0),
    ("exp(x)", -math.inf, 0.0, 0.0),
    ("sqrt(x)", 0.0, 0.0, math.inf),
    ("x * x", 1e300, math.inf, 2e300),
    ("x * x", 5e-324, 0.0, 1e-323),
    ("x ** 0", 0.0, 1.0, 0.0),
    ("x ** 0", math.nan, 1.0, 0.0),
    ("x ** 2", 0.0, 0.0, 0.0),
    ("x ** 0.5", 0.0, 0.0, math.inf),
    ("0 ** x", 0.0, 1.0, 0.0),
    ("maximum(x, x)", 1.0, 1.0, 1.0),
    ("minimum(x, x)", 1.0, 1.0, 1.0),
    ("maximum(x, 2)", 2.0, 2.0, 0.5),
    ("relu(x)", 0.0, 0.0, 0.0),
    ("relu(x)", -0.0, 0.0, 0.0),
    ("abs(x)", 0.0, 0.0, 0.0),
    ("abs(x)", -0.0, 0.0, 0.0),
    ("sigmoid(x)", 709.0, 1.0, 1.216780750623423e-308),
    ("sigmoid(x)", 710.0, 1.0, 0.0),
    ("sigmoid(x)", -1000.0, 0.0, 0.0),
    ("sigmoid(x)", 1000.0, 1.0, 0.0),
    ("tanh(x)", 1000.0, 1.0, 0.0),
    ("tanh(x)", math.inf, 1.0, 0.0),
    ("softplus(x)", 1000.0, 1000.0, 1.0),
    ("softplus(x)", -1000.0, 0.0, 0.0),
    ("log(x)", -1.0, math.nan, -1.0),
    ("sqrt(x)", -1.0, math.nan, math.nan),
    ("x ** (1 / 3)", -8.0, math.nan, math.nan),
    ("sin(x)", math.inf, math.nan, math.nan),
    ("x - x", math.inf, math.nan, 0.0),
    ("relu(x)", math.nan, math.nan, 0.0),
    ("maximum(x, 0)", math.nan, math.nan, 0.5),
)


def wrong_rows(points: int) -> Finding:
    """1e-10 planted in each partial of each row, at random points; and right rows pass there."""
    oracles = tool("oracles")
    places = [(op, i) for op in ops.TABLE.values() for i in range(len(op.domain))]
    faults, planted = [], 0
    for op, i in progress(places, "  partials"):
        rng = Random(f"{op.name}/{i}")
        for _ in range(points):
            point = slanted(op, i, rng)
            wrong = oracles.scaled(op, i, 1.0 + rng.choice((-1.0, 1.0)) * PLANTED)
            planted += 1
            if not _caught(wrong, point, f"{op.name}: partial {i} "):
                faults.append(f"{op.name}{point}: {PLANTED} in partial {i} passes")
            if _caught(op, point, ""):
                faults.append(f"{op.name}{point}: the right row is refused")
    count = len(places)
    measured = f"{planted - len(faults):,} of {planted:,} caught, in {count} partials"
    return Finding(f"{measured} of {len(ops.TABLE)} rows", faults)


def _caught(op: Any, point: Sequence[float], named: str) -> bool:
    """Whether the checker refuses the row there, by that name."""
    try:
        check_rule(op, *point)
    except GradientMismatch as error:
        return str(error).startswith(named)
    return False


def slanted(op: Any, i: int, rng: Random) -> tuple[float, ...]:
    """A point in the domain, off the kinks, where partial i is not 0."""
    while True:
        point = tuple(_inside(domain, rng) for domain in op.domain)
        off = abs(point[0] - sum(point[1:])) > 1e-3 or not op.kinks
        slopes = op.partials(ieee, op.forward(ieee, *point), *point)
        if off and slopes[i] != 0.0:
            return point


def _inside(domain: Any, rng: Random) -> float:
    while True:
        x = rng.uniform(-8.0, 8.0)
        if any(low + 0.01 < x < high - 0.01 for low, high in domain):
            return x


def kinks(points: int) -> Finding:
    """At each kink the partial lies between mpmath's slopes of the two sides."""
    oracles = tool("oracles")
    rows = [op for op in ops.TABLE.values() if op.kinks]
    faults, measured = [], 0
    for op in progress(rows, "  rows with kinks"):
        rng = Random(op.name)
        places = [*((kink,) for kink in op.kinks), (-0.0,)]
        if len(op.domain) == 2:
            ys = [rng.uniform(-8.0, 8.0) for _ in range(points)]
            places = [(y + kink, y) for kink in op.kinks for y in (*ys, 0.0, -0.0)]
        for point in places:
            for i, partial in enumerate(op.partials(ieee, op.forward(ieee, *point), *point)):
                measured += 1
                low, high = sorted(float(oracles.slope(op, point, i, side)) for side in (-1, 1))
                if not (low < high and low <= partial <= high):
                    faults.append(f"{op.name}{point}: {partial} is not between {low} and {high}")
    words = f"{measured - len(faults):,} of {measured:,} partials at kinks of {len(rows)} rows"
    return Finding(words, faults)


def special_values(_: int) -> Finding:
    """The semantics table, and each row at all combinations of special values against NumPy."""
    import numpy as np

    faults = [
        f"{text} at {x}: {got}, not {(value, slope)}"
        for text, x, value, slope in SEMANTICS
        if not all(map(same, got := at(text, x), (value, slope)))
    ]
    count = len(SEMANTICS)
    functions = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
        "pow": np.power, "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)), "abs": np.abs,
        "softplus": lambda x: np.logaddexp(x, 0.0), "relu": lambda x: np.maximum(x, 0.0),
    }  # fmt: skip
    for name, op in progress(list(ops.TABLE.items()), "  rows"):
        theirs = functions.get(name) or getattr(np, name)
        for point in itertools.product(SPECIAL, repeat=len(op.domain)):
            count += 1
            values = [Value(x) for x in point]
            root = as_function(op)(*values)
            root.backward()
            with np.errstate(all="ignore"):  # in pairs: alone, NumPy's (-inf) ** 0.5 is nan
                expected = float(theirs(*(np.array([x, 2.0]) for x in point))[0])
            numbers = (root.data, *(v.grad for v in values))
            if not same(root.data, expected) or any(type(x) is not float for x in numbers):
                faults.append(f"{name}{point}: {numbers}, NumPy {expected}")
    return Finding(f"{count - len(faults):,} of {count:,} as IEEE 754 says", faults)


def at(text: str, x: float) -> tuple[float, float]:
    """Value and slope of an expression in x."""
    functions = {name: as_function(op) for name, op in ops.TABLE.items()}
    leaf = Value(x)
    root = eval(text, {"__builtins__": {}}, functions | {"x": leaf})
    root.backward()
    return root.data, leaf.grad


def same(ours: float, theirs: float) -> bool:
    """Equal but for four units in the last place; nan is nan."""
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return ours == theirs or (ours != ours and theirs != theirs)
    return abs(ours - theirs) <= 1e-15 * abs(theirs) + 5e-324 * 4
