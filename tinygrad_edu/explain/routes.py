"""The wires between a root and one value below it: how many paths they make, and the largest.

Nothing here lists all paths; there may be 2^900. Each node keeps the size of its best way down to
x, so the best path is found by going down, and the next best by leaving a path found before at
the wire that costs least (Lawler 1972, with the bound that is exact in a graph without cycles).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, nsmallest
from itertools import count
from math import inf, log2
from typing import NamedTuple, TypeAlias

from tinygrad_edu.engine import Value, guards, ieee

NAN, INFINITE, FINITE, ZERO = KINDS = range(4)  # of a product, in the order in which it is shown
TIMES = (  # the kind of a product of two
    (NAN, NAN, NAN, NAN),
    (NAN, INFINITE, INFINITE, NAN),
    (NAN, INFINITE, FINITE, ZERO),
    (NAN, NAN, ZERO, ZERO),
)
UNIT = 2.0**60  # of a size
Best: TypeAlias = "list[list[int | None]]"  # the largest size, for each kind and node
Choice: TypeAlias = "tuple[int, Wire, int]"  # a way down: size, first wire, kind of what follows


class Wire(NamedTuple):
    """From a node down to its input ``operand``, which has the number ``below``."""

    operand: int
    below: int
    slope: float
    kind: int
    size: int  # log2 of the slope times UNIT: whole, so that equal products tie exactly


class Candidate(NamedTuple):
    """A path not yet followed to its end; they sort by what they promise."""

    kind: int
    cost: int  # minus the size of the whole path
    rise: int  # minus the wires shared: of equal ones the deepest turn first, so left before right
    serial: int
    parent: list[Wire]  # the path that it shares its beginning with
    turn: tuple[Wire, ...]  # the wire after these
    below: int  # the kind of the way after that


class Routes:
    """Every value that has x below it, numbered from x = 0 up to the root, with its wires down."""

    def __init__(self, order: Sequence[Value], x: Value) -> None:
        self.nodes, self.wires = [x], list[tuple[Wire, ...]]([()])
        numbers = {x: 0}
        for node in order:
            if (op := node.op) is not None:
                inputs = node.inputs
                data = [v.data for v in inputs]
                again = op.forward(ieee, *data)
                if again != node.data and (again == again or node.data == node.data):
                    guards.stale(order)  # as backward does
                below = [(i, numbers[v]) for i, v in enumerate(inputs) if v in numbers]
                if below:
                    slopes = op.partials(ieee, node.data, *data)
                    self.wires.append(tuple([_wire(i, n, slopes[i]) for i, n in below]))
                    numbers[node] = len(self.nodes)
                    self.nodes.append(node)

    def total_and_count(self) -> tuple[float, int]:
        """The sum over all paths, added up as ``backward`` does to the last bit; how many."""
        last = len(self.nodes) - 1
        bars, counts = [0.0] * last + [1.0], [0] * last + [1]
        for number in range(last, 0, -1):
            ways, counts[number] = counts[number], 0  # frees what may be a long integer
            for wire in self.wires[number]:
                bars[wire.below] += wire.slope * bars[number]
                counts[wire.below] += ways
        return bars[0], counts[0]

    def largest(self, k: int) -> Iterator[list[Wire]]:
        """The wires of the k paths with the largest products: nan first, then by magnitude.

        Equal ones come in a fixed order: where all are equal, the left operand first.
        """
        best, last, serial = self._best(), len(self.nodes) - 1, count()
        waiting = [
            Candidate(kind, -size, 0, next(serial), [], (), kind)
            for kind in KINDS
            if (size := best[kind][last]) is not None
        ]
        for left in range(k - 1, -1, -1):
            if not waiting:
                return
            kind, cost, rise, _, parent, turn, below = heappop(waiting)
            path = [*parent[:-rise], *turn]
            start = len(path)
            self._follow(best, path, path[-1].below if path else last, below)
            yield path
            others = (
                Candidate(kind, cost + more, -position, next(serial), path, (wire,), below)
                for more, position, wire, below in self._turns(best, path, start)
            )
            for candidate in nsmallest(left, others):
                heappush(waiting, candidate)

    def _best(self) -> Best:
        """For each kind and node: the largest size of a way down to x of that kind."""
        best: Best = [[None] * len(self.nodes) for _ in KINDS]
        best[FINITE][0] = 0
        for number, wires in enumerate(self.wires):
            for wire in wires:
                for kind in KINDS:
                    below = best[kind][wire.below]
                    if below is not None:
                        here = best[TIMES[wire.kind][kind]]
                        old, size = here[number], below + wire.size
                        if old is None or size > old:
                            here[number] = size
        return best

    def _choices(self, best: Best, number: int, kind: int) -> list[Choice]:
        """The wires down from a node that can be the first of a way of that kind."""
        return [
            (size + wire.size, wire, below)
            for wire in self.wires[number]
            for below in KINDS
            if TIMES[wire.kind][below] == kind and (size := best[below][wire.below]) is not None
        ]

    def _follow(self, best: Best, path: list[Wire], number: int, kind: int) -> None:
        """Add to a path the best way down to x of that kind."""
        while number:
            _, wire, kind = max(self._choices(best, number, kind), key=_size)
            path.append(wire)
            number = wire.below

    def _turns(
        self, best: Best, path: list[Wire], start: int
    ) -> Iterator[tuple[int, int, Wire, int]]:
        """What else could be taken from ``start`` on, deepest first, with what it costs in size."""
        kind = FINITE
        for position in range(len(path) - 1, start - 1, -1):
            wire, below = path[position], kind
            kind = TIMES[wire.kind][below]
            number = path[position - 1].below if position else len(self.nodes) - 1
            choices = self._choices(best, number, kind)
            if len(choices) > 1:
                largest = max(map(_size, choices))
                for size, other, other_below in choices:
                    if other is not wire or other_below != below:
                        yield largest - size, position, other, other_below


def _wire(operand: int, below: int, slope: float) -> Wire:
    """The wire with what kind of factor its slope is; how large, if finite and not zero."""
    if slope != slope:
        return Wire(operand, below, slope, NAN, 0)
    if slope == 0.0:
        return Wire(operand, below, slope, ZERO, 0)
    if abs(slope) == inf:
        return Wire(operand, below, slope, INFINITE, 0)
    return Wire(operand, below, slope, FINITE, int(log2(abs(slope)) * UNIT))


def _size(choice: Choice) -> int:
    return choice[0]
