"""The two ways to take a training step: on the graph of Values, and compiled to matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from tinygrad_edu.engine import Value
from tinygrad_edu.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.train.compiled import CompiledTraining
from tinygrad_edu.train.optim import Optimizer

if TYPE_CHECKING:
    from tinygrad_edu.train.loop import History

Loss = Callable[[Any, Any], Value]
Data = tuple[Sequence[Any], Sequence[Any]]


class Runner(Protocol):
    """Takes steps; as a context it leaves weights and gradients in the Values, on any exit."""

    def step(self, batch: Sequence[int], history: History) -> int:
        """One update of the weights; the number of samples that were right before it."""

    def settle(self) -> None:
        """Bring weights and gradients to the Values."""

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers on the validation data."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *error: object) -> None: ...


class EagerRunner:
    """Every multiplication a Value."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        data: Data,
        validation: Data | None,
        optimizer: Optimizer,
        evaluate: Callable[..., tuple[float, float]],
    ) -> None:
        self.model, self.loss, self.data, self.validation = model, loss, data, validation
        self.optimizer, self.evaluate = optimizer, evaluate

    def step(self, batch: Sequence[int], history: History) -> int:
        """Build the graph of the batch, walk it backwards, change the weights."""
        X, y = self.data
        outputs = [self.model(X[i]) for i in batch]  # (a) forward pass
        losses = [self.loss(out, y[i]) for out, i in zip(outputs, batch, strict=True)]
        total = sum(losses[1:], losses[0]) * (1.0 / len(losses))
        _check_finite(total.data, history)
        self.optimizer.zero_grad()
        total.backward()  # (b) backward pass, (c) gradient of every weight
        self.optimizer.step()  # (d) change the weights
        history.batch_loss.append(total.data)
        return sum(is_right(out, y[i]) for out, i in zip(outputs, batch, strict=True))

    def settle(self) -> None:
        """Nothing to do: the Values are what is trained."""

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers, on graphs."""
        return self.evaluate(self.model, self.loss, *(self.validation or self.data))

    def __enter__(self) -> EagerRunner:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class CompiledRunner:
    """The same steps on matrices."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        data: Data,
        validation: Data | None,
        optimizer: Optimizer,
    ) -> None:
        self.training = CompiledTraining(model, loss, *data, optimizer)
        self.rows, self.y = self.training.rows(*data), data[1]
        self.others = self.training.rows(*validation) if validation else self.rows
        self.others_y = validation[1] if validation else data[1]

    def step(self, batch: Sequence[int], history: History) -> int:
        """One run of the program on the rows of the batch, one update of its vector."""
        total = self.training.step(self.rows[list(batch)])  # (a), (b), (c)
        _check_finite(total, history)
        self.training.update()  # (d) change the weights
        history.batch_loss.append(total)
        outcomes = zip(self.training.outcomes(), batch, strict=True)
        return sum(is_right(out, self.y[i]) for out, i in outcomes)

    def settle(self) -> None:
        """Weights, gradients and the optimizer's state go back to the Values."""
        self.training.push()

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers, on rows."""
        loss = self.training.program.forward(self.others)
        outcomes = zip(self.training.outcomes(), self.others_y, strict=True)
        return loss, sum(is_right(out, t) for out, t in outcomes) / len(self.others_y)

    def __enter__(self) -> CompiledRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()


def is_right(output: Any, target: Any) -> bool:
    """Whether an output means its target.

    A list of logits means the index of its largest; a single one means the class its sign says,
    1 against 0 or -1. Outputs that are no classes are never right.
    """
    if isinstance(output, Value | float):
        number = output.data if isinstance(output, Value) else output
        return bool((number > 0.0) == (target > 0)) if target in (-1, 0, 1) else False
    data = [v.data if isinstance(v, Value) else v for v in output]
    return bool(data.index(max(data)) == target)


def _check_finite(loss: float, history: History) -> None:
    if not isfinite(loss):
        raise AnomalyError(
            f"the loss became {loss} in batch {len(history.batch_loss) + 1}.",
            where="the forward pass; the weights are those before this batch",
            fix="lower the learning rate; detect_anomaly() around fit names the first bad node.",
        )
