"""Stage 7: choose what runs a tape. NumPy is imported only where it is chosen.

By itself (``target="auto"``) that is NumPy where one call does many operations, and straight-line
Python where a graph is narrow. A call of NumPy takes about 2 µs and an operation of straight-line
code 0.07 µs, backward pass included: NumPy pays from about NARROW operations per instruction.
Machine code is faster than both, but has to be compiled first; ``python -m benchmarks choices``
adds that up. Measured by ``python -m benchmarks.widths``, µs for one backward pass of a graph:

========================  =================  =====  ======  ===  =======
graph                     ops / instruction  numpy  python    c    eager
========================  =================  =====  ======  ===  =======
chain of 2,000                          1.0  2,872     162    6      757
Kalman filter, 40 steps                 2.8  1,455     135    5      913
Gaussian process, n = 9                 5.7    202      44    4      263
recurrent, hidden 4                      10  1,768     514   38    5,338
irregular, 1e4                           11  2,321   1,042   20    3,947
MLP 2-3-2, 4 samples                     14     28      14    3       72
bushy, 1e4                               14  2,516   1,193   40    3,790
Gaussian process, n = 25                 27    745     513    9    3,898
ridge by elimination                     28    287     148    4    1,355
MLP 2-3-2, 20 samples                    67     30      41    3      319
bushy, 1e5                               84  6,381  22,651  548   60,349
irregular, 1e5                           86  6,462  21,308  184   98,014
recurrent, hidden 16                    137    301   1,201   12   13,074
MLP 64-32-10, 1 sample                  481     22     373    3    2,599
sums of dots, 1e4                     3,402     43     383   27    4,756
========================  =================  =====  ======  ===  =======

In a browser without NumPy, as Pyodide is unless a page brings it, that is JavaScript, where a
program has more to do than a call of it takes.

A program over rows does each operation once per row. How many rows there will be is not known when
it is compiled. Straight-line code is up to 3 times as fast for one to four rows of a small network,
and 8 to 300 times slower for 32 rows, so there it is NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol
from warnings import warn

from tinygrad_edu.compiler.memory import Work
from tinygrad_edu.compiler.plan import Plan, plan, plan_of_numbers
from tinygrad_edu.compiler.sums import gather_sums
from tinygrad_edu.compiler.tape import ADDITIVE, Tape
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.tables import plural

TARGETS = ("auto", "numpy", "python", "c", "javascript")
NARROW = 40  # operations per instruction; with fewer, straight-line code is faster
CALL = 1_000  # operations of Python that take as long as a call of JavaScript in a browser
CHAIN = 10_000  # the matrices of a longer chain are not looked for
WIDTH = 2  # operations side by side on average: a chain has fewer


class Backend(Protocol):
    """A tape made ready to run."""

    vector: Any  # the parameters' numbers, in the order of the plan
    gradient: Any

    @property
    def source(self) -> str:
        """Return the code that runs."""

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""

    def steps(self, update: Update, rows: Any) -> Any:
        """Return what takes whole training steps on these rows, with a method ``take``, or None."""

    def outputs(self) -> Any:
        """Return the outputs of the last run, one row for each row of data."""


def plan_for(tape: Tape, lap: Callable[[str], None]) -> Plan:
    """Plan the loops of a tape; those of a long chain one by one, since no two are alike."""
    if is_chain(tape):
        chain = plan_of_numbers(tape)
        lap("plan")
        return chain
    nodes, kinds = gather_sums(tape)
    lap("gather")
    found = plan(tape, nodes, kinds)
    lap("plan")
    return found


def choose(tape: Tape, loops: Plan, columns: int, dtype: str) -> tuple[str, str]:
    """Return the faster target for a plan, and the reason as a sentence."""
    operations = sum(op is not None for op in tape.ops)
    each = operations / max(len(loops.forward), 1)
    counted = plural(operations, "operation") + " in " + plural(len(loops.forward), "instruction")
    if dtype != "float64":
        return "numpy", f"Straight-line Python has no {dtype}."
    try:
        extra("numpy", "numpy", "")
        missing = False
    except MissingExtraError:
        missing = True
    if missing and sys.platform == "emscripten" and (columns or operations > CALL):
        return "javascript", "NumPy is not installed, and the browser runs JavaScript."
    if not columns and each < NARROW:
        few = f"{counted} are {each:.1f} for each, and calls of NumPy pay from {NARROW}."
        return "python", few
    if missing:
        return "python", "NumPy is not installed."
    if columns:
        return "numpy", "It runs on rows of data, and with many rows, calls of NumPy pay."
    return "numpy", f"{counted} are {each:.1f} for each, so calls of NumPy pay."


@cache
def without_compiler() -> str:
    """Return "" if C can be compiled; else warn, the first time, and return the reason."""
    from tinygrad_edu.compiler.c_library import compiler

    try:
        compiler()
    except MissingExtraError as error:
        warn(f'{error}\n  Until then target="c" runs as target="auto" does.', stacklevel=6)
        return str(error).splitlines()[0]
    return ""


def price_of_c(plan: Plan) -> float:
    """Estimate the seconds that a C compiler takes."""
    return 0.1 + 0.005 * len(plan.forward)


def saved_by_c(plan: Plan, target: str, rows: int) -> float:
    """Estimate the seconds that machine code saves in a run: all but the arithmetic itself.

    For NumPy these are its calls, and for Python each operation.
    """
    if target == "numpy":
        return 2.5e-6 * len(plan.forward)
    if target == "python":
        return 0.08e-6 * rows * (plan.sizes["u"] + plan.sizes["b"])
    return 0.0


def backend_for(target: str, work: Work, lap: Callable[[str], None]) -> Backend:
    """Make a program ready to run on a target; ``lap`` is told the name of each stage at its end.

    A target is imported only where it is chosen.
    """
    if target == "graph":
        from tinygrad_edu.compiler.graph_backend import GraphBackend

        return GraphBackend(work, lap)
    if target == "python":
        from tinygrad_edu.compiler.python_backend import PythonBackend

        return PythonBackend(work, lap)
    if target == "c":
        from tinygrad_edu.compiler.c_backend import CBackend

        return CBackend(work, lap)
    if target == "javascript":
        from tinygrad_edu.compiler.javascript_backend import JavaScriptBackend

        return JavaScriptBackend(work, lap)
    extra("numpy", "numpy", 'the target "numpy"', "fast")
    from tinygrad_edu.compiler.numpy_backend import NumpyBackend

    return NumpyBackend(work, lap)


def is_chain(tape: Tape) -> bool:
    """Return True if next to nothing can be done side by side: a long chain, not a network.

    Additions do not count, however many there are, since they are gathered to sums.
    """
    level, count = [0] * len(tape), 0
    for slot, (op, left, right) in enumerate(zip(tape.ops, tape.left, tape.right, strict=True)):
        if op is not None:
            weighs, below = op not in ADDITIVE, level[left]
            if right >= 0 and level[right] > below:
                below = level[right]
            level[slot] = below + weighs
            count += weighs
    return CHAIN < count < WIDTH * max(level)
