"""The loss of a batch as a graph: of numbers, or of symbols that stand for every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinygrad_edu.compiler import recording
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.context import Trace
from tinygrad_edu.engine.errors import OperandError, SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.generators import generators, get_state, set_state
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.samples import as_list
from tinygrad_edu.shared.tables import plural

Loss: TypeAlias = Callable[[Any, Any], Value]


def batch_loss(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    penalty: Penalty | None = None,
    weights: Sequence[float] | None = None,
) -> tuple[Value, list[Any]]:
    """Return the mean loss of a batch with the penalty, as a graph, and the model's outputs.

    Weights multiply the losses of the samples; their own mean is to be 1.
    """
    outputs = model.batch(X)
    losses = [loss_of(loss, out, target) for out, target in zip(outputs, y, strict=True)]
    if weights is not None:
        losses = [one * weight for one, weight in zip(losses, weights, strict=True)]
    return _total(losses, model, penalty), outputs


def loss_of(loss: Loss, output: Any, target: Any) -> Value:
    """Return the loss of a sample, if it is a Value."""
    found: Any = loss(output, target)
    if not isinstance(found, Value):
        raise OperandError(
            f"the loss returned {found!r:.40}, of type {type(found).__name__}.",
            expected="one Value, from which gradients flow back",
            fix="compute it from the output itself, without float() or .data, and return the "
            "result: loss=lambda output, target: (output - target) ** 2.",
        )
    return found


def _total(losses: Sequence[Value], model: Module, penalty: Penalty | None) -> Value:
    total = sum(losses[1:], losses[0])
    mean = total * (1.0 / len(losses)) if len(losses) > 1 else total
    return mean + penalty(model) if penalty is not None else mean


def whole_batch_part(model: Module) -> Module | None:
    """Find the first part that looks at all samples of a batch at once, as BatchNorm does."""
    parts = (part for _, part in model.named_modules() if getattr(part, "whole_batch", False))
    return next(parts, None)


class Symbol(Value):
    """A feature or target that stands for that of every sample.

    Code that compares it by ``==`` is refused. A Value's ``==`` asks whether it is the same object,
    so ``if target == 1`` would silently be recorded as False, for all targets.
    """

    __slots__ = ()
    __hash__ = Value.__hash__

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        raise SettingError(
            "a feature or a target was compared by == while its graph was recorded.",
            where="a program has one structure for all data: a branch on this sample would be "
            "baked in",
            fix="train with compiled=False, or choose with maximum, minimum, relu or abs.",
        )


@dataclass(frozen=True)
class SymbolicLoss:
    """The loss of a symbolic sample (or batch), from which a program is compiled.

    Attributes
    ----------
    total : Value, the loss
    inputs : Values, one per column of data: features, target and, with weights, the weight of each
        sample, then ``trace``'s
    outputs : what the model returned for each sample: a Value or several
    trace : Trace, the numbers that layers ask for, or want to know, at each run
    """

    total: Value
    inputs: list[Value]
    outputs: list[Any]
    trace: Trace

    @property
    def width(self) -> int:
        """Return how many outputs a sample has; 0 if its output is a single Value, not a list."""
        return 0 if isinstance(self.outputs[0], Value) else len(self.outputs[0])

    @property
    def output_values(self) -> list[Value]:
        """Return the outputs of all samples, one after another."""
        return [v for out in self.outputs for v in (out if self.width else [out])]

    @property
    def observed(self) -> list[Value]:
        """Return what layers want to know of each run, as BatchNorm the mean of a batch."""
        return [v for values, _ in self.trace.observed for v in values]


def symbolic_loss(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    batch: int = 0,
    penalty: Penalty | None = None,
    *,
    weighted: bool = False,
) -> SymbolicLoss:
    """Run model and loss on symbols, which have the numbers of the first sample (or samples).

    ``batch`` is how many samples are traced together, for a model that looks at all of them; 0
    means a single one, in a model whose outputs for it depend on no other sample.
    """
    samples = [[Symbol(float(x)) for x in as_list(X[i], f"X[{i}]")] for i in range(max(batch, 1))]
    # in evaluation mode nothing has to come back; what came back would undo what another thread,
    # which trains the same model, does to generators and buffers meanwhile
    kept = undisturbed(*changeable(model)) if model.training else nullcontext()
    with kept, recording() as trace:
        outputs = model.batch(samples) if batch else [model(samples[0])]
        pairs = [sample_loss(loss, out, t) for out, t in zip(outputs, y, strict=False)]
        if weighted:
            weights = [Symbol(1.0) for _ in pairs]
            pairs = [
                (one * weight, [*targets, weight])
                for (one, targets), weight in zip(pairs, weights, strict=True)
            ]
        total = _total([one for one, _ in pairs], model, penalty)
    inputs = [v for x, (_, targets) in zip(samples, pairs, strict=True) for v in (*x, *targets)]
    inputs += [v for values, _ in trace.given for v in values]
    return SymbolicLoss(total, inputs, outputs, trace)


def changeable(model: Module) -> tuple[list[Value], list[Any]]:
    """Find the buffers and the generators of layers: what running a model changes."""
    buffers = [buffer for _, buffer in model.named_buffers()]
    return buffers, [source for _, source in generators(model)]


@contextmanager
def undisturbed(buffers: Sequence[Value], sources: Sequence[Any]) -> Iterator[None]:
    """Leave buffers and generators, those that are :func:`changeable`, as they are found."""
    data = [buffer.data for buffer in buffers]
    states = [get_state(source) for source in sources]
    try:
        yield
    finally:
        for buffer, number in zip(buffers, data, strict=True):
            buffer.data = number
        for source, state in zip(sources, states, strict=True):
            set_state(source, state)


def sample_loss(loss: Loss, out: Any, target: Any) -> tuple[Value, list[Value]]:
    """Return the loss of an output, and the symbolic target that was made for it."""
    width = 0 if isinstance(out, Value) else len(out)
    symbols: list[Value] = [Symbol(number) for number in encoded(target, width)]
    alone = not _is_class(target, width) and not isinstance(target, Iterable)
    return loss(out, symbols[0] if alone else symbols), symbols


def encoded(target: Any, width: int) -> list[float]:
    """Write a target as numbers: the index of a class one-hot, all else as it is."""
    if not _is_class(target, width):
        return [*map(float, target)] if isinstance(target, Iterable) else [float(target)]
    if not 0 <= target < width:
        raise SettingError(
            f"the target is class {target}, but the model has {plural(width, 'output')}.",
            expected=f"an index from 0 to {width - 1}",
            fix=f"number the classes from 0 to {width - 1}, or build the model with more outputs.",
        )
    return [float(i == target) for i in range(width)]


def _is_class(target: Any, width: int) -> bool:
    """Check whether a target is the index of one of several outputs."""
    return width > 0 and hasattr(target, "__index__") and not isinstance(target, Iterable)
