"""What binds a program to a graph: their common structure, and the constants of the graph."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeAlias

from tinygrad_edu.compiler.passes import fold_constants, zeros_of
from tinygrad_edu.compiler.sums import exponents_of
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.engine import Value, ieee
from tinygrad_edu.engine.errors import StaleGraphError
from tinygrad_edu.engine.ops import POW, Primitive

Structure: TypeAlias = tuple[tuple[Primitive | None, ...], bytes]


def structure_of(tape: Tape) -> Structure:
    """Summarize the structure of a graph: equal for two graphs that differ in numbers alone.

    Constants that are part of the code belong to it: the code of a square is not that of a cube.
    """
    number = {op: i for i, op in enumerate(dict.fromkeys(tape.ops))}
    fixed = fixed_in(tape, fold_constants(tape) if POW in number else tape)
    digest = blake2b(repr(fixed).encode())
    lists = tape.left, tape.right, tape.kinds, tape.inputs, tape.outputs, [tape.root]
    for numbers in ([*map(number.__getitem__, tape.ops)], *lists):
        digest.update(array("q", [len(numbers), *numbers]))
    return (*number,), digest.digest()


def fixed_in(recorded: Tape, tape: Tape) -> dict[int, float]:
    """Return the constants that are part of the code: exponents, zeros with which sums begin, ...

    The slots are those of the tape that was recorded; the other one went through passes.
    """
    zeros = {recorded.left[slot] for slot in zeros_of(recorded)}
    fixed = {slot: recorded.data[slot] for slot in sorted(zeros)}
    exponents = {tape.recorded[slot]: number for slot, number in exponents_of(tape).items()}
    return {**fixed, **exponents, **tape.fixed}


class Constants:
    """Numbers of constants, taken from the Values of a graph.

    Parameters
    ----------
    recorded : Tape, as it was recorded
    tape : Tape, after the passes; what was computed from constants alone is a constant there
    slots : of the tape's constants, those that a program reads, in its order
    fixed : those that are part of its code, with their numbers

    Attributes
    ----------
    numbers : array of float, what the program reads
    """

    def __init__(
        self, recorded: Tape, tape: Tape, slots: Sequence[int], fixed: Mapping[int, float]
    ) -> None:
        self.numbers = array("d")
        self.wanted = [tape.recorded[slot] for slot in slots]
        self.fixed = fixed
        self.alike = tape.alike
        needed = {*self.wanted, *fixed}.union(*self.alike)
        steps = []
        for slot in reversed(range(len(recorded))):  # operands come before results
            op = recorded.ops[slot]
            if slot in needed and op is not None:
                needed.update(recorded.operands(slot))
                steps.append((slot, op, recorded.operands(slot)))
        self.steps = steps[::-1]
        self.leaves = sorted(needed.difference(slot for slot, _, _ in steps))

    def bind(self, order: Sequence[Value]) -> None:
        """Take the numbers from the Values of a graph, given by slot, from now on."""
        values = [order[slot] for slot in self.leaves]
        self.numbers = self._numbers(values)  # which may refuse them
        self.values = values

    def pull(self) -> None:
        """Take the numbers that the Values have now."""
        self.numbers = self._numbers(self.values)

    def _numbers(self, values: Sequence[Value]) -> array[float]:
        """Compute what is made of the numbers of constants, if they are as the code takes them."""
        data = {slot: v.data for slot, v in zip(self.leaves, values, strict=True)}
        for slot, op, operands in self.steps:
            data[slot] = op.forward(ieee, *[data[operand] for operand in operands])
        for slot, compiled in self.fixed.items():
            now = data[slot]
            if repr(now) != repr(compiled):  # nan is nan, and -0.0 is not 0.0
                raise StaleGraphError(
                    f"a constant is {now:.6g} now, and was {compiled:.6g} when the graph was "
                    "compiled.",
                    where="this one is part of the code, as an exponent (a square is compiled as a "
                    "product), as a zero with which a sum begins, or as the 1 in 1 / sum",
                    fix="compile the graph again: program = compile_graph(loss).",
                )
        for one, other in self.alike:
            if data[one] != data[other]:
                raise StaleGraphError(
                    f"two constants are {data[one]:.6g} and {data[other]:.6g} now, and were equal "
                    "when the graph was compiled.",
                    where="both stand for one number of a sample, or are subtracted from logits of "
                    "one softmax, and cancel there",
                    fix="compile the graph again: program = compile_graph(loss).",
                )
        return array("d", [data[slot] for slot in self.wanted])
