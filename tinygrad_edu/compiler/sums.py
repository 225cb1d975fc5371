"""Stage 3: chains of additions become sums of products, the form in which matrices are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tinygrad_edu.compiler.tape import ADDITIVE, CONSTANT, Kind, Tape, inner_of, terms_of, uses_of
from tinygrad_edu.engine.ops import (
    EXP,
    LOG,
    MAXIMUM,
    MUL,
    POW,
    SOFTMAX,
    STOP_GRADIENT,
    SUB,
    Primitive,
)


@dataclass
class Node:
    """What one slot is computed from: a row of the table on operands, or (``op`` None) a sum.

    A sum is ``sign`` times the products (slot, slot), which are all of the same kinds, plus the
    plain terms (sign, slot).
    """

    slot: int
    op: Primitive | None
    operands: tuple[int, ...] = ()
    literal: float | None = None  # a second operand that is part of the code: an exponent
    over: str = "sum"  # or "max" or "logsumexp" of any number of operands
    sign: int = 1
    products: list[tuple[int, int]] = field(default_factory=list)
    plains: list[tuple[int, int]] = field(default_factory=list)

    def reads(self) -> list[int]:
        """Return every slot it needs."""
        flat = [slot for product in self.products for slot in product]
        return [*self.operands, *flat, *(slot for _, slot in self.plains)]

    def what(self) -> object:
        """Return what is computed, whatever the slot: equal for what is computed alike."""
        if self.op is not None:
            return self.op, self.over, repr(self.literal), self.operands
        return self.sign, tuple(self.products), tuple(self.plains)

    def renamed(self, new: Mapping[int, int]) -> Node:
        """Return the same of other slots."""
        to = new.get
        return replace(
            self,
            operands=tuple(to(slot, slot) for slot in self.operands),
            products=[(to(a, a), to(b, b)) for a, b in self.products],
            plains=[(sign, to(slot, slot)) for sign, slot in self.plains],
        )

    def __str__(self) -> str:
        if self.op is not None:
            literal = [] if self.literal is None else [f"{self.literal:g}"]
            operands = [*(f"%{s}" for s in self.operands), *literal]
            name = self.op.name if self.over == "sum" else self.over
            return " ".join([f"%{self.slot} = {name}", *operands])
        terms = [(self.sign, f"%{a}·%{b}") for a, b in self.products]
        terms += [(sign, f"%{slot}") for sign, slot in self.plains]
        text = " ".join(f"{'+' if sign > 0 else '−'} {term}" for sign, term in terms)
        return f"%{self.slot} = {text.removeprefix('+ ')}"


def gather_sums(tape: Tape) -> tuple[list[Node], list[Kind]]:
    """Collect additions to sums; return the nodes, and the kind of each slot, new ones included.

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
    kinds = list(tape.kinds)
    uses, reader = uses_of(tape)
    additive = [op in ADDITIVE for op in tape.ops]
    inner = inner_of(tape, uses, reader)
    for slot in _differences(tape, inner):
        inner[slot] = False
    added = [0] * len(tape)  # how often a slot is a term: a product may be one in several sums
    for there, left, right in zip(additive, tape.left, tape.right, strict=True):
        if there:
            added[left] += 1
            if right >= 0:
                added[right] += 1
    taken = [0] * len(tape)  # how often a slot became part of a sum
    sums: dict[int, list[Node]] = {}
    for slot in range(len(tape)):
        if not additive[slot] or inner[slot]:
            continue
        terms, chain = terms_of(tape, slot, inner)
        products = {
            term: _oriented(tape, term)
            for _, term in terms
            if tape.ops[term] is MUL and uses[term] == added[term]
        }
        factored, inside, within = _factored(tape, terms, products, kinds, uses)
        gathered = _sum(slot, factored, products, kinds)
        if gathered:
            gathered = [*inside, *gathered]
            for old in within:
                taken[old] = uses[old]
            sums[slot] = gathered
            plain = {term for node in gathered for _, term in node.plains}
            for old in (*chain, *(term for _, term in terms if term in products)):
                taken[old] += old not in plain
    nodes: list[Node] = []
    for slot, op in enumerate(tape.ops):
        if slot in sums:
            nodes.extend(sums[slot])
        elif op is not None and (taken[slot] == 0 or taken[slot] < uses[slot]):
            nodes.append(Node(slot, op, *inputs_of(tape, slot)))
    return gather_softmax(share_nodes(nodes, tape.results()), kinds, tape.results()), kinds


def _differences(tape: Tape, inner: Sequence[bool]) -> set[int]:
    """Find the sums of products of which one is subtracted from the other.

    They stay apart, since both are likely to be rows of one matrix product, as the outputs of one
    network for two samples are. In one sum, the two signs would make it two products.
    """
    pairs = zip(tape.left, tape.right, strict=True)
    both = [slot for slot, (a, b) in enumerate(pairs) if inner[b] and inner[a] and b >= 0]
    differences = {slot for slot in both if tape.ops[slot] is SUB}
    if not differences:
        return set()
    count = [0] * len(tape)  # products in the chain of additions that ends at a slot
    apart: set[int] = set()
    for slot, op in enumerate(tape.ops):
        if op is MUL:
            count[slot] = 1
        elif op in ADDITIVE:
            some = [count[s] for s in tape.operands(slot) if inner[s] or tape.ops[s] is MUL]
            count[slot] = sum(some)
            if slot in differences and min(some) > 1:
                apart.update(tape.operands(slot))
    return apart


def share_nodes(nodes: list[Node], results: Sequence[int]) -> list[Node]:
    """Compute the same sum, or the same operation, once.

    Before::

        %4 = %0·%2 + %1·%3
        %5 = %0·%2 + %1·%3
        %6 = exp %4
        %7 = exp %5
        %8 = mul %6 %7

    After::

        %4 = %0·%2 + %1·%3
        %6 = exp %4
        %8 = mul %6 %6
    """
    first: dict[object, int] = {}
    same: dict[int, int] = {}  # for each slot that is computed twice, the first of its kind
    kept = []
    for node in nodes:
        if same:
            node = node.renamed(same)
        slot = first.setdefault(node.what(), node.slot)
        if slot == node.slot or node.slot in results:
            kept.append(node)
        else:
            same[node.slot] = slot
    return kept


def gather_softmax(nodes: list[Node], kinds: list[Kind], results: Sequence[int]) -> list[Node]:
    """Merge what a softmax is made of: rounds of maxima to one, and log Σ exp to one logsumexp.

    Maxima are merged under a stop_gradient alone, since how a tie is shared depends on the rounds.
    The exponential of a number minus a logsumexp is a probability, a row of its own.

    Before::

        %0 = parameter
        %1 = parameter
        %2 = maximum %0 %1
        %3 = stop_gradient %2
        %4 = sub %0 %3
        %5 = sub %1 %3
        %6 = exp %4
        %7 = exp %5
        %8 = add %6 %7
        %9 = log %8
        return %9

    After::

        %3 = max %0 %1
        %4 = %0 − %3
        %5 = %1 − %3
        %9 = logsumexp %4 %5
    """
    at = {node.slot: node for node in nodes}
    uses = Counter(results)
    uses.update(slot for node in nodes for slot in node.reads())
    merged: dict[int, Node] = {}
    gone: set[int] = set()
    for node in nodes:
        if node.op is STOP_GRADIENT:
            over = "max"
            inner, outer = _tree(node, _is_maximum, at, uses)
        elif node.op is LOG:
            over = "logsumexp"
            inner, outer = _powers(*_tree(node, _adds, at, uses), at, uses)
        else:
            if node.op is EXP and (below := at.get(node.operands[0])) and not below.products:
                signs, slots = zip(*below.plains, strict=True) if below.plains else ((), ())
                total = merged.get(slots[1]) if signs == (1, -1) else None
                if total and total.over == "logsumexp":
                    merged[node.slot] = replace(node, op=SOFTMAX, operands=slots)
                    gone.update([below.slot] if uses[below.slot] == 1 else [])
            continue
        if len({kinds[slot] for slot in outer}) == 1 < len({*outer}):
            merged[node.slot] = replace(node, operands=tuple(outer), over=over)
            gone.update(inner)
    return [merged.get(node.slot, node) for node in nodes if node.slot not in gone]


def _powers(
    inner: list[int], terms: list[int], at: Mapping[int, Node], uses: Mapping[int, int]
) -> tuple[list[int], list[int]]:
    """Go from the terms of a sum on to what they are exponentials of, if all of them are."""
    times = Counter(terms)
    if not all(x in at and at[x].op is EXP and uses[x] == times[x] for x in terms):
        return [], []
    return inner + terms, [at[x].operands[0] for x in terms]


def _tree(
    top: Node, merges: Callable[[Node], bool], at: Mapping[int, Node], uses: Mapping[int, int]
) -> tuple[list[int], list[int]]:
    """Return what below a node merges and is used nowhere else, and what that reads, in order."""
    inner, outer, stack = [], [], [*top.operands]
    while stack:
        slot = stack.pop()
        node = at.get(slot)
        if node and uses[slot] == 1 and merges(node):
            inner.append(slot)
            stack.extend(reversed(node.reads()))
        else:
            outer.append(slot)
    return inner, outer


def _is_maximum(node: Node) -> bool:
    return node.op is MAXIMUM


def _adds(node: Node) -> bool:
    """Check for a sum in which nothing is subtracted, and no product is a term."""
    return node.op is None and not node.products and all(sign > 0 for sign, _ in node.plains)


def inputs_of(tape: Tape, slot: int) -> tuple[tuple[int, ...], float | None]:
    """Return the slots that an operation reads, and the number that is part of its code.

    That is the exponent of a power if it is a constant, since then the partial is one product.
    """
    operands = tape.operands(slot)
    if tape.ops[slot] is POW and tape.kinds[operands[1]] is CONSTANT:
        return operands[:1], tape.data[operands[1]]
    return operands, None


def exponents_of(tape: Tape) -> dict[int, float]:
    """Return the constants that are part of the code: the number of each slot."""
    slots = [slot for slot, op in enumerate(tape.ops) if op is POW]
    read = {tape.right[slot]: inputs_of(tape, slot)[1] for slot in slots}
    return {slot: number for slot, number in read.items() if number is not None}


def _factored(
    tape: Tape,
    terms: list[tuple[int, int]],
    products: dict[int, tuple[int, int]],
    kinds: list[Kind],
    uses: list[int],
) -> tuple[list[tuple[int, int]], list[Node], list[int]]:
    """Take a factor out of products of three: Σ w_ij x_i y_j is Σ_j (Σ_i w_ij x_i) y_j.

    Returns the terms that the sum has then, the sums inside, and the slots that are part of them.
    """
    by_factor: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for sign, term in terms:
        for inner, factor in (pair, pair[::-1]) if (pair := products.get(term)) else ():
            if tape.ops[inner] is MUL and uses[inner] == 1 and uses[term] == 1:
                by_factor.setdefault((sign, factor), []).append((term, inner))
                break
    alike: dict[tuple[int, Kind, tuple[Kind, ...]], list[tuple[int, list[tuple[int, int]]]]] = {}
    for (sign, factor), some in by_factor.items():
        pair_kinds, *others = {
            tuple(kinds[slot] for slot in _oriented(tape, inner)) for _, inner in some
        }
        if len(some) > 1 and not others:
            alike.setdefault((sign, kinds[factor], pair_kinds), []).append((factor, some))
    done: set[int] = set()
    inside, gone, new = [], [], []
    for (sign, kind, pair_kinds), groups in alike.items():
        for factor, some in sorted(groups) if len(groups) > 1 else ():  # one alone is left
            made = len(kinds)
            kinds.append(Kind.computed_from(*pair_kinds))
            kinds.append(Kind.computed_from(kinds[made], kind))
            pairs = [_oriented(tape, inner) for _, inner in some]
            inside.append(Node(made, None, products=pairs))
            products[made + 1] = (factor, made) if kinds[made] > kind else (made, factor)
            new.append((sign, made + 1))
            done.update(term for term, _ in some)
            gone += [slot for pair in some for slot in pair]
    return [(sign, term) for sign, term in terms if term not in done] + new, inside, gone


def _oriented(tape: Tape, product: int) -> tuple[int, int]:
    """Return the operands of a product, the one of the lower kind (a weight) first."""
    a, b = tape.left[product], tape.right[product]
    return (b, a) if tape.kinds[a] > tape.kinds[b] else (a, b)


def _sum(
    slot: int,
    terms: list[tuple[int, int]],
    products: dict[int, tuple[int, int]],
    kinds: list[Kind],
) -> list[Node]:
    """Return the sum at a slot, after the sums of their own that it needs; [] if it has one term.

    A term that is a key of ``products`` is the product of two slots. Products are bundled by sign
    and kinds; a bundle of two or more is a sum of products, and the rest are plain terms.
    """
    bundles: dict[tuple[int, Kind, Kind], list[int]] = {}
    for sign, term in terms:
        if term in products:
            a, b = products[term]
            bundles.setdefault((sign, kinds[a], kinds[b]), []).append(term)
    big = {key: bundle for key, bundle in bundles.items() if len(bundle) > 1}
    if len(terms) < 2:
        return []
    bundled = {(key[0], term) for key, bundle in big.items() for term in bundle}
    whole = Node(slot, None, plains=[term for term in terms if term not in bundled])
    # the largest bundle stays here, the others become sums of their own. A slot that holds one
    # number per row can't stay with a bundle that has one number for all: its product is too small
    kind_of = {key: Kind.computed_from(key[1], key[2]) for key in big}
    alike = [key for key in big if kind_of[key] is kinds[slot]]
    largest = max(alike, key=lambda key: len(big[key]), default=None)
    before: list[Node] = []
    for key, bundle in big.items():
        pairs = [products[term] for term in bundle]
        if key == largest:
            whole.sign, whole.products = key[0], pairs
        else:
            kinds.append(kind_of[key])
            before.append(Node(len(kinds) - 1, None, products=pairs))
            whole.plains.append((key[0], len(kinds) - 1))
    return [*before, whole]
