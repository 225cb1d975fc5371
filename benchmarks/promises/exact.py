"""Programs at more digits than floats have: slopes from values alone, by functions typed here.

Each value keeps the rounding error that it was recorded with, so that slopes are taken at the
recorded numbers, as ``backward`` takes them; what a row computes is judged at its own inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from benchmarks.promises.agreement import Program, programs, torch_grad
from tinygrad_edu import Value
from tinygrad_edu.engine import ieee

DIGITS, STEP = 100, 30  # of tame programs: the error of a slope is the square of the step
NASTY_DIGITS, NASTY_STEP = 1100, 40
ROUNDING = 1e-14  # of one row, relative


@cache
def functions(digits: int) -> tuple[Any, dict[str, Callable[..., Any]]]:
    """mpmath at so many digits: how a number is made, and each row by name."""
    import mpmath

    mp = mpmath.mp.clone()
    mp.dps = digits
    return mp.mpf, {
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y,
        "neg": lambda x: -x,
        "pow": mp.power,
        "exp": mp.exp,
        "log": mp.log,
        "sqrt": mp.sqrt,
        "sin": mp.sin,
        "cos": mp.cos,
        "tanh": mp.tanh,
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log(1 + mp.exp(x)) if x < 1000 else x + mp.exp(-x),
        "relu": lambda x: x if x > 0 else mp.mpf(0),
        "abs": lambda x: x if x > 0 else -x,
        "maximum": lambda x, y: x if x > y else y,
        "minimum": lambda x, y: x if x < y else y,
    }


def differs(program: Program) -> bool:
    """Whether a value is not what its inputs give, or a gradient is off by more than 1e-12."""
    registers = program.run(programs.VALUES)
    registers[-1].backward()
    values = range(len(program.leaves), len(registers))
    return not all(right_value(program, registers, i) for i in values) or not all(
        right_slope(program, registers, i) for i in range(len(program.leaves))
    )


def right_value(program: Program, registers: Sequence[Value], i: int) -> bool:
    """Whether a register holds what its inputs give, to the last digits."""
    number, rows = functions(DIGITS)
    row, operands = program.steps[i - len(program.leaves)]
    inputs = [registers[o].data if isinstance(o, int) else o for o in operands]
    exact = rows[row](*map(number, inputs))
    return bool(abs(exact - registers[i].data) <= ROUNDING * max(abs(exact), 2.0**-1022))


def right_slope(program: Program, registers: Sequence[Value], i: int, nasty: bool = False) -> bool:
    """Whether the gradient of leaf i is the slope, within 1e-12 of the sizes of its terms."""
    digits, step = (NASTY_DIGITS, NASTY_STEP) if nasty else (DIGITS, STEP)
    number, _ = functions(digits)
    x = number(program.leaves[i])
    h = (abs(x) or number(10) ** -330 if nasty else number(1)) * number(10) ** -step
    up, down = (moved(program, registers, i, x + side * h, digits) for side in (1, -1))
    slope = (up - down) / (2 * h)
    size = max(sizes(registers)[i], float(abs(slope)), 2.0**-1000)
    return bool(abs(slope - registers[i].grad) <= 1e-12 * size)


def moved(program: Program, registers: Sequence[Value], i: int, x: Any, digits: int) -> Any:
    """The result with another number in leaf i; what does not depend on it stays as recorded."""
    number, rows = functions(digits)
    new: dict[int, Any] = {i: x}
    for at, (row, operands) in enumerate(program.steps, start=len(program.leaves)):
        if new.keys().isdisjoint(o for o in operands if isinstance(o, int)):
            continue
        old = [number(registers[o].data if isinstance(o, int) else o) for o in operands]
        now = [new.get(o, old[k]) if isinstance(o, int) else old[k] for k, o in enumerate(operands)]
        rounding = number(registers[at].data) - rows[row](*old)
        new[at] = rows[row](*now) + rounding
    return new.get(len(registers) - 1, number(registers[-1].data))


def sizes(registers: Sequence[Value]) -> list[float]:
    """Of each register the sum over all paths of |product of slopes|."""
    bars = dict.fromkeys(registers, 0.0) | {registers[-1]: 1.0}
    for node in reversed(registers):
        if node.op is not None:
            slopes = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
            for v, slope in zip(node.inputs, slopes, strict=True):
                if v in bars:
                    bars[v] += abs(slope) * bars[node]
    return [bars[v] for v in registers]


def verdict(program: Program, theirs: Any) -> str:
    """Of a program at nasty points: "" or "exceptions", "complex", "finite but wrong".

    Where PyTorch's answer is another, mpmath says who is right. A result of nan has no slope.
    """
    try:
        registers = program.run(programs.VALUES)
        registers[-1].backward()
    except Exception:
        return "exceptions"
    leaves = registers[: len(program.leaves)]
    if not all(type(x) is float for v in registers for x in (v.data, v.grad)):
        return "complex"
    other = program.run(theirs)
    other[-1].backward()
    for i, (v, o) in enumerate(zip(registers, other, strict=True)):
        if not _same(v.data, float(o.detach())) and not _settled(program, registers, i, False):
            return "finite but wrong"
    for i, (v, o) in enumerate(zip(leaves, other, strict=False)):
        defined = not math.isnan(registers[-1].data)
        if (
            defined
            and not _same(v.grad, torch_grad(o))
            and not _settled(program, registers, i, True)
        ):
            return "finite but wrong"
    return ""


def _same(ours: float, theirs: float) -> bool:
    """Whether ours is theirs, or not finite, so that it misleads nobody."""
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return not math.isfinite(ours)
    return abs(ours - theirs) <= max(1e-12 * max(abs(ours), abs(theirs)), 1e-300)


def _settled(program: Program, registers: Sequence[Value], i: int, slope: bool) -> bool:
    """Whether mpmath says that ours is right, where it can tell."""
    try:
        if slope:
            return right_slope(program, registers, i, nasty=True)
        return right_value(program, registers, i)
    except (ValueError, ArithmeticError, TypeError):
        return False
