"""Random programs on this engine, on another one and on mpmath: what must agree, and how far.

Gradients are compared in units of the sum of the sizes of their terms, since the rounding errors
of any engine are proportional to it.
"""

import math
from functools import cache
from random import Random

from tests import naive, programs
from tinygrad_edu.engine import ieee

SHAPES = (None, 1, 2, 5, 12)
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-310, 5e-324, 1e300, -1e-300, 710.0, -745.0)
NASTY = (*NASTY, math.inf, -math.inf, math.nan)
# numbers that break careless rules, the worst first
SPECIAL = (0.0, -0.0, 1.0, -2.0, math.inf, -math.inf, math.nan, 710.0, -1.0, 5e-324, 1e300, 3.0)
SPECIAL += (0.5, -0.5, 2.0, -3.0, -5e-324, 1e-310, -1e-310, 1e-300, -1e-300, -1e300, 709.0, -709.0)
SPECIAL += (-710.0, 746.0, -746.0)


def tame_programs(count, rows=programs.ROWS):
    """Yield programs of all shapes; the number of a program is its seed."""
    for i in range(count):
        rng = Random(f"0/{i}")
        yield programs.random_program(
            rng,
            leaves=rng.randint(1, 5),
            steps=rng.randint(1, 30),
            rows=rows,
            reach=rng.choice(SHAPES),
            constants=rng.choice((0.0, 0.2, 0.5)),
            repeats=rng.choice((0.0, 0.3)),
            bound=4.0,  # beyond it, PyTorch's 1 - tanh² has fewer than 12 digits
        )


def nasty_program(seed):
    """Return up to eight steps from leaves and constants that engines get wrong."""
    rng = Random(f"nasty/{seed}")
    leaves = tuple(rng.choice(NASTY) for _ in range(rng.randint(1, 4)))
    steps = []
    for count in range(len(leaves), len(leaves) + rng.randint(1, 8)):
        row = rng.choice(programs.ROWS)
        operands = [rng.randrange(count) for _ in programs.TABLE[row].domain]
        if len(operands) == 2 and rng.random() < 0.2:
            operands[rng.randrange(2)] = rng.choice(NASTY)
        steps.append(programs.Step(row, tuple(operands)))
    return programs.Program(leaves, tuple(steps)).needed()


def assert_agree(some_programs, differ):
    """Fail with the shortest part of the first program that differs, as a script."""
    for program in some_programs:
        if differ(program):
            raise AssertionError(f"this program differs:\n{programs.shortest(program, differ)}")


def differs(program, theirs):
    """Check for a register or a gradient that is off by more than 1e-12 from another engine's."""
    ours, other = program.run(programs.VALUES), program.run(theirs)
    ours[-1].backward()
    other[-1].backward()
    units = sizes(ours)
    return any(
        not abs(v.data - float(o.data)) <= 1e-12 for v, o in zip(ours, other, strict=True)
    ) or any(
        not abs(ours[i].grad - grad_of(other[i])) <= 1e-12 * units[i]
        for i in range(len(program.leaves))
    )


def grad_of(leaf):
    """Return the gradient as a float; PyTorch has None where the result does not depend on it."""
    return 0.0 if leaf.grad is None else float(leaf.grad)


def sizes(registers):
    """Return, for each register, the sum over all paths of |product of partials|."""
    bars = dict.fromkeys(registers, 0.0) | {registers[-1]: 1.0}
    for node in reversed(registers):
        if node.op is not None:
            partials = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
            for v, partial in zip(node.inputs, partials, strict=True):
                if v in bars:
                    bars[v] += abs(partial) * bars[node]
    return [bars[v] for v in registers]


def torch_engine(torch):
    """PyTorch as an engine, on tensors of one float64."""

    class Functions:
        """Its functions, which by themselves do not take plain numbers."""

        def __getattr__(self, name):
            zero = torch.zeros((), dtype=torch.float64)
            softplus = lambda x: torch.logaddexp(x, zero)  # noqa: E731
            f = softplus if name == "softplus" else getattr(torch, name)
            return lambda *xs: f(*(torch.as_tensor(x, dtype=torch.float64) for x in xs))

    return programs.engine(
        lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True), Functions()
    )


# --- mpmath: slopes from values alone, at more digits than floats have ---
#
# Each value keeps the rounding error that it was recorded with, so that slopes are taken at the
# recorded numbers, as backward() takes them; what a row computes is judged at its own inputs.


@cache
def precise(digits):
    """Return mpmath's context at so many digits, and the rules typed by hand on it."""
    import mpmath

    mp = mpmath.mp.clone()
    mp.dps = digits
    return mp, naive.rules(mp)


def differs_from_mpmath(program):
    """Check for a value that its inputs do not give, or a gradient off by more than 1e-12."""
    registers = program.run(programs.VALUES)
    registers[-1].backward()
    leaves = len(program.leaves)
    return not (
        all(right_value(program, registers, i) for i in range(leaves, len(registers)))
        and all(right_slope(program, registers, i) for i in range(leaves))
    )


def right_value(program, registers, i):
    """Check that a register holds what its inputs give, to the last digits."""
    mp, rules = precise(100)
    row, operands = program.steps[i - len(program.leaves)]
    exact = rules[row][0](*[mp.mpf(x) for x in numbers_of(registers, operands)])
    return bool(abs(exact - registers[i].data) <= 1e-14 * max(abs(exact), 2.0**-1022))


def right_slope(program, registers, i, digits=100, step=30, relative=False):
    """Check that the gradient of leaf i is the slope, within 1e-12 of the sizes of its terms."""
    mp, _ = precise(digits)
    x = mp.mpf(program.leaves[i])
    h = (abs(x) or mp.mpf(10) ** -330 if relative else 1) * mp.mpf(10) ** -step
    up, down = (moved(program, registers, i, x + side * h, digits) for side in (1, -1))
    slope = (up - down) / (2 * h)
    size = max(sizes(registers)[i], float(abs(slope)), 2.0**-1000)
    return bool(abs(slope - registers[i].grad) <= 1e-12 * size)


def moved(program, registers, i, x, digits):
    """Return the result with another number in leaf i; what does not depend on it stays."""
    mp, rules = precise(digits)
    new = {i: x}
    for at, (row, operands) in enumerate(program.steps, start=len(program.leaves)):
        changed = [isinstance(o, int) and o in new for o in operands]
        if any(changed):
            value = rules[row][0]
            old = [mp.mpf(number) for number in numbers_of(registers, operands)]
            now = [new[o] if c else x for o, x, c in zip(operands, old, changed, strict=True)]
            rounding = mp.mpf(registers[at].data) - value(*old)
            new[at] = value(*now) + rounding
    return new.get(len(registers) - 1, mp.mpf(registers[-1].data))


def numbers_of(registers, operands):
    """Return the numbers that a step worked with."""
    return [registers[o].data if isinstance(o, int) else o for o in operands]


def verdict(program, theirs):
    """Judge a program at nasty points: "", "exception", "complex" or "finite but wrong".

    Where PyTorch has another answer, mpmath decides who is right. A result of nan has no slope.
    """
    try:
        registers = program.run(programs.VALUES)
        registers[-1].backward()
    except Exception:
        return "exception"
    if not all(type(x) is float for v in registers for x in (v.data, v.grad)):
        return "complex"
    other = program.run(theirs)
    other[-1].backward()
    wrong_value = any(
        misleads(v.data, float(o.data)) and not settled(right_value, program, registers, i)
        for i, (v, o) in enumerate(zip(registers, other, strict=True))
    )
    wrong_slope = not math.isnan(registers[-1].data) and any(
        misleads(registers[i].grad, grad_of(other[i]))
        and not settled(right_slope, program, registers, i, 1100, 40, True)
        for i in range(len(program.leaves))
    )
    return "finite but wrong" if wrong_value or wrong_slope else ""


def misleads(ours, theirs):
    """Check for a finite number that another engine does not have."""
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return math.isfinite(ours)
    return abs(ours - theirs) > max(1e-12 * max(abs(ours), abs(theirs)), 1e-300)


def settled(right, *place):
    """Ask mpmath whether our number is right, where it can tell."""
    try:
        return right(*place)
    except (ValueError, ArithmeticError, TypeError):
        return False
