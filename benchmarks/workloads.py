"""The programs that are timed: plain functions that run on the Values of either engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from random import Random
from typing import Any, NamedTuple

Build = Callable[[float], Any]  # a Value of one engine from a number
Rows = Sequence[Sequence[float]]


def moons(seed: int, samples: int = 100) -> tuple[list[list[float]], list[float]]:
    """Scikit-learn's two half moons: points, and targets -1 or 1."""
    from sklearn.datasets import make_moons

    X, y = make_moons(n_samples=samples, noise=0.1, random_state=seed)
    return X.tolist(), [2.0 * target - 1.0 for target in y.tolist()]


def moons_loss(model: Any, value: Build, X: Rows, y: Sequence[float]) -> Any:
    """The mean hinge loss of a network and 1e-4 of its squared weights, as micrograd's demo has it.

    Source: Karpathy, micrograd, demo.ipynb.
    """
    scores = [model([value(number) for number in row]) for row in X]
    hinges = [(1 + -target * score).relu() for target, score in zip(y, scores, strict=True)]
    squares = sum(parameter * parameter for parameter in model.parameters())
    return sum(hinges) * (1.0 / len(hinges)) + 1e-4 * squares


class Instruction(NamedTuple):
    """Replace the value at ``target`` by one computed from it, and from another or a weight."""

    kind: str  # "average", "scale" or "rectify"
    target: int
    other: int


class Program(NamedTuple):
    """Straight-line arithmetic on a pool of leaves, summed at the end."""

    leaves: list[float]
    weights: list[float]
    instructions: list[Instruction]


def random_program(nodes: int, rng: Random) -> Program:
    """A program whose graph has about so many nodes, all of which its result depends on.

    It uses only what costs both engines the same number of nodes. Many live values make the graph
    shallow: 100,000 nodes are some 200 deep, within reach of a recursive backward pass.
    """
    size = max(2, nodes // 50)
    kinds = ("average", "scale", "rectify")  # 3, 1 and 3 nodes
    lines = (nodes - 3 * size) * 3 // 7
    return Program(
        leaves=[rng.uniform(-1.0, 1.0) for _ in range(size)],
        weights=[rng.uniform(-1.5, 1.5) for _ in range(size)],
        instructions=[
            Instruction(rng.choice(kinds), rng.randrange(size), rng.randrange(size))
            for _ in range(lines)
        ],
    )


def run(program: Program, value: Build) -> tuple[Any, list[Any]]:
    """The result of a program and its leaves, as Values of one engine."""
    pool = [value(number) for number in program.leaves]
    weights = [value(number) for number in program.weights]
    leaves = pool + weights
    for kind, target, other in program.instructions:
        if kind == "average":
            pool[target] = (pool[target] + pool[other]) * 0.5
        elif kind == "scale":
            pool[target] = pool[target] * weights[other]
        else:
            pool[target] = pool[target].relu() + 0.1
    return pairwise_sum(pool), leaves


def pairwise_sum(values: Sequence[Any]) -> Any:
    """The sum of values by halves: a graph only as deep as their number's logarithm.

    Examples
    --------
    >>> from benchmarks.workloads import pairwise_sum
    >>> pairwise_sum([1, 2, 3, 4, 5])
    15
    """
    level = list(values)
    while len(level) > 1:
        pairs = zip_longest(level[::2], level[1::2])
        level = [a if b is None else a + b for a, b in pairs]
    return level[0]


def chain(length: int, value: Build, factor: float = 1.0000001) -> tuple[Any, Any]:
    """A number multiplied so many times by one weight: (result, weight)."""
    weight = value(factor)
    node = value(1.0)
    for _ in range(length):
        node = node * weight
    return node, weight
