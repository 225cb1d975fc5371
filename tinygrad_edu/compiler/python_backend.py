"""The target "python": lists of floats, and the functions that fill them."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.python_code import python_source
from tinygrad_edu.compiler.tape import CONSTANT, Tape
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.guards import real
from tinygrad_edu.shared.arithmetic import exact_sum

FUNCTIONS = "abs cos cosh divide equal exp log log1p maximum minimum power sin sqrt tanh where"


class PythonBackend:
    """Runs a tape as straight-line Python."""

    matrix_products = 0
    equations = Equations((), ())

    def __init__(
        self, tape: Tape, columns: int, reduce: str, dtype: str, lap: Callable[[str], None]
    ) -> None:
        self.tape, self.columns, self.reduce = tape, columns, reduce
        self.parameter_slots = list(tape.parameters)
        self.constant_slots = [s for s, kind in enumerate(tape.kinds) if kind is CONSTANT]
        self.source, self.forward, self.backward = self._emit(tape, lap)
        self.instructions = sum(op is not None for op in tape.ops)
        self.v = [0.0] * len(tape)
        self.g = [0.0] * len(tape)
        self.vector = array("d", bytes(8 * len(self.parameter_slots)))
        self.gradient = array("d", self.vector)
        self.rows: list[list[float]] = [[]]  # a whole graph is one row without inputs

    def _emit(
        self, tape: Tape, lap: Callable[[str], None]
    ) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
        """Write the code; return it and its two functions."""
        source = python_source(tape)
        lap("emit")
        names: dict[str, Any] = {name: getattr(ieee, name) for name in FUNCTIONS.split()}
        names |= {"inf": ieee.INF, "nan": ieee.NAN}
        # one by one, since a parser's memory grows fast with the length of the text
        for function in source.split("\n\n"):
            exec(compile(function, "<compiled graph>", "exec"), names)
        lap("compile")
        return source, names["forward"], names["backward"]

    def load(self, parameters: list[float], constants: list[float]) -> None:
        """Put the numbers of the leaves into their slots."""
        self.vector[:] = array("d", parameters)
        for slot, number in zip(self.constant_slots, constants, strict=True):
            self.v[slot] = number

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        self.rows = [[real(number) for number in row] for row in rows]
        return all(number == number for row in self.rows for number in row)

    def run(self, *, backward: bool = True) -> float:
        """Run forward and backward, row by row; return the loss. Gradients of all rows add up."""
        v, g = self.v, self.g
        for slot, number in zip(self.parameter_slots, self.vector, strict=True):
            v[slot] = number
        losses, total = [], [0.0] * len(self.parameter_slots)
        self.seen: list[list[float]] = []
        count = len(self.rows)
        seed = 1.0 / count if self.reduce == "mean" else 1.0
        batched = self.tape.kinds[self.tape.root].per_row
        for row in self.rows:
            for slot, number in zip(self.tape.inputs, row, strict=True):
                if slot >= 0:
                    v[slot] = number
            self.forward(v, g)
            losses.append(v[self.tape.root])
            self.seen.append([v[slot] for slot in self.tape.outputs])
            if not backward:
                continue
            g[self.tape.root] = seed if batched else 1.0 / count
            if self.tape.penalty >= 0:  # it is added once, so each row adds its share
                g[self.tape.penalty] = 1.0 / count
            self.backward(v, g)
            total = [t + g[s] for t, s in zip(total, self.parameter_slots, strict=True)]
        self.gradient[:] = array("d", total)
        loss = exact_sum(losses) * seed if batched else losses[-1]
        return loss + (v[self.tape.penalty] if self.tape.penalty >= 0 else 0.0)

    def outputs(self) -> list[list[float]]:
        """Return the outputs of the last run: for each a list of one number per row."""
        return [list(column) for column in zip(*self.seen, strict=True)]
