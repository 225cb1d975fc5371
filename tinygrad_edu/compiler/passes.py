"""Stage 2: passes from tape to tape. Each leaves the result and its gradients as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tinygrad_edu.compiler.tape import (
    ADDITIVE,
    CONSTANT,
    PARAMETER,
    Kind,
    Tape,
    inner_of,
    terms_of,
    uses_of,
)
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.ops import ADD, MUL, NEG, SUB, Primitive

APART = ADDITIVE | {MUL}


def drop_zeros(tape: Tape) -> Tape:
    """Read x in place of 0 + x, with which each ``sum`` of Python begins.

    Before::

        %0 = parameter
        %1 = constant 0
        %2 = add %1 %0
        %3 = exp %2
        return %3

    After::

        %0 = parameter
        %1 = constant 0
        %2 = add %1 %0
        %3 = exp %0
        return %3
    """
    if not (zeros := zeros_of(tape)):
        return tape
    same = list(range(len(tape)))
    for slot in sorted(zeros):
        same[slot] = same[tape.right[slot]]
    return rewired(tape, range(len(tape)), same)


def zeros_of(tape: Tape) -> list[int]:
    """List the slots of 0 + x, where 0 is a leaf. They belong to the structure of a graph."""
    zeros = {
        slot
        for slot, number in enumerate(tape.data)
        if number == 0.0 and tape.ops[slot] is None and tape.kinds[slot] is CONSTANT
    }
    if not zeros:
        return []
    sums = [slot for slot, left in enumerate(tape.left) if left in zeros]
    return [slot for slot in sums if tape.ops[slot] is ADD]


def fold_constants(tape: Tape) -> Tape:
    """Make what is computed from constants alone a constant.

    Before::

        %0 = parameter
        %1 = constant 2
        %2 = constant 3
        %3 = mul %1 %2
        %4 = add %0 %3
        return %4

    After::

        %0 = parameter
        %1 = constant 2
        %2 = constant 3
        %3 = constant 6
        %4 = add %0 %3
        return %4
    """
    ops, left, right = list(tape.ops), list(tape.left), list(tape.right)
    kinds, data = list(tape.kinds), list(tape.data)
    for slot, op in enumerate(tape.ops):
        if op is None or kinds[left[slot]] is not CONSTANT:
            continue
        if right[slot] < 0 or kinds[right[slot]] is CONSTANT:
            # anew, since a constant below it may have been changed after the graph was built
            data[slot] = op.forward(ieee, *[data[operand] for operand in tape.operands(slot)])
            ops[slot], left[slot], right[slot], kinds[slot] = None, -1, -1, CONSTANT
    return replace(tape, ops=ops, left=left, right=right, kinds=kinds, data=data)


def share_rows(tape: Tape) -> Tape:
    """Compute the same operation on the same operands once. Leaves, sums and products stay apart.

    What two sums have in common would be in neither of them any more, and a matrix product is less
    work than its shared pieces. Whole sums are shared when they have been gathered.

    Before::

        %0 = parameter
        %1 = exp %0
        %2 = exp %0
        %3 = mul %1 %1
        %4 = mul %1 %1
        %5 = add %3 %2
        %6 = add %4 %2
        %7 = div %5 %6
        return %7

    After::

        %0 = parameter
        %1 = exp %0
        %2 = exp %0
        %3 = mul %1 %1
        %4 = mul %1 %1
        %5 = add %3 %1
        %6 = add %4 %1
        %7 = div %5 %6
        return %7
    """
    first: dict[tuple[Primitive, int, int], int] = {}
    same = list(range(len(tape)))  # for each slot, the first that computes the same
    for slot, (op, left, right) in enumerate(zip(tape.ops, tape.left, tape.right, strict=True)):
        if op is not None and op not in APART:
            key = (op, same[left], same[right] if right >= 0 else -1)
            same[slot] = first.setdefault(key, slot)
    return rewired(tape, range(len(tape)), same)


def share_data(tape: Tape) -> Tape:
    """Read the numbers of a sample once, though each weighted sum of them has constants of its own.

    ``sum(w * x for w, x in zip(row, sample))`` of plain floats makes new constants for each row of
    weights. Where all of a sum are those of another sum, they are taken for the same, which is
    noted in ``alike``: a single number that is equal by chance is left alone.

    Before::

        %0 = parameter
        %1 = constant 2
        %2 = mul %0 %1
        %3 = parameter
        %4 = constant 3
        %5 = mul %3 %4
        %6 = add %2 %5
        %7 = constant 2
        %8 = mul %3 %7
        %9 = constant 3
        %10 = mul %0 %9
        %11 = add %8 %10
        %12 = mul %6 %11
        return %12

    After::

        %0 = parameter
        %1 = constant 2
        %2 = mul %0 %1
        %3 = parameter
        %4 = constant 3
        %5 = mul %3 %4
        %6 = add %2 %5
        %7 = constant 2
        %8 = mul %3 %1
        %9 = constant 3
        %10 = mul %0 %4
        %11 = add %8 %10
        %12 = mul %6 %11
        return %12
    """
    if tape.kinds.count(CONSTANT) < 4:
        return tape
    inner = inner_of(tape, *uses_of(tape))
    first: dict[tuple[str, ...], list[int]] = {}
    same = list(range(len(tape)))
    for slot, op in enumerate(tape.ops):
        if op in ADDITIVE and not inner[slot]:
            terms, _ = terms_of(tape, slot, inner)
            pairs = [tape.operands(term) for _, term in terms if tape.ops[term] is MUL]
            weighted = [{tape.kinds[one]: one for one in pair} for pair in pairs]
            data = [pair[CONSTANT] for pair in weighted if {*pair} == {CONSTANT, PARAMETER}]
            if len(data) > 1:
                known = first.setdefault(tuple(repr(tape.data[one]) for one in data), data)
                for one, other in zip(data, known, strict=True):
                    same[one] = same[other]
    alike = [
        (tape.recorded[one], tape.recorded[other]) for one, other in enumerate(same) if one != other
    ]
    if not alike:
        return tape
    return replace(rewired(tape, range(len(tape)), same), alike=[*tape.alike, *alike])


def drop_dead(tape: Tape) -> Tape:
    """Drop what no result depends on. Parameters and inputs stay, to keep their places.

    Before::

        %0 = parameter
        %1 = exp %0
        %2 = exp %0
        %3 = mul %1 %1
        return %3

    After::

        %0 = parameter
        %1 = exp %0
        %2 = mul %1 %1
        return %2
    """
    return reordered(tape, range(len(tape)), {})


def split_penalty(tape: Tape) -> Tape:
    """Take the terms that depend on no input out of the sum that the result is.

    Over many rows the other terms are averaged (or summed), and these are added once. A sum that
    is used in two places stays whole.

    Before::

        %0 = parameter
        %1 = input
        %2 = mul %0 %1
        %3 = mul %0 %0
        %4 = add %2 %3
        return %4

    After::

        %0 = parameter
        %1 = input
        %2 = mul %0 %1
        %3 = mul %0 %0
        %4 = add %2 %3
        return %2 + %3
    """
    if tape.ops[tape.root] not in ADDITIVE or not tape.kinds[tape.root].per_row:
        return tape
    # outputs must not change the loss; what nothing else needs comes after the root
    below = replace(tape, ops=tape.ops[: tape.root + 1], outputs=())
    uses, _ = uses_of(below)
    per_row = [kind.per_row for kind in tape.kinds]
    inner = [
        op in ADDITIVE and uses[slot] == 1 and per_row[slot] for slot, op in enumerate(below.ops)
    ]
    terms, _ = terms_of(tape, tape.root, inner)
    rows = [(sign, slot) for sign, slot in terms if per_row[slot]]
    others = [(sign, slot) for sign, slot in terms if not per_row[slot]]
    if not others:
        return tape
    longer = rewired(tape, range(len(tape)), range(len(tape)))  # a copy, since chain appends
    put = partial(append, longer)
    return replace(longer, root=chain(put, rows), penalty=chain(put, others))


def reordered(tape: Tape, order: Sequence[int], instead: Mapping[int, int]) -> Tape:
    """Return a tape of what results depend on, in this order; it reads other slots ``instead``."""
    same = list(range(len(tape)))
    for slot, other in instead.items():
        same[slot] = same[other]
    alive, ops, left, right = [False] * len(tape), tape.ops, tape.left, tape.right
    for slot in (*tape.parameters, *tape.inputs, *tape.results()):
        if slot >= 0:
            alive[same[slot]] = True
    for slot in reversed(order):
        if alive[slot] and ops[slot] is not None:
            alive[same[left[slot]]] = True
            if right[slot] >= 0:
                alive[same[right[slot]]] = True
    kept = [slot for slot in order if alive[slot]]
    new = [-1] * len(tape)
    for position, slot in enumerate(kept):
        new[slot] = position
    return rewired(tape, kept, [new[slot] for slot in same] if instead else new)


def rewired(tape: Tape, kept: Iterable[int], new: Sequence[int]) -> Tape:
    """Return a tape of the ``kept`` slots, in which ``new[slot]`` is read in place of each slot."""

    def to(slots: Iterable[int]) -> list[int]:
        return [new[slot] if slot >= 0 else -1 for slot in slots]

    kept = list(kept)
    root, penalty = to([tape.root, tape.penalty])
    return Tape(
        ops=[tape.ops[slot] for slot in kept],
        left=to(tape.left[slot] for slot in kept),
        right=to(tape.right[slot] for slot in kept),
        kinds=[tape.kinds[slot] for slot in kept],
        data=[tape.data[slot] for slot in kept],
        recorded=[tape.recorded[slot] for slot in kept],
        parameters=to(tape.parameters),
        inputs=to(tape.inputs),
        root=root,
        outputs=to(tape.outputs),
        penalty=penalty,
        fixed=tape.fixed,
        alike=tape.alike,
    )


def chain(put: Callable[..., int], terms: Iterable[tuple[int, int]]) -> int:
    """Put the operations that add up signed terms; return the slot of their sum, or -1 for none."""
    total = -1
    for sign, slot in terms:
        if total < 0:
            total = slot if sign > 0 else put(NEG, slot)
        else:
            total = put(ADD if sign > 0 else SUB, total, slot)
    return total


def append(tape: Tape, op: Primitive, left: int, right: int = -1) -> int:
    """Append an operation; return its slot."""
    operands = (left,) if right < 0 else (left, right)
    tape.ops.append(op)
    tape.left.append(left)
    tape.right.append(right)
    tape.kinds.append(Kind.computed_from(*[tape.kinds[slot] for slot in operands]))
    tape.data.append(op.forward(ieee, *[tape.data[slot] for slot in operands]))
    tape.recorded.append(-1)  # no Value of the learner's stands for it
    return len(tape) - 1
