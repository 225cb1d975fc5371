"""Predict many samples at once, compiled where possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

from tinygrad_edu.compiled.agreement import CHECKED, compare
from tinygrad_edu.compiled.program import (
    ModelProgram,
    check_compiled,
    compiled_or_graph,
    target_of,
)
from tinygrad_edu.compiler import Program
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError, StaleGraphError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.samples import rows_of_numbers
from tinygrad_edu.shared.vectors import as_array, as_lists


class Predictor:
    """A model's outputs for rows of features; the program is compiled once, at the first call.

    Each call traces the model again, so that its weights, and any change of its structure, are
    noticed. Several threads may call at once, also while another one trains the model: outputs are
    those of the weights it has then (as ``fit`` and diagnoses begin, they try others for a moment).
    A copy or a pickle carries the model, and compiles its own program.

    Parameters
    ----------
    model : Module; called with one sample, it returns a Value or a list of them
    compiled : True for a program, or a target of it, such as "c"; False for the graph of Values;
        "auto" for a program where one structure serves all samples

    Raises
    ------
    LengthError
        When called without rows, or with rows of another length than the model takes.
    SettingError
        If ``compiled`` is something else; or, when called, if it is True and the model branches
        on data.
    MissingExtraError
        When called, if ``compiled`` is a target that needs what is not installed.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.compiled.predict import Predictor
    >>> model = nn.MLP(2, [1])
    >>> for weight, number in zip(model.parameters(), (2.0, -1.0, 0.5)):
    ...     weight.data = number
    >>> Predictor(model)([[1.0, 1.0], [0.0, 4.0]])
    [[1.5], [-3.5]]
    """

    def __init__(self, model: Module, compiled: bool | str = "auto") -> None:
        self.model, self.compiled = model, check_compiled(compiled)
        self._compiled: ModelProgram | None = None
        self._lock = Lock()  # a program has one place for its numbers

    @property
    def program(self) -> Program | None:
        """Return the program of the latest call, None before it."""
        return self._compiled.program if self._compiled is not None else None

    def __call__(self, X: Sequence[Any], checked: int = CHECKED) -> list[list[float]]:
        """Return the outputs for each row of X, shape (n_samples, n_outputs).

        Parameters
        ----------
        X : samples, each a sequence of features, or an array of shape (n_samples, n_features)
        checked : int, for how many rows the program is compared with the graph of Values; 0 where
            it is known that the model does not branch on data
        """
        rows = rows_of_numbers(X)
        if not rows:
            raise LengthError("X has no rows.", fix="pass at least one sample.")
        with self.model.evaluating(), self._lock:
            return compiled_or_graph(
                self.compiled,
                lambda: self._by_program(rows, checked),
                lambda: [numbers(self.model(row)) for row in rows],
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "compiled": self.compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _by_program(self, rows: list[list[float]], checked: int) -> list[list[float]]:
        compiled = self._current(rows[0])
        compiled.forward(as_array(rows))
        found = as_lists(compiled.outputs())
        for i in range(0, len(rows), -(-len(rows) // checked)) if checked else ():
            for k, eager in enumerate(numbers(self.model(rows[i]))):
                compare(f"output {k} of sample {i}", found[i][k], eager)
        return found

    def _current(self, x: list[float]) -> ModelProgram:
        """Return the program with the model's present numbers, or a new one if it was rebuilt."""
        if self._compiled is not None:
            try:
                self._compiled.trace_again([x])
                return self._compiled
            except StaleGraphError:
                pass
        self._compiled = ModelProgram(self.model, _sum, [x], [()], target=target_of(self.compiled))
        return self._compiled


def numbers(output: Any) -> list[float]:
    """Return the output for one sample, a Value or several, as a list of floats."""
    return [v.data for v in (output if isinstance(output, Iterable) else [output])]


def _sum(output: Any, target: Any) -> Value:
    """Add up the outputs: a graph has one root, below which all of them stand."""
    values: list[Value] = list(output) if isinstance(output, Iterable) else [output]
    return sum(values[1:], values[0] * 1.0)
