"""The target "javascript": typed arrays, and the functions that fill them, in V8 or a browser."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from tinygrad_edu.compiler.javascript_homes import BACKWARD, FORWARD, TRAIN, home_here
from tinygrad_edu.compiler.javascript_writer import javascript_steps, javascript_text
from tinygrad_edu.compiler.memory import Memory, numbers, parts
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.shared.samples import floats_in_rows, is_array


class JavaScriptBackend:
    """Runs a plan as JavaScript."""

    def __init__(
        self,
        tape: Tape,
        plan: Plan,
        columns: int,
        reduce: str,
        dtype: str,
        lap: Callable[[str], None],
        memory: Memory,
    ) -> None:
        home = home_here()
        self.plan, self.columns, self.width = plan, columns, len(tape.outputs)
        self.parameter_slots, self.constant_slots = plan.parameters, plan.constants
        self.instructions, self.matrix_products = len(plan.forward), plan.matrix_products
        self.source = javascript_text(tape, plan, reduce)
        lap("write")
        self.home = home(f"{self.source}\nreturn start([]);", array("d"))
        lap("compile")
        self.vector, self.gradient = (store[: len(plan.parameters)] for store in memory)
        self.constants = array("d")
        self.rows, self.count = array("d"), 1  # a whole graph is one row without inputs
        self.seen = array("d")

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        self.vector[:] = memoryview(array("d", parameters))
        self.constants = array("d", constants)

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        numbers = row_after_row(rows)
        complete = numbers == numbers  # as nan is not
        if complete:
            self.rows, self.count = numbers, len(rows)
        return complete

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""
        numbers = self.vector, self.constants, self.rows
        found = self.home.run(BACKWARD if backward else FORWARD, self.count, numbers)
        end = 1 + len(self.vector) if backward else 1
        if backward:
            self.gradient[:] = memoryview(found)[1:end]
        self.seen = found[end:]
        return found[0]

    def outputs(self) -> list[list[float]]:
        """Return the outputs of the last run, one row for each row of data."""
        some, width = self.seen.tolist(), self.width
        return [some[row * width : (row + 1) * width] for row in range(self.count)]

    def steps(self, update: Update, rows: Any) -> JavaScriptSteps:
        """Return what takes whole training steps on these rows of data."""
        return JavaScriptSteps(self, update, rows)


class JavaScriptSteps:
    """Takes whole training steps as ``CSteps`` does, on rows of data that stay in JavaScript."""

    def __init__(self, backend: JavaScriptBackend, update: Update, rows: Any) -> None:
        self.backend = backend
        text = javascript_steps(backend.source, update, backend.columns)
        self.home = home_here()(text, row_after_row(rows))
        self.kept = numbers(update.count * update.states)
        self.states = parts(self.kept, update.count)

    def take(
        self,
        order: Sequence[int],
        batch: int,
        rates: Sequence[float],
        done: int,
        shares: Sequence[float] | None = None,
    ) -> tuple[list[float], Any]:
        """Take a step on each batch of rows; return the losses, and the outputs of the rows.

        It ends before a step whose loss, or whose new parameters, would be nan or infinite.
        """
        backend = self.backend
        counts = done, len(rates), len(shares or ())
        told = [array("d", some) for some in (counts, rates, shares or (), order)]
        leaves = backend.vector, backend.constants
        found = self.home.run(TRAIN, batch, (*leaves, told[0], self.kept, *told[1:]))
        at = 1 + int(found[0])
        losses = found[1:at].tolist()
        for store in (backend.vector, backend.gradient, self.kept):
            store[:] = memoryview(found)[at : at + len(store)]
            at += len(store)
        return losses, found[at:]


def row_after_row(rows: Any) -> array[float]:
    """Return the numbers of all rows in one piece."""
    if is_array(rows):
        return array("d", rows.astype("float64").tobytes())
    return array("d", chain.from_iterable(floats_in_rows(rows)))
