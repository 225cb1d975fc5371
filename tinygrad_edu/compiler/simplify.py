"""Equations as people write them: a sum in one line, and one name for what is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tinygrad_edu.compiler.algebra import (
    MATRIX,
    Shapes,
    axes_of,
    made_by,
    shape_of,
    shapes_of,
    substituted,
    tidy,
)
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.equations import Equation, Equations
from tinygrad_edu.compiler.textbook import in_textbook_form
from tinygrad_edu.engine.symbols import Atom, Expression, names_in, variable

COMPUTED = ("A", "Z", "s")  # the letters of what loops compute


def simplified(equations: Equations) -> Equations:
    """Return equations that say the same in fewer words."""
    shapes = shapes_of(equations.arrays)
    lines = _without_nothing([*equations.steps, *equations.gradients])
    lines = _shortened(lines, shapes, equations.constants)
    last = _loss_of(lines) + 1
    equations = in_textbook_form(
        replace(equations, steps=tuple(lines[:last]), gradients=tuple(lines[last:]))
    )
    shapes = shapes_of(equations.arrays)
    lines = _shortened([*equations.steps, *equations.gradients], shapes, equations.constants)
    lines = _begun([replace(line, formula=_products(line.formula, shapes)) for line in lines])
    lines, arrays = _renumbered(lines, equations.arrays)
    last = _loss_of(lines) + 1
    return replace(
        equations, arrays=arrays, steps=tuple(lines[:last]), gradients=tuple(lines[last:])
    )


def _loss_of(lines: Sequence[Equation]) -> int:
    """Find the line of the loss."""
    return next(at for at, line in enumerate(lines) if line.names == ("L",))


def _shortened(
    lines: Sequence[Equation], shapes: Shapes, constants: Collection[str]
) -> list[Equation]:
    """Merge what is added up, and leave out copies and what nothing reads."""
    short = _tidied(_merged(lines))
    while (fewer := _without_copies(short, shapes, constants)) is not None:
        short = _tidied(_merged(fewer))
    return short


def _without_nothing(lines: Sequence[Equation]) -> list[Equation]:
    """Write 0 for a gradient that nothing adds to."""
    written = {name for line in lines for name in line.names}
    read = {name for line in lines for name in line.reads}
    nothing: dict[str, Atom] = {n: 0.0 for n in read - written if n[0] == "Δ" and len(n) > 1}
    return [replace(line, formula=substituted(line.formula, nothing)) for line in lines]


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


def _without_copies(
    lines: Sequence[Equation], shapes: Shapes, constants: Collection[str]
) -> list[Equation] | None:
    """Let one name go that says little; None if there is none."""
    writes = Counter(name for line in lines for name in line.names)
    reads = Counter(name for line in lines for name in line.reads)
    for at, line in enumerate(lines):
        name, formula = line.names[0], line.formula
        if line.table is not None or writes[name] > 1 or len(line.names) > 1:
            continue
        others = [*lines[:at], *lines[at + 1 :]]
        if name != "L" and not name.startswith("∂") and not reads[name]:
            return others
        before = _name(formula)
        makers = [one for one in lines if before in one.names]
        alone = reads[before] == 1 and all(one.names == (before,) for one in makers)
        if makers and alone and shapes[before] == shapes[name]:
            # the later name says more: L, or the gradient of what the learner wrote
            return [
                replace(one, names=(name,), size=line.size) if one.names == (before,) else one
                for one in others
            ]
        of = {name: formula}
        if (
            name == "L"
            or name.startswith("∂")
            or not (_is_short(formula, constants) or (reads[name] == 1 and _has_entropy(formula)))
        ):
            continue
        if all(_keeps_shapes(one.formula, of, shapes) for one in others):
            old, new = f"Δ{name}", f"Δ{before}"
            same = makers and shapes[before] == shapes[name]
            if same and not writes[new] and not reads[new]:
                of[old] = variable(new)  # the gradient of what has one name now
                others = [
                    replace(one, names=tuple(new if n == old else n for n in one.names))
                    for one in others
                ]
            return [replace(one, formula=substituted(one.formula, of)) for one in others]
    return None


def _is_short(formula: Atom, constants: Collection[str]) -> bool:
    """Check for a name or a number, perhaps with a sign, and for a constant with a factor."""
    if not isinstance(formula, Expression) or not formula.arguments:
        return True
    if formula.function == "negative":
        return _is_short(formula.arguments[0], constants)
    if made_by(formula, "log_softmax"):
        return True
    scaled = formula.function in ("multiply", "true_divide")
    return scaled and names_in(formula) <= {"n", *constants}


def _has_entropy(atom: Atom) -> bool:
    """Check for the logarithm of a softmax."""
    if not isinstance(atom, Expression):
        return False
    return made_by(atom, "log_softmax") or any(map(_has_entropy, atom.arguments))


def _name(atom: Atom) -> str:
    """Return the name that a formula is; "" for another one."""
    return atom.function if isinstance(atom, Expression) and not atom.arguments else ""


def _keeps_shapes(atom: Atom, of: Mapping[str, Atom], shapes: Shapes) -> bool:
    """Check that nothing that is summed or multiplied as a matrix changes its shape."""
    if not isinstance(atom, Expression) or not atom.arguments:
        return True
    if not all(_keeps_shapes(x, of, shapes) for x in atom.arguments):
        return False
    if atom.function not in MATRIX or names_in(atom).isdisjoint(of):
        return True
    if atom.function == "collect":
        names = {_name(x) for x in atom.arguments} & {*of}
        return all(_name(of[name]) and shapes[_name(of[name])] == shapes[name] for name in names)
    for x in atom.arguments:
        old, new = shape_of(x, shapes), shape_of(substituted(x, of), shapes)
        axes = axes_of(atom.arguments[1:]) if atom.function == "sum" else []
        if len(old) == len(new) and axes and x is atom.arguments[0]:
            old, new = (tuple(shape[axis] for axis in axes) for shape in (old, new))
        if old != new:
            return False
    return True


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
    """Write a column times a row as a product of matrices, and the sum of one row as a sum."""
    if not isinstance(atom, Expression) or not atom.arguments:
        return atom
    arguments = tuple(_products(x, shapes) for x in atom.arguments)
    if atom.function == "sum" and {*shape_of(atom, shapes)} == {1}:
        return Expression("sum", arguments[:1])
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
