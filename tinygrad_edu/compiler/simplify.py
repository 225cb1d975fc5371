"""Equations as people write them: a sum in one line, and one name for what is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinygrad_edu.compiler.algebra import MATRIX, Shape, Shapes, shape_of, substituted, tidy
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.equations import Equation, Equations
from tinygrad_edu.engine.symbols import Atom, Expression, is_number, names_in, variable

COMPUTED = ("A", "Z", "s")  # the letters of what loops compute


def simplified(equations: Equations) -> Equations:
    """Return equations that say the same in fewer words."""
    shapes = shapes_of(equations)
    lines = [*equations.steps, *equations.gradients]
    lines = _tidied(_merged(lines))
    while (fewer := _without_copies(lines, shapes)) is not None:
        lines = _tidied(fewer)
    lines = _begun([replace(line, formula=_products(line.formula, shapes)) for line in lines])
    lines, arrays = _renumbered(lines, equations.arrays)
    last = next(at for at, line in enumerate(lines) if line.names == ("L",))
    return replace(
        equations,
        arrays=arrays,
        steps=tuple(lines[: last + 1]),
        gradients=tuple(lines[last + 1 :]),
    )


def shapes_of(equations: Equations) -> dict[str, Shape]:
    """List the shape of every name, its gradient's name included; n stands for the rows."""
    shapes: dict[str, Shape] = {"L": (1, 1), "n": ()}
    for array in equations.arrays:
        shape: Shape = (("n",) if array.per_row else ()) + array.shape
        shapes |= dict.fromkeys((array.name, "Δ" + array.name, "∂L/∂" + array.name), shape)
    return shapes


def _merged(lines: Sequence[Equation]) -> list[Equation]:
    """Write a sum as one equation, where its last terms come."""
    last = {line.names: at for at, line in enumerate(lines) if line.table is None}
    begun: dict[tuple[str, ...], Atom] = {}
    merged = []
    for at, line in enumerate(lines):
        if line.table is None:
            if line.names in begun:
                line = replace(
                    line, formula=Expression("add", (begun.pop(line.names), line.formula))
                )
            if last[line.names] != at:
                begun[line.names] = line.formula
                continue
        merged.append(line)
    return merged


def _begun(lines: Sequence[Equation]) -> list[Equation]:
    """Let an equation assign, unless one before it did."""
    seen: set[str] = set()
    found = []
    for line in lines:
        found.append(replace(line, accumulate=not seen.isdisjoint(line.names)))
        seen.update(line.names)
    return found


def _without_copies(lines: Sequence[Equation], shapes: Shapes) -> list[Equation] | None:
    """Let one name go that is only another name for something; None if there is none."""
    writes = Counter(name for line in lines for name in line.names)
    reads = Counter(name for line in lines for name in names_in(line.formula))
    for at, line in enumerate(lines):
        formula = line.formula
        if line.table is not None or writes[line.names[0]] > 1:
            continue
        name = line.names[0]
        if isinstance(formula, Expression) and not formula.arguments:
            before = formula.function
            # the later name says more: L, or the gradient of what the learner wrote
            alone = writes[before] == 1 and reads[before] == 1 and before in shapes
            maker = next((i for i, one in enumerate(lines) if one.names == (before,)), -1)
            if alone and 0 <= maker < at and shapes[before] == shapes[name]:
                made = replace(lines[maker], names=(name,), size=line.size)
                return [*lines[:maker], made, *lines[maker + 1 : at], *lines[at + 1 :]]
        if name == "L" or name.startswith("∂") or not _is_short(formula):
            continue
        of = {name: formula}
        others = [*lines[:at], *lines[at + 1 :]]
        if all(_keeps_shapes(one.formula, of, shapes) for one in others):
            return [replace(one, formula=substituted(one.formula, of)) for one in others]
    return None


def _is_short(formula: Atom) -> bool:
    """Check for a name or a number, perhaps with a sign, or the share of one row."""
    if not isinstance(formula, Expression) or not formula.arguments:
        return True
    if formula.function == "negative":
        return _is_short(formula.arguments[0])
    first = formula.arguments[0]
    return (
        formula.function == "true_divide" and is_number(first, 1.0) and names_in(formula) == {"n"}
    )


def _keeps_shapes(atom: Atom, of: Mapping[str, Atom], shapes: Shapes) -> bool:
    """Check that nothing that is summed or multiplied as a matrix changes its shape."""
    if not isinstance(atom, Expression) or not atom.arguments:
        return True
    if not all(_keeps_shapes(x, of, shapes) for x in atom.arguments):
        return False
    if atom.function not in MATRIX or names_in(atom).isdisjoint(of):
        return True
    if atom.function == "collect":
        return False
    return all(shape_of(x, shapes) == shape_of(substituted(x, of), shapes) for x in atom.arguments)


def _renumbered(
    lines: Sequence[Equation], arrays: Sequence[Array]
) -> tuple[list[Equation], tuple[Array, ...]]:
    """Number what is left of the computed arrays from 1."""
    of = {array.name: array for array in arrays}
    counts: Counter[str] = Counter()
    new: dict[str, str] = {}
    for line in lines:
        for name in (name.removeprefix("Δ") for name in line.names):
            array = of.get(name)
            if array is not None and array.letter and name not in new:
                counts[array.letter] += 1
                new[name] = f"{array.letter}{counts[array.letter]}"
    names = {prefix + old: prefix + name for old, name in new.items() for prefix in ("", "Δ")}
    variables = {old: variable(name) for old, name in names.items()}
    return [
        replace(
            line,
            names=tuple(names.get(name, name) for name in line.names),
            formula=substituted(line.formula, variables),
        )
        for line in lines
    ], tuple(
        replace(array, name=new.get(array.name, array.name))
        for array in arrays
        if array.name in new or array.letter not in COMPUTED
    )


def _products(atom: Atom, shapes: Shapes) -> Atom:
    """Write a column times a row as the product of matrices that it is."""
    if not isinstance(atom, Expression) or not atom.arguments:
        return atom
    arguments = tuple(_products(x, shapes) for x in atom.arguments)
    if atom.function == "multiply":
        for x, y in (arguments, arguments[::-1]):
            of_x, of_y = (shape_of(one, shapes)[-2:] for one in (x, y))
            if (
                len(of_x) == len(of_y) == 2
                and of_x[1] == of_y[0] == 1
                and 1 not in (of_x[0], of_y[1])
            ):
                return Expression("matmul", (x, y))
    return Expression(atom.function, arguments)


def _tidied(lines: Sequence[Equation]) -> list[Equation]:
    return [replace(line, formula=tidy(line.formula)) for line in lines]
