"""Stage 6, target "python": loops become straight-line code of floats, one line for each number.

Long programs are cut into functions, since CPython is slow to compile long ones; what one
function computes and another reads goes through the stores, a few neighbours at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from tinygrad_edu.compiler.loops import Loop
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.symbols import Atom, Expression, is_number

LONGEST = 500  # lines of one function
DEEPEST = 20  # levels of one expression
NESTED = 150  # parentheses inside each other: CPython's parser stops at 200
TERMS = 50  # of one line
WIDEST = 1000  # characters of a line that becomes a part of another
TOGETHER = 10  # neighbours in a store that one line loads, or stores
STORES = "u, b, i, du, db"
_NAME = re.compile(r"\b(?:d?[ub]|i)\d+\b")
_PRODUCT = re.compile(r"\w+ \* \w+")
_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "true_divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
    "logical_and": "&",
    "logical_or": "|",
}


class Line(NamedTuple):
    """An assignment to a name, and the names it reads."""

    target: str
    text: str
    reads: tuple[str, ...]


def with_callers(passes: tuple[list[str], list[str]]) -> str:
    """Join the functions of both passes, and add ``forward`` and ``backward``, which call them."""
    pieces = [*passes[0], *passes[1]]
    for name, functions in zip(("forward", "backward"), passes, strict=True):
        calls = [f"    {name}_{i}({STORES})" for i in range(len(functions))]
        pieces.append("\n".join([f"def {name}({STORES}):", *(calls or ["    pass"])]))
    return "\n\n".join(pieces) + "\n"


class _Names(dict[int, str]):
    """The names of the numbers of a store, by place: each is made once and shared."""

    def __init__(self, store: str) -> None:
        self.store = store

    def __missing__(self, place: int) -> str:
        self[place] = name = f"{self.store}{place}"
        return name


def python_functions(
    forward: Iterable[Loop],
    backward: Iterable[Loop],
    results: Iterable[str] = (),
    gradients: Iterable[str] = (),
) -> tuple[list[str], list[str]]:
    """Write the functions that compute the two passes, one after the other.

    They read and write the stores: u, b and i, and du and db for gradients. Of what is computed,
    ``results`` and ``gradients`` are read from outside.

    Before::

        u[2] = u[0] · u[1]

        du[0] = du[2] · u[1]
        du[1] = du[2] · u[0]

    After::

        def forward_0(u, b, i, du, db):
            u0, u1 = u[0:2]
            u2 = u0 * u1
            u[2] = u2

        def backward_0(u, b, i, du, db):
            du2 = du[2]
            u0, u1 = u[0:2]
            du0 = du2 * u1
            du1 = du2 * u0
            du[0:2] = du0, du1
    """
    second, read = _functions("backward", _lines(backward), {*gradients})
    kept = {*results} | read
    first, _ = _functions("forward", inline([*_lines(forward)], kept), kept)
    return first, second


def _lines(loops: Iterable[Loop]) -> Iterator[Line]:
    """Write each number of each loop."""
    names = {store: _Names(store) for store in STORES.split(", ")}
    for loop in loops:
        template, inputs = _template(loop.body)
        out = names[loop.out.store]
        if not loop.axes and loop.over == "sum":  # there may be millions, so in few steps
            target = out[loop.out.offset]
            reads = [names[(ref := loop.reads[x]).store][ref.offset] for x in inputs]
            text = template.format(*reads)
            if loop.accumulate:
                text = f"{target} + {_term(text)}"
                reads.append(target)
            yield Line(target, text, tuple(reads))
            continue
        every = [(names[loop.reads[x].store], _every(loop, x)) for x in inputs]
        terms: dict[int, list[tuple[str, list[str]]]] = {}
        for at, place in enumerate(_every(loop, "")):
            reads = [named[places[at]] for named, places in every]
            terms.setdefault(place, []).append((template.format(*reads), reads))
        for place, some in terms.items():
            yield from _sum(out[place], some, loop)


def _every(loop: Loop, name: str) -> list[int]:
    """List the places that a loop reads under a name, or writes, one for each turn."""
    ref = loop.reads[name] if name else loop.out
    places = [*ref.places(loop.axes)]
    have = 1
    for axis, length in reversed(loop.axes.items()):  # repeat along each axis that it lacks
        if axis not in ref.axes:
            places = [
                place
                for start in range(0, len(places), have)
                for place in places[start : start + have] * length
            ]
        have *= length
    return places


def _sum(target: str, terms: Sequence[tuple[str, list[str]]], loop: Loop) -> Iterator[Line]:
    """Write a sum, or the largest of many, or log Σ exp, in lines of a few terms."""
    begun = loop.accumulate
    if loop.over == "max":
        for text, reads in terms:
            whole = f"maximum({target}, {text})" if begun else text
            yield Line(target, whole, (*[target] * begun, *reads))
            begun = True
        return
    if loop.over == "logsumexp":
        terms = [(f"exp({text})", reads) for text, reads in terms]
    for start in range(0, len(terms), TERMS):
        some = terms[start : start + TERMS]
        texts = [_term(text) for text, _ in some]
        if len(texts) == 1 and not begun:
            texts = [some[0][0]]
        read = chain.from_iterable(reads for _, reads in some)
        yield Line(target, " + ".join([*[target] * begun, *texts]), (*[target] * begun, *read))
        begun = True
    if loop.over == "logsumexp":
        yield Line(target, f"log({target})", (target,))


def _term(text: str) -> str:
    """Write what a sum has as a term: in parentheses, unless it is one product of names."""
    return f"({text})" if " " in text and not _PRODUCT.fullmatch(text) else text


@lru_cache(4096)
def _template(body: Atom) -> tuple[str, list[str]]:
    """Write an expression with its names left to fill in; return the names, too."""
    names = sorted(symbols.names_in(body))
    return infix(_numbered(body, names)), names


def _numbered(atom: Atom, names: list[str]) -> Atom:
    """Write an expression with {0}, {1} ... in place of its names."""
    if not isinstance(atom, Expression):
        return atom
    if not atom.arguments:
        return symbols.variable(f"{{{names.index(atom.function)}}}")
    return Expression(atom.function, tuple(_numbered(x, names) for x in atom.arguments))


def inline(lines: Sequence[Line], kept: set[str]) -> list[Line]:
    """Make a line that only one other line reads a part of it, as long as it stays small.

    A forward pass of a network takes 0.6 of the time then: there are fewer names to store and load.

    Before::

        u4 = u0 * u1
        u5 = u4 + u2

    After::

        u5 = (u0 * u1) + u2
    """
    uses = Counter(read for line in lines for read in line.reads if read not in kept)
    waiting: dict[str, tuple[Line, int, int]] = {}  # with its levels and parentheses
    done: list[Line] = []
    for line in lines:
        inner: dict[str, Line] = {}
        depth, nested = 1, line.text.count("(")
        if merged := [read for read in line.reads if read in waiting]:
            found = Counter(_NAME.findall(line.text))
            levels, parentheses = [0], [0]
            for read in merged:
                before, below, within = waiting.pop(read)
                if found[read] == 1:
                    inner[read] = before
                    levels.append(below)
                    parentheses.append(within + 1)
                else:  # the one line reads it several times, and would compute it as often
                    done.append(before)
            depth, nested = 1 + max(levels), nested + max(parentheses)
            line = _with_inner(line, inner)
        small = depth < DEEPEST and nested < NESTED and len(line.text) < WIDEST
        if small and uses[line.target] == 1:
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


def accumulate(lines: Iterable[Line]) -> Iterator[Line]:
    """Add to a name once, just before it is read, what several lines add to it one by one.

    What they read stays as it is, since no number is changed any more once it is read. A long chain
    is compiled in 0.7 of the time then.

    Before::

        du0 = du0 + du6 * u5
        du5 = du6 * u0
        du0 = du0 + du5 * u4

    After::

        du5 = du6 * u0
        du0 = du0 + du6 * u5 + du5 * u4
    """
    waiting: dict[str, Line] = {}
    for line in lines:
        start = f"{line.target} + "
        adds = line.text.startswith(start)
        for read in line.reads:
            if read in waiting and not (adds and read == line.target):
                yield waiting.pop(read)
        if not adds:
            yield line
        elif (before := waiting.get(line.target)) is None:
            waiting[line.target] = line
        elif len(before.reads) > TERMS:
            yield before
            waiting[line.target] = line
        else:
            text, reads = line.text[len(start) :], (*before.reads, *line.reads)
            waiting[line.target] = Line(line.target, f"{before.text} + {text}", reads)
    yield from waiting.values()


def _functions(name: str, lines: Iterable[Line], kept: set[str]) -> tuple[list[str], set[str]]:
    """Cut the lines into functions of at most LONGEST lines; return the names they load, too."""
    rest = iter(lines)
    pieces = []
    while chunk := [*accumulate(islice(rest, LONGEST))]:  # lines take more memory than text
        text = "\n".join(f"    {line.target} = {line.text}" for line in chunk)
        pieces.append((text, _loads(chunk), {line.target for line in chunk}))
    loaded = set[str]().union(*(loads for _, loads, _ in pieces))
    stored = kept | loaded
    functions = []
    for i, (text, loads, targets) in enumerate(pieces):
        first = [f"    {names} = {there}" for names, there in _neighbours(loads)]
        last = [f"    {there} = {names}" for names, there in _neighbours(targets & stored)]
        functions.append("\n".join([f"def {name}_{i}({STORES}):", *first, text, *last]))
    return functions, loaded


def _loads(lines: Sequence[Line]) -> set[str]:
    """Return the names that these lines read before they assign them, if they do."""
    here: set[str] = set()
    loaded: set[str] = set()
    for line in lines:
        loaded.update(read for read in line.reads if read not in here)
        here.add(line.target)
    return loaded


def _neighbours(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Write names of a few neighbours in a store, and their place: "u3, u4" and "u[3:5]"."""
    places: dict[str, list[int]] = {}
    for name in names:
        store = name.rstrip("0123456789")
        places.setdefault(store, []).append(int(name[len(store) :]))
    for store, some in sorted(places.items()):
        some.sort()
        first = 0
        for at, place in enumerate(some, 1):
            if at == len(some) or some[at] != place + 1 or at - first == TOGETHER:
                start, end = some[first], place + 1
                where = f"{start}:{end}" if at - first > 1 else f"{start}"
                yield ", ".join(f"{store}{n}" for n in range(start, end)), f"{store}[{where}]"
                first = at


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
