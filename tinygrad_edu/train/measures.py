"""Measure a model: its loss, the share of right predictions, the size of its gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.compiler.python_backend import exact_sum
from tinygrad_edu.engine import Value
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import same_length
from tinygrad_edu.shared.samples import by_position


def evaluate(model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> tuple[float, float]:
    """Return mean loss and share of right predictions, in evaluation mode, without training."""
    X, y = by_position(X), by_position(y, "y")
    same_length("y", y, "X", X)
    with model.evaluating():
        outputs = (model(x) for x in X)
        pairs = [(loss(out, t).data, is_right(out, t)) for out, t in zip(outputs, y, strict=True)]
    losses, right = zip(*pairs, strict=True)
    return exact_sum(losses) / len(pairs), sum(right) / len(pairs)


def is_right(output: Any, target: Any) -> bool:
    """Check whether an output predicts its target.

    A list of logits predicts the index of the largest; a single logit predicts class 1 if it is
    positive, else 0 or -1. Targets that are not classes are never predicted right.
    """
    if isinstance(target, Iterable):
        return False
    if isinstance(output, Value | float):
        number = output.data if isinstance(output, Value) else output
        return bool((number > 0.0) == (target > 0)) if target in (-1, 0, 1) else False
    data = [v.data if isinstance(v, Value) else v for v in output]
    return bool(data.index(max(data)) == target)


def count_right(np: Any, outputs: Any, targets: Any, single: bool) -> int:
    """Count the rows of outputs that predict their target: :func:`is_right` on arrays.

    ``single`` tells a single logit from a list with one logit.
    """
    if not single:
        return int(np.count_nonzero(np.argmax(outputs, axis=1) == targets))
    agree = (outputs[:, 0] > 0.0) == (targets > 0)
    return int(np.count_nonzero(agree & np.isin(targets, (-1, 0, 1))))


def gradient_sizes(model: Module) -> dict[str, float]:
    """Return the root mean square of dL/dw in each layer, by the layer's name."""
    return {
        name: sqrt(exact_sum([p.grad * p.grad for p in layer]) / len(layer))
        for name, layer in parameters_by_layer(model).items()
    }


def parameters_by_layer(model: Module) -> dict[str, list[Value]]:
    """Return the parameters of each top-level part of a model, by its name."""
    layers: dict[str, list[Value]] = {}
    for name, parameter in model.named_parameters():
        layers.setdefault(name.partition(".")[0], []).append(parameter)
    return layers
