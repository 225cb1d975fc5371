"""Stage 4: nodes become vector instructions, and sums of products become matrix products.

Slots that are computed alike, at the same depth, become one instruction. The place where each
value is kept is chosen here, so that what an instruction reads is a slice of what was computed
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.compiler.sums import Node
from tinygrad_edu.compiler.tape import BATCHED, CONSTANT, INPUT, PARAMETER, UNBATCHED, Kind, Tape
from tinygrad_edu.engine.ops import Primitive

Slots = NDArray[np.int64]
FAR = 1 << 40  # sorts what has no place yet behind what has


@dataclass(frozen=True, eq=False)
class Operand:
    """An array of numbers: ``places`` in the store of its kind."""

    kind: Kind
    places: Slots

    @property
    def store(self) -> str:
        """Return "u", "b" or "i": see :class:`Plan`."""
        return self.kind.store

    @property
    def batched(self) -> bool:
        """Return True if each place holds a number for each row of data."""
        return self.kind.per_row

    def __str__(self) -> str:
        flat = self.places.reshape(-1).tolist()
        first, last = flat[0], flat[-1]
        if len(flat) > 1 and flat == list(range(first, last + 1)):
            return f"{self.store}[{first}:{last + 1}]"
        return f"{self.store}[{' '.join(map(str, flat[:8]))}{' ...' if len(flat) > 8 else ''}]"


@dataclass(frozen=True, eq=False)
class _Instruction:
    """Computes ``out`` from what it ``reads``."""

    out: Operand
    reads: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class Product(_Instruction):
    """out[m, c, r] = sign · Σ_k left[m, r, k] · right[m, c, k]: m matrix products at once."""

    sign: int

    @property
    def left(self) -> Operand:
        """Return the left matrices: places of shape (m, r, k)."""
        return self.reads[0]

    @property
    def right(self) -> Operand:
        """Return the right matrices: places of shape (m, c, k)."""
        return self.reads[1]

    def __str__(self) -> str:
        m, r, k = self.left.places.shape
        size = f"{m} x " * (m > 1) + f"{r}x{k} by {k}x{self.right.places.shape[1]}"
        sign = "-" if self.sign < 0 else ""
        return f"{self.out} = {sign}product {self.left} {self.right}  # {size}"


@dataclass(frozen=True, eq=False)
class Total(_Instruction):
    """out += sign · terms, summed over their last axis; ``first``: out = instead of out +=."""

    sign: int
    first: bool

    @property
    def terms(self) -> Operand:
        """Return what is added up."""
        return self.reads[0]

    def __str__(self) -> str:
        sign = "-" if self.sign < 0 else "" if self.first else "+"
        return f"{self.out} {sign}= {'sum ' * (self.terms.places.shape[-1] > 1)}{self.terms}"


@dataclass(frozen=True, eq=False)
class Elementwise(_Instruction):
    """out = op(*reads), number by number."""

    op: Primitive
    literal: float | None = None  # a last operand that is part of the code

    def __str__(self) -> str:
        literal = [] if self.literal is None else [f"{self.literal:g}"]
        return " ".join([f"{self.out} = {self.op.name}", *map(str, self.reads), *literal])


Instruction = Product | Total | Elementwise


@dataclass
class Plan:
    """Vector instructions in order, and where each slot is kept.

    There are three stores: "i" holds the inputs, "b" one number per row for each batched slot,
    and "u" one number for each other slot: the parameters first, then the constants.
    """

    instructions: list[Instruction]
    place: Slots  # by slot
    kinds: list[Kind]
    parameters: list[int]  # slots, in the order of their places
    constants: list[int]
    sizes: dict[str, int]  # how many places the stores "u" and "b" have
    matrix_products: int
    results: tuple[int, ...]  # slots: the root unless it is an input, and a penalty

    def __str__(self) -> str:
        """Print one vector instruction per line."""
        return "\n".join(map(str, self.instructions))


class Planner:
    """Gives slots their places, and collects instructions, level by level."""

    def __init__(self, tape: Tape, kinds: list[Kind]) -> None:
        self.kinds = kinds
        self.place = np.full(len(kinds), -1, dtype=np.int64)
        parameters, constants = len(tape.parameters), kinds.count(CONSTANT)
        self.next = {
            PARAMETER: 0,
            CONSTANT: parameters,
            UNBATCHED: parameters + constants,
            BATCHED: 0,
        }
        self.parameters: list[int] = []
        self.constants: list[int] = []
        self.instructions: list[Instruction] = []
        self.matrix_products = 0
        for column, slot in enumerate(tape.inputs):
            if slot >= 0:
                self.place[slot] = column

    def put(self, slots: Iterable[int]) -> None:
        """Give the next places of its kind to each slot that has none, in order."""
        for slot in slots:
            if self.place[slot] < 0:
                kind = self.kinds[slot]
                self.place[slot] = self.next[kind]
                self.next[kind] += 1
                if kind is PARAMETER:
                    self.parameters.append(int(slot))
                elif kind is CONSTANT:
                    self.constants.append(int(slot))

    def operand(self, slots: Slots) -> Operand:
        """Return slots of one kind as an operand; those without a place get the next ones.

        So what is first read together lies together, as the rows of a weight matrix do.
        """
        self.put(slots.ravel().tolist())
        return Operand(self.kinds[slots.flat[0]], self.place[slots])

    def key(self, slots: Slots) -> Slots:
        """Return what to sort slots by: their place or, where they have none, the tape's order."""
        places = self.place[slots]
        return np.where(places >= 0, places, FAR + slots)

    def elementwise(self, op: Primitive, nodes: Sequence[Node]) -> None:
        """Add one instruction for nodes of the same row, in the order of their operands."""
        slots = np.array([node.operands for node in nodes]).T
        keys = [self.key(column) for column in slots]
        keys.sort(key=lambda key: bool(key.max() >= FAR))  # what has places decides first
        order = np.lexsort([np.array([node.slot for node in nodes]), *keys[::-1]])
        reads = tuple(self.operand(column[order]) for column in slots)
        out = self.operand(np.array([nodes[i].slot for i in order]))
        self.instructions.append(Elementwise(out, reads, op, nodes[0].literal))

    def sums(self, nodes: Sequence[Node]) -> None:
        """Add the matrix products that the products of the sums form, then the plain terms."""
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
            self.instructions.append(Product(out, (a, b), nodes[0].sign))
            self.matrix_products += members.shape[1] * members.shape[2] > 1
            self.totals(nodes, members, first=False)

    def totals(self, nodes: Sequence[Node], members: Slots, *, first: bool) -> None:
        """Add the plain terms, those of one kind and sign at once."""
        out = self.operand(np.array([node.slot for node in nodes])[members])
        columns: dict[tuple[str, int], list[list[int]]] = {}
        for node in nodes:
            own: dict[tuple[str, int], list[int]] = {}
            for sign, slot in node.plains:
                own.setdefault((self.kinds[slot].name, sign), []).append(slot)
            for key, slots in own.items():
                columns.setdefault(key, []).append(slots)
        for (_, sign), some in sorted(columns.items()):  # any order, but always the same one
            terms = self.operand(np.array(some)[members])
            self.instructions.append(Total(out, (terms,), sign, first))
            first = False


def grids(left: Slots, right: Slots) -> list[Slots]:
    """Find the matrix products among sums; return arrays of shape (m, c, r) of indices of sums.

    Row i of ``left`` and of ``right`` holds the operands of sum i. A set of r left and c right rows
    of which all pairs occur is a matrix product. Products of the same shape are stacked.
    """
    rows, columns = _numbered(left), _numbered(right)
    found: dict[tuple[int, int], list[Slots]] = {}
    for members in _connected(rows, columns):
        r, c = rows[members], columns[members]
        grid = _grid(members, r, c)
        if grid is None:  # not all pairs occur, so each sum is computed on its own
            found.setdefault((1, 1), []).extend(np.array([[i]]) for i in members)
        else:
            found.setdefault((grid.shape[0], grid.shape[1]), []).append(grid)
    return [np.stack(some) for some in found.values()]


def _grid(members: Slots, rows: Slots, columns: Slots) -> Slots | None:
    """Arrange the members by column and row; return None if a pair is missing or doubled."""
    row_of, r = np.unique(rows, return_inverse=True)
    column_of, c = np.unique(columns, return_inverse=True)
    if len(row_of) * len(column_of) != len(members):
        return None
    grid = np.full((len(column_of), len(row_of)), -1)
    grid[c, r] = members
    return None if (grid < 0).any() else grid


def _numbered(tuples: Slots) -> Slots:
    """Give the same number to the same tuple, numbers in the order of the tuples."""
    numbers: Slots = np.unique(tuples, axis=0, return_inverse=True)[1].reshape(-1)
    return numbers


def _connected(rows: Slots, columns: Slots) -> list[Slots]:
    """Collect the sums that share a left or a right tuple, directly or through others, in order."""
    if len(rows) == (rows.max() + 1) * (columns.max() + 1):  # most often: one full grid
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


def plan(tape: Tape, nodes: Sequence[Node], kinds: list[Kind]) -> Plan:
    """Plan vector instructions for all nodes, level by level (the longest path from a leaf).

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
            operands = [kinds[slot] for slot in node.operands]
            # the literal as text, since nan is not equal to itself and 0.0 is to -0.0
            what: tuple[Any, ...] = (node.op.name, repr(node.literal), *operands)
        else:
            pair = [(kinds[a], kinds[b]) for a, b in node.products[:1]]
            plains = sorted((kinds[slot], sign) for sign, slot in node.plains)
            what = ("", node.sign, len(node.products), *pair, *plains)
        groups.setdefault((depth, *what), []).append(node)
    planner = Planner(tape, kinds)
    for _, some in sorted(groups.items(), key=lambda item: item[0][0]):
        op = some[0].op
        if op is None:
            planner.sums(some)
        else:
            planner.elementwise(op, some)
    planner.put(tape.parameters)
    planner.put(tape.results())
    return Plan(
        planner.instructions,
        planner.place,
        kinds,
        planner.parameters,
        planner.constants,
        {"u": planner.next[UNBATCHED], "b": planner.next[BATCHED]},
        planner.matrix_products,
        tuple(slot for slot in (tape.root, tape.penalty) if slot >= 0 and kinds[slot] is not INPUT),
    )


def depths(nodes: Sequence[Node], kinds: list[Kind]) -> list[int]:
    """Measure how deep each node lies: the longest path from a leaf.

    What reads parameters and constants alone (a penalty on the weights) waits until just before it
    is needed, so that the weights get their places where they meet the data.
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
        if depth[node.slot] == 1 and not any(kinds[slot].per_row for slot in node.reads())
        else depth[node.slot]
        for node in nodes
    ]
