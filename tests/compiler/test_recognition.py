"""Matrix products are found in what learners write, and the gradients stay those of the graph."""

import math
from random import Random

import numpy as np
import pytest

from tinygrad_edu import Value, maximum
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.nn import MLP, cross_entropy

rng = Random(0)


def numbers(count):
    """As many Values in -1 .. 1."""
    return [Value(rng.uniform(-1.0, 1.0)) for _ in range(count)]


def matrix(rows, columns):
    """A list of rows of Values."""
    return [numbers(columns) for _ in range(rows)]


def affine(w, b, x):
    """The rows of W times x plus b, in plain loops."""
    return [
        sum((wi * xi for wi, xi in zip(row, x, strict=True)), bias)
        for row, bias in zip(w, b, strict=True)
    ]


def moons(samples=12, form=affine):
    """The moons loss: MLP(2, [5, 4, 1]), hinge, an L2 term."""
    layers = [(matrix(b, a), numbers(b)) for a, b in ((2, 5), (5, 4), (4, 1))]
    losses = []
    for _ in range(samples):
        z = numbers(2)
        for i, (w, b) in enumerate(layers):
            z = form(w, b, z)
            z = [v.relu() for v in z] if i < 2 else z
        losses.append((1.0 - rng.choice((-1.0, 1.0)) * z[0]).relu())
    weights = [p for w, b in layers for row in [*w, b] for p in row]
    return sum(losses) * (1.0 / samples) + 1e-4 * sum(p * p for p in weights)


def backwards(w, b, x):
    """The same terms in another order, bias last."""
    return [
        sum(row[i] * x[i] for i in reversed(range(len(x)))) + bias
        for row, bias in zip(w, b, strict=True)
    ]


def subtracted(w, b, x):
    """The same with minus signs, and constants among the terms."""
    out = []
    for row, bias in zip(w, b, strict=True):
        total = 0.5 - bias
        for wi, xi in zip(row, x, strict=True):
            total = total - xi * wi
        out.append(-total)
    return out


def residual():
    """Two layers with a connection around the second."""
    w1, b1, w2, b2 = matrix(4, 3), numbers(4), matrix(4, 4), numbers(4)
    losses = []
    for _ in range(6):
        h = [v.tanh() for v in affine(w1, b1, numbers(3))]
        h = [a + b.relu() for a, b in zip(h, affine(w2, b2, h), strict=True)]
        losses.append(sum(v * v for v in h))
    return sum(losses)


def softmax_batch():
    """Cross entropy of a batch."""
    model = MLP(4, [6, 3], activation="tanh", rng=rng)
    return cross_entropy(
        [model([rng.random() for _ in range(4)]) for _ in range(7)], [0, 1, 2] * 2 + [0]
    )


def two_networks():
    """Two networks of one shape on different data."""
    one, other = MLP(3, [5, 1], rng=rng), MLP(3, [5, 1], rng=rng)
    pairs = [([rng.random() for _ in range(3)], [rng.random() for _ in range(3)]) for _ in range(6)]
    return sum((one(x) - other(y)) ** 2 for x, y in pairs)


def recurrent():
    """h = tanh(W h + U x + b), unrolled over time, for a few sequences."""
    w, u, b = matrix(4, 4), matrix(4, 2), numbers(4)
    losses = []
    for _ in range(5):
        h = [Value(0.0).detach()] * 4
        for _ in range(6):
            x = numbers(2)
            h = [
                (s + t).tanh()
                for s, t in zip(affine(w, b, h), affine(u, [0.0] * 4, x), strict=True)
            ]
        losses.append(h[0] * h[0] + h[1])
    return sum(losses)


def attention():
    """One head over five positions: products of two things that are no parameters."""
    wq, wk, wv = matrix(3, 3), matrix(3, 3), matrix(3, 3)
    zero = [0.0] * 3
    xs = [numbers(3) for _ in range(5)]
    q, k, v = ([affine(w, zero, x) for x in xs] for w in (wq, wk, wv))
    out = []
    for qi in q:
        scores = [
            sum(a * b for a, b in zip(qi, kj, strict=True)) * (1.0 / math.sqrt(3.0)) for kj in k
        ]
        top = scores[0]
        for s in scores[1:]:
            top = maximum(top, s)
        e = [(s - top).exp() for s in scores]
        total = sum(e)
        a = [x / total for x in e]
        out.append([sum(aj * vj[c] for aj, vj in zip(a, v, strict=True)) for c in range(3)])
    return sum(o * o for row in out for o in row)


GRAPHS = {
    "moons": (moons, 3),
    "another order": (lambda: moons(form=backwards), 3),
    "subtraction and constants": (lambda: moons(form=subtracted), 3),
    "residual connections": (residual, 2),
    "softmax cross entropy over a batch": (softmax_batch, 2),
    "two networks in one loss": (two_networks, 2),
    "a recurrent network unrolled": (recurrent, 2),
    "attention over positions": (attention, 3),
}


@pytest.mark.parametrize(("graph", "products"), GRAPHS.values(), ids=GRAPHS)
def test_matrix_products_are_found_and_gradients_kept(graph, products):
    """At least the products that a person would write, and eager's numbers to 1e-12."""
    loss = graph()
    loss.backward()

    program = compile_graph(loss)
    program.backward()

    assert program.stats["matrix_products"] >= products
    assert program.stats["instructions"] < program.stats["nodes"] / 4
    assert program.loss == pytest.approx(loss.data, rel=1e-12)
    eager = np.array([p.grad for p in program.parameters])
    np.testing.assert_allclose(program.gradient, eager, rtol=1e-12, atol=1e-12 * abs(eager).max())


def test_equations_are_the_books():
    """A layer reads A = X Wᵀ + b, its gradient Δᵀ X, in text and in LaTeX."""
    equations = compile_graph(moons()).equations

    assert str(equations).splitlines()[:3] == [
        "A1 = X1 W1ᵀ + b1",
        "Z1 = max(A1, 0)",
        "A2 = Z1 W2ᵀ + b2",
    ]
    assert "∂L/∂W1 += ΔA1ᵀ X1" in equations.backward
    assert "ΔA1 = ΔZ1 ⊙ [A1 > 0]" in equations.backward
    assert r"A_{1} &= X_{1} W_{1}^{\top} + b_{1}" in equations.latex


def test_what_is_not_recognised_still_runs():
    """Products whose pairs do not form a grid: no matrix, the same numbers."""
    a, b = numbers(6), numbers(6)
    sums = [a[i] * b[j] + a[j] * b[(i + 2) % 6] for i, j in ((0, 1), (1, 3), (2, 0), (4, 5))]
    loss = sum(s.tanh() for s in sums)
    loss.backward()

    program = compile_graph(loss)
    program.backward()

    assert program.stats["matrix_products"] == 0
    np.testing.assert_allclose(program.gradient, [p.grad for p in program.parameters], rtol=1e-12)


def chain(length, step):
    """A number on which the same is done so many times over, and its weight."""
    weight = Value(0.999)
    node = Value(0.5)
    for _ in range(length):
        node = step(node, weight)
    return node, weight


@pytest.mark.parametrize(
    ("step", "target"),
    [
        (lambda node, weight: (node * weight).tanh(), "python"),
        (lambda node, weight: node * weight + 0.01, "python"),
        (lambda node, weight: node + weight, "numpy"),  # one sum
    ],
)
def test_a_long_chain_is_straight_line_code(step, target):
    """It has nothing to do side by side; vector and gradient are arrays all the same."""
    root, weight = chain(11_000, step)

    program = compile_graph(root)
    program.backward()
    root.backward()

    assert program.stats["target"] == target
    assert isinstance(program.gradient, np.ndarray)
    at = program.parameters.index(weight)
    assert program.gradient[at] == pytest.approx(weight.grad, rel=1e-9)
    program.vector[at] = 0.5
    program.push()
    assert weight.data == 0.5
