"""What the engine refuses, and in which words: operands, lost graphs, stale graphs, cycles."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Complex, Real
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from tinygrad_edu.engine import hooks, ieee
from tinygrad_edu.engine.errors import OperandError, StaleGraphError

if TYPE_CHECKING:
    from tinygrad_edu.engine.value import Value

INF = float("inf")
Number: TypeAlias = float | Real | Decimal  # int, bool, Fraction and NumPy scalars are Real


_FIXES = {
    "str": "convert the text first: Value(float(text)).",
    "NoneType": "look for a function that forgot to return its result.",
    "complex": "work with the real and the imaginary part as two Values.",
    "Value": "use the Value itself; .data is its number, .detach() a constant copy.",
}


def real(x: Number) -> float:
    """Any real number as a float: int, float, bool, Fraction, Decimal or NumPy scalar."""
    if type(x) is float:
        return x
    name = type(x).__name__
    if isinstance(x, Real | Decimal) or name in ("bool", "bool_"):  # NumPy's bools are not Real
        try:
            number = float(x)
            if abs(number) != INF or x == number:
                return number
        except (OverflowError, ValueError):
            pass
        raise OperandError(
            f"{_shown(x)} can't be kept as a float: it is too large, or no quiet nan.",
            expected="a number up to 1.8e308, or inf or nan",
            fix="rescale it first.",
        )
    name = "complex" if isinstance(x, Complex) else name
    raise OperandError(
        f"expected a real number, got {type(x).__name__}: {_shown(x)}.",
        expected="int, float, bool, Fraction, Decimal, NumPy scalar (or, in arithmetic, a Value)",
        fix=_FIXES.get(name, "make one Value of each number in it: [Value(x) for x in xs]."),
    )


def _shown(x: object) -> str:
    """The beginning of ``repr(x)``, whatever x is: Python refuses to print integers too long."""
    try:
        return f"{x!r:.60}"
    except ValueError:
        return f"this {type(x).__name__}"


def itself(value: Value) -> Value:
    """``+v`` is v: no node, no copy."""
    return value


def lost(value: Value) -> NoReturn:
    """Refuse to turn a Value into a plain number behind the reader's back."""
    raise OperandError(
        f"{value!r} was used where Python wants a plain number.",
        where="float(v), int(v), bool(v), math.exp(v): each would lose the graph silently",
        fix="write v.data for the number; v.exp() and tinygrad_edu.exp(v) stay in the graph.",
    )


def _comparison(compare: Callable[[float, float], bool]) -> Callable[[Value, Any], bool]:
    """A comparison of data, which a watcher may refuse, since Python code may branch on it."""

    def method(self: Value, other: Any) -> bool:
        if (watcher := hooks.watcher) is not None:
            watcher.compared(self)
        return compare(self.data, other.data if isinstance(other, type(self)) else real(other))

    return method


lt, le, gt, ge = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))


def acyclic(path: Sequence[Value]) -> int:
    """Raise if a value stands twice on the way down from a root; else the length of the way."""
    if len(set(path)) < len(path):
        raise StaleGraphError(
            f"{path[-1]!r} is an input of one of its own inputs.",
            where="a graph edited by hand: arithmetic on Values can't make a cycle",
            fix="build the graph again from its leaves.",
        )
    return len(path)


def outdated(node: Value) -> float | None:
    """What the inputs of an operation give now, where that is not what it has; else None.

    Their data was changed after the graph was built, or its own was.
    """
    if node.op is None:
        return None
    again: float = node.op.forward(ieee, *[v.data for v in node.inputs])
    same = again == node.data or (again != again and node.data != node.data)
    return None if same else again


def stale(order: Sequence[Value]) -> NoReturn:
    """Name the first node whose recorded value is not what its inputs give now."""
    changed = ((v, now) for v in order if (now := outdated(v)) is not None)
    node, again = next(changed, (order[-1], order[-1].data))
    inputs = " and ".join(f"{describe(v)} = {v.data:.6g}" for v in node.inputs)
    raise StaleGraphError(
        f"{describe(node)} was {node.data:.6g} when this graph was built, "
        f"but its input{'s' * (len(node.inputs) > 1)} {inputs} now give {again:.6g}.",
        where="the data of one of them was changed after the forward pass",
        fix="compute the loss again after changing a value, then call backward().",
    )


def describe(node: Value) -> str:
    """The label of a node, else what it is."""
    return node.label or (node.op.name if node.op else "constant" if node.constant else "leaf")
