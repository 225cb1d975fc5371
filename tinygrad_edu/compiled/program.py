"""A model as a program over rows of data: traced once, run on any number of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from warnings import warn

from tinygrad_edu.compiled.symbolic import Loss, SymbolicLoss, encoded, symbolic_loss
from tinygrad_edu.compiler import Program, compile_graph
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.targets import TARGETS
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import one_of, same_length
from tinygrad_edu.shared.samples import by_position, rows_of_numbers
from tinygrad_edu.shared.vectors import (
    as_array,
    as_lists,
    chosen,
    columns,
    put,
    reshaped,
    side_by_side,
)

T = TypeVar("T")
U = TypeVar("U")


class ModelProgram:
    """A model and its loss as a program of matrices.

    Each sample is a row: its features, then its target in numbers. A model that looks at all
    samples of a batch, as BatchNorm does in training, is traced for ``batch`` of them, which are
    then one long row; a batch of another length gets a program of its own when it comes.

    ``program.pull()`` takes the weights from the Values, ``program.push()`` brings them back.

    Parameters
    ----------
    model : Module, traced in the mode (training, evaluation) it has now
    loss : function of the output for one sample and its target
    X : samples; y : their targets
    batch : int, how many samples are traced together; 0 for one sample per row
    penalty : function of the model, added once to the mean loss
    weighted : bool, whether rows end with the weight of the sample, which multiplies its loss
    target : as of :func:`tinygrad_edu.compile_graph`

    Attributes
    ----------
    program : Program, the compiled graph; its ``vector`` holds the weights
    symbolic : SymbolicLoss, the graph it was compiled from
    place : dict, the index of each parameter in ``program.vector``

    Raises
    ------
    SettingError
        If the model or the loss branches on data, so that one structure does not serve all.
    MissingExtraError
        If the target needs what is not installed.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.compiled.program import ModelProgram
    >>> X, y = [[1.0, 2.0], [3.0, 5.0], [0.5, 0.5]], [1.0, 2.0, 3.0]
    >>> model = nn.MLP(2, [1])
    >>> for weight, number in zip(model.parameters(), (1.0, 1.0, 0.0)):
    ...     weight.data = number
    >>> compiled = ModelProgram(model, nn.mse, X, y)
    >>> compiled.forward(compiled.rows(X, y)), compiled.outputs().tolist()
    (14.666666666666666, [[3.0], [8.0], [1.0]])
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        X: Sequence[Any],
        y: Sequence[Any],
        *,
        batch: int = 0,
        penalty: Penalty | None = None,
        weighted: bool = False,
        target: str = "auto",
    ) -> None:
        self.model, self.loss, self.penalty = model, loss, penalty
        self.X: Sequence[Any] = by_position(X)
        self.y: Sequence[Any] = by_position(y, "y")
        same_length("y", self.y, "X", self.X)
        self.batch, self.weighted, self.target = batch, weighted, target
        self._traced: dict[int, tuple[SymbolicLoss, Program]] = {}
        self.symbolic, self.program = self._latest = self._of_length(batch)
        self.place = {p: i for i, p in enumerate(self.program.parameters)}

    def rows(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Return samples as an array, each row the features and the encoded target of one.

        Where samples are weighted, the last column has their weights, which are 1 here.
        """
        width = self.symbolic.width
        pairs = zip(rows_of_numbers(X), by_position(y, "y"), strict=True)
        weight = [1.0] * self.weighted
        rows = [[*x, *encoded(t, width), *weight] for x, t in pairs]
        return as_array(rows)

    def forward(self, rows: Any) -> float:
        """Return the mean loss of these rows, with the penalty."""
        return self._run(rows, backward=False)

    def backward(self, rows: Any) -> float:
        """Return the same loss, and leave its gradient in ``program.gradient``."""
        return self._run(rows, backward=True)

    def outputs(self) -> Any:
        """Return the model's outputs in the latest run, an array of (samples, outputs)."""
        symbolic, program = self._latest
        found = columns(program.outputs(), 0, len(symbolic.output_values))
        return reshaped(found, symbolic.width or 1)  # a batch is one long row

    def observe(self) -> None:
        """Tell layers what they wanted to know of the latest run."""
        symbolic, program = self._latest
        if not symbolic.trace.observed:
            return
        found = as_lists(program.outputs())[0][len(symbolic.output_values) :]
        for values, receive in symbolic.trace.observed:
            receive(found[: len(values)])
            found = found[len(values) :]

    def trace_again(self, X: Sequence[Any]) -> None:
        """Take the numbers the model has now; raise StaleGraphError if its structure changed."""
        self.X = X
        symbolic = self._symbolic(self.batch)
        self.program.rebind(symbolic.total, symbolic.inputs)
        self._traced[self.batch] = self._latest = symbolic, self.program
        self.symbolic = symbolic

    def _symbolic(self, samples: int) -> SymbolicLoss:
        """Trace so many samples in one row; 0 for one sample per row."""
        parts = self.model, self.loss, self.X, self.y, samples, self.penalty
        return symbolic_loss(*parts, weighted=self.weighted)

    def _of_length(self, samples: int) -> tuple[SymbolicLoss, Program]:
        """Return trace and program for so many samples in one row; 0 for one sample per row."""
        if samples not in self._traced:
            symbolic = self._symbolic(samples)
            asked = [*symbolic.output_values, *symbolic.observed]
            program = compile_graph(
                symbolic.total, symbolic.inputs, target=self.target, outputs=asked
            )
            self._traced[samples] = symbolic, program
        return self._traced[samples]

    def _run(self, rows: Any, *, backward: bool) -> float:
        symbolic, program = self._latest = self._of_length(len(rows) if self.batch else 0)
        if self.batch:
            rows = reshaped(rows, len(rows) * len(rows[0]))  # one long row
        rows = self._with_given(symbolic, rows)
        run = program.backward if backward else program.forward
        if program is self.program:
            return run(rows)
        # a smaller last batch: its program has the same parameters, perhaps in another order
        places = [self.place[p] for p in program.parameters]
        program.vector = chosen(self.program.vector, places)
        loss = run(rows)
        if backward:
            put(self.program.gradient, places, program.gradient)
        return loss

    def _with_given(self, symbolic: SymbolicLoss, rows: Any) -> Any:
        """Append what layers give for each row, such as masks, drawn row by row as on graphs."""
        if not symbolic.trace.given:
            return rows
        tellers = [tell for _, tell in symbolic.trace.given]
        given = [[number for tell in tellers for number in tell()] for _ in range(len(rows))]
        return side_by_side(rows, given)


def check_compiled(compiled: bool | str) -> bool | str:
    """Check the setting ``compiled``: True or a target, False for graphs, or "auto"."""
    choices: tuple[bool | str, ...] = (True, False, *TARGETS)
    return one_of("compiled", compiled, choices)


def target_of(compiled: bool | str) -> str:
    """Return the target of the setting ``compiled``."""
    return compiled if isinstance(compiled, str) else "auto"


def compiled_or_graph(
    compiled: bool | str, make: Callable[[], T], otherwise: Callable[[], U]
) -> T | U:
    """Return what ``make`` compiles; for False, or "auto" where it fails, use ``otherwise``.

    Code that was written for numbers may raise anything when it is traced on symbols. Graphs then
    do the work, and raise what is an error there, too. So they do where a fault is switched on, of
    which a program would know nothing; that is said where a program was asked for.
    """
    fault = here().fault
    asked = check_compiled(compiled) not in (False, "auto")
    if fault is not None and asked:
        warn(
            f"the fault {fault.name!r} is on, so the graph of Values is used in spite of "
            f"compiled={compiled!r}: a program of matrices would run without the fault.",
            stacklevel=2,
        )
    if compiled and fault is None:
        try:
            return make()
        except TinygradEduError:
            if asked:
                raise
        except Exception as error:
            if asked:
                raise SettingError(
                    f"model and loss can't be compiled: {type(error).__name__}: {error}.",
                    where="they were run on Values that stand for all features and targets",
                    fix='pass compiled=False, or compiled="auto".',
                ) from error
    return otherwise()


def network_equations(model: Module, loss: Loss, x: Any, y: Any) -> Equations:
    """Return the matrix equations found in the loss of one sample, and those of its gradient.

    They hold for many samples, too, in the rows of X, if the loss is the sum of theirs.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.compiled.program import network_equations
    >>> print(network_equations(nn.MLP(2, [3, 2]), nn.cross_entropy, [0.5, 1.0], 0).forward[0])
    A1 = X W1ᵀ + b1
    """
    with model.evaluating():
        symbolic = symbolic_loss(model, loss, [x], [y])
        return compile_graph(symbolic.total, symbolic.inputs, reduce="sum").equations
