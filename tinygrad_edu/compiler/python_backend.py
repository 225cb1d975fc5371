"""The target "python": lists of floats, and the functions that fill them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.memory import Work
from tinygrad_edu.compiler.python_writer import python_functions, with_callers
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.engine import ieee
from tinygrad_edu.shared.arithmetic import exact_sum
from tinygrad_edu.shared.samples import floats_in_rows

FUNCTIONS = "abs cos cosh divide equal exp log log1p maximum minimum power sin sqrt tanh where"
NAMES: dict[str, Any] = {name: getattr(ieee, name) for name in FUNCTIONS.split()}
NAMES |= {"inf": ieee.INF, "nan": ieee.NAN}


class PythonBackend:
    """Runs a plan as straight-line Python, one row of data after the other."""

    def __init__(self, work: Work, lap: Callable[[str], None]) -> None:
        self.tape, self.plan, self.reduce = work.tape, work.plan, work.reduce
        self.stores = {
            "u": [0.0] * self.plan.sizes["u"],
            "b": [0.0] * self.plan.sizes["b"],
            "i": [0.0] * work.columns,
        }
        self.stores |= {"d" + store: self.stores[store][:] for store in "ub"}
        self.source = self._emit(lap)
        self.vector, self.gradient = work.vectors
        self.rows: list[list[float]] = [[]]  # a whole graph is one row without inputs

    def _emit(self, lap: Callable[[str], None]) -> str:
        """Write the code and compile it; return it."""
        plan = self.plan
        results = [f"{plan.kinds[slot].store}{plan.place[slot]}" for slot in self.tape.results()]
        gradients = [f"du{place}" for place in range(len(plan.parameters))]
        passes = python_functions(plan.forward, gradient(plan), results, gradients)
        lap("write")
        names = dict(NAMES)
        self.passes = [[_compiled(source, names) for source in sources] for sources in passes]
        lap("compile")
        return with_callers(passes)

    def forward(self) -> None:
        """Fill the stores with what is computed."""
        for function in self.passes[0]:
            function(**self.stores)

    def backward(self) -> None:
        """Fill the stores with gradients."""
        for function in self.passes[1]:
            function(**self.stores)

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        self.vector[:] = memoryview(array("d", parameters))
        self.stores["u"][len(parameters) : len(parameters) + len(constants)] = constants

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        table = floats_in_rows(rows)
        complete = all(number == number for row in table for number in row)
        self.rows = table if complete else self.rows
        return complete

    def run(self, *, backward: bool = True) -> float:
        """Run forward and backward, row by row; return the loss. Gradients of all rows add up."""
        tape, stores, count = self.tape, self.stores, len(self.rows)
        parameters = len(self.plan.parameters)
        stores["u"][:parameters] = self.vector
        losses, total = [], [0.0] * parameters
        self.seen: list[list[float]] = []
        seed = 1.0 / count if self.reduce == "mean" else 1.0
        batched = tape.kinds[tape.root].per_row
        for row in self.rows:
            stores["i"][:] = row
            self.forward()
            losses.append(self.number(tape.root))
            self.seen.append([self.number(slot) for slot in tape.outputs])
            if not backward:
                continue
            self._give(tape.root, seed if batched else 1.0 / count)
            if tape.penalty >= 0:  # it is added once, so each row adds its share
                self._give(tape.penalty, 1.0 / count)
            self.backward()
            total = [t + g for t, g in zip(total, stores["du"], strict=False)]
        if backward:
            self.gradient[:] = memoryview(array("d", total))
        loss = exact_sum(losses) * seed if batched else losses[-1]
        return loss + (self.number(tape.penalty) if tape.penalty >= 0 else 0.0)

    def number(self, slot: int) -> float:
        """Return what a slot holds after the last row."""
        number: float = self.stores[self.tape.kinds[slot].store][self.plan.place[slot]]
        return number

    def _give(self, slot: int, cotangent: float) -> None:
        """Give a result its gradient; an input keeps none."""
        store = self.stores.get("d" + self.tape.kinds[slot].store)
        if store is not None:
            store[self.plan.place[slot]] = cotangent

    def steps(self, update: Update, rows: Any) -> None:
        """Take no whole steps: Python would go from one to the next as others do."""

    def outputs(self) -> list[list[float]]:
        """Return the outputs of the last run, one row for each row of data."""
        return self.seen


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., None]:
    """Return the one function that is written there.

    Each is compiled on its own, since a parser's memory grows fast with the length of the text; and
    it is not among the names that it can see, so that no circle keeps it in memory.
    """
    exec(compile(source, "<compiled graph>", "exec"), names)
    function: Callable[..., None] = names.pop(source[4 : source.index("(")])
    return function
