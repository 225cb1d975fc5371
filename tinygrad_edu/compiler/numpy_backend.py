"""The target "numpy": stores of numbers, views of them, and the functions that fill them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.loops import Loop
from tinygrad_edu.compiler.memory import Work
from tinygrad_edu.compiler.numpy_writer import Code, code_of
from tinygrad_edu.compiler.tape import BATCHED
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.shared.samples import floats_in_rows, is_array

Array = NDArray[np.floating[Any]]
LONGEST = 300  # loops of one piece of code
MOST_SPACES = 8  # buffers are kept for so many different numbers of rows
FUNCTIONS = (
    "abs add copyto cos cosh divide einsum empty equal exp greater greater_equal less less_equal "
    "log log1p logical_and logical_or matmul maximum minimum multiply not_equal sin sqrt square "
    "subtract take tanh true_divide where zeros"
)


class NumpyBackend:
    """Runs a tape as a plan on NumPy's arrays."""

    def __init__(self, work: Work, lap: Callable[[str], None]) -> None:
        self.tape, self.plan = tape, plan = work.tape, work.plan
        self.columns, self.reduce, self.dtype = work.columns, work.reduce, np.dtype(work.dtype)
        backward = [*gradient(plan)]
        lap("adjoint")
        self.kind = plan.kinds[tape.root]
        self.root = int(self.plan.place[tape.root])
        self.penalty = int(self.plan.place[tape.penalty]) if tape.penalty >= 0 else -1
        sources: list[str] = []
        self.binds: list[Callable[..., Any]] = []
        for code in _pieces(plan.forward, backward):
            sources.append(code.source)
            lap("write")
            names = {**NAMES, **code.tables}
            exec(compile(sources[-1], "<compiled graph>", "exec"), names)
            self.binds.append(names.pop("bind"))  # so that no circle keeps the tables in memory
            lap("compile")
        self.source = "\n\n".join(sources)
        stores = map(np.asarray, work.memory)  # in single precision they are copied
        self.u, self.du = (store.astype(self.dtype, copy=False) for store in stores)
        count = len(plan.parameters)
        self.vector, self.gradient = self.u[:count], self.du[:count]
        self.output_places = [int(self.plan.place[slot]) for slot in tape.outputs]
        outputs = zip(self.output_places, tape.outputs, strict=True)
        self.same = [place for place, slot in outputs if plan.kinds[slot].store == "u"]
        self.kept = np.zeros(0)  # of the last run, those outputs that are the same in every row
        self.all_batched = all(plan.kinds[slot] is BATCHED for slot in tape.outputs)
        self.spaces: dict[int, Workspace] = {}
        if not self.columns:
            self.space = Workspace(self, 0)
        lap("bind")

    @np.errstate(all="ignore")
    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        self.vector[:] = parameters
        self.u[len(parameters) : len(parameters) + len(constants)] = constants

    @np.errstate(all="ignore")
    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        table = rows
        if not is_array(rows):
            with suppress(Exception):  # of tensors with gradients, or of what is masked
                table = np.array(rows)
            if not is_array(table) or table.ndim != 2:  # large integers, for example, are objects
                table = np.array(floats_in_rows(rows))
        least = np.minimum.reduce(table.ravel("K"))  # nan if one is nan; no array of booleans
        if least != least:
            return False
        space = self.spaces.pop(len(rows), None)
        if space is None:
            if len(self.spaces) == MOST_SPACES:
                del self.spaces[next(iter(self.spaces))]
            space = Workspace(self, len(rows))
        self.spaces[len(rows)] = self.space = space  # at the end, so the oldest is the first
        np.copyto(space.x, table, casting="same_kind")
        return True

    @np.errstate(all="ignore")  # as a decorator: half the cost of a `with`, which is 1 µs
    def run(self, *, backward: bool = True) -> float:
        """Run forward and backward on the rows taken, or on the whole graph; return the loss."""
        space, batch = self.space, len(self.space.x)
        for step in space.forward:
            step()
        if self.kind.per_row:
            numbers = space.b[self.root] if self.kind is BATCHED else space.x[:, self.root]
            total = float(np.add.reduce(numbers))
            loss = total if self.reduce == "sum" else total / batch
        else:
            loss = float(self.u[self.root])
        if self.penalty >= 0:
            loss += float(self.u[self.penalty])
        if self.same:
            self.kept = self.u[self.same]
        if backward:  # only now, since a result may be a parameter, whose gradient is kept
            if self.kind is BATCHED:
                space.db[self.root] = 1.0 if self.reduce == "sum" else 1.0 / batch
            elif not self.kind.per_row:
                self.du[self.root] = 1.0
            if self.penalty >= 0:
                self.du[self.penalty] = 1.0
            for step in space.backward:
                step()
        return loss

    def steps(self, update: Update, rows: Any) -> None:
        """Take no whole steps: Python would go from one to the next as others do."""

    def outputs(self) -> Array:
        """Return the outputs of the last run, one row for each row of data."""
        if self.all_batched:  # the common case, in one step
            return np.transpose(self.space.b[self.output_places])
        found = np.empty((len(self.space.x), len(self.output_places)), self.dtype)
        kept, stores = iter(self.kept), {"b": self.space.b, "i": self.space.x.T}
        for column, slot in enumerate(self.tape.outputs):
            store = stores.get(self.plan.kinds[slot].store)
            found[:, column] = next(kept) if store is None else store[self.output_places[column]]
        return found


class Workspace:
    """Buffers for one number of rows, and the two functions bound to them.

    The names of the code are bound to views of the buffers once, so that a run makes no views.
    """

    def __init__(self, backend: NumpyBackend, batch: int) -> None:
        rows = max(batch, 1)
        self.b = np.zeros((backend.plan.sizes["b"], rows), backend.dtype)
        self.db = np.zeros_like(self.b)
        self.x = np.zeros((rows, max(backend.columns, 1)), backend.dtype)
        stores = backend.u, backend.du, self.b, self.db, self.x.T
        bound = [bind(*stores) for bind in backend.binds]
        self.forward = [forward for forward, _ in bound]
        self.backward = [backward for _, backward in bound]


def _pieces(forward: Sequence[Loop], backward: Sequence[Loop]) -> Iterator[Code]:
    """Write both passes at once, or long ones in pieces: Python's compiler needs 10 kB per line."""
    if len(forward) + len(backward) <= LONGEST:
        yield code_of(forward, backward)
        return
    for at in range(0, len(forward), LONGEST):
        yield code_of(forward[at : at + LONGEST], ())
    for at in range(0, len(backward), LONGEST):
        yield code_of((), backward[at : at + LONGEST])


def strided(
    store: Array, offset: int, lengths: Sequence[int], steps: Sequence[int | None]
) -> Array:
    """Return a view of a store: steps are in places, None for the rows of data."""
    strides = [store.strides[1] if step is None else store.strides[0] * step for step in steps]
    view: Array = np.ndarray(lengths, store.dtype, store, offset * store.strides[0], strides)
    return view


def negative(x: Array, out: Array | None = None) -> Any:
    """Compute -x as a product: NumPy 2.4's negative takes neighbours for what is 64 bytes apart."""
    return np.multiply(x, -1.0, out=out)


def power(x: Array, y: Any, out: Array) -> None:
    """Compute x ** y with NumPy, but make (-inf) ** 0.5 infinite as IEEE 754 and the engine do.

    Where one exponent serves many numbers, NumPy takes a square root for 0.5, which is nan there.
    """
    roots = None
    if np.fmin.reduce(x, axis=None) == -np.inf:
        roots = np.equal(x, -np.inf) & np.equal(y, 0.5)
    np.power(x, y, out=out)
    if roots is not None:
        np.copyto(out, np.inf, where=roots)


def gate(condition: NDArray[np.bool_], x: Array, out: Array) -> None:
    """Compute x where the condition holds and 0 elsewhere, in the time of a product.

    It is the bits that are multiplied by 1 or 0, since 0 times infinity would be nan.
    """
    bits = np.int64 if out.itemsize == 8 else np.int32
    np.multiply(x.view(bits), condition, out=out.view(bits))


def with_holes(matrix: Array, at: NDArray[np.int64], numbers: Array, x: Array, out: Array) -> None:
    """Compute the product of x and a matrix that has numbers at some places and no others.

    Zeros stand at the others. They add nothing, unless a number of x is infinite or nan. Then every
    row of the product is, and the sums are taken of the numbers that there are.
    """
    matrix.reshape(-1)[at] = numbers
    np.matmul(matrix, x, out=out)
    total = np.add.reduce(out[0])
    if total - total != 0.0:
        there = np.zeros((*matrix.shape, 1), bool)
        there.reshape(-1)[at] = True
        np.add.reduce(np.where(there, matrix[:, :, None] * x, 0.0), axis=1, out=out)


HELPERS = (strided, negative, power, gate, with_holes)  # what the code calls beside NumPy
NAMES: dict[str, Any] = {name: getattr(np, name) for name in FUNCTIONS.split()}
NAMES |= {"sum": np.add.reduce, "reduceat": np.add.reduceat, "inf": np.inf, "nan": np.nan}
NAMES |= {helper.__name__: helper for helper in HELPERS}
