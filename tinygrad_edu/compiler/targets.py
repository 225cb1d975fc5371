"""Stage 7: choose what runs a tape. NumPy is imported only where it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.tape import ADDITIVE, Tape
from tinygrad_edu.shared.arguments import extra

TARGETS = ("numpy", "python")
CHAIN = 10_000  # a shorter chain is not worth a program without matrices
WIDTH = 2  # operations side by side on average: where there are fewer, vectors do not pay


class Backend(Protocol):
    """A tape made ready to run."""

    vector: Any  # the parameters' numbers, in the order of parameter_slots
    gradient: Any
    parameter_slots: list[int]
    constant_slots: list[int]
    instructions: int
    matrix_products: int

    @property
    def source(self) -> str:
        """Return the Python that runs."""

    @property
    def equations(self) -> Equations:
        """Return the matrix equations found."""

    def load(self, parameters: list[float], constants: list[float]) -> None:
        """Put the numbers of the leaves into their places."""

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""

    def outputs(self) -> Any:
        """Return the outputs of the last run, one row for each row of data."""


def backend_for(
    target: str, tape: Tape, columns: int, reduce: str, dtype: str, lap: Callable[[str], None]
) -> Backend:
    """Make a tape ready to run on a target. ``lap`` is told the name of each stage at its end."""
    if target == "graph":
        from tinygrad_edu.compiler.graph_backend import GraphBackend

        return GraphBackend(tape, columns, reduce, dtype, lap)
    if target == "python":
        from tinygrad_edu.compiler.python_backend import PythonBackend

        return PythonBackend(tape, columns, reduce, dtype, lap)
    extra("numpy", "numpy", 'the target "numpy"', "fast")
    from tinygrad_edu.compiler.numpy_backend import NumpyBackend

    return NumpyBackend(tape, columns, reduce, dtype, lap)


def is_chain(tape: Tape) -> bool:
    """Return True if next to nothing can be done side by side: a long chain, not a network.

    Additions do not count, however many there are, since they are gathered to sums.
    """
    level, count = [0] * len(tape), 0
    for slot, op in enumerate(tape.ops):
        if op is not None:
            weighs = op.name not in ADDITIVE
            level[slot] = max(level[operand] for operand in tape.operands(slot)) + weighs
            count += weighs
    return CHAIN < count < WIDTH * max(level)
