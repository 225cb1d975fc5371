"""The target "javascript": typed arrays, and the functions that fill them, in V8 or a browser."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from tinygrad_edu.compiler.javascript_homes import BACKWARD, FORWARD, TRAIN, home_here
from tinygrad_edu.compiler.javascript_writer import javascript_steps, javascript_text
from tinygrad_edu.compiler.memory import Work, numbers, parts
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.shared.samples import floats_in_rows, is_array
from tinygrad_edu.shared.vectors import table_of


class JavaScriptBackend:
    """Runs a plan as JavaScript."""

    def __init__(self, work: Work, lap: Callable[[str], None]) -> None:
        home = home_here()
        self.columns, self.width = work.columns, len(work.tape.outputs)
        self.source = javascript_text(work.tape, work.plan, work.reduce)
        lap("write")
        self.home = home(f"{self.source}\nreturn start([]);", array("d"))
        lap("compile")
        self.vector, self.gradient = work.vectors
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

    def outputs(self) -> Any:
        """Return the outputs of the last run, one row for each row of data."""
        return table_of(self.seen, self.count, self.width)

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
