"""Training at matrix speed: one sample is traced, and its program runs over the rows of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from tinygrad_edu.checks import extra
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.engine import Value
from tinygrad_edu.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.train.optim import Optimizer

Loss: TypeAlias = Callable[[Any, Any], Value]
CHECKED = 8  # samples on which the program must agree with the graph before it is trusted


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
    features = [Value(float(number)) for number in x]
    with recording():
        out = model(features)
        count = 0 if isinstance(out, Value) else len(out)
        targets = [Value(number) for number in encode(y, count)]
        scalar = not _one_hot(y, count) and not isinstance(y, Iterable)
        return loss(out, targets[0] if scalar else targets), [*features, *targets], out


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


def _one_hot(target: Any, count: int) -> bool:
    return count > 0 and hasattr(target, "__index__")


class CompiledTraining:
    """A model and its loss as a program over rows; the weights come back with :meth:`push`.

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
    ) -> None:
        self.np = extra("numpy", "numpy", "compiled training", "fast")
        total, inputs, out = traced(model, loss, X[0], y[0])
        self.single = isinstance(out, Value)
        self.outputs = [out] if self.single else list(out)
        self.program = compile_graph(total, inputs, outputs=self.outputs)
        self.optimizer = optimizer
        self._check_parameters()
        self.state = self._arrays(optimizer.flat_state(self.program.parameters))
        self._check_agreement(model, loss, X, y)

    def rows(self, X: Sequence[Any], y: Sequence[Any]) -> Any:
        """Features and encoded targets, a row a sample."""
        count = 0 if self.single else len(self.outputs)
        pairs = zip(X, y, strict=True)
        return self.np.array([[*map(float, x), *encode(t, count)] for x, t in pairs])

    def step(self, rows: Any) -> float:
        """Forward, backward and update of the weights on some rows; the loss."""
        return self.program.backward(rows)

    def update(self) -> None:
        """Change the weights against the gradient: the optimizer's formula on arrays."""
        program, optimizer = self.program, self.optimizer
        steps = optimizer.steps + 1
        new, *state = optimizer.update(
            self.np, steps, program.vector, program.gradient, *self.state
        )
        self.np.copyto(program.vector, new)
        self.state, optimizer.steps = state, steps

    def outcomes(self) -> list[Any]:
        """What the model said in the last run: a number a row, or a list of logits a row."""
        columns = [column.tolist() for column in self.program.outputs()]
        return columns[0] if self.single else [list(row) for row in zip(*columns, strict=True)]

    def push(self) -> None:
        """Write weights, gradients and the optimizer's state back to the Values."""
        self.program.push()
        self.optimizer.take_flat_state(self.program.parameters, self.state)

    def _arrays(self, columns: Iterable[Any]) -> list[Any]:
        return [self.np.array(column, dtype=float) for column in columns]

    def _check_parameters(self) -> None:
        if set(self.program.parameters) != set(self.optimizer.parameters):
            raise SettingError(
                f"the optimizer trains {len(self.optimizer.parameters)} parameters, the loss of "
                f"a sample depends on {len(self.program.parameters)}.",
                fix="train with compiled=False, or pass the optimizer model.parameters().",
            )

    def _check_agreement(
        self, model: Module, loss: Any, X: Sequence[Any], y: Sequence[Any]
    ) -> None:
        """Nothing tells a tape that code looked at ``v.data``: so compare with the graph."""
        some = range(0, len(X), -(-len(X) // CHECKED))
        for i in some:
            eager = loss(model(X[i]), y[i]).data
            mine = self.program.forward(self.rows([X[i]], [y[i]]))
            alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
            if not alike and not abs(mine - eager) <= 1e-9 * max(1.0, abs(eager)):
                raise SettingError(
                    f"compiled, sample {i} has the loss {mine:.9g}; as a graph it has {eager:.9g}.",
                    where="the model or the loss looks at numbers (v.data), and chooses by them",
                    fix="train with compiled=False, or choose with maximum, minimum, relu, abs.",
                )
