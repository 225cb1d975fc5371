"""The mean loss over samples as a function of the weights, compiled where possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram, compiled_or_graph
from tinygrad_edu.compiled.symbolic import whole_batch_part
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import SettingError


class Objective:
    """The mean loss at the weights that the model has when it is asked, on graphs of Values."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.parameters = subject.model.parameters()
        self.whole = whole_batch_part(subject.model) is not None

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss of the samples with these numbers, by default of all."""
        losses = [one.data for one in self._losses(batch)]
        return sum(losses) / len(losses)

    def quiet(self, batch: Sequence[int]) -> float:
        """Return it without dropout's noise; BatchNorm still normalises by the batch itself."""
        with nullcontext() if self.whole else self.subject.model.evaluating():
            return self.forward(batch)

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """Return the same as forward, and leave its gradient in the parameters' ``grad``."""
        self._zero()
        share = 1.0 / len(self.subject.X if batch is None else batch)
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
        """Yield the losses, one graph at a time where layers look at one sample at a time."""
        subject = self.subject
        numbers = range(len(subject.X)) if batch is None else batch
        some = [subject.X[i] for i in numbers]
        outputs = iter(subject.model.batch(some)) if self.whole else map(subject.model, some)
        for i, out in zip(numbers, outputs, strict=True):
            yield subject.loss(out, subject.y[i])

    def _zero(self) -> None:
        set_numbers(self.parameters, "grad", [0.0] * len(self.parameters))


class CompiledObjective(Objective):
    """The same mean loss, computed by a program of matrices.

    Raises
    ------
    SettingError
        If one structure does not serve all samples.
    MissingExtraError
        If NumPy is not installed.
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        if self.whole:
            raise SettingError(
                f"{subject.model!r:.60} looks at whole batches: one sample has no program.",
                fix='pass compiled=False or compiled="auto".',
            )
        with subject.model.evaluating():
            self.compiled = ModelProgram(subject.model, subject.loss, subject.X, subject.y)
        Agreement(self.compiled).check()
        self.rows = self.compiled.rows(subject.X, subject.y)

    def forward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss, as :class:`Objective` does."""
        self.compiled.program.pull()
        return self.compiled.forward(self.rows if batch is None else self.rows[list(batch)])

    def backward(self, batch: Sequence[int] | None = None) -> float:
        """Return the mean loss with its gradient, as :class:`Objective` does."""
        self.compiled.program.pull()
        self._zero()
        loss = self.compiled.backward(self.rows if batch is None else self.rows[list(batch)])
        self.compiled.program.push()
        return loss


def objective(subject: Subject) -> Objective:
    """Choose: compiled for True, on graphs for False, for "auto" compiled where possible."""
    return compiled_or_graph(
        subject.compiled, lambda: CompiledObjective(subject), lambda: Objective(subject)
    )
