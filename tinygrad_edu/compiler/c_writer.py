"""Stage 6, target "c": loops become nested ``for`` loops, and products calls of ``kernels.c``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from itertools import islice
from math import prod
from typing import ClassVar

from tinygrad_edu.compiler.loops import Loop, Ref, ref_at
from tinygrad_edu.compiler.nests import ROW, Nests
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.products import Product, factors_of
from tinygrad_edu.compiler.tape import INPUT, Tape
from tinygrad_edu.compiler.updates import TOLD, Update

LANES = 8  # numbers in the widest register, to compare ways, and to align rows
LONGEST = 60  # loops of one function


class CWriter(Nests):
    """Writes the loops of a program in C."""

    counter: ClassVar[str] = "long"
    number: ClassVar[str] = "double"
    functions: ClassVar[dict[str, str]] = {"abs": "fabs", "power": "pow"}
    infinite: ClassVar[tuple[str, str]] = ("INFINITY", "NAN")
    apart: ClassVar[str] = "APART "

    def best(self, loop: Loop, ways: list[Product]) -> Product | None:
        """Choose the way that takes the least time."""
        way = min(ways, key=lambda way: self.effort(loop, way), default=None)
        if way and not way.row and self.step(way.right, way.column) != 1:
            return None  # packing would take longer than what is to be computed
        return way

    def multiplied(self, loop: Loop, way: Product) -> list[str]:
        """Write a call of ``product``."""
        row, column, term = axes = way.row, way.column, way.term
        given = [self.count(axis, loop) for axis in axes]
        for ref, *both in (
            (way.left, row, term),
            (way.right, column, term),
            (loop.out, row, column),
        ):
            given += [self.start(ref, loop, *both), *(self.far(ref, axis) for axis in both)]
        given += [f"{way.sign}.0", str(int(loop.accumulate or way.again))]
        return [f"{self.call('product', given)};"]

    def effort(self, loop: Loop, way: Product) -> float:
        """Estimate the time of a product: multiplying, packing, and storing."""
        m, n, depth = (loop.length(axis) for axis in (way.row, way.column, way.term))
        times = prod(loop.length(axis) for axis in way.around)
        packing = 0 if self.step(way.right, way.column) == 1 and n % LANES == 0 else 2 * n * depth
        storing = 0 if self.step(loop.out, way.column) == 1 and n % LANES == 0 else 2 * m * n
        return times * (-(-n // LANES) * m * depth + packing + storing)

    def totaled(self, loop: Loop, summed: list[str]) -> list[str]:
        """Add up along the last axis by ``sum`` or ``dot``, which use all of a register."""
        sign, factors = factors_of(loop)
        *outer, last = summed
        far = [self.far(ref, last) for ref in factors if not ref.table]
        if loop.over != "sum" or not factors or len(far) < len(factors) or "0" in far:
            return super().totaled(loop, summed)
        given = [self.count(last, loop)]
        for ref, step in zip(factors, far, strict=True):
            given += [self.start(ref, loop, last), step]
        call = self.call("sum" if len(factors) == 1 else "dot", given)
        return self.around(outer, loop, [f"total {'+' if sign > 0 else '-'}= {call};"])

    def where(self, condition: str, yes: str, no: str) -> str:
        """Write a choice for which both are computed, which vector registers can do."""
        return self.call("where", [condition[1:-1], yes, no])

    def start(self, ref: Ref, loop: Loop, *axes: str) -> str:
        """Write the address of the first number along some axes."""
        return f"&{ref.store}[{self.first(ref, loop, *axes)}]"


def padded(columns: int) -> int:
    """Return how far apart rows of data lie, so that each begins where a register does."""
    return -(-columns // LANES) * LANES


def c_source(tape: Tape, plan: Plan, backward: Iterable[Loop], reduce: str, columns: int) -> str:
    """Write a program: both passes, and ``run``, which others call. It needs HEADER and KERNELS.

    Rows of data lie ``columns`` numbers apart.
    """
    writer = CWriter(columns)
    passes = [
        _functions(name, loops, writer)
        for name, loops in (("forward", plan.forward), ("backward", backward))
    ]
    return "\n".join([_SPACE, _tables(writer), *passes, _run(tape, plan, reduce, writer)])


def _tables(writer: CWriter) -> str:
    """Write the tables of places."""
    return "\n".join(c_array("int", name, places) for places, name in writer.tables.items())


def c_array(kind: str, name: str, numbers: Iterable[float]) -> str:
    """Write numbers that stay as they are."""
    return f"static const {kind} {name}[] = {{\n    {c_list(numbers)}}};\n"


def c_list(numbers: Iterable[float]) -> str:
    """Write numbers in full, a few in each line."""
    words = [repr(number).replace("inf", "INFINITY").replace("nan", "NAN") for number in numbers]
    each = 80 // max(map(len, words), default=1)
    lines = [", ".join(words[at : at + each]) for at in range(0, len(words), each)]
    return ",\n    ".join(lines)


def _functions(name: str, loops: Iterable[Loop], writer: CWriter) -> str:
    """Write a pass as a function; a long one as several, and one that calls them."""
    rest, bodies = iter(loops), []
    while some := [*islice(rest, LONGEST)]:
        lines = [line for loop in some for line in (f"/* {loop} */", *writer.lines(loop))]
        bodies.append(lines)
    if len(bodies) > 1:
        pieces = {f"{name}_{k}": lines for k, lines in enumerate(bodies)}
        bodies = [[f"{piece}(s);" for piece in pieces]]
    else:
        pieces = {}
    pieces[name] = bodies[0] if bodies else ["(void)s;"]
    return "\n".join(_function(f"static void {piece}", lines) for piece, lines in pieces.items())


def _function(head: str, lines: Iterable[str], own: str = "restrict ") -> str:
    """Write a function of the stores, with names for those that it reads or writes.

    ``own`` says that nothing else changes what these names lead to: other functions it calls don't.
    """
    text = "\n".join(f"    {line}" for line in lines)
    stores = [
        f"    double *{own}{store} = s->{store};"
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
    return _function("double run", lines, "").replace("*s)", "*s, int with_gradient)")


def c_steps(update: Update) -> str:
    """Write a library of whole training steps: what a formula changes, and the steps."""
    writer = CWriter(0)
    lines = [line for loop in update.loops for line in (f"/* {loop} */", *writer.lines(loop))]
    stores = ", ".join(f"double *restrict {store}" for store in ("u", "du", "s", "h"))
    body = "\n".join(f"    {line}" for line in lines)
    function = f"static void update({stores})\n{{\n{body}\n}}\n"
    places = ", ".join(f"{name.upper()} = {place}" for place, name in enumerate(TOLD))
    return "\n".join([_SPACE, f"enum {{ {places} }};\n", _tables(writer), function, STEPS])


_NOWHERE = Loop({}, Ref("u"), {}, 0.0)
STORES = ("u", "du", "b", "db", "i", "out")
HEADER, KERNELS, STEPS = (
    files("tinygrad_edu.compiler").joinpath(name).read_text(encoding="utf-8")
    for name in ("kernels.h", "kernels.c", "steps.c")
)
_SPACE = """\
/* Where the numbers are: u one for each parameter, constant and what is computed from them alone, b
   one for each row of data, i the rows of data themselves; du and db are gradients. */
struct space {
    double *u, *du, *b, *db, *i, *out;
    long rows;
};
"""
WHOLE = """
/* Check that no number of the rows of data is nan. */
int whole(const struct space *s, long count)
{
    int found = 1;
    for (long n = 0; n < count; n++)
        found &= s->i[n] == s->i[n];
    return found;
}
"""
