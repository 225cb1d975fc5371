"""Rows of the table run on symbols: what a primitive and its slopes are, as expressions.

Nothing here knows a derivative: the row of ``ops.py`` is called with names instead of numbers, and
what comes back is what the compiler emits, what figures print, and what ``grad`` turns into graphs
for higher derivatives. So a row that a user adds compiles, and explains itself, like the others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.ops import NOTHING, Primitive

Atom: TypeAlias = "Expression | float"


@dataclass(frozen=True, eq=False)
class Expression:
    """A call of one of NumPy's functions; a variable is a name without arguments."""

    function: str
    arguments: tuple[Atom, ...] = ()

    def __bool__(self) -> bool:
        raise SettingError(
            "a row of the table branches on its input: it can't be compiled, nor its derivative "
            "be differentiated.",
            where="an `if`, `and`, `or` or a comparison of Python's in its forward or partials",
            fix="write xp.where(condition, yes, no), which runs on floats and arrays alike.",
        )

    def __eq__(self, other: object) -> bool:
        raise SettingError(
            "a row of the table compares its input by ==, which Values don't know.",
            fix="write xp.equal(x, y), which runs on floats, arrays and Values alike.",
        )

    __hash__ = object.__hash__


def _method(function: str, reflected: bool = False) -> Callable[..., Expression]:
    def method(self: Expression, *other: Atom) -> Expression:
        return Expression(function, (*other, self) if reflected else (self, *other))

    return method


for _operator, _function in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "pow": "power",
    "and": "logical_and",
    "or": "logical_or",
}.items():
    setattr(Expression, f"__{_operator}__", _method(_function))
    setattr(Expression, f"__r{_operator}__", _method(_function, reflected=True))
for _operator, _function in {
    "neg": "negative",
    "abs": "abs",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(Expression, f"__{_operator}__", _method(_function))


def _function_of(name: str) -> Callable[..., Expression]:
    return lambda *arguments: Expression(name, arguments)


NAMES = "exp log log1p sqrt sin cos tanh cosh maximum minimum abs power divide where equal"
SYMBOLS = SimpleNamespace(**{name: _function_of(name) for name in NAMES.split()})


def variable(name: str) -> Expression:
    """Create a name that stands for a number or an array."""
    return Expression(name)


def inputs_of(count: int, literal: float | None) -> list[Atom]:
    """Return the inputs of a row: variables x0, x1, and a number that is part of the code."""
    inputs: list[Atom] = [variable(f"x{i}") for i in range(count)]
    return inputs if literal is None else [*inputs, literal]


def forward_of(op: Primitive, *inputs: Atom) -> Atom:
    """Write the value of a row as an expression in its inputs."""
    return simplify(op.forward(SYMBOLS, *inputs))


def partials_of(op: Primitive, out: Atom, *inputs: Atom) -> tuple[Atom, ...]:
    """Write the partials of a row as expressions in its output and inputs."""
    return tuple(simplify(partial) for partial in op.partials(SYMBOLS, out, *inputs))


@cache
def stops(op: Primitive) -> tuple[bool, ...]:
    """Tell by which inputs of a row no gradient ever leaves it."""
    inputs = [variable(f"x{i}") for i in range(op.arity)]
    return tuple(partial is NOTHING for partial in partials_of(op, variable("out"), *inputs))


def times(cotangent: Atom, partial: Atom) -> Atom:
    """Multiply, without factors of 1 and with a sign for a factor of -1: the same bits.

    Where the partial is that of a choice, the cotangent is chosen instead, so that nothing flows
    through the other branch, not even 0 times infinity.
    """
    return simplify(_product(cotangent, partial))


def _product(x: Atom, y: Atom) -> Atom:
    if y is NOTHING:
        return 0.0
    if _chooses(y):
        condition, yes, no = y.arguments  # type: ignore[union-attr]
        return Expression("where", (condition, _product(x, yes), _product(x, no)))
    return Expression("multiply", (x, y))


def _chooses(x: Atom) -> bool:
    """Check for a choice with a branch, at any depth, through which nothing flows."""
    if not isinstance(x, Expression) or x.function != "where":
        return x is NOTHING
    return any(map(_chooses, x.arguments[1:]))


def simplify(atom: Any) -> Atom:
    """Leave out what changes no bit: factors and exponents of 1, choices already made."""
    if not isinstance(atom, Expression):
        return atom if atom is NOTHING else float(atom)
    arguments = tuple(simplify(argument) for argument in atom.arguments)
    if not arguments:
        return atom
    if atom.function in _FOLDED and not any(isinstance(x, Expression) for x in arguments):
        return float(_FOLDED[atom.function](*arguments))
    if atom.function == "multiply":
        for one, other in (arguments, arguments[::-1]):
            if is_number(one, 1.0):
                return other
            if is_number(one, -1.0):
                return Expression("negative", (other,))
    if atom.function == "power" and is_number(arguments[1], 1.0):
        return arguments[0]
    if atom.function == "where":
        condition, yes, no = arguments
        if not isinstance(condition, Expression):
            return yes if condition else no
        if _same(yes, no):
            return yes
    return Expression(atom.function, arguments)


_FOLDED = {"subtract": operator.sub, "equal": operator.eq, "greater_equal": operator.ge}


def is_number(x: Atom, number: float) -> bool:
    """Check that an atom is that number; an expression never is."""
    return not isinstance(x, Expression) and x == number


def _same(x: Atom, y: Atom) -> bool:
    """Check that two expressions are written alike."""
    if isinstance(x, Expression) and isinstance(y, Expression):
        alike = x.function == y.function and len(x.arguments) == len(y.arguments)
        return alike and all(map(_same, x.arguments, y.arguments))
    return x is y or (isinstance(x, float) and is_number(y, x))


def names_in(atom: Atom) -> set[str]:
    """Collect the variables of an expression."""
    if not isinstance(atom, Expression):
        return set()
    if not atom.arguments:
        return {atom.function}
    return set().union(*(names_in(argument) for argument in atom.arguments))
