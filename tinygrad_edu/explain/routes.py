"""The wires between a root and one value below it: how many paths they make, and the largest.

The paths are never listed; there may be 2^900. The search is best-first: a beginning of a path is
worth its product times the largest that can follow, which one walk finds for every value, so the
first path that is complete is the largest, and the next one the second (the A* of Hart, Nilsson and
Raphael, 1968, with a bound that is exact).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, nsmallest
from itertools import count
from math import isfinite, log2
from operator import itemgetter
from typing import NamedTuple

from tinygrad_edu.engine import Value, guards
from tinygrad_edu.engine.ops import NOTHING

# Magnitudes alone don't order products in which nan, inf and 0 meet: such a product may be smaller
# or larger than its factors promise. So each product is of a kind, and sizes are compared in it.
# One that is CUT, by a choice that did not take this branch, is 0 whatever stands before it.
NAN, INFINITE, FINITE, ZERO, CUT = KINDS = range(5)  # in the order in which they are shown
TIMES = (  # the kind of a product of two
    (NAN, NAN, NAN, NAN, CUT),
    (NAN, INFINITE, INFINITE, NAN, CUT),
    (NAN, INFINITE, FINITE, ZERO, CUT),
    (NAN, NAN, ZERO, ZERO, CUT),
    (NAN, NAN, CUT, CUT, CUT),
)
# what may follow a factor of one kind, so that the product is of another
REST = [[[rest for rest in KINDS if row[rest] == whole] for whole in KINDS] for row in TIMES]
UNIT = 2.0**60  # of a size


class Wire(NamedTuple):
    """A wire from a node down to its input ``operand``, which has the number ``below``."""

    operand: int
    below: int
    partial: float
    kind: int
    size: int  # log2 of the partial times UNIT: whole, so that equal products tie exactly


class Routes:
    """Every value that has x below it, numbered from x = 0 up to the root, with its wires down."""

    def __init__(self, order: Sequence[Value], x: Value) -> None:
        self.nodes, self.wires = [x], list[list[Wire]]([[]])
        numbers = {x: 0}
        for node in order:
            if guards.outdated(node) is not None:
                guards.stale(order)  # as backward does
            inputs = node.inputs
            if node.op is not None and not numbers.keys().isdisjoint(inputs):
                partials = guards.local_partials(node)
                self.wires.append(
                    [
                        _wire(i, numbers[v], partial)
                        for i, (v, partial) in enumerate(zip(inputs, partials, strict=True))
                        if v in numbers
                    ]
                )
                numbers[node] = len(self.nodes)
                self.nodes.append(node)

    def total_and_count(self) -> tuple[float, int]:
        """Sum over all paths, to the last bit as ``backward`` does, and count them."""
        last = len(self.nodes) - 1
        cotangents, counts = [0.0] * last + [1.0], [0] * last + [1]
        for number in range(last, 0, -1):
            ways, counts[number] = counts[number], 0  # frees what may be a long integer
            for wire in self.wires[number]:
                cotangents[wire.below] += wire.partial * cotangents[number]
                counts[wire.below] += ways
        return cotangents[0], counts[0]

    def largest(self, k: int) -> Iterator[list[Wire]]:
        """Yield the wires of the k paths with the largest products: nan first, then by magnitude.

        Equal ones come in a fixed order: where all are equal, the left operand first.
        """
        best, serial = self._best(), count()
        # beginnings, sorted by: the kind and minus the size of the best path that begins so; minus
        # the wires shared with the path they turn off from, so that of equal ones the deepest turn
        # comes first. With them that path, the wire taken instead, and the kind of what follows
        waiting: list[tuple[int, int, int, int, list[Wire], list[Wire], int]] = [
            (kind, -sizes[-1], 0, next(serial), [], [], kind)
            for kind, sizes in enumerate(best)
            if sizes[-1] is not None
        ]
        for left in range(k - 1, -1, -1):
            if not waiting:
                return
            kind, cost, shared, _, other, turn, rest = heappop(waiting)
            path = other[:-shared] + turn
            number = path[-1].below if path else len(self.nodes) - 1
            while number:  # 0 is x
                choices = [
                    (size + wire.size, wire, after)
                    for wire in self.wires[number]
                    for after in REST[wire.kind][rest]
                    if (size := best[after][wire.below]) is not None
                ]
                choices.sort(key=itemgetter(0), reverse=True)  # of equal ones the left operand
                (size, wire, after), *turns = choices
                for less, worse, behind in turns:
                    beginning = cost + size - less, -len(path), next(serial), path, [worse], behind
                    heappush(waiting, (kind, *beginning))
                if len(waiting) > 2 * left:
                    waiting = nsmallest(left, waiting)  # more are never needed
                path.append(wire)
                number, rest = wire.below, after
            yield path

    def _best(self) -> list[list[int | None]]:
        """Find, for each kind and node, the largest size of a way down to x of that kind."""
        best: list[list[int | None]] = [[None] * len(self.nodes) for _ in KINDS]
        best[FINITE][0] = 0
        for number, wires in enumerate(self.wires):
            for wire in wires:
                for kind, product in enumerate(TIMES[wire.kind]):
                    if (below := best[kind][wire.below]) is not None:
                        size, known = below + wire.size, best[product][number]
                        if known is None or size > known:
                            best[product][number] = size
        return best


def _wire(operand: int, below: int, partial: float) -> Wire:
    """Make a wire, with the kind of its partial as a factor and, where it has one, its size."""
    if partial == 0.0:
        return Wire(operand, below, partial, CUT if partial is NOTHING else ZERO, 0)
    if not isfinite(partial):
        return Wire(operand, below, partial, NAN if partial != partial else INFINITE, 0)
    return Wire(operand, below, partial, FINITE, int(log2(abs(partial)) * UNIT))
