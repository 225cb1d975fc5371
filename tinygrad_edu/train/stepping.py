"""Two ways to take a training step: on the graph of Values, and compiled to matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram, compiled_or_graph
from tinygrad_edu.compiled.symbolic import Loss, batch_loss, whole_batch_part
from tinygrad_edu.compiler.python_backend import exact_sum
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import same_length, whole
from tinygrad_edu.train.measures import (
    count_right,
    evaluate,
    gradient_sizes,
    is_right,
    parameters_by_layer,
)
from tinygrad_edu.train.optim import Optimizer

Data: TypeAlias = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Task:
    """What is trained, on which data, and how; settings that cannot be used are refused."""

    model: Module
    loss: Loss
    X: Sequence[Any]
    y: Sequence[Any]
    optimizer: Optimizer
    batch_size: int = 1
    penalty: Penalty | None = None
    validation: Data | None = None
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        same_length("y", self.y, "X", self.X)
        whole("batch_size", self.batch_size)
        if self.validation is not None:
            same_length("validation[1]", self.validation[1], "validation[0]", self.validation[0])
        part, samples, size = whole_batch_part(self.model), len(self.X), self.batch_size
        if part is not None and min(samples, samples % size or size) == 1:
            raise SettingError(
                f"{samples} samples in batches of {size} leave a batch of one sample.",
                where=f"{part!r} takes the variance of each batch",
                fix="choose a batch_size that leaves no single sample over.",
            )

    def weight(self, batch: Sequence[int]) -> float:
        """Return how much a batch counts: the sum of its weights, or the number of its samples."""
        return len(batch) if self.weights is None else exact_sum([self.weights[i] for i in batch])

    def shares(self, batch: Sequence[int]) -> list[float] | None:
        """Return the weights of a batch, scaled to a mean of 1; None where all count the same."""
        if self.weights is None:
            return None
        mean = self.weight(batch) / len(batch)
        return [self.weights[i] / mean for i in batch]


class EagerStepper:
    """Takes steps on the graph, in which every number is a Value."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def forward_backward(self, batch: Sequence[int]) -> tuple[float, int]:
        """Compute the gradient; return the loss of the batch, and how many samples were right."""
        task = self.task
        X, y = [task.X[i] for i in batch], [task.y[i] for i in batch]
        shares = task.shares(batch)
        total, outputs = batch_loss(task.model, task.loss, X, y, task.penalty, shares)
        task.optimizer.zero_grad()
        total.backward()
        return total.data, sum(map(is_right, outputs, y))

    def update(self) -> None:
        """Change the weights against the gradient."""
        self.task.optimizer.step()

    def gradient_sizes(self) -> dict[str, float]:
        """Return the root mean square of the last gradient, by layer."""
        return gradient_sizes(self.task.model)

    def settle(self, *, may_change: bool = False) -> None:
        """Bring weights and gradients to the Values, where they are already.

        ``may_change`` says that callbacks will see the Values, and may change them.
        """

    def validate(self) -> tuple[float, float]:
        """Return mean loss and share of right predictions on the validation data, once settled."""
        return evaluate(self.task.model, self.task.loss, *(self.task.validation or ((), ())))


class CompiledStepper:
    """Takes the same steps on matrices: each batch is some rows of one array.

    Raises
    ------
    SettingError
        If the model or loss branches on data, so that one structure does not serve all samples;
        or if the optimizer trains other parameters than the loss depends on.
    MissingExtraError
        If NumPy is not installed.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        model, loss, X, y = task.model, task.loss, task.X, task.y
        batch = min(task.batch_size, len(X)) if whole_batch_part(model) is not None else 0
        weighted = task.weights is not None
        self.compiled = ModelProgram(
            model, loss, X, y, batch=batch, penalty=task.penalty, weighted=weighted
        )
        self.np, self.program = self.compiled.np, self.compiled.program
        if set(self.program.parameters) != {p for p in task.optimizer.parameters if not p.constant}:
            raise SettingError(
                f"the optimizer trains {len(task.optimizer.parameters)} parameters, the loss of "
                f"a sample depends on {len(self.program.parameters)}.",
                fix="train with compiled=False, or pass the optimizer model.parameters().",
            )
        self.agreement = Agreement(self.compiled)
        self.agreement.check()
        self.rows, self.targets = self.compiled.rows(X, y), self._targets(y)
        self.layers = {
            name: self.np.array([self.compiled.place[p] for p in layer])
            for name, layer in parameters_by_layer(model).items()
        }
        if task.validation is not None:
            with model.evaluating():  # a program of its own: nothing dropped, no penalty
                self.judge = ModelProgram(model, loss, X, y)
            self.held_out = self.judge.rows(*task.validation)
            self.held_out_targets = self._targets(task.validation[1])
        self.may_have_changed = False  # a callback has seen the Values since the last step

    def forward_backward(self, batch: Sequence[int]) -> tuple[float, int]:
        """Run the program on the rows of the batch, with what callbacks have changed before."""
        if self.may_have_changed:
            self.may_have_changed = False
            self.program.pull()
            self.agreement.look_again()
        some = self.np.array(batch)
        rows = self.rows[some]
        if self.task.weights is not None:
            rows[:, -1] = self.task.shares(batch)
        loss = self.compiled.backward(rows)
        return loss, self._right(self.compiled, self.targets, some)

    def update(self) -> None:
        """Change the vector of all weights; layers such as BatchNorm observe the run."""
        program = self.program
        with self.np.errstate(all="ignore"):  # whatever a user's np.seterr says, as on Values
            self.task.optimizer.step_arrays(
                self.np, program.parameters, program.vector, program.gradient
            )
            self.compiled.observe()

    def gradient_sizes(self) -> dict[str, float]:
        """Return the root mean square of each layer's part of the gradient."""
        with self.np.errstate(all="ignore"):
            squares = self.program.gradient * self.program.gradient
            sums = {name: self.np.add.reduce(squares[some]) for name, some in self.layers.items()}
        return {name: float(sums[name] / len(some)) ** 0.5 for name, some in self.layers.items()}

    def settle(self, *, may_change: bool = False) -> None:
        """Write the vectors to the Values; what is changed there counts from the next step."""
        if self.may_have_changed:  # after the last step, too, what they changed stays
            self.program.pull()
        self.program.push()
        self.may_have_changed = may_change

    def validate(self) -> tuple[float, float]:
        """Run the program for evaluation mode on the rows of the validation data."""
        self.judge.program.pull()
        loss = self.judge.forward(self.held_out)
        right = self._right(self.judge, self.held_out_targets, slice(None))
        return loss, right / len(self.held_out)

    def _targets(self, y: Sequence[Any]) -> Any:
        """Return the targets as an array, or None where they can't be classes."""
        array = self.np.array(y)
        return array if array.ndim == 1 else None

    def _right(self, compiled: ModelProgram, targets: Any, some: Any) -> int:
        """Count the samples of the last run that were right."""
        if targets is None:
            return 0
        single = not compiled.symbolic.width
        return count_right(self.np, compiled.outputs(), targets[some], single)


Stepper: TypeAlias = EagerStepper | CompiledStepper


@contextmanager
def stepper_for(task: Task, compiled: bool | str) -> Iterator[Stepper]:
    """Choose the stepper that was asked for; the Values have the weights afterwards, on any exit.

    ``compiled`` is True for matrices, False for graphs, "auto" for matrices where possible.
    """

    def on_matrices() -> Stepper:
        return CompiledStepper(task)

    stepper = compiled_or_graph(compiled, on_matrices, lambda: EagerStepper(task))
    try:
        yield stepper
    finally:
        stepper.settle()
