"""One sample as a program over rows: what is an input, and what a target is in numbers.

Where a layer looks at the whole batch, as BatchNorm does, the batch is traced, as one long row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.engine.hooks import Trace
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import extra

# what tracing code that was written for numbers may raise: then graphs do it
NOT_COMPILED = (TinygradEduError, TypeError, AttributeError, ValueError, LookupError)


def check_compiled(compiled: bool | str) -> bool | str:
    """The setting, if it is one."""
    if compiled in (True, False, "auto"):
        return compiled
    raise SettingError(
        f"compiled is {compiled!r:.60}.", expected='True, False or "auto"', fix="choose one."
    )


Loss: TypeAlias = Callable[[Any, Any], Value]


class Symbol(Value):
    """A feature or target of a traced sample: code that chooses by its number is refused.

    A Value's ``==`` asks whether it is the same one, so ``if target == 1`` would silently be baked
    in as it is for any target.
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


def whole_batch_part(model: Module) -> Module | None:
    """The first part that looks at all samples of a batch at once, as BatchNorm; None without."""
    parts = (part for _, part in model.named_modules() if getattr(part, "whole_batch", False))
    return next(parts, None)


def network_equations(
    model: Module, loss: Callable[[Any, Any], Value], x: Any, y: Any
) -> Equations:
    """The matrix equations found in one sample's loss: forward, then the gradients.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.compiled.tracing import network_equations
    >>> print(network_equations(nn.MLP(2, [3, 2]), nn.cross_entropy, [0.5, 1.0], 0).forward[0])
    A1 = X1 W1ᵀ + b1
    """
    total, inputs, _ = traced(model, loss, x, y)
    return compile_graph(total, inputs).equations


def traced(model: Module, loss: Loss, x: Sequence[Any], y: Any) -> tuple[Value, list[Value], Any]:
    """The loss of one symbolic sample, its inputs (features, then targets), the model's output."""
    with model.evaluating(), recording():
        features = [Symbol(float(number)) for number in x]
        out = model(features)
        total, targets = loss_of(loss, out, y)
        return total, [*features, *targets], out


def encode(target: Any, count: int) -> list[float]:
    """A target as numbers: an index among ``count`` classes one-hot, the rest as it is."""
    if not _one_hot(target, count):
        return [*map(float, target)] if isinstance(target, Iterable) else [float(target)]
    if not 0 <= target < count:
        raise SettingError(
            f"the target is class {target} of {count}.",
            expected=f"an index from 0 to {count - 1}",
            fix="look at the targets of the data set.",
        )
    return [float(i == target) for i in range(count)]


def encoded_rows(X: Sequence[Any], y: Sequence[Any], count: int) -> list[list[float]]:
    """Features, then the encoded target, a row a sample."""
    return [[*map(float, x), *encode(t, count)] for x, t in zip(X, y, strict=True)]


def _one_hot(target: Any, count: int) -> bool:
    return count > 0 and hasattr(target, "__index__") and not isinstance(target, Iterable)


def loss_of(loss: Loss, out: Any, y: Any) -> tuple[Value, list[Value]]:
    """The loss of an output, and the symbolic target made for it."""
    count = 0 if isinstance(out, Value) else len(out)
    targets: list[Value] = [Symbol(number) for number in encode(y, count)]
    scalar = not _one_hot(y, count) and not isinstance(y, Iterable)
    return loss(out, targets[0] if scalar else targets), targets


class TracedModel:
    """Model and loss as a program over rows: a row a sample or, with ``size``, a row a batch.

    ``trace`` is what layers asked for meanwhile: see :class:`tinygrad_edu.engine.hooks.Trace`.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        X: Sequence[Any],
        y: Sequence[Any],
        *,
        size: int = 0,
        penalty: Penalty | None = None,
    ) -> None:
        self.np = extra("numpy", "numpy", "compiled training", "fast")
        self.model, self.loss, self.X, self.y, self.penalty = model, loss, X, y, penalty
        self.size = size
        samples = [[Symbol(float(number)) for number in X[i]] for i in range(max(size, 1))]
        with recording() as trace:
            outs = model.batch(samples) if size else [model(samples[0])]
            pairs = [loss_of(loss, out, t) for out, t in zip(outs, y, strict=False)]
            total = sum((one for one, _ in pairs[1:]), pairs[0][0]) * (1.0 / len(pairs))
            total = total + penalty(model) if penalty is not None else total
        self.trace: Trace = trace
        inputs = [v for x, (_, targets) in zip(samples, pairs, strict=True) for v in (*x, *targets)]
        inputs += [v for values, _ in trace.given for v in values]
        self.single, self.shape = isinstance(outs[0], Value), type(outs[0])
        self.outputs = [v for out in outs for v in ([out] if self.single else out)]
        self.count = 0 if self.single else len(outs[0])
        told = [v for values, _ in trace.observed for v in values]
        self.program = compile_graph(total, inputs, outputs=[*self.outputs, *told])

    def like_output(self, values: Sequence[Value]) -> Any:
        """Values as the model gives them: a single one, a list, a tuple with or without names."""
        if self.single:
            return values[0]
        make = getattr(self.shape, "_make", tuple if issubclass(self.shape, tuple) else list)
        return make(values)

    def encoded(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Features and encoded targets, a row a sample."""
        return self.np.array(encoded_rows(X, y, self.count))

    def rows(self, data: Any) -> Any:
        """The rows to run for rows of samples: masks and the like beside them, or all in one."""
        rows = data.reshape(1, -1) if self.size else data
        if not self.trace.given:
            return rows
        # row by row, as graph by graph would ask for them
        tellers = [tell for _, tell in self.trace.given]
        told = [[number for tell in tellers for number in tell()] for _ in range(len(rows))]
        return self.np.hstack([rows, self.np.array(told)])

    def logits(self) -> Any:
        """What the model said in the last run: an array of (samples, outputs)."""
        found = self.program.outputs()[: len(self.outputs)]
        if not self.size and hasattr(found, "T"):
            return found.T
        columns = self.np.array([self.np.atleast_1d(column) for column in found])
        return columns.reshape(-1, self.count or 1) if self.size else columns.T

    def observe(self) -> None:
        """Tell the layers what they wanted to know of the last run."""
        found = self.program.outputs()[len(self.outputs) :]
        for values, receive in self.trace.observed:
            receive([float(self.np.ravel(column)[0]) for column in found[: len(values)]])
            found = found[len(values) :]


def batch_loss(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any], penalty: Penalty | None
) -> tuple[Value, list[Any]]:
    """The mean loss of a batch with the penalty, as a graph, and the model's outputs."""
    outputs = model.batch(X)
    losses = [loss(out, t) for out, t in zip(outputs, y, strict=True)]
    total = sum(losses[1:], losses[0]) * (1.0 / len(losses))
    return (total + penalty(model) if penalty is not None else total), outputs
