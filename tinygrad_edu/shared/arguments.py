"""Checks of what callers pass in: names, numbers, counts, lengths, and libraries of an extra."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from difflib import get_close_matches
from importlib import import_module
from math import isfinite, nan
from numbers import Rational
from typing import Any, TypeVar

from tinygrad_edu.engine.errors import LengthError, MissingExtraError, OperandError, SettingError
from tinygrad_edu.engine.guards import is_bool, real, scalar

T = TypeVar("T")


def one_of(name: str, value: Any, choices: Iterable[T]) -> T:
    """Return the value if it is one of the choices, else raise SettingError, which lists them.

    Examples
    --------
    >>> one_of("solver", "adam", ("adam", "sgd"))
    'adam'
    >>> one_of("solver", "adams", ("adam", "sgd"))
    Traceback (most recent call last):
    tinygrad_edu.engine.errors.SettingError: solver is 'adams'.
      Expected : 'adam', 'sgd'
      Fix      : pass one of these, for example solver='adam'.
    """
    known = list(choices)
    try:
        if value in known:
            return value  # type: ignore[no-any-return]
    except (TypeError, ValueError):  # an array compares each of its numbers
        pass
    alike = get_close_matches(str(value), [str(choice) for choice in known], n=1, cutoff=0.5)
    named = [choice for choice in known if choice is not None]
    best = next((choice for choice in named if str(choice) in alike), named[0])
    raise SettingError(
        f"{name} is {value!r:.60}.",
        expected=", ".join(map(repr, known)),
        fix=f"pass one of these, for example {name}={best!r}.",
    )


def within(
    name: str,
    number: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """Return the number as a float; raise SettingError unless it is finite and within the bounds.

    Any real number is taken, as a Value takes it: NumPy's scalars and Fractions, too.
    ``least`` and ``most`` admit their bound, ``above`` and ``below`` do not.
    """

    def allowed(x: float) -> bool:
        low = (least is None or x >= least) and (above is None or x > above)
        return low and (below is None or x < below) and (most is None or x <= most)

    try:
        x = nan if is_bool(scalar(number)) else real(number)
    except OperandError:
        x = nan
    if isfinite(x) and allowed(x):
        return x
    limits = {"at least": least, "above": above, "below": below, "at most": most}
    bounds = [f"{word} {bound:g}" for word, bound in limits.items() if bound is not None]
    given = [bound for bound in limits.values() if bound is not None]
    middle = sum(given) / max(len(given), 1)
    example = next(x for x in (0.1, *given, middle, middle + 1.0, middle - 1.0) if allowed(x))
    wanted = " ".join(["a finite number", " and ".join(bounds)]).strip()
    raise SettingError(
        f"{name} is {number!r:.60}.",
        expected=wanted,
        fix=f"pass {wanted}, for example {name}={example}.",
    )


def whole(name: str, number: Any, *, least: int | None = 1) -> int:
    """Return the number as an int; raise SettingError unless it is whole and at least ``least``.

    Any type of whole numbers is taken, NumPy's and Fractions, too; but no float: it may have been
    rounded.
    """
    x = scalar(number)
    if isinstance(x, Rational) and not is_bool(x) and x.denominator == 1:
        count = int(x.numerator)
        if least is None or count >= least:
            return count
    bound = "" if least is None else f"at least {least}"
    raise SettingError(
        f"{name} is {number!r:.60}.",
        expected=f"a whole number, {bound}".rstrip(", "),
        fix=f"pass {f'a whole number of {bound}'.removesuffix(' of ')}, "
        f"for example {name}={least or 0}.",
    )


def function(name: str, given: Any, example: str) -> Any:
    """Return what can be called; raise SettingError for anything else.

    Examples
    --------
    >>> function("loss", "mse", "nn.mse")
    Traceback (most recent call last):
    tinygrad_edu.engine.errors.SettingError: loss is 'mse'.
      Expected : a function
      Fix      : pass the function itself, for example loss=nn.mse.
    """
    if callable(given):
        return given
    raise SettingError(
        f"{name} is {given!r:.60}.",
        expected="a function",
        fix=f"pass the function itself, for example {name}={example}.",
    )


def class_index(x: Any) -> int | None:
    """Return the index of a class, which tables and arrays also hold as 2.0 or True; else None."""
    try:
        number = real(x)
    except OperandError:
        return None
    return int(number) if number.is_integer() else None


def same_length(name: str, got: Sized, other: str, expected: Sized) -> None:
    """Raise LengthError if two things that belong together differ in length, or are empty."""
    if len(got) != len(expected) or not len(got):
        raise LengthError(
            f"{name} has {len(got)} entries, {other} has {len(expected)}.",
            expected=f"as many in {name} as in {other}, at least one",
            fix=f"check how the two were made: {name}[i] belongs to {other}[i].",
        )


def extra(module: str, package: str, what: str, name: str | None = "demo") -> Any:
    """Import a module that an extra installs; without it name the pip command in a worded error.

    Where no extra brings the package, ``name`` is None, and the command installs the package alone.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed.",
            fix=f"pip install {package}" if name is None else f'pip install "tinygrad_edu[{name}]"',
        ) from None
    except Exception as error:  # Matplotlib, for example, reads the user's files when imported
        raise MissingExtraError(
            f"{what} needs {package}, which can't be imported: {str(error).splitlines()[:1]}.",
            fix=f'python -c "import {module}" shows the whole error.',
        ) from error
