"""Random programs on this engine and on another: what must agree, and how far.

Gradients are compared in units of the sum of the sizes of their terms, since that is what the
rounding errors of either engine are proportional to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from benchmarks.promises.promise import LeftOut, tool

naive, programs = tool("naive"), tool("programs")
SHAPES = (None, 1, 2, 5, 12)
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-310, 5e-324, 1e300, -1e-300, 710.0, -745.0)
NASTY = (*NASTY, math.inf, -math.inf, math.nan)
Program = Any
Differs = Callable[[Program], bool]


def programs_of_block(block: int, count: int, rows: Sequence[str] = programs.ROWS) -> Iterator[Any]:
    """Programs of all shapes; the number of the block and of the program is the seed."""
    for i in range(count):
        rng = Random(f"{block}/{i}")
        yield programs.random_program(
            rng,
            leaves=rng.randint(1, 5),
            steps=rng.randint(1, 30),
            rows=rows,
            reach=rng.choice(SHAPES),
            constants=rng.choice((0.0, 0.2, 0.5)),
            repeats=rng.choice((0.0, 0.3)),
            bound=4.0,  # beyond, PyTorch's 1 - tanh² has fewer than 12 digits
        )


def nasty_program(rng: Random) -> Program:
    """Up to eight steps from leaves and constants that engines get wrong."""
    leaves = tuple(rng.choice(NASTY) for _ in range(rng.randint(1, 4)))
    steps: list[Any] = []
    for count in range(len(leaves), len(leaves) + rng.randint(1, 8)):
        row = rng.choice(programs.ROWS)
        operands: list[int | float] = [rng.randrange(count) for _ in programs.TABLE[row].domain]
        if len(operands) == 2 and rng.random() < 0.2:
            operands[rng.randrange(2)] = rng.choice(NASTY)
        steps.append(programs.Step(row, tuple(operands)))
    return programs.Program(leaves, tuple(steps))


def differs(program: Program, theirs: Any, grad_of: Callable[[Any], float]) -> bool:
    """Whether any register's value or any leaf's gradient is off by more than 1e-12."""
    ours, other = program.run(programs.VALUES), program.run(theirs)
    ours[-1].backward()
    other[-1].backward()
    sizes = naive.sensitivities((numbers := program.run(programs.NAIVE))[-1])
    leaves = list(zip(ours, other, numbers, strict=True))[: len(program.leaves)]
    return any(
        not abs(v.data - float(data_of(o))) <= 1e-12 for v, o in zip(ours, other, strict=True)
    ) or (any(not abs(v.grad - grad_of(o)) <= 1e-12 * sizes.get(n, 0.0) for v, o, n in leaves))


def data_of(other: Any) -> Any:
    """The number of another engine's node."""
    return other.detach() if hasattr(other, "detach") else other.data


def differs_from_naive(program: Program) -> bool:
    """Against the second engine of the tests."""
    theirs = programs.Engine(lambda x: _Naive(naive.Number(x)), _on_naive)
    return differs(program, theirs, lambda v: float(v.number.grad))


class _Naive:
    """A naive number with a method ``backward``."""

    def __init__(self, number: Any) -> None:
        self.number, self.data = number, number.data

    def backward(self) -> None:
        naive.backward(self.number)


def _on_naive(row: str, *operands: Any) -> _Naive:
    return _Naive(naive.apply(row, *(getattr(x, "number", x) for x in operands)))


def on_torch() -> Any:
    """PyTorch as an engine, on tensors of one float64."""
    try:
        import torch
    except ImportError:
        raise LeftOut("PyTorch is not installed") from None

    def leaf(x: float) -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    def function(name: str) -> Callable[..., Any]:
        theirs = {"softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x))}
        f = theirs.get(name) or getattr(torch, name)
        return lambda *xs: f(*(torch.as_tensor(x, dtype=torch.float64) for x in xs))

    class Functions:
        """Its functions, which don't take plain numbers."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return function(name)

    return programs.engine(leaf, Functions())


def torch_grad(tensor: Any) -> float:
    """PyTorch has None for a leaf that the result does not depend on."""
    return 0.0 if tensor.grad is None else float(tensor.grad)


def shown(program: Program, fails: Differs) -> str:
    """The shortest part of a failing program, as a script that can be pasted."""
    return str(programs.shortest(program, fails))
