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

from tinygrad_edu.compiler.loops import Loop, Ref
from tinygrad_edu.engine.symbols import Atom, Expression, is_number

ROWS, ROW = "rows", "row"  # the axis of the rows of data, and the variable that counts them
TYPICAL = 32  # rows, to compare their axis with others
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
    counter, number, constant : the words that declare a counter, and a number that changes or stays
    functions : the names of functions, where they are not those of the table's rows
    infinite : how infinity and nan are written
    tables : the tables of places that were needed, with their names
    """

    counter: ClassVar[str]
    number: ClassVar[str]
    constant: ClassVar[str]
    functions: ClassVar[dict[str, str]]
    infinite: ClassVar[tuple[str, str]]

    def __init__(self, columns: int) -> None:
        self.columns = columns  # of the rows of data
        self.tables: dict[tuple[int, ...], str] = {}

    def lines(self, loop: Loop) -> list[str]:
        """Write a loop.

        Before::

            b[r] = Σ_k u[2r + k] · i[k]  # r < 3, k < 2

        After, in C::

            for (long r = 0; r < 3; r++)
                for (long row = 0; row < rows; row++) {
                    double total = 0.0;
                    for (long k = 0; k < 2; k++)
                        total += u[2 * r + k] * i[2 * row + k];
                    b[r * rows + row] = total;
                }
        """
        if repeats(loop) and not loop.accumulate:
            return [*self.lines(zeros(loop)), *self.lines(replace(loop, accumulate=True))]
        axes = [*loop.axes, *[ROWS] * loop.rows]
        own = [axis for axis in axes if axis in axes_of(loop.out)]
        summed = [axis for axis in axes if axis not in own]
        out, value = self.at(loop.out, loop), self.expression(loop.body, loop)
        if not summed:
            equal = "+=" if loop.accumulate else "="
            return self.around(self.order(own, loop), loop, [f"{out} {equal} {value};"])
        last = self.order(axes, loop)[-1]
        if last in own:  # as many sums at once as there are numbers side by side
            own = [axis for axis in own if axis != last]
            term = self.around([*summed, last], loop, [self.term(out, value, loop)])
            start = self.around([last], loop, [f"{out} = {self.start(loop)};"])
            log = self.around([last], loop, [f"{out} = {self.call('log', [out])};"])
            start = [] if loop.accumulate else start
            log = log if loop.over == "logsumexp" else []
            return self.around(own, loop, [*start, *term, *log])
        first = f"{self.number} total = {self.start(loop)};"
        term = self.around(self.order(summed, loop), loop, [self.term("total", value, loop)])
        end = "total" if loop.over != "logsumexp" else self.call("log", ["total"])
        equal = "+=" if loop.accumulate else "="
        if loop.accumulate and loop.over == "max":
            equal, end = "=", self.call("maximum", [out, "total"])
        lines = self.around(own, loop, [first, *term, f"{out} {equal} {end};"])
        return lines if own else ["{", *(f"    {line}" for line in lines), "}"]

    def start(self, loop: Loop) -> str:
        """Write what a sum, or a maximum, begins with."""
        return f"-{self.infinite[0]}" if loop.over == "max" else "0.0"

    def term(self, total: str, value: str, loop: Loop) -> str:
        """Write the statement that takes one more number into a total."""
        if loop.over == "max":
            return f"{total} = {self.call('maximum', [total, value])};"
        return f"{total} += {self.call('exp', [value]) if loop.over == 'logsumexp' else value};"

    def around(self, axes: Sequence[str], loop: Loop, body: list[str]) -> list[str]:
        """Put statements into ``for`` loops over axes, the first one outside."""
        for axis in reversed(axes):
            name, length = (ROW, ROWS) if axis == ROWS else (axis, str(loop.axes[axis]))
            whole = len([line for line in body if not line.startswith(" ")]) == 1
            head = f"for ({self.counter} {name} = 0; {name} < {length}; {name}++)"
            body = [
                head if whole else f"{head} {{",
                *(f"    {line}" for line in body),
                *([] if whole else ["}"]),
            ]
        return body

    def order(self, axes: Sequence[str], loop: Loop) -> list[str]:
        """Put the axis last along which most numbers lie side by side."""
        if not axes:
            return []
        refs = [loop.out, *loop.reads.values()]

        def beside(axis: str) -> tuple[int, int]:
            steps = [self.step(ref, axis) for ref in refs]
            near = steps.count(1) - len([step for step in steps if step is None or step > 1])
            return near, loop.axes.get(axis, TYPICAL)

        last = max(axes, key=beside)
        return [*(axis for axis in axes if axis != last), last]

    def step(self, ref: Ref, axis: str) -> int | None:
        """Return how far apart neighbours along an axis lie; None if that differs, or is far."""
        if axis == ROWS:
            return (self.columns if ref.store == "i" else 1) if ref.per_row else 0
        if axis not in ref.axes:
            return 0
        step = ref.steps[ref.axes.index(axis)]
        return None if step is None or ref.store in ("b", "db") else step

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
            return f"({parts[0]} ? {parts[1]} : {parts[2]})"
        if sign := _INFIX.get(atom.function):
            return f"({parts[0]} {sign} {parts[1]})"
        return self.call(atom.function, [self.expression(x, loop) for x in atom.arguments])

    def literal(self, number: float) -> str:
        """Write a number."""
        if isfinite(number):
            return f"({number!r})" if repr(number)[0] == "-" else repr(number)
        infinity, nan = self.infinite
        return nan if isnan(number) else infinity if number > 0.0 else f"(-{infinity})"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        """Write a call."""
        return f"{self.functions.get(function, function)}({', '.join(arguments)})"


def axes_of(ref: Ref) -> list[str]:
    """List the axes of a reference, the rows of data among them."""
    return [*ref.axes, *([ROWS] if ref.per_row else [])]


def repeats(loop: Loop) -> bool:
    """Check that a place of the result comes several times, so that all has to be added to it."""
    if not loop.reads or loop.out.span(loop.axes) is not None:
        return False
    places = loop.out.places(loop.axes)
    return len({*places}) < len(places)


def zeros(loop: Loop) -> Loop:
    """Make the loop that sets to 0 what a loop is to add to."""
    return Loop({axis: loop.axes[axis] for axis in loop.out.axes}, loop.out, {}, 0.0)


def _counted(axes: Sequence[str], loop: Loop) -> str:
    """Write the entry of a table: its axes, the last one the fastest."""
    terms, step = [], 1
    for axis in reversed(axes):
        terms.append(axis if step == 1 else f"{step} * {axis}")
        step *= loop.axes[axis]
    return " + ".join(reversed(terms))
