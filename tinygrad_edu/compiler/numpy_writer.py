"""Stage 6, target "numpy": loops become calls of NumPy that write in place.

Every array has the axes of its loop, in their order, the rows of data last; an axis that it lacks
has length 1. A product summed over an axis is a product of matrices; the rest is computed number
by number, whole arrays at once, and then summed.

Names: v numbers, d gradients, g collected numbers, e kept by one loop for another, t a buffer that
loops share, s what NumPy allocates, h a matrix with holes, n a table of places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.compiler.loops import ROWS, Loop, Ref, axes_of
from tinygrad_edu.engine.symbols import CONDITIONS, Atom, Expression, is_number, name_of

SLICES, LENGTH = 8, 16  # at most so many slices, about so long; otherwise a table is faster
Table = NDArray[np.int64]
Axis: TypeAlias = tuple[Any, Any]  # length and step, both ROWS for the rows of data


@dataclass(frozen=True)
class View:
    """What a name stands for: an array in a store, or in the memory of another name.

    ``store`` is "" for memory of its own, "?" for booleans, "0" for zeros. ``axes`` are pairs of a
    length and a step, both ROWS for the rows of data; an axis that the numbers lack is (1, 0).
    """

    store: str
    offset: int
    axes: tuple[Axis, ...]


@dataclass
class Code:
    """The lines of the two passes, and what their names stand for."""

    views: dict[str, View] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    forward: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Write the function that binds names to arrays, and returns the two passes."""
        lines = ["def bind(u, du, b, db, i):", "    rows = b.shape[1]"]
        lines += [f"    {name} = {_array(view)}" for name, view in self.views.items()]
        for name, body in (("forward", self.forward), ("backward", self.backward)):
            lines += ["", f"    def {name}():", *(f"        {line}" for line in body or ["pass"])]
        return "\n".join([*lines, "", "    return forward, backward", ""])


def code_of(forward: Iterable[Loop], backward: Iterable[Loop]) -> Code:
    """Write both passes."""
    writer = _Writer()
    for loops, lines in ((forward, writer.code.forward), (backward, writer.code.backward)):
        writer.lines = lines
        for loop in loops:
            writer.write(loop)
    return writer.code


class _Writer:
    """Writes the code of loops, and remembers what it has named and collected."""

    def __init__(self) -> None:
        self.code = Code()
        self.lines = self.code.forward
        self.names: dict[Any, str] = {}
        self.shares: dict[tuple[View, View], str] = {}  # exp(x - logsumexp x), by x and logsumexp
        self.taken = 0  # temporaries of the loop at hand, so that the next one can reuse them

    # names

    def name(self, view: View, prefix: str, number: int = 0) -> str:
        """Return the name of a view; the same view has the same name.

        Arrays of their own memory are told apart by a prefix and a number: one of numbers that were
        collected must not be the buffer of a later loop.
        """
        key = (view, prefix, number)
        if key not in self.names:
            self.names[key] = f"{prefix}{len(self.names)}"
            self.code.views[self.names[key]] = view
        return self.names[key]

    def array(self, ref: Ref, order: Sequence[str], loop: Loop) -> str:
        """Return the name of an array of a reference's numbers, its axes in this order."""
        view = self.view(ref, order, loop)
        if view.store[0] == "g":
            return view.store if axes_of(ref) == [*order] else self.name(view, "g")
        return self.name(view, "d" if view.store[0] == "d" else "v")

    def view(self, ref: Ref, order: Sequence[str], loop: Loop) -> View:
        """Return where a reference's numbers are, its axes in this order."""
        store, offset, steps = ref.store, ref.offset, [*ref.steps]
        if None in steps:
            store, offset = self.collected(ref, loop), 0
            steps = [*_packed([loop.axes[axis] for axis in ref.axes])]
        known: dict[str, Any] = dict(zip(ref.axes, steps, strict=True)) | {ROWS: ROWS}
        there = axes_of(ref)
        axes = ((loop.axes.get(a, ROWS), known[a]) if a in there else (1, 0) for a in order)
        return View(store, offset, tuple(axes))

    def value(self, ref: Ref, order: Sequence[str], loop: Loop) -> str:
        """Return the name of an array that broadcasts: without leading axes that it lacks."""
        own = axes_of(ref)
        start = next((at for at, axis in enumerate(order) if axis in own), len(order))
        return self.array(ref, order[start:], loop)

    def collected(self, ref: Ref, loop: Loop) -> str:
        """Collect scattered numbers, by a few slices or else by a table; name the result."""
        places = ref.places(loop.axes)
        lengths = [loop.axes[axis] for axis in ref.axes]
        key = (ref, tuple(lengths))
        if key in self.names and ref.store[0] != "d":  # a value stays, a gradient grows
            return self.names[key]
        name = self.names[key] = self.name(_own(axes_of(ref), loop), "g", 1 + len(self.names))
        rows = ", -1" if ref.per_row else ""
        flat = f"{name}.reshape({len(places)}{rows})" if len(lengths) > 1 else name
        if pieces := runs(places):
            self.lines += [
                f"{flat}[{a}:{b}] = {ref.store}[{at}:{at + b - a}]" for a, b, at in pieces
            ]
        else:
            table = self.table(places)
            # mode='clip' lets NumPy write into out at once; with 'raise' it goes through a copy
            self.lines.append(f"take({ref.store}, {table}, 0, out={flat}, mode='clip')")
        return name

    def table(self, numbers: Sequence[int] | Table) -> str:
        """Name a table of numbers."""
        name = f"n{len(self.code.tables)}"
        self.code.tables[name] = np.array(numbers, np.int64)
        return name

    def kept(self, order: Sequence[str], loop: Loop) -> str:
        """Return the name of a buffer that no other loop writes to."""
        return self.name(_own(order, loop), "e", 1 + len(self.names))

    def temporary(self, order: Sequence[str], loop: Loop, *, boolean: bool = False) -> str:
        """Return the name of a buffer for the loop at hand."""
        self.taken += 1
        return self.name(_own(order, loop, "?" if boolean else ""), "t", self.taken)

    def assign(self, text: str, out: str) -> str:
        """Write a call, into ``out`` if given; name the result."""
        if out:
            self.lines.append(f"{text[:-1]}, out={out})")
            return out
        self.taken += 1
        self.lines.append(f"s{self.taken} = {text}")
        return f"s{self.taken}"

    # loops

    def write(self, loop: Loop) -> None:
        """Write a loop: compute what is added up, add it up, and put it where it belongs."""
        self.taken = 0
        own, sign, body = axes_of(loop.out), 1, loop.body
        if isinstance(body, Expression) and body.function == "negative":
            sign, (body,) = -1, body.arguments
        if self.with_holes(loop, body, sign):
            return
        if loop.out.table or not loop.out.is_distinct(
            loop.axes
        ):  # windows of a convolution overlap
            self.scatter(loop, body, sign)
            return
        target = self.array(loop.out, own, loop)
        out = "" if loop.accumulate else target
        before = len(self.lines)
        value = self.total(loop, body, own, out)
        if loop.accumulate:
            negated = [f"negative({target}, out={target})"]  # by the loop before this one
            if sign > 0 and self.lines[before - 1 : before] == negated:
                del self.lines[before - 1]
                self.lines.append(f"subtract({value}, {target}, out={target})")  # the same bits
            else:
                what = "add" if sign > 0 else "subtract"
                self.lines.append(f"{what}({target}, {value}, out={target})")
        elif sign < 0:
            self.lines.append(f"negative({value}, out={target})")
        elif value != target:
            self.lines.append(f"copyto({target}, {value})")

    def total(self, loop: Loop, body: Atom, own: Sequence[str], out: str) -> str:
        """Write the sum of a body over the axes that are not ``own``; name the result."""
        there = {axis for ref in loop.reads.values() for axis in axes_of(ref)}
        order = [axis for axis in [*loop.axes, ROWS] if axis in there]
        kept = [axis for axis in own if axis in there]
        summed = [axis for axis in order if axis not in own]
        alike = loop.axes.keys() - there - {*own}  # nothing that is read differs along these
        times = prod(loop.axes[axis] for axis in alike) if loop.over == "sum" else 1
        whole = out if kept == [*own] else ""
        value = self.sum(loop, body, order, kept, summed, whole if times == 1 else "")
        if times > 1:
            value = self.assign(f"multiply({value}, {times}.0)", whole)
        if kept and kept != [*own]:
            value += f"[{', '.join(':' if axis in there else 'None' for axis in own)}]"
        return value

    def sum(
        self,
        loop: Loop,
        body: Atom,
        order: Sequence[str],
        own: Sequence[str],
        summed: Sequence[str],
        out: str,
    ) -> str:
        if summed and (pair := self.factors(loop, body, summed)):
            return self.product(loop, *pair, order, own, out)
        if not summed:
            return self.expression(loop, body, order, out)
        if read := name_of(body):
            name = self.array(loop.reads[read], order, loop)
        else:
            name = self.expression(loop, body, order, "")
        where = tuple(map(order.index, summed))
        axis = f"axis={where[0] if len(where) == 1 else where}"
        if loop.over == "logsumexp":  # the largest number is 0, so no exponential overflows
            powers = self.assign(f"exp({name})", self.kept(order, loop))
            total = self.assign(f"sum({powers}, {axis})", self.kept(own, loop))
            places = ", ".join(":" if axis in own else "None" for axis in order)
            x, out_view = (self.view(ref, order, loop) for ref in (loop.reads["x0"], loop.out))
            self.shares[x, out_view] = f"divide({powers}, {total}[{places}])"
            return self.assign(f"log({total})", out)
        return self.assign(
            f"{'sum' if loop.over == 'sum' else 'maximum.reduce'}({name}, {axis})", out
        )

    def expression(self, loop: Loop, atom: Atom, order: Sequence[str], out: str) -> str:
        """Write the calls that compute an expression; name the result."""
        if not isinstance(atom, Expression):
            return repr(atom)
        if not atom.arguments:
            return self.value(loop.reads[atom.function], order, loop)
        function, arguments = numpy_call(atom)
        if function == "exp" and (share := self.share(arguments[0], order, loop)):
            return self.assign(share, out or self.temporary(order, loop))
        names = [self.expression(loop, x, order, "") for x in arguments]
        if function == "where" and names[2] == "0.0" and isinstance(arguments[1], Expression):
            out = out or self.temporary(order, loop)
            return self.assign(f"gate({names[0]}, {names[1]})", out)
        if function == "where":
            return self.assign(f"where({', '.join(names)})", "")
        out = out or self.temporary(order, loop, boolean=function in CONDITIONS)
        return self.assign(f"{function}({', '.join(names)})", out)

    def share(self, atom: Atom, order: Sequence[str], loop: Loop) -> str:
        """Return the quotient that exp(x - logsumexp x) is: both parts are there already."""
        if not isinstance(atom, Expression) or atom.function != "subtract":
            return ""
        names = [x.function for x in atom.arguments if isinstance(x, Expression)]
        refs = [loop.reads[name] for name in names if name in loop.reads]
        views = [self.view(ref, order, loop) for ref in refs if None not in ref.steps]
        return self.shares.get((views[0], views[1]), "") if len(views) == 2 else ""

    def scatter(self, loop: Loop, body: Atom, sign: int) -> None:
        """Write to scattered places, where one may come several times: sum up equal ones."""
        places = np.array(loop.out.places(loop.axes))
        own, store, rows = axes_of(loop.out), loop.out.store, ", -1" if loop.out.per_row else ""
        order = np.argsort(places, kind="stable")
        unique, starts = np.unique(places[order], return_index=True)
        again = len(unique) < len(places)
        if again and (taken := self.in_order(loop, body, order)):
            value, order = taken, np.arange(len(places))
        else:
            value = self.total(loop, body, own, "")
            there = {axis for ref in loop.reads.values() for axis in axes_of(ref)}
            same = not again and there.isdisjoint(loop.axes)  # one number for all places
            if not same and (value[-1] in ")]" or not there.issuperset(own)):
                full = self.temporary(own, loop)
                self.lines.append(f"copyto({full}, {value})")
                value = full
            if not same and len(loop.out.axes) > 1:
                value = f"{value}.reshape({len(places)}{rows})"
        if again:
            each, left = divmod(len(places), len(unique))
            if (np.diff(order) != 1).any():
                value += f"[{self.table(order)}]"
            if not left and (np.diff(starts) == each).all():  # reduceat is several times slower
                value = f"sum({value}.reshape({len(unique)}, {each}{rows}), axis=1)"
            else:
                value = f"reduceat({value}, {self.table(starts)}, 0)"
        if sign < 0 and not loop.accumulate:
            value = f"negative({value})"
        equal = "=" if not loop.accumulate else "+=" if sign > 0 else "-="
        pieces = runs(unique.tolist() if again else [] if same else places.tolist())
        if not pieces:
            table = self.table(unique if again else places)
            self.lines.append(f"{store}[{table}] {equal} {value}")
        elif len(pieces) == 1:
            (a, b, at) = pieces[0]
            self.lines.append(f"{store}[{at}:{at + b - a}] {equal} {value}")
        else:
            value = self.assign(value, "") if value[-1] == ")" else value
            self.lines += [
                f"{store}[{at}:{at + b - a}] {equal} {value}[{a}:{b}]" for a, b, at in pieces
            ]

    def in_order(self, loop: Loop, body: Atom, order: Table) -> str:
        """Collect what a loop copies to scattered places in another order; "" if it computes."""
        if not (copied := name_of(body)):
            return ""
        ref, out = loop.reads[copied], loop.out
        known = dict(zip(ref.axes, ref.steps, strict=True))
        if {*loop.axes} != {*out.axes} or ref.per_row != out.per_row:
            return ""
        wide = ref._replace(axes=out.axes, steps=tuple(known.get(axis, 0) for axis in out.axes))
        places = np.array(wide.places(loop.axes))[order]
        self.taken += 1
        axes = ((len(places), 1), *([(ROWS, ROWS)] if ref.per_row else []))
        name = self.name(View("", 0, axes), "t", self.taken)
        self.lines.append(f"take({ref.store}, {self.table(places)}, 0, out={name}, mode='clip')")
        return name

    # products of matrices

    def with_holes(self, loop: Loop, body: Atom, sign: int) -> bool:
        """Write a product of a matrix that has no numbers at some places; tell if it is one.

        The loop has one turn for each number that there is, so all it needs is one axis. Of what it
        reads and writes, the matrix alone has no rows of data.
        """
        three = (loop.out, *loop.reads.values())
        flat = [ref for ref in three if not ref.per_row]
        if (
            [len(three), len(flat), *loop.axes] != [3, 1, "n"]
            or any(not ref.axes for ref in three)
            or not (isinstance(body, Expression) and body.function == "multiply")
            or any(isinstance(x, Expression) and x.arguments for x in body.arguments)
        ):
            return False
        (matrix,) = flat
        upper, lower = [ref for ref in three if ref.per_row]  # those by its rows and its columns
        rows, r = np.unique(upper.places(loop.axes), return_inverse=True)
        columns, c = np.unique(lower.places(loop.axes), return_inverse=True)
        at, to = r * len(columns) + c, np.array(matrix.places(loop.axes))
        if len(np.unique(at)) < len(at) or (matrix is loop.out and len(np.unique(to)) < len(to)):
            return False
        right, table = self.rows_of(lower.store, columns), self.table(at)
        if matrix is loop.out:
            whole = self.assign(f"matmul({self.rows_of(upper.store, rows)}, {right}.T)", "")
            value = f"{whole}.reshape(-1)[{table}]"
        else:
            to = rows
            axes = ((len(rows), 1), (len(columns), 1))
            filled = self.name(View("0", 0, axes), "h", 1 + len(self.names))
            numbers = self.array(matrix, ["n"], loop)
            call = f"with_holes({filled}, {table}, {numbers}, {right})"
            if not loop.accumulate and sign > 0 and (np.diff(rows) == 1).all():
                self.assign(call, self.rows_of(loop.out.store, rows))
                return True
            self.taken += 1
            value = self.name(View("", 0, ((len(rows), 1), (ROWS, ROWS))), "t", self.taken)
            self.assign(call, value)
        if sign < 0 and not loop.accumulate:
            value = f"negative({value})"
        equal = "=" if not loop.accumulate else "+=" if sign > 0 else "-="
        piece = f"{to[0]}:{to[0] + len(to)}" if (np.diff(to) == 1).all() else self.table(to)
        self.lines.append(f"{loop.out.store}[{piece}] {equal} {value}")
        return True

    def rows_of(self, store: str, places: Table) -> str:
        """Name an array of some rows of a store, one number per row of data in each."""
        axes: tuple[Axis, ...] = ((len(places), 1), (ROWS, ROWS))
        if (np.diff(places) == 1).all():
            return self.name(View(store, int(places[0]), axes), "d" if store[0] == "d" else "v")
        self.taken += 1
        name = self.name(View("", 0, axes), "t", self.taken)
        self.lines.append(f"take({store}, {self.table(places)}, 0, out={name}, mode='clip')")
        return name

    def factors(self, loop: Loop, body: Atom, summed: Sequence[str]) -> tuple[Ref, Ref] | None:
        """Return the factors of a product that is summed over an axis of both."""
        if not isinstance(body, Expression) or body.function != "multiply":
            return None
        names = [name for name in map(name_of, body.arguments) if name]
        if len(names) < 2:
            return None
        left, right = (loop.reads[name] for name in names)
        return (left, right) if {*axes_of(left)} & {*axes_of(right)} & {*summed} else None

    def product(
        self, loop: Loop, left: Ref, right: Ref, order: Sequence[str], own: Sequence[str], out: str
    ) -> str:
        """Write Σ left right by matmul where it can say it; else by einsum."""
        of_left, of_right = axes_of(left), axes_of(right)
        both = [axis for axis in order if axis in of_left and axis in of_right]
        stacked = [axis for axis in both if axis in own]
        summed = [axis for axis in both if axis not in own]
        m = [axis for axis in own if axis not in of_right]
        n = [axis for axis in own if axis not in of_left]
        alone = [axis for axis in {*of_left} ^ {*of_right} if axis not in own]
        if ROWS in stacked and not (m or n or alone):  # a dot product for each row of data
            names = [self.value(ref, order, loop) for ref in (left, right)]
            where = tuple(map(order.index, summed))
            return self.assign(f"sum(multiply({', '.join(names)}), axis={where})", out)
        last = ROWS if ROWS in summed else summed[-1]
        outer = [axis for axis in summed if axis != last]
        if ROWS in stacked or alone or len(outer) > 1:
            return self.einsum(loop, left, right, order, own, out)
        # a stack of products takes a fifth of the time of einsum, also where one factor is the same
        stacked = [axis for axis in own if axis in (*stacked, *m[:-1], *n[:-1])]
        m, n = m[-1:], n[-1:]
        if m and own[-1] == m[0]:  # so that the fastest axis of the result is its last
            left, right, m, n = right, left, n, m
        first = self.array(left, [*outer, *stacked, *(m or "-"), last], loop)
        second = self.array(right, [*outer, *stacked, last, *(n or "-")], loop)
        call = f"matmul({first}, {second})"
        if out and not outer:
            return (
                self.assign(call, self.array(loop.out, [*stacked, *(m or "-"), *(n or "-")], loop))
                and out
            )
        value = self.assign(f"sum({call}, axis=0)" if outer else call, "")
        if not (m and n):
            value += f"[{', '.join([*':' * len(stacked), ':' if m else '0', ':' if n else '0'])}]"
        have = [*stacked, *m, *n]
        if have != [*own]:
            value += f".transpose({', '.join(str(have.index(axis)) for axis in own)})"
        return value

    def einsum(
        self, loop: Loop, left: Ref, right: Ref, order: Sequence[str], own: Sequence[str], out: str
    ) -> str:
        """Write a product of arrays of any axes."""
        letters = dict(zip(order, "abcdefgh", strict=False))
        names = [
            "".join(map(letters.__getitem__, axes)) for axes in (axes_of(left), axes_of(right), own)
        ]
        first, second = (self.array(ref, axes_of(ref), loop) for ref in (left, right))
        what = f"'{names[0]},{names[1]}->{names[2]}'"
        return self.assign(f"einsum({what}, {first}, {second})", out)


def _own(order: Sequence[str], loop: Loop, store: str = "") -> View:
    """Return the view that is all of an array of its own, with these axes."""
    lengths = [loop.axes[axis] for axis in order if axis != ROWS]
    axes: list[Axis] = [*zip(lengths, _packed(lengths), strict=True)]
    return View(store, 0, (*axes, *[(ROWS, ROWS)] * (ROWS in order)))


def _packed(lengths: Sequence[int]) -> list[int]:
    """Return the steps along the axes of an array without gaps."""
    steps = [1]
    for length in reversed(lengths[1:]):
        steps.append(steps[-1] * length)
    return steps[len(lengths) - 1 :: -1] if lengths else []


def _array(view: View) -> str:
    """Write the expression that makes the array of a view: a slice, where it is one."""
    shape = _tuple(length for length, _ in view.axes)
    if view.store in ("", "?"):
        return f"empty({shape}, {'bool' if view.store else 'u.dtype'})"
    if view.store == "0":
        return f"zeros({shape}, u.dtype)"
    by_row = (ROWS, ROWS) in view.axes
    if view.store not in ("u", "du", "b", "db", "i"):  # the memory of another name
        flat = f"{view.store}.reshape(-1{', rows' * by_row})"
        return f"strided({flat}, 0, {shape}, {_steps(view)})"
    long = [axis for axis in view.axes if axis[0] != 1]
    count = prod(length for length, _ in long if length != ROWS)
    piece = f"{view.store}[{view.offset}:{view.offset + count}]"
    plain = view.store != "i" or len(long) < 3
    for axes, turn in ((long, ""), (long[::-1], ".T")):
        lengths = [length for length, _ in axes if length != ROWS]
        packed = [*zip(lengths, _packed(lengths), strict=True)] + [(ROWS, ROWS)] * by_row
        if axes == packed and plain and (not turn or long == [*view.axes]):
            order = view.axes[::-1] if turn else view.axes
            whole = _tuple(length for length, _ in order)
            there = _tuple([count, "rows"] if by_row else [count])
            return piece + (f".reshape({whole})" if whole != there else "") + turn
    return f"strided({view.store}, {view.offset}, {shape}, {_steps(view)})"


def _steps(view: View) -> str:
    """Write the steps along the axes of a view; None for the rows of data."""
    return _tuple(None if step == ROWS else step for _, step in view.axes)


def _tuple(items: Iterable[Any]) -> str:
    """Write a tuple."""
    texts = [*map(str, items)]
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"


def runs(places: Sequence[int]) -> list[tuple[int, int, int]]:
    """Describe scattered places as slices (start, stop, place of the first); [] if it takes many.

    Examples
    --------
    >>> from tinygrad_edu.compiler.numpy_writer import runs
    >>> runs([*range(100), *range(200, 300)])
    [(0, 100, 0), (100, 200, 200)]
    """
    breaks = [at for at, (a, b) in enumerate(pairwise(places), 1) if b != a + 1]
    if not len(breaks) < min(SLICES, len(places) / LENGTH):
        return []
    return [(a, b, places[a]) for a, b in pairwise([0, *breaks, len(places)])]


def numpy_call(atom: Expression) -> tuple[str, Sequence[Atom]]:
    """Return NumPy's name of a function and its arguments, in the fastest form of the same bits."""
    arguments = atom.arguments
    if atom.function == "power" and is_number(arguments[1], 2.0):
        return "square", arguments[:1]
    if atom.function == "multiply":  # times 1 or 0 by a condition: times the condition
        return "multiply", [_condition(x) for x in arguments]
    return atom.function, arguments


def _condition(atom: Atom) -> Atom:
    """Return the condition of a choice between 1 and 0; other expressions as they are."""
    if isinstance(atom, Expression) and atom.function == "where":
        return atom.arguments[0] if all(map(is_number, atom.arguments[1:], (1.0, 0.0))) else atom
    return atom
