"""Stage 6, for C and JavaScript: loops become nested ``for`` loops, which both write alike.

Numbers lie as NumPy has them: ``u`` and ``du`` one after another; ``b`` and ``db`` with the rows of
data of each place side by side; ``i`` row by row, as the caller passes it. Of the axes of a loop
the one along which most numbers lie side by side is the innermost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, isnan
from typing import ClassVar

from tinygrad_edu.compiler.loops import ROWS, Loop, Ref, axes_of
from tinygrad_edu.compiler.products import Product, products
from tinygrad_edu.engine.symbols import Atom, Expression, is_number

ROW = "row"  # the variable that counts the rows of data
_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "true_divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
    "logical_and": "&&",
    "logical_or": "||",
}


class Nests:
    """Writes loops as nested ``for`` loops; a subclass says what its language calls things.

    Attributes
    ----------
    counter, number : the words that declare a counter, and a number that changes
    functions : the names of functions, where they are not those of the table's rows
    infinite : how infinity and nan are written
    apart : what may be said of a loop no turn of which reads what another one has written
    tables : the tables of places that were needed, with their names
    """

    counter: ClassVar[str]
    number: ClassVar[str]
    functions: ClassVar[dict[str, str]]
    infinite: ClassVar[tuple[str, str]]
    apart: ClassVar[str] = ""

    def __init__(self, columns: int) -> None:
        self.columns = columns  # of the rows of data
        self.tables: dict[tuple[int, ...], str] = {}

    def lines(self, loop: Loop) -> list[str]:
        """Write a loop: a product of matrices as a call, if the language has one, all else nested.

        Before::

            b[r] = Σ_k u[2r + k] · i[k]  # r < 3, k < 2

        After, in C::

            for (long r = 0; r < 3; r++) {
                for (long row = 0; row < rows; row++) {
                    double total = 0.0;
                    for (long k = 0; k < 2; k++)
                        total += u[2 * r + k] * i[2 * row + k];
                    b[r * rows + row] = total;
                }
            }
        """
        return self.product(loop) or self.nested(loop)

    def product(self, loop: Loop) -> list[str]:
        """Write a product of matrices as a call, in loops; [] for other loops."""
        if (way := self.best(loop, products(loop))) is None:
            return []
        lines = self.around(way.around, loop, self.multiplied(loop, way))
        return [*self.zeros(loop), *lines] if way.again and not loop.accumulate else lines

    def best(self, loop: Loop, ways: list[Product]) -> Product | None:
        """Choose the fastest way to call a product; None if no call would pay."""
        return None

    def multiplied(self, loop: Loop, way: Product) -> list[str]:
        """Write the call of a product."""
        return []

    def nested(self, loop: Loop) -> list[str]:
        """Write a loop as nested ones."""
        distinct = loop.out.is_distinct(loop.axes)
        if not (loop.accumulate or distinct):
            return [*self.zeros(loop), *self.nested(replace(loop, accumulate=True))]
        axes = self.order([*loop.axes, *[ROWS] * loop.rows], loop)
        own = [axis for axis in axes if axis in axes_of(loop.out)]
        summed = [axis for axis in axes if axis not in own]
        apart = self.apart if distinct else ""
        if not summed:
            equal = "+=" if loop.accumulate else "="
            value = self.expression(loop.body, loop)
            return self.around(own, loop, [f"{self.at(loop.out, loop)} {equal} {value};"], apart)
        if axes[-1] in own:
            return self.side_by_side(loop, own, summed, apart)
        return self.one_by_one(loop, own, summed)

    def zeros(self, loop: Loop) -> list[str]:
        """Write what sets to 0 all that a loop writes to."""
        return self.around(axes_of(loop.out), loop, [f"{self.at(loop.out, loop)} = 0.0;"])

    def side_by_side(self, loop: Loop, own: list[str], summed: list[str], apart: str) -> list[str]:
        """Write as many sums at once as there are numbers along the last of the sums' own axes."""
        out, (*outer, last) = self.at(loop.out, loop), own
        term = self.term(out, self.expression(loop.body, loop), loop)
        lines = self.around([*summed, last], loop, [term], apart)
        if not loop.accumulate:
            lines = [*self.around([last], loop, [f"{out} = {self.empty(loop)};"], apart), *lines]
        if loop.over == "logsumexp":
            lines += self.around([last], loop, [f"{out} = {self.call('log', [out])};"], apart)
        return self.around(outer, loop, lines)

    def one_by_one(self, loop: Loop, own: list[str], summed: list[str]) -> list[str]:
        """Write sums one after the other, each with a total."""
        out = self.at(loop.out, loop)
        lines = [f"{self.number} total = {self.empty(loop)};", *self.totaled(loop, summed)]
        value = self.call("log", ["total"]) if loop.over == "logsumexp" else "total"
        if not loop.accumulate:
            lines.append(f"{out} = {value};")
        else:
            lines.append(self.term(out, value, loop))
        lines = self.around(own, loop, lines)
        return lines if own else ["{", *(f"    {line}" for line in lines), "}"]

    def totaled(self, loop: Loop, summed: list[str]) -> list[str]:
        """Write the loops that add up a total."""
        term = self.term("total", self.expression(loop.body, loop), loop)
        return self.around(summed, loop, [term])

    def empty(self, loop: Loop) -> str:
        """Write what a sum, or a maximum, of nothing is."""
        return f"-{self.infinite[0]}" if loop.over == "max" else "0.0"

    def term(self, total: str, value: str, loop: Loop) -> str:
        """Write the statement that takes one more number into a total."""
        if loop.over == "max":
            return f"{total} = {self.call('maximum', [total, value])};"
        return f"{total} += {self.call('exp', [value]) if loop.over == 'logsumexp' else value};"

    def around(
        self, axes: Sequence[str], loop: Loop, body: list[str], apart: str = ""
    ) -> list[str]:
        """Put statements into ``for`` loops over axes, the first one outside.

        ``apart`` is written before the innermost one; it says that turns don't read each other.
        """
        for axis in reversed(axes):
            name = ROW if axis == ROWS else axis
            whole = len([line for line in body if not line.startswith(" ")]) == 1
            turns = f"{self.counter} {name} = 0; {name} < {self.count(axis, loop)}; {name}++"
            head = f"{apart}for ({turns})"
            body = [
                head if whole else f"{head} {{",
                *(f"    {line}" for line in body),
                *([] if whole else ["}"]),
            ]
            apart = ""
        return body

    def order(self, axes: Sequence[str], loop: Loop) -> list[str]:
        """Put the axis last along which most numbers lie side by side."""
        if not axes:
            return []
        refs = [loop.out, *loop.reads.values()]

        def beside(axis: str) -> tuple[int, int]:
            steps = [self.step(ref, axis) for ref in refs]
            near = steps.count(1) - len([step for step in steps if step is None or step > 1])
            return near, loop.length(axis)

        last = max(axes, key=beside)
        return [*(axis for axis in axes if axis != last), last]

    def count(self, axis: str, loop: Loop) -> str:
        """Write the length of an axis."""
        return ROWS if axis == ROWS else str(loop.length(axis))

    def first(self, ref: Ref, loop: Loop, *axes: str) -> str:
        """Write the index of the first number along some axes."""
        return self.index(ref.within(*axes), loop, "" if ROWS in axes else ROW)

    def step(self, ref: Ref, axis: str) -> int | None:
        """Return how far apart neighbours along an axis lie; None if that differs, or is far."""
        if axis == ROWS:
            return (self.columns if ref.store == "i" else 1) if ref.per_row else 0
        if axis not in ref.axes:
            return 0
        step = ref.steps[ref.axes.index(axis)]
        return None if step is None or ref.store in ("b", "db") else step

    def far(self, ref: Ref, axis: str) -> str:
        """Write how far apart neighbours along an axis lie."""
        if ref.store in ("b", "db") and axis in ref.axes:
            step = ref.steps[ref.axes.index(axis)]
            return ROWS if step == 1 else f"{step} * {ROWS}"
        return str(self.step(ref, axis))

    def at(self, ref: Ref, loop: Loop) -> str:
        """Write the number of a reference, by the counters of its loop."""
        return f"{ref.store}[{self.index(ref, loop)}]"

    def index(self, ref: Ref, loop: Loop, row: str = ROW) -> str:
        """Write the index of a number in its store; without a name for the row that of row 0."""
        place = self.place(ref, loop)
        if not ref.per_row:
            return place
        terms = [place] * (place != "0")
        if ref.store == "i":
            terms[:0] = [f"{self.columns} * {row}" if self.columns > 1 else row] * bool(row)
        else:
            terms = [f"({place}) * {ROWS}" if " + " in place else f"{x} * {ROWS}" for x in terms]
            terms += [row] * bool(row)
        return " + ".join(terms) or "0"

    def place(self, ref: Ref, loop: Loop) -> str:
        """Write the place of a reference, by the counters of its loop."""
        pairs = [*zip(ref.axes, ref.steps, strict=True)]
        terms = [str(ref.offset)] if ref.offset else []
        if ref.table:
            scattered = [axis for axis, step in pairs if step is None]
            terms.append(f"{self.table(ref.table)}[{_counted(scattered, loop)}]")
        terms += [axis if step == 1 else f"{step} * {axis}" for axis, step in pairs if step]
        return " + ".join(terms) or "0"

    def table(self, places: tuple[int, ...]) -> str:
        """Name a table of places."""
        return self.tables.setdefault(places, f"t{len(self.tables)}")

    def expression(self, atom: Atom, loop: Loop) -> str:
        """Write an expression of the numbers of a loop, without brackets around it."""
        text = self.inner(atom, loop)
        return text[1:-1] if isinstance(atom, Expression) and text[0] == "(" else text

    def inner(self, atom: Atom, loop: Loop) -> str:
        """Write a part of an expression, in brackets if it has a sign in it."""
        if not isinstance(atom, Expression):
            return self.literal(atom)
        if not atom.arguments:
            return self.at(loop.reads[atom.function], loop)
        if atom.function == "power" and is_number(atom.arguments[1], 2.0):
            return self.call("square", [self.expression(atom.arguments[0], loop)])
        parts = [self.inner(argument, loop) for argument in atom.arguments]
        if atom.function == "negative":
            return f"(-{parts[0]})"
        if atom.function == "where":
            return self.where(*parts)
        if sign := _INFIX.get(atom.function):
            return f"({parts[0]} {sign} {parts[1]})"
        return self.call(atom.function, [self.expression(x, loop) for x in atom.arguments])

    def where(self, condition: str, yes: str, no: str) -> str:
        """Write a choice."""
        return f"({condition} ? {yes} : {no})"

    def literal(self, number: float) -> str:
        """Write a number."""
        if isfinite(number):
            return f"({number!r})" if repr(number)[0] == "-" else repr(number)
        infinity, nan = self.infinite
        return nan if isnan(number) else infinity if number > 0.0 else f"(-{infinity})"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        """Write a call."""
        return f"{self.functions.get(function, function)}({', '.join(arguments)})"


def _counted(axes: Sequence[str], loop: Loop) -> str:
    """Write the entry of a table: its axes, the last one the fastest."""
    terms, step = [], 1
    for axis in reversed(axes):
        terms.append(axis if step == 1 else f"{step} * {axis}")
        step *= loop.axes[axis]
    return " + ".join(reversed(terms))
