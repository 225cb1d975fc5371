"""Derivatives of derivatives: what flows back through an operation, as a graph of Values.

A row run on symbols says what to compute; here that is computed on Values, so that the result can
be differentiated again, and compiled. A choice becomes operations, too: a condition is 1 or 0, and
a gate lets a number through or holds it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tinygrad_edu.engine import ops, symbols
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.functions import as_function
from tinygrad_edu.engine.symbols import Atom, Expression
from tinygrad_edu.engine.value import Value


def contribution(node: Value, i: int, cotangent: Value) -> Value | None:
    """Compute what ``node`` hands to its input ``i``: the cotangent times a partial.

    It is a Value that depends on the inputs, and can be differentiated again; None if nothing
    flows, as below ``stop_gradient``.
    """
    of = {"x0": node._left, "x1": node._right, "out": node, "up": cotangent}
    terms = _write_terms(node.op) if here().fault else _terms(node.op)
    term = _evaluate(terms[i], of)
    return term if isinstance(term, Value) else None


def _write_terms(op: Any) -> tuple[Atom, ...]:
    """Write the contribution to each input as an expression in x0, x1, out and up."""
    inputs = [symbols.variable(f"x{i}") for i in range(op.arity)]
    partials = symbols.partials_of(op, symbols.variable("out"), *inputs)
    if op.slope:
        partials = (Expression(op.slope, tuple(inputs)),)
    return tuple(symbols.times(symbols.variable("up"), partial) for partial in partials)


_terms = cache(_write_terms)  # but for a row that a fault has changed, for a while


def _evaluate(atom: Atom, of: Mapping[str, Any]) -> Any:
    """Compute an expression on the Values that its variables stand for."""
    if not isinstance(atom, Expression):
        return atom
    if not atom.arguments:
        return of[atom.function]
    function = _FUNCTIONS.get(atom.function) or as_function(ops.lookup(atom.function))
    return function(*[_evaluate(argument, of) for argument in atom.arguments])


def _condition(row: ops.Primitive) -> Callable[[Any, Any], Any]:
    """Make a comparison that is 1 or 0: a Value, or a number if both sides are constants."""
    compare = as_function(row)

    def condition(x: Any, y: Any) -> Any:
        sides = [v.data if isinstance(v, Value) and v.constant else v for v in (x, y)]
        known = not any(isinstance(side, Value) for side in sides)
        return compare(*sides) if known else compare(x, y)

    return condition


def _where(condition: Any, yes: Any, no: Any) -> Any:
    """Choose by two gates, so that nothing comes of the other branch, even if it is nan."""
    if not isinstance(condition, Value):
        return yes if condition else no
    chosen = _gate(condition, yes)
    return (
        chosen if not isinstance(no, Value) and no == 0.0 else chosen + _gate(1.0 - condition, no)
    )


_gate = as_function(ops.GATE)
_greater, _at_least = _condition(ops.GREATER), _condition(ops.GREATER_EQUAL)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    row.name: as_function(row) for row in (ops.TABLE | ops.INNER).values()
}
_FUNCTIONS |= {  # NumPy's names, where they are not the row's, and what is composed of rows
    "subtract": _FUNCTIONS["sub"],
    "multiply": _FUNCTIONS["mul"],
    "divide": _FUNCTIONS["div"],
    "true_divide": _FUNCTIONS["div"],
    "power": _FUNCTIONS["pow"],
    "negative": _FUNCTIONS["neg"],
    "cosh": lambda x: 0.5 * _FUNCTIONS["exp"](x) + 0.5 * _FUNCTIONS["exp"](-x),
    "log1p": lambda x: _FUNCTIONS["log"](1.0 + x),
    "greater": _greater,
    "greater_equal": _at_least,
    "less": lambda x, y: _greater(y, x),
    "less_equal": lambda x, y: _at_least(y, x),
    "equal": lambda x, y: _at_least(x, y) * _at_least(y, x),
    "not_equal": lambda x, y: 1.0 - _at_least(x, y) * _at_least(y, x),
    "logical_and": _FUNCTIONS["mul"],
    "logical_or": _FUNCTIONS["maximum"],
    "where": _where,
}
