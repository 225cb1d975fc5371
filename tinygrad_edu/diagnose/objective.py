"""The mean loss over samples as a function of the weights: in matrices where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from tinygrad_edu.compiled.agreement import CHECKED, agrees
from tinygrad_edu.compiled.tracing import (
    NOT_COMPILED,
    Loss,
    check_compiled,
    encoded_rows,
    traced,
    whole_batch_part,
)
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import extra


class Objective:
    """The mean loss at the weights that the model has when it is asked, on graphs of Values."""

    def __init__(self, model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> None:
        self.model, self.loss, self.X, self.y = model, loss, X, y
        self.parameters = model.parameters()
        self.whole = whole_batch_part(model) is not None

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """The mean loss of the samples with these numbers, by default of all."""
        losses = [one.data for one in self._losses(batch)]
        return sum(losses) / len(losses)

    def quiet(self, batch: Sequence[int]) -> float:
        """The same without dropout's noise; batches are still normalised by their own numbers."""
        with nullcontext() if self.whole else self.model.evaluating():
            return self.forward(batch)

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """The same as forward, with its gradient in the parameters' ``grad``."""
        self._zero()
        share = 1.0 / len(self.X if batch is None else batch)
        if self.whole:
            losses = [*self._losses(batch)]
            total = sum(losses[1:], losses[0]) * share
            total.backward()
            return total.data
        found = 0.0
        for one in self._losses(batch):
            one.backward(share)
            found += one.data
        return found * share

    def _losses(self, batch: Sequence[int] | None) -> Iterator[Value]:
        """The samples' losses, one graph at a time where layers look at one sample at a time."""
        numbers = range(len(self.X)) if batch is None else batch
        some = [self.X[i] for i in numbers]
        outputs = iter(self.model.batch(some)) if self.whole else map(self.model, some)
        for i, out in zip(numbers, outputs, strict=True):
            yield self.loss(out, self.y[i])

    def _zero(self) -> None:
        set_numbers(self.parameters, "grad", [0.0] * len(self.parameters))


class CompiledObjective(Objective):
    """The same by a program of matrices.

    Raises
    ------
    SettingError
        If one structure does not serve all samples.
    MissingExtraError
        If NumPy is not installed.
    """

    def __init__(self, model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> None:
        super().__init__(model, loss, X, y)
        if self.whole:
            raise SettingError(
                f"{model!r:.60} looks at whole batches, so it has no program for one sample.",
                fix='pass compiled=False or compiled="auto".',
            )
        numpy = extra("numpy", "numpy", "compiled evaluation", "fast")
        total, inputs, out = traced(model, loss, X[0], y[0])
        count = 0 if isinstance(out, Value) else len(out)
        self.program = compile_graph(total, inputs)
        self.rows = numpy.array(encoded_rows(X, y, count))
        for i in range(0, len(X), -(-len(X) // CHECKED)):
            _agree(i, Objective.forward(self, [i]), self.forward([i]))

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """As in :class:`Objective`."""
        self.program.pull()
        return float(self.program.forward(self.rows if batch is None else self.rows[list(batch)]))

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """As in :class:`Objective`."""
        self.program.pull()
        self._zero()
        loss = self.program.backward(self.rows if batch is None else self.rows[list(batch)])
        self.program.push()
        return float(loss)


def objective(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any], compiled: bool | str
) -> Objective:
    """Compiled for True, on graphs for False; for "auto" compiled where that can be."""
    if check_compiled(compiled):
        try:
            return CompiledObjective(model, loss, X, y)
        except NOT_COMPILED:
            if compiled is True:
                raise
    return Objective(model, loss, X, y)


def _agree(sample: int, eager: float, mine: float) -> None:
    """SettingError where the program, traced on one sample, says something else of another."""
    if not agrees(mine, eager):
        raise SettingError(
            f"compiled, sample {sample} gives {mine:.9g}; as a graph it gives {eager:.9g}.",
            where="the model or the loss looks at numbers (v.data), or draws some at random",
            fix="pass compiled=False.",
        )
