"""Stage 4: nodes become loops, and sums of products become matrix products.

Slots that are computed alike, at the same depth, become one loop. The place where each value is
kept is chosen here, so that what a loop reads is a slice of what was computed before.

Axes: m counts matrix products of one shape, r and c are the row and the column of their result, k
the terms of a sum, j numbers that are computed alike, and n the turns of a loop that writes to
scattered places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.compiler.loops import Loop, Ref, apply, ref_at, ref_to
from tinygrad_edu.compiler.sums import Node, inputs_of
from tinygrad_edu.compiler.tape import BATCHED, CONSTANT, INPUT, PARAMETER, UNBATCHED, Kind, Tape
from tinygrad_edu.engine.ops import ADD, MUL, SUB, Primitive

FAR = 1 << 40  # sorts what has no place yet behind what has
MANY = 4  # terms of one kind and sign that are added up by one loop; fewer need no axis
DENSE = 0.3  # of the places of a matrix with holes, at least, that have numbers
Terms = list[tuple[int, int]]  # the products of a sum
Grid = list[list[int]]  # members of a sum by column and row


@dataclass
class Plan:
    """Loops in order, and where each slot is kept.

    There are three stores: "i" holds the inputs, "b" one number per row for each batched slot,
    and "u" one number for each other slot: the parameters first, then the constants.
    """

    forward: Sequence[Loop]
    place: list[int]  # by slot
    kinds: list[Kind]
    parameters: list[int]  # slots, in the order of their places
    constants: list[int]
    sizes: dict[str, int]  # how many places the stores "u" and "b" have
    matrix_products: int
    results: tuple[int, ...]  # slots: the root unless it is an input, and a penalty

    def __str__(self) -> str:
        """Print one loop per line."""
        return "\n".join(map(str, self.forward))


class Planner:
    """Gives slots their places, and collects loops, level by level."""

    def __init__(self, tape: Tape, kinds: list[Kind]) -> None:
        self.kinds = kinds
        self.place = [-1] * len(kinds)
        parameters, constants = len(tape.parameters), kinds.count(CONSTANT)
        self.next = {
            PARAMETER: 0,
            CONSTANT: parameters,
            UNBATCHED: parameters + constants,
            BATCHED: 0,
        }
        self.parameters: list[int] = []
        self.constants: list[int] = []
        self.loops: list[Loop] = []
        self.matrix_products = 0
        for column, slot in enumerate(tape.inputs):
            if slot >= 0:
                self.place[slot] = column

    def put(self, slots: Iterable[int]) -> None:
        """Give the next places of its kind to each slot that has none, in order."""
        place, kinds = self.place, self.kinds
        for slot in slots:
            if place[slot] < 0:
                kind = kinds[slot]
                place[slot] = self.next[kind]
                self.next[kind] += 1
                if kind is PARAMETER:
                    self.parameters.append(slot)
                elif kind is CONSTANT:
                    self.constants.append(slot)

    def ref(self, slots: Sequence[int], axes: dict[str, int]) -> Ref:
        """Return where slots of one kind are kept; those without a place get the next ones.

        So what is first read together lies together, as the rows of a weight matrix do.
        """
        self.put(slots)
        return ref_to(self.kinds[slots[0]].store, [self.place[slot] for slot in slots], axes)

    def key(self, slot: int) -> int:
        """Return what to sort a slot by: its place or, where it has none, the tape's order."""
        place = self.place[slot]
        return place if place >= 0 else FAR + slot

    def plan(self, tape: Tape, loops: Sequence[Loop]) -> Plan:
        """Return the plan of these loops."""
        return Plan(
            loops,
            self.place,
            self.kinds,
            self.parameters,
            self.constants,
            {"u": self.next[UNBATCHED], "b": self.next[BATCHED]},
            self.matrix_products,
            tuple(
                slot
                for slot in (tape.root, tape.penalty)
                if slot >= 0 and self.kinds[slot] is not INPUT
            ),
        )

    def ordered(self, nodes: Sequence[Node], columns: Sequence[Sequence[int]]) -> list[int]:
        """Return the order of nodes by what each reads; what has places decides first."""
        keys = [[self.key(slot) for slot in column] for column in columns]
        first = sorted(range(len(keys)), key=lambda i: max(keys[i]) >= FAR)
        return sorted(
            range(len(nodes)), key=lambda n: (*[keys[i][n] for i in first], nodes[n].slot)
        )

    def elementwise(self, op: Primitive, nodes: Sequence[Node]) -> None:
        """Add one loop for nodes of the same row, in the order of their operands."""
        columns = [*zip(*[node.operands for node in nodes], strict=True)]
        nodes = [nodes[n] for n in self.ordered(nodes, columns)]
        columns = [*zip(*[node.operands for node in nodes], strict=True)]
        if (over := nodes[0].over) == "sum":
            n = in_turn(columns)
            axes = within = {"c": len(nodes) // n, "j": n}
            reads = [self.ref(column, axes) for column in columns]
        else:
            axes = {"j": len(nodes)}
            within = {**axes, "k": len(columns)}
            slots = [slot for node in nodes for slot in node.operands]
            self.put(slots)
            if self.place[columns[0][-1]] - self.place[slots[0]] == len(nodes) - 1 > 0:
                within = {"k": len(columns), **axes}  # the fastest axis last
                slots = [slot for column in columns for slot in column]
            reads = [self.ref(slots, within)]
        out = self.ref([node.slot for node in nodes], axes)
        row = op if over == "sum" else None
        self.loops.append(apply(within, out, reads, row, literal=nodes[0].literal, over=over))

    def sums(self, nodes: Sequence[Node]) -> None:
        """Add the matrix products that the products of the sums form, then the plain terms."""
        if not nodes[0].products:
            self.plain_sums(nodes)
            return
        alike: dict[int, list[Node]] = {}
        for node in nodes:
            alike.setdefault(len(node.products), []).append(node)
        alone: list[tuple[list[Node], list[Grid], list[Terms]]] = []
        for some in alike.values():
            terms, stacks = self.arranged(some)
            for stack in stacks:
                if len(stack[0]) == len(stack[0][0]) == 1:  # sums that have no factors in common
                    alone.append((some, stack, terms))
                else:
                    self.product(some, stack, terms)
        if not self.matrix_with_holes(alone):
            for some, stack, terms in alone:
                self.product(some, stack, terms)

    def arranged(self, nodes: Sequence[Node]) -> tuple[list[Terms], list[list[Grid]]]:
        """Sort the terms of sums of one length such that they form few matrix products."""
        key = self.key
        by_right = [
            sorted(node.products, key=lambda ab: (key(ab[1]), key(ab[0]))) for node in nodes
        ]
        stacks = grids(by_right)
        if sum(map(len, stacks)) > 1:  # terms in another order may line up better
            by_left = [
                sorted(node.products, key=lambda ab: (key(ab[0]), key(ab[1]))) for node in nodes
            ]
            other = grids(by_left)
            if sum(map(len, other)) < sum(map(len, stacks)):
                return by_left, other
        return by_right, stacks

    def product(self, nodes: Sequence[Node], stack: list[Grid], terms: list[Terms]) -> None:
        """Add a stack of matrix products of one shape, and the plain terms."""
        m, c, r, k = len(stack), len(stack[0]), len(stack[0][0]), len(nodes[0].products)
        left = [a for grid in stack for n in grid[0] for a, _ in terms[n]]
        right = [b for grid in stack for column in grid for _, b in terms[column[0]]]
        reads = [
            self.ref(left, {"m": m, "r": r, "k": k}),
            self.ref(right, {"m": m, "c": c, "k": k}),
        ]
        slots = [nodes[n].slot for grid in stack for column in grid for n in column]
        out = self.ref(slots, {"m": m, "c": c, "r": r})
        self.loops.append(
            apply({"m": m, "c": c, "r": r, "k": k}, out, reads, MUL, sign=nodes[0].sign)
        )
        # with a number for each row of data, one weight vector is a matrix of one row
        column = reads[1].per_row and self.kinds[left[0]] in (PARAMETER, UNBATCHED)
        self.matrix_products += c * r > 1 or column
        self.totals(nodes, stack, first=False)

    def matrix_with_holes(
        self, alone: Sequence[tuple[list[Node], list[Grid], list[Terms]]]
    ) -> bool:
        """Add one product for sums that have some of their right factors in common; tell if done.

        So it is in a triangular matrix, or where each unit hears from all but itself. There is one
        turn for each term, and the place of a sum comes again for each of its terms.
        """
        lone = [
            (some[n], terms[n]) for some, stack, terms in alone for grid in stack for n in grid[0]
        ]
        pairs = [pair for _, terms in lone for pair in terms]
        if len(lone) < MANY or not pairs:
            return False
        left, right = zip(*pairs, strict=True)
        columns = [{b for _, b in terms} for _, terms in lone]
        whole = len(lone) * len(set[int]().union(*columns))
        if (
            self.kinds[left[0]].per_row
            or not self.kinds[right[0]].per_row
            or sum(map(len, columns)) < len(pairs)  # a place of the matrix with two numbers
            or DENSE * whole > len(pairs)
        ):
            return False
        lone.sort(key=lambda one: one[0].slot)
        turns = [(node.slot, *pair) for node, terms in lone for pair in terms]
        slots, left, right = zip(*turns, strict=True)
        axes = {"n": len(turns)}
        reads = [self.ref(left, axes), self.ref(right, axes)]
        nodes = [node for node, _ in lone]
        self.loops.append(apply(axes, self.ref(slots, axes), reads, MUL, sign=nodes[0].sign))
        self.matrix_products += 1
        self.totals(nodes, [[[*range(len(nodes))]]], first=False)
        return True

    def plain_sums(self, nodes: Sequence[Node]) -> None:
        """Add the sums of as many terms at once; and those of scattered terms, however many."""
        alike: dict[int, list[Node]] = {}
        for node in nodes:
            alike.setdefault(len(node.plains), []).append(node)
        grids: dict[int, Grid] = {}
        scattered = []
        for k, some in alike.items():
            columns = [*zip(*[[slot for _, slot in node.plains] for node in some], strict=True)]
            order = self.ordered(some, columns)
            r = in_turn([[column[i] for i in order] for column in columns])
            grids[k] = [order[at : at + r] for at in range(0, len(order), r)]
            read = [slot for n in order for _, slot in some[n].plains]
            have_places = min(self.place[slot] for slot in read) >= 0
            if have_places and self.ref(read, {"c": len(grids[k]), "r": r, "k": k}).table:
                scattered.append(k)
        if len(scattered) > 1:
            # one turn for each term; the place of a sum comes again for each of its terms
            several = [node for k in scattered for node in alike.pop(k)]
            turns = [(node.slot, *term) for node in several for term in node.plains]
            slots, signs, terms = zip(*turns, strict=True)
            axes = {"n": len(turns)}
            out = self.ref(slots, axes)
            self.loops.append(apply(axes, out, [self.ref(terms, axes)], sign=signs[0]))
        for k, some in alike.items():
            self.totals(some, [grids[k]], first=True)

    def totals(self, nodes: Sequence[Node], stack: Sequence[Grid], *, first: bool) -> None:
        """Add the plain terms: many of one kind and sign at once, few one after the other."""
        members = [nodes[n] for grid in stack for column in grid for n in column]
        axes = {"m": len(stack), "c": len(stack[0]), "r": len(stack[0][0])}
        out = self.ref([node.slot for node in members], axes)
        pairs = [(sign, self.kinds[slot]) for sign, slot in members[0].plains]
        single: list[tuple[int, Ref]] = []
        many: list[tuple[int, Ref, dict[str, int]]] = []
        for pair in dict.fromkeys(pairs):
            at, k = pairs.index(pair), pairs.count(pair)
            some = [[slot for _, slot in node.plains[at : at + k]] for node in members]
            if k < MANY:
                refs = [self.ref(column, axes) for column in zip(*some, strict=True)]
                if k == 1 or not any(ref.table for ref in refs):
                    single += [(pair[0], ref) for ref in refs]
                    continue
            longer = {**axes, "k": k}
            ref = self.ref([slot for slots in some for slot in slots], longer)
            if ref.table:  # the order of the terms does not matter, but a slice is read faster
                some = [sorted(slots, key=self.key) for slots in some]
                ref = min(
                    ref,
                    self.ref([slot for slots in some for slot in slots], longer),
                    key=lambda ref: len(ref.table),
                )
            many.append((pair[0], ref, longer))
        loops = [apply(axes, out, [ref], sign=sign) for sign, ref in single]
        if first and len(single) > 1 and single[0][0] > 0:  # two are one operation of the table
            row = ADD if single[1][0] > 0 else SUB
            loops[:2] = [apply(axes, out, [ref for _, ref in single[:2]], row)]
        loops += [apply(longer, out, [ref], sign=sign) for sign, ref, longer in many]
        for at, loop in enumerate(loops):
            loop.accumulate = at > 0 or not first
        self.loops += loops


def in_turn(columns: Sequence[Sequence[int]]) -> int:
    """Return n if of each n nodes all read the same slot, or each n read the same ones again.

    That is what a softmax does with its total. Two axes say briefly what would be a table along
    one. If no column of what is read is like that, n is the number of nodes.
    """
    count = len(columns[0])
    for slots in columns:
        n = next((i for i in range(1, count) if slots[i] != slots[0]), count)
        if n == 1:
            n = next((i for i in range(1, count) if slots[i] == slots[0]), count)
            again = [*slots[:n]] * (count // n)
        else:
            again = [slot for slot in slots[::n] for _ in range(n)]
        if n < count and [*slots] == again:
            return n
    return count


def grids(sums: Sequence[Sequence[tuple[int, int]]]) -> list[list[Grid]]:
    """Find the matrix products among sums of products; return stacks of grids of one shape.

    The left and the right factors of a sum are a row and a column. Rows and columns of which all
    pairs occur are a matrix product: a grid of the sums' indices, by column and row. Where some
    pairs are missing, what is complete is taken out of it.
    """
    rows = _numbered([tuple(a for a, _ in terms) for terms in sums])
    columns = _numbered([tuple(b for _, b in terms) for terms in sums])
    found: dict[tuple[int, int], list[Grid]] = {}
    for members in _connected(rows, columns):
        for grid in _complete(members, rows, columns):
            found.setdefault((len(grid), len(grid[0])), []).append(grid)
    return [*found.values()]


def _complete(members: Sequence[int], rows: Sequence[int], columns: Sequence[int]) -> list[Grid]:
    """Arrange members by column and row, in as few grids without holes as easily found."""
    at = {}
    again = []
    for n in members:  # a pair that comes twice is a grid of its own
        if (columns[n], rows[n]) in at:
            again.append([[n]])
        else:
            at[columns[n], rows[n]] = n
    across: dict[int, list[int]] = {}
    down: dict[int, list[int]] = {}
    for column, row in at:
        across.setdefault(row, []).append(column)
        down.setdefault(column, []).append(row)
    if len(across) * len(down) == len(at):
        return [[[at[c, r] for r in sorted(across)] for c in sorted(down)], *again]
    by_row: dict[tuple[int, ...], list[int]] = {}
    for row, some in across.items():
        by_row.setdefault(tuple(sorted(some)), []).append(row)
    by_column: dict[tuple[int, ...], list[int]] = {}
    for column, some in down.items():
        by_column.setdefault(tuple(sorted(some)), []).append(column)
    if len(by_row) <= len(by_column):
        return [[[at[c, r] for r in sorted(rs)] for c in cs] for cs, rs in by_row.items()] + again
    return [[[at[c, r] for r in rs] for c in sorted(cs)] for rs, cs in by_column.items()] + again


def _numbered(keys: Sequence[tuple[int, ...]]) -> list[int]:
    """Number what is different, in sorted order."""
    number = {key: i for i, key in enumerate(sorted(set(keys)))}
    return [number[key] for key in keys]


def _connected(rows: Sequence[int], columns: Sequence[int]) -> list[list[int]]:
    """Collect the sums that share a left or a right tuple, directly or through others, in order."""
    offset = max(rows) + 1
    parent = list(range(offset + max(columns) + 1))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row, column in zip(rows, columns, strict=True):
        a, b = find(row), find(offset + column)
        parent[max(a, b)] = min(a, b)
    found: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault(find(row), []).append(i)
    return [*found.values()]


def plan(tape: Tape, nodes: Sequence[Node], kinds: list[Kind]) -> Plan:
    """Plan loops for all nodes, level by level (the longest path from a leaf).

    Before::

        %6 = %0·%4 + %1·%5
        %7 = %2·%4 + %3·%5
        %8 = relu %6
        %9 = relu %7

    After::

        b[r] = Σ_k u[2r + k] · i[k]  # r < 2, k < 2
        b[2 + j] = max(b[j], 0)  # j < 2
    """
    groups: dict[tuple[Any, ...], list[Node]] = {}
    for node, depth in zip(nodes, depths(nodes, kinds), strict=True):
        if node.op is not None:
            operands = [kinds[slot] for slot in node.operands]
            # the literal as text, since nan is not equal to itself and 0.0 is to -0.0
            what: tuple[Any, ...] = (node.op, node.over, repr(node.literal), *operands)
        else:
            pair = [(kinds[a], kinds[b]) for a, b in node.products[:1]]
            node.plains.sort(key=lambda term: (-term[0], kinds[term[1]]))  # + first
            plains = [(kinds[slot], sign) for sign, slot in node.plains]
            if not pair and len({*plains}) == 1:
                del plains[1:]  # whatever their number
            what = ("", node.sign, len(pair), *pair, *plains)
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
    return planner.plan(tape, planner.loops)


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


def plan_of_numbers(tape: Tape) -> Plan:
    """Plan one loop without axes for each operation, for what has nothing to do side by side.

    The loops are made when they are asked for, since there may be millions of them.
    """
    planner = Planner(tape, tape.kinds)
    planner.put(tape.parameters)
    planner.put(slot for slot, kind in enumerate(tape.kinds) if kind is CONSTANT)
    planner.put(slot for slot, op in enumerate(tape.ops) if op is not None)
    return planner.plan(tape, _Numbers(tape, planner.place))


class _Numbers(Sequence[Loop]):
    """The loops of a tape, one for each operation."""

    def __init__(self, tape: Tape, place: list[int]) -> None:
        self.tape, self.place = tape, place
        self.slots = [slot for slot, op in enumerate(tape.ops) if op is not None]
        self.stores = [kind.store for kind in tape.kinds]

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [*map(self.__getitem__, range(*at.indices(len(self))))]
        slot = self.slots[at]
        operands, literal = inputs_of(self.tape, slot)
        place, stores = self.place, self.stores
        out = ref_at(stores[slot], place[slot])
        reads = [ref_at(stores[operand], place[operand]) for operand in operands]
        return apply({}, out, reads, self.tape.ops[slot], literal=literal)
