"""The two ways to take a training step: on the graph of Values, and compiled to matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from typing import TYPE_CHECKING, Any, Protocol

from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.compiled.symbolic import Loss, batch_loss
from tinygrad_edu.compiler.python_backend import exact_sum
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import same_length
from tinygrad_edu.train.compiled import CompiledTraining
from tinygrad_edu.train.optim import Optimizer

if TYPE_CHECKING:
    from tinygrad_edu.train.history import History

Data = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and how."""

    model: Module
    loss: Loss
    data: Data
    validation: Data | None
    optimizer: Optimizer
    batch_size: int
    penalty: Penalty | None


class Runner(Protocol):
    """Takes steps; as a context it leaves weights and gradients in the Values, on any exit."""

    def step(self, batch: Sequence[int], history: History) -> int:
        """One update of the weights; the number of samples that were right before it."""

    def gradient_sizes(self) -> dict[str, float]:
        """Root mean square of the last gradient, by layer."""

    def settle(self) -> None:
        """Bring weights and gradients to the Values."""

    def look_again(self, *, go_on: bool) -> None:
        """Take what a callback may have changed in the Values; ``go_on`` if a step follows."""

    def remember(self) -> None:
        """Bring the optimizer's state to the optimizer."""

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers on the validation data, after :meth:`settle`."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *error: object) -> None: ...


class EagerRunner:
    """Every multiplication a Value."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.layers = parameters_by_layer(job.model)

    def step(self, batch: Sequence[int], history: History) -> int:
        """Build the graph of the batch, walk it backwards, change the weights."""
        job = self.job
        X, y = ([column[i] for i in batch] for column in job.data)
        total, outputs = batch_loss(job.model, job.loss, X, y, job.penalty)  # (a) forward pass
        _check_finite(total.data, history)
        job.optimizer.zero_grad()
        total.backward()  # (b) backward pass, (c) gradient of every weight
        job.optimizer.step()  # (d) change the weights
        history.batch_loss.append(total.data)
        return sum(is_right(out, t) for out, t in zip(outputs, y, strict=True))

    def gradient_sizes(self) -> dict[str, float]:
        """Root mean square of the last gradient, by layer."""
        return _sizes(self.layers)

    def settle(self) -> None:
        """Nothing to do: the Values are what is trained."""

    def look_again(self, *, go_on: bool) -> None:
        """Nothing to do either."""

    def remember(self) -> None:
        """Nothing to do: the optimizer is what steps."""

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers, on graphs."""
        return evaluate(self.job.model, self.job.loss, *(self.job.validation or self.job.data))

    def __enter__(self) -> EagerRunner:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class CompiledRunner:
    """The same steps on matrices."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.training = CompiledTraining(
            job.model, job.loss, *job.data, job.optimizer,
            batch_size=job.batch_size, penalty=job.penalty,
        )  # fmt: skip
        self.np = self.training.np
        self.rows = self.training.rows(*job.data)
        self.targets = self._targets(job.data[1])
        place = self.training.place
        self.layers = {
            name: self.np.array([place[p] for p in layer])
            for name, layer in parameters_by_layer(job.model).items()
        }
        if job.validation is not None:
            self.others = self.training.rows(*job.validation)
            self.other_targets = self._targets(job.validation[1])
            with job.model.evaluating():  # a program of its own: nothing dropped, no penalty
                self.judge = ModelProgram(job.model, job.loss, *job.data)

    def step(self, batch: Sequence[int], history: History) -> int:
        """One run of the program on the rows of the batch, one update of its vector."""
        some = self.np.array(batch)
        total = self.training.step(self.rows[some])  # (a), (b), (c)
        _check_finite(total, history)
        self.training.update()  # (d) change the weights
        history.batch_loss.append(total)
        return self._right(self.training.latest, self.targets, some)

    def gradient_sizes(self) -> dict[str, float]:
        """Root mean square of the last gradient, by layer."""
        program = self.training.program
        with self.np.errstate(over="ignore", invalid="ignore"):
            squares = program.gradient * program.gradient
            sums = {name: self.np.add.reduce(squares[some]) for name, some in self.layers.items()}
        return {name: float(sums[name] / len(some)) ** 0.5 for name, some in self.layers.items()}

    def settle(self) -> None:
        """Weights and gradients go back to the Values."""
        self.training.program.push()

    def look_again(self, *, go_on: bool) -> None:
        """Take what callbacks changed."""
        self.training.look_again(go_on=go_on)

    def remember(self) -> None:
        """Nothing to do: the optimizer has its state."""

    def validate(self) -> tuple[float, float]:
        """Mean loss and share of right answers, on rows."""
        self.judge.program.pull()
        loss = self.judge.forward(self.others)
        right = self._right(self.judge, self.other_targets, slice(None))
        return loss, right / len(self.others)

    def __enter__(self) -> CompiledRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()

    def _targets(self, y: Sequence[Any]) -> Any:
        """The targets as an array, or None where they are no numbers that could be classes."""
        array = self.np.array(y)
        return array if array.ndim == 1 else None

    def _right(self, traced: ModelProgram, targets: Any, some: Any) -> int:
        """How many samples of the last run were right, as :func:`is_right` counts."""
        if targets is None:
            return 0
        np, logits, wanted = self.np, traced.outputs(), targets[some]
        if traced.symbolic.width:
            return int(np.count_nonzero(np.argmax(logits, axis=1) == wanted))
        agree = (logits[:, 0] > 0.0) == (wanted > 0)
        return int(np.count_nonzero(agree & np.isin(wanted, (-1, 0, 1))))


def evaluate(model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> tuple[float, float]:
    """Mean loss and share of right answers on data, the model as in use; nothing is trained."""
    same_length("y", y, "X", X)
    with model.evaluating():
        outputs = (model(x) for x in X)
        pairs = [(loss(out, t).data, is_right(out, t)) for out, t in zip(outputs, y, strict=True)]
    losses, right = zip(*pairs, strict=True)
    return exact_sum(losses) / len(pairs), sum(right) / len(pairs)


def is_right(output: Any, target: Any) -> bool:
    """Whether an output means its target.

    A list of logits means the index of its largest; a single one means the class its sign says,
    1 against 0 or -1. Outputs that are no classes are never right.
    """
    if isinstance(target, Iterable):
        return False
    if isinstance(output, Value | float):
        number = output.data if isinstance(output, Value) else output
        return bool((number > 0.0) == (target > 0)) if target in (-1, 0, 1) else False
    data = [v.data if isinstance(v, Value) else v for v in output]
    return bool(data.index(max(data)) == target)


def gradient_sizes(model: Module) -> dict[str, float]:
    """Root mean square of dL/dw in each layer, by the layer's name."""
    return _sizes(parameters_by_layer(model))


def parameters_by_layer(model: Module) -> dict[str, list[Value]]:
    """The parameters of each top-level part of a model, by its name."""
    layers: dict[str, list[Value]] = {}
    for name, parameter in model.named_parameters():
        layers.setdefault(name.partition(".")[0], []).append(parameter)
    return layers


def _sizes(layers: Mapping[str, Sequence[Value]]) -> dict[str, float]:
    return {
        name: sqrt(fsum(p.grad * p.grad for p in layer) / len(layer))
        for name, layer in layers.items()
    }


def _check_finite(loss: float, history: History) -> None:
    if not isfinite(loss):
        raise AnomalyError(
            f"the loss became {loss} in batch {len(history.batch_loss) + 1}.",
            where="the forward pass; the weights are those before this batch",
            fix="lower the learning rate; detect_anomaly() around fit names the first bad node.",
        )
