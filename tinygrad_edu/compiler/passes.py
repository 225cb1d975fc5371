"""Stage 2: passes from tape to tape. Each leaves values and gradients as they are."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_edu.compiler.record import CONSTANT, INPUT, Tape
from tinygrad_edu.engine import ieee, ops

CHAIN, WIDTH = 10_000, 2  # operations at least, side by side on average at most: see ``narrow``
ADDITIVE = (ops.ADD, ops.SUB, ops.NEG)


def narrow(tape: Tape) -> bool:
    """Whether next to nothing in it can be done side by side: a long chain, not a network.

    Additions do not count, however many: they are gathered to sums.
    """
    level, count = [0] * len(tape), 0
    for slot, op in enumerate(tape.ops):
        if op is not None:
            right = tape.right[slot]
            below = max(level[tape.left[slot]], level[right] if right >= 0 else 0)
            weighs = op not in ADDITIVE
            level[slot] = below + weighs
            count += weighs
    return CHAIN < count < WIDTH * max(level)


def fold_constants(tape: Tape) -> Tape:
    """What is computed from constants alone is a constant.

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
    ops, kinds = list(tape.ops), list(tape.kinds)
    for slot, op in enumerate(ops):
        if op is not None:
            right = tape.right[slot]
            if kinds[tape.left[slot]] == CONSTANT and (right < 0 or kinds[right] == CONSTANT):
                ops[slot], kinds[slot] = None, CONSTANT
    lefts = [-1 if op is None else slot for op, slot in zip(ops, tape.left, strict=True)]
    rights = [-1 if op is None else slot for op, slot in zip(ops, tape.right, strict=True)]
    return replace(tape, ops=ops, kinds=kinds, left=lefts, right=rights)


def share_common(tape: Tape) -> Tape:
    """The same operation on the same operands is done once; leaves stay apart.

    Before::

        %0 = parameter
        %1 = exp %0
        %2 = exp %0
        %3 = mul %1 %2
        return %3

    After::

        %0 = parameter
        %1 = exp %0
        %2 = exp %0
        %3 = mul %1 %1
        return %3
    """
    first: dict[tuple[str, int, int], int] = {}
    same = [*range(len(tape)), -1]  # same[-1] is -1: no slot stays no slot
    left, right = list(tape.left), list(tape.right)
    for slot, op in enumerate(tape.ops):
        if op is not None:
            left[slot] = same[left[slot]]
            right[slot] = same[right[slot]]
            same[slot] = first.setdefault((op.name, left[slot], right[slot]), slot)
    outputs = tuple(same[slot] for slot in tape.outputs)
    root, penalty = same[tape.root], same[tape.penalty]
    return replace(tape, left=left, right=right, root=root, penalty=penalty, outputs=outputs)


def drop_dead(tape: Tape) -> Tape:
    """What the root does not depend on goes; parameters and inputs stay, to keep their places.

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
    alive = bytearray(len(tape))
    for slot in (tape.root, tape.penalty, *tape.outputs, *tape.parameters, *tape.inputs):
        if slot >= 0:
            alive[slot] = 1
    for slot in range(len(tape) - 1, -1, -1):
        if alive[slot] and tape.ops[slot] is not None:
            alive[tape.left[slot]] = 1
            if tape.right[slot] >= 0:
                alive[tape.right[slot]] = 1
    kept = [slot for slot in range(len(tape)) if alive[slot]]
    new = [-1] * (len(tape) + 1)  # new[-1] is -1: no operand stays no operand
    for position, slot in enumerate(kept):
        new[slot] = position
    return Tape(
        ops=[tape.ops[slot] for slot in kept],
        left=[new[tape.left[slot]] for slot in kept],
        right=[new[tape.right[slot]] for slot in kept],
        kinds=[tape.kinds[slot] for slot in kept],
        data=[tape.data[slot] for slot in kept],
        parameters=tuple(new[slot] for slot in tape.parameters),
        inputs=tuple(new[slot] for slot in tape.inputs),
        root=new[tape.root],
        outputs=tuple(new[slot] for slot in tape.outputs),
        penalty=new[tape.penalty],
        recorded=tuple(tape.recorded[slot] for slot in kept),
    )


def split_penalty(tape: Tape) -> Tape:
    """Take what depends on no input out of the sum that the result is.

    Over many rows the rest is averaged (or summed), and this is added once. What stands in a sum
    that is used in two places stays there.

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
    batched = depends_on_input(tape)
    if not batched[tape.root]:
        return tape
    uses = [0] * len(tape)
    for operands in (tape.left, tape.right, tape.outputs):
        for slot in operands:
            uses[slot] += slot >= 0
    rows: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    stack = [(tape.root, 1)]
    while stack:
        slot, sign = stack.pop()
        op = tape.ops[slot] if slot == tape.root or uses[slot] == 1 else None
        name = op.name if op is not None and batched[slot] else ""
        if name in ("add", "sub"):
            stack += [(tape.right[slot], -sign if name == "sub" else sign), (tape.left[slot], sign)]
        elif name == "neg":
            stack.append((tape.left[slot], -sign))
        else:
            (rows if batched[slot] else others).append((slot, sign))
    if not others:
        return tape
    longer = replace(
        tape,
        ops=list(tape.ops), left=list(tape.left), right=list(tape.right),
        kinds=list(tape.kinds), data=list(tape.data),
    )  # fmt: skip
    root, penalty = _chain(longer, rows), _chain(longer, others)
    recorded = (*tape.recorded, *[-1] * (len(longer) - len(tape)))
    return replace(longer, root=root, penalty=penalty, recorded=recorded)


def depends_on_input(tape: Tape) -> list[bool]:
    """Whether each slot has a value for each row of data."""
    batched: list[bool] = []
    for slot, op in enumerate(tape.ops):
        if op is None:
            batched.append(tape.kinds[slot] == INPUT)
        else:
            right = tape.right[slot]
            batched.append(batched[tape.left[slot]] or (right >= 0 and batched[right]))
    return batched


def _chain(tape: Tape, terms: list[tuple[int, int]]) -> int:
    """Append the instructions that add up signed terms; the slot of their sum."""
    total = -1
    for slot, sign in terms:
        if total < 0:
            total = slot if sign > 0 else _append(tape, "neg", slot, -1)
        else:
            total = _append(tape, "add" if sign > 0 else "sub", total, slot)
    return total


def _append(tape: Tape, name: str, left: int, right: int) -> int:
    row = ops.TABLE[name]
    data = [tape.data[slot] for slot in (left, right) if slot >= 0]
    tape.ops.append(row)
    tape.left.append(left)
    tape.right.append(right)
    tape.kinds.append("")
    tape.data.append(row.forward(ieee, *data))
    return len(tape) - 1
