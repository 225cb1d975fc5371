"""Measure a model: its loss, the share of right predictions, the size of its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import eq, mul
from typing import Any, TypeAlias

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.engine import Value, operand
from tinygrad_edu.engine.errors import OperandError, SettingError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import function, same_length
from tinygrad_edu.shared.arithmetic import exact_sum, root_mean_square
from tinygrad_edu.shared.samples import by_position

Metric: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Any]


def evaluate(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]
) -> tuple[float, float | None]:
    """Return mean loss and share of right predictions, in evaluation mode, without training.

    The share is None where the targets are not classes but numbers to be learned; :class:`Scores`
    says which targets are classes.
    """
    check_model(model, loss)
    X, y = by_position(X), by_position(y, "y")
    same_length("y", y, "X", X)
    found = Scores(y, loss).of_all(*forward(model, loss, X, y))
    return found["loss"], found.get("accuracy")


def check_model(model: Any, loss: Any) -> None:
    """Raise SettingError unless the model is a Module and the loss a function."""
    if not isinstance(model, Module):
        raise SettingError(
            f"the model is {model!r:.60}.",
            expected="a Module, such as MLP or Sequential",
            fix="pass a model first, for example nn.MLP(2, [1]).",
        )
    function("loss", loss, "nn.mse")


def forward(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]
) -> tuple[float, list[list[float]]]:
    """Return the mean loss of samples and their outputs as rows of numbers, in evaluation mode."""
    losses, outputs = list[float](), list[list[float]]()
    with model.evaluating():
        for x, target in zip(X, y, strict=True):
            out = model(x)
            losses.append(operand(loss(out, target)).data)
            outputs.append(row_of(out))
    return exact_sum(losses) / len(losses), outputs


def row_of(output: Any) -> list[float]:
    """Return the output for one sample as a list of numbers; [] if it is of another form."""
    parts = output if isinstance(output, Iterable) else [output]
    try:
        return [part.data if isinstance(part, Value) else float(part) for part in parts]
    except (TypeError, ValueError):
        return []


class Scores:
    """Adds up, batch by batch, how well a model predicts its targets: loss, accuracy, metrics.

    Targets are classes if each of them is the index of one of several outputs, alone, in a row of
    its own, or one-hot; for a single output if all are 0 and 1, or all are -1 and 1. Several
    outputs predict the class of the largest. A single output is a logit, which predicts by its
    sign; but with a loss that draws it to the numbers 0 and 1 themselves, as ``nn.mse`` does, it
    predicts the nearer. All other targets are numbers to be learned: they have no accuracy.

    Parameters
    ----------
    y : the targets
    loss : function of the output for one sample and its target
    metrics : functions of (targets, predictions) by name, as those of ``sklearn.metrics``. Both
        are lists of classes, or else of numbers, or of rows of numbers
    """

    def __init__(
        self, y: Sequence[Any], loss: Loss, metrics: Mapping[str, Metric] | None = None
    ) -> None:
        self.y, self.loss = y, loss
        self.metrics: Mapping[str, Metric] = {} if metrics is None else metrics
        named = isinstance(self.metrics, Mapping) and all(map(callable, self.metrics.values()))
        if not named:
            raise SettingError(
                f"metrics is {metrics!r:.60}.",
                expected="functions of (targets, predictions) by name",
                fix="pass a dict, for example metrics={'mine': lambda y, p: 0.0}.",
            )
        self.width: int | None = None  # how many outputs there are is known with the first of them
        self.start()

    def start(self) -> None:
        """Forget what was added: a new epoch begins."""
        self.losses, self.weights = list[float](), list[float]()
        self.samples, self.predicted = list[int](), list[Any]()

    def add(
        self,
        batches: Sequence[Sequence[int]],
        losses: Sequence[float],
        outputs: Any,
        weights: Sequence[float],
    ) -> None:
        """Add batches: their mean losses, with how much each counts, and the outputs of all.

        Outputs are rows of numbers, one for each sample, in their order.
        """
        if self.width is None:
            self.width = len(outputs[0])
            classes = classes_of(self.y, self.width)
            self.are_classes = classes is not None
            self.targets = classes or [_alone(target) for target in self.y]
            self.low = -1 if self.are_classes and -1 in self.targets else 0
            self.middle = 0.0 if self.low or not self.are_classes else _middle(self.loss)
        self.weights += weights
        self.losses += map(mul, losses, weights)
        self.samples += chain.from_iterable(batches)
        if self.are_classes or self.metrics:
            self.predicted += self._predictions(outputs)

    def total(self) -> dict[str, Any]:
        """Return the mean "loss", the "accuracy" if there is one, and the "metrics" by name."""
        measures: dict[str, Any] = {"loss": exact_sum(self.losses) / exact_sum(self.weights)}
        targets = [self.targets[i] for i in self.samples]
        if self.are_classes:
            measures["accuracy"] = sum(map(eq, self.predicted, targets)) / len(targets)
        for name, metric in self.metrics.items():
            try:
                number = real(metric(targets, self.predicted))
            except OperandError as error:
                raise SettingError(
                    f"the metric {name!r} did not return a number: {str(error).splitlines()[0]}",
                    expected="a function of (targets, predictions) that returns one number",
                    fix=f"pass a function such as metrics={{{name!r}: lambda y, p: 0.0}}.",
                ) from None
            measures.setdefault("metrics", {})[name] = number
        return measures

    def of_all(self, loss: float, outputs: Any) -> dict[str, Any]:
        """Return the measures of all samples at once, in their order."""
        self.start()
        self.add([range(len(self.y))], [loss], outputs, [len(self.y)])
        return self.total()

    def _predictions(self, outputs: Any) -> list[Any]:
        """Return the class that each row of outputs predicts, or else the numbers themselves."""
        several = self.width != 1
        if self.are_classes and several and hasattr(outputs, "argmax"):
            return outputs.argmax(axis=1).tolist()  # type: ignore[no-any-return]
        rows = outputs.tolist() if hasattr(outputs, "tolist") else outputs
        if not self.are_classes:
            return [*rows] if several else [row[0] for row in rows]
        if several:
            return [row.index(max(row)) for row in rows]
        return [1 if row[0] > self.middle else self.low for row in rows]


def classes_of(y: Sequence[Any], width: int) -> list[Any] | None:
    """Return the class that each target names to so many outputs; None if one names no class."""
    named = [_index(target, width) for target in y]
    found = {name for name in named if name is not None}
    one_output = ({0, 1}, {-1, 1}) if width == 1 else ({*range(width)},)
    return named if None not in named and any(found <= all_ for all_ in one_output) else None


def _index(target: Any, width: int) -> Any:
    """Return the number that stands alone, or the place of the 1 in a one-hot row; else None."""
    target = _alone(target)
    if not isinstance(target, Iterable):
        return target if target in range(-1, max(width, 2)) else None
    row = [*target]
    one_hot = len(row) == width and row.count(1) == 1 and row.count(0) == width - 1
    return row.index(1) if one_hot else None


def _alone(target: Any) -> Any:
    """Return the entry of a row with a single one, as in a column of targets; else the target."""
    row = [*target] if isinstance(target, Iterable) else []
    return row[0] if len(row) == 1 else target


def _middle(loss: Loss) -> float:
    """Return which single output is on the border of the classes 0 and 1, as the loss sees it.

    A logit of 0.25 is for class 1, while to a squared error it is nearer to 0.
    """
    for form in (Value, lambda number: [Value(number)]):  # the output alone, or in a list
        try:
            return 0.5 if loss(form(0.25), 0).data < loss(form(0.25), 1).data else 0.0
        except Exception:  # of a loss that takes another form, or other targets
            continue
    return 0.0


def gradient_sizes(model: Module) -> dict[str, float]:
    """Return the root mean square of dL/dw in each layer, by the layer's name."""
    return {
        name: root_mean_square([p.grad for p in layer])
        for name, layer in parameters_by_layer(model).items()
    }


def parameters_by_layer(model: Module) -> dict[str, list[Value]]:
    """Return the parameters of each top-level part of a model, by its name."""
    layers: dict[str, list[Value]] = {}
    for name, parameter in model.named_parameters():
        layers.setdefault(name.partition(".")[0], []).append(parameter)
    return layers
