"""Stage 8: a compiled graph that can be called, with the learner's own Values or with arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from threading import RLock
from time import perf_counter
from typing import Any

from tinygrad_edu.compiler.adjoint import Passes, gradient
from tinygrad_edu.compiler.arguments import check_leaves, checked, numbers_for, rows_for
from tinygrad_edu.compiler.arrays import Array
from tinygrad_edu.compiler.binding import Constants, fixed_in, structure_of
from tinygrad_edu.compiler.equations import Equations, Views, views_by_name
from tinygrad_edu.compiler.languages import (
    MOST_LINES,
    Language,
    Snapshot,
    language_called,
    language_of,
)
from tinygrad_edu.compiler.memory import Memory, Work
from tinygrad_edu.compiler.notation import equations_of
from tinygrad_edu.compiler.passes import (
    drop_dead,
    drop_zeros,
    fold_constants,
    share_data,
    share_rows,
    split_penalty,
)
from tinygrad_edu.compiler.plan import plan_of_numbers
from tinygrad_edu.compiler.reading import with_names
from tinygrad_edu.compiler.record import record
from tinygrad_edu.compiler.softmax import stabilize_softmax
from tinygrad_edu.compiler.targets import (
    TARGETS,
    backend_for,
    choose,
    plan_for,
    price_of_c,
    saved_by_c,
    without_compiler,
)
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import MissingExtraError, SettingError, StaleGraphError
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.shared.files import as_path, write_atomically
from tinygrad_edu.shared.tables import plural
from tinygrad_edu.shared.vectors import as_array, fill

# the penalty first: a softmax cancels what each row subtracts, which is not what is added once
PASSES = (
    drop_zeros,
    fold_constants,
    share_rows,
    split_penalty,
    share_data,
    drop_dead,
    stabilize_softmax,
)
# inside fault(...) the graph runs as it was built; but a sum of rows has to add a penalty once
_EXACT = {"mean": (), "sum": (split_penalty,)}
MOST_NAMED = 2_000  # instructions of a program whose source has the names of its equations
# anew in each copy
_MADE = ("_plan", "_memory", "backend", "stats", "ran", "_vector", "_gradient", "_lock")


def compile_graph(
    root: Value,
    inputs: Sequence[Value] | None = None,
    reduce: str = "mean",
    dtype: str = "float64",
    target: str = "auto",
    outputs: Sequence[Value] | None = (),
) -> Program:
    """Compile the graph below ``root`` to a program of matrices for its value and gradient.

    There are two ways to use it:

    - **A whole graph.** Without ``inputs``, ``root`` is the loss over all samples, as one graph.
      The data stand in it as constants, so ``program.backward()`` takes none.
    - **A sample, and rows.** With ``inputs``, ``root`` is the loss of one sample, and
      ``program.backward(X)`` runs it for each row of a table, whose columns are the inputs
      (features and targets). The numbers that the inputs have when they are compiled do not count.

    A program repeats the operations on Values that built the graph, and nothing else. What Python
    decided meanwhile is **baked in**, the same for all rows and all runs: the branch that an ``if``
    took, how often a loop ran, a number read by ``v.data`` or ``float(v)``, a constant made by
    ``v.detach()``, random numbers such as the mask of a ``Dropout``. So write a choice as an
    operation (``maximum``, ``minimum``, ``relu``, ``abs``), and ``stop_gradient(v)`` in place of
    ``v.detach()``: its number is computed anew in each run, and no gradient passes it.

    Build a sample inside ``with recording():`` (of ``tinygrad_edu.compiler``) where it comes from
    code that may branch on data, such as a model or a loss: comparisons of Values are refused
    there, and layers that draw random numbers ask for them as further inputs. ``fit`` does so.

    Parameters
    ----------
    root : Value, the loss
    inputs : Values that data is passed for, in the order of the columns of ``X``; all other leaves
        that are not constants are parameters
    reduce : "mean" or "sum" of the rows' losses; a term of the loss that depends on no input, such
        as a penalty on the parameters, is added once
    dtype : "float64" or "float32", which only NumPy has
    target : "numpy", whose calls do many operations each; "python", straight-line code without
        dependencies; "auto", the faster of the two: NumPy, unless it is not installed or a whole
        graph has too little to do side by side, as a Kalman filter, and machine code as soon as it
        has run so often that compiling it pays; "c", machine code made by the C compiler on PATH
        (cc, gcc or clang), else by that of the package ziglang, and kept for the next time in the
        user's cache folder; or "javascript", which the browser runs that Pyodide is in, and
        elsewhere node: in a browser without NumPy it is "auto"
    outputs : Values of the graph whose numbers :meth:`Program.outputs` returns, such as logits

    Returns
    -------
    Program

    Raises
    ------
    SettingError
        If there is nothing to differentiate by, or an argument is not one of the above.
    MissingExtraError
        If NumPy is asked for and not installed, or C, and there is no compiler, or it fails, or
        JavaScript, and node is not on the PATH.

    Notes
    -----
    Compiling takes as long as 4 steps of a wide graph, a step being to build it and to call its
    ``backward()``, and as long as 40 steps of a narrow one. It pays where the program then runs
    many times: with ``inputs`` on every batch of data, or as a whole graph whose numbers change
    while its structure stays. It does not pay where a whole graph is built anew for each step:
    building it remains, and to compare its structure, as :meth:`Program.rebind` does, takes twice
    as long as its ``backward()``. Compile one sample with ``inputs`` instead.

    The numbers are those of ``root.backward()`` up to rounding. Sums are taken in another order, so
    where infinities of both signs meet, what is nan there may be infinite here. And NumPy decides
    whether the maximum or minimum of 0.0 and -0.0, or the relu of -0.0, is 0.0 or -0.0.

    The target "c" is compiled with ``-O2 -ftree-vectorize -march=native -fno-math-errno
    -fno-trapping-math -ffp-contract=fast``: nan, infinities, zeros and ties are those of IEEE 754,
    and a product may be added to a sum without being rounded first. With GCC and glibc, exp, log,
    tanh and the like are computed several at a time, within 4 units in the last place.

    A softmax, its logarithm, a logsumexp and a cross entropy are computed from the logits minus
    their maximum, in each row of data, whatever was subtracted from them in the graph. So they are
    finite also where exponentials of the graph overflow.

    Examples
    --------
    >>> from tinygrad_edu import Value, stop_gradient
    >>> from tinygrad_edu.compiler import compile_graph, recording
    >>> w, x = Value(2.0, "w"), Value(0.0, "x")
    >>> program = compile_graph((w * x - 1.0) ** 2, inputs=[x])
    >>> program.backward([[1.0], [3.0]])
    13.0
    >>> program.gradient.tolist()
    [16.0]

    A whole graph, and a descent:

    >>> data = [(1.0, 2.0), (2.0, 4.0)]
    >>> whole = compile_graph(sum((w * a - b) ** 2 for a, b in data))
    >>> w.data = 0.0
    >>> whole.pull()
    >>> for _ in range(50):
    ...     loss = whole.backward()
    ...     whole.vector = whole.vector - 0.1 * whole.gradient
    >>> print(f"{whole.vector[0]:.3f}")
    2.000

    The branch that was taken for x = 0.5 is baked in; ``abs`` is an operation:

    >>> x = Value(0.5, "x")
    >>> branch = w * x if x.data > 0.0 else w * -x
    >>> right = w * x.abs()
    >>> w.data = 2.0
    >>> [compile_graph(y, [x]).forward([[-3.0]]) for y in (branch, right)]
    [-6.0, 6.0]
    >>> with recording():
    ...     branch = w * x if x > 0.0 else w * -x
    Traceback (most recent call last):
        ...
    tinygrad_edu.engine.errors.SettingError: x = 0.5 was compared while its graph was recorded.
      Where : a program has one structure for all data: a branch on this sample would be baked in
      Fix   : use maximum, minimum, relu or abs, which are recorded; or train with compiled=False.

    So is the number of ``detach``, while ``stop_gradient`` follows its input:

    >>> frozen, following = x + w * (w * x).detach(), x + w * stop_gradient(w * x)
    >>> [compile_graph(y, [x]).backward([[-3.0]]) for y in (frozen, following)]
    [-1.0, -15.0]
    """
    one_of("reduce", reduce, ("mean", "sum"))
    one_of("dtype", dtype, ("float64", "float32"))
    one_of("target", target, TARGETS)
    if dtype == "float32" and target in ("python", "c", "javascript"):
        raise SettingError(
            f'the target "{target}" has no float32: its numbers are float64.',
            fix='pass dtype="float64", or target="numpy".',
        )
    return Program(*checked(root, inputs, outputs), reduce, dtype, target)


class Program:
    """A compiled graph, as :func:`compile_graph` returns it.

    Attributes
    ----------
    parameters : tuple of Value, in the order of ``vector`` and ``gradient``
    vector : array, the parameters; each weight matrix is a contiguous part of it
    gradient : array, d(loss)/d(parameter) of the last :meth:`backward`
    loss : float, of the last run
    tape : Tape, the recorded instructions after the passes; prints one per line
    source : str, the code that runs
    plan : Passes, the instructions of both passes; prints one per line
    equations : Equations, the matrix equations found; ``print`` them, or read ``.latex``
    matrices, gradients : dict from a name in the equations, such as "W1", to its array: views of
        ``vector`` and ``gradient``
    stats : dict with ``nodes``, ``instructions``, ``matrix_products``, ``seconds`` per stage
        and the ``target`` that runs, with a sentence that says ``why``

    Notes
    -----
    A program can be copied and pickled, for example for workers of joblib or Dask. A copy has the
    tape and all numbers, so it gives the same bits, and traces nothing again; it has not run yet.
    Its ``parameters`` are new leaves with the same labels (after ``copy.copy``, the same Values);
    the graph between them does not travel. A model that is pickled or deep-copied together with its
    program stays together with it: ``push`` of the copy writes into the copy of the model.

    Threads take turns: no call of a method begins before another one has ended. What a thread reads
    afterwards (loss, gradient, outputs) belongs to the last run, whichever thread made it. Give
    each thread a ``copy.deepcopy(program)`` where it needs its own.
    """

    @collector_paused()  # no circles are made, and it would look through the whole graph
    def __init__(
        self,
        root: Value,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        reduce: str,
        dtype: str,
        target: str,
    ) -> None:
        self.settings = {"reduce": reduce, "dtype": dtype, "target": target}
        clock = _Clock()
        recorded, order = record(root, inputs, outputs)
        clock.lap("record")
        self._structure, self._asked = structure_of(recorded), recorded.outputs
        self.tape, faulty = recorded, here().fault is not None
        for change in _EXACT[reduce] if faulty else PASSES:
            self.tape = change(self.tape)
        clock.lap("passes")
        check_leaves(self.tape, inputs)
        self.columns, self.loss = len(inputs), nan
        self._arrays: list[Array] = []
        if faulty:
            target, why = "graph", "A fault is switched on, which no other target has."
        else:
            why = f'It was asked for: target="{target}".'
        self._make(target, why, len(recorded), clock)
        fixed = {} if faulty else fixed_in(recorded, self.tape)
        self._constants = Constants(recorded, self.tape, self._plan.constants, fixed)
        self._bind(order)
        self.pull()
        clock.lap("bind")

    def _make(self, target: str, why: str, nodes: int, clock: _Clock) -> None:
        """Plan the tape, choose a target if that was left open, and make ready to run."""
        dtype = self.settings["dtype"]
        if target == "graph":
            self._plan = plan_of_numbers(self.tape)
            clock.lap("plan")
        else:
            self._plan = plan_for(self.tape, clock.lap)
        self._price = inf  # of machine code, in seconds that it has to save
        missing = without_compiler() if target == "c" else ""
        if target == "auto" or missing:
            target, why = choose(self.tape, self._plan, self.columns, dtype)
            why = f"{missing} {why}".strip()
        if self.settings["target"] == "auto" and dtype == "float64" and target != "javascript":
            self._price = price_of_c(self._plan)
        self._memory = Memory.of(self._plan.sizes["u"])
        self._use(target, clock)
        self._vector = as_array(self.backend.vector)
        self._gradient = as_array(self.backend.gradient)
        self._lock = RLock()
        self.ran = False
        self.stats: dict[str, Any] = {
            "nodes": nodes,
            "instructions": len(self._plan.forward),
            "matrix_products": self._plan.matrix_products,
            "seconds": clock.laps,
            "target": target,
            "why": why,
        }

    def _use(self, target: str, clock: _Clock) -> None:
        """Make the program ready to run on a target, with the numbers where they are."""
        reduce, dtype = self.settings["reduce"], self.settings["dtype"]
        work = Work(self.tape, self._plan, self.columns, reduce, dtype, self._memory)
        self.backend = backend_for(target, work, clock.lap)

    def expect(self, runs: float, rows: int = 1, beside: float = 0.0) -> None:
        """Tell how often the program will run, so that ``target="auto"`` chooses by it, for good.

        Without this it counts, and chooses machine code as soon as the program has run often enough
        for it to pay. What it estimates is the same on every machine, so that the same script gives
        the same bits.

        Parameters
        ----------
        runs : how many calls of :meth:`backward` are to come
        rows : of data, in each of them
        beside : seconds that each run would save beside, where machine code takes whole steps
        """
        with self._lock:
            self._save(runs * (saved_by_c(self._plan, self.stats["target"], rows) + beside))
            self._price = inf

    def _save(self, seconds: float) -> None:
        """Count what machine code would have saved, and use it from where it pays."""
        self._price -= seconds
        if self._price > 0.0:
            return
        self._price, clock, before = inf, _Clock(), self.backend
        try:
            self._use("c", clock)
        except MissingExtraError as error:
            self.backend = before
            self.stats["why"] += f" It has run often since, but {str(error).splitlines()[0]}"
            return
        self.backend.load(self.vector.tolist(), self._constants.numbers)
        self.ran = False
        for stage, took in clock.laps.items():
            self.stats["seconds"][stage] = self.stats["seconds"].get(stage, 0.0) + took
        self.stats["target"] = "c"
        self.stats["why"] = "It runs so often that compiling machine code pays."

    def backward(self, X: Any = None) -> float:
        """Compute ``loss`` and ``gradient``; return the loss.

        Parameters
        ----------
        X : array of shape (rows, inputs), one column for each of the ``inputs`` compiled for, in
            their order; None where the whole graph was compiled. Any table of real numbers is
            taken: lists, arrays of NumPy or PyTorch, a DataFrame, whose names of columns do not
            count. The loss is the mean (or sum) over rows

        Raises
        ------
        LengthError
            If X has no rows, or not one column for each input.
        SettingError
            If X holds what is not a real number, or a nan, which would silently spoil every
            gradient; infinities are taken. Nothing has run then: loss, gradient and outputs stay
            those of the runs before. Where a run is interrupted, by Ctrl-C for example, the loss
            and the gradient it was computing are nan.
        """
        return self._run(X, backward=True)

    def forward(self, X: Any = None) -> float:
        """Compute ``loss`` alone, as :meth:`backward` does; return it."""
        return self._run(X, backward=False)

    def whole_steps(self, update: Update, rows: Any) -> Any:
        """Return what takes whole training steps on rows of data; None if the target can't."""
        return self.backend.steps(update, rows)

    def take_steps(self, steps: Any, *given: Any) -> tuple[list[float], Any]:
        """Take whole steps; return their losses, and the outputs of all rows."""
        with self._lock:
            self.ran = False
            losses, outputs = steps.take(*given)
            self.loss = losses[-1] if losses else nan
        return losses, outputs

    def outputs(self) -> Any:
        """Return the ``outputs`` of the last run, an array of shape (rows, outputs).

        A whole graph has one row. An output that depends on no input is the same in every row.
        Without NumPy, it is a list of rows, each a list of floats.

        Raises
        ------
        SettingError
            If nothing has run yet, or the last run was interrupted.
        """
        with self._lock:
            if not self.ran:
                raise SettingError(
                    "there are no outputs: nothing has run yet, or the last run was interrupted.",
                    fix="call program.forward() or program.backward() first, with rows of data "
                    "if it has inputs.",
                )
            return as_array(self.backend.outputs())

    def pull(self) -> None:
        """Copy the numbers of the Values (parameters and constants) into the program.

        What was computed from constants alone is computed anew.

        Raises
        ------
        StaleGraphError
            If a constant has changed that is part of the code, such as an exponent: a square is
            compiled as a product. The program keeps its numbers then.
        """
        with self._lock:
            self._constants.pull()
            self._load([p.data for p in self.parameters])

    def _load(self, parameters: Sequence[float]) -> None:
        self.backend.load(parameters, self._constants.numbers)

    def push(self) -> None:
        """Copy ``vector`` and ``gradient`` to the parameters' ``data`` and ``grad``.

        A number that was rounded to single precision stays rounded: 0.1 is 0.10000000149 then.
        """
        with self._lock:
            for name, numbers in (("data", self.vector), ("grad", self.gradient)):
                set_numbers(self.parameters, name, numbers.tolist())

    def rebind(
        self,
        root: Value,
        inputs: Sequence[Value] | None = None,
        outputs: Sequence[Value] | None = None,
    ) -> None:
        """Bind the program to another graph of the same structure, such as another minibatch's.

        Parameters
        ----------
        root, inputs, outputs : as for :func:`compile_graph`, and as many. Outputs that stand in the
            graph of the root need not be passed

        Raises
        ------
        StaleGraphError
            If the graph has a different structure, or other constants that are part of the code.
            The program stays bound as it was then.
        """
        recorded, order = record(*checked(root, inputs, outputs))
        if not outputs:
            recorded = replace(recorded, outputs=self._asked)
        if structure_of(recorded) != self._structure:
            raise StaleGraphError(
                f"this graph of {plural(len(recorded), 'node')} has a different structure from "
                "the compiled graph.",
                where="another operation, another order, another number of samples, or other "
                "inputs and outputs",
                fix="compile it on its own: compile_graph(loss).",
            )
        with self._lock:
            self._bind(order)
            self.pull()

    def write(self, language: str) -> str:
        """Return the program as the text of a file that runs alone, with the numbers it has now.

        Run as a script, the file prints the loss (of the row that the inputs had when the graph was
        recorded). In Python, its function ``run(rows)`` returns the loss, the gradient and the
        outputs. In C its ``main`` trains on that row by gradient descent, and prints the losses. In
        JavaScript it is a module, whose function ``create()`` returns an object with
        ``parameters`` and ``gradient`` (each a Float64Array in the order of the program's),
        ``forward(X, rows)`` and ``backward(X, rows)``, which return the loss, and ``outputs()``. X
        has the numbers of one row after the other, and a whole graph needs none.

        Parameters
        ----------
        language : "python" or "javascript", which need nothing else, "numpy" or "c"

        Raises
        ------
        SettingError
            If the language is another, or if the program was compiled inside a fault: then it has
            no code, but runs the graph.

        Examples
        --------
        >>> from tinygrad_edu import Value, compile_graph
        >>> w = Value(3.0)
        >>> names = {"__name__": "step"}
        >>> exec(compile_graph(w * w).write("python"), names)
        >>> names["run"](names["rows"])
        (9.0, [6.0], [[]])
        >>> "export function create()" in compile_graph(w * w).write("javascript")
        True
        """
        return self._written(language_called(language))

    def save(self, path: str | Path) -> Path:
        """Write the program to a file that runs alone, as :meth:`write` does; return its path.

        Parameters
        ----------
        path : name that ends in .py, .c or .js; Python needs NumPy if the program's target does. In
            C, ``cc -O2 step.c -lm`` makes a program of it. A node older than 20.19 takes a module
            only if its name ends in .mjs

        Raises
        ------
        SettingError
            If the name ends otherwise, or as for :meth:`write`.
        FileError
            If the file can't be written.
        """
        path = as_path(path)
        text = self._written(language_of(path, self.stats["target"]))
        write_atomically(path, text.encode())
        return path

    def _written(self, language: Language) -> str:
        if self.stats["target"] == "graph":
            raise SettingError(
                "this program has no code: it was compiled inside a fault, so it runs the graph.",
                fix="compile it outside: program = compile_graph(loss).",
            )
        with self._lock:
            numbers = self._vector.tolist(), self._constants.numbers
            reduce, dtype = self.settings["reduce"], self.settings["dtype"]
            made = self.tape, self._plan, reduce, dtype
            few = len(self._plan.forward) <= MOST_LINES
            snapshot = Snapshot(*made, *numbers, self.equations if few else Equations())
        return language.write(snapshot)

    @property
    def vector(self) -> Any:
        """Return the numbers of the parameters; what is assigned is copied into them."""
        return self._vector

    @vector.setter
    def vector(self, numbers: Any) -> None:
        self._assign("vector", numbers)

    @property
    def gradient(self) -> Any:
        """Return d(loss)/d(parameter); what is assigned is copied into it."""
        return self._gradient

    @gradient.setter
    def gradient(self, numbers: Any) -> None:
        self._assign("gradient", numbers)

    @property
    def source(self) -> str:
        """Return the code that runs; for NumPy, with the names that its equations have."""
        if self.stats["target"] != "numpy" or len(self._plan.forward) > MOST_NAMED:
            return self.backend.source
        from tinygrad_edu.compiler.numpy_backend import FUNCTIONS

        pieces = self.backend.source.split("\n\ndef bind")
        arrays, taken = self.equations.arrays, FUNCTIONS.split()
        return "\n\ndef bind".join(with_names(piece, arrays, taken) for piece in pieces)

    @property
    def plan(self) -> Passes:
        """Return the instructions of both passes; printed, one per line."""
        return Passes(self._plan)

    @property
    def equations(self) -> Equations:
        """Return the matrix equations found in the graph, with the numbers they have now.

        They are written anew each time.
        """
        return equations_of(
            self.tape,
            self._plan,
            gradient(self._plan),
            self.vector.tolist(),
            self._constants.numbers,
            self._texts,
            self.settings["reduce"],
        )

    def _learned(self) -> list[Array]:
        """Return the arrays of parameters, whose names are found once, when first asked for."""
        self._arrays = self._arrays or self.equations.learned
        return self._arrays

    @property
    def matrices(self) -> Views:
        """Return the parameters by their names in the equations, as views of ``vector``.

        Returns
        -------
        dict
            From names such as "W1" to arrays of shape (rows, columns) or (length,). What is written
            to them, or assigned to a name, is in ``vector``.

        Raises
        ------
        MissingExtraError
            If NumPy is not installed.

        Examples
        --------
        >>> from tinygrad_edu import Value, compile_graph
        >>> w, x = Value(2.0, "w"), Value(0.0, "x")
        >>> program = compile_graph((w * x - 1.0) ** 2, inputs=[x])
        >>> program.matrices["w"] = 5.0
        >>> program.vector.tolist()
        [5.0]
        """
        return views_by_name(self._learned(), self.vector)

    @property
    def gradients(self) -> Views:
        """Return the gradients by the parameters' names, as views of ``gradient``."""
        return views_by_name(self._learned(), self.gradient)

    def __repr__(self) -> str:
        return (
            f"Program({self.stats['target']}, {plural(len(self.parameters), 'parameter')}, "
            f"{plural(self.stats['nodes'], 'node')} in "
            f"{plural(self.stats['instructions'], 'instruction')}, "
            f"{plural(self.stats['matrix_products'], 'matrix product')})"
        )

    def _assign(self, name: str, numbers: Any) -> None:
        """Copy numbers into the vector or the gradient, whose place in memory stays."""
        mine = getattr(self, name)
        numbers = numbers_for(f"program.{name}", numbers, len(mine))
        with self._lock:
            fill(mine, numbers)

    def _bind(self, order: Sequence[Value]) -> None:
        """Remember the Values that parameters and constants stand for, and the names of all."""
        self._constants.bind(order)  # first, since it may refuse their numbers
        slots = [self.tape.recorded[slot] for slot in self._plan.parameters]
        self.parameters = tuple(order[slot] for slot in slots)
        same: dict[tuple[str, str], tuple[str, str]] = {}  # most nodes have the same two texts
        texts = ((v.label, v.origin) for v in order)
        self._texts = [same.setdefault(pair, pair) for pair in texts]
        self._arrays = []

    def _run(self, X: Any, *, backward: bool) -> float:
        """Take the rows of data and run; return the loss."""
        fault = here().fault
        if fault is not None and self.stats["target"] != "graph":
            raise SettingError(
                f"this program was compiled without the fault {fault.name!r}, which is on now.",
                where="it would run as if there were none",
                fix="compile it inside the block, too: program = compile_graph(loss).",
            )
        with self._lock:
            rows = None if X is None and not self.columns else rows_for(X, self.columns)
            if self._price < inf:
                count = 1 if rows is None else len(rows)
                self._save(saved_by_c(self._plan, self.stats["target"], count))
            if rows is not None:
                self._take(rows)
            self.ran = False
            try:
                self.loss = loss = self.backend.run(backward=backward)
            except BaseException:  # such as Ctrl-C: half a gradient must not pass for a whole one
                self.loss = nan
                if backward:
                    fill(self._gradient, [nan] * len(self._gradient))
                raise
            self.ran = True
        return loss

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {name: x for name, x in vars(self).items() if name not in _MADE}
            arrays = [array("d", x.tolist()) for x in (self._vector, self._gradient)]
            made = *map(self.stats.get, ("target", "why", "nodes")), *arrays
            return state | {"_constants": copy(self._constants), "made": made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        target, why, nodes, vector, gradient = state.pop("made")
        vars(self).update(state)
        self._make(target, why, nodes, _Clock())
        self._price = state["_price"]
        self._load(vector)
        fill(self._gradient, gradient)

    def __deepcopy__(self, memo: Any) -> Program:
        twin = copy(self)  # shares what never changes, such as the tape
        values = self.parameters, self._constants.values
        twin.parameters, twin._constants.values = deepcopy(values, memo)
        return twin

    def _take(self, rows: Any) -> None:
        """Keep rows of data for the run, unless one of them holds a nan."""
        if not self.backend.take(rows):
            at = next(i for i, row in enumerate(rows) if any(x != x for x in row))
            raise SettingError(
                f"X[{at}] holds a nan.",
                where="it would make every gradient nan",
                fix="fill or drop the rows with missing numbers.",
            )


class _Clock:
    """Measures the seconds that each stage takes."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = perf_counter()

    def lap(self, stage: str) -> None:
        """Record that a stage, or a part of it, ends now."""
        now = perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self.last
        self.last = now
