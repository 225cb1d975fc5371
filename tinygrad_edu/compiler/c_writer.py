"""Stage 6, target "c": loops become nested ``for`` loops, and products calls of ``kernels.c``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import islice
from math import prod
from typing import ClassVar

from tinygrad_edu.compiler.loops import Loop, Ref, ref_at
from tinygrad_edu.compiler.nests import ROW, ROWS, TYPICAL, Nests, axes_of
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import INPUT, Tape
from tinygrad_edu.compiler.updates import TOLD, Update
from tinygrad_edu.engine.symbols import Expression, name_of

LANES = 8  # numbers in the widest register, to compare ways, and to align rows
LONGEST = 60  # loops of one function
SMALL = 64  # multiplications of a product that is not worth a call


class CWriter(Nests):
    """Writes the loops of a program in C."""

    counter: ClassVar[str] = "long"
    number: ClassVar[str] = "double"
    functions: ClassVar[dict[str, str]] = {"abs": "fabs", "power": "pow"}
    infinite: ClassVar[tuple[str, str]] = ("INFINITY", "NAN")
    apart: ClassVar[str] = "APART "

    def lines(self, loop: Loop) -> list[str]:
        """Write a loop, a product of matrices as one call or a few."""
        return (loop.out.is_distinct(loop.axes) and self.product(loop)) or super().lines(loop)

    def product(self, loop: Loop) -> list[str]:
        """Write ``out = Σ left right`` as calls of ``product``; [] for other loops.

        Of the axes, three are those of a product of matrices; the others are counted around it.
        """
        sign, factors = factors_of(loop)
        if len(factors) < 2 or any(ref.table for ref in (loop.out, *factors)):
            return []  # what is scattered is added up one by one
        axes = [*loop.axes, *[ROWS] * loop.rows]
        own, *both = [{*axes_of(ref)} for ref in (loop.out, *factors)]
        summed = [axis for axis in axes if axis not in own]
        if not summed or not {*summed} <= both[0] & both[1] or not {*axes} <= both[0] | both[1]:
            return []
        if prod(self.length(axis, loop) for axis in axes) < SMALL:
            return []
        term = max(summed, key=lambda axis: self.length(axis, loop))
        ways = [
            (right, left, row, column)
            for right, left in (factors, factors[::-1])
            for column in axes_of(right)
            if column in own.difference(axes_of(left))
            for row in own.difference(axes_of(right)).intersection(axes_of(left)) or ("",)
        ]
        if not ways:
            return []
        right, left, row, column = min(sorted(ways), key=lambda way: self.effort(loop, term, *way))
        if not row and self.step(right, column) != 1:
            return []  # packing would take longer than what is to be computed
        around = [axis for axis in axes if axis not in (row, column, term)]
        again = bool({*around} & {*summed})  # then there are several calls for each sum
        call = self.call(
            "product",
            [
                *(self.count(axis, loop) for axis in (row, column, term)),
                *(self.start(left, loop, around), self.far(left, row), self.far(left, term)),
                *(self.start(right, loop, around), self.far(right, column), self.far(right, term)),
                *(self.start(loop.out, loop, around), self.far(loop.out, row)),
                *(self.far(loop.out, column), f"{sign}.0", str(int(loop.accumulate or again))),
            ],
        )
        lines = self.around(around, loop, [f"{call};"])
        return [*self.zeros(loop), *lines] if again and not loop.accumulate else lines

    def effort(self, loop: Loop, term: str, right: Ref, left: Ref, row: str, column: str) -> float:
        """Estimate the time of a product with these axes: multiplying, packing, and storing."""
        m, n, depth = (self.length(axis, loop) for axis in (row, column, term))
        times = prod(self.length(axis, loop) for axis in loop.axes) / (m * n * depth)
        packing = 0 if self.step(right, column) == 1 and n % LANES == 0 else 2 * n * depth
        storing = 0 if self.step(loop.out, column) == 1 and n % LANES == 0 else 2 * m * n
        return times * (-(-n // LANES) * m * depth + packing + storing)

    def totaled(self, loop: Loop, summed: list[str]) -> list[str]:
        """Add up along the last axis by ``sum`` or ``dot``, which use all of a register."""
        sign, factors = factors_of(loop)
        *outer, last = summed
        far = [self.far(ref, last) for ref in factors if not ref.table]
        if loop.over != "sum" or not factors or len(far) < len(factors) or "0" in far:
            return super().totaled(loop, summed)
        around = [axis for axis in (*loop.axes, ROWS) if axis != last]
        given = [self.count(last, loop)]
        for ref, step in zip(factors, far, strict=True):
            given += [self.start(ref, loop, around), step]
        call = self.call("sum" if len(factors) == 1 else "dot", given)
        return self.around(outer, loop, [f"total {'+' if sign > 0 else '-'}= {call};"])

    def where(self, condition: str, yes: str, no: str) -> str:
        """Write a choice for which both are computed, which vector registers can do."""
        return self.call("where", [condition[1:-1], yes, no])

    def length(self, axis: str, loop: Loop) -> int:
        """Return the length of an axis; rows are taken to be a few."""
        return loop.axes.get(axis, TYPICAL if axis else 1)

    def count(self, axis: str, loop: Loop) -> str:
        """Write the length of an axis."""
        return ROWS if axis == ROWS else str(loop.axes[axis]) if axis else "1"

    def start(self, ref: Ref, loop: Loop, around: Sequence[str]) -> str:
        """Write the address of the first number, where some axes are counted by outer loops."""
        pairs = [(a, s) for a, s in zip(ref.axes, ref.steps, strict=True) if a in around]
        axes, steps = zip(*pairs, strict=True) if pairs else ((), ())
        inner = Ref(ref.store, axes, ref.offset, steps)
        return f"&{ref.store}[{self.index(inner, loop, ROW if ROWS in around else '')}]"

    def far(self, ref: Ref, axis: str) -> str:
        """Write how far apart neighbours along an axis lie."""
        if axis == ROWS:
            return str(self.columns) if ref.store == "i" else "1" if ref.per_row else "0"
        if axis not in ref.axes:
            return "0"
        step = ref.steps[ref.axes.index(axis)]
        return f"{step} * {ROWS}" if ref.store in ("b", "db") else str(step)


def factors_of(loop: Loop) -> tuple[int, list[Ref]]:
    """Return a sign, and the one or two things that are multiplied; none if more is computed."""
    sign, body = 1, loop.body
    if isinstance(body, Expression) and body.function == "negative":
        sign, (body,) = -1, body.arguments
    product = isinstance(body, Expression) and body.function == "multiply"
    parts = body.arguments if product and isinstance(body, Expression) else (body,)
    names = [*map(name_of, parts)]
    return sign, [loop.reads[name] for name in names] if all(names) else []


def padded(columns: int) -> int:
    """Return how far apart rows of data lie, so that each begins where a register does."""
    return -(-columns // LANES) * LANES


def c_source(tape: Tape, plan: Plan, backward: Iterable[Loop], reduce: str) -> str:
    """Write a program: both passes, and ``run``, which others call; KERNELS is what it needs."""
    writer = CWriter(padded(len(tape.inputs)))
    passes = [
        _functions(name, loops, writer)
        for name, loops in (("forward", plan.forward), ("backward", backward))
    ]
    parts = [HEADER, _SPACE, _WHOLE, _tables(writer), *passes, _run(tape, plan, reduce, writer)]
    return "\n".join(parts)


def _tables(writer: CWriter) -> str:
    """Write the tables of places."""
    return "\n".join(
        f"static const int {name}[] = {{{', '.join(map(str, places))}}};"
        for places, name in writer.tables.items()
    )


def _functions(name: str, loops: Iterable[Loop], writer: CWriter) -> str:
    """Write the functions of a pass, and one that calls them."""
    rest, functions, calls = iter(loops), [""] * 0, [""] * 0
    while some := [*islice(rest, LONGEST)]:
        lines = [line for loop in some for line in (f"/* {loop} */", *writer.lines(loop))]
        calls.append(f"{name}_{len(calls)}(s);")
        functions.append(_function(f"static void {calls[-1][:-4]}", lines))
    return "\n".join([*functions, _function(f"static void {name}", calls or ["(void)s;"])])


def _function(head: str, lines: Iterable[str]) -> str:
    """Write a function of the stores, with names for those that it reads or writes."""
    text = "\n".join(f"    {line}" for line in lines)
    stores = [
        f"    double *restrict {store} = s->{store};"
        for store in STORES
        if re.search(rf"\b{store}\[", text)
    ]
    rows = ["    const long rows = s->rows;"] if re.search(r"\brows\b", text) else []
    return "\n".join([f"{head}(const struct space *s)", "{", *stores, *rows, text, "}", ""])


def _run(tape: Tape, plan: Plan, reduce: str, writer: CWriter) -> str:
    """Write what makes a run of both passes."""

    def at(slot: int, row: str = "", store: str = "") -> str:
        kind = plan.kinds[slot]
        place = writer.index(ref_at(kind.store, plan.place[slot]), _NOWHERE, row)
        return f"{store}{kind.store}[{place}]"

    root, kind = tape.root, plan.kinds[tape.root]
    loss = at(root)
    if kind.per_row:
        loss = f"sum(rows, &{loss}, {writer.columns if kind is INPUT else 1})"
        loss += " / (double)rows" if reduce == "mean" else ""
    lines = ["forward(s);", f"double loss = {loss};"]
    given = []
    if kind.per_row and kind is not INPUT:
        one = "1.0 / (double)rows" if reduce == "mean" else "1.0"
        given = [
            "    for (long row = 0; row < rows; row++)",
            f"        {at(root, ROW, 'd')} = {one};",
        ]
    elif kind is not INPUT:
        given = [f"    {at(root, ROW, 'd')} = 1.0;"]
    if tape.penalty >= 0:
        lines.append(f"loss += {at(tape.penalty)};")
        given.append(f"    {at(tape.penalty, '', 'd')} = 1.0;")
    asked = [
        f"    out[{len(tape.outputs)} * row + {column}] = {at(slot, ROW)};"
        for column, slot in enumerate(tape.outputs)
    ]
    if asked:
        lines += ["for (long row = 0; row < rows; row++) {", *asked, "}"]
    lines += ["if (with_gradient) {", *given, "    backward(s);", "}", "return loss;"]
    return _function("double run", lines).replace("*s)", "*s, int with_gradient)")


def c_steps(update: Update) -> str:
    """Write a library of whole training steps: what a formula changes, and the steps."""
    writer = CWriter(0)
    lines = [line for loop in update.loops for line in (f"/* {loop} */", *writer.lines(loop))]
    stores = ", ".join(f"double *restrict {store}" for store in ("u", "du", "s", "h"))
    body = "\n".join(f"    {line}" for line in lines)
    function = f"static void update({stores})\n{{\n{body}\n}}\n"
    places = ", ".join(f"{name.upper()} = {place}" for place, name in enumerate(TOLD))
    return "\n".join([HEADER, _SPACE, f"enum {{ {places} }};\n", _tables(writer), function, STEPS])


_NOWHERE = Loop({}, Ref("u"), {}, 0.0)
STORES = ("u", "du", "b", "db", "i", "out")
HEADER, KERNELS, STEPS = (
    files("tinygrad_edu.compiler").joinpath(name).read_text(encoding="utf-8")
    for name in ("kernels.h", "kernels.c", "steps.c")
)
_SPACE = """
/* Where the numbers are: u one for each parameter, constant and what is computed from them alone, b
   one for each row of data, i the rows of data themselves; du and db are gradients. */
struct space {
    double *u, *du, *b, *db, *i, *out;
    long rows;
};
"""
_WHOLE = """
/* Check that no number of the rows of data is nan. */
int whole(const struct space *s, long count)
{
    int found = 1;
    for (long n = 0; n < count; n++)
        found &= s->i[n] == s->i[n];
    return found;
}
"""
