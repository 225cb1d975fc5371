"""The contenders of ``python -m benchmarks compiled``: one network, one loss, written for each.

All work in float64 on one thread, on the same data and from the same weights. A step computes the
loss and its slopes by all weights; a descent, which is not timed, moves the weights against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import exp, log
from typing import Any, Protocol

import numpy as np

from benchmarks.workloads import moons_loss

HINGE, CROSS_ENTROPY = "hinge", "cross entropy"
PENALTY = 1e-4  # of the squared weights, beside the hinge loss
Layers = list[tuple[Any, Any]]  # weights (outputs, inputs) and biases (outputs,) of each layer


@dataclass(frozen=True)
class Problem:
    """A network with relu between its layers, and the loss of a batch.

    ``y`` has a row for each row of ``X``: a target -1 or 1 for the hinge loss, to which a penalty
    on the weights is added; a one and zeros for the cross entropy of a softmax.
    """

    name: str
    loss: str
    layers: Layers
    X: Any
    y: Any


class Contender(Protocol):
    """Who is timed."""

    def step(self) -> float:
        """Compute the loss and its gradient; return the loss."""

    def descend(self, rate: float) -> None:
        """Move the weights against the gradient of the last step."""


class ByHand:
    """NumPy, with the derivatives worked out on paper."""

    def __init__(self, problem: Problem) -> None:
        self.layers = [(w.copy(), b.copy()) for w, b in problem.layers]
        self.X, self.y = problem.X, problem.y
        self.head = self._hinge if problem.loss == HINGE else self._cross_entropy

    def step(self) -> float:
        """Forward, keeping what each layer puts out; then backward, last layer first."""
        Z = [self.X]
        last = len(self.layers) - 1
        for i, (w, b) in enumerate(self.layers):
            a = Z[-1] @ w.T
            a += b
            Z.append(np.maximum(a, 0.0, out=a) if i < last else a)
        loss, delta, decay = self.head(Z[-1])
        self.gradients = []
        for i in range(last, -1, -1):
            w, b = self.layers[i]
            dw, db = delta.T @ Z[i], delta.sum(0)
            self.gradients.append((dw + decay * w, db + decay * b) if decay else (dw, db))
            if i:
                delta = delta @ w
                delta *= Z[i] > 0.0
        return float(loss)

    def descend(self, rate: float) -> None:
        """In place."""
        for (w, b), (dw, db) in zip(reversed(self.layers), self.gradients, strict=True):
            w -= rate * dw
            b -= rate * db

    def _hinge(self, scores: Any) -> tuple[Any, Any, float]:
        margin = 1.0 - self.y * scores
        squares = sum(float(np.vdot(w, w) + np.vdot(b, b)) for w, b in self.layers)
        loss = np.maximum(margin, 0.0).mean() + PENALTY * squares
        return loss, -self.y * (margin > 0.0) / len(margin), 2.0 * PENALTY

    def _cross_entropy(self, scores: Any) -> tuple[Any, Any, float]:
        rows = len(scores)
        top = scores.max(1, keepdims=True)
        e = np.exp(scores - top)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total) + top).mean() - (scores * self.y).sum() / rows
        return loss, (e / total - self.y) / rows, 0.0


class TorchEager:
    """PyTorch on matrices, without a compiler."""

    def __init__(self, problem: Problem) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.hinge = torch, problem.loss == HINGE
        flat = [array for layer in problem.layers for array in layer]
        self.weights = [torch.tensor(array, requires_grad=True) for array in flat]
        self.X = torch.tensor(problem.X)
        self.y = torch.tensor(problem.y if self.hinge else problem.y.argmax(1))

    def step(self) -> float:
        """As its users write it: ``linear``, ``relu``, ``cross_entropy``."""
        functional = self.torch.nn.functional
        a = self.X
        for i in range(0, len(self.weights), 2):
            a = functional.linear(functional.relu(a) if i else a, *self.weights[i : i + 2])
        if self.hinge:
            squares = sum((w * w).sum() for w in self.weights)
            loss = functional.relu(1.0 - self.y * a).mean() + PENALTY * squares
        else:
            loss = functional.cross_entropy(a, self.y)
        self.gradients = self.torch.autograd.grad(loss, self.weights)
        return float(loss.item())

    def descend(self, rate: float) -> None:
        """In place, outside the graph."""
        with self.torch.no_grad():
            for weight, slope in zip(self.weights, self.gradients, strict=True):
                weight -= rate * slope


class JaxJit:
    """JAX: the loss and its gradient compiled together by XLA."""

    def __init__(self, problem: Problem) -> None:
        import jax

        self.jax: Any = jax
        self.jax.config.update("jax_enable_x64", True)
        # measured: handing each step to another thread takes two to four times as long
        self.jax.config.update("jax_cpu_enable_async_dispatch", False)
        self.layers = jax.tree.map(jax.numpy.array, problem.layers)
        self.data = jax.numpy.array(problem.X), jax.numpy.array(problem.y)
        self.compiled = jax.jit(jax.value_and_grad(partial(_jax_loss, jax, problem.loss)))

    def step(self) -> float:
        """Wait for the gradient too: JAX returns before it has computed it."""
        loss, self.gradients = self.compiled(self.layers, *self.data)
        self.jax.block_until_ready(self.gradients)
        return float(loss)

    def descend(self, rate: float) -> None:
        """New arrays: those of JAX do not change."""
        self.layers = self.jax.tree.map(lambda w, dw: w - rate * dw, self.layers, self.gradients)


def _jax_loss(jax: Any, kind: str, layers: Layers, X: Any, y: Any) -> Any:
    relu = jax.nn.relu
    a = X
    for i, (w, b) in enumerate(layers):
        a = (relu(a) if i else a) @ w.T + b
    if kind == CROSS_ENTROPY:
        return -(y * jax.nn.log_softmax(a)).sum(1).mean()
    squares = sum((array**2).sum() for layer in layers for array in layer)
    return relu(1.0 - y * a).mean() + PENALTY * squares


class Micrograd:
    """Micrograd, which builds the graph of the whole batch anew in each step."""

    def __init__(self, problem: Problem) -> None:
        from micrograd.engine import Value
        from micrograd.nn import MLP

        self.value, self.X = Value, problem.X.tolist()
        widths = [len(b) for _, b in problem.layers]
        self.model = MLP(len(self.X[0]), widths)
        rows = [[*row, bias] for w, b in problem.layers for row, bias in zip(w, b, strict=True)]
        numbers = [float(number) for row in rows for number in row]
        for parameter, number in zip(self.model.parameters(), numbers, strict=True):
            parameter.data = number
        hinge = problem.loss == HINGE
        self.y = problem.y[:, 0].tolist() if hinge else problem.y.argmax(1).tolist()
        self.loss = moons_loss if hinge else _micrograd_cross_entropy

    def step(self) -> float:
        """Wrap the inputs, forward, clear the gradients, backward."""
        loss = self.loss(self.model, self.value, self.X, self.y)
        self.model.zero_grad()
        loss.backward()
        return float(loss.data)

    def descend(self, rate: float) -> None:
        """Weight by weight."""
        for parameter in self.model.parameters():
            parameter.data -= rate * parameter.grad


def _micrograd_cross_entropy(model: Any, value: Any, X: Any, y: Any) -> Any:
    """The mean over rows; exp and log, which micrograd lacks, are added in its own manner."""
    losses = []
    for row, target in zip(X, y, strict=True):
        scores = model([value(number) for number in row])
        top = max(score.data for score in scores)
        total = sum(_unary(value, score - top, exp, exp) for score in scores)
        losses.append(_unary(value, total, log, lambda x: 1.0 / x) + top - scores[target])
    return sum(losses) * (1.0 / len(losses))


def _unary(value: Any, x: Any, f: Callable[[float], float], df: Callable[[float], float]) -> Any:
    out = value(f(x.data), (x,), f.__name__)

    def backward() -> None:
        x.grad += df(x.data) * out.grad

    out._backward = backward
    return out


PEERS: Mapping[str, tuple[str, Callable[[Problem], Contender]]] = {  # by the package each needs
    "PyTorch eager": ("torch", TorchEager),
    "JAX jit": ("jax", JaxJit),
    "micrograd": ("micrograd", Micrograd),
}


def peer(name: str, problem: Problem) -> Contender | str:
    """A contender ready for its first step; or why there is none."""
    package, make = PEERS[name]
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return f"not installed: pip install {package}"
    return make(problem)
