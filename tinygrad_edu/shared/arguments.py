"""Settings, checked before work starts: each refusal names the setting, its value, the bounds."""

from __future__ import annotations

from collections.abc import Sized
from importlib import import_module
from math import isfinite
from operator import index
from typing import Any

from tinygrad_edu.engine.errors import LengthError, MissingExtraError, SettingError


def within(
    name: str,
    number: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """The number as a float; SettingError, with its name and bounds, outside them."""
    limits = {"at least": least, "above": above, "below": below, "at most": most}
    bounds = [f"{word} {bound:g}" for word, bound in limits.items() if bound is not None]
    good = isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)
    good = good and (least is None or number >= least) and (above is None or number > above)
    good = good and (below is None or number < below) and (most is None or number <= most)
    if not good:
        raise SettingError(
            f"{name} is {number!r}.",
            expected="a finite number " + " and ".join(bounds),
            fix=f"set {name} within these bounds.",
        )
    return float(number)


def whole(name: str, number: Any, *, least: int = 1) -> int:
    """The number as an int; SettingError where it is none, or less than ``least``."""
    try:
        good = not isinstance(number, bool) and index(number) >= least
    except TypeError:
        good = False
    if good:
        return index(number)
    raise SettingError(
        f"{name} is {number!r}.",
        expected=f"a whole number, at least {least}",
        fix=f"set {name} to one.",
    )


def same_length(name: str, got: Sized, other: str, expected: Sized) -> None:
    """LengthError where two things that belong together differ in length, or are empty."""
    if len(got) != len(expected) or not len(got):
        raise LengthError(
            f"{name} has {len(got)} entries, {other} has {len(expected)}.",
            expected=f"as many in {name} as in {other}, at least one",
            fix="check how the two were made: they are matched one to one.",
        )


def extra(module: str, package: str, what: str, name: str = "demo") -> Any:
    """Import a module of an extra; MissingExtraError, naming the pip command, without it."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed.",
            fix=f'pip install "tinygrad_edu[{name}]"',
        ) from None
