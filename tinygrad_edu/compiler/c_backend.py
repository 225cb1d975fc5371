"""The target "c": the stores, and the library of machine code that fills them."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.c_library import library
from tinygrad_edu.compiler.c_writer import HEADER, WHOLE, c_source, padded
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.shared.samples import floats_in_rows, is_array

ALIGNED = 64  # bytes: a line of the processor's cache
STORES = ("u", "du", "b", "db", "i", "out")


class Space(ctypes.Structure):
    """Where the stores are, and how many rows of data there are; C has the same ``struct``."""

    _fields_ = (*((name, ctypes.c_void_p) for name in STORES), ("rows", ctypes.c_long))


class CBackend:
    """Runs a plan as machine code."""

    def __init__(
        self,
        tape: Tape,
        plan: Plan,
        columns: int,
        reduce: str,
        dtype: str,
        lap: Callable[[str], None],
    ) -> None:
        self.tape, self.plan, self.columns, self.wide = tape, plan, columns, padded(columns)
        self.parameter_slots, self.constant_slots = plan.parameters, plan.constants
        self.instructions, self.matrix_products = len(plan.forward), plan.matrix_products
        self.source = c_source(tape, plan, gradient(plan), reduce, self.wide)
        lap("write")
        self.library = library(HEADER + self.source + WHOLE)
        lap("compile")
        self.passes, self.whole = self.library.run, self.library.whole
        self.passes.restype = ctypes.c_double
        self.passes.argtypes = ctypes.c_void_p, ctypes.c_int
        self.whole.argtypes = ctypes.c_void_p, ctypes.c_long
        self.space = Space(rows=0 if columns else 1)  # a whole graph is one row without inputs
        self.address = ctypes.addressof(self.space)
        self.stores: dict[str, memoryview[float]] = {}
        count = len(plan.parameters)
        self.vector, self.gradient = (self._store(u, plan.sizes["u"])[:count] for u in ("u", "du"))
        self.most = self.seen = -1  # rows that there is room for, and of the last run
        self._make_room(self.space.rows)
        lap("bind")

    def _store(self, name: str, count: int) -> memoryview[float]:
        """Make a store of zeros, where a line of the cache begins, and tell C where it is."""
        room = (ctypes.c_char * (8 * count + ALIGNED))()
        start = -ctypes.addressof(room) % ALIGNED
        setattr(self.space, name, ctypes.addressof(room) + start)
        store = memoryview(room).cast("B")[start : start + 8 * count].cast("d")
        self.stores[name] = store
        return store

    def _make_room(self, rows: int) -> None:
        """Make room for so many rows of data. Gradients that nothing writes have to be 0."""
        self.space.rows, b = rows, self.plan.sizes["b"]
        if rows > self.most:
            self.most = rows
            for name, size in (("b", b), ("db", b), ("i", self.wide)):
                self._store(name, size * rows)
        else:
            ctypes.memset(self.space.db, 0, 8 * b * rows)
        self.x: Any = None

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        numbers = array("d", [*parameters, *constants])
        self.stores["u"][: len(numbers)] = memoryview(numbers)

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        if not is_array(rows):
            rows = floats_in_rows(rows)
        if len(rows) != self.space.rows:
            self._make_room(len(rows))
        if is_array(rows):
            if self.x is None:
                import numpy

                table = numpy.asarray(self.stores["i"])
                self.x = table.reshape(-1, self.wide)[: len(rows), : self.columns]
            self.x[...] = rows
        else:
            for at, row in enumerate(rows):
                start = at * self.wide
                self.stores["i"][start : start + self.columns] = memoryview(array("d", row))
        return bool(self.whole(self.address, self.wide * len(rows)))

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""
        if self.seen != self.space.rows:
            self.seen = self.space.rows
            self._store("out", len(self.tape.outputs) * self.seen)
        loss: float = self.passes(self.address, backward)
        return loss

    def outputs(self) -> list[list[float]]:
        """Return the outputs of the last run, one row for each row of data."""
        numbers: list[Any] = self.stores["out"].tolist()
        count = len(self.tape.outputs)
        return [numbers[at * count : (at + 1) * count] for at in range(self.seen)]
