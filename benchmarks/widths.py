"""Graphs from very narrow to wide, on each target: what ``target="auto"`` has to tell apart.

``python -m benchmarks.widths`` prints the table of ``tinygrad_edu/compiler/targets.py``.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from random import Random
from statistics import median
from typing import Any

from benchmarks.timing import in_turns
from benchmarks.workloads import chain, pairwise_sum, random_program, run
from tinygrad_edu import Value, compile_graph, log
from tinygrad_edu.nn import MLP, cross_entropy

Matrix = list[list[Any]]


def kalman(steps: int) -> Value:
    """The negative log likelihood of positions, by a Kalman filter of position and velocity."""
    rng = Random(0)
    q, r = Value(0.1, "q"), Value(0.5, "r")
    x, P = [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]
    F = [[1.0, 1.0], [0.0, 1.0]]
    turned = [[1.0, 0.0], [1.0, 1.0]]
    total: Any = 0.0
    for t in range(steps):
        x = [x[0] + x[1], x[1]]
        P = product(product(F, P), turned)
        P = [[P[0][0] + q, P[0][1]], [P[1][0], P[1][1] + q]]
        S, error = P[0][0] + r, t + rng.gauss(0.0, 0.5) - x[0]
        total = total + log(S) + error * error / S
        K = [P[0][0] / S, P[1][0] / S]
        x = [x[0] + K[0] * error, x[1] + K[1] * error]
        P = [[P[i][j] - K[i] * P[0][j] for j in range(2)] for i in range(2)]
    return total * (0.5 / steps)


def product(a: Matrix, b: Matrix) -> Matrix:
    """The matrix product."""
    columns = [*zip(*b, strict=True)]
    return [[dot(row, column) for column in columns] for row in a]


def dot(a: Any, b: Any) -> Any:
    """The sum of products."""
    return reduce(add, (x * y for x, y in zip(a, b, strict=True)))


def gaussian_process(n: int) -> Value:
    """The negative log likelihood of a Gaussian process, by a Cholesky decomposition."""
    rng = Random(0)
    width, noise = Value(1.0, "width"), Value(0.3, "noise")
    at, y = [rng.uniform(-2.0, 2.0) for _ in range(n)], [rng.gauss(0.0, 1.0) for _ in range(n)]
    L: Matrix = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            covariance = (-((at[i] - at[j]) ** 2) / width).exp() + (noise if i == j else 0.0)
            left = covariance - dot(L[i][:j], L[j][:j]) if j else covariance
            L[i][j] = left.sqrt() if i == j else left / L[j][j]
    solved: list[Any] = []
    for i in range(n):
        solved.append(((y[i] - dot(L[i][:i], solved)) if i else Value(y[0]).detach()) / L[i][i])
    return dot(solved, solved) * 0.5 + reduce(add, (log(L[i][i]) for i in range(n)))


def ridge(n: int, features: int = 8) -> Value:
    """The error of ridge regression, whose weights are found by elimination."""
    rng = Random(0)
    X = [[Value(rng.gauss(0.0, 1.0)) for _ in range(features)] for _ in range(n)]
    y, penalty = [Value(sum(row).data).detach() for row in X], Value(0.1, "penalty")
    A = product([*map(list, zip(*X, strict=True))], X)
    b = [dot(column, y) for column in zip(*X, strict=True)]
    for i in range(features):
        A[i][i] = A[i][i] + penalty
    for i in range(features):
        for j in range(i + 1, features):
            factor = A[j][i] / A[i][i]
            A[j] = [A[j][k] - factor * A[i][k] for k in range(features)]
            b[j] = b[j] - factor * b[i]
    w: list[Any] = [0.0] * features
    for i in reversed(range(features)):
        rest = [A[i][k] * w[k] for k in range(i + 1, features)]
        w[i] = (b[i] - reduce(add, rest) if rest else b[i]) / A[i][i]
    return reduce(add, ((dot(w, row) - t) ** 2 for row, t in zip(X, y, strict=True)))


def recurrent(steps: int, hidden: int = 4) -> Value:
    """The squared state of a recurrent network of tanh after so many steps."""
    rng = Random(0)
    W = [[Value(rng.gauss(0.0, 0.5)) for _ in range(hidden)] for _ in range(hidden)]
    U = [Value(rng.gauss(0.0, 0.5)) for _ in range(hidden)]
    h: list[Any] = [0.0] * hidden
    for t in range(steps):
        h = [(dot(W[i], h) + U[i] * (t % 3 - 1.0)).tanh() for i in range(hidden)]
    return dot(h, h)


def bushy(nodes: int) -> Value:
    """A shallow graph of random operations, 30 levels deep."""
    rng = Random(0)
    level: list[Any] = [Value(rng.uniform(-1.0, 1.0)) for _ in range(nodes // 60)]
    for _ in range(30):
        level = [_either(rng, rng.choice(level), rng.choice(level)) for _ in level]
    return pairwise_sum(level)


def _either(rng: Random, a: Any, b: Any) -> Any:
    return rng.choice((lambda: a * b, lambda: (a + b).tanh(), lambda: a.relu() - b))()


def dots(nodes: int) -> Value:
    """Sums of products of random pairs of some parameters."""
    rng = Random(0)
    pool = [Value(rng.uniform(-1.0, 1.0)) for _ in range(100)]
    sums = [
        dot(rng.choices(pool, k=20), rng.choices(pool, k=20)).tanh() for _ in range(nodes // 41)
    ]
    return dot(sums, sums)


def network(samples: int, widths: tuple[int, ...]) -> Value:
    """The mean cross entropy of a network, as one graph."""
    model, rng = MLP(widths[0], [*widths[1:]], rng=Random(0)), Random(1)
    rows = [[Value(rng.random()).detach() for _ in range(widths[0])] for _ in range(samples)]
    losses = [cross_entropy(model(x), i % widths[-1]) for i, x in enumerate(rows)]
    return reduce(add, losses) * (1.0 / samples)


def irregular(nodes: int) -> Value:
    """The graph of a random program."""
    return run(random_program(nodes, Random(0)), Value)[0]


GRAPHS: Mapping[str, Callable[[], Value]] = {
    "chain of 2,000": lambda: chain(2_000, Value)[0],
    "Kalman filter, 40 steps": lambda: kalman(40),
    "irregular, 1e3": lambda: irregular(1_000),
    "irregular, 1e4": lambda: irregular(10_000),
    "irregular, 1e5": lambda: irregular(100_000),
    "Gaussian process, n = 9": lambda: gaussian_process(9),
    "Gaussian process, n = 25": lambda: gaussian_process(25),
    "recurrent, hidden 4": lambda: recurrent(250),
    "recurrent, hidden 16": lambda: recurrent(40, 16),
    "ridge by elimination": lambda: ridge(16),
    "ridge, 100 samples": lambda: ridge(100),
    "bushy, 1e4": lambda: bushy(10_000),
    "bushy, 1e5": lambda: bushy(100_000),
    "sums of dots, 1e3": lambda: dots(1_000),
    "sums of dots, 1e4": lambda: dots(10_000),
    "one neuron, 1 sample": lambda: network(1, (2, 2)),
    "MLP 2-3-2, 4 samples": lambda: network(4, (2, 3, 2)),
    "MLP 2-3-2, 20 samples": lambda: network(20, (2, 3, 2)),
    "MLP 4-8-3, 1 sample": lambda: network(1, (4, 8, 3)),
    "MLP 4-8-3, 30 samples": lambda: network(30, (4, 8, 3)),
    "MLP 64-32-10, 1 sample": lambda: network(1, (64, 32, 10)),
}


def microseconds(steps: Mapping[str, Callable[[], Any]], rounds: int = 5) -> dict[str, float]:
    """CPU time of each step, in turns."""
    blocks = {name: (step, 6) for name, step in steps.items()}
    times = in_turns(blocks, rounds, collecting=True)
    return {name: 1e6 * median(min(block) for block in all_) for name, all_ in times.items()}


def measure() -> None:
    """Print operations per instruction, and µs of a backward pass on each target and eagerly."""
    targets = ("numpy", "python", "c")
    heads = " ".join(f"{name:>7}" for name in (*targets, "eager"))
    print(f"{'graph':26} {'ops / instruction':>17} {heads}")
    for name, make in GRAPHS.items():
        root = make()
        programs = {target: compile_graph(root, target=target) for target in targets}
        steps = {target: program.backward for target, program in programs.items()}
        took = microseconds({**steps, "eager": root.backward})
        program = programs["numpy"]
        operations = sum(op is not None for op in program.tape.ops)
        times = " ".join(f"{took[name]:7,.0f}" for name in took)
        print(f"{name:26} {operations / program.stats['instructions']:17,.1f} {times}", flush=True)


if __name__ == "__main__":
    measure()
