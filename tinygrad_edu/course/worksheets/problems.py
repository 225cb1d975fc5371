"""Graphs for pencil and paper: small, with short numbers, and with a value that is used twice."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.formulas import as_math
from tinygrad_edu.engine.functions import maximum
from tinygrad_edu.engine.guards import local_partials
from tinygrad_edu.engine.symbols import SYMBOLS, Atom, variable
from tinygrad_edu.shared.arguments import one_of, whole

LEAVES = ("a", "b", "c", "d")
OPERATIONS = {1: 3, 2: 5, 3: 7}  # of each level
DEEPEST = {3: 3, 5: 3, 7: 4}  # operations on one path, so that a page is wide enough
STARTS = (-4.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
TRIES = 20_000  # of 8, 12 or 18 tries (by level) about one gives a good graph


@dataclass(frozen=True)
class Term:
    """A value, and the expression that it was computed by, in the names of the leaves."""

    value: Value
    formula: Atom

    @property
    def text(self) -> str:
        """Write the expression as a formula."""
        return as_math(self.formula, {name: name for name in LEAVES}, times="·")


JOINS: tuple[tuple[Callable[..., Value], Callable[..., Atom]], ...] = (
    (operator.add, operator.add),
    (operator.sub, operator.sub),
    (operator.mul, operator.mul),
    (operator.mul, operator.mul),
    (maximum, SYMBOLS.maximum),
)


def problem(rng: Random, level: int = 2) -> Term:
    """Draw a graph, and run its backward pass.

    Parameters
    ----------
    rng : random.Random
    level : 1, 2 or 3, for 3, 5 or 7 operations

    Raises
    ------
    SettingError
        If the level is not one of these.

    Examples
    --------
    >>> from random import Random
    >>> problem(Random(7), 1).text
    'a · b − (c − a)'
    """
    operations = OPERATIONS[one_of("level", whole("level", level), OPERATIONS)]
    for _ in range(TRIES):
        found = _attempt(rng, operations)
        if found is not None and _is_good(found.value):
            return found
    raise SettingError("no graph with short numbers was found.", fix="pass another seed.")


def _attempt(rng: Random, operations: int) -> Term | None:
    """Join open ends, the oldest first, so that no path gets long; leaves may be used twice."""
    starts = rng.sample(STARTS, len(LEAVES))
    leaves = [Term(Value(x, name), variable(name)) for name, x in zip(LEAVES, starts, strict=True)]
    ends = leaves = leaves[: 3 if operations < 5 else 4]
    again = rng.sample(leaves, operations + 1 - len(leaves))  # each at most once more
    ends = rng.sample([*ends, *again], len(ends) + len(again))
    for _ in range(operations):
        x, y = ends.pop(0), ends.pop(rng.randrange(min(2, len(ends))))
        if x is y:
            return None
        on_values, on_symbols = rng.choice(JOINS)
        ends.append(Term(on_values(x.value, y.value), on_symbols(x.formula, y.formula)))
    return ends[0]


def _is_good(root: Value) -> bool:
    """Check that there is something to think about, and that every number is short."""
    order = topological_order(root)
    if not _has_shape(order):
        return False
    root.backward()
    leaves = [node for node in order if node.op is None]
    passed = [p * node.grad for node in order if node.op for p in local_partials(node)]
    return (
        all(_is_short(x) for x in (*passed, *(v.grad for v in order)))
        and passed.count(0.0) <= len(order) // 9  # a max sends 0 to the smaller input
        and all(leaf.grad for leaf in leaves)
        and len({abs(leaf.grad) for leaf in leaves}) >= 3
    )


def _has_shape(order: list[Value]) -> bool:
    """Check what can be checked before the backward pass."""
    kinds = [node.op.name for node in order if node.op]
    inputs = [v for node in order for v in node.inputs]
    return (
        all(_is_short(node.data) for node in order)
        and "mul" in kinds
        and len(dict.fromkeys(kinds)) >= min(3, len(kinds) - 1)
        and max(map(inputs.count, order)) == 2  # a value is used twice, and never more often
        and _depth(order) <= DEEPEST[len(kinds)]
        and not any(_is_tie(node) for node in order)
    )


def _is_tie(node: Value) -> bool:
    """Check for a max of equal numbers, whose gradient is a convention."""
    return (
        node.op is not None
        and node.op.name == "maximum"
        and len({v.data for v in node.inputs}) == 1
    )


def _depth(order: list[Value]) -> int:
    """Count the operations on the longest path."""
    depth: dict[Value, int] = {}
    for node in order:
        depth[node] = max((depth[v] for v in node.inputs), default=-1) + 1
    return depth[order[-1]]


def _is_short(x: float) -> bool:
    """Check for a whole, half or quarter number that is printed without rounding."""
    return (4.0 * x).is_integer() and abs(x) <= 24.0 and float(f"{x:.3g}") == x
