"""The tape: a graph as a list of instructions, and what the stages ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from tinygrad_edu.engine.ops import ADD, NEG, SUB, Primitive

ADDITIVE = frozenset((ADD, SUB, NEG))


class Kind(IntEnum):
    """What a slot holds.

    The order says which operand of a product is put on the left: a weight before what it weighs.
    So ``w * x`` and ``x * w`` are the same product, however the learner wrote it.
    """

    PARAMETER = 0
    UNBATCHED = 1  # computed from parameters and constants alone: one number
    CONSTANT = 2
    BATCHED = 3  # computed from an input: one number for each row of data
    INPUT = 4

    @property
    def per_row(self) -> bool:
        """Return True if such a slot holds one number for each row of data."""
        return self >= BATCHED

    @property
    def store(self) -> str:
        """Return the name of the array that holds such slots: "i" inputs, "b" batched, "u" not."""
        return "i" if self is INPUT else "b" if self is BATCHED else "u"

    @staticmethod
    def computed_from(*operands: Kind) -> Kind:
        """Return the kind of what is computed from operands of these kinds."""
        return BATCHED if max(operands) >= BATCHED else UNBATCHED


# Python 3.11 finds these faster than Kind.BATCHED, and they are looked up for each node of a graph
PARAMETER, UNBATCHED, CONSTANT, BATCHED, INPUT = Kind


@dataclass(frozen=True)
class Tape:
    """Instructions in topological order; the slot of an instruction is its position.

    ``ops[i]`` is None for a leaf. ``left`` and ``right`` hold the slots of the operands; -1 means
    that there is none, here as in ``inputs`` and ``penalty``. ``data`` is what each slot held when
    the tape was recorded.
    """

    ops: list[Primitive | None]
    left: list[int]  # two lists of numbers: a tuple per slot is work for the garbage collector
    right: list[int]
    kinds: list[Kind]
    data: list[float]
    recorded: list[int]  # the slot that each slot had when it was recorded; -1 for a later one
    parameters: Sequence[int]  # slots
    inputs: Sequence[int]  # slots, in the order of the inputs given; -1 where one is not used
    root: int
    outputs: Sequence[int] = ()  # slots whose values are asked for beside the result
    penalty: int = -1  # slot of a part of the result that belongs to no row, such as an L2 term
    # what a pass took for granted of constants, by the slots they had when they were recorded
    fixed: Mapping[int, float] = field(default_factory=dict)  # that it is this number
    alike: Sequence[tuple[int, int]] = ()  # that two are the same number

    def __len__(self) -> int:
        return len(self.ops)

    def __str__(self) -> str:
        """Print one instruction per line."""
        lines = []
        for slot, (op, kind) in enumerate(zip(self.ops, self.kinds, strict=True)):
            if op is not None:
                what = " ".join([op.name, *(f"%{operand}" for operand in self.operands(slot))])
            else:
                what = kind.name.lower()
                what += f" {self.data[slot]:g}" if kind is CONSTANT else ""
            lines.append(f"%{slot} = {what}")
        penalty = f" + %{self.penalty}" if self.penalty >= 0 else ""
        return "\n".join([*lines, f"return %{self.root}{penalty}"])

    def operands(self, slot: int) -> tuple[int, ...]:
        """Return the slots that an operation reads."""
        left, right = self.left[slot], self.right[slot]
        return (left,) if right < 0 else (left, right)

    def results(self) -> list[int]:
        """Return the slots that are asked for from outside."""
        return [slot for slot in (self.root, self.penalty, *self.outputs) if slot >= 0]


def uses_of(tape: Tape, start: int = 0) -> tuple[list[int], list[int]]:
    """Count how often each slot from ``start`` on is read, and tell by whom last.

    A result counts twice more: it is read from outside, so it must not become part of another.
    """
    uses, reader = [0] * len(tape), [-1] * len(tape)
    left, right = tape.left, tape.right
    for slot in range(start, len(tape)):
        if (operand := left[slot]) >= 0:
            uses[operand] += 1
            reader[operand] = slot
            if (operand := right[slot]) >= 0:
                uses[operand] += 1
                reader[operand] = slot
    for slot in tape.results():
        uses[slot] += 2
    return uses, reader


def inner_of(tape: Tape, uses: Sequence[int], reader: Sequence[int], start: int = 0) -> list[bool]:
    """Tell of each slot from ``start`` on if it is an addition that one other addition alone reads.

    ``uses`` and ``reader`` are what ``uses_of`` found.
    """
    inner = [False] * len(tape)
    for slot in range(start, len(tape)):
        if uses[slot] == 1 and tape.ops[slot] in ADDITIVE:
            inner[slot] = tape.ops[reader[slot]] in ADDITIVE
    return inner


def terms_of(
    tape: Tape, top: int, inner: Sequence[bool]
) -> tuple[list[tuple[int, int]], list[int]]:
    """Take a chain of additions apart: its signed terms in order, and the slots of the chain.

    The chain is ``top`` and the ``inner`` slots below it. A term is a pair (sign, slot).
    """
    terms: list[tuple[int, int]] = []
    chain: list[int] = []
    stack = [(1, top)]
    while stack:
        sign, slot = stack.pop()
        op = tape.ops[slot]
        if op is None or not (slot == top or inner[slot]):
            terms.append((sign, slot))
            continue
        chain.append(slot)
        if op is NEG:
            stack.append((-sign, tape.left[slot]))
        else:  # the right operand first, since the last one in is the first one out
            right_sign = -sign if op is SUB else sign
            stack += [(right_sign, tape.right[slot]), (sign, tape.left[slot])]
    return terms, chain
