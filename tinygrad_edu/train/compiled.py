"""Training at matrix speed: a sample is traced, and its program runs over the rows of data.

Where a layer looks at the whole batch, as BatchNorm does, the batch is traced, as one long row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, TypeAlias

from tinygrad_edu.checks import extra
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import SettingError, TinygradEduError
from tinygrad_edu.hooks import Trace
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.train.optim import Optimizer

Loss: TypeAlias = Callable[[Any, Any], Value]
CHECKED = 8  # samples on which the program must agree with the graph before it is trusted
NOT_COMPILED = (TinygradEduError, TypeError, AttributeError, ValueError)  # then graphs do it


def check_compiled(compiled: bool | str) -> bool | str:
    """The setting, if it is one."""
    if compiled in (True, False, "auto"):
        return compiled
    raise SettingError(
        f"compiled is {compiled!r:.60}.", expected='True, False or "auto"', fix="choose one."
    )


def agrees(mine: float, eager: float) -> bool:
    """Whether a program's number is the graph's; nothing tells a tape that code saw ``v.data``."""
    alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
    return alike or abs(mine - eager) <= 1e-9 * max(1.0, abs(eager))


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
    >>> from tinygrad_edu.train.compiled import network_equations
    >>> print(network_equations(nn.MLP(2, [3, 2]), nn.cross_entropy, [0.5, 1.0], 0).forward[0])
    A1 = X1 W1ᵀ + b1
    """
    total, inputs, _ = traced(model, loss, x, y)
    return compile_graph(total, inputs).equations


def traced(model: Module, loss: Loss, x: Sequence[Any], y: Any) -> tuple[Value, list[Value], Any]:
    """The loss of one symbolic sample, its inputs (features, then targets), the model's output."""
    with model.evaluating(), recording():
        features = [Value(float(number)) for number in x]
        out = model(features)
        total, targets = _loss_of(loss, out, y)
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
    return count > 0 and hasattr(target, "__index__")


def _loss_of(loss: Loss, out: Any, y: Any) -> tuple[Value, list[Value]]:
    """The loss of an output, and the symbolic target made for it."""
    count = 0 if isinstance(out, Value) else len(out)
    targets = [Value(number) for number in encode(y, count)]
    scalar = not _one_hot(y, count) and not isinstance(y, Iterable)
    return loss(out, targets[0] if scalar else targets), targets


class TracedModel:
    """Model and loss as a program over rows: a row a sample or, with ``size``, a row a batch.

    ``trace`` is what layers asked for meanwhile: see :class:`tinygrad_edu.hooks.Trace`.
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
        self.size = size
        samples = [[Value(float(number)) for number in X[i]] for i in range(max(size, 1))]
        with recording() as trace:
            outs = model.batch(samples) if size else [model(samples[0])]
            pairs = [_loss_of(loss, out, t) for out, t in zip(outs, y, strict=False)]
            total = sum((one for one, _ in pairs[1:]), pairs[0][0]) * (1.0 / len(pairs))
            total = total + penalty(model) if penalty is not None else total
        self.trace: Trace = trace
        inputs = [v for x, (_, targets) in zip(samples, pairs, strict=True) for v in (*x, *targets)]
        inputs += [v for values, _ in trace.given for v in values]
        self.single = isinstance(outs[0], Value)
        self.outputs = [v for out in outs for v in ([out] if self.single else out)]
        told = [v for values, _ in trace.observed for v in values]
        self.program = compile_graph(total, inputs, outputs=[*self.outputs, *told])

    def rows(self, data: Any) -> Any:
        """The rows to run for rows of samples: masks and the like beside them, or all in one."""
        rows = data.reshape(1, -1) if self.size else data
        if not self.trace.given:
            return rows
        told = [[tell() for _ in range(len(rows))] for _, tell in self.trace.given]
        return self.np.hstack([rows, *map(self.np.array, told)])

    def logits(self) -> Any:
        """What the model said in the last run: an array of (samples, outputs)."""
        found = self.program.outputs()[: len(self.outputs)]
        if not self.size and hasattr(found, "T"):
            return found.T
        each = 1 if self.single else len(self.outputs) // max(self.size, 1)
        columns = self.np.array([self.np.atleast_1d(column) for column in found])
        return columns.reshape(-1, each) if self.size else columns.T

    def observe(self) -> None:
        """Tell the layers what they wanted to know of the last run."""
        found = self.program.outputs()[len(self.outputs) :]
        for values, receive in self.trace.observed:
            receive([float(self.np.ravel(column)[0]) for column in found[: len(values)]])
            found = found[len(values) :]


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
        self._check_agreement(first)

    def rows(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Features and encoded targets, a row a sample."""
        first = self.latest
        count = 0 if first.single else len(first.outputs) // max(first.size, 1)
        return self.np.array(encoded_rows(X, y, count))

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

    def _check_agreement(self, first: TracedModel) -> None:
        """SettingError where the program has another loss than the graph."""
        size = max(first.size, 1)
        some = [0] if first.size else range(0, len(self.X), -(-len(self.X) // CHECKED))
        buffers, rngs = self.model.named_buffers(), generators(self.model)
        for i in some:
            X, y = self.X[i : i + size], self.y[i : i + size]
            with undisturbed(buffers, rngs):
                eager = batch_loss(self.model, self.loss, X, y, self.penalty)[0].data
            with undisturbed(buffers, rngs):
                mine = first.program.forward(first.rows(self.rows(X, y)))
            if not agrees(mine, eager):
                raise SettingError(
                    f"compiled, sample {i} has the loss {mine:.9g}; as a graph it has {eager:.9g}.",
                    where="the model or the loss looks at numbers (v.data), and chooses by them",
                    fix="train with compiled=False, or choose with maximum, minimum, relu, abs.",
                )


def batch_loss(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any], penalty: Penalty | None
) -> tuple[Value, list[Any]]:
    """The mean loss of a batch with the penalty, as a graph, and the model's outputs."""
    outputs = model.batch(X)
    losses = [loss(out, t) for out, t in zip(outputs, y, strict=True)]
    total = sum(losses[1:], losses[0]) * (1.0 / len(losses))
    return (total + penalty(model) if penalty is not None else total), outputs


@contextmanager
def undisturbed(
    buffers: Sequence[tuple[str, Value]], rngs: Sequence[tuple[str, Random]]
) -> Iterator[None]:
    """Leave the buffers and generators of layers as they are found."""
    data = [buffer.data for _, buffer in buffers]
    states = [rng.getstate() for _, rng in rngs]
    try:
        yield
    finally:
        for (_, buffer), number in zip(buffers, data, strict=True):
            buffer.data = number
        for (_, rng), state in zip(rngs, states, strict=True):
            rng.setstate(state)


def generators(model: Module) -> list[tuple[str, Random]]:
    """The random generators of the layers, by the paths of the layers."""
    parts = [(path, getattr(part, "rng", None)) for path, part in model.named_modules()]
    return [(path, rng) for path, rng in parts if isinstance(rng, Random)]
