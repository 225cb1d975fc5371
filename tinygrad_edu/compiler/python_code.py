"""Stage 6, target "python": straight-line code of floats, one assignment for each node.

Long programs are cut into functions, since CPython is slow to compile long ones; what one
function computes and another reads goes through the lists ``v`` (values) and ``g`` (gradients).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from tinygrad_edu.compiler.sums import inputs_of
from tinygrad_edu.compiler.tape import PARAMETER, Tape, uses_of
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.engine.symbols import Atom, Expression, is_number

LONGEST = 500  # lines of one function
DEEPEST = 20  # levels of one expression
NESTED = 150  # parentheses inside each other: CPython's parser stops at 200
_NAME = re.compile(r"\bv\d+\b")
_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "true_divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "logical_and": "&",
    "logical_or": "|",
}


class Line(NamedTuple):
    """An assignment to a name, and the names it reads."""

    target: str
    text: str
    reads: tuple[str, ...]


def python_source(tape: Tape) -> str:
    """Write two functions, ``forward(v, g)`` and ``backward(v, g)``, and the pieces they call.

    ``g`` starts with the gradients of the results; all others are assigned first, then added to.

    Before::

        %0 = parameter
        %1 = parameter
        %2 = mul %0 %1
        return %2

    After::

        def forward_0(v, g):
            v0 = v[0]
            v1 = v[1]
            v2 = v0 * v1
            v[2] = v2

        def backward_0(v, g):
            g2 = g[2]
            v1 = v[1]
            g0 = g2 * v1
            v0 = v[0]
            g1 = g2 * v0
            g[0] = g0
            g[1] = g1
    """
    forward, backward = _forward(tape), _backward(tape)
    results = (tape.root, tape.penalty, *tape.outputs)
    values = {f"v{slot}" for slot in results}.union(*(line.reads for line in backward))
    forward = inline(forward, values)
    gradients = {f"g{slot}" for slot in tape.parameters}
    pieces = [*_functions("forward", forward, values), *_functions("backward", backward, gradients)]
    return "\n\n".join(pieces) + "\n"


@cache
def _templates(op: Primitive, literal: float | None) -> tuple[str, list[tuple[str, list[str]]]]:
    """Write the row's value, and for each gradient the text and the names of what is added to it.

    Left to fill in are {x0}, {x1}, {out} and, for the gradient of the output, {up}.
    """
    names = [f"{{x{i}}}" for i in range(op.arity - (literal is not None))]
    inputs: list[Atom] = [symbols.variable(name) for name in names]
    inputs += [] if literal is None else [literal]
    up, out = symbols.variable("{up}"), symbols.variable("{out}")
    terms = [symbols.times(up, p) for p in symbols.partials_of(op, out, *inputs)]
    texts = [(infix(term), sorted(symbols.names_in(term))) for term in terms]
    return infix(symbols.forward_of(op, *inputs)), texts


def _forward(tape: Tape) -> list[Line]:
    """Write one line for each operation."""
    lines = []
    for slot, op in enumerate(tape.ops):
        if op is not None:
            operands, literal = inputs_of(tape, slot)
            of = {f"x{i}": f"v{operand}" for i, operand in enumerate(operands)}
            text = _templates(op, literal)[0].format(**of)
            lines.append(Line(f"v{slot}", text, tuple(of.values())))
    return lines


def _backward(tape: Tape) -> list[Line]:
    """Write the chain rule, node by node from the root; the first contribution assigns.

    A gradient that equals the one it comes from, as below an addition, gets no line of its own: it
    goes by the other's name.
    """
    lines: list[Line] = []
    wanted, uses = _wanted(tape), uses_of(tape)[0]
    name_of = {slot: f"g{slot}" for slot in (tape.root, tape.penalty) if slot >= 0}
    for slot in range(len(tape) - 1, -1, -1):
        op = tape.ops[slot]
        if op is None or slot not in name_of:
            continue
        operands, literal = inputs_of(tape, slot)
        of = {f"x{i}": f"v{operand}" for i, operand in enumerate(operands)}
        of |= {"out": f"v{slot}", "up": name_of[slot]}
        # not strict: the partial by a literal is not needed
        terms = zip(operands, _templates(op, literal)[1], symbols.stops(op), strict=False)
        for operand, (term, names), stopped in terms:
            if stopped or not wanted[operand]:
                continue
            if term == "{up}" and uses[operand] == 1 and tape.ops[operand] is not None:
                name_of[operand] = name_of[slot]
                continue
            target, text = f"g{operand}", term.format(**of)
            reads = tuple(of[name[1:-1]] for name in names)
            if operand in name_of:
                text = f"{target} + ({text})" if " " in text else f"{target} + {text}"
                reads = (target, *reads)
            name_of[operand] = target
            lines.append(Line(target, text, reads))
    return lines


def _wanted(tape: Tape) -> list[bool]:
    """Mark the slots that depend on a parameter by a way that lets gradients through."""
    wanted: list[bool] = []
    for slot, op in enumerate(tape.ops):
        if op is None:
            wanted.append(tape.kinds[slot] is PARAMETER)
        else:
            ways = zip(tape.operands(slot), symbols.stops(op), strict=True)
            wanted.append(any(wanted[operand] and not stopped for operand, stopped in ways))
    return wanted


def inline(lines: Sequence[Line], kept: set[str]) -> list[Line]:
    """Make a line that only one other line reads a part of it, to at most DEEPEST levels.

    A forward pass of a network takes 0.6 of the time then: there are fewer names to store and load.

    Before::

        v4 = v0 * v1
        v5 = v4 + v2

    After::

        v5 = (v0 * v1) + v2
    """
    uses = Counter(read for line in lines for read in line.reads)
    waiting: dict[str, tuple[Line, int, int]] = {}  # with its levels and parentheses
    done: list[Line] = []
    for line in lines:
        found = Counter(_NAME.findall(line.text))
        inner: dict[str, Line] = {}
        depth, nested = 1, 0
        for read in [read for read in line.reads if read in waiting]:
            before, below, within = waiting.pop(read)
            if found[read] == 1:
                inner[read], depth, nested = before, max(depth, below + 1), max(nested, within + 1)
            else:  # the one line reads it several times, and would compute it as often
                done.append(before)
        nested += line.text.count("(")
        if inner:
            line = _with_inner(line, inner)
        small = depth < DEEPEST and nested < NESTED
        if small and uses[line.target] == 1 and line.target not in kept:
            waiting[line.target] = (line, depth, nested)
        else:
            done.append(line)
    return done


def _with_inner(line: Line, inner: dict[str, Line]) -> Line:
    """Replace names in a line by the text of the lines that compute them."""

    def text_of(name: re.Match[str]) -> str:
        return f"({inner[name[0]].text})" if name[0] in inner else name[0]

    reads = [inner[read].reads if read in inner else (read,) for read in line.reads]
    return Line(line.target, _NAME.sub(text_of, line.text), tuple(chain.from_iterable(reads)))


def _functions(name: str, lines: Sequence[Line], kept: set[str]) -> list[str]:
    """Cut the lines into functions of at most LONGEST lines, and add one that calls them."""
    chunks = [lines[i : i + LONGEST] for i in range(0, len(lines), LONGEST)]
    loads = [_loads(chunk) for chunk in chunks]
    stored = kept.union(*loads)
    pieces = [
        _function(f"{name}_{i}", chunk, loaded, stored)
        for i, (chunk, loaded) in enumerate(zip(chunks, loads, strict=True))
    ]
    calls = "".join(f"    {name}_{i}(v, g)\n" for i in range(len(chunks)))
    return [*pieces, f"def {name}(v, g):\n{calls or '    pass'}"]


def _loads(lines: Sequence[Line]) -> set[str]:
    """Return the names that these lines read before they assign them, if they do."""
    here: set[str] = set()
    loaded: set[str] = set()
    for line in lines:
        loaded.update(read for read in line.reads if read not in here)
        here.add(line.target)
    return loaded


def _function(name: str, lines: Sequence[Line], loaded: set[str], stored: set[str]) -> str:
    """Write one function, which loads what others assign and stores what others read."""
    body = [f"def {name}(v, g):"]
    waiting = set(loaded)
    for line in lines:
        for read in line.reads:
            if read in waiting:
                waiting.remove(read)
                body.append(f"    {read} = {read[0]}[{read[1:]}]")
        body.append(f"    {line.target} = {line.text}")
    targets = dict.fromkeys(line.target for line in lines if line.target in stored)
    body += [f"    {target[0]}[{target[1:]}] = {target}" for target in targets]
    return "\n".join(body)


def infix(atom: Atom) -> str:
    """Write an expression as Python: infix where floats can't fail, else a call of ``ieee``."""
    text = _infix(atom)
    return text[1:-1] if isinstance(atom, Expression) and atom.function in _INFIX else text


def _infix(atom: Atom) -> str:
    """Write an expression with parentheses around what is infix."""
    if not isinstance(atom, Expression):
        return f"({atom!r})" if repr(atom).startswith("-") else repr(atom)  # inf, nan: names
    if not atom.arguments:
        return atom.function
    texts = [_infix(argument) for argument in atom.arguments]
    if atom.function == "negative":
        return f"(-{texts[0]})"
    if atom.function == "power" and is_number(atom.arguments[1], 2.0):
        name = texts[0]  # x ** 2 could overflow, which Python's floats refuse
        return f"((t := {name}) * t)" if name[0] == "(" or "(" in name else f"({name} * {name})"
    if atom.function in _INFIX:
        return f"({texts[0]} {_INFIX[atom.function]} {texts[1]})"
    return f"{atom.function}({', '.join(map(infix, atom.arguments))})"
