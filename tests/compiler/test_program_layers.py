"""Random networks, as whole graphs and as samples: the structure that is found changes no number.

Other than in tests/programs.py the operands of one operation have much in common here: rows of one
matrix, windows that overlap, embeddings, softmaxes, products of three, weights at several places.
"""

from itertools import pairwise
from random import Random

import pytest

from tests.targets import on_every_target
from tinygrad_edu import Value, maximum
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.functions import stop_gradient

ACTIVATIONS = (lambda v: v.tanh(), lambda v: v.sigmoid(), lambda v: v.sin(), lambda v: v)


def dense(rng, weights, pool, n):
    """Rows of weights times one list of operands, some rows left out, some terms subtracted."""
    matrix = [[rng.choice(weights) for _ in range(n)] for _ in range(n)]
    operands = [rng.choice(pool) for _ in range(n)]
    out = []
    for row in matrix[: rng.randint(1, n)]:
        total = row[0] * operands[0]
        for w, x in zip(row[1:], operands[1:], strict=True):
            total = total + w * x if rng.random() < 0.9 else total - x * w
        out.append(total + rng.choice(weights) if rng.random() < 0.5 else total)
    return out


def triples(rng, weights, pool, n):
    """One sum of products of three."""
    total = rng.choice(pool) * 1.0
    for _ in range(2 * n):
        total = total + rng.choice(weights) * rng.choice(pool) * rng.choice(pool)
    return [total]


def softmax(rng, weights, pool, n):
    """With the largest subtracted, which may be used elsewhere, too."""
    operands = [rng.choice(pool) for _ in range(n)]
    largest = operands[0]
    for v in operands[1:]:
        largest = maximum(largest, v)
    shift = stop_gradient(largest)
    exps = [(v - shift).exp() for v in operands]
    total = exps[0]
    for v in exps[1:]:
        total = total + v
    more = [largest * rng.choice(pool)] if rng.random() < 0.4 else []
    return [v / total for v in exps] + more


def embeddings(rng, weights, pool, n):
    """Rows of a table, chosen with repeats, times two weights."""
    table = [weights[i : i + 2] for i in range(0, len(weights) - 1, 2)]
    a, b = rng.choice(weights), rng.choice(weights)
    rows = [rng.choice(table) for _ in range(n)]
    return [a * row[0] + b * row[1] + rng.choice(weights) for row in rows]


def windows(rng, weights, pool, n):
    """A convolution of what came before."""
    kernel = [rng.choice(weights) for _ in range(2)]
    operands = [rng.choice(pool) for _ in range(n + 1)]
    return [kernel[0] * left + kernel[1] * right for left, right in pairwise(operands)]


def mixed(rng, weights, pool, n):
    """Sums of anything, with both signs."""
    out = []
    for _ in range(n):
        total = rng.choice(pool) * rng.choice(pool)
        for _ in range(rng.randint(0, 5)):
            term = rng.choice(pool) if rng.random() < 0.4 else rng.choice(pool) * rng.choice(pool)
            total = total + term if rng.random() < 0.6 else total - term
        out.append(total)
    return out


def neighbours(rng, weights, pool, n):
    """Sums of some of what came before, of more or less of them."""
    states = [v.tanh() for v in pool[-6:]]
    return [sum(rng.sample(states, rng.randint(2, 6))) for _ in range(n)]


def holes(rng, weights, pool, n):
    """A matrix of weights of its own, in which some are missing: a triangle, or a diagonal."""
    operands = [v.sin() for v in pool[-n - 2 :]]
    out = []
    for i in range(n + 2):
        some = [x for j, x in enumerate(operands) if j != i and rng.random() < 0.9][:6]
        own = [rng.choice(weights).exp() for _ in some]
        out.append(sum((w * x for w, x in zip(own, some, strict=True)), rng.choice(weights)))
    return out


LAYERS = (dense, triples, softmax, embeddings, windows, mixed, neighbours, holes)


def network(rng):
    """A loss, and the leaves that stand for data."""
    weights = [Value(rng.uniform(-1.0, 1.0)) for _ in range(rng.randint(4, 16))]
    inputs = [Value(rng.uniform(-1.0, 1.0)) for _ in range(3)]
    pool = weights + inputs
    for _ in range(rng.randint(1, 4)):
        activation = rng.choice(ACTIVATIONS)
        layer = rng.choice(LAYERS)(rng, weights, pool, rng.randint(2, 5))
        last = [activation(v) if rng.random() < 0.8 else v for v in layer]
        pool = pool + last
    total = sum(rng.sample(pool, 3), weights[0] * 0.0)
    for v in last:
        total = total + v
    return (total * 0.3).tanh() + 0.0 * sum(inputs, weights[0]), inputs


@pytest.mark.parametrize("rows", [True, False], ids=["sample", "whole graph"])
@on_every_target
def test_random_networks_have_the_value_and_the_slopes_of_the_graph(target, rows):
    """To 1e-10, whatever matrices, tables and factors are found in them."""
    for seed in range(250):
        loss, inputs = network(Random(seed))
        program = compile_graph(loss, inputs if rows else None, target=target)
        for leaf in program.parameters:
            leaf.grad = 0.0
        loss.backward()

        found = program.backward([[v.data for v in inputs]] if rows else None)

        assert found == pytest.approx(loss.data, abs=1e-11), seed
        slopes = [leaf.grad for leaf in program.parameters]
        assert list(program.gradient) == pytest.approx(slopes, abs=1e-10), seed
