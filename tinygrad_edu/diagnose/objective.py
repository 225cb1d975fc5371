"""The mean loss over samples as a function of the weights, compiled where possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram, compiled_or_graph
from tinygrad_edu.compiled.symbolic import whole_batch_part
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.vectors import chosen


class Objective:
    """The mean loss at the weights that the model has when it is asked, on graphs of Values.

    A ``batch`` is the numbers of some samples, by default all.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject, self.model = subject, subject.model
        self.parameters = self.model.parameters()
        self.whole = whole_batch_part(self.model) is not None

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss."""
        return sum(total.data for total in self._totals(batch)) / self._count(batch)

    def quiet(self, batch: Sequence[int]) -> float:
        """Return it without dropout's noise; BatchNorm still normalises by the batch itself."""
        with nullcontext() if self.whole else self.model.evaluating():
            return self.forward(batch)

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss, and leave its gradient in the parameters' ``grad``."""
        self._zero()
        share, found = 1.0 / self._count(batch), 0.0
        for total in self._totals(batch):
            total.backward(share)
            found += total.data
        return found * share

    def _totals(self, batch: Sequence[int] | None) -> Iterator[Value]:
        """Yield the loss of each graph: of each sample, or of all where layers look at a batch."""
        model, loss, X, y = self.model, self.subject.loss, self.subject.X, self.subject.y
        numbers = range(len(X)) if batch is None else batch
        for group in [numbers] if self.whole else [[i] for i in numbers]:
            some = [X[i] for i in group]
            outputs = model.batch(some) if self.whole else map(model, some)
            losses = [loss(out, y[i]) for i, out in zip(group, outputs, strict=True)]
            yield sum(losses[1:], losses[0])

    def _count(self, batch: Sequence[int] | None) -> int:
        return len(self.subject.X if batch is None else batch)

    def _zero(self) -> None:
        set_numbers(self.parameters, "grad", [0.0] * len(self.parameters))


class CompiledObjective(Objective):
    """The same mean loss, computed by a program of matrices; refused where there is none."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        if self.whole:
            raise SettingError(
                f"{self.model!r:.60} looks at whole batches: one sample has no program.",
                fix='pass compiled=False or compiled="auto".',
            )
        with self.model.evaluating():
            self.compiled = ModelProgram(self.model, subject.loss, subject.X, subject.y)
        Agreement(self.compiled).check()
        self.rows = self.compiled.rows(subject.X, subject.y)

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss."""
        return self.compiled.forward(self._pulled(batch))

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss, and leave its gradient in the parameters' ``grad``."""
        self._zero()
        loss = self.compiled.backward(self._pulled(batch))
        self.compiled.program.push()
        return loss

    def _pulled(self, batch: Sequence[int] | None) -> Any:
        """Take the weights as they are now, and return the rows of the batch."""
        self.compiled.program.pull()
        return self.rows if batch is None else chosen(self.rows, batch)


def objective(subject: Subject) -> Objective:
    """Choose: compiled for True, on graphs for False, for "auto" compiled where possible."""
    return compiled_or_graph(
        subject.compiled, lambda: CompiledObjective(subject), lambda: Objective(subject)
    )
