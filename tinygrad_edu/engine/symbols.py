"""Rows of the table run on symbols: what a primitive and its slopes are, as expressions.

Nothing here knows a derivative: the row of ``ops.py`` is called with names instead of numbers, and
what comes back is what the compiler emits, what figures print, and what ``grad`` turns into graphs
for higher derivatives. So a row that a user adds compiles, and explains itself, like the others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, NoReturn, TypeAlias

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.ops import INF, NOTHING, Primitive

Atom: TypeAlias = "Expression | float"
LARGEST, DEEPEST = 2000, 100  # calls that a row is written as, and calls in each other


@dataclass(frozen=True, eq=False)
class Expression:
    """A call of one of NumPy's functions; a variable is a name without arguments.

    In arithmetic a condition is 1 or 0, as it is on Python's floats. What a symbol can't follow is
    refused in words.
    """

    function: str
    arguments: tuple[Atom, ...] = ()
    size: int = field(init=False, repr=False, default=1)  # calls, each as often as it is written
    depth: int = field(init=False, repr=False, default=1)

    def __post_init__(self) -> None:
        if inner := [x for x in self.arguments if isinstance(x, Expression)]:
            object.__setattr__(self, "size", 1 + sum(x.size for x in inner))
            object.__setattr__(self, "depth", 1 + max(x.depth for x in inner))
        if self.size > LARGEST or self.depth > DEEPEST:
            raise _refusal(
                f"is too large: it has more than {LARGEST} calls, or {DEEPEST} in each other",
                where="a loop in its forward or partials, which is written out turn by turn",
                fix="compute it in steps on Values, or with compiled=False.",
            )

    def __bool__(self) -> bool:
        raise _refusal(
            "branches on its input",
            where="an if, and, or, not, max or min, or a chain of comparisons such as 0 < x < 1",
            fix="write xp.where(condition, yes, no), xp.maximum(x, y) or xp.minimum(x, y), and "
            "(0.0 < x) & (x < 1.0): these run on floats and arrays alike.",
        )

    def __eq__(self, other: object) -> bool:
        raise _refusal(
            "compares its input by == or !=",
            fix="write xp.equal(x, y) or xp.not_equal(x, y): these run on floats and arrays alike.",
        )

    __hash__ = object.__hash__

    def __pos__(self) -> Any:
        return number(self)

    def __invert__(self) -> NoReturn:
        raise Misread(
            "a row of the table writes ~ before a condition: on Python's floats ~True is -2.",
            fix="swap yes and no in xp.where(condition, yes, no).",
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Any:
        """Take NumPy's own numbers and functions, which have the names used here."""
        if method != "__call__" or ufunc.__name__ not in _FUNCTIONS:
            raise _refusal(f"calls np.{ufunc.__name__}", fix=_ADVICE)
        return _FUNCTIONS[ufunc.__name__](*inputs)


class Misread(SettingError):
    """A row says another thing on floats than on arrays, so that it is refused for both."""


def _refusal(what: str, **lines: str) -> SettingError:
    return SettingError(
        f"a row of the table {what}: it can't be compiled, nor its derivative be differentiated.",
        **lines,
    )


def is_condition(x: Any) -> bool:
    """Check for what holds or does not: comparisons, and Python's True and False."""
    return isinstance(x, bool) or (isinstance(x, Expression) and x.function in CONDITIONS)


def number(x: Any) -> Any:
    """Return 1 for a condition where it holds, else 0; a number as it is."""
    return Expression("where", (x, 1.0, 0.0)) if is_condition(x) else x


def _condition(x: Any) -> Atom:
    """Return a condition as it is; of a number, whether it is not 0."""
    return x if is_condition(x) else Expression("not_equal", (x, 0.0))


def _function_of(name: str) -> Callable[..., Atom]:
    return lambda *arguments: Expression(name, tuple(map(number, arguments)))


def _where(condition: Any, yes: Any, no: Any) -> Atom:
    chosen = Expression("where", (_condition(condition), number(yes), number(no)))
    return _condition(chosen) if is_condition(yes) and is_condition(no) else chosen


def _joined(sign: str, join: Callable[[Any, Any], Atom]) -> Callable[[Any, Any], Atom]:
    def joined(x: Any, y: Any) -> Atom:
        if is_condition(x) and is_condition(y):
            return join(x, y)
        raise _refusal(
            f"has a number beside {sign}, which joins conditions",
            where=f"Python reads x > 0.0 {sign} x < 1.0 as x > (0.0 {sign} x) < 1.0",
            fix=f"put every comparison in brackets: (x > 0.0) {sign} (x < 1.0).",
        )

    return joined


def _refused(what: str) -> Callable[..., NoReturn]:
    def method(*_: Any) -> NoReturn:
        raise _refusal(what, fix=_ADVICE)

    return method


NAMES = (
    *("exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "cosh", "maximum", "minimum", "abs"),
    *("power", "divide", "where", "equal", "not_equal"),
)
_ADVICE = (
    f"write xp.sin(x) for math.sin(x): xp has {', '.join(NAMES)}. What can't be said in these and "
    "operators needs training with compiled=False."
)
_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
CONDITIONS = frozenset((*_COMPARISONS, "logical_and", "logical_or"))
_FUNCTIONS = {
    name: _function_of(name)
    for name in ("add", "subtract", "multiply", "negative", *_COMPARISONS, *NAMES)
}
_FUNCTIONS |= {
    "absolute": _FUNCTIONS["abs"],
    "where": _where,
    "bitwise_and": _joined("&", lambda *both: Expression("logical_and", both)),
    "bitwise_or": _joined("|", lambda *both: Expression("logical_or", both)),
    "bitwise_xor": _joined("^", _FUNCTIONS["not_equal"]),
}
SYMBOLS = SimpleNamespace(**{name: _FUNCTIONS[name] for name in NAMES})


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: function(y, x)


_OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide"}
_OPERATORS |= {"pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
for _operator, _method in {
    **{_operator: _FUNCTIONS[_name] for _operator, _name in _OPERATORS.items()},
    "mod": _refused("uses %"),
    "floordiv": _refused("uses //"),
    "divmod": _refused("uses divmod"),
}.items():
    setattr(Expression, f"__{_operator}__", _method)
    setattr(Expression, f"__r{_operator}__", _reflected(_method))
for _operator, _method in {
    "neg": _FUNCTIONS["negative"],
    "abs": _FUNCTIONS["abs"],
    "lt": _FUNCTIONS["less"],
    "le": _FUNCTIONS["less_equal"],
    "gt": _FUNCTIONS["greater"],
    "ge": _FUNCTIONS["greater_equal"],
    **dict.fromkeys(
        ("float", "int", "complex", "index", "round", "trunc", "floor", "ceil"),
        _refused("makes a number of Python's of its input, as float, round and math.sin do"),
    ),
}.items():
    setattr(Expression, f"__{_operator}__", _method)


def variable(name: str) -> Expression:
    """Create a name that stands for a number or an array."""
    return Expression(name)


def name_of(atom: Atom) -> str:
    """Return the name that an expression is; "" for any other expression, and for a number."""
    return atom.function if isinstance(atom, Expression) and not atom.arguments else ""


def inputs_of(count: int, literal: float | None) -> list[Atom]:
    """Return the inputs of a row: variables x0, x1, and a number that is part of the code."""
    inputs: list[Atom] = [variable(f"x{i}") for i in range(count)]
    return inputs if literal is None else [*inputs, literal]


def forward_of(op: Primitive, *inputs: Atom) -> Atom:
    """Write the value of a row as an expression in its inputs."""
    return simplify(number(op.forward(SYMBOLS, *inputs)))


def partials_of(op: Primitive, out: Atom, *inputs: Atom) -> tuple[Atom, ...]:
    """Write the partials of a row as expressions in its output and inputs."""
    return tuple(simplify(number(partial)) for partial in op.partials(SYMBOLS, out, *inputs))


def refuse_mistakes(op: Primitive) -> None:
    """Raise SettingError for a row that misreads its input, or calls what is not there."""
    inputs = inputs_of(op.arity, None)
    try:
        op.forward(SYMBOLS, *inputs)
        slopes = op.partials(SYMBOLS, variable("out"), *inputs)
    except Misread:
        raise
    except Exception as error:
        if isinstance(error, AttributeError) and error.obj is SYMBOLS:
            raise SettingError(
                f"the row {op.name} calls xp.{error.name}, which is not there.",
                expected=f"one of {', '.join(NAMES)}",
                fix="compose the function of these, for example xp.divide(xp.sin(x), xp.cos(x)).",
            ) from None
        return  # a row for floats alone is refused where symbols are needed
    if not isinstance(slopes, tuple | list) or len(slopes) != op.arity:
        raise SettingError(
            f"the partials of the row {op.name} are not a tuple of one slope for each input.",
            expected=f"{op.arity}",
            fix="write a comma after a single slope: partials=lambda xp, out, x: (2.0 * x,).",
        )


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
    if atom.function == "divide" and _least(arguments[1]) > 0.0:  # so that Python's / can't fail
        return Expression("true_divide", arguments)
    if atom.function in ("logical_and", "logical_or"):
        for one, other in (arguments, arguments[::-1]):
            if not isinstance(one, Expression):
                return other if bool(one) == (atom.function == "logical_and") else one
    if atom.function == "where":
        condition, yes, no = arguments
        if not isinstance(condition, Expression):
            return yes if condition else no
        if _same(yes, no):
            return yes
    return Expression(atom.function, arguments)


_FOLDED = {"subtract": operator.sub, "equal": operator.eq, "not_equal": operator.ne}
_FOLDED |= {"greater_equal": operator.ge}


_LEAST = {"exp": 0.0, "abs": 0.0, "sqrt": 0.0, "cosh": 1.0}


def _least(x: Atom) -> float:
    """Return a number that an expression is never below; -inf where none is known."""
    if not isinstance(x, Expression):
        return x
    if x.function == "add":
        return sum(map(_least, x.arguments))
    return _LEAST.get(x.function, -INF)


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
