"""The mean loss over samples as a function of the weights: in matrices where it can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from tinygrad_edu.checks import extra
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import SettingError, TinygradEduError
from tinygrad_edu.nn import Module
from tinygrad_edu.train.compiled import CHECKED, Loss, encode, traced
from tinygrad_edu.train.diagnosis.sandbox import sees_whole_batch, set_numbers

NOT_COMPILED = (TinygradEduError, TypeError, AttributeError, ValueError)  # then graphs do it


class Objective:
    """The mean loss at the weights that the model has when it is asked, on graphs of Values."""

    def __init__(self, model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> None:
        self.model, self.loss, self.X, self.y = model, loss, X, y
        self.parameters = model.parameters()
        self.whole = sees_whole_batch(model)

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
        pairs = zip(X, y, strict=True)
        self.rows = numpy.array([[*map(float, x), *encode(t, count)] for x, t in pairs])
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


def check_compiled(compiled: bool | str) -> bool | str:
    """The setting, if it is one."""
    if compiled in (True, False, "auto"):
        return compiled
    raise SettingError(
        f"compiled is {compiled!r:.60}.", expected='True, False or "auto"', fix="choose one."
    )


def outputs_at(model: Module, X: Sequence[Sequence[float]]) -> list[list[float]]:
    """What the model says to each sample, as numbers; in matrices where that can be."""
    try:
        return _compiled_outputs(model, X)
    except NOT_COMPILED:
        return [[v.data for v in _listed(model(x))] for x in X]


def _compiled_outputs(model: Module, X: Sequence[Sequence[float]]) -> list[list[float]]:
    features = [Value(float(number)) for number in X[0]]
    with recording():
        outputs = _listed(model(features))
        root = sum(outputs[1:], outputs[0] * 1.0)
    program = compile_graph(root, features, outputs=outputs)
    program.forward([[*map(float, x)] for x in X])
    found = [list(row) for row in zip(*[c.tolist() for c in program.outputs()], strict=True)]
    for i in range(0, len(X), -(-len(X) // CHECKED)):
        for v, mine in zip(_listed(model(X[i])), found[i], strict=True):
            _agree(i, v.data, mine)
    return found


def _listed(out: Any) -> list[Value]:
    return list(out) if isinstance(out, Iterable) else [out]


def _agree(sample: int, eager: float, mine: float) -> None:
    """SettingError where the program, traced on one sample, says something else of another."""
    alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
    if not alike and not abs(mine - eager) <= 1e-9 * max(1.0, abs(eager)):
        raise SettingError(
            f"compiled, sample {sample} gives {mine:.9g}; as a graph it gives {eager:.9g}.",
            where="the model or the loss looks at numbers (v.data), or draws some at random",
            fix="pass compiled=False.",
        )
