"""Stages 4 and 5: nodes become vector instructions, and sums of products become matrices.

Slots that are computed alike, at the same depth, are one instruction. Where a value is kept is
chosen here, so that the operands of an instruction are slices of what was computed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.compiler.record import Tape
from tinygrad_edu.compiler.sums import Node
from tinygrad_edu.engine.ops import Primitive

Slots = NDArray[np.int64]
FAR = 1 << 40  # sorts what has no place yet behind what has


@dataclass(frozen=True, eq=False)
class Operand:
    """An array of numbers: ``places`` in the store of its kind ("u", "b" or "i")."""

    store: str
    kind: str
    places: Slots

    @property
    def batched(self) -> bool:
        """Whether each place holds a number for each row of data."""
        return self.store != "u"

    def __str__(self) -> str:
        flat = self.places.reshape(-1).tolist()
        first, last = flat[0], flat[-1]
        if len(flat) > 1 and flat == list(range(first, last + 1)):
            return f"{self.store}[{first}:{last + 1}]"
        return f"{self.store}[{' '.join(map(str, flat[:8]))}{' ...' if len(flat) > 8 else ''}]"


@dataclass(frozen=True, eq=False)
class Product:
    """out[m, c, r] = sign · Σ_k left[m, r, k] · right[m, c, k]: m matrix products at once."""

    out: Operand
    left: Operand
    right: Operand
    sign: int

    @property
    def reads(self) -> tuple[Operand, ...]:
        """What it is computed from."""
        return self.left, self.right

    def __str__(self) -> str:
        m, r, k = self.left.places.shape
        size = f"{m} x " * (m > 1) + f"{r}x{k} by {k}x{self.right.places.shape[1]}"
        sign = "-" if self.sign < 0 else ""
        return f"{self.out} = {sign}product {self.left} {self.right}  # {size}"


@dataclass(frozen=True, eq=False)
class Total:
    """out += sign · terms, summed over their last axis; ``first``: out = instead of out +=."""

    out: Operand
    terms: Operand
    sign: int
    first: bool

    @property
    def reads(self) -> tuple[Operand, ...]:
        """What it is computed from."""
        return (self.terms,)

    def __str__(self) -> str:
        sign = "-" if self.sign < 0 else "" if self.first else "+"
        return f"{self.out} {sign}= {'sum ' * (self.terms.places.shape[-1] > 1)}{self.terms}"


@dataclass(frozen=True, eq=False)
class Elementwise:
    """out = op(operands), number by number."""

    out: Operand
    op: Primitive
    operands: tuple[Operand, ...]
    literal: float | None = None  # a last operand that is part of the code

    @property
    def reads(self) -> tuple[Operand, ...]:
        """What it is computed from."""
        return self.operands

    def __str__(self) -> str:
        literal = [] if self.literal is None else [f"{self.literal:g}"]
        return " ".join([f"{self.out} = {self.op.name}", *map(str, self.operands), *literal])


Instruction = Product | Total | Elementwise


@dataclass
class Plan:
    """Vector instructions in order, and where each slot is kept."""

    instructions: list[Instruction]
    place: Slots  # by slot
    kinds: list[str]
    parameters: list[int]  # slots, in the order of their places
    constants: list[int]
    sizes: dict[str, int]  # how many places the stores "u" and "b" have
    matrix_products: int
    results: tuple[int, ...]  # slots: the root unless it is an input, and a penalty

    def __str__(self) -> str:
        """One vector instruction a line: stores "u" (one number), "b" (one a row), "i" (inputs)."""
        return "\n".join(map(str, self.instructions))


class Planner:
    """Gives places, level by level."""

    def __init__(self, tape: Tape, nodes: Sequence[Node], kinds: list[str]) -> None:
        self.kinds = np.array(kinds)
        self.place = np.full(len(kinds), -1, dtype=np.int64)
        used = sum(k == "c" for k in kinds)
        self.next = {"p": 0, "c": len(tape.parameters), "b": 0}
        self.next["u"] = len(tape.parameters) + used
        self.parameters: list[int] = []
        self.constants: list[int] = []
        self.instructions: list[Instruction] = []
        self.matrix_products = 0
        for column, slot in enumerate(tape.inputs):
            if slot >= 0:
                self.place[slot] = column

    def put(self, slots: Iterable[int]) -> None:
        """Give the next places to those of the slots that have none, in order."""
        for slot in slots:
            if self.place[slot] < 0:
                kind = str(self.kinds[slot])
                self.place[slot] = self.next[kind]
                self.next[kind] += 1
                if kind == "p":
                    self.parameters.append(int(slot))
                elif kind == "c":
                    self.constants.append(int(slot))

    def operand(self, slots: Slots) -> Operand:
        """The slots as an operand; they get places if they have none. All are of one kind."""
        self.put(slots.ravel().tolist())
        kind = str(self.kinds[slots.flat[0]])
        return Operand(kind if kind in "bi" else "u", kind, self.place[slots])

    def key(self, slots: Slots) -> Slots:
        """What to sort slots by: their place, or, where they have none, the tape's order."""
        places = self.place[slots]
        return np.where(places >= 0, places, FAR + slots)

    def elementwise(self, op: Primitive, nodes: Sequence[Node]) -> None:
        """One instruction for nodes of the same row, in the order of their operands."""
        slots = np.array([node.operands for node in nodes]).T
        keys = [self.key(column) for column in slots]
        keys.sort(key=lambda key: bool(key.max() >= FAR))  # what has places decides first
        order = np.lexsort([np.array([node.slot for node in nodes]), *keys[::-1]])
        operands = tuple(self.operand(column[order]) for column in slots)
        out = self.operand(np.array([nodes[i].slot for i in order]))
        self.instructions.append(Elementwise(out, op, operands, nodes[0].literal))

    def sums(self, nodes: Sequence[Node]) -> None:
        """Matrix products where the products of the sums form some, then the plain terms."""
        if not nodes[0].products:
            members = np.array(sorted(range(len(nodes)), key=lambda i: nodes[i].plains[0][1]))
            self.totals(nodes, members.reshape(1, 1, -1), first=True)
            return
        left = np.array([[a for a, _ in node.products] for node in nodes])
        right = np.array([[b for _, b in node.products] for node in nodes])
        order = np.lexsort([self.key(left), self.key(right)], axis=1)  # by right, then by left
        left, right = np.take_along_axis(left, order, 1), np.take_along_axis(right, order, 1)
        for members in grids(self.key(left), self.key(right)):
            a = self.operand(left[members[:, 0, :]])
            b = self.operand(right[members[:, :, 0]])
            out = self.operand(np.array([node.slot for node in nodes])[members])
            self.instructions.append(Product(out, a, b, nodes[0].sign))
            self.matrix_products += members.shape[1] * members.shape[2] > 1
            self.totals(nodes, members, first=False)

    def totals(self, nodes: Sequence[Node], members: Slots, *, first: bool) -> None:
        """Add the plain terms, those of one kind and sign at once."""
        out = self.operand(np.array([node.slot for node in nodes])[members])
        columns: dict[tuple[str, int], list[list[int]]] = {}
        for node in nodes:
            own: dict[tuple[str, int], list[int]] = {}
            for sign, slot in node.plains:
                own.setdefault((str(self.kinds[slot]), sign), []).append(slot)
            for key, slots in own.items():
                columns.setdefault(key, []).append(slots)
        for (_, sign), some in sorted(columns.items()):
            terms = self.operand(np.array(some)[members])
            self.instructions.append(Total(out, terms, sign, first))
            first = False


def grids(left: Slots, right: Slots) -> list[Slots]:
    """Find r x c grids among sums: each an array (m, c, r) of numbers of sums.

    A sum is a pair of a left and a right tuple; a set of r left and c right tuples of which all
    pairs occur is a matrix product. Grids of one shape are stacked.
    """
    rows, columns = _numbered(left), _numbered(right)
    found: dict[tuple[int, int], list[Slots]] = {}
    for members in _connected(rows, columns):
        r, c = rows[members], columns[members]
        grid = _grid(members, r, c)
        if grid is None:  # not all pairs occur: each sum on its own
            found.setdefault((1, 1), []).extend(np.array([[i]]) for i in members)
        else:
            found.setdefault((grid.shape[0], grid.shape[1]), []).append(grid)
    return [np.stack(some) for some in found.values()]


def _grid(members: Slots, rows: Slots, columns: Slots) -> Slots | None:
    """The members arranged by column and row, or None where some pair is missing or double."""
    row_of, r = np.unique(rows, return_inverse=True)
    column_of, c = np.unique(columns, return_inverse=True)
    if len(row_of) * len(column_of) != len(members):
        return None
    grid = np.full((len(column_of), len(row_of)), -1)
    grid[c, r] = members
    return None if (grid < 0).any() else grid


def _numbered(tuples: Slots) -> Slots:
    """The same number for the same tuple, numbers in the order of the tuples."""
    numbers: Slots = np.unique(tuples, axis=0, return_inverse=True)[1].reshape(-1)
    return numbers


def _connected(rows: Slots, columns: Slots) -> list[Slots]:
    """Sums that share a left or a right tuple, directly or through others, in order."""
    if len(rows) == (rows.max() + 1) * (columns.max() + 1):
        return [np.arange(len(rows))]
    parent = list(range(int(rows.max()) + 1 + int(columns.max()) + 1))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    offset = int(rows.max()) + 1
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        a, b = find(row), find(offset + column)
        parent[max(a, b)] = min(a, b)
    found: dict[int, list[int]] = {}
    for i, row in enumerate(rows.tolist()):
        found.setdefault(find(row), []).append(i)
    return [np.array(members) for members in found.values()]


def plan(tape: Tape, nodes: Sequence[Node], kinds: list[str]) -> Plan:
    """Vector instructions for all nodes, level by level (the longest path from a leaf).

    Before::

        %6 = %0·%4 + %1·%5
        %7 = %2·%4 + %3·%5
        %8 = relu %6
        %9 = relu %7

    After::

        b[0:2] = product u[0:4] i[0:2]  # 2x2 by 2x1
        b[2:4] = relu b[0:2]
    """
    groups: dict[tuple[Any, ...], list[Node]] = {}
    for node, depth in zip(nodes, depths(nodes, kinds), strict=True):
        if node.op is not None:
            letters = [kinds[slot] for slot in node.operands]
            what: tuple[Any, ...] = (node.op.name, repr(node.literal), *letters)
        else:
            pair = [(kinds[a], kinds[b]) for a, b in node.products[:1]]
            plains = sorted((kinds[slot], sign) for sign, slot in node.plains)
            what = ("", node.sign, len(node.products), *pair, *plains)
        groups.setdefault((depth, *what), []).append(node)
    planner = Planner(tape, nodes, kinds)
    for _, some in sorted(groups.items(), key=lambda item: item[0][0]):
        op = some[0].op
        if op is None:
            planner.sums(some)
        else:
            planner.elementwise(op, some)
    planner.put(tape.parameters)
    planner.put([slot for slot in (tape.root, tape.penalty, *tape.outputs) if slot >= 0])
    return Plan(
        planner.instructions,
        planner.place,
        kinds,
        planner.parameters,
        planner.constants,
        {"u": planner.next["u"], "b": planner.next["b"]},
        planner.matrix_products,
        tuple(slot for slot in (tape.root, tape.penalty) if slot >= 0 and kinds[slot] != "i"),
    )


def depths(nodes: Sequence[Node], kinds: list[str]) -> list[int]:
    """How deep each node lies: the longest path from a leaf.

    What reads leaves alone (a penalty on the weights) waits until just before it is needed, so
    that the weights get their places where they meet the data.
    """
    depth = [0] * len(kinds)
    needed = [len(nodes)] * len(kinds)
    for node in nodes:
        depth[node.slot] = 1 + max(depth[slot] for slot in node.reads())
    for node in reversed(nodes):
        for slot in node.reads():
            needed[slot] = min(needed[slot], depth[node.slot])
    last = max(depth)
    return [
        min(needed[node.slot], last + 1) - 1
        if depth[node.slot] == 1 and all(kinds[slot] in "pc" for slot in node.reads())
        else depth[node.slot]
        for node in nodes
    ]
