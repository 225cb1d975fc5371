"""Equations as people write them: a sum in one line, and one name for what is the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count, filterfalse

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
from tinygrad_edu.engine.symbols import Atom, Expression, name_of, names_in, variable

COMPUTED = ("A", "Z", "s")  # the letters of what loops compute
LONGEST_SUM = 50  # terms of one equation, and about as many levels


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
    while (fewer := _Names(short, shapes, constants).without_copies()) is not None:
        short = _tidied(_merged(fewer))
    return short


def _without_nothing(lines: Sequence[Equation]) -> list[Equation]:
    """Write 0 for a gradient that nothing adds to."""
    written = {name for line in lines for name in line.names}
    read = {name for line in lines for name in line.reads}
    nothing: dict[str, Atom] = {n: 0.0 for n in read - written if n[0] == "Δ" and len(n) > 1}
    return [replace(line, formula=substituted(line.formula, nothing)) for line in lines]


def _merged(lines: Sequence[Equation]) -> list[Equation]:
    """Write a sum as one equation, where its last terms come; a long one in several."""
    last = {line.names: at for at, line in enumerate(lines) if line.table is None}
    begun: dict[tuple[str, ...], Atom] = {}
    merged = []
    for at, line in enumerate(lines):
        if line.table is None:
            if (before := begun.pop(line.names, None)) is not None:
                line = replace(line, formula=Expression("add", (before, line.formula)))
            made = line.formula
            long = isinstance(made, Expression) and max(made.depth, made.size / 9) >= LONGEST_SUM
            if last[line.names] != at and not long:
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


class _Names:
    """Equations, found by the names that they read and write, while names go."""

    def __init__(
        self, lines: Sequence[Equation], shapes: Shapes, constants: Collection[str]
    ) -> None:
        self.lines: dict[int, Equation] = {}
        self.shapes, self.constants = shapes, constants
        self.readers: dict[str, dict[int, None]] = {}  # of each name the numbers of lines
        self.writers: dict[str, dict[int, None]] = {}
        for at, line in enumerate(lines):
            self.put(at, line)

    def put(self, at: int, line: Equation | None) -> None:
        """Put a line in the place of another one, or take it out."""
        for index, names in ((self.readers, "reads"), (self.writers, "names")):
            for name in getattr(self.lines[at], names) if at in self.lines else ():
                del index[name][at]
            for name in getattr(line, names) if line is not None else ():
                index.setdefault(name, {})[at] = None
        if line is None:
            del self.lines[at]
        else:
            self.lines[at] = line

    def without_copies(self) -> list[Equation] | None:
        """Let all names go that say little; None if there are none."""
        changed = [at for at in [*self.lines] if at in self.lines and self.goes(at)]
        return [self.lines[at] for at in sorted(self.lines)] if changed else None

    def goes(self, at: int) -> bool:
        """Let the name of a line go, if nothing reads it or it says little."""
        line = self.lines[at]
        name, formula = line.names[0], line.formula
        if line.table is not None or len(line.names) > 1 or len(self.writers[name]) > 1:
            return False
        asked = name == "L" or name.startswith("∂")
        readers = self.readers.get(name, {})
        if not readers and not asked:
            self.put(at, None)
            return True
        before = name_of(formula)
        makers = [*self.writers.get(before, {})]
        same = bool(makers) and self.shapes[before] == self.shapes[name]
        alone = same and len(self.readers[before]) == 1
        if alone and all(self.lines[maker].names == (before,) for maker in makers):
            # the later name says more: L, or the gradient of what the learner wrote
            self.put(at, None)
            for maker in makers:
                self.put(maker, replace(self.lines[maker], names=(name,), size=line.size))
            return True
        short = _is_short(formula, self.constants)
        if asked or not (short or (len(readers) == 1 and _has_entropy(formula))):
            return False
        of = {name: formula}
        if not all(_keeps_shapes(self.lines[one].formula, of, self.shapes) for one in readers):
            return False
        old, new = f"Δ{name}", f"Δ{before}"
        if same and not self.writers.get(new) and not self.readers.get(new):
            of[old] = variable(new)  # the gradient of what has one name now
            for one in [*self.writers.get(old, {})]:
                names = tuple(new if n == old else n for n in self.lines[one].names)
                self.put(one, replace(self.lines[one], names=names))
        for one in {**readers, **self.readers.get(old, {})}:
            self.put(
                one, replace(self.lines[one], formula=substituted(self.lines[one].formula, of))
            )
        self.put(at, None)
        return True


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
    return atom.function in ("log_softmax", "weighted_log") or any(
        map(_has_entropy, atom.arguments)
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
        renamed = {name: name_of(of[name]) for name in map(name_of, atom.arguments) if name in of}
        return all(new and shapes[new] == shapes[old] for old, new in renamed.items())
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
    taken = {array.name for array in arrays if array.letter not in COMPUTED}
    free = {
        letter: filterfalse(taken.__contains__, map(f"{letter}{{}}".format, count(1)))
        for letter in COMPUTED
    }
    new: dict[str, str] = {}
    for line in lines:
        for name in (name.removeprefix("Δ") for name in line.names):
            array = of.get(name)
            if array is not None and array.letter in COMPUTED and name not in new:
                new[name] = next(free[array.letter])
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
