"""The target "c": the stores, and the library of machine code that fills them."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.c_library import library
from tinygrad_edu.compiler.c_writer import HEADER, STORES, WHOLE, c_source, c_steps, padded
from tinygrad_edu.compiler.memory import Work, address, numbers, parts
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.shared.samples import floats_in_rows, is_array
from tinygrad_edu.shared.vectors import table_of


class Space(ctypes.Structure):
    """Where the stores are, and how many rows of data there are; C has the same ``struct``."""

    _fields_ = (*((name, ctypes.c_void_p) for name in STORES), ("rows", ctypes.c_long))


class CBackend:
    """Runs a plan as machine code."""

    def __init__(self, work: Work, lap: Callable[[str], None]) -> None:
        plan, columns = work.plan, work.columns
        self.plan, self.columns, self.wide = plan, columns, padded(columns)
        self.width = len(work.tape.outputs)
        self.source = c_source(work.tape, plan, gradient(plan), work.reduce, self.wide)
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
        for name, store in zip(("u", "du"), work.memory, strict=True):
            self.put(name, store)
        self.vector, self.gradient = work.vectors
        self.most = self.seen = -1  # rows that there is room for, and of the last run
        self.make_room(self.space.rows)
        lap("bind")

    def put(self, name: str, store: memoryview[float]) -> None:
        """Use this memory as a store, and tell C where it is."""
        self.stores[name] = store
        setattr(self.space, name, address(store))

    def make_room(self, rows: int) -> None:
        """Make room for so many rows of data. Gradients that nothing writes have to be 0."""
        self.space.rows, b = rows, self.plan.sizes["b"]
        if rows > self.most:
            self.most = rows
            for name, size in (("b", b), ("db", b), ("i", self.wide)):
                self.put(name, numbers(size * rows))
        else:
            ctypes.memset(self.space.db, 0, 8 * b * rows)
        self.x: Any = None

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        leaves = array("d", [*parameters, *constants])
        self.stores["u"][: len(leaves)] = memoryview(leaves)

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        if not is_array(rows):
            rows = floats_in_rows(rows)
        if len(rows) != self.space.rows:
            self.make_room(len(rows))
        if is_array(rows):
            if self.x is None:
                self.x = self.table(self.stores["i"], len(rows))
            self.x[...] = rows
        else:
            self.lay(rows, self.stores["i"])
        return bool(self.whole(self.address, self.wide * len(rows)))

    def lay(self, rows: Any, store: memoryview[float]) -> None:
        """Copy rows of data into a store, where each begins where a register does."""
        if is_array(rows):
            self.table(store, len(rows))[...] = rows
            return
        for at, row in enumerate(rows):
            start = at * self.wide
            store[start : start + self.columns] = memoryview(array("d", row))

    def table(self, store: memoryview[float], rows: int) -> Any:
        """Return NumPy's view of rows of data in a store."""
        import numpy

        return numpy.asarray(store).reshape(-1, self.wide)[:rows, : self.columns]

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""
        if self.seen != self.space.rows:
            self.seen = self.space.rows
            self.put("out", numbers(self.width * self.seen))
        loss: float = self.passes(self.address, backward)
        return loss

    def outputs(self) -> Any:
        """Return the outputs of the last run, one row for each row of data."""
        return table_of(self.stores["out"], self.seen, self.width)

    def steps(self, update: Update, rows: Any) -> CSteps:
        """Return what takes whole training steps on these rows of data."""
        return CSteps(self, update, rows)


class Course(ctypes.Structure):
    """What is trained on, and how; C has the same ``struct``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("run", "data", "shares", "rates", "order")),
        *((name, ctypes.c_void_p) for name in ("losses", "out", "s", "h")),
        *(
            (name, ctypes.c_long)
            for name in ("rows", "batch", "done", "wide", "last", "b", "outputs")
        ),
    )


class CSteps:
    """Takes whole training steps: which rows, both passes, and the change of the parameters.

    ``states`` is what is remembered of the parameters: as many stores as the formula asks for.
    """

    def __init__(self, backend: CBackend, update: Update, rows: Any) -> None:
        self.backend, wide = backend, backend.wide
        self.library = library(HEADER + c_steps(update))
        self.train = self.library.train
        self.train.restype, self.train.argtypes = ctypes.c_long, (ctypes.c_void_p, ctypes.c_void_p)
        self.data, self.told = numbers(wide * len(rows)), numbers(update.scalars)
        backend.lay(rows, self.data)
        self.kept = numbers(update.count * update.states)
        self.states = parts(self.kept, update.count)
        self.course = Course(
            run=ctypes.cast(backend.passes, ctypes.c_void_p).value,
            data=address(self.data),
            s=address(self.kept),
            h=address(self.told),
            wide=wide,
            last=backend.columns - 1,
            b=backend.plan.sizes["b"],
            outputs=backend.width,
        )

    def take(
        self,
        order: Sequence[int],
        batch: int,
        rates: Sequence[float],
        done: int,
        shares: Sequence[float] | None = None,
    ) -> tuple[list[Any], Any]:
        """Take a step on each batch of rows; return the losses, and the outputs of the rows.

        It ends before a step whose loss, or whose new parameters, would be nan or infinite.
        """
        course, backend = self.course, self.backend
        places, told = array("i", order), [array("d", some) for some in (rates, shares or ())]
        losses, out = numbers(len(rates)), numbers(backend.width * len(order))
        course.order = first(places)
        course.rates, course.shares = map(first, told)
        course.losses, course.out = address(losses), address(out)
        course.batch, course.done, course.rows = batch, done, len(order)
        backend.make_room(min(batch, len(order)))
        before = backend.vector.tobytes(), self.kept.tobytes()
        space = backend.address, ctypes.addressof(course)
        if (taken := self.train(*space)) < len(rates):
            for store, there in zip((backend.vector, self.kept), before, strict=True):
                store.cast("B")[:] = there
            course.rows = taken * batch
            self.train(*space)
        backend.seen = -1  # what the next run gives has a place of its own
        rows = min(taken * batch, len(order))
        return losses[:taken].tolist(), out[: backend.width * rows]


def first(array: array[Any]) -> int | None:
    """Return where an array begins; nothing for an empty one."""
    return array.buffer_info()[0] if array else None
