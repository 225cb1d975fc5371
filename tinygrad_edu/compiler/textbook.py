"""Softmax and cross entropy as textbooks write them: Y = softmax(A), L = −Σ T ⊙ log Y, ΔA = Y − T.

What runs subtracts the maximum of the logits first, Z = A − max A, and takes s = log Σ exp Z. So
``exp(Z − s)`` is Y, ``Z − s`` is log Y, and ``s − Σ Z ⊙ T`` is −Σ T ⊙ log Y where each row of T
sums to 1: of constants that is checked, of data it is said. Where one number of each row is picked,
T is 1 there, and 0 elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count, filterfalse
from math import fsum

from tinygrad_edu.compiler.algebra import made_by, shape_of, shapes_of
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.equations import Equation, Equations
from tinygrad_edu.compiler.matrices import as_text
from tinygrad_edu.engine.symbols import Atom, Expression, is_number, name_of, variable

CLOSE = 1e-6  # as far as probabilities may be from a sum of 1


@dataclass(frozen=True)
class Softmax:
    """The logits of a softmax and its axis, and the names of what it is computed by."""

    logits: Atom
    axis: Atom
    shifted: str  # logits minus their maximum
    total: str  # log Σ exp(shifted)
    output: str

    @property
    def logarithm(self) -> Expression:
        """Return the formula that is printed as log Y."""
        return Expression("log_softmax", (self.logits, variable(self.output), self.axis))


def in_textbook_form(equations: Equations) -> Equations:
    """Write every softmax, its logarithm and cross entropies of it under the names of books."""
    lines = [*equations.steps, *equations.gradients]
    found = _softmaxes(lines, {array.name for array in equations.arrays})
    if not found:
        return equations
    book = _Book(equations, found)
    written: list[Equation] = []
    steps = 0
    for at, line in enumerate(lines):
        softmax = book.by_total.get(line.names[0])
        if softmax is not None:
            formula = Expression("softmax", (softmax.logits, softmax.axis))
            size = book.of[softmax.shifted].size
            written.append(Equation((softmax.output,), None, formula, False, size))
        written.append(book.rewritten(line))
        steps = len(written) if at < len(equations.steps) else steps
    return replace(
        equations,
        steps=tuple(written[:steps]),
        gradients=tuple(written[steps:]),
        arrays=tuple(book.of.values()),
        constants=book.constants,
        assumed=tuple(book.assumed),
    )


def _softmaxes(lines: Sequence[Equation], taken: Collection[str]) -> list[Softmax]:
    """Find the lines m = max A, Z = A − m, s = logsumexp Z; name each output."""
    made = {line.names[0]: line.formula for line in lines if line.table is None}
    found: list[Softmax] = []
    for line in lines:
        if not made_by(line.formula, "logsumexp") or line.table is not None:
            continue
        shifted, *axes = line.formula.arguments
        formula = made.get(name_of(shifted))
        if len(axes) == 1 and formula is not None and made_by(formula, "subtract"):
            logits = formula.arguments[0]
            found.append(Softmax(logits, axes[0], name_of(shifted), line.names[0], "Y"))
    if len(found) == 1 and "Y" not in taken:
        return found
    free = filterfalse(taken.__contains__, map("Y{}".format, count(1)))
    return [replace(softmax, output=name) for softmax, name in zip(found, free, strict=False)]


class _Book:
    """Rewrites formulas, and collects the arrays that books have names for."""

    def __init__(self, equations: Equations, found: Sequence[Softmax]) -> None:
        self.by_total = {softmax.total: softmax for softmax in found}
        names = (
            (name, softmax)
            for softmax in found
            for name in (softmax.shifted, name_of(softmax.logits))
        )
        self.by_logits = {name: softmax for name, softmax in names if name}
        self.of = {array.name: array for array in equations.arrays}
        self.tables = {table.name: table for table in equations.tables}
        self.shapes = shapes_of(equations.arrays)
        self.constants = dict(equations.constants)
        self.assumed: dict[str, None] = {}  # targets of which the rows have to sum to 1
        for softmax in found:
            like = self.of[softmax.shifted]
            store = like.store if like.per_row else ""
            self.of[softmax.output] = Array(softmax.output, store, (), like.shape)

    def rewritten(self, line: Equation) -> Equation:
        """Write a line in the names of a softmax; what a pick adds to a gradient, as a matrix."""
        formula = self.rewrite(line.formula)
        name = line.names[0].removeprefix("Δ")
        if line.table is None or name not in self.by_logits or len(line.names) > 1:
            return replace(line, formula=formula)
        if any(length != 1 for length in shape_of(formula, self.shapes)):
            return replace(line, formula=formula)
        picked = self.one_hot(line.table.name, self.by_logits[name])
        return replace(line, table=None, formula=Expression("multiply", (formula, picked)))

    def rewrite(self, atom: Atom) -> Atom:
        """Put log Y and Y in the place of what they are computed by."""
        if not isinstance(atom, Expression) or not atom.arguments:
            return atom
        arguments = tuple(map(self.rewrite, atom.arguments))
        first = arguments[0]
        if atom.function == "exp" and made_by(first, "log_softmax"):
            return first.arguments[1]
        if atom.function == "sum":
            return self.sum(*arguments)
        if atom.function == "subtract":
            for form in (self.logarithm, self.entropy):
                if (found := form(*arguments)) is not None:
                    return found
        return Expression(atom.function, arguments)

    def logarithm(self, x: Atom, y: Atom) -> Atom | None:
        """Write Z − s as log Y."""
        softmax = self.by_total.get(name_of(y))
        return softmax.logarithm if softmax is not None and softmax.shifted == name_of(x) else None

    def entropy(self, x: Atom, y: Atom) -> Atom | None:
        """Write s − Σ Z ⊙ T as −Σ T ⊙ log Y, for one sample or for the sum of many."""
        axes: tuple[Atom, ...] = (-1.0,)
        if made_by(x, "sum") and len(x.arguments) == 1:
            (x,), axes = x.arguments, ()
        softmax = self.by_total.get(name_of(x))
        if softmax is None or not is_number(softmax.axis, -1.0):
            return None
        if made_by(y, "sum") and not _same_numbers(y.arguments[1:], axes):
            return None
        inner = y.arguments[0] if made_by(y, "sum") else y
        targets = self.targets(inner, softmax)
        if targets is None or (inner is y and not made_by(y, "collect")):
            return None
        weighted = Expression("multiply", (targets, softmax.logarithm))
        if name_of(targets) not in self.constants:
            self.assumed[as_text(targets)] = None
            weighted = Expression("weighted_log", (targets, *softmax.logarithm.arguments))
        elif any(abs(total - 1.0) > CLOSE for total in self.sums_of_rows(name_of(targets))):
            return None
        return Expression("negative", (Expression("sum", (weighted, *axes)),))

    def sums_of_rows(self, name: str) -> list[float]:
        """Add up each row of an array of constants."""
        numbers, width = [*self.constants[name]], self.of[name].shape[-1]
        return [fsum(numbers[at : at + width]) for at in range(0, len(numbers), width)]

    def sum(self, atom: Atom, *axes: Atom) -> Atom:
        """Write the sum of a row of constants, if it is the same for each row, as a number."""
        factor, of = atom.arguments if made_by(atom, "multiply") else (1.0, atom)
        array = self.of.get(name_of(of))
        if array is not None and array.name in self.constants and _same_numbers(axes, (-1.0,)):
            sums = {*self.sums_of_rows(array.name)}
            if len(sums) == 1:
                return Expression("multiply", (factor, sums.pop()))
        return Expression("sum", (atom, *axes))

    def targets(self, atom: Atom, softmax: Softmax) -> Atom | None:
        """Return T of the formula Z ⊙ T, or of a pick of Z."""
        if made_by(atom, "collect") and len(atom.arguments) == 2:
            table, of = map(name_of, atom.arguments)
            return self.one_hot(table, softmax) if of == softmax.shifted else None
        if made_by(atom, "multiply"):
            for one, other in (atom.arguments, atom.arguments[::-1]):
                if name_of(one) == softmax.shifted:
                    return other
        return None

    def one_hot(self, table: str, softmax: Softmax) -> Expression:
        """Return the name of the matrix that counts how often a table has each position."""
        like, picked = self.of[softmax.shifted], self.tables[table]
        counts = Counter(picked.numbers)
        numbers = [float(counts[at]) for at in range(len(like.places))]
        shape = like.shape if not like.per_row else (1,) * (2 - len(like.shape)) + like.shape
        known = [name for name, own in self.constants.items() if [*own] == numbers]
        free = (f"T{number}" if number > 1 else "T" for number in count(1))
        name = known[0] if known else next(name for name in free if name not in self.of)
        self.constants[name] = numbers
        self.of[name] = Array(name, "", like.places, shape)
        return variable(name)


def _same_numbers(some: tuple[Atom, ...], others: tuple[Atom, ...]) -> bool:
    """Check for the same numbers."""
    return len(some) == len(others) and all(
        not isinstance(x, Expression) and not isinstance(y, Expression) and x == y
        for x, y in zip(some, others, strict=True)
    )
