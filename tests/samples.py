"""Random samples: programs some of whose leaves are inputs, and what their graphs give, by hand."""

import math
from dataclasses import dataclass, replace
from random import Random

from tests import programs
from tinygrad_edu import Value, topological_order
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import SettingError

LINEAR = ("add", "sub", "mul", "neg")  # these make bare inputs and sums of every kind of product
TOLERANCE = 1e-11


@dataclass(frozen=True)
class Sample:
    """A program whose last ``inputs`` leaves come from rows of data; the others are parameters.

    The loss is the sum of its last two registers, plus ``strength`` times the first leaf squared;
    with ``mirror`` also the first leaf times the last, minus the last times the first.
    """

    program: programs.Program
    inputs: int
    rows: list[list[float]]
    strength: float
    reduce: str
    mirror: bool = False

    def graph(self, row=None):
        """The loss and its leaves, at one row or at the program's own numbers."""
        leaves = [Value(number) for number in self.program.leaves]
        for leaf, number in zip(leaves[-self.inputs :], row or (), strict=False):
            leaf.data = number
        waiting = iter(leaves)
        registers = self.program.run(programs.VALUES._replace(leaf=lambda _: next(waiting)))
        total = registers[-1] + registers[-2] * 1.0
        if self.mirror:
            total = total + leaves[0] * leaves[-1] - leaves[-1] * leaves[0]
        return total, leaves

    def by_hand(self):
        """Loss and gradients from a graph for each row; the penalty is added once."""
        losses, gradients = [], []
        for row in self.rows:
            loss, leaves = self.graph(row)
            loss.backward()
            losses.append(loss.data)
            gradients.append([leaf.grad for leaf in leaves[: -self.inputs]])
        scale = 1.0 / len(self.rows) if self.reduce == "mean" else 1.0
        w = self.program.leaves[0]
        gradient = [math.fsum(column) * scale for column in zip(*gradients, strict=True)]
        gradient[0] += 2.0 * self.strength * w
        return math.fsum(losses) * scale + self.strength * w * w, gradient

    def compiled(self, target):
        """The program and its leaves; None where nothing is an input, or a parameter."""
        loss, leaves = self.graph()
        inputs = leaves[-self.inputs :]
        if self.reduce == "sum" and not all_depend(loss, inputs):
            return None
        total = loss + self.strength * leaves[0] * leaves[0] if self.strength else loss
        try:
            return compile_graph(total, inputs, reduce=self.reduce, target=target), leaves
        except SettingError:
            return None

    def fault(self, target):
        """What differs on this target, "" if nothing, None where there is nothing to compare.

        The program runs twice: what the first run leaves behind must not count in the second.
        """
        made = self.compiled(target)
        if made is None:
            return None
        compiled, leaves = made
        loss, gradient = self.by_hand()
        of = dict(zip(leaves, gradient, strict=False))
        wanted = [loss, *(of[p] for p in compiled.parameters)]
        for _ in range(2):
            mine = [compiled.backward(self.rows), *compiled.gradient]
            size = max(1.0, *map(abs, wanted))
            if any(not abs(a - b) <= TOLERANCE * size for a, b in zip(mine, wanted, strict=True)):
                return f"{target}: {mine} instead of {wanted} at {self.rows}:\n{self.program}"
        return ""


def random_sample(seed, rows):
    """One to three inputs, one to four rows of data, over these rows of the table."""
    rng = Random(seed)
    inputs = rng.randint(1, 3)
    program = programs.random_program(
        rng, leaves=inputs + 3, steps=rng.randint(3, 20), rows=rows, constants=0.3, bound=4.0
    )
    strength, reduce = rng.choice((0.0, 0.5)), rng.choice(("mean", "sum"))
    # near the numbers that the program is tame at
    data = [
        [number + rng.uniform(-1e-3, 1e-3) for number in program.leaves[-inputs:]]
        for _ in range(rng.randint(1, 4))
    ]
    return Sample(program, inputs, data, strength, reduce, rng.random() < 0.3)


def shortest(sample, target):
    """The first part of a sample's program that still differs."""
    for n in range(2, len(sample.program.steps) + 1):
        part = replace(sample, program=replace(sample.program, steps=sample.program.steps[:n]))
        if part.fault(target):
            return part
    return sample


def all_depend(loss, inputs):
    """Check that each term of the outermost sum depends on an input: none is added once."""
    stack = [loss]
    while stack:
        node = stack.pop()
        if node.op is not None and node.op.name in ("add", "sub", "neg"):
            stack += node.inputs
        elif not set(inputs) & set(topological_order(node)):
            return False
    return True
