"""Stage 6, target "javascript": loops become ``for`` loops on typed arrays, in functions.

V8, the engine of node and Chromium, makes good machine code of functions that are not too long, so
long programs are cut into several. Products of matrices call ``product``, which adds up eight sums
at a time in local variables: a step on digits takes a third of the time of plain loops then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import ClassVar

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.loops import Loop, ref_at
from tinygrad_edu.compiler.nests import Nests
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.products import Product
from tinygrad_edu.compiler.tape import INPUT, Tape
from tinygrad_edu.compiler.updates import TOLD, Update
from tinygrad_edu.shared.tables import plural, wrapped

LONGEST = 100  # lines of one function; V8 never makes machine code of 3,000
STORES = "u, du, b, db, i, rows"
STEPS = files("tinygrad_edu.compiler").joinpath("steps.js").read_text(encoding="utf-8")


class JavaScript(Nests):
    """Writes loops as JavaScript."""

    counter: ClassVar[str] = "let"
    number: ClassVar[str] = "let"
    functions: ClassVar[dict[str, str]] = {
        name: f"Math.{name}"
        for name in ("abs", "cos", "cosh", "exp", "log", "log1p", "sin", "sqrt", "tanh")
    }
    infinite: ClassVar[tuple[str, str]] = ("Infinity", "NaN")

    def best(self, loop: Loop, ways: list[Product]) -> Product | None:
        """Choose the way with the longest columns: four are multiplied at a time, but two rows."""
        plus = [way for way in ways if way.sign > 0]
        longest = lambda way: (loop.length(way.column), loop.length(way.row))  # noqa: E731
        return max(plus, key=longest, default=None)

    def multiplied(self, loop: Loop, way: Product) -> list[str]:
        """Write a call of ``product``, whose rows are the columns of a way.

        Before::

            b[r] = Σ_k u[64r + k] · i[k]  # r < 32, k < 64

        After::

            product(32, rows, 64, false,
                b, 0, rows, 1,
                u, 0, 64, 1,
                i, 0, 1, 64);
        """
        r, c, k = axes = way.column, way.row, way.term
        sizes = ", ".join(self.count(axis, loop) for axis in axes)
        matrices = (loop.out, r, c), (way.right, r, k), (way.left, k, c)
        written = [
            ", ".join((ref.store, self.first(ref, loop, *both), *(self.far(ref, a) for a in both)))
            for ref, *both in matrices
        ]
        head = f"product({sizes}, {str(loop.accumulate or way.again).lower()}"
        return (",\n    ".join([head, *written]) + ");").splitlines()


def javascript_text(tape: Tape, plan: Plan, reduce: str) -> str:
    """Write both passes, what they call, and ``start``, which returns a program."""
    writer = JavaScript(len(tape.inputs))
    functions, lists = javascript_functions(plan.forward, gradient(plan), writer)
    made = _start(tape, plan, reduce, writer)
    return "\n\n".join([*_needed(functions, writer), *functions, *lists, made])


def javascript_steps(program: str, update: Update, columns: int) -> str:
    """Write what makes a program that takes whole training steps on data, as ``train``.

    To the text of a program it adds what a formula changes, and the steps.
    """
    writer = JavaScript(0)
    lines = [line for loop in update.loops for line in (f"// {loop}", *writer.lines(loop))]
    changing = "\n".join(f"    {line}" for line in lines)
    function = f"function update(u, du, s, h) {{\n{changing}\n}}"
    sizes = {"COLUMNS": columns, "REMEMBERED": update.count * update.states, "TOLD": update.scalars}
    places = {name.upper(): place for place, name in enumerate(TOLD)}
    named = ", ".join(f"{name} = {number}" for name, number in (sizes | places).items())
    inner = [f"const {named};", *_needed([function], writer), function, STEPS.strip()]
    steps = "\n\n".join(inner)
    return (
        f"{program}\n\nconst program = start([]);\n\n"
        f"function trainer() {{\n{steps}\n\nreturn train;\n}}\n\n"
        "return { ...program, train: trainer() };"
    )


def _needed(functions: Sequence[str], writer: JavaScript) -> list[str]:
    """Write what functions call, and the tables of places that they read."""
    called = {*re.findall(r"\b[a-z]+(?=\()", "\n".join(functions))}
    helpers = [text.strip() for name, text in HELPERS.items() if name in called]
    tables = [
        wrapped(f"const {name} = new Int32Array([{', '.join(map(str, places))}]);")
        for places, name in writer.tables.items()
    ]
    return [*helpers, *tables]


def javascript_functions(
    forward: Iterable[Loop], backward: Iterable[Loop], writer: JavaScript
) -> tuple[list[str], list[str]]:
    """Write the functions of both passes, and the two lists of their names.

    Before::

        u[2] = u[0] · u[1]

        du[0] = du[2] · u[1]
        du[1] = du[2] · u[0]

    After::

        function forward_0(u, du, b, db, i, rows) {
            u[2] = u[0] * u[1];
        }

        function backward_0(u, du, b, db, i, rows) {
            du[0] = du[2] * u[1];
            du[1] = du[2] * u[0];
        }
    """
    functions: list[str] = []
    lists: list[str] = []
    for name, loops in (("forward", forward), ("backward", backward)):
        first = len(functions)
        for i, lines in enumerate(_pieces(loops, writer)):
            text = "\n".join(f"    {line}" for line in lines)
            functions.append(f"function {name}_{i}({STORES}) {{\n{text}\n}}")
        names = ", ".join(f"{name}_{i}" for i in range(len(functions) - first))
        lists.append(wrapped(f"const {name}Pass = [{names}];"))
    return functions, lists


def _pieces(loops: Iterable[Loop], writer: JavaScript) -> Iterator[list[str]]:
    """Write loops, each below its line of the plan, in pieces of at most LONGEST lines or so."""
    lines: list[str] = []
    for loop in loops:
        if loop.axes or loop.rows:  # else the statement itself says it
            lines.append(f"// {loop}")
        lines += writer.lines(loop)
        if len(lines) >= LONGEST:
            yield lines
            lines = []
    if lines:
        yield lines


def _start(tape: Tape, plan: Plan, reduce: str, writer: JavaScript) -> str:
    """Write the function that makes a program: what is around the two passes."""
    none = Loop({}, ref_at("u", 0), {}, 0.0)

    def number(slot: int) -> str:
        return writer.at(ref_at(plan.kinds[slot].store, plan.place[slot]), none)

    root, kind = tape.root, plan.kinds[tape.root]
    mean = reduce == "mean" and kind.per_row
    loss = [f"let loss = {number(root)};"]
    if kind.per_row:
        loss = [
            "let loss = 0.0;",
            f"for (let row = 0; row < rows; row++) loss += {number(root)};",
            *["loss /= rows;"] * mean,
        ]
    share = "1.0 / rows" if mean else "1.0"
    place = plan.place[root]
    seeds = [f"d{number(root)} = 1.0;"]
    if kind.per_row:
        seeds = [f"db.fill({share}, {place} * rows, {place + 1} * rows);"]
    if kind is INPUT:
        seeds = []
    if tape.penalty >= 0:  # added once, not for each row
        loss.append(f"loss += {number(tape.penalty)};")
        seeds.append(f"d{number(tape.penalty)} = 1.0;")
    width = len(tape.outputs)
    seen = [
        f"seen[{width} * row + {column}] = {number(slot)};"
        for column, slot in enumerate(tape.outputs)
    ]
    if seen:
        seen = ["for (let row = 0; row < rows; row++) {", *(f"    {one}" for one in seen), "}"]
    return _START.format(
        u=plan.sizes["u"],
        b=plan.sizes["b"],
        parameters=len(plan.parameters),
        leaves=len(plan.parameters) + len(plan.constants),
        columns=writer.columns,
        count=("1", "X.length", f"X.length / {writer.columns}")[min(writer.columns, 2)],
        numbers=plural(writer.columns, "number"),
        width=width,
        end=_indented([*seen, *loss], 8),
        seeds=_indented(seeds, 8),
    )


def _indented(lines: Sequence[str], by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in lines).strip()


_START = """
/** Make a program that begins with these numbers: parameters, then constants. */
function start(numbers) {{
    const u = new Float64Array({u}), du = new Float64Array({u});
    let b = new Float64Array(0), db = b, seen = b, i = b, rows = 0;
    u.set(numbers);

    /** Return the loss of rows of inputs; X holds the numbers of one row after the other. */
    function forward(X = [], count = {count}) {{
        if (!Number.isInteger(count) || count < 1 || X.length !== {columns} * count) {{
            throw new RangeError(`${{count}} rows of {numbers} are not ${{X.length}} numbers`);
        }}
        if (count !== rows) {{
            rows = count;
            seen = new Float64Array(rows * {width});
            if (b.length < rows * {b}) {{
                b = new Float64Array(rows * {b});
                db = new Float64Array(rows * {b});
            }}
            db.fill(0.0); // it stays 0 where no gradient arrives
        }}
        i = X instanceof Float64Array ? X : Float64Array.from(X);
        for (const part of forwardPass) part(u, du, b, db, i, rows);
        {end}
        return loss;
    }}

    /** Compute the gradient, too. */
    function backward(X, count) {{
        const loss = forward(X, count);
        {seeds}
        for (const part of backwardPass) part(u, du, b, db, i, rows);
        return loss;
    }}

    return {{
        parameters: u.subarray(0, {parameters}),
        constants: u.subarray({parameters}, {leaves}),
        gradient: du.subarray(0, {parameters}),
        forward,
        backward,
        outputs: () => seen.slice(), // of the last run, one row after the other
    }};
}}
""".strip()

HELPERS = {
    "maximum": """
/** Return the larger of two numbers; NaN if either is NaN. */
function maximum(x, y) {
    return x >= y || x !== x ? x : y;
}
""",
    "minimum": """
/** Return the smaller of two numbers; NaN if either is NaN. */
function minimum(x, y) {
    return x <= y || x !== x ? x : y;
}
""",
    "square": """
function square(x) {
    return x * x;
}
""",
    "power": """
/** Compute x to the y; as in IEEE 754, and not in Math.pow, 1 to any power is 1. */
function power(x, y) {
    return x === 1.0 || (x === -1.0 && Math.abs(y) === Infinity) ? 1.0 : Math.pow(x, y);
}
""",
    "product": """
/**
 * Multiply two matrices, x of R rows and K columns and y of K rows and C columns; replace what is
 * in out, or add to it. Each matrix is given by its array, its first place there, and the steps to
 * the next row and to the next column. Four rows and two columns are multiplied at a time, whose
 * sums stay in registers; beyond the last row or column, the last one is computed again.
 */
function product(R, C, K, add, out, z, zR, zC, x, p, pR, pK, y, q, qK, qC) {
    for (let r = 0; r < R; r += 4) {
        const r1 = Math.min(r + 1, R - 1), r2 = Math.min(r + 2, R - 1), r3 = Math.min(r + 3, R - 1);
        const p0 = p + pR * r, p1 = p + pR * r1, p2 = p + pR * r2, p3 = p + pR * r3;
        const z0 = z + zR * r, z1 = z + zR * r1, z2 = z + zR * r2, z3 = z + zR * r3;
        for (let c = 0; c < C; c += 2) {
            const c1 = Math.min(c + 1, C - 1);
            const q0 = q + qC * c, q1 = q + qC * c1, d0 = zC * c, d1 = zC * c1;
            let s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0, t0 = 0.0, t1 = 0.0, t2 = 0.0, t3 = 0.0;
            if (add) {
                s0 = out[z0 + d0], s1 = out[z1 + d0], s2 = out[z2 + d0], s3 = out[z3 + d0];
                t0 = out[z0 + d1], t1 = out[z1 + d1], t2 = out[z2 + d1], t3 = out[z3 + d1];
            }
            for (let k = 0; k < K; k++) {
                const i = pK * k, j = qK * k;
                const x0 = x[p0 + i], x1 = x[p1 + i], x2 = x[p2 + i], x3 = x[p3 + i];
                const y0 = y[q0 + j], y1 = y[q1 + j];
                s0 += x0 * y0, s1 += x1 * y0, s2 += x2 * y0, s3 += x3 * y0;
                t0 += x0 * y1, t1 += x1 * y1, t2 += x2 * y1, t3 += x3 * y1;
            }
            out[z0 + d0] = s0, out[z1 + d0] = s1, out[z2 + d0] = s2, out[z3 + d0] = s3;
            out[z0 + d1] = t0, out[z1 + d1] = t1, out[z2 + d1] = t2, out[z3 + d1] = t3;
        }
    }
}
""",
}
