"""Read an answer at one point as plain numbers in a shape, so that answers can be compared.

The learner's answer, the truth and every known mistake are read in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from inspect import isasyncgen, isawaitable, iscoroutine
from math import inf, isclose, isnan
from numbers import Complex, Real
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.engine.guards import is_bool, real
from tinygrad_edu.shared.tables import number, plural

DEEPEST = 3  # lists in lists in lists
LONGEST = 10_000  # numbers in a list
WIDEST = 160  # characters of an answer that are shown


class Misfit(Exception):
    """An answer of another kind than the exercise asks for; tells the learner what to hand in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Numbers in a shape: () for one number, (2,) for a list of two, (2, 3) for two rows of three.

    ``problem`` is the name of the exception that ended the learner's function, or "None" if the
    function returned nothing; ``words`` tells it in a sentence.
    """

    shape: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    problem: str = ""
    words: str = ""


def outcome_of(thing: Any) -> Outcome:
    """Read a number, a Value, an array, or lists of them; raise Misfit for anything else.

    Examples
    --------
    >>> outcome_of([[1, 2], [3, 4]])
    Outcome(shape=(2, 2), numbers=(1.0, 2.0, 3.0, 4.0), problem='', words='')
    """
    if thing is None or thing is ...:
        return Outcome(problem="None", words="it gives None")
    level, shape = [_plain(thing)], list[int]()
    while any(isinstance(item, list) for item in level):
        lengths = {len(item) if isinstance(item, list) else -1 for item in level}
        if len(lengths) > 1:
            raise Misfit("The rows are of different lengths, or numbers stand beside lists.")
        shape.append(lengths.pop())
        if len(shape) > DEEPEST or len(level) > LONGEST:
            raise Misfit("These lists are nested too deep, or hold too many numbers.")
        level = [_plain(inner) for item in level for inner in item]
    return Outcome(tuple(shape), tuple(map(_number, level)))


def same(given: Outcome, expected: Outcome, relative: float, absolute: float) -> bool:
    """Check that two outcomes agree in shape, in every number and in how they end."""
    if (given.shape, given.problem) != (expected.shape, expected.problem):
        return False
    pairs = zip(given.numbers, expected.numbers, strict=True)
    return all(near(a, b, relative, absolute) for a, b in pairs)


def near(a: float, b: float, relative: float, absolute: float) -> bool:
    """Check that two numbers agree; nan agrees with nan, inf with inf."""
    if isnan(a) or isnan(b):
        return isnan(a) and isnan(b)
    return isclose(a, b, rel_tol=relative, abs_tol=absolute if abs(b) < inf else 0.0)


def written(thing: Any, digits: int = 6) -> str:
    """Write numbers and lists of numbers as in Python, but short; and anything else by its repr.

    Examples
    --------
    >>> written([0.5, -3.0]), written(print), written("text"), written(15052799.0)
    ('[0.5, -3]', 'a function', "'text'", '15052799')
    """
    if isinstance(thing, float):
        whole = thing.is_integer() and abs(thing) < 1e15
        return str(int(thing)) if whole else number(thing, digits=digits)
    if isinstance(thing, list) and all(isinstance(item, int | float | list) for item in thing):
        text = "[" + ", ".join(written(item, digits) for item in thing) + "]"
    elif isinstance(thing, type):
        text = f"the class {thing.__name__}"
    elif callable(thing) and not type(thing).__module__.startswith("tinygrad"):
        text = "a function"
    else:
        text = shown(thing)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def told(outcome: Outcome, digits: int = 6) -> str:
    """Write an outcome's numbers in their shape; or tell how it ended, if there are no numbers.

    Examples
    --------
    >>> told(Outcome((2, 2), (0.5, -3.0, 0.0, 1e-9)))
    '[[0.5, -3], [0, 1e-09]]'
    """
    level: list[Any] = list(outcome.numbers)
    for width in reversed(outcome.shape):
        level = [level[i : i + width] for i in range(0, len(level), width or 1)] or [[]]
    return outcome.words or written(level[0], digits)


def shape_of(outcome: Outcome) -> str:
    """Tell the shape in words.

    Examples
    --------
    >>> shape_of(Outcome((2, 3), (0.0,) * 6)), shape_of(Outcome((1,), (0.0,)))
    ('2 rows of 3 numbers', 'a list of 1 number')
    """
    if not outcome.shape:
        return "one number"
    *outer, inner = outcome.shape
    numbers = plural(inner, "number")
    if not outer:
        return f"a list of {numbers}" if inner else "an empty list"
    return " of ".join([*(plural(count, "row") for count in outer), numbers])


def ending(error: BaseException) -> str:
    """Tell how an exception ended the learner's code, in the middle of a sentence.

    Examples
    --------
    >>> ending(ZeroDivisionError("division by zero")), ending(SystemExit(0))
    ('it stops with ZeroDivisionError: division by zero', 'it ends the program: remove exit()')
    """
    if isinstance(error, SystemExit):
        return "it ends the program: remove exit()"
    if isinstance(error, MemoryError):
        return "it stops with MemoryError: it needs more memory than there is"
    if isinstance(error, RecursionError):
        return "it stops with RecursionError: does it call itself without end?"
    try:
        what = str(error).partition("\n")[0][:WIDEST].rstrip(".")
    except Exception:
        what = ""
    return f"it stops with {type(error).__name__}: {what or 'no message'}"


def shown(thing: Any) -> str:
    """Return the beginning of ``repr(thing)``, or its type if that can't be written."""
    try:
        text = repr(thing)
    except Exception:
        return f"an object of the class {type(thing).__name__}"
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def _plain(thing: Any) -> Any:
    """Turn arrays and other collections of numbers into lists; leave anything else as it is."""
    if isinstance(thing, (Value, str, bytes)):
        return thing
    if isawaitable(thing) or isasyncgen(thing):
        if iscoroutine(thing):
            thing.close()  # else Python warns that nobody has awaited it
        raise Misfit("It is a coroutine: write def instead of async def.")
    if isinstance(thing, (Mapping, Set)):
        raise Misfit(
            f"A {type(thing).__name__} has no order that can be graded: hand in a list of numbers."
        )
    if hasattr(type(thing), "to_numpy"):
        thing = thing.to_numpy()  # a table of pandas would give the names of its columns
    if hasattr(type(thing), "tolist"):
        return thing.tolist()
    if isinstance(thing, Iterable):
        taken = []
        for item in thing:
            taken.append(item)
            if len(taken) > LONGEST:
                raise Misfit(f"There are more than {LONGEST:,} numbers in this list.")
        return taken
    return thing


def _number(thing: Any) -> float:
    if isinstance(thing, Value):
        return thing.data
    if thing is None or thing is ...:
        raise Misfit(f"There is {thing} where a number is needed: is it still to be filled in?")
    if isinstance(thing, str):
        raise Misfit(f"{shown(thing)} is text, a number is needed: write it without the quotes.")
    if callable(thing):
        raise Misfit("A number is needed here, and this is a function or class: call it first.")
    if isinstance(thing, float):  # a class made from float or int may lie about what it is
        thing = float.__add__(thing, 0.0)
    elif isinstance(thing, int):
        thing = int.__add__(thing, 0)
    if isinstance(thing, Real | Decimal) or is_bool(thing):
        try:
            return real(thing)
        except OperandError:
            words = "This number is too large for Python's floats, which end at 1.8e308."
    elif isinstance(thing, Complex):
        words = (
            f"{shown(thing)} is complex, a real number is needed: is it the root or a power of a "
            "negative number?"
        )
    else:
        words = f"A number is needed, and {shown(thing)} is a {type(thing).__name__}."
    raise Misfit(words)
