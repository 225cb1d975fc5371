"""Random programs: the same list of instructions, for any engine.

A program is plain data. Its registers are first the leaves, then the result of each step; a step
names a row and its operands, an ``int`` for a register and a ``float`` for a constant. It runs on
Values, on the naive engine, on plain floats, on PyTorch, and it prints as a script:

>>> print(Program((0.5, 2.0), (Step("mul", (0, 1)), Step("exp", (2,)), Step("sub", (1.5, 3)))))
from tinygrad_edu import Value, exp
v0 = Value(0.5)
v1 = Value(2.0)
v2 = v0 * v1
v3 = exp(v2)
v4 = 1.5 - v3
v4.backward()
print(v4.data, v0.grad, v1.grad)
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

import tinygrad_edu
from tests import naive
from tinygrad_edu.engine.ops import TABLE

ROWS = tuple(naive.RULES)
OPERATORS = {
    "add": (operator.add, "{} + {}"),
    "sub": (operator.sub, "{} - {}"),
    "mul": (operator.mul, "{} * {}"),
    "div": (operator.truediv, "{} / {}"),
    "pow": (operator.pow, "{} ** {}"),
    "neg": (operator.neg, "-{}"),
    "abs": (abs, "abs({})"),
}


class Engine(NamedTuple):
    """What a program needs to run."""

    leaf: Callable[[float], Any]
    apply: Callable[..., Any]  # (name of the row, *operands)


def engine(leaf: Callable[[float], Any], functions: Any) -> Engine:
    """An engine that has Python's operators, and a module of functions for the rest."""

    def apply(row: str, *operands: Any) -> Any:
        f = OPERATORS[row][0] if row in OPERATORS else getattr(functions, row)
        return f(*operands)

    return Engine(leaf, apply)


VALUES = engine(tinygrad_edu.Value, tinygrad_edu)
NAIVE = engine(naive.Number, naive)
FLOATS = Engine(float, naive.value)


class Step(NamedTuple):
    """One instruction."""

    row: str
    operands: tuple[int | float, ...]


@dataclass(frozen=True)
class Program:
    """The numbers in the leaves, and the steps from there; the last register is the result."""

    leaves: tuple[float, ...]
    steps: tuple[Step, ...] = ()

    def run(self, on: Engine) -> list[Any]:
        """Every register, computed on an engine."""
        registers = [on.leaf(x) for x in self.leaves]
        for row, operands in self.steps:
            registers.append(on.apply(row, *_fetch(registers, operands)))
        return registers

    def needed(self) -> "Program":
        """The same result without the leaves and steps that it does not depend on."""
        count = len(self.leaves)
        alive = {count + len(self.steps) - 1}
        for i in range(len(self.steps) - 1, -1, -1):
            if count + i in alive:
                alive.update(o for o in self.steps[i].operands if isinstance(o, int))
        new = {old: i for i, old in enumerate(sorted(alive))}
        return Program(
            tuple(x for i, x in enumerate(self.leaves) if i in alive),
            tuple(
                Step(step.row, tuple(new[o] if isinstance(o, int) else o for o in step.operands))
                for i, step in enumerate(self.steps, start=count)
                if i in alive
            ),
        )

    def __str__(self) -> str:
        names = sorted({step.row for step in self.steps} - OPERATORS.keys())
        lines = [f"from tinygrad_edu import {', '.join(['Value', *names])}"]
        lines += [f"v{i} = Value({_literal(x)})" for i, x in enumerate(self.leaves)]
        for i, (row, operands) in enumerate(self.steps, start=len(self.leaves)):
            words = [f"v{o}" if isinstance(o, int) else _literal(o) for o in operands]
            spelling = OPERATORS[row][1] if row in OPERATORS else f"{row}({', '.join(words)})"
            lines.append(f"v{i} = {spelling.format(*words)}")
        last = f"v{len(self.leaves) + len(self.steps) - 1}"
        grads = "".join(f", v{i}.grad" for i in range(len(self.leaves)))
        return "\n".join([*lines, f"{last}.backward()", f"print({last}.data{grads})"])


def random_program(
    rng: Random,
    *,
    leaves: int = 3,
    steps: int = 12,
    rows: Sequence[str] = ROWS,
    reach: int | None = None,
    constants: float = 0.2,
    repeats: float = 0.1,
    bound: float = 8.0,
    margin: float = 0.1,
) -> Program:
    """A program in which every rule is used well inside its domain.

    Parameters
    ----------
    leaves, steps : how many of each
    rows : names of the rows to choose from
    reach : operands are among that many latest registers: 1 gives a chain, a small number a deep
        graph, None (all registers) a wide one in which leaves have many consumers
    constants : the share of two-input steps with a number in place of one operand
    repeats : the share of two-input steps with the same register twice, as in x * x
    bound : no result is larger, so that engines can be compared to many digits
    margin : the distance kept from kinks and from the ends of domains
    """
    start = tuple(rng.uniform(-2.0, 2.0) for _ in range(leaves))
    numbers, chosen = list(start), list[Step]()
    for _ in range(1000 * steps):
        if len(chosen) == steps:
            return Program(start, tuple(chosen))
        row = rng.choice(rows)
        near = range(len(numbers))[-(reach or len(numbers)) :]
        operands = _operands(rng, len(TABLE[row].domain), near, constants, repeats)
        xs = _fetch(numbers, operands)
        if tame(row, xs, margin) and abs(result := naive.value(row, *xs)) <= bound:
            chosen.append(Step(row, operands))
            numbers.append(result)
    raise ValueError(f"none of {', '.join(rows)} fits after {len(chosen)} of {steps} steps")


def chain(length: int) -> tinygrad_edu.Value:
    """Build x, then x + x, x + x + x, ...: as deep as it is long."""
    x = y = tinygrad_edu.Value(1.0, "x")
    for _ in range(length):
        y = y + x
    return y


def tame(row: str, xs: Sequence[float], margin: float) -> bool:
    """Whether the operands keep a distance from kinks, and from where the row is not defined."""
    inside = all(
        any(low + margin < x < high - margin for low, high in domain)
        for x, domain in zip(xs, TABLE[row].domain, strict=True)
    )
    from_kink = xs[0] - xs[-1] if len(xs) == 2 else xs[0]
    return inside and all(abs(from_kink - kink) > margin for kink in TABLE[row].kinks)


def shortest(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The first part of a failing program that fails, without the steps it does not need."""
    for n in range(len(program.steps) + 1):
        part = replace(program, steps=program.steps[:n])
        if fails(part):
            return part.needed() if fails(part.needed()) else part
    raise ValueError("the program does not fail")


def _operands(
    rng: Random, arity: int, near: Sequence[int], constants: float, repeats: float
) -> tuple[int | float, ...]:
    operands: list[int | float] = [rng.choice(near) for _ in range(arity)]
    if arity == 2 and rng.random() < constants:
        operands[rng.randrange(2)] = rng.choice((0.5, 2.0, 3.0, -1.0, rng.uniform(-2.0, 2.0)))
    elif arity == 2 and rng.random() < repeats:
        operands[1] = operands[0]
    return tuple(operands)


def _fetch(registers: Sequence[Any], operands: Sequence[int | float]) -> list[Any]:
    return [registers[o] if isinstance(o, int) else o for o in operands]


def _literal(x: float) -> str:
    text = repr(x) if math.isfinite(x) else f'float("{x}")'
    return f"({text})" if text.startswith("-") else text
