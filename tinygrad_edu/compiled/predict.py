"""What a trained model says to many samples: by a program of matrices where that can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

from tinygrad_edu.compiled.agreement import CHECKED, agrees
from tinygrad_edu.compiled.tracing import NOT_COMPILED, check_compiled
from tinygrad_edu.compiler import Program, compile_graph, recording
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError, SettingError, StaleGraphError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import extra


class Predictor:
    """A model's outputs for rows of features; the program is compiled once, at the first call.

    Each call traces the model again, so that its weights, and any change of its structure, are
    noticed. Several threads may call at once; a copy or a pickle carries the model, and compiles
    its own program.

    Parameters
    ----------
    model : Module; called with one sample, it returns a Value or a list of them
    compiled : True for matrices, False for the graph of Values, "auto" for matrices where NumPy is
        installed and one structure serves all samples

    Raises
    ------
    LengthError
        When called without rows, or with rows of another length than the model takes.
    SettingError
        If ``compiled`` is none of the above; or, when called, if it is True and the model
        branches on data.
    MissingExtraError
        When called, if ``compiled`` is True and NumPy is not installed.

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
        self.program: Program | None = None
        self._lock = Lock()  # a program has one place for its numbers

    def __call__(self, X: Sequence[Any], checked: int = CHECKED) -> list[list[float]]:
        """The outputs for each row of X, shape (n_samples, n_outputs).

        Parameters
        ----------
        X : samples, each a sequence of features, or an array of shape (n_samples, n_features)
        checked : int, rows that the graph of Values answers as well, to be compared; 0 where it
            is known that the model does not branch on data
        """
        if not len(X):
            raise LengthError("X has no rows.", fix="pass at least one sample.")
        rows = X.tolist() if hasattr(X, "tolist") else [[*map(float, x)] for x in X]
        with self.model.evaluating(), self._lock:
            if self.compiled:
                try:
                    return self._by_program(rows, checked)
                except NOT_COMPILED:
                    if self.compiled is True:
                        raise
            return [numbers(self.model(row)) for row in rows]

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "compiled": self.compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _by_program(self, rows: list[list[float]], checked: int) -> list[list[float]]:
        self.program = program = _program(self.model, rows[0], self.program)
        program.forward(rows)
        columns = [column.tolist() for column in program.outputs()]
        found = [list(row) for row in zip(*columns, strict=True)]
        for i in range(0, len(rows), -(-len(rows) // checked)) if checked else ():
            _check_agreement(i, numbers(self.model(rows[i])), found[i])
        return found


def numbers(output: Any) -> list[float]:
    """The output for one sample, a Value or several, as a list of floats."""
    return [v.data for v in (output if isinstance(output, Iterable) else [output])]


def _program(model: Module, x: Sequence[float], known: Program | None) -> Program:
    """A program whose inputs are the features; its root, the sum of the outputs, is of no use."""
    extra("numpy", "numpy", "compiled prediction", "fast")
    features = [Value(number) for number in x]
    with recording():
        out = model(features)
        outputs = list(out) if isinstance(out, Iterable) else [out]
        root = sum(outputs[1:], outputs[0] * 1.0)
    if known is not None:
        try:
            known.rebind(root, features)
            return known
        except StaleGraphError:  # the model was rebuilt
            pass
    return compile_graph(root, features, outputs=outputs)


def _check_agreement(sample: int, eager: list[float], mine: list[float]) -> None:
    """SettingError where the program says something else than the graph."""
    for right, number in zip(eager, mine, strict=True):
        if not agrees(number, right):
            raise SettingError(
                f"compiled, sample {sample} gives {number:.9g}; as a graph it gives {right:.9g}.",
                where="the model looks at numbers (v.data), or draws some at random",
                fix="pass compiled=False.",
            )
