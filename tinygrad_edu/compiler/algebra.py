"""Rules for formulas of matrices: their shapes, and the same in fewer words.

Beside NumPy's functions a formula has ``matmul``, ``transpose``, ``collect(table, arrays...)``,
``softmax(A, axis)``, ``log_softmax(A, Y, axis)`` and ``weighted_log(T, A, Y, axis)``, which are
log Y and T ⊙ log Y of Y = softmax(A), and ``sum``, ``max`` and ``logsumexp`` of ``(x, axes...)``,
which keep an axis with the length 1; ``total`` drops it. Axes are counted from the end, as floats;
none means all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TypeAlias, TypeGuard

from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.engine.symbols import Atom, Expression, is_number, name_of, names_in

Shape: TypeAlias = tuple["int | str", ...]
Shapes: TypeAlias = Mapping[str, Shape]
MOST_DIGITS = 7  # a factor with more, such as 1/12, is written as a division
OVER = frozenset(("sum", "max", "logsumexp", "total"))  # they take numbers together along axes
MATRIX = OVER | {"matmul", "transpose", "softmax", "log_softmax", "weighted_log", "collect"}


def axes_of(numbers: tuple[Atom, ...]) -> list[int]:
    """Return the axes of a sum, counted from the last, which is -1; none means all."""
    return [int(axis) for axis in numbers if not isinstance(axis, Expression)]


def shapes_of(arrays: Sequence[Array]) -> dict[str, Shape]:
    """List the shape of every name, its gradient's name included; n stands for the rows."""
    shapes: dict[str, Shape] = {"L": (1, 1), "n": ()}
    for array in arrays:
        shape: Shape = (("n",) if array.per_row else ()) + array.shape
        shapes |= dict.fromkeys((array.name, "Δ" + array.name, "∂L/∂" + array.name), shape)
    return shapes


def shape_of(atom: Atom, shapes: Shapes) -> Shape:
    """Return the shape of a formula."""
    if not isinstance(atom, Expression):
        return ()
    if not atom.arguments:
        return shapes.get(atom.function, ())
    if atom.function == "collect":
        return ("?", str(id(atom)))  # it equals no other shape
    inner = [shape_of(x, shapes) for x in atom.arguments]
    if atom.function == "transpose":
        return (*inner[0][:-2], inner[0][-1], inner[0][-2])
    if atom.function in ("softmax", "log_softmax", "weighted_log"):
        return inner[atom.function == "weighted_log"]
    if atom.function == "matmul":
        return (*inner[0][:-1], inner[1][-1])
    if atom.function in OVER:
        axes = axes_of(atom.arguments[1:]) or [*range(-len(inner[0]), 0)]
        if atom.function == "total":
            return tuple(n for at, n in enumerate(inner[0], -len(inner[0])) if at not in axes)
        return tuple(1 if at - len(inner[0]) in axes else n for at, n in enumerate(inner[0]))
    rank = max(map(len, inner))
    padded = [(1,) * (rank - len(shape)) + shape for shape in inner]
    return tuple(next((n for n in along if n != 1), 1) for along in zip(*padded, strict=True))


def substituted(atom: Atom, of: Mapping[str, Atom]) -> Atom:
    """Put formulas in the place of names."""
    if not isinstance(atom, Expression):
        return atom
    if not atom.arguments:
        return of.get(atom.function, atom)
    return Expression(atom.function, tuple(substituted(x, of) for x in atom.arguments))


def tidy(atom: Atom) -> Atom:
    """Leave out what changes nothing, and write signs and factors where people put them."""
    if not isinstance(atom, Expression) or not atom.arguments:
        return atom
    arguments = tuple(map(tidy, atom.arguments))
    rule = _RULES.get(atom.function)
    found = rule(*arguments) if rule is not None else None
    return found if found is not None else Expression(atom.function, arguments)


def made_by(x: Atom, function: str) -> TypeGuard[Expression]:
    """Check what an expression does."""
    return isinstance(x, Expression) and x.function == function


def _negative(x: Atom) -> Atom | None:
    if not isinstance(x, Expression):
        return -x
    if x.function == "negative":
        return x.arguments[0]
    if x.function == "subtract":
        return Expression("subtract", x.arguments[::-1])
    return None


def _add(x: Atom, y: Atom) -> Atom | None:
    if is_number(x, 0.0):
        return y
    if is_number(y, 0.0):
        return x
    if made_by(y, "negative"):
        return tidy(Expression("subtract", (x, y.arguments[0])))
    if made_by(x, "negative"):
        return tidy(Expression("subtract", (y, x.arguments[0])))
    if made_by(x, "add") and (twice := _shared_factor("add", x.arguments[1], y)) is not None:
        return tidy(Expression("add", (x.arguments[0], twice)))
    return _shared_factor("add", x, y)


def _subtract(x: Atom, y: Atom) -> Atom | None:
    if is_number(y, 0.0):
        return x
    if made_by(y, "negative"):
        return tidy(Expression("add", (x, y.arguments[0])))
    return _shared_factor("subtract", x, y)


def _shared_factor(function: str, x: Atom, y: Atom) -> Atom | None:
    """Write (x + y) / n for x / n + y / n, and 2 x for x + x."""
    if isinstance(x, Expression) and function == "add" and _alike(x, y):
        return Expression("multiply", (2.0, x))
    if not (isinstance(x, Expression) and isinstance(y, Expression)):
        return None
    for outer, at in (("true_divide", 1), ("multiply", 0)):
        if made_by(x, outer) and made_by(y, outer) and _alike(x.arguments[at], y.arguments[at]):
            inner = tidy(Expression(function, (x.arguments[1 - at], y.arguments[1 - at])))
            factor = x.arguments[at]
            return Expression(outer, (inner, factor) if at else (factor, inner))
    return None


def _alike(x: Atom, y: Atom) -> bool:
    """Check for one number, or one name."""
    if isinstance(x, Expression) and isinstance(y, Expression):
        return name_of(x) == name_of(y) != ""
    return not isinstance(y, Expression) and is_number(x, y)


def _multiply(x: Atom, y: Atom) -> Atom | None:
    if not isinstance(x, Expression) and not isinstance(y, Expression):
        return x * y
    if not isinstance(y, Expression):
        x, y = y, x
    if not isinstance(x, Expression):
        if x in (0.0, 1.0):
            return y if x else 0.0
        if made_by(y, "multiply") and not isinstance(y.arguments[0], Expression):
            return tidy(Expression("multiply", (x * y.arguments[0], y.arguments[1])))
        whole = round(1.0 / x) if 0.0 < x < 1.0 and isfinite(1.0 / x) else 0
        if whole and x == 1.0 / whole and len(repr(x)) > MOST_DIGITS:
            return Expression("true_divide", (y, float(whole)))
        if x == -1.0:
            return tidy(Expression("negative", (y,)))
        if x < 0.0:
            return Expression("negative", (tidy(Expression("multiply", (-x, y))),))
        if made_by(y, "negative"):
            return Expression("negative", (tidy(Expression("multiply", (x, y.arguments[0]))),))
        return Expression("multiply", (x, y))
    if made_by(x, "log_softmax") and not made_by(y, "log_softmax"):
        return Expression("multiply", (y, x))
    for one, other in ((x, y), (y, x)):
        if made_by(one, "negative"):
            return Expression(
                "negative", (tidy(Expression("multiply", (one.arguments[0], other))),)
            )
        if made_by(one, "true_divide") and names_in(one) <= {"n"}:
            above = tidy(Expression("multiply", (one.arguments[0], other)))
            return tidy(Expression("true_divide", (above, one.arguments[1])))
    return None


def _divide(x: Atom, y: Atom) -> Atom | None:
    if is_number(y, 1.0):
        return x
    if not isinstance(y, Expression) and made_by(x, "multiply"):
        factor, other = x.arguments
        if not isinstance(factor, Expression) and factor and (y / factor).is_integer():
            return tidy(Expression("true_divide", (other, y / factor)))
    if made_by(x, "negative"):
        return Expression("negative", (tidy(Expression("true_divide", (x.arguments[0], y))),))
    return None


def _sum(x: Atom, *axes: Atom) -> Atom | None:
    if is_number(x, 0.0):
        return 0.0
    if made_by(x, "transpose") and not axes:
        return Expression("sum", x.arguments)
    if made_by(x, "sum") and not axes:
        return Expression("sum", x.arguments[:1])
    if made_by(x, "negative"):
        return Expression("negative", (tidy(Expression("sum", (x.arguments[0], *axes))),))
    return None


def _transpose(x: Atom) -> Atom | None:
    return (
        x if not isinstance(x, Expression) else x.arguments[0] if made_by(x, "transpose") else None
    )


def _matmul(x: Atom, y: Atom) -> Atom | None:
    if is_number(x, 0.0) or is_number(y, 0.0):
        return 0.0
    for one, other, left in ((x, y, True), (y, x, False)):
        if made_by(one, "negative"):
            pair = (one.arguments[0], other) if left else (other, one.arguments[0])
            return Expression("negative", (tidy(Expression("matmul", pair)),))
    return None


def _where(condition: Atom, yes: Atom, no: Atom) -> Atom | None:
    if not isinstance(yes, Expression) and is_number(no, yes):
        return yes
    if names_in(yes) - {"n"} or is_number(yes, 1.0) or not is_number(no, 0.0):
        return None
    return tidy(Expression("multiply", (yes, Expression("where", (condition, 1.0, 0.0)))))


_RULES: dict[str, Callable[..., Atom | None]] = {
    "divide": lambda x, y: tidy(Expression("true_divide", (x, y))),
    "where": _where,
    "negative": _negative,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "true_divide": _divide,
    "sum": _sum,
    "total": lambda x, *axes: 0.0 if is_number(x, 0.0) else None,
    "transpose": _transpose,
    "matmul": _matmul,
}
