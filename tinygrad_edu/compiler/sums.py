"""Stage 3: chains of additions become sums of products, the shape in which matrices are found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tinygrad_edu.compiler.record import CONSTANT, INPUT, PARAMETER, Tape
from tinygrad_edu.engine.functions import STOP_GRADIENT
from tinygrad_edu.engine.ops import MAXIMUM, POW, Primitive

LINEAR = frozenset(("add", "sub", "neg"))
SHORTEST = 4  # a sum of fewer terms, and of fewer than two products, stays as it was written


@dataclass
class Node:
    """What one slot is computed from: a row on operands, or (``op`` None) a sum.

    A sum is ``sign`` times the products (slot, slot), which are all of one kind, plus the plain
    terms (sign, slot).
    """

    slot: int
    op: Primitive | None
    operands: tuple[int, ...] = ()
    literal: float | None = None  # a second operand that is part of the code: an exponent
    sign: int = 1
    products: list[tuple[int, int]] = field(default_factory=list)
    plains: list[tuple[int, int]] = field(default_factory=list)

    def reads(self) -> list[int]:
        """Every slot it needs."""
        flat = [slot for product in self.products for slot in product]
        return [*self.operands, *flat, *(slot for _, slot in self.plains)]

    def __str__(self) -> str:
        if self.op is not None:
            literal = [] if self.literal is None else [f"{self.literal:g}"]
            operands = [*(f"%{s}" for s in self.operands), *literal]
            return " ".join([f"%{self.slot} = {self.op.name}", *operands])
        terms = [(self.sign, f"%{a}·%{b}") for a, b in self.products]
        terms += [(sign, f"%{slot}") for sign, slot in self.plains]
        text = " ".join(f"{'+' if sign > 0 else '−'} {term}" for sign, term in terms)
        return f"%{self.slot} = {text.removeprefix('+ ')}"


def kinds_of(tape: Tape) -> list[str]:
    """A letter a slot: p parameter, c constant, i input, and for what is computed b or u.

    b (batched) depends on an input, so it has a value for each row of data; u (unbatched) not.
    """
    letter = {PARAMETER: "p", CONSTANT: "c", INPUT: "i"}
    kinds: list[str] = []
    for slot, op in enumerate(tape.ops):
        if op is None:
            kinds.append(letter[tape.kinds[slot]])
            continue
        right = tape.right[slot]
        batched = kinds[tape.left[slot]] in "bi" or (right >= 0 and kinds[right] in "bi")
        kinds.append("b" if batched else "u")
    return kinds


def gather_sums(tape: Tape) -> tuple[list[Node], list[str]]:
    """The nodes of the tape, additions gathered; and the kind of each slot, new ones included.

    Only what is used once, by an addition, is gathered. Products of different kinds (parameters
    by inputs, parameters by hidden values) become sums of their own, so that each can turn out to
    be a matrix product.

    Before::

        %0 = parameter
        %1 = parameter
        %2 = parameter
        %3 = input
        %4 = input
        %5 = mul %0 %3
        %6 = mul %1 %4
        %7 = add %5 %6
        %8 = sub %7 %2
        return %8

    After::

        %8 = %0·%3 + %1·%4 − %2
    """
    kinds = kinds_of(tape)
    uses, consumer = uses_of(tape)
    linear = [op is not None and op.name in LINEAR for op in tape.ops]
    inner = [linear[s] and uses[s] == 1 and linear[consumer[s]] for s in range(len(tape))]
    absorbed = bytearray(len(tape))
    sums: dict[int, list[Node]] = {}
    for slot in range(len(tape)):
        if linear[slot] and not inner[slot]:
            terms, inside = _terms(tape, slot, inner, uses)
            gathered = _sum(slot, terms, tape, kinds)
            if gathered:
                sums[slot] = gathered
                for old in inside:
                    absorbed[old] = 1
                _absorb_products(gathered, terms, absorbed)
    nodes: list[Node] = []
    for slot, op in enumerate(tape.ops):
        if slot in sums:
            nodes.extend(sums[slot])
        elif op is not None and not absorbed[slot]:
            operands, literal = _operands(tape, slot), exponent(tape, slot)
            nodes.append(Node(slot, op, operands[: 2 - (literal is not None)], literal))
    return gather_maxima(nodes, kinds, uses), kinds


def gather_maxima(nodes: list[Node], kinds: list[str], uses: list[int]) -> list[Node]:
    """Rounds of maxima under a stop_gradient, as in a softmax, become one maximum of many.

    Elsewhere they stay, since how a tie is shared depends on the rounds.

    Before::

        %0 = parameter
        %1 = parameter
        %2 = parameter
        %3 = maximum %0 %1
        %4 = maximum %3 %2
        %5 = stop_gradient %4
        %6 = sub %0 %5
        return %6

    After::

        %4 = maximum %0 %1 %2
        %5 = stop_gradient %4
        %6 = sub %0 %5
    """
    maximum_at = {node.slot: node for node in nodes if node.op is MAXIMUM}
    gone: set[int] = set()
    longer: dict[int, tuple[int, ...]] = {}
    for node in nodes:
        if node.op is STOP_GRADIENT:
            inner, outer, stack = [], [], [*node.operands]
            while stack:
                slot = stack.pop()
                if slot in maximum_at and uses[slot] == 1:
                    inner.append(slot)
                    stack.extend(reversed(maximum_at[slot].operands))
                else:
                    outer.append(slot)
            if len({kinds[slot] for slot in outer}) == 1 < len(inner):
                longer[inner[0]] = tuple(outer)
                gone.update(inner[1:])
    return [
        replace(node, operands=longer.get(node.slot, node.operands))
        for node in nodes
        if node.slot not in gone
    ]


def _operands(tape: Tape, slot: int) -> tuple[int, ...]:
    left, right = tape.left[slot], tape.right[slot]
    return (left,) if right < 0 else (left, right)


def exponent(tape: Tape, slot: int) -> float | None:
    """The exponent of a power, where it is a constant: then its slope is one product."""
    right = tape.right[slot]
    fixed = tape.ops[slot] is POW and tape.kinds[right] == CONSTANT
    return tape.data[right] if fixed else None


def uses_of(tape: Tape) -> tuple[list[int], list[int]]:
    """How often each slot is used, and by whom last; the root is used from outside too."""
    uses, consumer = [0] * len(tape), [-1] * len(tape)
    for slot, op in enumerate(tape.ops):
        if op is not None:
            for operand in _operands(tape, slot):
                uses[operand] += 1
                consumer[operand] = slot
    for slot in (tape.root, tape.penalty, *tape.outputs):
        if slot >= 0:
            uses[slot] += 2
    return uses, consumer


def _terms(
    tape: Tape, root: int, inner: list[bool], uses: list[int]
) -> tuple[list[tuple[int, int, bool]], list[int]]:
    """The terms (sign, slot, whether it is a product to take apart) below a chain, in order."""
    terms: list[tuple[int, int, bool]] = []
    inside: list[int] = []
    stack = [(root, 1)]
    while stack:
        slot, sign = stack.pop()
        op = tape.ops[slot]
        if slot == root or inner[slot]:
            inside.append(slot)
            if op is not None and op.name == "neg":
                stack.append((tape.left[slot], -sign))
            else:
                minus = -sign if op is not None and op.name == "sub" else sign
                stack += [(tape.right[slot], minus), (tape.left[slot], sign)]
        else:
            terms.append((sign, slot, op is not None and op.name == "mul" and uses[slot] == 1))
    return terms, inside


def _oriented(tape: Tape, product: int, kinds: list[str]) -> tuple[int, int]:
    """The operands of a product, the one that changes least (a weight) first."""
    a, b = tape.left[product], tape.right[product]
    return (b, a) if "pucbi".index(kinds[a]) > "pucbi".index(kinds[b]) else (a, b)


def _sum(slot: int, terms: list[tuple[int, int, bool]], tape: Tape, kinds: list[str]) -> list[Node]:
    """The sum at a slot, after the sums of their own that it needs; [] if it is not worth one."""
    bundles: dict[tuple[int, str, str], list[tuple[int, int]]] = {}
    for sign, term, is_product in terms:
        if is_product:
            a, b = _oriented(tape, term, kinds)
            bundles.setdefault((sign, kinds[a], kinds[b]), []).append((a, b))
    big = {key: bundle for key, bundle in bundles.items() if len(bundle) > 1}
    if not big and len(terms) < SHORTEST:
        return []
    whole = Node(slot, None)
    for sign, term, is_product in terms:
        a, b = _oriented(tape, term, kinds) if is_product else (-1, -1)
        if not is_product or (sign, kinds[a], kinds[b]) not in big:
            whole.plains.append((sign, term))
    before: list[Node] = []
    kind = {key: "b" if {key[1], key[2]} & {"b", "i"} else "u" for key in big}
    alike = [key for key in big if kind[key] == kinds[slot]]  # a row's sum has a row's products
    largest = max(alike, key=lambda key: len(big[key]), default=None)
    for key, bundle in big.items():
        if key == largest:
            whole.sign, whole.products = key[0], bundle
        else:
            kinds.append(kind[key])
            before.append(Node(len(kinds) - 1, None, products=bundle))
            whole.plains.append((key[0], len(kinds) - 1))
    return [*before, whole]


def _absorb_products(
    gathered: list[Node], terms: list[tuple[int, int, bool]], absorbed: bytearray
) -> None:
    """Mark the multiplications that became terms: they are not instructions any more."""
    plain = {slot for node in gathered for _, slot in node.plains}
    for _, term, is_product in terms:
        if is_product and term not in plain:
            absorbed[term] = 1
