"""Stage 5: which instructions have to be differentiated, and by which of their operands.

How an instruction is differentiated, the rows of ``ops.py`` and the stages that write code say.
"""

from __future__ import annotations

from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.compiler.layout import Elementwise, Instruction, Operand, Plan
from tinygrad_edu.compiler.tape import CONSTANT, INPUT
from tinygrad_edu.engine import symbols


def adjoints(plan: Plan) -> list[tuple[Instruction, tuple[Operand, ...]]]:
    """Return the instructions to differentiate, last to first, each with the operands to do it by.

    Left out is what has no parameter below it, such as features made of inputs, and what no
    gradient reaches, such as the inside of stop_gradient.

    Before::

        b[0:2] = product u[0:4] i[0:2]  # 2x2 by 2x1
        b[2:4] = relu b[0:2]
        b[4] = sum b[2:4]

    After, with the operands behind an arrow::

        b[4] = sum b[2:4]  -> b[2:4]
        b[2:4] = relu b[0:2]  -> b[0:2]
        b[0:2] = product u[0:4] i[0:2]  # 2x2 by 2x1  -> u[0:4]
    """
    wanted = {name: np.zeros(size, bool) for name, size in plan.sizes.items()}
    reached = {name: np.zeros(size, bool) for name, size in plan.sizes.items()}
    wanted["u"][: len(plan.parameters)] = True

    def has(marks: dict[str, NDArray[np.bool_]], operand: Operand) -> bool:
        if operand.kind in (CONSTANT, INPUT):
            return False
        return bool(marks[operand.store][operand.places].any())

    def open_to(it: Instruction) -> list[Operand]:
        """Return the operands of an instruction that are wanted and that a gradient can reach."""
        shut = symbols.stops(it.op) if isinstance(it, Elementwise) else ()
        ways = zip(it.reads, chain(shut, repeat(False)), strict=False)
        return [operand for operand, closed in ways if not closed and has(wanted, operand)]

    for it in plan.instructions:
        if open_to(it):
            wanted[it.out.store][it.out.places] = True
    for slot in plan.results:
        reached[plan.kinds[slot].store][plan.place[slot]] = True
    found: list[tuple[Instruction, tuple[Operand, ...]]] = []
    for it in reversed(plan.instructions):
        if has(wanted, it.out) and has(reached, it.out):
            targets = tuple(open_to(it))
            found.append((it, targets))
            for operand in targets:
                reached[operand.store][operand.places] = True
    return found
