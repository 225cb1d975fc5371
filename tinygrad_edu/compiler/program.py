"""Stage 8: a compiled graph that can be called, in the learner's own Values or in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.passes import (
    drop_dead,
    fold_constants,
    narrow,
    share_common,
    split_penalty,
)
from tinygrad_edu.compiler.record import Tape, record
from tinygrad_edu.compiler.sums import exponent
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import LengthError, SettingError, StaleGraphError
from tinygrad_edu.engine.ops import POW
from tinygrad_edu.shared.arguments import extra

PASSES = (fold_constants, share_common, split_penalty, drop_dead)
TARGETS, REDUCTIONS, DTYPES = ("numpy", "python"), ("mean", "sum"), ("float64", "float32")


def compile_graph(
    root: Value,
    inputs: Sequence[Value] | None = None,
    reduce: str = "mean",
    dtype: str = "float64",
    target: str = "numpy",
    outputs: Sequence[Value] = (),
) -> Program:
    """Compile the graph below ``root`` to a program of matrices that computes it and its gradient.

    Two ways to use it: a loss over all samples, as one graph (``inputs`` None); or the loss of one
    sample, whose inputs (features and targets) then get a row of data each.

    Parameters
    ----------
    root : Value, the loss
    inputs : Values that data is passed for, in the order of the columns of ``X``; all other leaves
        that are no constants are parameters
    reduce : "mean" or "sum" of the rows' losses; what depends on no input, such as a penalty on
        the parameters, is added once
    dtype : "float64" or "float32", for the target "numpy"
    target : "numpy", or "python": straight-line code without dependencies, which also serves for
        "numpy" where a graph is one long chain and has nothing to do side by side
    outputs : Values of the graph whose numbers :meth:`Program.outputs` tells, such as logits

    Returns
    -------
    Program

    Raises
    ------
    SettingError
        If there is nothing to differentiate by, or a setting is none of the above.
    MissingExtraError
        If NumPy is needed and not installed.

    Notes
    -----
    The numbers are those of ``root.backward()`` to rounding: sums are taken in another order, so
    where infinities of both signs meet, what is nan here may be infinite there. And NumPy decides
    whether the maximum or minimum of 0.0 and -0.0, or the relu of -0.0, is 0.0 or -0.0.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.compiler import compile_graph
    >>> w, x = Value(2.0, "w"), Value(0.0, "x")
    >>> program = compile_graph((w * x - 1.0) ** 2, inputs=[x])
    >>> program.backward([[1.0], [3.0]])
    13.0
    >>> program.gradient.tolist()
    [16.0]
    """
    given = [] if inputs is None else list(inputs)
    for name, value, allowed in (
        ("reduce", reduce, REDUCTIONS), ("dtype", dtype, DTYPES), ("target", target, TARGETS)
    ):  # fmt: skip
        if value not in allowed:
            raise SettingError(
                f"{name} is {value!r}.", expected=" or ".join(allowed), fix=f"choose a {name}."
            )
    for x in (root, *outputs):
        if not isinstance(x, Value):
            raise SettingError(f"{x!r:.60} is no Value of a graph.", fix="pass loss, or logits.")
    for x in given:
        if not isinstance(x, Value) or x.op is not None or x.constant:
            raise SettingError(
                f"the input {x!r:.60} is no leaf of the graph.",
                fix="pass the Values that the sample's graph was built from: Value(0.0), ...",
            )
    if len(set(given)) < len(given):
        raise SettingError("an input is given twice.", fix="give each Value one column of X.")
    return Program(root, given, reduce, dtype, target, outputs)


class Program:
    """What :func:`compile_graph` returns.

    Attributes
    ----------
    parameters : tuple of Value, in the order of ``vector`` and ``gradient``
    vector : array, the parameters; each weight matrix is a contiguous part of it
    gradient : array, d(loss)/d(parameter) of the last :meth:`backward`
    loss : float, of the last :meth:`backward`
    tape : Tape, the recorded instructions after the passes; prints one a line
    source : str, the Python that runs
    equations : Equations, the matrix equations found; ``print`` them, or take ``.latex``
    stats : dict, with ``nodes``, ``instructions``, ``matrix_products``, ``seconds`` per stage
        and the ``target`` that runs
    """

    def __init__(
        self,
        root: Value,
        inputs: Sequence[Value],
        reduce: str,
        dtype: str,
        target: str,
        outputs: Sequence[Value],
    ) -> None:
        self.settings = {"reduce": reduce, "dtype": dtype, "target": target}
        clock = _Clock()
        recorded, order = record(root, inputs, outputs)
        clock.lap("record")
        self.signature = signature(recorded)
        self.tape = optimised(recorded)
        clock.lap("passes")
        _check(self.tape, inputs)
        self.columns = len(inputs)
        self.loss, self.ran = float("nan"), False
        if target == "numpy" and dtype == "float64" and not inputs and narrow(self.tape):
            target = "python"
        self.backend = _backend(target)(self.tape, self.columns, reduce, dtype, clock)
        self.vector, self.gradient = self._arrays()
        self._bind(recorded, order)
        self.stats: dict[str, Any] = {
            "nodes": len(recorded),
            "instructions": self.backend.instructions,
            "matrix_products": self.backend.matrix_products,
            "seconds": clock.laps,
            "target": target,
        }
        self.pull()

    def backward(self, X: Any = None) -> float:
        """Compute ``loss`` and ``gradient``; return the loss.

        Parameters
        ----------
        X : array of shape (rows, inputs), a column for each of the ``inputs`` compiled for, in
            their order; None where the whole graph was compiled. The loss is the mean (or sum)
            over rows

        Raises
        ------
        LengthError
            If X has no rows, or not a column for each input.
        SettingError
            If X holds a nan, which would silently spoil every gradient.
        """
        return self._run(X, backward=True)

    def forward(self, X: Any = None) -> float:
        """Compute ``loss`` alone, as :meth:`backward` does; return it."""
        return self._run(X, backward=False)

    def outputs(self) -> Sequence[Any]:
        """What the ``outputs`` compiled for were in the last run: for each a number a row."""
        if not self.ran:
            raise SettingError("nothing has run yet.", fix="call forward() or backward() first.")
        found: Sequence[Any] = self.backend.outputs()
        return found

    def pull(self) -> None:
        """Take the numbers of the Values (parameters, constants) into the program."""
        self.backend.load([p.data for p in self.parameters], [c.data for c in self._constants])

    def push(self) -> None:
        """Write ``vector`` and ``gradient`` back to the parameters' ``data`` and ``grad``."""
        for name, numbers in (("data", self.vector), ("grad", self.gradient)):
            set_numbers(self.parameters, name, numbers.tolist())

    def rebind(self, root: Value, inputs: Sequence[Value] = ()) -> None:
        """Serve another graph of the same structure, such as that of another minibatch.

        Raises
        ------
        StaleGraphError
            If its structure is another one.
        """
        self.serve(*record(root, inputs))

    def serve(self, recorded: Tape, order: Sequence[Value]) -> None:
        """What :meth:`rebind` does, for a graph that is recorded already."""
        if signature(recorded) != self.signature:
            raise StaleGraphError(
                f"this graph of {len(recorded):,} nodes is built otherwise than the compiled one.",
                where="another operation, another order, or another number of samples",
                fix="compile it on its own, or use ProgramCache, which does when it must.",
            )
        self._bind(recorded, order)
        self.pull()

    @property
    def source(self) -> str:
        """The Python that runs."""
        return str(self.backend.source)

    @property
    def equations(self) -> Equations:
        """The matrix equations that were found; empty for the target "python"."""
        found: Equations = self.backend.equations
        return found

    def __repr__(self) -> str:
        return (
            f"Program({self.stats['target']}, {len(self.parameters):,} parameters, "
            f"{self.stats['nodes']:,} nodes in {self.stats['instructions']:,} instructions, "
            f"{self.stats['matrix_products']} matrix products)"
        )

    def _arrays(self) -> tuple[Any, Any]:
        """The backend's vector and gradient; NumPy's arrays, where that target was asked for."""
        pair = self.backend.vector, self.backend.gradient
        if self.settings["target"] == "python":
            return pair
        np = extra("numpy", "numpy", 'the target "numpy"', "fast")
        return np.asarray(pair[0]), np.asarray(pair[1])  # views: they share the memory

    def _bind(self, recorded: Tape, order: Sequence[Value]) -> None:
        """Remember which Values the parameters and the constants are."""
        slots = [self.tape.recorded[slot] for slot in self.backend.parameter_slots]
        self.parameters = tuple(order[slot] for slot in slots)
        self._constants = [order[self.tape.recorded[slot]] for slot in self.backend.constant_slots]

    def _run(self, X: Any, *, backward: bool) -> float:
        self._take(X)
        self.loss, self.ran = self.backend.run(backward=backward), True
        return self.loss

    def __deepcopy__(self, memo: Any) -> Program:
        raise SettingError(
            "a program can't be copied or pickled: its code is bound to its arrays.",
            fix="compile the graph again; compile_graph takes moments.",
        )

    def __reduce__(self) -> Any:
        return self.__deepcopy__({})

    def _take(self, X: Any) -> None:
        if X is None and not self.columns:
            return
        if not self.columns:
            raise LengthError(
                "this program was compiled for a whole graph, so it takes no X.",
                fix="call backward(), or compile one sample with inputs=[...].",
            )
        shape = getattr(X, "shape", None) or _shape(X)
        if len(shape) != 2 or shape[1] != self.columns or not shape[0]:
            raise LengthError(
                f"X has the shape {shape}.",
                expected=f"(rows, {self.columns}): at least one row, a column for each input",
                fix="pass the inputs in the order they were compiled in, one sample a row.",
            )
        try:
            whole = self.backend.take(X)
        except (TypeError, ValueError, OverflowError) as error:
            raise SettingError(
                f"X can't be read as numbers: {error}.", fix="pass floats, or an array of them."
            ) from error
        if not whole:
            raise SettingError(
                "X holds a nan.",
                where="it would make every gradient nan",
                fix="fill or drop the rows with missing numbers.",
            )


def optimised(recorded: Tape) -> Tape:
    """The tape after all PASSES, in order."""
    for change in PASSES:
        recorded = change(recorded)
    return recorded


def signature(tape: Tape) -> int:
    """A number that two graphs share if they are built alike, whatever their numbers are.

    Constant exponents are part of how they are built: a square is no cube.
    """
    names = tuple(op.name if op is not None else "" for op in tape.ops)
    folded = fold_constants(tape) if POW.name in names else tape
    exponents = tuple(
        repr(exponent(folded, slot)) for slot, name in enumerate(names) if name == POW.name
    )
    built = (names, tuple(tape.left), tuple(tape.right), tuple(tape.kinds), tape.inputs, exponents)
    return hash(built)


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.laps[stage], self.last = now - self.last, now


def _backend(target: str) -> Any:
    if target == "python":
        from tinygrad_edu.compiler.python_backend import PythonBackend

        return PythonBackend
    extra("numpy", "numpy", 'the target "numpy"', "fast")
    from tinygrad_edu.compiler.numpy_backend import NumpyBackend

    return NumpyBackend


def _check(tape: Tape, inputs: Sequence[Value]) -> None:
    if not tape.parameters:
        raise SettingError(
            "the graph has no parameters, so there is nothing to differentiate by.",
            where="every leaf is a constant or one of the inputs",
            fix="make what is to be learned a Value of its own, and no input.",
        )
    if inputs and not any(slot >= 0 for slot in tape.inputs):
        raise SettingError(
            f"the result depends on none of the {len(inputs)} inputs.",
            fix="pass as inputs the Values that the sample's graph was built from.",
        )


def _shape(X: Any) -> tuple[int, ...]:
    try:
        lengths = {len(row) for row in X}
        return len(X), lengths.pop() if len(lengths) == 1 else 0
    except (TypeError, KeyError):
        return ()
