"""The one kind of instruction: a loop over named axes, which adds up over those its result lacks.

A matrix product is the loop ``out[r, c] = Σ_k left[r, k] right[k, c]``. A bias, a sum, a row of the
table on many numbers, a mean over the rows of data, the lookup of an embedding and the scattering
of its gradient are loops, too. So the gradient of a program is a list of the same instructions as
the program: the adjoint of a loop runs over the same axes, and has one more factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from operator import sub
from typing import NamedTuple

from tinygrad_edu.engine import formulas, symbols
from tinygrad_edu.engine.ops import LOGADDEXP, Primitive
from tinygrad_edu.engine.symbols import Atom, Expression

PER_ROW = frozenset(("i", "b", "db"))  # stores that hold a number for each row of data
ROWS = "rows"  # the axis of the rows of data
TYPICAL = 32  # rows of data, to compare their axis with others


class Ref(NamedTuple):
    """Numbers of a store, one for each combination of some axes of a loop.

    A number lies at ``offset``, plus the index along each axis times its step, plus what the table
    says for the indices along the axes whose step is None.

    Parameters
    ----------
    store : "i" inputs, "b" one number per row for what depends on them, "u" one number for each of
        the others; "du" and "db" hold gradients
    axes : names of the axes, the last one the fastest; none along which the place is the same
    """

    store: str
    axes: tuple[str, ...] = ()
    offset: int = 0
    steps: tuple[int | None, ...] = ()
    table: tuple[int, ...] = ()

    @property
    def per_row(self) -> bool:
        """Return True if there is a number for each row of data, so that rows are one more axis."""
        return self.store in PER_ROW

    @property
    def gradient(self) -> Ref:
        """Return the reference to the gradients of these numbers."""
        return tuple.__new__(Ref, ("d" + self.store, *self[1:]))

    def places(self, lengths: Mapping[str, int]) -> Sequence[int]:
        """List the places of all combinations of its axes, in their order."""
        places, entries = [self.offset], [0]
        for axis, step in zip(self.axes, self.steps, strict=True):
            along = range(lengths[axis])
            if self.table:
                wide = len(along) if step is None else 1
                entries = [
                    entry * wide + (i if step is None else 0) for entry in entries for i in along
                ]
            places = [place + i * (step or 0) for place in places for i in along]
        if self.table:
            places = [a + self.table[b] for a, b in zip(places, entries, strict=True)]
        return places

    def span(self, lengths: Mapping[str, int]) -> slice | None:
        """Return the slice of the store that its places fill, each once; None if they do not."""
        count = 1
        if self.table:
            return None
        for step, axis in sorted(zip(self.steps, self.axes, strict=True)):
            if step != count:
                return None
            count *= lengths[axis]
        return slice(self.offset, self.offset + count)

    def within(self, *axes: str) -> Ref:
        """Return the reference to the first number along some axes, by the axes that are left."""
        left = [(a, step) for a, step in zip(self.axes, self.steps, strict=True) if a not in axes]
        names, steps = zip(*left, strict=True) if left else ((), ())
        return Ref(self.store, names, self.offset, steps, self.table)

    def is_distinct(self, lengths: Mapping[str, int]) -> bool:
        """Check that no place comes twice, so that nothing is added up where it is written."""
        places = self.places(lengths) if self.span(lengths) is None else ()
        return len(set(places)) == len(places)

    def __str__(self) -> str:
        terms = [str(self.offset)] if self.offset or not self.axes else []
        pairs = [*zip(self.axes, self.steps, strict=True)]
        if self.table:
            terms.append(f"table({', '.join(axis for axis, step in pairs if step is None)})")
        terms += [axis if step == 1 else f"{step}{axis}" for axis, step in pairs if step]
        return f"{self.store}[{' + '.join(terms)}]".replace("+ -", "- ")


def ref_at(store: str, place: int) -> Ref:
    """Return the reference to one number, in a third of the time of ``Ref(store, (), place)``."""
    return tuple.__new__(Ref, (store, (), place, (), ()))


def ref_to(store: str, places: Sequence[int], lengths: Mapping[str, int]) -> Ref:
    """Describe places, given for all combinations of axes, by as few numbers as there may be.

    Examples
    --------
    >>> from tinygrad_edu.compiler.loops import ref_to
    >>> ref_to("u", [5, 6, 8, 9], {"r": 2, "k": 2})
    Ref(store='u', axes=('r', 'k'), offset=5, steps=(3, 1), table=())
    >>> ref_to("u", [7, 8, 1, 2, 4, 5], {"r": 3, "k": 2})
    Ref(store='u', axes=('r', 'k'), offset=0, steps=(None, 1), table=(7, 1, 4))
    """
    places = [*places]
    sizes = [*lengths.values()]
    inner = [prod(sizes[at + 1 :]) for at in range(len(sizes))]  # how far apart neighbours stand
    steps = [_step(places, *pair) for pair in zip(sizes, inner, strict=True)]
    scattered = [at for at, step in enumerate(steps) if step is None]
    table = tuple(
        places[sum(inner[at] * i for at, i in zip(scattered, corner, strict=True))]
        for corner in product(*(range(sizes[at]) for at in scattered))
    )
    axes = tuple(axis for axis, step in zip(lengths, steps, strict=True) if step != 0)
    kept = tuple(step for step in steps if step != 0)
    return Ref(store, axes, 0, kept, table) if scattered else Ref(store, axes, places[0], kept)


def _step(places: list[int], length: int, inner: int) -> int | None:
    """Return the distance of neighbours along an axis, if it is the same everywhere."""
    if length == 1:
        return 0
    step = places[inner] - places[0]
    block = length * inner
    for start in range(0, len(places), block):
        some = places[start : start + block]
        if {*map(sub, some[inner:], some)} != {step}:
            return None
    return step


def axes_of(ref: Ref) -> list[str]:
    """List the axes of a reference, the rows of data among them."""
    return [*ref.axes, *([ROWS] if ref.per_row else [])]


@dataclass(eq=False, slots=True)
class Loop:
    """``out = Σ body(reads)``, or ``out += ...``, over the axes that ``out`` lacks.

    Parameters
    ----------
    axes : the length of each axis. The rows of data are one more axis, the last, if a store of
        ``out`` or of what is read has a number for each row
    out : what is computed; what is written to one place several times is added up
    reads : what the names in ``body`` stand for
    body : an expression, of rows of the table
    accumulate : whether the result is added to what is there
    row, literal, sign : what body is: sign * row(x0, x1), where the last input may be a number
    over : what is done over the axes that ``out`` lacks: "sum"; "max", through which no gradient
        flows; or "logsumexp", for numbers of which the largest is 0
    """

    axes: dict[str, int]
    out: Ref
    reads: dict[str, Ref]
    body: Atom
    accumulate: bool = False
    row: Primitive | None = None
    literal: float | None = None
    sign: int = 1
    over: str = "sum"

    def length(self, axis: str) -> int:
        """Return the length of an axis, 1 for none; rows of data are taken to be some."""
        return self.axes.get(axis, TYPICAL if axis else 1)

    @property
    def rows(self) -> bool:
        """Return True if the rows of data are an axis of it."""
        return self.out.per_row or any(read.per_row for read in self.reads.values())

    def __str__(self) -> str:
        of = {name: str(read) for name, read in self.reads.items()}
        summed = [axis for axis in self.axes if axis not in self.out.axes]
        summed += ["rows"] * (self.rows and not self.out.per_row)
        what = "Σ" if self.over == "sum" else self.over
        over = f"{what}_{' '.join(summed)} " if summed else ""
        lengths = ", ".join(f"{axis} < {length}" for axis, length in self.axes.items())
        text = formulas.as_math(self.body, of, times="·")
        equal = "+=" if self.accumulate else "="
        return f"{self.out} {equal} {over}{text}" + (f"  # {lengths}" if lengths else "")


def apply(
    axes: dict[str, int],
    out: Ref,
    reads: Sequence[Ref],
    row: Primitive | None = None,
    *,
    literal: float | None = None,
    sign: int = 1,
    accumulate: bool = False,
    over: str = "sum",
) -> Loop:
    """Make the loop of a row of the table, or without a row that of a copy."""
    axes = {axis: length for axis, length in axes.items() if length > 1} if axes else axes
    names = dict(zip(("x0", "x1"), reads, strict=False))
    body = _rules(row, len(reads), repr(literal), sign, over)[0]
    return Loop(axes, out, names, body, accumulate, row, literal, sign, over)


def adjoint(loop: Loop, wanted: Iterable[str]) -> Iterator[Loop]:
    """Make the loops that add to the gradients of what a loop reads: the chain rule on loops.

    Each runs over the same axes and reads the same numbers, and has one more factor, the gradient
    of ``out``. Which of its axes are summed follows from the axes of its own result.
    """
    terms = _rules(loop.row, len(loop.reads), repr(loop.literal), loop.sign, loop.over)[1]
    known = {**loop.reads, "out": loop.out, "cotangent": loop.out.gradient}
    for (name, read), (body, needed) in zip(loop.reads.items(), terms, strict=False):
        if name in wanted:
            reads = {name: known[name] for name in needed}
            yield Loop(loop.axes, read.gradient, reads, body, True)


@lru_cache(4096)
def _rules(
    row: Primitive | None, count: int, number: str, sign: int, over: str
) -> tuple[Atom, list[tuple[Atom, list[str]]]]:
    """Write what is computed, and for each input what is added to its gradient, with its names.

    The literal is given as text, since nan is not equal to itself, and 0.0 is to -0.0.
    """
    inputs = symbols.inputs_of(count, None if number == "None" else float(number))
    body: Atom = inputs[0]
    partials: Sequence[Atom] = (1.0,)
    out = symbols.variable("out")
    if over == "logsumexp":  # each of many is one of two, since out has all of them
        partials = symbols.partials_of(LOGADDEXP, out, inputs[0], inputs[0])[:1]
    elif row is not None:
        body = symbols.forward_of(row, *inputs)
        partials = symbols.partials_of(row, out, *inputs)
    terms = []
    for partial in partials:
        way = sign
        if isinstance(partial, Expression) and partial.function == "negative":
            way, (partial,) = -sign, partial.arguments
        term = _signed(symbols.times(symbols.variable("cotangent"), partial), way)
        terms.append((term, sorted(symbols.names_in(term))))
    return _signed(body, sign), terms


def _signed(body: Atom, sign: int) -> Atom:
    return body if sign > 0 else symbols.simplify(Expression("negative", (body,)))
