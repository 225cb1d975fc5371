"""Training at matrix speed: a sample is traced, and its program runs over the rows of data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.tracing import Loss, TracedModel, whole_batch_part
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.train.optim import Optimizer


class CompiledTraining:
    """A model and its loss as programs; ``program.push()`` gives the weights back.

    Raises
    ------
    SettingError
        If the model or loss branches on data, so that one structure does not serve all samples;
        or if the optimizer trains what the loss does not depend on.
    MissingExtraError
        If NumPy is not installed.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        X: Sequence[Any],
        y: Sequence[Any],
        optimizer: Optimizer,
        *,
        batch_size: int = 1,
        penalty: Penalty | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.penalty = model, loss, optimizer, penalty
        self.np = extra("numpy", "numpy", "compiled training", "fast")
        self.X, self.y = X, y
        self.whole = whole_batch_part(model) is not None
        self.sizes: dict[int, TracedModel] = {}
        self.latest = first = self._traced(min(batch_size, len(X)) if self.whole else 0)
        self.program = first.program
        self.place = {p: i for i, p in enumerate(self.program.parameters)}
        self._check_parameters()
        self.state = self._arrays(optimizer.flat_state(self.program.parameters))
        self.agreement = Agreement(first)
        self.agreement.check()

    def rows(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Features and encoded targets, a row a sample."""
        return self.latest.encoded(X, y)

    def step(self, data: Any) -> float:
        """Forward and backward on some rows of data; the loss, the gradient in ``program``."""
        self.latest = traced = self._traced(len(data) if self.whole else 0)
        mine = traced.program
        if mine is self.program:
            return mine.backward(traced.rows(data))
        places = [self.place[p] for p in mine.parameters]  # a smaller last batch
        self.np.copyto(mine.vector, self.program.vector[places])
        loss = mine.backward(traced.rows(data))
        self.program.gradient[places] = mine.gradient
        return loss

    def update(self) -> None:
        """Change the weights against the gradient: the optimizer's formula on arrays."""
        program, optimizer, np = self.program, self.optimizer, self.np
        norm = float(np.sqrt(program.gradient @ program.gradient)) if optimizer.clip else 0.0
        optimizer.begin()
        new, *state = optimizer.change(np, norm, program.vector, program.gradient, *self.state)
        np.copyto(program.vector, new)
        self.state, optimizer.steps = state, optimizer.steps + 1
        if self.latest.trace.observed:
            self.latest.observe()

    def look_again(self, *, go_on: bool) -> None:
        """Take what a callback may have changed: weights, constants; SettingError for the rest.

        The rest matters if another step follows.
        """
        self.program.pull()
        if go_on:
            self.agreement.look_again()

    def remember(self) -> None:
        """Give the optimizer its state."""
        self.optimizer.take_flat_state(self.program.parameters, self.state)

    def _traced(self, size: int) -> TracedModel:
        if size not in self.sizes:
            self.sizes[size] = TracedModel(
                self.model, self.loss, self.X, self.y, size=size, penalty=self.penalty
            )
        return self.sizes[size]

    def _arrays(self, columns: Iterable[Any]) -> list[Any]:
        return [self.np.array(column, dtype=float) for column in columns]

    def _check_parameters(self) -> None:
        if set(self.program.parameters) != set(self.optimizer.parameters):
            raise SettingError(
                f"the optimizer trains {len(self.optimizer.parameters)} parameters, the loss of "
                f"a sample depends on {len(self.program.parameters)}.",
                fix="train with compiled=False, or pass the optimizer model.parameters().",
            )
