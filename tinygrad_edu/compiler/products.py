"""Stage 6, for C and JavaScript: which loops are products of matrices, and by which axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

from tinygrad_edu.compiler.loops import ROWS, Loop, Ref, axes_of
from tinygrad_edu.engine.symbols import Atom, Expression, name_of

SMALL = 64  # multiplications of a product that is not worth a call


@dataclass(frozen=True)
class Product:
    """A loop as ``out[row, column] = sign Σ left[row, term] right[term, column]``.

    Parameters
    ----------
    row : an axis of the left factor alone; "" where it has none of its own
    column : an axis of the right factor alone
    term : an axis of both that is summed
    around : the other axes, which are counted by loops around the product
    again : whether some of these are summed, too, so that each sum takes several products
    """

    sign: int
    left: Ref
    right: Ref
    row: str
    column: str
    term: str
    around: tuple[str, ...]
    again: bool


def products(loop: Loop) -> list[Product]:
    """List the ways to take a loop as a product of matrices; [] if it is not one, or is small."""
    sign, factors = factors_of(loop)
    axes = [*loop.axes, *[ROWS] * loop.rows]
    if len(factors) < 2 or loop.over != "sum" or not loop.out.is_distinct(loop.axes):
        return []
    own, *both = [{*axes_of(ref)} for ref in (loop.out, *factors)]
    summed = [axis for axis in axes if axis not in own]
    shared = both[0] & both[1]
    if not summed or not shared.issuperset(summed) or not {*axes} <= both[0] | both[1]:
        return []
    if prod(loop.length(axis) for axis in axes) < SMALL:
        return []
    term = max(summed, key=lambda axis: loop.length(axis))
    found = []
    for right, left in (factors, factors[::-1]):
        columns = [axis for axis in axes_of(right) if axis in own and axis not in axes_of(left)]
        rows = [axis for axis in axes_of(left) if axis in own and axis not in axes_of(right)]
        for row, column in product(rows or [""], columns):
            three = row, column, term
            if not any(_scattered(ref, three) for ref in (loop.out, left, right)):
                around = tuple(axis for axis in axes if axis not in three)
                again = not own.issuperset(around)
                found.append(Product(sign, left, right, *three, around, again))
    return found


def factors_of(loop: Loop) -> tuple[int, list[Ref]]:
    """Return a sign, and the one or two things that are multiplied; none if more is computed."""
    sign, body = 1, loop.body
    if isinstance(body, Expression) and body.function == "negative":
        sign, (body,) = -1, body.arguments
    parts: tuple[Atom, ...] = (body,)
    if isinstance(body, Expression) and body.function == "multiply":
        parts = body.arguments
    names = [*map(name_of, parts)]
    return sign, [loop.reads[name] for name in names] if all(names) else []


def _scattered(ref: Ref, axes: tuple[str, ...]) -> bool:
    """Check whether the steps along one of some axes differ from place to place."""
    return any(
        step is None and axis in axes for axis, step in zip(ref.axes, ref.steps, strict=True)
    )
