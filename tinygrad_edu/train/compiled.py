"""Training at matrix speed: a sample is traced, and its program runs over the rows of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.compiled.symbolic import Loss, whole_batch_part
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
        whole = whole_batch_part(model) is not None
        self.latest = first = ModelProgram(
            model, loss, X, y, batch=min(batch_size, len(X)) if whole else 0, penalty=penalty
        )
        self.program = first.program
        self.place = {p: i for i, p in enumerate(self.program.parameters)}
        self._check_parameters()
        self.agreement = Agreement(first)
        self.agreement.check()

    def rows(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Features and encoded targets, a row a sample."""
        return self.latest.rows(X, y)

    def step(self, data: Any) -> float:
        """Forward and backward on some rows of data; the loss, the gradient in ``program``."""
        return self.latest.backward(data)

    def update(self) -> None:
        """Change the weights against the gradient: the optimizer's formula on arrays."""
        program = self.program
        self.optimizer.step_arrays(self.np, program.parameters, program.vector, program.gradient)
        self.latest.observe()

    def look_again(self, *, go_on: bool) -> None:
        """Take what a callback may have changed: weights, constants; SettingError for the rest.

        The rest matters if another step follows.
        """
        self.program.pull()
        if go_on:
            self.agreement.look_again()

    def _check_parameters(self) -> None:
        if set(self.program.parameters) != set(self.optimizer.parameters):
            raise SettingError(
                f"the optimizer trains {len(self.optimizer.parameters)} parameters, the loss of "
                f"a sample depends on {len(self.program.parameters)}.",
                fix="train with compiled=False, or pass the optimizer model.parameters().",
            )
