"""Compiled graphs against NumPy written by hand, and PyTorch where it is installed.

One thread each, float64, the same data and weights; contenders take turns step by step.
"""

from __future__ import annotations

import os

for _threads in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # before NumPy is imported

from collections.abc import Callable, Iterable, Mapping  # noqa: E402
from math import isclose  # noqa: E402
from random import Random  # noqa: E402
from statistics import median  # noqa: E402
from time import perf_counter  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.workloads import moons, moons_loss  # noqa: E402
from tinygrad_edu import Value, compile_graph  # noqa: E402
from tinygrad_edu.nn import MLP, cross_entropy  # noqa: E402
from tinygrad_edu.train import SGD  # noqa: E402
from tinygrad_edu.train.compiled import CompiledTraining  # noqa: E402

Layers = list[tuple[Any, Any]]


def measure(steps: int = 400) -> dict[str, Any]:
    """All workloads; microseconds a step (medians), and ratios to NumPy written by hand."""
    return {
        "moons, 100 samples, whole graph": measure_moons(steps),
        "digits, MLP(64, [32, 10]), batch 32": measure_classes([64, 32, 10], 32, steps),
        "MNIST size, MLP(784, [128, 10]), batch 64": measure_classes([784, 128, 10], 64, steps),
    }


def arrays(model: MLP) -> Layers:
    """The weights of a model as matrices."""
    return [
        (
            np.array([[w.data for w in n.w] for n in layer.neurons]),
            np.array([n.b.data for n in layer.neurons]),
        )
        for layer in model.layers
    ]


def forward(layers: Layers, X: Any) -> list[Any]:
    """X and the activations of each layer; relu but for the last."""
    Z = [X]
    for i, (w, b) in enumerate(layers):
        a = Z[-1] @ w.T
        a += b
        Z.append(np.maximum(a, 0.0, out=a) if i < len(layers) - 1 else a)
    return Z


def backward(layers: Layers, Z: list[Any], delta: Any) -> list[tuple[Any, Any]]:
    """dL/dW and dL/db of each layer, last first."""
    gradients = []
    for i in range(len(layers) - 1, -1, -1):
        gradients.append((delta.T @ Z[i], delta.sum(0)))
        if i:
            delta = delta @ layers[i][0]
            delta *= Z[i] > 0.0
    return gradients


def measure_moons(steps: int) -> dict[str, Any]:
    """The loss as micrograd's demo writes it: 65,000 nodes, hinge and an L2 term."""
    X, y = moons(0)
    model = MLP(2, [16, 16, 1], rng=Random(0))
    loss = moons_loss(model, lambda x: Value(x).detach(), X, y)
    start = perf_counter()
    program = compile_graph(loss)
    seconds = perf_counter() - start
    data, signs = np.array(X), np.array(y)[:, None]

    def by_hand(layers: Layers) -> tuple[float, Any]:
        Z = forward(layers, data)
        margin = 1.0 - signs * Z[-1]
        penalty = sum(float(np.vdot(w, w) + np.vdot(b, b)) for w, b in layers)
        loss = float(np.maximum(margin, 0.0).mean()) + 1e-4 * penalty
        gradients = backward(layers, Z, -signs * (margin > 0.0) / len(X))
        return loss, [
            (dw + 2e-4 * w, db + 2e-4 * b)
            for (w, b), (dw, db) in zip(reversed(layers), gradients, strict=True)
        ]

    figures = in_turns(program.backward, program, by_hand, arrays(model), steps)
    return figures | {"compile_seconds": seconds, "nodes": program.stats["nodes"]}


def measure_classes(sizes: list[int], batch: int, steps: int) -> dict[str, Any]:
    """Softmax cross entropy of a batch: one sample is traced, its program runs over the rows."""
    rng = np.random.RandomState(0)
    model = MLP(sizes[0], sizes[1:], rng=Random(0))
    X, y = rng.rand(batch, sizes[0]), rng.randint(0, sizes[-1], batch)
    start = perf_counter()
    optimizer = SGD(model.parameters(), 0.1)
    training = CompiledTraining(model, cross_entropy, X[:1].tolist(), [int(y[0])], optimizer)
    seconds = perf_counter() - start
    rows = training.rows(X.tolist(), [int(t) for t in y])
    T = np.eye(sizes[-1])[y]

    def by_hand(layers: Layers) -> tuple[float, Any]:
        Z = forward(layers, X)
        a = Z[-1]
        top = a.max(1, keepdims=True)
        e = np.exp(a - top)
        total = e.sum(1, keepdims=True)
        loss = float((np.log(total) + top).mean() - (a * T).sum() / batch)
        return loss, backward(layers, Z, (e / total - T) / batch)

    program = training.program
    figures = in_turns(lambda: program.backward(rows), program, by_hand, arrays(model), steps)
    return figures | {"compile_seconds": seconds, "nodes": program.stats["nodes"]}


def in_turns(
    step: Callable[[], float],
    program: Any,
    by_hand: Callable[[Layers], tuple[float, Any]],
    layers: Layers,
    steps: int,
) -> dict[str, Any]:
    """Medians of steps in turns; the losses of both are compared over 50 descents."""
    apart = 0.0
    start = program.vector.copy()
    for _ in range(50):
        mine, (theirs, gradients) = step(), by_hand(layers)
        apart = max(apart, abs(mine - theirs) / abs(theirs))
        program.vector -= 0.01 * program.gradient
        for (w, b), (dw, db) in zip(reversed(layers), gradients, strict=True):
            w -= 0.01 * dw
            b -= 0.01 * db
    if not isclose(apart, 0.0, abs_tol=1e-9):
        raise ValueError(f"the losses differ by {apart:.1e} of their size within 50 steps")
    program.vector[:] = start
    times: list[tuple[float, float]] = []
    for _ in range(steps):
        before = perf_counter()
        step()
        between = perf_counter()
        by_hand(layers)
        times.append((between - before, perf_counter() - between))
    ours, hand = (1e6 * median(column) for column in zip(*times, strict=True))
    ratio = median(mine / theirs for mine, theirs in times)
    return {"compiled_us": ours, "numpy_us": hand, "ratio": ratio, "losses_apart": apart}


def table(figures: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    """The figures as lines of text."""
    yield f"{'':44}{'compiled':>12}{'NumPy by hand':>16}{'ratio':>8}{'compile':>10}{'nodes':>10}"
    for name, row in figures.items():
        yield (
            f"{name:44}{row['compiled_us']:9.1f} µs{row['numpy_us']:13.1f} µs"
            f"{row['ratio']:8.2f}{row['compile_seconds']:8.2f} s{row['nodes']:10,}"
        )
