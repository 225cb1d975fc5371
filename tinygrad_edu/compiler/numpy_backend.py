"""The target "numpy": stores of numbers, views of them, and the functions that fill them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.layout import plan
from tinygrad_edu.compiler.notation import equations_of
from tinygrad_edu.compiler.numpy_code import Code, View, Writer
from tinygrad_edu.compiler.record import Tape
from tinygrad_edu.compiler.sums import gather_sums

Array = NDArray[np.floating[Any]]
MOST_SPACES = 8  # numbers of rows that buffers are kept for
FUNCTIONS = (
    "abs add copyto cos cosh divide einsum equal exp greater greater_equal less less_equal log "
    "log1p logical_and matmul maximum minimum multiply negative sin sqrt square subtract "
    "take tanh true_divide where"
)


class NumpyBackend:
    """A planned tape in arrays."""

    def __init__(self, tape: Tape, columns: int, reduce: str, dtype: str, clock: Any) -> None:
        nodes, kinds = gather_sums(tape)
        clock.lap("gather")
        self.plan = plan(tape, nodes, kinds)
        clock.lap("layout")
        self.tape, self.columns, self.reduce, self.dtype = tape, columns, reduce, np.dtype(dtype)
        self.kind = kinds[tape.root]
        self.root = int(self.plan.place[tape.root])
        self.penalty = int(self.plan.place[tape.penalty]) if tape.penalty >= 0 else -1
        writer = Writer(self.plan)
        writer.forward()
        writer.backward()
        self.code: Code = writer.code
        clock.lap("emit")
        self.parameter_slots, self.constant_slots = self.plan.parameters, self.plan.constants
        self.instructions = len(self.plan.instructions)
        self.matrix_products = self.plan.matrix_products
        self.u = np.zeros(self.plan.sizes["u"], self.dtype)
        self.du = np.zeros_like(self.u)
        count = len(self.parameter_slots)
        self.vector, self.gradient = self.u[:count], self.du[:count]
        self.output_places = [int(self.plan.place[slot]) for slot in tape.outputs]
        self.rows_alone = all(kinds[slot] == "b" for slot in tape.outputs)
        self.spaces: dict[int, Workspace] = {}
        if not columns:
            self.space = Workspace(self, 0)

    @np.errstate(all="ignore")
    def load(self, parameters: list[float], constants: list[float]) -> None:
        """Fill the stores with the numbers of leaves."""
        self.vector[:] = parameters
        self.u[len(parameters) : len(parameters) + len(constants)] = constants

    @np.errstate(all="ignore")
    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the runs to come; False if there is a nan among them."""
        space = self.spaces.pop(len(rows), None) or Workspace(self, len(rows))
        self.spaces[len(rows)] = self.space = space  # the latest at the end
        if len(self.spaces) > MOST_SPACES:
            del self.spaces[next(iter(self.spaces))]
        np.copyto(space.x, rows, casting="same_kind")
        least = np.minimum.reduce(space.x.ravel())  # nan if there is one
        return bool(least == least)

    @np.errstate(all="ignore")  # as a decorator: half the cost of a with, which is 1 µs
    def run(self, *, backward: bool = True) -> float:
        """Forward and backward, for the rows taken or for the whole graph."""
        space, batch = self.space, len(self.space.x)
        space.forward()
        if self.kind in "bi":
            numbers = space.b[self.root] if self.kind == "b" else space.x[:, self.root]
            total = float(np.add.reduce(numbers))
            if self.kind == "b":
                space.db[self.root] = 1.0 if self.reduce == "sum" else 1.0 / batch
            loss = total if self.reduce == "sum" else total / batch
        else:
            self.du[self.root] = 1.0
            loss = float(self.u[self.root])
        if self.penalty >= 0:
            self.du[self.penalty] = 1.0
            loss += float(self.u[self.penalty])
        if backward:
            space.backward()
        return loss

    def outputs(self) -> Any:
        """What the outputs were in the last run: for each a number, or an array of one a row."""
        if self.rows_alone:
            return self.space.b[self.output_places]
        stores = {"u": self.u, "p": self.u, "c": self.u, "b": self.space.b, "i": self.space.x.T}
        slots = self.tape.outputs
        return [stores[self.plan.kinds[s]][self.plan.place[s]].copy() for s in slots]

    @property
    def source(self) -> str:
        """The two functions, as they are run."""
        return source_of(self.code)

    @property
    def equations(self) -> Equations:
        """The plan in the book's notation."""
        return equations_of(self.plan, self.u[len(self.parameter_slots) :].tolist())


class Workspace:
    """Buffers for one number of rows, and the two functions bound to them."""

    def __init__(self, backend: NumpyBackend, batch: int) -> None:
        rows = max(batch, 1)
        dtype = backend.dtype
        self.b = np.zeros((backend.plan.sizes["b"], rows), dtype)
        self.db = np.zeros_like(self.b)
        self.x = np.zeros((rows, max(backend.columns, 1)), dtype)
        stores = {"u": backend.u, "du": backend.du, "b": self.b, "db": self.db, "i": self.x.T}
        names: dict[str, Any] = {name: getattr(np, name) for name in FUNCTIONS.split()}
        names |= {"sum": np.add.reduce, "reduceat": np.add.reduceat, "inf": np.inf, "nan": np.nan}
        names["power"] = power
        names |= stores | backend.code.tables
        for name, view in backend.code.views.items():
            array = _array(view, stores, rows, dtype)
            if view.places is not None:
                flat = (view.places.size, rows) if view.batched else (view.places.size,)
                names[f"flat_{name}"] = array.reshape(flat)
            names[name] = array[..., None] if view.lift else array
        exec(compile(source_of(backend.code), "<compiled graph>", "exec"), names)
        self.forward, self.backward = names["forward"], names["backward"]


def power(x: Array, y: Any, out: Array) -> None:
    """NumPy's, but for (-inf) ** 0.5, which IEEE 754 and eager have as inf, NumPy mostly as nan.

    Where one exponent serves many numbers, NumPy takes a square root for 0.5.
    """
    roots = None
    if np.fmin.reduce(x, axis=None) == -np.inf:
        roots = np.equal(x, -np.inf) & np.equal(y, 0.5)
    np.power(x, y, out=out)
    if roots is not None:
        np.copyto(out, np.inf, where=roots)


def source_of(code: Code) -> str:
    """The code as Python."""
    return "\n".join(
        [
            "def forward():",
            *(f"    {line}" for line in code.forward or ["pass"]),
            "",
            "def backward():",
            *(f"    {line}" for line in code.backward or ["pass"]),
            "",
        ]
    )


def _array(view: View, stores: dict[str, Array], rows: int, dtype: Any) -> Any:
    """The array that a name stands for: a view of a store, or a buffer of its own."""
    shape = (*view.shape, rows) if view.batched else view.shape
    if view.store == "?":
        return np.empty(shape, bool)
    if view.store == "t" or view.places is not None:
        return np.empty(shape, dtype)
    base = stores[view.store]
    steps = [base.strides[0] * step for step in view.strides]
    return as_strided(base[view.offset :], shape, steps + [*base.strides[1:]] * view.batched)
